//! `set` as it is read: what is wrong with an expression whatever a lead says is found here, and not at each lead.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use strum::VariantArray;

use super::SetField;
use super::apply::{is_name, read};
use super::expression::{Expression, Failed};
use super::words::unknown;
use crate::domain::region::Region;
use crate::domain::status::{AdPlatform, LeadSource, Priority};

/// Reads the table.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<SetField, Expression>, D::Error> {
    let texts = BTreeMap::<SetField, String>::deserialize(deserializer)?;
    let one = |(field, text): (SetField, String)| Ok((field, expression(field, &text).map_err(Error::custom)?));
    texts.into_iter().map(one).collect()
}

fn expression(field: SetField, text: &str) -> Result<Expression, String> {
    let expression = Expression::parse(text).map_err(|error| {
        let text = text.trim();
        match read(field, text, Region::INDONESIA) {
            None => error.to_string(),
            Some(_) => {
                format!("`{text}` is a text, and in an expression texts have quotes of their own; write \"'{text}'\"")
            }
        }
    })?;
    match expression.constant() {
        None | Some(Ok(None)) => Ok(expression),
        Some(Ok(Some(text))) => match flaw(field, &text) {
            None => Ok(expression),
            Some(flaw) => Err(flaw),
        },
        Some(Err(failed)) => Err(format!("it fails for every lead: {failed}")),
    }
}

/// What is wrong with giving `text` to `field`. What a phone number is depends on where it is called from.
fn flaw(field: SetField, text: &str) -> Option<String> {
    if field == SetField::Phone || is_name(field) || read(field, text, Region::INDONESIA).is_some() {
        return None;
    }
    Some(match field {
        SetField::Priority => unknown("priority", text, &words::<Priority>()),
        SetField::Source => unknown("channel", text, &words::<LeadSource>()),
        SetField::AdPlatform => unknown("network", text, &words::<AdPlatform>()),
        SetField::FullName
        | SetField::FirstName
        | SetField::LastName
        | SetField::Email
        | SetField::Phone
        | SetField::UniqueCode
        | SetField::EstimatedValue
        | SetField::ActualValue
        | SetField::AssignedTo => format!("what it gives is no {}", Failed::wanted(field)),
    })
}

/// The words of a closed list.
fn words<T: VariantArray + Into<&'static str> + Copy>() -> Vec<&'static str> {
    T::VARIANTS.iter().map(|word| (*word).into()).collect()
}
