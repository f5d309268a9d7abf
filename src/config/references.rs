//! References in a source's strings: `env:NAME`, `env:NAME?`, `env:NAME?default`, `file:/path`.

use std::path::Path;

use toml::{Table, Value};

use super::environment::Reader;

/// What came of references: what they asked for and did not find, and whether they found anything.
#[derive(Debug, Default)]
pub(super) struct Unresolved {
    /// A variable was set, or a file there.
    pub(super) found: bool,
    /// Required: the source is off.
    pub(super) missing: Vec<String>,
    /// Optional: the key is dropped.
    pub(super) unset: Vec<String>,
    /// Neither found nor unset: a variable or file that cannot be read, a file that is not there; by the path of its key.
    pub(super) broken: Vec<(Vec<String>, String)>,
    /// Where it is being looked.
    at: Vec<String>,
}

/// A string that may point elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// It points nowhere: this is the value.
    Literal(&'a str),
    /// A variable that must be set.
    Required(&'a str),
    /// A variable that may be unset.
    Optional(&'a str),
    /// A variable with a value for when it is unset.
    Default(&'a str, &'a str),
    /// A file that must be there.
    File(&'a str),
}

impl<'a> Reference<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        if let Some(path) = text.strip_prefix("file:") {
            return Self::File(path);
        }
        let Some(name) = text.strip_prefix("env:") else { return Self::Literal(text) };
        match name.split_once('?') {
            None => Self::Required(name),
            Some((name, "")) => Self::Optional(name),
            Some((name, default)) => Self::Default(name, default),
        }
    }
}

/// `table`, which stands at this path below its source, with every reference replaced by what it points to; keys whose
/// reference found nothing are dropped.
pub(super) fn resolve(table: &Table, at: &[&str], reader: &mut Reader<'_>, unresolved: &mut Unresolved) -> Table {
    unresolved.at = at.iter().map(|key| (*key).to_owned()).collect();
    resolve_table(table, reader, unresolved)
}

fn resolve_table(table: &Table, reader: &mut Reader<'_>, unresolved: &mut Unresolved) -> Table {
    let mut resolved = Table::new();
    for (key, value) in table {
        unresolved.at.push(key.clone());
        if let Some(value) = resolve_value(value, reader, unresolved) {
            resolved.insert(key.clone(), value);
        }
        unresolved.at.pop();
    }
    resolved
}

fn resolve_value(value: &Value, reader: &mut Reader<'_>, unresolved: &mut Unresolved) -> Option<Value> {
    match value {
        Value::String(text) => resolve_text(text, reader, unresolved).map(Value::String),
        Value::Array(values) => resolve_list(values, reader, unresolved).map(Value::Array),
        Value::Table(table) => Some(Value::Table(resolve_table(table, reader, unresolved))),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => Some(value.clone()),
    }
}

/// Keeps what resolves. When nothing does, all of it is missing; when something does, the rest may be missing: that is
/// how a second secret waits for its day.
fn resolve_list(values: &[Value], reader: &mut Reader<'_>, unresolved: &mut Unresolved) -> Option<Vec<Value>> {
    let mut own = Unresolved { at: unresolved.at.clone(), ..Unresolved::default() };
    let resolved: Vec<_> = values.iter().filter_map(|value| resolve_value(value, reader, &mut own)).collect();
    unresolved.broken.append(&mut own.broken);
    unresolved.found |= own.found;
    if resolved.is_empty() && !values.is_empty() {
        unresolved.missing.append(&mut own.missing);
        unresolved.unset.append(&mut own.unset);
        return None;
    }
    unresolved.unset.extend(own.missing.into_iter().chain(own.unset));
    Some(resolved)
}

fn resolve_text(text: &str, reader: &mut Reader<'_>, unresolved: &mut Unresolved) -> Option<String> {
    let reference = Reference::parse(text);
    let (found, name) = match reference {
        Reference::Literal(text) => return Some(text.to_owned()),
        Reference::File(path) => (reader.value_file(Path::new(path)), path),
        Reference::Required(name) | Reference::Optional(name) | Reference::Default(name, _) => {
            (reader.variable(name).map_err(|problem| format!("{name}: {problem}")), name)
        }
    };
    match (found, reference) {
        (Ok(Some(value)), _) => {
            unresolved.found = true;
            return Some(value);
        }
        (Ok(None), Reference::Default(_, default)) => return Some(default.to_owned()),
        (Ok(None), Reference::Optional(_)) => unresolved.unset.push(name.to_owned()),
        (Ok(None), _) => unresolved.missing.push(name.to_owned()),
        (Err(problem), _) => unresolved.broken.push((unresolved.at.clone(), problem)),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Environment;
    use super::*;

    fn resolved(toml: &str, environment: &[(&str, &str)]) -> (Table, Unresolved) {
        let environment = Environment::from_iter(environment.iter().copied());
        let mut unresolved = Unresolved::default();
        let table = resolve(&toml.parse().unwrap(), &["settings"], &mut Reader::new(&environment), &mut unresolved);
        (table, unresolved)
    }

    #[test]
    fn a_required_reference_is_found_or_missing() {
        let (table, unresolved) = resolved("a = 'env:A'\nb = 'env:B'", &[("A", "1")]);
        assert_eq!(table, "a = '1'".parse().unwrap());
        assert_eq!(unresolved.missing, ["B"]);
    }

    #[test]
    fn what_is_set_is_told_from_what_has_a_value_anyway() {
        let found = |variables: &[(&str, &str)]| {
            resolved("a = 'env:A'\nb = 'env:B?x'\nc = ['env:C', 'y']\nd = 'z'", variables).1.found
        };
        assert_eq!([found(&[]), found(&[("D", "1")])], [false; 2]);
        for set in ["A", "B", "C"] {
            assert!(found(&[(set, "1")]), "{set}");
        }
    }

    #[test]
    fn an_optional_reference_drops_its_key_and_a_default_fills_it() {
        let (table, unresolved) = resolved("a = 'env:A?'\nb = 'env:B?https://x/?y'\nc = 'env'", &[]);
        assert_eq!(table, "b = 'https://x/?y'\nc = 'env'".parse().unwrap());
        assert_eq!((unresolved.missing.len(), unresolved.unset), (0, vec!["A".to_owned()]));
    }

    #[test]
    fn a_list_keeps_what_resolves_and_needs_one() {
        let (table, unresolved) = resolved("a = ['env:A', 'env:B', 'plain']", &[("A", "1")]);
        assert_eq!(table, "a = ['1', 'plain']".parse().unwrap());
        assert_eq!((unresolved.missing.len(), unresolved.unset), (0, vec!["B".to_owned()]));

        let empty = tempfile::NamedTempFile::new().unwrap();
        let path = empty.path().to_str().unwrap();
        let (table, unresolved) = resolved(&format!("a = ['env:A', 'file:{path}']"), &[]);
        assert!(table.is_empty());
        assert_eq!(unresolved.missing, ["A", path]);
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_however_it_is_named() {
        for (toml, environment) in
            [("a = 'file:/nowhere/b'", &[][..]), ("a = ['env:A']", &[("A_FILE", "/nowhere/b")][..])]
        {
            let (_, unresolved) = resolved(toml, environment);
            assert!(unresolved.missing.is_empty(), "{toml}");
            let (at, problem) = &unresolved.broken[0];
            assert!(at == &["settings", "a"] && problem.contains("/nowhere/b"), "{:?}", unresolved.broken);
        }
    }

    #[test]
    fn a_reference_is_found_at_any_depth() {
        let (table, _) = resolved("[a.b]\nc = [['env:C']]\nd = 1", &[("C", "1")]);
        assert_eq!(table, "[a.b]\nc = [['1']]\nd = 1".parse().unwrap());
    }

    #[test]
    fn a_secret_file_that_cannot_be_read_is_not_the_same_as_a_missing_one() {
        let (_, unresolved) = resolved("a = 'env:A'", &[("A_FILE", "/")]);
        assert!(unresolved.missing.is_empty());
        assert!(unresolved.broken[0].1.starts_with("A: cannot read `/`"), "{:?}", unresolved.broken);
    }
}
