//! Conditions under which something is withheld.

use std::fmt;

use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::expression::{Expression, Failed};
use super::view::View;

/// Conditions of which one is enough. In the file, one as a text or several in a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions(Vec<Expression>);

impl Conditions {
    /// There are none.
    pub const NONE: &Self = &Self(Vec::new());

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one holds. One that cannot be told does not.
    pub(super) fn hold(&self, view: &View) -> bool {
        self.iter().any(|condition| condition.holds(view).unwrap_or(false))
    }

    /// What is to be said of those that cannot be told.
    pub(super) fn failures<'a>(&'a self, view: &'a View) -> impl Iterator<Item = (&'a Expression, Failed)> {
        self.iter().filter_map(|condition| Some((condition, condition.holds(view).err()?)))
    }
}

/// What is withheld until a person releases it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum HoldRule {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything.
    Everything,
    /// What these hold for.
    When(Conditions),
}

impl HoldRule {
    /// The conditions that there are.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        match self {
            Self::When(conditions) => conditions,
            Self::Nothing | Self::Everything => Conditions::NONE,
        }
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader("a condition, or a list of conditions")).and_then(|read| match read {
            HoldRule::When(conditions) => Ok(conditions),
            HoldRule::Everything | HoldRule::Nothing => {
                Err(serde::de::Error::custom("write a condition, such as `not lead.phone`, and not true or false"))
            }
        })
    }
}

/// Reads the conditions of `accept`: of none at all it cannot be told whether everything is meant, or nothing.
pub(super) fn accepted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Conditions, D::Error> {
    let conditions = Conditions::deserialize(deserializer)?;
    if conditions.is_empty() {
        return Err(serde::de::Error::custom(
            "an empty list would let everything in; if that is meant, write accept = \"true\", or take it away",
        ));
    }
    Ok(conditions)
}

impl<'de> Deserialize<'de> for HoldRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader("true, false, a condition, or a list of conditions"))
    }
}

struct Reader(&'static str);

impl<'de> Visitor<'de> for Reader {
    type Value = HoldRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_bool<E>(self, everything: bool) -> Result<HoldRule, E> {
        Ok(if everything { HoldRule::Everything } else { HoldRule::Nothing })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HoldRule, E> {
        let condition = Expression::parse(text).map_err(E::custom)?;
        Ok(HoldRule::When(Conditions(vec![condition])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<HoldRule, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(|list| HoldRule::When(Conditions(list)))
    }
}
