//! A source's rules, and those of its forms, from what the configuration says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use crate::config::{self, Finding, SourceConfig, with_suggestion};
use crate::domain::rules::Rules;
use crate::providers::Source;

/// A key that is wrong, by its path, and why.
type Wrong = (Vec<String>, String);

/// Reads the rules of `config`, as far as they can be wrong by themselves.
///
/// # Errors
/// Everything that is wrong, each where it stands.
pub(super) fn rules(config: &SourceConfig) -> Result<Rules, Vec<Finding>> {
    let own = read(&config.rules);
    let own_wrong = own.as_ref().err().into_iter().flatten();
    let mut findings: Vec<_> = own_wrong.map(|wrong| finding(config, None, wrong)).collect();
    let mut forms = BTreeMap::new();
    for (form, laid_over) in &config.forms {
        match read(laid_over) {
            Ok(rules) => drop(forms.insert(form.clone(), rules)),
            // What is wrong with the source's own rules is said once.
            Err(wrong) => {
                let own = wrong.iter().filter(|(path, _)| said(config, form, path));
                findings.extend(own.map(|wrong| finding(config, Some(form), wrong)));
            }
        }
    }
    match own {
        Ok(rules) if findings.is_empty() => Ok(Rules { forms: Arc::new(forms), ..rules }),
        Ok(_) | Err(_) => Err(findings),
    }
}

/// Rules of `config` that give `won` where `source`, which goes by them, never says that something was paid: none of them
/// would ever hold.
pub(super) fn never_paid(config: &SourceConfig, source: &Source) -> Vec<Finding> {
    if source.provider.tells_payments() {
        return Vec::new();
    }
    let payable = if config.dialect == config::PRESET_DIALECT {
        "say in `settings.payment` what tells that it was, or "
    } else {
        ""
    };
    let problem =
        format!("nothing of this sender says that it was paid, so `won` never comes; {payable}take the rule away");
    let wrong = |rules: &Rules| {
        let wrong = rules.status.won().map(|at| (vec!["status".to_owned(), at.to_string()], problem.clone()));
        wrong.collect::<Vec<_>>()
    };
    let own = wrong(&source.rules).into_iter().map(|wrong| finding(config, None, &wrong));
    let of_forms = source.rules.forms.iter().flat_map(|(form, rules)| {
        let said = wrong(rules).into_iter().filter(|(path, _)| said(config, form, path));
        said.map(|wrong| finding(config, Some(form), &wrong)).collect::<Vec<_>>()
    });
    own.chain(of_forms).collect()
}

/// One table of rules: the source's, or those for a form with the source's below.
fn read(table: &Table) -> Result<Rules, Vec<Wrong>> {
    let wrong = blame(table);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Rules::deserialize(table.clone()).map_err(|error| vec![(Vec::new(), error.message().to_owned())])
}

fn finding(config: &SourceConfig, form: Option<&String>, (path, problem): &Wrong) -> Finding {
    let top = form.map_or_else(|| vec!["rules".to_owned()], |form| vec!["forms".to_owned(), form.clone()]);
    let place = config.places.find(&[&top[..], path].concat()).unwrap_or(&config.origin);
    let key = path.iter().map(|key| shown(key)).collect::<Vec<_>>().join(".").replace(".[", "[");
    let at = if key.is_empty() { String::new() } else { format!("{key}: ") };
    let whose = form.map(|form| format!(" of its form `{form}`")).unwrap_or_default();
    Finding::new(place, format!("source `{}`: in the rules{whose}: {at}{}", config.name, with_suggestion(problem)))
}

/// Whether the table of `form` has something of its own at `path`.
fn said(config: &SourceConfig, form: &str, path: &[String]) -> bool {
    let table = ["forms".to_owned(), form.to_owned()];
    let place = |path: &[String]| config.places.find(&[&table[..], path].concat());
    path.is_empty() || place(&path[..1]) != place(&[])
}

/// A key as it is written in TOML; the place in a list as `[0]`.
fn shown(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match key {
        place if place.bytes().all(|digit| digit.is_ascii_digit()) => format!("[{place}]"),
        key if key.chars().all(bare) => key.to_owned(),
        key => format!("{key:?}"),
    }
}

/// The keys of `table` that are wrong by themselves, and why.
fn blame(table: &Table) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (key, value) in table {
        let inner = match value {
            Value::Table(table) => table
                .iter()
                .filter_map(|(inner, value)| {
                    let one = Table::from_iter([(inner.clone(), value.clone())]);
                    Some((vec![key.clone(), inner.clone()], problem(key, Value::Table(one))?))
                })
                .collect(),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .filter_map(|(place, value)| {
                    Some((vec![key.clone(), place.to_string()], problem(key, Value::Array(vec![value.clone()]))?))
                })
                .collect(),
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                Vec::new()
            }
        };
        // All of it may be wrong though none of its parts is, and then that is to be said.
        let whole = || problem(key, value.clone()).map(|problem| (vec![key.clone()], problem));
        wrong.extend(if inner.is_empty() { whole().into_iter().collect() } else { inner });
    }
    wrong
}

/// What is wrong with one rule.
fn problem(key: &str, value: Value) -> Option<String> {
    let rules = match Rules::deserialize(Table::from_iter([(key.to_owned(), value)])) {
        Ok(rules) => rules,
        Err(error) => return Some(error.message().to_owned()),
    };
    if rules.assigned_to.is_some_and(|member| uuid::Uuid::parse_str(&member).is_err()) {
        return Some("this is not a UUID".to_owned());
    }
    let is_amount = |value: &f64| value.is_finite() && *value >= 0.0;
    rules.estimated_value.filter(|value| !is_amount(value)).map(|_| "this is below zero".to_owned())
}
