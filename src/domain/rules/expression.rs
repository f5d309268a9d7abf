//! Expressions of a source's owner over what a lead says: the expression language of Jinja, cut down to what cannot fail
//! silently, cannot reach anything outside, and cannot take long.
//!
//! There are no statements, functions, methods or templates. What is not there is undefined: it may be asked whether it is
//! there (`not answers.kota`, `answers.kota is defined`, `answers.kota|default('')`), but an expression that goes on with
//! it fails, and one that fails has no value and, as a condition, does not hold. A budget bounds what it may do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters, tests};
use serde::{Deserialize, Deserializer};

use super::SetField;
use super::view::View;
use super::words;
use crate::domain::money;

/// The longest expression, in bytes. Whoever needs a longer one needs a program.
const MAX_LENGTH: usize = 2000;
/// What one evaluation may use up: an instruction costs one, and so do 64 bytes of text that are read or made. Lower-casing
/// every word of the largest webhook is within it.
const FUEL: u64 = 200_000;
/// The language. It never changes, and is made when the first rule needs it.
static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(language);

/// An expression that has been read and looked through. Cheap to clone.
#[derive(Clone)]
pub struct Expression(Arc<Read>);

struct Read {
    text: String,
    compiled: minijinja::Expression<'static, 'static>,
    names: BTreeSet<&'static str>,
}

/// What is wrong with the text of an expression. Says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadExpression(String);

/// Why an expression gave nothing. Says what kind of thing went wrong and where, never what it was done to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Failed {
    /// What it gives is nothing that `field` can hold.
    pub(super) fn of_value(field: SetField) -> Self {
        Self(format!("what it gives is no {}; it stands in the notes", Self::wanted(field)))
    }

    /// What `field` holds.
    pub(super) fn wanted(field: SetField) -> &'static str {
        match field {
            SetField::FullName | SetField::FirstName | SetField::LastName => "name",
            SetField::Email => "e-mail address",
            SetField::Phone => "phone number",
            SetField::UniqueCode => "code of Konektor's",
            SetField::EstimatedValue | SetField::ActualValue => "amount",
            SetField::Priority => "priority (low, medium, high, urgent)",
            SetField::Source => "channel (website, whatsapp, ads …)",
            SetField::AdPlatform => "network (meta, google, tiktok, linkedin, posthog, other)",
            SetField::AssignedTo => "UUID of a team member",
        }
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`BadExpression`] says what is wrong, at which character, and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        if text.trim_start().starts_with("{{") || text.trim_start().starts_with("{%") {
            return Err(BadExpression("an expression stands without `{{ }}`; take them away".to_owned()));
        }
        if text.len() > MAX_LENGTH {
            return Err(BadExpression(format!("an expression has at most {MAX_LENGTH} characters")));
        }
        let compiled = LANGUAGE.compile_expression_owned(text.to_owned()).map_err(|error| {
            let what = error.detail().unwrap_or("it cannot be read");
            BadExpression(format!("{what}{}", place(text, error.range().map(|range| range.start))))
        })?;
        let names = words::check(text).map_err(|flaw| {
            // The word in question comes first, for whoever looks for the one that was meant.
            let (head, tail) = flaw
                .what
                .split_once(", expected")
                .map_or((flaw.what.as_str(), None), |(head, tail)| (head, Some(tail)));
            let tail = tail.map(|tail| format!(", expected{tail}")).unwrap_or_default();
            BadExpression(format!("{head} at character {}{tail}", flaw.at + 1))
        })?;
        Ok(Self(Arc::new(Read { text: text.to_owned(), compiled, names })))
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether `name` is among what it reads.
    #[must_use]
    pub fn reads(&self, name: &str) -> bool {
        self.0.names.contains(name)
    }

    /// Whether what it gives comes from what the person said, and not from the sender or the owner.
    #[must_use]
    pub fn is_of_the_person(&self) -> bool {
        ["answers", "message", "text", "raw"].iter().any(|name| self.reads(name))
    }

    /// Whether it holds for what `view` shows.
    ///
    /// # Errors
    /// [`Failed`]: it cannot be told.
    pub(super) fn holds(&self, view: &View) -> Result<bool, Failed> {
        self.value(view.value()).map(|value| value.is_true())
    }

    /// Its value as text, spaces around it taken off; `None` when there is none, or nothing in it.
    ///
    /// # Errors
    /// [`Failed`]: it cannot be told.
    pub(super) fn text_of(&self, view: &View) -> Result<Option<String>, Failed> {
        text(&self.value(view.value())?)
    }

    /// [`Self::text_of`] whatever is shown; `None` where it depends on that.
    pub(super) fn constant(&self) -> Option<Result<Option<String>, Failed>> {
        self.0.names.is_empty().then(|| self.value(Value::UNDEFINED).and_then(|value| text(&value)))
    }

    fn value(&self, view: Value) -> Result<Value, Failed> {
        self.0.compiled.eval(view).map_err(|error| {
            let place = place(&self.0.text, error.range().map(|range| range.start));
            Failed(format!("{}{place}", error.kind()))
        })
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A value as text, spaces around it taken off.
fn text(value: &Value) -> Result<Option<String>, Failed> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(None),
        ValueKind::Bool | ValueKind::Number | ValueKind::String => {
            Ok(Some(value.to_string().trim().to_owned()).filter(|text| !text.is_empty()))
        }
        _ => Err(Failed("it gives a list or a map, not a text".to_owned())),
    }
}

fn language() -> Environment<'static> {
    let mut language = Environment::empty();
    // An error must not carry what the expression was done to.
    language.set_debug(false);
    language.set_fuel(Some(FUEL));
    language.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    language.add_filter("capitalize", filters::capitalize);
    language.add_filter("default", filters::default);
    language.add_filter("digits", digits);
    language.add_filter("first", filters::first);
    language.add_filter("join", filters::join);
    language.add_filter("last", filters::last);
    language.add_filter("length", filters::length);
    language.add_filter("lower", filters::lower);
    language.add_filter("number", number);
    language.add_filter("replace", filters::replace);
    language.add_filter("round", filters::round);
    language.add_filter("split", filters::split);
    language.add_filter("string", filters::string);
    language.add_filter("title", filters::title);
    language.add_filter("trim", filters::trim);
    language.add_filter("upper", filters::upper);
    language.add_test("defined", tests::is_defined);
    language.add_test("endingwith", tests::is_endingwith);
    language.add_test("none", tests::is_none);
    language.add_test("startingwith", tests::is_startingwith);
    language.add_test("undefined", tests::is_undefined);
    language
}

/// The amount that a text holds, as fields for amounts read it; `default` where it holds none.
fn number(value: &Value, default: Option<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let named: Option<Value> = arguments.get("default")?;
    arguments.assert_all_used()?;
    let read = match value.kind() {
        ValueKind::Number => Some(value.clone()),
        ValueKind::String => value.as_str().and_then(amount).map(Value::from),
        _ => None,
    };
    read.or(default).or(named).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "this is no number"))
}

fn amount(text: &str) -> Option<f64> {
    money::parse(text).or_else(|| text.trim().parse().ok().filter(|number: &f64| number.is_finite()))
}

/// The ASCII digits of a text, and nothing else.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// ` at character 7` for the byte at `position`.
fn place(text: &str, position: Option<usize>) -> String {
    let count = |position| text.char_indices().take_while(|(at, _)| *at < position).count() + 1;
    position.map(|position| format!(" at character {}", count(position))).unwrap_or_default()
}
