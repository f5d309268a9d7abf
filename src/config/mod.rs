//! What the bridge is told: service settings from the environment, sources from TOML, secrets by reference.
//!
//! Everything here starts from an [`Environment`], a plain map, so that a test says what the process would have seen.
//! [`load`] reports every finding at once, not the first one. It is run again on every reload; what it read from disk is
//! in [`Config::files`].

mod environment;
mod places;
mod presets;
mod references;
mod settings;
mod sources;
mod values;
mod variables;

use std::path::Path;

pub use environment::{Environment, Files};
pub use places::Places;
pub use presets::{PRESET_DIALECT, PRESETS, with_preset};
pub use settings::{Admin, Backend, LogFormat, Redis, SearchFirst, Settings};
pub use sources::{Origin, SourceConfig, SourceVariable, built_in_variables};
pub use variables::{VARIABLES, Variable};

use environment::Reader;

/// Where sources are looked for when `BRIDGE_CONFIG` does not say.
const USUAL_FILE: &str = "config/bridge.toml";
/// The key to Konektor.
const API_KEY: &str = "KONEKTOR_API_KEY";

/// Everything the bridge is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The environment's part.
    pub settings: Settings,
    /// Every source, on or off, by name.
    pub sources: Vec<SourceConfig>,
    /// What the owner's file of sources is.
    pub own: OwnFile,
    /// Each file that was read, or looked for: when one changes, so may this.
    pub files: Files,
    /// What is not wrong but probably not meant, a sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// The environment's part alone.
    #[must_use]
    pub fn into_settings(self) -> Settings {
        self.settings
    }
}

/// The owner's file of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnFile {
    /// There is none.
    Absent,
    /// There is nothing in it.
    Blank,
    /// There is something in it, if only a remark.
    Written,
}

impl OwnFile {
    fn of(file: Option<&UserFile>) -> Self {
        match file {
            None => Self::Absent,
            Some(file) if file.text.trim().is_empty() => Self::Blank,
            Some(_) => Self::Written,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Finding {
    /// The variable, or the file and line.
    pub place: String,
    /// What is wrong and what is allowed; never a secret.
    pub problem: String,
}

impl Finding {
    /// A finding at `place`.
    pub fn new(place: impl std::fmt::Display, problem: impl Into<String>) -> Self {
        Self { place: place.to_string(), problem: problem.into() }
    }
}

/// The configuration is wrong: every finding, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong; at least one.
    pub findings: Vec<Finding>,
    /// As [`Config::files`]: mending one of them may help.
    pub files: Files,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<_> = self.findings.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Reads settings and sources.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load(environment: &Environment) -> Result<Config, ConfigError> {
    let mut reader = Reader::new(environment);
    let mut findings = Vec::new();
    let settings = settings::read(&mut reader, &mut findings);
    let file = user_file(&mut reader, &mut findings);
    let insecure = settings.as_ref().is_some_and(|settings| settings.allow_insecure_upstream);
    let own = OwnFile::of(file.as_ref());
    let sources = sources::read(file.as_ref(), &mut reader, insecure, &mut findings);
    let files = reader.into_files();
    match settings {
        Some(settings) if findings.is_empty() => {
            let warnings = [variables::misspelt(environment), sources::warnings(&sources)].concat();
            Ok(Config { settings, sources, own, files, warnings })
        }
        _ => Err(ConfigError { findings, files }),
    }
}

/// Reads the settings alone, for what has no use for sources: whether those are right does not matter.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load_settings(environment: &Environment) -> Result<Settings, ConfigError> {
    settings_where(environment, |_| true)
}

/// The same, for what only asks a running bridge: that has the key to Konektor, whatever stands here.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load_to_ask(environment: &Environment) -> Result<Settings, ConfigError> {
    settings_where(environment, |finding| finding.place != API_KEY)
}

fn settings_where(environment: &Environment, matters: impl Fn(&Finding) -> bool) -> Result<Settings, ConfigError> {
    let mut reader = Reader::new(environment);
    let mut findings = Vec::new();
    let settings = settings::read(&mut reader, &mut findings);
    findings.retain(matters);
    match settings {
        Some(settings) if findings.is_empty() => Ok(settings),
        _ => Err(ConfigError { findings, files: reader.into_files() }),
    }
}

/// The owner's file: its name for messages, and its text.
struct UserFile {
    name: String,
    text: String,
}

/// Reads `BRIDGE_CONFIG`, or the usual file where there is one.
fn user_file(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Option<UserFile> {
    // A problem with the variable itself is already among the findings of the settings.
    let named = reader.variable("BRIDGE_CONFIG").ok().flatten();
    let name = named.clone().unwrap_or_else(|| USUAL_FILE.to_owned());
    match reader.file(Path::new(&name)) {
        Ok(Some(text)) => Some(UserFile { name, text }),
        Ok(None) if named.is_some() => {
            findings.push(Finding::new("BRIDGE_CONFIG", format!("there is no file `{name}`")));
            None
        }
        Ok(None) => None,
        Err(problem) => {
            findings.push(Finding::new(name, problem));
            None
        }
    }
}

/// What people call a network, and what it is called here.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("adwords", "google"),
    ("facebook", "meta"),
    ("fb", "meta"),
    ("google_ads", "google"),
    ("googleads", "google"),
    ("ig", "meta"),
    ("instagram", "meta"),
];

/// The one of `known` that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (word, known): (_, Vec<&str>) = (word.to_lowercase(), known.into_iter().collect());
    let called = ALSO_CALLED.iter().find(|(called, _)| *called == word).map(|(_, name)| *name);
    let named = known.iter().copied().find(|candidate| Some(*candidate) == called);
    let likeness = |candidate: &str| strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase());
    let alike =
        known.into_iter().map(|candidate| (likeness(candidate), candidate)).filter(|(likeness, _)| *likeness > 0.7);
    named.or_else(|| alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate))
}

/// Adds to a message of serde (``unknown field `x`, expected `a` or `b` ``) which one was probably meant.
#[must_use]
pub fn with_suggestion(message: &str) -> String {
    let message = message.trim_end();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown ") || message.contains(": unknown ");
    match quoted.next().filter(|_| unknown).and_then(|word| nearest(word, quoted)) {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_gets_a_suggestion_and_a_strange_one_does_not() {
        let message = "unknown field `statsu`, expected one of `region`, `status`, `priority`";
        assert_eq!(with_suggestion(message), format!("{message}; did you mean `status`?"));
        for (word, meant) in [("facebook", "meta"), ("Instagram", "meta"), ("google_ads", "google"), ("META", "meta")] {
            let message = format!("unknown variant `{word}`, expected one of `meta`, `google`, `other`");
            assert_eq!(with_suggestion(&message), format!("{message}; did you mean `{meant}`?"));
        }
        let strange = "unknown field `facebook`, expected `region` or `status`";
        assert_eq!(with_suggestion(strange), strange);
        let strange = "unknown field `zzz`, expected `region` or `status`";
        assert_eq!(with_suggestion(strange), strange);
        assert_eq!(with_suggestion("missing field `status`"), "missing field `status`");
    }
}
