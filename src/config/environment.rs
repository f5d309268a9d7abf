//! The variables of the process, and the files that hold secrets.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

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

/// Files that were read or looked for, and what was in them. When one changes, so may what was made of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    contents: BTreeMap<PathBuf, Contents>,
    /// Of those that hold one value, a secret mostly: whether there is one.
    values: BTreeMap<PathBuf, bool>,
}

/// What a file held, as a digest; `None` when it could not be read.
type Contents = Option<[u8; 32]>;

impl Files {
    /// Reads them again and says whether one is different. By contents, not by date: mounted secrets are swapped by
    /// links, and their dates may stay.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.contents.iter().any(|(path, contents)| *contents != digest(&read(path)))
    }

    /// Their paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.contents.keys().map(PathBuf::as_path)
    }

    /// Those that held a value in `before` and are empty now.
    pub fn emptied<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Path> {
        let empty = self.values.iter().filter(|(_, has_value)| !**has_value).map(|(path, _)| path);
        empty.filter(|path| before.values.get(*path) == Some(&true)).map(PathBuf::as_path)
    }
}

/// The bytes of a file, at most one more than [`MAX_FILE`].
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn digest(bytes: &io::Result<Vec<u8>>) -> Contents {
    bytes.as_ref().ok().map(|bytes| Sha256::digest(bytes).into())
}

/// Reads variables and files, and remembers which files.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    files: Files,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, files: Files::default() }
    }

    /// The value of `name`, or of the file that `name_FILE` names; its trailing line end is dropped, empty is unset.
    pub(super) fn variable(&mut self, name: &str) -> Result<Option<String>, String> {
        let by_file = format!("{name}_FILE");
        match (self.environment.get(name), self.environment.get(&by_file)) {
            (Some(_), Some(_)) => Err(format!("is set together with {by_file}; unset one of them")),
            (Some(value), None) => Ok(Some(value.to_owned())),
            (None, None) => Ok(None),
            (None, Some(path)) => match self.file(Path::new(path))? {
                Some(text) => Ok(self.value(path, text)),
                None => Err(format!("{by_file} names `{path}`, but there is no such file")),
            },
        }
    }

    /// The text of a file; `None` when it is not there.
    pub(super) fn file(&mut self, path: &Path) -> Result<Option<String>, String> {
        let bytes = read(path);
        self.files.contents.insert(path.to_owned(), digest(&bytes));
        match bytes {
            Ok(bytes) if bytes.len() as u64 > MAX_FILE => Err(format!("`{}` is larger than 1 MiB", path.display())),
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| format!("`{}` is not UTF-8", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read `{}`: {error}", path.display())),
        }
    }

    /// Like [`Reader::file`], for a file that holds one value and has to be there: its trailing line end is dropped,
    /// empty is `None`.
    pub(super) fn value_file(&mut self, path: &Path) -> Result<Option<String>, String> {
        match self.file(path)? {
            Some(text) => Ok(self.value(path, text)),
            None => Err(format!("`{}` is not there", path.display())),
        }
    }

    /// The one value that `text` of a file is.
    fn value(&mut self, path: impl Into<PathBuf>, text: String) -> Option<String> {
        let value = without_line_end(text);
        self.files.values.insert(path.into(), value.is_some());
        value
    }

    pub(super) fn into_files(self) -> Files {
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

        let files = reader.into_files();
        assert!(files.paths().any(|read| read == path) && !files.changed());
        std::fs::write(&path, "neu").unwrap();
        assert!(files.changed());
    }

    #[test]
    fn a_file_that_has_lost_its_value_is_told_from_one_that_never_had_one() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| directory.path().join(name).to_str().unwrap().to_owned());
        let environment = Environment::from_iter([("OLD_FILE", &old), ("NEW_FILE", &new)]);
        let read = |texts: [&str; 2]| {
            let mut reader = Reader::new(&environment);
            for ((name, path), text) in [("OLD", &old), ("NEW", &new)].into_iter().zip(texts) {
                std::fs::write(path, text).unwrap();
                reader.variable(name).unwrap();
            }
            reader.into_files()
        };
        let before = read(["geheim", "\n"]);
        assert_eq!(read(["", "\n"]).emptied(&before).collect::<Vec<_>>(), [Path::new(&old)]);
        assert_eq!(read(["anders", "neu"]).emptied(&before).count(), 0);
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
