//! Which status a lead is given, and when. Each one can fire a paid ad event, once: a wrong one cannot be taken back.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::expression::Expression;
use super::view::View;
use crate::domain::status::Status;
use crate::domain::submission::Payment;

/// Why `won` is not among the statuses that a rule can give without a condition.
const UNPAID: &str =
    "`won` needs the sender to say that it was paid; write status = [{ when = \"payment\", status = \"won\" }]";

/// Statuses and their conditions, in order: the first that holds is the one. In the file, one word, or a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatusRules {
    rules: Vec<StatusRule>,
    otherwise: Option<Status>,
}

/// A status that is given to what a condition holds for, forwards only, also to a lead that is already there.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRule {
    /// The condition.
    pub when: Expression,
    /// The status.
    pub status: Status,
}

impl StatusRules {
    /// Those with a condition, in order.
    #[must_use]
    pub fn rules(&self) -> &[StatusRule] {
        &self.rules
    }

    /// What a lead is created with when none of them holds.
    #[must_use]
    pub const fn otherwise(&self) -> Option<Status> {
        self.otherwise
    }

    /// The same without the rule at `place`; `None` is the one without a condition.
    #[must_use]
    pub fn without(&self, place: Option<usize>) -> Self {
        let mut rest = self.clone();
        match place {
            Some(place) if place < rest.rules.len() => drop(rest.rules.remove(place)),
            Some(_) => {}
            None => rest.otherwise = None,
        }
        rest
    }

    /// The places of those that give `won`.
    pub fn won(&self) -> impl Iterator<Item = usize> {
        self.rules.iter().enumerate().filter(|(_, rule)| rule.status == Status::Won).map(|(at, _)| at)
    }

    /// The first rule whose condition holds. `won` is none of them for what was not paid.
    pub(super) fn first(&self, view: &View, payment: Option<&Payment>) -> Option<&StatusRule> {
        let may = |rule: &&StatusRule| rule.status != Status::Won || payment.is_some();
        self.rules.iter().filter(may).find(|rule| rule.when.holds(view).unwrap_or(false))
    }
}

/// One line of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    when: Option<Expression>,
    status: Status,
}

impl<'de> Deserialize<'de> for StatusRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = StatusRules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status, or a list of { when = \"…\", status = \"…\" }")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<StatusRules, E> {
        let status = Status::deserialize(serde::de::value::StrDeserializer::new(word))?;
        Ok(StatusRules { rules: Vec::new(), otherwise: Some(without_condition(status)?) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StatusRules, A::Error> {
        let mut read = StatusRules::default();
        while let Some(Line { when, status }) = list.next_element()? {
            if read.otherwise.is_some() {
                return Err(A::Error::custom("a status without `when` ends the list; put it last"));
            }
            match when {
                None => read.otherwise = Some(without_condition(status)?),
                Some(when) if status == Status::Won && !when.reads("payment") => return Err(A::Error::custom(UNPAID)),
                Some(when) => read.rules.push(StatusRule { when, status }),
            }
        }
        Ok(read)
    }
}

fn without_condition<E: Error>(status: Status) -> Result<Status, E> {
    if status == Status::Won { Err(E::custom(UNPAID)) } else { Ok(status) }
}
