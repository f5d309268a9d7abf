//! What a list or a report is asked for. Only published words can be asked for: unknown ones have no value here.

use std::fmt;

use jiff::Timestamp;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::wire::{Cursor, Timeframe};
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};

/// Which leads. What is said must all hold.
#[derive(Clone, PartialEq, Default)]
pub struct LeadFilter {
    /// Standing here.
    pub status: Option<Status>,
    /// This urgent.
    pub priority: Option<Priority>,
    /// Come by this channel.
    pub source: Option<LeadSource>,
    /// Credited to this ad network.
    pub ad_platform: Option<AdPlatform>,
    /// A team member's UUID.
    pub assigned_to: Option<String>,
    /// Made after this.
    pub created_from: Option<Timestamp>,
    /// Made before this.
    pub created_to: Option<Timestamp>,
    /// Part of a name, an address, a number, a code or a reference; at most 200 characters.
    pub search: Option<String>,
}

// What is searched for is a person's name or number as often as not.
impl fmt::Debug for LeadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, priority, source, ad_platform, created_from, created_to, .. } = self;
        f.debug_struct("LeadFilter")
            .field("words", &(status, priority, source, ad_platform))
            .field("created", &(created_from, created_to))
            .finish_non_exhaustive()
    }
}

impl LeadFilter {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        fn said(name: &'static str, value: Option<&impl ToString>) -> Option<(&'static str, String)> {
            value.map(|value| (name, value.to_string()))
        }
        [
            said("status", self.status.as_ref()),
            said("priority", self.priority.as_ref()),
            said("source", self.source.as_ref()),
            said("adPlatform", self.ad_platform.as_ref()),
            said("assignedTo", self.assigned_to.as_ref()),
            said("createdFrom", self.created_from.as_ref()),
            said("createdTo", self.created_to.as_ref()),
            said("search", self.search.as_ref()),
        ]
        .into_iter()
        .flatten()
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, IntoStaticStr, VariantArray)]
pub enum SortBy {
    /// When a lead was made, which never changes.
    #[default]
    #[strum(serialize = "createdAt")]
    CreatedAt,
    /// When it was last changed.
    #[strum(serialize = "updatedAt")]
    UpdatedAt,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum SortOrder {
    /// The oldest first.
    Asc,
    /// The newest first.
    #[default]
    Desc,
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By number, from 1. What is made meanwhile moves leads from page to page.
    Page(u64),
    /// After the place that an earlier page named.
    After(Cursor),
}

impl Default for Place {
    fn default() -> Self {
        Self::Page(1)
    }
}

/// One page of a list of leads.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// Which leads.
    pub filter: LeadFilter,
    /// Sorted by what.
    pub sort_by: SortBy,
    /// Sorted which way.
    pub sort_order: SortOrder,
    /// Which page.
    pub place: Place,
    /// The most leads on a page, 1 to [`ListQuery::MAX_LIMIT`].
    pub limit: u8,
}

impl ListQuery {
    /// The most leads that a page can have (Agent API 2.2.0, "List Leads").
    pub const MAX_LIMIT: u8 = 100;
    /// The leads on a page when nothing is said (Agent API 2.2.0, "List Leads").
    pub const DEFAULT_LIMIT: u8 = 50;

    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let standard = Self::default();
        let mut pairs: Vec<_> = self.filter.pairs().collect();
        pairs.push(("limit", self.limit.to_string()));
        match &self.place {
            Place::Page(1) => {}
            Place::Page(number) => pairs.push(("page", number.to_string())),
            Place::After(cursor) => pairs.push(("cursor", cursor.0.clone())),
        }
        if self.sort_by != standard.sort_by {
            pairs.push(("sortBy", self.sort_by.to_string()));
        }
        if self.sort_order != standard.sort_order {
            pairs.push(("sortOrder", self.sort_order.to_string()));
        }
        pairs
    }
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: LeadFilter::default(),
            sort_by: SortBy::default(),
            sort_order: SortOrder::default(),
            place: Place::default(),
            limit: Self::DEFAULT_LIMIT,
        }
    }
}

/// The time that a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// One that has a name.
    Frame(Timeframe),
    /// From an instant to another, either of them left open.
    Between {
        /// The first instant.
        from: Option<Timestamp>,
        /// The end.
        to: Option<Timestamp>,
    },
}

impl Default for Period {
    fn default() -> Self {
        Self::Frame(Timeframe::default())
    }
}

impl Period {
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Frame(frame) => vec![("timeframe", frame.to_string())],
            Self::Between { from, to } => {
                let ends = [("from", from), ("to", to)];
                ends.into_iter().filter_map(|(name, end)| Some((name, (*end)?.to_string()))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, String)]) -> String {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn everything_that_a_list_can_be_asked_for_is_asked_in_published_words() {
        let query = ListQuery {
            filter: LeadFilter {
                status: Some(Status::New),
                priority: Some(Priority::High),
                source: Some(LeadSource::Ads),
                ad_platform: Some(AdPlatform::Meta),
                assigned_to: Some("6f1c0b7e-0000-4000-8000-00000000000a".into()),
                created_from: Some("2026-01-01T00:00:00+07:00".parse().unwrap()),
                created_to: Some("2026-02-01T00:00:00Z".parse().unwrap()),
                search: Some("Siti & Co".into()),
            },
            sort_by: SortBy::UpdatedAt,
            sort_order: SortOrder::Asc,
            place: Place::Page(3),
            limit: 10,
        };
        assert_eq!(
            asked(&query.pairs()),
            "status=new&priority=high&source=ads&adPlatform=meta&assignedTo=6f1c0b7e-0000-4000-8000-00000000000a\
             &createdFrom=2025-12-31T17:00:00Z&createdTo=2026-02-01T00:00:00Z&search=Siti & Co&limit=10&page=3\
             &sortBy=updatedAt&sortOrder=asc"
        );
        let next = ListQuery { place: Place::After(Cursor("eyJ9".into())), ..ListQuery::default() };
        assert_eq!(asked(&next.pairs()), "limit=50&cursor=eyJ9");
        assert!(!format!("{query:?}").contains("Siti"), "what is searched for is nobody else's business");
    }

    #[test]
    fn a_period_is_a_name_or_two_ends() {
        assert_eq!(asked(&Period::default().pairs()), "timeframe=last_30_days");
        let open = Period::Between { from: Some("2026-01-01T00:00:00Z".parse().unwrap()), to: None };
        assert_eq!(asked(&open.pairs()), "from=2026-01-01T00:00:00Z");
    }
}
