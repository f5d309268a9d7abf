//! Presets: senders described as data, a file each in `config/presets/`, compiled in and opened when a source needs one.
//!
//! `src/providers/mapped/mod.rs` says how to write one.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::places::Places;

/// The dialect that presets are written for.
pub const PRESET_DIALECT: &str = "mapped";

/// Names each file of `config/presets/` once.
macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Every built-in preset: its name, and its text.
        pub const PRESETS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../config/presets/", $name, ".toml")))),*];
    };
}

presets![
    "bird",
    "calcom",
    "calendly",
    "cf7",
    "dialog360",
    "elementor",
    "evolution",
    "fluent",
    "fonnte",
    "formspree",
    "framer",
    "generic",
    "google_forms",
    "gowa",
    "gravity",
    "gupshup",
    "hubspot",
    "infobip",
    "jotform",
    "kirimi",
    "leadsbridge",
    "lynk",
    "make",
    "messagebird",
    "n8n",
    "netlify",
    "pabbly",
    "posthog",
    "qiscus",
    "qontak",
    "scalev",
    "shopify",
    "snapchat",
    "squarespace",
    "tally",
    "twilio",
    "typeform",
    "unbounce",
    "utas",
    "vonage",
    "wablas",
    "waha",
    "watzap",
    "webflow",
    "wix",
    "wpforms",
    "zapier",
];

/// The built-in presets with the owner's laid over them.
#[derive(Debug, Default)]
pub(super) struct Presets(BTreeMap<String, (Table, Places)>);

/// One preset, not opened yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preset<'p> {
    built_in: Option<&'static str>,
    own: Option<&'p (Table, Places)>,
}

impl Presets {
    /// Lays the presets of a file over those that are known.
    pub(super) fn add(&mut self, own: BTreeMap<String, (Table, Places)>) {
        for (name, (above, places)) in own {
            let (below, mut stood) = self.0.remove(&name).unwrap_or_default();
            stood.lay_over(places);
            self.0.insert(name, (merged(below, above), stood));
        }
    }

    /// The preset called `name`.
    pub(super) fn find(&self, name: &str) -> Option<Preset<'_>> {
        let (built_in, own) = (built_in(name), self.0.get(name));
        (built_in.is_some() || own.is_some()).then_some(Preset { built_in, own })
    }
}

impl<'p> Preset<'p> {
    /// Where the keys of the owner's own stand.
    pub(super) fn places(self) -> Option<&'p Places> {
        self.own.map(|(_, places)| places)
    }

    /// What the preset says, with a source's own `settings` over it.
    pub(super) fn laid_under(self, settings: Table) -> Table {
        let mut own = self.own.map(|(table, _)| table.clone()).unwrap_or_default();
        let like = own.remove("like");
        let like = like.as_ref().and_then(Value::as_str).and_then(built_in);
        let built_in = like.or(self.built_in).map(opened).unwrap_or_default();
        merged(merged(built_in, own), settings)
    }
}

/// The settings of a source whose provider is the built-in preset `name`; `None` when there is none of that name.
#[must_use]
pub fn with_preset(name: &str, settings: Table) -> Option<Table> {
    Some(merged(opened(built_in(name)?), settings))
}

fn built_in(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// What a preset says, laid over the one that it is `like`.
fn opened(text: &str) -> Table {
    let mut table: Table = text.parse().expect("a built-in preset is TOML, as a test has seen");
    let like = table.remove("like");
    match like.as_ref().and_then(Value::as_str).and_then(built_in) {
        Some(below) => merged(opened(below), table),
        None => table,
    }
}

/// `below` with the keys of `above` over it, table by table. A table that says of itself that it is of another `kind` is
/// another one: nothing is kept of what was there.
pub(super) fn merged(mut below: Table, above: Table) -> Table {
    for (key, value) in above {
        let value = match (below.remove(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if same_kind(&below, &above) => {
                Value::Table(merged(below, above))
            }
            (_, value) => value,
        };
        below.insert(key, value);
    }
    below
}

fn same_kind(below: &Table, above: &Table) -> bool {
    above.get("kind").is_none_or(|kind| below.get("kind") == Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn every_built_in_preset_is_there_once_in_order_and_toml() {
        assert!(PRESETS.is_sorted_by(|(one, _), (other, _)| one < other), "keep the list in order");
        for (name, text) in PRESETS {
            let table: Table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(table.get("like").is_none_or(|like| built_in(like.as_str().unwrap()).is_some()), "{name}");
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/presets");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let names: Vec<_> = files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
        let listed: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed, "each file of config/presets/ has its name in `presets!`");
    }

    #[test]
    fn a_source_lays_its_settings_over_the_preset_key_by_key() {
        let below = table("a = 1\nverify = { kind = 'hmac', base = '{body}', signature = { header = 'x' } }");
        let over = |above: &str| merged(below.clone(), table(above));
        let kept = over("verify = { signature = { header = 'y' } }");
        assert_eq!(kept, table("a = 1\nverify = { kind = 'hmac', base = '{body}', signature = { header = 'y' } }"));
        let replaced = over("verify = { kind = 'token', location = 'path' }");
        assert_eq!(replaced, table("a = 1\nverify = { kind = 'token', location = 'path' }"));
    }

    #[test]
    fn the_owner_s_presets_lie_over_the_built_in_ones_and_beside_them() {
        let mut presets = Presets::default();
        presets.add(BTreeMap::from([
            ("mine".to_owned(), (table("a = 1"), Places::default())),
            ("tally".to_owned(), (table("source = 'event'"), Places::default())),
        ]));
        assert_eq!(presets.find("mine").unwrap().laid_under(table("b = 2")), table("a = 1\nb = 2"));
        let tally = presets.find("tally").unwrap().laid_under(Table::new());
        assert_eq!(tally["source"].as_str(), Some("event"));
        assert!(tally.contains_key("verify"));
        assert!(presets.find("nobody").is_none());
    }
}
