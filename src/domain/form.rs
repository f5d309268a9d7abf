//! The fields of a form, as they were last seen: what is new, what has gone, what has another name.
//!
//! A form that changes at its owner's hands loses its mapping without a word: an answer that was the phone number comes
//! under another name, and lies in the notes from then on. Names only; what was answered is nowhere here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Most fields of one form, and most changes that are remembered.
const FIELDS: usize = 100;
const CHANGES: usize = 20;
/// The longest name of a field that is kept, in characters.
const NAME: usize = 64;
/// So many submissions in a row without a field that always comes, and it has gone; so many with one, and it always comes.
const GONE_AFTER: u32 = 10;
/// So many in a row without a field that came [`GONE_AFTER`] times in a row before, and people may leave it out. After
/// fewer it always comes all the same: with every one of them it would be one, and not one, and written down each time.
const LEFT_OUT_AFTER: u32 = 3;
/// So many submissions in a row with a field, and one that comes in its place is the same under another name. After fewer
/// it may as well be a box that one person ticks and the next does not: browsers do not send those that are not ticked.
const STEADY_AFTER: u32 = 5;
/// How long a change is shown, and a field that went and came back is not told of again.
pub const SHOWN_FOR: Duration = Duration::from_hours(30 * 24);

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
    /// Whenever the form does, or nearly.
    Always,
    /// Now and then: people may leave it out.
    Sometimes,
    /// No more.
    Gone,
}

/// How the fields of a form came lately, as one process saw it.
#[derive(Debug, Default)]
pub struct Runs(BTreeMap<String, Run>);

#[derive(Debug, Default)]
struct Run {
    /// In so many submissions in a row it came, up to [`GONE_AFTER`]: now, or before it was missing.
    came: u32,
    /// In so many in a row it has been missing until now.
    missed: u32,
    /// It came [`GONE_AFTER`] times in a row once, and was missing since, but not for long.
    skipped: bool,
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
    /// Takes in the names of one submission; gives what is different from all before. `runs` is kept by the caller: it need
    /// not outlive the process.
    ///
    /// The first submission says what is there, and nothing of it is new. A field that came ten times in a row is missed
    /// from then on. One that came back after it was missing is one that people may leave out, unless it was missing for
    /// short after it had come ten times in a row; that it is missing again is nothing to tell.
    pub fn see(&mut self, names: &BTreeSet<String>, runs: &mut Runs, now: Timestamp) -> Vec<Change> {
        let names: BTreeSet<String> = names.iter().map(|name| shown(name)).collect();
        if self.fields.is_empty() {
            self.fields = names.iter().take(FIELDS).map(|name| (name.clone(), Presence::Always)).collect();
            self.steady = 1;
            self.here(&names, runs, now);
            return Vec::new();
        }
        let new: Vec<String> = names.iter().filter(|name| !self.fields.contains_key(*name)).cloned().collect();
        let lost = self.lost(&names);
        let mut changes = match (new.as_slice(), lost.as_slice()) {
            ([new], [lost]) if self.steady >= STEADY_AFTER && !runs.leave_out(lost) => self.renamed(lost, new, now),
            (new, _) => self.came(new, now),
        };
        self.steady = (self.steady + 1).min(STEADY_AFTER);
        self.here(&names, runs, now);
        changes.extend(self.went(&names, runs, now));
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

    /// These came: once more, or again.
    fn here(&mut self, names: &BTreeSet<String>, runs: &mut Runs, now: Timestamp) {
        for name in names {
            let went = self.has_gone(name, now);
            let Some(presence) = self.fields.get_mut(name) else { continue };
            let run = runs.0.entry(name.clone()).or_default();
            let always = run.came();
            *presence = match *presence {
                Presence::Sometimes if run.came >= GONE_AFTER && !went => Presence::Always,
                Presence::Always if always => Presence::Always,
                Presence::Always | Presence::Sometimes | Presence::Gone => Presence::Sometimes,
            };
        }
    }

    /// True for a field of which it was told lately that it had gone, or had another name.
    fn has_gone(&self, name: &str, now: Timestamp) -> bool {
        let since = now - SHOWN_FOR;
        let lately = self.changes.iter().filter(|change| change.at > since);
        let mut gone = lately.filter_map(|change| match change.kind {
            Drift::New => None,
            Drift::Vanished => Some(&change.field),
            Drift::Renamed => change.was.as_ref(),
        });
        gone.any(|gone| gone == name)
    }

    fn went(&mut self, names: &BTreeSet<String>, runs: &mut Runs, now: Timestamp) -> Vec<Change> {
        // Those that people may leave out begin anew.
        runs.0.retain(|name, _| names.contains(name) || self.fields.get(name) == Some(&Presence::Always));
        let mut gone = Vec::new();
        for name in self.lost(names) {
            let run = runs.0.entry(name.clone()).or_default();
            run.missed += 1;
            if run.missed >= GONE_AFTER {
                runs.0.remove(&name);
                self.fields.insert(name.clone(), Presence::Gone);
                gone.push(Change { kind: Drift::Vanished, field: name, was: None, at: now });
            }
        }
        gone
    }
}

impl Runs {
    /// True when this field, which always comes, was left out lately.
    fn leave_out(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|run| run.missed > 0 || (run.skipped && run.came < GONE_AFTER))
    }
}

impl Run {
    /// Counts that it came. False when that does not make it one that always comes: it is back after it was missing.
    fn came(&mut self) -> bool {
        if self.missed == 0 {
            self.came = (self.came + 1).min(GONE_AFTER);
            return true;
        }
        let for_short = (self.skipped || self.came >= GONE_AFTER) && self.missed < LEFT_OUT_AFTER;
        *self = Self { came: 1, missed: 0, skipped: for_short };
        for_short
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
        runs: Runs,
        now: Timestamp,
        /// How often the form was another one afterwards, which is how often it is written down.
        written: u32,
    }

    impl Watched {
        fn new(names: &str) -> Self {
            let mut watched =
                Self { form: Form::default(), runs: Runs::default(), now: Timestamp::UNIX_EPOCH, written: 0 };
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
            let before = self.form.clone();
            let changes = self.form.see(&names, &mut self.runs, self.now);
            self.written += u32::from(self.form != before);
            changes
                .into_iter()
                .map(|Change { kind, field, was, .. }| format!("{kind} {field} {}", was.unwrap_or_default()))
                .collect()
        }

        /// What is told of so many submissions with these fields.
        fn times(&mut self, times: u32, names: &str) -> Vec<String> {
            (0..times).flat_map(|_| self.see(names)).collect()
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
    fn a_field_that_came_later_and_stayed_is_missed_like_one_that_came_at_first() {
        let mut form = Watched::new("nama email");
        assert_eq!(form.times(40, "nama email no_hp"), ["new no_hp "]);
        assert_eq!(form.times(20, "nama email"), ["vanished no_hp "]);
        let mut form = Watched::steady("nama email");
        assert_eq!(form.times(40, "nama email no_hp"), ["new no_hp "]);
        assert_eq!(form.times(20, "nama email kontakmu"), ["renamed kontakmu no_hp"]);
    }

    #[test]
    fn a_field_that_came_nine_times_in_a_row_may_still_be_left_out() {
        let mut form = Watched::new("nama");
        for _ in 0..20 {
            form.times(9, "nama promo");
            assert_eq!(form.times(1, "nama"), NOTHING);
        }
        assert_eq!(form.times(50, "nama"), NOTHING);
    }

    #[test]
    fn one_submission_without_a_field_does_not_make_it_one_that_may_be_left_out() {
        let mut form = Watched::new("nama hp");
        for before in [3, 40, 4] {
            assert_eq!(form.times(before, "nama hp"), NOTHING);
            assert_eq!(form.times(1, "nama"), NOTHING);
        }
        assert_eq!(form.times(20, "nama hp"), NOTHING);
        assert_eq!(form.times(20, "nama"), ["vanished hp "]);
    }

    #[test]
    fn a_field_that_went_and_is_back_is_told_of_again_only_a_month_later() {
        let mut form = Watched::new("nama hp");
        assert_eq!(form.times(10, "nama"), ["vanished hp "]);
        for _ in 0..5 {
            assert_eq!(form.times(40, "nama hp"), NOTHING);
            assert_eq!(form.times(40, "nama"), NOTHING, "it comes and goes");
        }
        form.now += SHOWN_FOR;
        assert_eq!(form.times(10, "nama hp"), NOTHING);
        assert_eq!(form.times(10, "nama"), ["vanished hp "]);
    }

    #[test]
    fn fields_that_people_leave_out_are_nothing_to_tell_and_seldom_to_write() {
        let (mut form, mut seed) = (Watched::new("nama"), 1_u64);
        let mut told = Vec::new();
        for _ in 0..10_000 {
            let mut names = "nama".to_owned();
            for percent in 1..20 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if (seed >> 33) % 20 < percent {
                    names += &format!(" f{percent}");
                }
            }
            told.extend(form.see(&names));
        }
        let new = told.iter().filter(|told| told.starts_with("new")).count();
        assert_eq!((new, told.len()), (19, 19), "{told:?}");
        assert!(form.written < 1000, "{} of 10 000", form.written);
    }

    #[test]
    fn what_was_kept_before_fields_could_become_steady_is_read() {
        let kept = r#"{"fields":{"email":"always","nama":"always","no_hp":"sometimes"},"steady":5,
            "changes":[{"kind":"new","field":"no_hp","at":"1970-01-01T00:00:00Z"}]}"#;
        let mut form = Watched::new("nama");
        form.form = serde_json::from_str(kept).unwrap();
        assert_eq!(form.times(10, "nama email no_hp"), NOTHING);
        assert_eq!(form.times(10, "nama email"), ["vanished no_hp "]);
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
        other.see(&names, &mut Runs::default(), Timestamp::UNIX_EPOCH);
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
