//! What a sender says of its own troubles in a webhook: for the log, and never personal.

use std::collections::BTreeMap;

/// How much of a title is told, in characters.
const TITLE: usize = 120;

/// As many digits in a row could be somebody's number; codes of errors have fewer.
const DIGITS: usize = 7;

/// An error that a sender tells of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// What it has to do with.
    pub about: About,
    /// The sender's code, at most six digits; empty where there is none such.
    pub code: String,
    /// What the code means, in the sender's fixed words.
    pub title: String,
}

/// What an error has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum About {
    /// The account, or all of the webhook.
    Account,
    /// A message that a person has sent.
    Received,
    /// A message that was sent to a person.
    Sent,
}

impl Complaint {
    /// The complaint of an error with `code` and `title`, without what could be somebody's.
    pub(super) fn new(about: About, code: &str, title: &str) -> Self {
        let is_code = code.len() < DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
        let title: String = title.chars().filter(|c| !c.is_control()).collect();
        // What is long is cut last: the beginning of a number would pass for none.
        let title = without_numbers(&title).chars().take(TITLE).collect();
        Self { about, code: if is_code { code.to_owned() } else { String::new() }, title }
    }
}

/// Counts complaints that are alike.
pub(super) fn counted(complaints: impl Iterator<Item = Complaint>) -> Vec<(Complaint, usize)> {
    let mut counts = BTreeMap::new();
    complaints.for_each(|complaint| *counts.entry(complaint).or_default() += 1);
    counts.into_iter().collect()
}

/// `text` with `…` for what could be somebody's number, however it is parted, or address.
fn without_numbers(text: &str) -> String {
    let (mut told, mut number): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for word in text.split(' ') {
        if !word.is_empty() && word.chars().all(is_of_a_number) {
            number.push(word);
            continue;
        }
        tell(&mut number, &mut told);
        told.push(if digits(word) >= DIGITS || word.contains('@') { "…" } else { word });
    }
    tell(&mut number, &mut told);
    told.join(" ")
}

/// Moves the words of what may be one number on.
fn tell<'t>(number: &mut Vec<&'t str>, told: &mut Vec<&'t str>) {
    if number.iter().map(|word| digits(word)).sum::<usize>() >= DIGITS {
        number.clear();
        told.push("…");
    } else {
        told.append(number);
    }
}

fn digits(word: &str) -> usize {
    word.chars().filter(char::is_ascii_digit).count()
}

fn is_of_a_number(letter: char) -> bool {
    letter.is_ascii_digit() || "+-(). /,".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_somebodys_is_told() {
        let told = |code: &str, title: &str| {
            let Complaint { code, title, .. } = Complaint::new(About::Sent, code, title);
            (code, title)
        };
        let said = |code: &str, title: &str| (code.to_owned(), title.to_owned());
        assert_eq!(
            told("131030", "(#131030) Recipient not in list"),
            said("131030", "(#131030) Recipient not in list")
        );
        assert_eq!(told("6281234567890", "to +6281234567890 or a@b.id failed"), said("", "to … or … failed"));
        assert_eq!(told("1", "to +62 812 3456-7890 failed"), said("1", "to … failed"));
        assert_eq!(told("1", &format!("{}6281234567890", "a ".repeat(57))).1, format!("{}…", "a ".repeat(57)));
        assert_eq!(told("1", "24 h, 5 tries"), said("1", "24 h, 5 tries"));
        assert_eq!(told("x1", "a\u{1b}[31m\nb"), said("", "a[31mb"));
        assert_eq!(told("", &"ä".repeat(500)).1.chars().count(), TITLE);
    }

    #[test]
    fn what_is_alike_is_counted() {
        let of = |about, code| Complaint::new(about, code, "t");
        let all = [of(About::Sent, "2"), of(About::Account, "1"), of(About::Sent, "2")];
        assert_eq!(counted(all.into_iter()), [(of(About::Account, "1"), 1), (of(About::Sent, "2"), 2)]);
    }
}
