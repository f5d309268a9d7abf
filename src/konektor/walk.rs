//! How to go through all pages of a list while leads are made and changed: which page is next, and what on it is new.

use std::collections::HashSet;

use super::query::{LeadFilter, ListQuery, Place};
use super::refused::Refused;
use super::wire::Page;
use crate::domain::lead::LeadId;

/// How often in a row a page may be refused for the moment (429): others spend the same budget.
const THROTTLED: u32 = 10;
/// How often in a row a page may fail before the walk gives up.
const FAILED: u32 = 4;

/// A walk over all pages, the newest lead first.
///
/// By creation time, because that never changes: a list by change time moves a lead past the reader while he reads.
/// After a place (cursor), rather than by number, because a number counts from the top, where new leads come in.
#[derive(Debug)]
pub(super) struct Walk {
    query: ListQuery,
    /// What was on the pages so far, when going by number: leads slide onto the next page as new ones come in.
    seen: HashSet<LeadId>,
    refused: u32,
}

impl Walk {
    pub(super) fn over(filter: LeadFilter) -> Self {
        let query = ListQuery { filter, limit: ListQuery::MAX_LIMIT, ..ListQuery::default() };
        Self { query, seen: HashSet::new(), refused: 0 }
    }

    /// The page to ask for.
    pub(super) fn query(&self) -> &ListQuery {
        &self.query
    }

    /// Whether to ask again after this; a walk may take an hour, and must not end by one mishap.
    pub(super) fn bears(&mut self, why: &Refused) -> bool {
        let most = match why {
            Refused::Throttled => THROTTLED,
            Refused::Unsent(_) | Refused::Unclear(_) => FAILED,
            _ => return false,
        };
        self.refused += 1;
        self.refused < most
    }

    /// Takes a page: what was on an earlier one goes out of it. Gives the walk on from there, or `None` at the end.
    ///
    /// # Errors
    /// Konektor names the same place twice: the walk would never end.
    pub(super) fn turn(mut self, page: &mut Page) -> Result<Option<Self>, Refused> {
        let (leads, told) = (page.leads.len(), &page.pagination);
        let next = match (&self.query.place, &told.next_cursor) {
            // Nobody says that the last page names no next one: then it is one without leads.
            _ if leads == 0 => None,
            (Place::After(here), Some(next)) if here == next => {
                return Err(Refused::Unclear("a list that does not go on from where it is"));
            }
            (_, Some(next)) => Some(Place::After(next.clone())),
            (Place::After(_), None) => None,
            (Place::Page(number), None) => {
                let there_are_more = match told.total_pages {
                    Some(pages) => *number < pages,
                    None => leads >= usize::from(self.query.limit),
                };
                there_are_more.then(|| Place::Page(number + 1))
            }
        };
        let by_number = |place: &Place| matches!(place, Place::Page(_));
        if by_number(&self.query.place) && (!self.seen.is_empty() || next.as_ref().is_some_and(by_number)) {
            page.leads.retain(|lead| self.seen.insert(lead.read.id.clone()));
        }
        Ok(next.map(|place| Self { query: ListQuery { place, ..self.query }, seen: self.seen, refused: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a Konektor does that names next places, and one that counts pages only.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Manner {
        Places,
        PlacesToTheEnd,
        NumbersWithTotals,
        Numbers,
    }

    /// Answers like one, over the numbers of leads, the newest (largest) first.
    fn answer(leads: &[u32], query: &ListQuery, manner: Manner) -> Page {
        let limit = usize::from(query.limit);
        let from = match &query.place {
            Place::Page(number) => (usize::try_from(*number).unwrap() - 1) * limit,
            Place::After(cursor) => {
                let after: u32 = cursor.0.parse().unwrap();
                leads.iter().position(|lead| *lead < after).unwrap_or(leads.len())
            }
        };
        let data: Vec<_> = leads.iter().skip(from).take(limit).collect();
        let more = from + data.len() < leads.len();
        let cursor = match manner {
            Manner::Places if more => data.last().map(ToString::to_string),
            Manner::PlacesToTheEnd => data.last().map(ToString::to_string),
            _ => None,
        };
        let pages = (manner != Manner::Numbers).then(|| leads.len().div_ceil(limit));
        let data: Vec<_> = data.iter().map(|lead| serde_json::json!({"id": lead.to_string()})).collect();
        let told = serde_json::json!({"data": data, "pagination": {"totalPages": pages, "nextCursor": cursor}});
        serde_json::from_str(&told.to_string()).unwrap()
    }

    /// Walks to the end, making and deleting leads before each further page; gives the leads that came out.
    fn walked(mut leads: Vec<u32>, made: &[u8], manner: Manner) -> Vec<u32> {
        let (mut out, mut walk) = (Vec::new(), Walk::over(LeadFilter::default()));
        walk.query.limit = 3;
        let mut made = made.iter();
        loop {
            let mut page = answer(&leads, walk.query(), manner);
            let next = walk.turn(&mut page).unwrap();
            out.extend(page.leads.iter().map(|lead| lead.read.id.0.parse::<u32>().unwrap()));
            let Some(on) = next else { return out };
            walk = on;
            for _ in 0..*made.next().unwrap_or(&0) {
                leads.insert(0, leads.first().map_or(0, |newest| newest + 1));
            }
        }
    }

    proptest! {
        /// What was there at the start comes out once, in order, whatever is made on the way.
        #[test]
        fn no_lead_is_skipped_and_none_comes_twice(
            count in 0..40u32,
            made in proptest::collection::vec(0..8u8, 0..20),
            manner in prop::sample::select(
                vec![Manner::Places, Manner::PlacesToTheEnd, Manner::NumbersWithTotals, Manner::Numbers],
            ),
        ) {
            let at_first: Vec<u32> = (0..count).rev().collect();
            let out = walked(at_first.clone(), &made, manner);
            let (old, new): (Vec<_>, Vec<_>) = out.into_iter().partition(|lead| *lead < count);
            prop_assert_eq!(old, at_first);
            let once: HashSet<_> = new.iter().collect();
            prop_assert_eq!(once.len(), new.len(), "what is new came twice: {:?}", &new);
        }
    }

    #[test]
    fn a_list_that_does_not_go_on_ends_the_walk() {
        let mut walk = Walk::over(LeadFilter::default());
        let page = || serde_json::from_str::<Page>(r#"{"data":[{"id":"1"}],"pagination":{"nextCursor":"x"}}"#).unwrap();
        walk = walk.turn(&mut page()).unwrap().unwrap();
        assert!(matches!(walk.turn(&mut page()), Err(Refused::Unclear(_))));
    }

    #[test]
    fn a_mishap_is_borne_and_a_refusal_is_not() {
        let mut walk = Walk::over(LeadFilter::default());
        let fails = Refused::Unclear("a server error");
        assert_eq!([(); 4].map(|()| walk.bears(&fails)), [true, true, true, false]);
        let mut walk = Walk::over(LeadFilter::default());
        assert!((1..10).all(|_| walk.bears(&Refused::Throttled)) && !walk.bears(&Refused::Throttled));
        assert!(!Walk::over(LeadFilter::default()).bears(&Refused::Unauthorized));
    }
}
