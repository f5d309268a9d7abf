//! Where each key of a source stands in its file, so that what is wrong with it is shown there.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::sources::{Origin, line_of};

/// Stands between the parts of a path; no key of a person has it.
const STEP: char = '\u{1f}';

/// The places of a source's keys, by their path below the source.
#[derive(Clone, Default)]
pub struct Places(BTreeMap<String, Origin>);

impl Places {
    /// The places of all that stands in `text`, which is called `file`, under each of `tops`: of all sources, of all presets.
    pub(super) fn read<const TOPS: usize>(
        file: &str,
        text: &str,
        tops: [&str; TOPS],
    ) -> [BTreeMap<String, Self>; TOPS] {
        let document = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
        let of_one = |one: &Spanned<DeValue<'_>>| {
            let mut places = Self::default();
            let origin = |at: usize| Origin { file: file.to_owned(), line: line_of(text, at) };
            places.walk(String::new(), one.get_ref(), &origin);
            places
        };
        tops.map(|top| match document.iter().find(|(key, _)| key.get_ref() == top).map(|(_, all)| all.get_ref()) {
            Some(DeValue::Table(all)) => {
                all.iter().map(|(name, one)| (name.get_ref().to_string(), of_one(one))).collect()
            }
            Some(_) | None => BTreeMap::new(),
        })
    }

    fn walk(&mut self, path: String, value: &DeValue<'_>, origin: &dyn Fn(usize) -> Origin) {
        match value {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let path = format!("{path}{STEP}{}", key.get_ref());
                    self.0.insert(path.clone(), origin(key.span().start));
                    self.walk(path, value.get_ref(), origin);
                }
            }
            DeValue::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    let path = format!("{path}{STEP}{place}");
                    self.0.insert(path.clone(), origin(value.span().start));
                    self.walk(path, value.get_ref(), origin);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }

    /// Lets what stands in the file `above` count before what stands here.
    pub(super) fn lay_over(&mut self, above: Self) {
        self.0.extend(above.0);
    }

    /// Lets what stands in a preset count where nothing stands here: it is the `settings` of a source.
    pub(super) fn lay_under(&mut self, preset: &Self) {
        for (path, origin) in &preset.0 {
            self.0.entry(format!("{STEP}settings{path}")).or_insert_with(|| origin.clone());
        }
    }

    /// Where the key at `path` stands; where it does not, the nearest one around it.
    #[must_use]
    pub fn find(&self, path: &[String]) -> Option<&Origin> {
        (1..=path.len()).rev().find_map(|length| {
            let path: String = path[..length].iter().map(|key| format!("{STEP}{key}")).collect();
            self.0.get(&path)
        })
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Places({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_it_stands_or_in_what_is_around_it() {
        let text = "[sources.form.rules]\nfields.\"Nama. Usaha\" = 'note'\nstatus = [\n  1,\n  2,\n]\n";
        let places = &Places::read("f.toml", text, ["sources"])[0]["form"];
        let line = |path: &[&str]| {
            places.find(&path.iter().map(ToString::to_string).collect::<Vec<_>>()).map(|origin| origin.line)
        };
        assert_eq!(line(&["rules", "fields", "Nama. Usaha"]), Some(2));
        assert_eq!((line(&["rules", "status", "1"]), line(&["rules", "status"])), (Some(5), Some(3)));
        assert_eq!((line(&["rules", "set", "email"]), line(&["forms"])), (Some(1), None));
    }
}
