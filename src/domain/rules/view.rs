//! What an expression sees of a lead.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use minijinja::value::{Enumerator, Object, Serde, Value};

use crate::domain::labels;
use crate::domain::lead::Fields;
use crate::domain::submission::{Fact, Meaning, Submission};

/// When and where a submission came in, and the bytes that it was read from.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// When its webhook had been received.
    pub received: Timestamp,
    /// The sender's own bytes of it.
    pub body: &'a [u8],
}

impl fmt::Debug for Occasion<'_> {
    /// Shows no body: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Occasion({}, {}, {} bytes)", self.source, self.received, self.body.len())
    }
}

/// What an expression sees: a map of the names in [`super::words::NAMES`]. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct View(Arc<Seen>);

struct Seen {
    submission: Submission,
    /// What each answer is about.
    meanings: Vec<Option<Meaning>>,
    /// What the fields are without an expression.
    lead: Fields,
    source: String,
    received: Timestamp,
    body: Vec<u8>,
    raw: OnceLock<Value>,
}

impl View {
    /// A view of `submission`, whose answers are about `meanings` and whose fields are `lead`.
    pub(super) fn new(
        submission: &Submission,
        meanings: Vec<Option<Meaning>>,
        lead: Fields,
        occasion: Occasion<'_>,
    ) -> Self {
        Self(Arc::new(Seen {
            submission: submission.clone(),
            meanings,
            lead,
            source: occasion.source.to_owned(),
            received: occasion.received,
            body: occasion.body.to_vec(),
            raw: OnceLock::new(),
        }))
    }

    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.0))
    }
}

impl fmt::Debug for Seen {
    /// Shows nobody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({}, {} answers)", self.source, self.submission.answers.len())
    }
}

impl Object for Seen {
    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let Submission { profile, attribution, facts, ad_platform, submitted_at, is_test, payment, .. } =
            &self.submission;
        Some(match name {
            "ad_platform" => Value::from(ad_platform.map(|platform| platform.to_string())?),
            "answers" => Value::from_object(Answers(Arc::clone(self))),
            "attribution" => by_label(attribution),
            "facts" => by_label(facts),
            "form" => members([("id", self.submission.form_id()), ("name", self.submission.form_name())]),
            "lead" => self.lead(),
            "message" => Value::from(self.texts(|meaning| meaning == Some(Meaning::Message))),
            "payment" => {
                let payment = payment.as_ref()?;
                let amount = payment.amount.map(|amount| ("amount", Value::from(amount)));
                let reference = payment.reference.as_ref().map(|reference| ("reference", Value::from(reference)));
                // True as soon as something was paid, whatever is known of it.
                let paid = [("paid", Value::from(true))];
                Value::from_pairs(paid.into_iter().chain(amount).chain(reference))
            }
            "profile" => members([
                ("email", profile.email.as_deref()),
                ("name", profile.name.as_deref()),
                ("phone", profile.phone.as_deref()),
                ("username", profile.username.as_deref()),
            ]),
            "raw" => self.raw.get_or_init(|| parsed(&self.body)).clone(),
            "received" => Value::from(self.received.to_string()),
            "source" => Value::from(self.source.as_str()),
            "submitted" => Value::from(submitted_at.unwrap_or(self.received).to_string()),
            "test" => Value::from(*is_test),
            "text" => Value::from(self.texts(|meaning| meaning != Some(Meaning::Drop))),
            _ => return None,
        })
    }

    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }
}

impl Seen {
    /// What was answered to the questions that are about something wanted, line by line.
    fn texts(&self, is_wanted: impl Fn(Option<Meaning>) -> bool) -> String {
        let answers = self.submission.answers.iter().zip(&self.meanings);
        let wanted = answers.filter(|(_, meaning)| is_wanted(**meaning)).map(|(answer, _)| answer.value.as_str());
        wanted.collect::<Vec<_>>().join("\n")
    }

    fn lead(&self) -> Value {
        let Fields { first_name, last_name, email, phone, source, ad_platform, unique_code, .. } = &self.lead;
        let texts = [
            ("first_name", first_name.clone()),
            ("last_name", last_name.clone()),
            ("email", email.clone()),
            ("phone", phone.clone()),
            ("source", source.map(|source| source.to_string())),
            ("ad_platform", ad_platform.map(|platform| platform.to_string())),
            ("unique_code", unique_code.clone()),
        ];
        let amounts = [("estimated_value", self.lead.estimated_value), ("actual_value", self.lead.actual_value)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?))));
        Value::from_pairs(texts.chain(amounts.into_iter().filter_map(|(name, amount)| Some((name, amount?.into())))))
    }
}

/// The answers, by key or label: to the letter, or in another spelling of it.
#[derive(Debug)]
struct Answers(Arc<Seen>);

impl Object for Answers {
    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let answers = &self.0.submission.answers;
        let exact = answers.iter().find(|answer| answer.key == name || answer.label == name);
        let similar = || {
            let name = labels::plain(name);
            answers.iter().find(|answer| labels::plain(&answer.key) == name || labels::plain(&answer.label) == name)
        };
        exact.or_else(similar).map(|answer| Value::from(answer.value.as_str()))
    }

    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.submission.answers.iter().map(|answer| Value::from(answer.key.as_str())).collect())
    }
}

/// The first line of each label.
fn by_label(facts: &[Fact]) -> Value {
    let mut map = BTreeMap::new();
    for Fact { label, value } in facts {
        map.entry(label.clone()).or_insert_with(|| Value::from(value.as_str()));
    }
    Value::from(map)
}

/// What is there of these.
fn members<const N: usize>(members: [(&'static str, Option<&str>); N]) -> Value {
    Value::from_pairs(members.into_iter().filter_map(|(name, value)| Some((name, Value::from(value?)))))
}

/// The sender's bytes, where they are JSON.
fn parsed(body: &[u8]) -> Value {
    let json = serde_json::from_slice::<serde_json::Value>(body);
    json.map_or(Value::UNDEFINED, |json| Value::from(Serde(json)))
}
