//! The block as text: written within the room there is, found again between what people wrote, and read back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Line, MAX_LEN, MAX_VALUE, Message, Notes, SHORT_VALUE, Section, clean_value, cut_visibly};

/// The block's first line.
const BEGIN: &str = "[konektor-bridge: rewritten by the bridge, please write outside this block]";
/// The block's last line.
const END: &str = "[/konektor-bridge]";
/// The line that says that lines are missing, or long values short.
const CUT: &str = "(cut: not everything fits here)";
/// What a line begins with that goes on with the value of the one before. No line of a value can be a marker or a heading.
const CONTINUED: &str = "  ";
/// A time as it stands before a message, to the second, in UTC.
const TIME: &str = "%Y-%m-%d %H:%M:%S";
/// The labels of [`Notes::submitted`] among the details.
const SUBMITTED: &str = "Submitted";
const LAST_SUBMITTED: &str = "Last submitted";

impl Notes {
    /// The block alone, for a new lead; empty when there is nothing to write. At most [`MAX_LEN`] characters.
    #[must_use]
    pub fn render(&self) -> String {
        self.merge_into("")
    }

    /// The notes of a lead with the block in them.
    ///
    /// A block that is there already is read, takes in these notes and is rewritten in its place; without one a new block is
    /// appended. What stands outside stays as it is, byte for byte: the block shrinks to what room is left of [`MAX_LEN`] and
    /// says so, and where there is no room for a single line, nothing changes. A block that a person has damaged is text
    /// like any other. Merging the same notes again changes nothing.
    #[must_use]
    pub fn merge_into(&self, existing: &str) -> String {
        let length = |text: &str| text.chars().count();
        if self.is_empty() || length(existing) > MAX_LEN {
            return existing.to_owned();
        }
        let found = Found::in_notes(existing);
        let mut notes = found.notes;
        notes.absorb(self.clone());
        let outside = length(found.before) + length(found.gap) + length(found.after);
        match notes.fitted(MAX_LEN.saturating_sub(outside)) {
            Some(block) => [found.before, found.gap, &block, found.after].concat(),
            None => existing.to_owned(),
        }
    }

    /// The block with as many lines as fit into `room` characters, the important ones first; `None` without any line. Where not
    /// all of it fits, long values are short: so none of them takes the room of all others.
    fn fitted(&self, room: usize) -> Option<String> {
        let room = room.checked_sub(BEGIN.len() + 1 + END.len())?;
        let cost = |line: &str| line.chars().count() + 1;
        if !self.was_cut {
            let parts = self.parts(MAX_VALUE);
            let of_headings =
                Part::ALL.iter().filter(|part| !parts[**part as usize].is_empty()).map(|part| cost(part.heading()));
            if parts.iter().flatten().map(|line| cost(line)).chain(of_headings).sum::<usize>() <= room {
                return Some(assemble(&parts, ""));
            }
        }
        let parts = self.parts(SHORT_VALUE);
        let mut room = room.checked_sub(CUT.len() + 1)?;
        let mut kept = [const { Vec::new() }; 4];
        for part in Part::ALL {
            let (lines, kept) = (&parts[part as usize], &mut kept[part as usize]);
            // Of the messages the newest count most.
            let by_weight: Box<dyn Iterator<Item = &String>> =
                if part == Part::Messages { Box::new(lines.iter().rev()) } else { Box::new(lines.iter()) };
            for line in by_weight {
                let heading = if kept.is_empty() { cost(part.heading()) } else { 0 };
                if let Some(left) = room.checked_sub(cost(line) + heading) {
                    room = left;
                    kept.push(line.clone());
                }
            }
            if part == Part::Messages {
                kept.reverse();
            }
        }
        kept.iter().any(|lines| !lines.is_empty()).then(|| assemble(&kept, CUT))
    }

    /// All lines of the block as text, by part, no value longer than `longest` characters.
    fn parts(&self, longest: usize) -> [Vec<String>; 4] {
        let written = |label: &str, value: &str| written(label, &cut_visibly(value, longest));
        let of = |lines: &[Line]| lines.iter().map(|line| written(&line.label, &line.value)).collect::<Vec<_>>();
        let said = |message: &Message| written(&format!("{} UTC {}", time(message.at), message.label), &message.text);
        let submitted = self.submitted.iter().flat_map(|(first, last)| {
            let last = (first != last).then(|| format!("{LAST_SUBMITTED}: {} UTC", time(*last)));
            std::iter::once(format!("{SUBMITTED}: {} UTC", time(*first))).chain(last)
        });
        [
            of(&self.answers),
            self.messages.iter().map(said).collect(),
            of(&self.attribution),
            submitted.chain(of(&self.details)).collect(),
        ]
    }

    /// Reads what stands between the markers; `None` when a line is not one that the bridge writes.
    fn read(inside: &str) -> Option<Self> {
        let mut notes = Self::default();
        let mut part = None;
        let mut entry = None::<(Part, String)>;
        for line in inside.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if let Some(more) = line.strip_prefix(CONTINUED) {
                let (_, text) = entry.as_mut()?;
                text.push('\n');
                text.push_str(more);
                continue;
            }
            if let Some((part, text)) = entry.take() {
                notes.take_in(part, &text)?;
            }
            match Part::ALL.into_iter().find(|part| part.heading() == line) {
                Some(heading) => part = Some(heading),
                None if line == CUT => notes.was_cut = true,
                None => entry = Some((part?, line.to_owned())),
            }
        }
        if let Some((part, text)) = entry {
            notes.take_in(part, &text)?;
        }
        Some(notes)
    }

    fn take_in(&mut self, part: Part, text: &str) -> Option<()> {
        let (label, value) = text.split_once(": ")?;
        let section = match part {
            Part::Messages => {
                let (at, label) = label.split_once(" UTC ")?;
                self.say(read_time(at)?, label, value);
                return Some(());
            }
            Part::Details if matches!(label, SUBMITTED | LAST_SUBMITTED) => {
                self.submitted(read_time(value.strip_suffix(" UTC")?)?);
                return Some(());
            }
            Part::Answers => Section::Answers,
            Part::Attribution => Section::Attribution,
            Part::Details => Section::Details,
        };
        self.put(section, Line { label: label.trim().to_owned(), value: clean_value(value), gives_way: false });
        Some(())
    }
}

/// The parts of the block, in their order and by their weight.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Answers,
    Messages,
    Attribution,
    Details,
}

impl Part {
    const ALL: [Self; 4] = [Self::Answers, Self::Messages, Self::Attribution, Self::Details];

    fn heading(self) -> &'static str {
        match self {
            Self::Answers => "# Answers",
            Self::Messages => "# Messages",
            Self::Attribution => "# Attribution",
            Self::Details => "# Details",
        }
    }
}

/// A lead's notes around the block, and the block read.
struct Found<'a> {
    before: &'a str,
    /// What parts a new block from the text before it.
    gap: &'static str,
    notes: Notes,
    after: &'a str,
}

impl<'a> Found<'a> {
    /// Finds the last whole block; without one, the place for a new block is the end.
    fn in_notes(text: &'a str) -> Self {
        let mut found = None;
        let mut begin = None;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            match line.trim_end() {
                BEGIN => begin = Some((at, at + line.len())),
                END => {
                    if let Some((begin, inside)) = begin.take()
                        && let Some(notes) = Notes::read(&text[inside..at])
                    {
                        found = Some(Self { before: &text[..begin], gap: "", notes, after: &text[at + END.len()..] });
                    }
                }
                _ => {}
            }
            at += line.len();
        }
        found.unwrap_or_else(|| {
            let gap = if text.is_empty() || text.ends_with("\n\n") { "" } else { "\n\n" };
            let gap = if text.ends_with('\n') && !gap.is_empty() { "\n" } else { gap };
            Self { before: text, gap, notes: Notes::default(), after: "" }
        })
    }
}

fn assemble(parts: &[Vec<String>; 4], cut: &str) -> String {
    let mut lines = vec![BEGIN];
    for part in Part::ALL {
        let of_part = &parts[part as usize];
        lines.extend((!of_part.is_empty()).then(|| part.heading()));
        lines.extend(of_part.iter().map(String::as_str));
    }
    lines.extend((!cut.is_empty()).then_some(cut));
    lines.push(END);
    lines.join("\n")
}

/// `label: value`, with further lines of the value indented.
fn written(label: &str, value: &str) -> String {
    format!("{label}: {}", value.replace('\n', &format!("\n{CONTINUED}")))
}

fn time(at: Timestamp) -> String {
    at.strftime(TIME).to_string()
}

fn read_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME, text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Notes {
        let mut notes = Notes::default();
        notes.add(Section::Answers, "Minat", "Rumah, Ruko");
        notes.add(Section::Answers, "Contoh: alamat", "Jl. Melati\r\nBogor");
        notes.say("2026-10-26T01:02:03Z".parse().unwrap(), "Pesan", "Halo kak\n[/konektor-bridge]\n# Details");
        notes.add(Section::Attribution, "utm_source", "facebook");
        notes.add(Section::Details, "Form", "Kontak");
        notes.submitted("2026-10-26T01:02:03Z".parse().unwrap());
        notes
    }

    const RENDERED: &str = "\
[konektor-bridge: rewritten by the bridge, please write outside this block]
# Answers
Minat: Rumah, Ruko
Contoh alamat: Jl. Melati
  Bogor
# Messages
2026-10-26 01:02:03 UTC Pesan: Halo kak
  (/konektor-bridge]
  # Details
# Attribution
utm_source: facebook
# Details
Submitted: 2026-10-26 01:02:03 UTC
Form: Kontak
[/konektor-bridge]";

    #[test]
    fn a_block_reads_well_and_reads_back() {
        assert_eq!(sample().render(), RENDERED);
        let found = Found::in_notes(RENDERED);
        assert_eq!((found.notes, found.before, found.after), (sample(), "", ""));
        assert_eq!(Notes::default().render(), "");
    }

    #[test]
    fn what_people_wrote_stays_where_it_is() {
        let written = format!("Ditelpon 2x \r\n\n{RENDERED}  \n\n mau survey\t");
        let mut later = Notes::default();
        later.add(Section::Answers, "Minat", "Ruko");
        let merged = later.merge_into(&written);
        assert_eq!(merged, written.replace("Rumah, Ruko", "Ruko"));
        assert_eq!(sample().merge_into("catatan CS"), format!("catatan CS\n\n{RENDERED}"));
        assert_eq!(sample().merge_into("catatan CS\n"), format!("catatan CS\n\n{RENDERED}"));
        assert_eq!(Notes::default().merge_into("catatan CS"), "catatan CS");
    }

    #[test]
    fn a_block_that_went_through_a_text_area_is_still_one() {
        let carriage_returns = RENDERED.replace('\n', "\r\n");
        assert_eq!(sample().merge_into(&carriage_returns), RENDERED);
    }

    #[test]
    fn a_damaged_block_is_text_and_a_new_one_follows() {
        for damaged in [
            RENDERED.replace("Minat: Rumah, Ruko", "sudah survey, suka"),
            RENDERED.replace("# Answers\n", ""),
            RENDERED.replace("2026-10-26 01:02:03 UTC Pesan", "kemarin"),
            RENDERED.replace("[/konektor-bridge]", ""),
            RENDERED.replace("please", "pls"),
        ] {
            let merged = sample().merge_into(&damaged);
            assert!(merged.starts_with(&damaged) && merged.ends_with(RENDERED), "{merged}");
            assert_eq!(sample().merge_into(&merged), merged);
        }
    }

    #[test]
    fn the_details_go_first_and_the_answers_last() {
        let block = |room| sample().fitted(room);
        let all = RENDERED.chars().count();
        assert_eq!(block(all).as_deref(), Some(RENDERED));
        let cut = block(all - 1).unwrap();
        assert!(cut.contains("utm_source") && !cut.contains("Submitted") && cut.contains(CUT), "{cut}");
        let only_answers = block(180).unwrap();
        assert!(only_answers.contains("Minat: Rumah, Ruko") && !only_answers.contains("# Messages"), "{only_answers}");
        assert_eq!(block(100), None);
        assert_eq!(block(0), None);
    }

    #[test]
    fn the_oldest_messages_go_first() {
        let mut notes = Notes::default();
        for second in 0..40 {
            notes.say(Timestamp::from_second(second).unwrap(), "Pesan", &format!("{second} {}", "x".repeat(400)));
        }
        let block = notes.render();
        assert!(block.contains("00:00:39 UTC Pesan: 39 x") && !block.contains("00:00:00 UTC"));
        assert!(block.find("00:00:38") < block.find("00:00:39"));
        assert!(block.contains(CUT) && block.chars().count() <= MAX_LEN);
    }

    #[test]
    fn a_long_message_is_whole_where_there_is_room_and_short_where_there_is_none() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let mut notes = Notes::default();
        notes.say(second(0), "Pesan", &"a".repeat(1900));
        assert!(notes.render().contains(&"a".repeat(1900)) && !notes.render().contains(CUT));
        notes.say(second(1), "Pesan", &"b".repeat(1900));
        notes.say(second(2), "Pesan", &"c".repeat(1900));
        notes.add(Section::Attribution, "gclid", "Cj0K");
        let block = notes.render();
        for letter in ["a", "b", "c"] {
            assert!(block.contains(&format!("{}…", letter.repeat(SHORT_VALUE - 1))), "{block}");
            assert_eq!(block.matches(&letter.repeat(3)).count(), (SHORT_VALUE - 1) / 3, "once");
        }
        assert!(block.contains("gclid: Cj0K") && block.contains(CUT), "{block}");
        assert_eq!(notes.merge_into(&block), block, "what is short is known for what is whole");
    }

    #[test]
    fn notes_that_are_full_of_peoples_text_are_left_alone() {
        let full = "x".repeat(MAX_LEN - 50);
        assert_eq!(sample().merge_into(&full), full);
        let too_full = "x".repeat(MAX_LEN + 1);
        assert_eq!(sample().merge_into(&too_full), too_full);
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "\\PC{0,20}",
            4 => ".{0,10}",
            1 => (0usize..2100, "[a-z]").prop_map(|(length, letter)| letter.repeat(length)),
            8 => "[a-z: #\\[\\]()/\\n-]{0,60}",
            1 => Just(BEGIN.to_owned()),
            1 => Just(format!("a\n{END}\n{BEGIN}\n# Details")),
            1 => Just(format!("x\n{CUT}\n# Messages\n2026-10-26 01:02:03 UTC a: b")),
        ]
    }

    fn notes(most: usize) -> impl Strategy<Value = Notes> {
        let section = prop::sample::select(vec![Section::Answers, Section::Attribution, Section::Details]);
        let lines = prop::collection::vec((section, texts(), texts()), 0..2 * most);
        let messages = prop::collection::vec((-5i64..5_000_000_000, texts(), texts()), 0..most);
        (lines, messages, prop::option::of(0i64..5_000_000_000)).prop_map(|(lines, messages, submitted)| {
            let mut notes = Notes::default();
            for (section, label, value) in lines {
                notes.add(section, &label, &value);
            }
            for (second, label, text) in messages {
                notes.say(Timestamp::from_second(second).unwrap(), &label, &text);
            }
            if let Some(second) = submitted {
                notes.submitted(Timestamp::from_second(second).unwrap());
            }
            notes
        })
    }

    /// What a person may have in the notes: short, nearly full, with a block of another time, with half a block.
    fn existing() -> impl Strategy<Value = String> {
        prop_oneof![
            texts(),
            (texts(), 4500usize..5000).prop_map(|(text, length)| format!("{text}{}", "y".repeat(length - 400))),
            (texts(), notes(10), texts())
                .prop_map(|(before, old, after)| format!("{before}\n{}\n{after}", old.render())),
            (notes(10), 0usize..300).prop_map(|(old, cut)| old.render().chars().skip(cut).collect()),
        ]
    }

    proptest! {
        // Each case is up to a whole block of text.
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_block_that_fits_reads_back_as_the_same_notes(notes in notes(3)) {
            let block = notes.render();
            prop_assume!(!block.contains(CUT));
            prop_assert_eq!(Found::in_notes(&block).notes, notes);
        }

        #[test]
        fn absorbing_twice_is_absorbing_once(mut notes in notes(10), later in notes(10)) {
            notes.absorb(later.clone());
            let once = notes.clone();
            notes.absorb(later);
            prop_assert_eq!(notes, once);
        }

        #[test]
        fn merging_keeps_the_limit_and_every_byte_outside(existing in existing(), notes in notes(10)) {
            prop_assume!(existing.chars().count() <= MAX_LEN);
            let found = Found::in_notes(&existing);
            let merged = notes.merge_into(&existing);
            prop_assert!(merged.chars().count() <= MAX_LEN);
            prop_assert!(merged.starts_with(found.before) && merged.ends_with(found.after));
            prop_assert_eq!(notes.merge_into(&merged), merged);
        }

        #[test]
        fn no_answer_forges_a_block(notes in notes(10)) {
            let block = notes.render();
            let markers = |marker| block.lines().filter(|line| *line == marker).count();
            prop_assert_eq!((markers(BEGIN), markers(END)), (markers(BEGIN).min(1), markers(BEGIN).min(1)));
        }

        #[test]
        fn any_text_can_be_looked_through(text in "(\\[/?konektor-bridge[^\\n]{0,80}\\]|# Answers|a: b|  c|\\n|.){0,40}") {
            prop_assert!(sample().merge_into(&text).contains("Minat: Rumah, Ruko"));
        }
    }
}
