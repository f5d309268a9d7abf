//! The fields of a form, as they were last seen: what is new, what has gone, what has another name.
//!
//! A form that changes at its owner's hands loses its mapping without a word: an answer that was the phone number comes
//! under another name, and lies in the notes from then on. Names only; what was answered is nowhere here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most fields of one form, and most changes that are remembered.
const FIELDS: usize = 100;
const CHANGES: usize = 20;
/// The longest name of a field that is kept, in characters.
const NAME: usize = 64;
/// So many submissions in a row without a field that was always there, and it has gone.
const GONE_AFTER: u32 = 10;
/// So many submissions in a row with a field, and one that comes in its place is the same under another name. After fewer
/// it may as well be a box that one person ticks and the next does not: browsers do not send those that are not ticked.
const STEADY_AFTER: u32 = 5;

/// A form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Form {
    fields: BTreeMap<String, Presence>,
    /// In how many submissions in a row, up to five, all that is always there came: since the first one, or since a field
    /// got another name.
    #[serde(default)]
    steady: u32,
    /// What was noticed, oldest first; at most twenty.
    pub changes: Vec<Change>,
}

/// How a field comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Presence {
    /// Whenever the form does.
    Always,
    /// Now and then: people may leave it out.
    Sometimes,
    /// No more.
    Gone,
}

/// Something that is different from before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub kind: Drift,
    /// The field, by its name now, or the name it had if it has gone.
    pub field: String,
    /// The name it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// When that was noticed.
    pub at: Timestamp,
}

/// What can be different.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Drift {
    /// A field that was not there before.
    New,
    /// A field that was always there has not come for a while.
    Vanished,
    /// A field was there under another name.
    Renamed,
}

impl Form {
    /// Takes in the names of one submission; gives what is different from all before. `missed` is in how many submissions
    /// in a row each field was missing, and is kept by the caller: it need not outlive the process.
    ///
    /// The first submission says what is there, and nothing of it is new. A field that came back after it was missing is
    /// one that people may leave out; that it is missing again is nothing to tell.
    pub fn see(&mut self, names: &BTreeSet<String>, missed: &mut BTreeMap<String, u32>, now: Timestamp) -> Vec<Change> {
        let names: BTreeSet<String> = names.iter().map(|name| shown(name)).collect();
        if self.fields.is_empty() {
            self.fields = names.into_iter().take(FIELDS).map(|name| (name, Presence::Always)).collect();
            self.steady = 1;
            return Vec::new();
        }
        let new: Vec<String> = names.iter().filter(|name| !self.fields.contains_key(*name)).cloned().collect();
        let lost = self.lost(&names);
        let mut changes = match (new.as_slice(), lost.as_slice()) {
            ([new], [lost]) if self.steady >= STEADY_AFTER && !missed.contains_key(lost) => {
                self.renamed(lost, new, now)
            }
            (new, _) => self.came(new, now),
        };
        self.steady = (self.steady + 1).min(STEADY_AFTER);
        self.came_back(&names, missed);
        changes.extend(self.went(&names, missed, now));
        self.changes.extend(changes.iter().cloned());
        self.changes.drain(..self.changes.len().saturating_sub(CHANGES));
        changes
    }

    /// Fields that always were there and are not in `names`.
    fn lost(&self, names: &BTreeSet<String>) -> Vec<String> {
        let always = self.fields.iter().filter(|(_, presence)| **presence == Presence::Always);
        always.filter(|(name, _)| !names.contains(*name)).map(|(name, _)| name.clone()).collect()
    }

    /// One field is new and one that always was there is missing: it has another name, and that has come once, now.
    fn renamed(&mut self, was: &str, field: &str, now: Timestamp) -> Vec<Change> {
        self.fields.insert(was.to_owned(), Presence::Gone);
        self.steady = 0;
        if !self.add(field, Presence::Always) {
            return Vec::new();
        }
        vec![Change { kind: Drift::Renamed, field: field.to_owned(), was: Some(was.to_owned()), at: now }]
    }

    fn came(&mut self, new: &[String], now: Timestamp) -> Vec<Change> {
        let added: Vec<&String> = new.iter().filter(|field| self.add(field, Presence::Sometimes)).collect();
        added.into_iter().map(|field| Change { kind: Drift::New, field: field.clone(), was: None, at: now }).collect()
    }

    /// False where there are too many already.
    fn add(&mut self, field: &str, presence: Presence) -> bool {
        let fits = self.fields.len() < FIELDS;
        if fits {
            self.fields.insert(field.to_owned(), presence);
        }
        fits
    }

    fn came_back(&mut self, names: &BTreeSet<String>, missed: &mut BTreeMap<String, u32>) {
        for name in names {
            let was_missed = missed.remove(name).is_some();
            if let Some(presence) = self.fields.get_mut(name)
                && (was_missed || *presence == Presence::Gone)
            {
                *presence = Presence::Sometimes;
            }
        }
    }

    fn went(&mut self, names: &BTreeSet<String>, missed: &mut BTreeMap<String, u32>, now: Timestamp) -> Vec<Change> {
        let mut gone = Vec::new();
        for name in self.lost(names) {
            let times = missed.entry(name.clone()).or_default();
            *times += 1;
            if *times >= GONE_AFTER {
                missed.remove(&name);
                self.fields.insert(name.clone(), Presence::Gone);
                gone.push(Change { kind: Drift::Vanished, field: name, was: None, at: now });
            }
        }
        gone
    }
}

/// A name as it is kept and logged: one line, not too long.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Watched {
        form: Form,
        missed: BTreeMap<String, u32>,
    }

    impl Watched {
        fn new(names: &str) -> Self {
            let mut watched = Self { form: Form::default(), missed: BTreeMap::new() };
            assert_eq!(watched.see(names), NOTHING, "the first one says what is there");
            watched
        }

        /// One that has come five times in a row with all of these.
        fn steady(names: &str) -> Self {
            let mut watched = Self::new(names);
            for _ in 1..STEADY_AFTER {
                assert_eq!(watched.see(names), NOTHING);
            }
            watched
        }

        /// What is told of a submission with these fields.
        fn see(&mut self, names: &str) -> Vec<String> {
            let names = names.split_whitespace().map(str::to_owned).collect();
            let changes = self.form.see(&names, &mut self.missed, Timestamp::UNIX_EPOCH);
            changes
                .into_iter()
                .map(|Change { kind, field, was, .. }| format!("{kind} {field} {}", was.unwrap_or_default()))
                .collect()
        }
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_new_field_is_told_once() {
        let mut form = Watched::new("nama hp");
        assert_eq!(form.see("nama hp kota"), ["new kota "]);
        assert_eq!(form.see("nama hp kota"), NOTHING);
        assert_eq!(form.see("nama hp"), NOTHING);
    }

    #[test]
    fn a_field_that_always_came_and_does_not_any_more_is_told_after_a_while() {
        let mut form = Watched::new("nama hp");
        for _ in 0..9 {
            assert_eq!(form.see("nama"), NOTHING);
        }
        assert_eq!(form.see("nama"), ["vanished hp "]);
        assert_eq!(form.see("nama"), NOTHING);
        assert_eq!(form.see("nama hp"), NOTHING, "it is back");
        for _ in 0..30 {
            assert_eq!(form.see("nama"), NOTHING, "and may be left out");
        }
    }

    #[test]
    fn a_field_that_people_leave_out_now_and_then_is_nothing_to_tell() {
        let mut form = Watched::new("nama hp setuju");
        for _ in 0..30 {
            assert_eq!(form.see("nama hp"), NOTHING);
            assert_eq!(form.see("nama hp setuju"), NOTHING);
            for _ in 0..8 {
                assert_eq!(form.see("nama hp"), NOTHING);
            }
        }
    }

    #[test]
    fn a_field_with_another_name_is_told_at_once() {
        let mut form = Watched::steady("nama hp kota");
        assert_eq!(form.see("nama telepon kota"), ["renamed telepon hp"]);
        for _ in 0..30 {
            assert_eq!(form.see("nama telepon kota"), NOTHING);
        }
        assert_eq!(form.see("nama"), NOTHING, "two that are missing and none that is new");
    }

    #[test]
    fn a_box_that_one_ticks_and_the_next_does_not_is_no_other_name() {
        let mut form = Watched::new("nama promo");
        assert_eq!(form.see("nama whatsapp_ok"), ["new whatsapp_ok "]);
        assert_eq!(form.see("nama promo"), NOTHING);
        let mut form = Watched::steady("nama promo");
        assert_eq!(form.see("nama"), NOTHING);
        assert_eq!(form.see("nama whatsapp_ok"), ["new whatsapp_ok "], "the one before had no `promo` either");
    }

    #[test]
    fn another_name_has_to_prove_itself_as_the_first_one_had() {
        let mut form = Watched::steady("nama hp");
        assert_eq!(form.see("nama telepon"), ["renamed telepon hp"]);
        assert_eq!(form.see("nama kontak"), ["new kontak "]);
    }

    #[test]
    fn strangers_cannot_make_it_grow() {
        let mut form = Watched::new("nama");
        for number in 0..500 {
            form.see(&format!("nama x{number}"));
        }
        form.see(&format!("nama {}", "y".repeat(10_000)));
        assert!(form.form.fields.len() == FIELDS && form.form.changes.len() == CHANGES);
        assert!(serde_json::to_string(&form.form).unwrap().len() < 32 << 10);
        let names = [format!("a\u{1b}[31m\n{}", "b".repeat(100))].into();
        let mut other = Form::default();
        other.see(&names, &mut BTreeMap::new(), Timestamp::UNIX_EPOCH);
        assert_eq!(other.fields.keys().next().unwrap(), &format!("a [31m {}", "b".repeat(57)));
    }

    #[test]
    fn what_is_kept_of_it_brings_it_back() {
        let mut form = Watched::steady("nama hp");
        form.see("nama telepon");
        let kept = serde_json::to_string(&form.form).unwrap();
        assert_eq!(serde_json::from_str::<Form>(&kept).unwrap(), form.form);
    }
}
