//! Every lead, as far as lists ask for it, in memory: a walk along all of them takes milliseconds whatever is asked, where
//! SQLite would need an index for each question, and none helps when half of all leads fit.

use std::collections::HashMap;

use jiff::Timestamp;
use memchr::memmem::Finder;

use super::lead::Lead;
use crate::sandbox::agent::fields::Field;
use crate::sandbox::agent::parameter::When;
use crate::sandbox::agent::query::{EQUAL, Order, Query, SortBy};
use crate::sandbox::agent::rule::Datum;
use crate::sandbox::settings::Workspace;

/// The leads by their number.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    words: Words,
}

/// A lead.
#[derive(Debug)]
struct Entry {
    seq: i64,
    workspace: Word,
    created_at: i64,
    updated_at: i64,
    is_deleted: bool,
    /// What it has in each of the fields of [`EQUAL`].
    values: [Option<Word>; EQUAL.len()],
    /// What a search looks through.
    haystack: Box<str>,
}

/// The number of a word that occurs in leads.
type Word = u32;

/// Words that occur in leads. There are few.
#[derive(Debug, Default)]
struct Words(HashMap<String, Word>);

impl Words {
    fn number(&mut self, word: &str) -> Word {
        if let Some(number) = self.0.get(word) {
            return *number;
        }
        let number = Word::try_from(self.0.len()).expect("there are fewer words than 2^32");
        self.0.insert(word.to_owned(), number);
        number
    }
}

/// A place in the order: when, then the lead's number.
pub(super) type Place = (i64, i64);

/// What is asked for.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) query: &'a Query,
    /// Leads created after it are not found.
    pub(super) visible_until: Option<Timestamp>,
    /// Where the last page ended; the page is counted from there.
    pub(super) after: Option<Place>,
}

/// What fits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// All that fit, whatever the page.
    pub(super) total: usize,
    /// The numbers of the page's leads, in order.
    pub(super) seqs: Vec<i64>,
    /// Whether there are more after these.
    pub(super) more: bool,
}

impl Index {
    /// Puts `lead` there, in place of what it was.
    pub(super) fn put(&mut self, lead: &Lead) {
        let entry = Entry {
            seq: lead.seq,
            workspace: self.words.number(&lead.workspace),
            created_at: lead.created_at.as_millisecond(),
            updated_at: lead.updated_at.as_millisecond(),
            is_deleted: lead.deleted_at.is_some(),
            values: EQUAL.map(|field| lead.text(field).map(|word| self.words.number(word))),
            haystack: haystack(lead).into_boxed_str(),
        };
        match self.entries.binary_search_by_key(&lead.seq, |entry| entry.seq) {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Marks the lead of this number as deleted.
    pub(super) fn bury(&mut self, seq: i64) {
        if let Ok(at) = self.entries.binary_search_by_key(&seq, |entry| entry.seq) {
            self.entries[at].is_deleted = true;
        }
    }

    /// The page that is asked for.
    pub(super) fn find(&self, question: &Question<'_>) -> Found {
        let Some(filter) = self.filter(question) else { return Found::default() };
        let query = question.query;
        let place = |entry: &Entry| match query.sort_by {
            SortBy::CreatedAt => (entry.created_at, entry.seq),
            SortBy::UpdatedAt => (entry.updated_at, entry.seq),
        };
        let mut places: Vec<Place> = self.entries.iter().filter(|entry| filter.fits(entry)).map(place).collect();
        let total = places.len();
        if let Some(after) = question.after {
            places.retain(|place| compared(query.order, place, &after).is_gt());
        }
        let limit = usize::try_from(query.limit).expect("a limit is 1 to 100");
        let (places, more) = cut(places, skipped(question), limit, query.order);
        Found { total, seqs: places.into_iter().map(|(_, seq)| seq).collect(), more }
    }

    /// What has to hold; `None` when no lead can fit.
    fn filter(&self, question: &Question<'_>) -> Option<Filter> {
        let Question { workspace, query, .. } = question;
        let instant = |when: Option<When>| when.map(|when| when.instant(&workspace.time_zone));
        let until = [instant(query.created_to), question.visible_until].into_iter().flatten().min();
        let equal = query.equal.iter().map(|(field, datum)| {
            let place = EQUAL.iter().position(|known| known == field)?;
            match datum {
                Datum::Text(word) => Some((place, *self.words.0.get(word)?)),
                Datum::Number(_) => None,
            }
        });
        Some(Filter {
            workspace: *self.words.0.get(&workspace.name)?,
            equal: equal.collect::<Option<_>>()?,
            from: instant(query.created_from).map_or(i64::MIN, Timestamp::as_millisecond),
            until: until.map_or(i64::MAX, Timestamp::as_millisecond),
            needle: query.search.as_deref().map(|text| Finder::new(folded(text).as_bytes()).into_owned()),
        })
    }
}

/// What has to hold for a lead.
struct Filter {
    workspace: Word,
    /// Places in [`EQUAL`], and what has to stand there.
    equal: Vec<(usize, Word)>,
    from: i64,
    until: i64,
    needle: Option<Finder<'static>>,
}

impl Filter {
    fn fits(&self, entry: &Entry) -> bool {
        !entry.is_deleted
            && entry.workspace == self.workspace
            && (self.from..=self.until).contains(&entry.created_at)
            && self.equal.iter().all(|(place, word)| entry.values[*place] == Some(*word))
            && self.needle.as_ref().is_none_or(|needle| needle.find(entry.haystack.as_bytes()).is_some())
    }
}

/// How many places come before the page: a cursor begins where it says.
fn skipped(question: &Question<'_>) -> usize {
    let Query { page, limit, .. } = question.query;
    let before = if question.after.is_some() { 0 } else { (page - 1).saturating_mul(*limit) };
    usize::try_from(before).unwrap_or(usize::MAX)
}

/// At most `limit` of `places` in order, after so many, and whether there are more. Only the page itself is sorted.
fn cut(mut places: Vec<Place>, skip: usize, limit: usize, order: Order) -> (Vec<Place>, bool) {
    if skip >= places.len() {
        return (Vec::new(), false);
    }
    let end = skip + limit;
    let more = end < places.len();
    if more {
        places.select_nth_unstable_by(end, |a, b| compared(order, a, b));
        places.truncate(end);
    }
    if skip > 0 {
        places.select_nth_unstable_by(skip, |a, b| compared(order, a, b));
        places.drain(..skip);
    }
    places.sort_unstable_by(|a, b| compared(order, a, b));
    (places, more)
}

fn compared(order: Order, a: &Place, b: &Place) -> std::cmp::Ordering {
    match order {
        Order::Ascending => a.cmp(b),
        Order::Descending => b.cmp(a),
    }
}

/// What a search looks through. A part cannot run from one field into the next; both names are one.
fn haystack(lead: &Lead) -> String {
    let name = [Field::FirstName, Field::LastName].iter().filter_map(|field| lead.text(*field)).collect::<Vec<_>>();
    let others = [Field::Email, Field::Phone, Field::UniqueCode, Field::ExternalRef];
    let parts = std::iter::once(name.join(" "))
        .chain(others.iter().filter_map(|field| lead.text(*field)).map(str::to_owned))
        .map(|part| folded(&part));
    parts.collect::<Vec<_>>().join("\n")
}

/// Text as the search compares it: lower case, control characters as spaces.
fn folded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cut_is_what_sorting_all_would_give(
            times in prop::collection::vec(0..9_i64, 0..40), skip in 0..45_usize, limit in 1..9_usize, up in any::<bool>()
        ) {
            let places: Vec<Place> = times.into_iter().zip(0..).collect();
            let order = if up { Order::Ascending } else { Order::Descending };
            let mut sorted = places.clone();
            sorted.sort_by(|a, b| compared(order, a, b));
            let expected: Vec<Place> = sorted.iter().copied().skip(skip).take(limit).collect();
            let more = sorted.len() > skip + limit;
            prop_assert_eq!(cut(places, skip, limit, order), (expected, more));
        }
    }
}
