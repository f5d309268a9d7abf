//! The variables of the process, and the files that hold secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The longest file that is read as a setting, secret or list of sources.
const MAX_FILE: u64 = 1024 * 1024;

/// Variables by name. The process's own are read once, at start.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. What is not UTF-8 is read with replacement characters.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value))).collect()
    }

    /// The value as it stands; empty counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Every name that has a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl std::fmt::Debug for Environment {
    /// Shows names only: values are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads variables and files, and remembers which files.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    files: BTreeSet<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, files: BTreeSet::new() }
    }

    /// The value of `name`, or of the file that `name_FILE` names; its trailing line end is dropped, empty is unset.
    pub(super) fn variable(&mut self, name: &str) -> Result<Option<String>, String> {
        let by_file = format!("{name}_FILE");
        match (self.environment.get(name), self.environment.get(&by_file)) {
            (Some(_), Some(_)) => Err(format!("is set together with {by_file}; unset one of them")),
            (Some(value), None) => Ok(Some(value.to_owned())),
            (None, None) => Ok(None),
            (None, Some(path)) => match self.file(Path::new(path))? {
                Some(text) => Ok(without_line_end(text)),
                None => Err(format!("{by_file} names `{path}`, but there is no such file")),
            },
        }
    }

    /// The text of a file; `None` when it is not there.
    pub(super) fn file(&mut self, path: &Path) -> Result<Option<String>, String> {
        self.files.insert(path.to_owned());
        let mut text = String::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
        match read {
            Ok(length) if length as u64 > MAX_FILE => Err(format!("`{}` is larger than 1 MiB", path.display())),
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read `{}`: {error}", path.display())),
        }
    }

    /// Like [`Reader::file`], for a file that holds one value: its trailing line end is dropped, empty is `None`.
    pub(super) fn value_file(&mut self, path: &Path) -> Result<Option<String>, String> {
        Ok(self.file(path)?.and_then(without_line_end))
    }

    pub(super) fn into_files(self) -> BTreeSet<PathBuf> {
        self.files
    }
}

fn without_line_end(text: String) -> Option<String> {
    let value = text.trim_end_matches(['\r', '\n']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = Environment::from_iter([("A", ""), ("B", "1")]);
        assert_eq!((environment.get("A"), environment.get("B")), (None, Some("1")));
        assert_eq!(environment.names().collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn a_secret_may_come_from_a_file_without_its_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "geheim \r\n").unwrap();
        let environment = Environment::from_iter([("KEY_FILE", path.to_str().unwrap())]);
        let mut reader = Reader::new(&environment);
        assert_eq!(reader.variable("KEY"), Ok(Some("geheim ".to_owned())));
        assert!(reader.into_files().contains(&path));
    }

    #[test]
    fn a_secret_given_twice_or_in_a_file_that_is_not_there_is_refused() {
        let environment = Environment::from_iter([("A", "1"), ("A_FILE", "/x"), ("B_FILE", "/nowhere/b")]);
        let mut reader = Reader::new(&environment);
        assert!(reader.variable("A").unwrap_err().contains("A_FILE"));
        assert!(reader.variable("B").unwrap_err().contains("/nowhere/b"));
    }

    #[test]
    fn what_is_printed_for_debugging_has_no_value() {
        let printed = format!("{:?}", Environment::from_iter([("KONEKTOR_API_KEY", "geheim")]));
        assert!(printed.contains("KONEKTOR_API_KEY") && !printed.contains("geheim"));
    }
}
