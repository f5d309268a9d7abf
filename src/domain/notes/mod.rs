//! What goes into a lead's notes: everything that has no field of its own, in one block that the bridge owns.
//!
//! Konektor has a single notes string, sales staff write in it, and an update replaces it. So the bridge keeps to one marked
//! block, rewrites that, and leaves every other byte alone.

mod block;

use jiff::Timestamp;

use super::text::{cut_visibly, lines, one_line};

/// The longest notes that Konektor takes, in Unicode scalar values (Agent API 2.2.0, "Create Lead").
pub const MAX_LEN: usize = 5000;
/// The longest value of one line.
const MAX_VALUE: usize = 2000;
/// The longest in a block that cannot hold them all whole (`forms-whatsapp.md` §1.5, which allows no longer one at all: but what is
/// cut off here is nowhere else once the lead is delivered).
const SHORT_VALUE: usize = 500;
/// The longest label, before a number behind it: enough to recognise a question that is longer.
const MAX_LABEL: usize = 144;
/// The most lines of a section, however many submissions add to it; more than fit into [`MAX_LEN`] in practice.
const MAX_LINES: usize = 300;

/// The bridge's part of a lead's notes. Of what does not fit, the later sections go first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notes {
    answers: Vec<Line>,
    /// In order of time.
    messages: Vec<Message>,
    attribution: Vec<Line>,
    details: Vec<Line>,
    /// The first and the last time that something was submitted.
    submitted: Option<(Timestamp, Timestamp)>,
    /// Something was left out for want of room, now or earlier.
    was_cut: bool,
}

/// Where a line stands in the block, by how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What the person answered.
    Answers,
    /// Click ids, UTM values, page addresses.
    Attribution,
    /// Form, campaign, ids, and other technical lines.
    Details,
}

/// `label: value`, both fit for the block.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    label: String,
    value: String,
    /// It may be older than a line with its label: it does not take that one's place.
    gives_way: bool,
}

/// What a person wrote, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    at: Timestamp,
    label: String,
    text: String,
}

impl Notes {
    /// Adds a line that is part of the same submission as the lines before: a second field with the same label becomes
    /// `label (2)`. An empty value adds nothing; one of more than 2000 characters is cut, visibly.
    pub fn add(&mut self, section: Section, label: &str, value: &str) {
        if self.section(section).len() == MAX_LINES {
            self.was_cut |= !value.trim().is_empty();
            return;
        }
        let (label, value) = (clean_label(label), clean_value(value));
        if value.is_empty() {
            return;
        }
        let lines = self.section(section);
        let mut number = 1;
        let mut numbered = label.clone();
        while let Some(known) = lines.iter().find(|line| line.label == numbered) {
            if known.value == value {
                return;
            }
            number += 1;
            numbered = format!("{label} ({number})");
        }
        lines.push(Line { label: numbered, value, gives_way: false });
    }

    /// Adds what the person wrote at `at`. Without a time there is no order among messages: use [`Notes::add`].
    pub fn say(&mut self, at: Timestamp, label: &str, text: &str) {
        let (label, text) = (clean_label(label), clean_value(text));
        let message = Message { at: whole_second(at), label, text };
        if !message.text.is_empty() {
            self.insert(message);
        }
    }

    /// Notes when something was submitted: Konektor's `createdAt` cannot be set, and a delivery may be late.
    pub fn submitted(&mut self, at: Timestamp) {
        let at = whole_second(at);
        self.submitted = Some(self.submitted.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }

    /// True when there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.says_nothing() && self.attribution.is_empty() && self.details.is_empty() && self.submitted.is_none()
    }

    /// True when there is no answer and no message of a person.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.answers.is_empty() && self.messages.is_empty()
    }

    /// Adds what came later: a line with the same label gets the later value, messages join in order of time. Taking in the
    /// same notes twice changes nothing.
    pub fn absorb(&mut self, later: Self) {
        for section in [Section::Answers, Section::Attribution, Section::Details] {
            let mut later = later.clone();
            for line in std::mem::take(later.section(section)) {
                self.put(section, line);
            }
        }
        for message in later.messages {
            self.insert(message);
        }
        for at in later.submitted.into_iter().flat_map(|(first, last)| [first, last]) {
            self.submitted(at);
        }
        self.was_cut |= later.was_cut;
    }

    /// Newer notes have been delivered: these lines take no other's place from now on. Messages stand in order of time
    /// whenever they come.
    pub fn give_way(&mut self) {
        for section in [Section::Answers, Section::Attribution, Section::Details] {
            self.section(section).iter_mut().for_each(|line| line.gives_way = true);
        }
    }

    fn section(&mut self, section: Section) -> &mut Vec<Line> {
        match section {
            Section::Answers => &mut self.answers,
            Section::Attribution => &mut self.attribution,
            Section::Details => &mut self.details,
        }
    }

    /// Adds a line, or lets it take the place of the one with its label.
    fn put(&mut self, section: Section, line: Line) {
        let lines = self.section(section);
        if let Some(known) = lines.iter_mut().find(|known| known.label == line.label) {
            if !line.gives_way || known.gives_way {
                *known = line;
            }
        } else if lines.len() == MAX_LINES {
            self.was_cut = true;
        } else {
            lines.push(line);
        }
    }

    /// Adds a message unless it is known. The block may hold a long one shortened: of such two the longer counts.
    fn insert(&mut self, message: Message) {
        let same = |known: &Message| (known.at, &known.label) == (message.at, &message.label);
        if self.messages.iter().any(|known| same(known) && is_cut_of(&message.text, &known.text)) {
            return;
        }
        self.messages.retain(|known| !(same(known) && is_cut_of(&known.text, &message.text)));
        if let Err(place) = self.messages.binary_search(&message) {
            self.messages.insert(place, message);
        }
    }
}

/// One line without colons at the end of words, as `: ` ends a label in the block.
fn clean_label(label: &str) -> String {
    let line = one_line(head(label, 4 * MAX_LABEL));
    let words = line.split(' ').map(|word| word.trim_end_matches(':')).filter(|word| !word.is_empty());
    let label = words.collect::<Vec<_>>().join(" ");
    if label.is_empty() { "-".to_owned() } else { cut_visibly(&unforged(label), MAX_LABEL) }
}

/// Lines without blank ones, not too long.
fn clean_value(value: &str) -> String {
    let value = value.trim();
    let head = head(value, 4 * MAX_VALUE);
    let mut text = unforged(lines(head));
    if head.len() < value.len() {
        text.push('…');
    }
    cut_visibly(&text, MAX_VALUE)
}

/// True when `short` may be what [`cut_visibly`] makes of `whole`.
fn is_cut_of(short: &str, whole: &str) -> bool {
    short.strip_suffix('…').is_some_and(|beginning| whole.len() > short.len() && whole.starts_with(beginning))
}

/// The first `max` characters: a value may be megabytes, and only its beginning is looked at.
fn head(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// The text without anything that reads like one of the block's markers.
fn unforged(text: String) -> String {
    let markers = ["[konektor-bridge", "[/konektor-bridge"];
    if markers.iter().any(|marker| text.contains(marker)) {
        text.replace("[konektor-bridge", "(konektor-bridge").replace("[/konektor-bridge", "(/konektor-bridge")
    } else {
        text
    }
}

/// The block shows whole seconds, and nothing before 1970 was sent by anybody.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().max(0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(lines: &[(&str, &str)]) -> Notes {
        let mut notes = Notes::default();
        for (label, value) in lines {
            notes.add(Section::Answers, label, value);
        }
        notes
    }

    fn answers(notes: &Notes) -> Vec<(&str, &str)> {
        notes.answers.iter().map(|line| (line.label.as_str(), line.value.as_str())).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn two_questions_with_one_label_stay_two() {
        let notes = notes(&[("Lainnya", "a"), ("Lainnya", "b"), ("Lainnya:", "b"), ("Kosong", " \n")]);
        assert_eq!(answers(&notes), [("Lainnya", "a"), ("Lainnya (2)", "b")]);
    }

    #[test]
    fn a_later_answer_wins_and_new_ones_follow() {
        let mut first = notes(&[("Minat", "Rumah"), ("Kota", "Bogor")]);
        first.absorb(notes(&[("Minat", "Ruko"), ("Budget", "2-3 juta")]));
        assert_eq!(answers(&first), [("Minat", "Ruko"), ("Kota", "Bogor"), ("Budget", "2-3 juta")]);
    }

    #[test]
    fn a_late_answer_is_added_and_takes_no_other_s_place() {
        let mut late = notes(&[("Minat", "Rumah"), ("Kota", "Bogor")]);
        late.give_way();
        let mut known = notes(&[("Minat", "Ruko")]);
        known.absorb(late.clone());
        assert_eq!(answers(&known), [("Minat", "Ruko"), ("Kota", "Bogor")]);
        late.absorb(notes(&[("Minat", "Ruko")]));
        assert_eq!(answers(&late), [("Minat", "Ruko"), ("Kota", "Bogor")], "what is newer takes its place");
        let block = notes(&[("Kota", "Depok")]).render();
        assert!(late.merge_into(&block).contains("Kota: Depok"), "what Konektor has is newer");
    }

    #[test]
    fn messages_stand_in_order_of_time_and_once() {
        let mut notes = Notes::default();
        notes.say(at("2026-10-26T01:00:02.9Z"), "Pesan", "dua");
        notes.say(at("2026-10-26T01:00:01Z"), "Pesan", "satu");
        notes.say(at("2026-10-26T01:00:02Z"), "Pesan", "dua");
        notes.say(at("2026-10-26T01:00:03Z"), "Pesan", "dua");
        let texts = notes.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>();
        assert_eq!(texts, ["satu", "dua", "dua"]);
        let twice = {
            let mut twice = notes.clone();
            twice.absorb(notes.clone());
            twice
        };
        assert_eq!(twice, notes);
    }

    #[test]
    fn the_first_and_the_last_submission_are_kept() {
        let mut notes = Notes::default();
        for time in ["2026-10-26T02:00:00Z", "2026-10-26T01:00:00Z", "2026-10-26T03:00:00Z", "-000001-01-01T00:00:00Z"]
        {
            notes.submitted(at(time));
        }
        assert_eq!(notes.submitted, Some((Timestamp::UNIX_EPOCH, at("2026-10-26T03:00:00Z"))));
    }

    #[test]
    fn a_long_value_ends_visibly() {
        let notes = notes(&[("Cerita", &"x".repeat(MAX_VALUE + 1)), (&"y".repeat(200), "z")]);
        assert!(notes.answers[0].value.ends_with("x…") && notes.answers[0].value.chars().count() == MAX_VALUE);
        assert!(notes.answers[1].label.ends_with("y…") && notes.answers[1].label.chars().count() == MAX_LABEL);
    }

    #[test]
    fn ten_thousand_fields_end_early() {
        let mut notes = Notes::default();
        for number in 0..10_000 {
            notes.add(Section::Answers, "sama", &number.to_string());
        }
        assert_eq!(notes.answers.len(), MAX_LINES);
        assert!(notes.was_cut);
    }

    #[test]
    fn many_submissions_with_other_fields_each_do_not_make_the_notes_endless() {
        let mut all = Notes::default();
        for submission in 0..3 {
            let mut one = Notes::default();
            (0..200).for_each(|field| one.add(Section::Answers, &format!("{submission}-{field}"), "x"));
            assert!(!one.was_cut);
            all.absorb(one);
        }
        assert_eq!((all.answers.len(), all.was_cut), (MAX_LINES, true));
    }
}
