//! A lead as Konektor takes it, before it is cut into a create or an update.

use serde::{Deserialize, Serialize};

use super::external_ref::ExternalRef;
use super::notes::Notes;
use super::status::{AdPlatform, LeadSource, Priority, Status};

/// Konektor's id of a lead. Opaque: its shape is not promised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadId(pub String);

impl std::fmt::Display for LeadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fold of a lane's submissions.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Which lead.
    pub external_ref: ExternalRef,
    /// What the person, the sender or a rule stated; later statements win.
    pub stated: Fields,
    /// What is only a guess (a WhatsApp profile name): creates a lead, fills a blank, never overwrites.
    pub guessed: Fields,
    /// Everything that has no field of its own, and what people wrote.
    pub notes: Notes,
}

/// Konektor's fields without `externalRef` and `notes`; `None` is "nothing said".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    /// 1 to 100 characters.
    pub first_name: Option<String>,
    /// At most 100 characters; absent for one-word names.
    pub last_name: Option<String>,
    /// A valid address.
    pub email: Option<String>,
    /// E.164 with plus.
    pub phone: Option<String>,
    /// Only by rule.
    pub status: Option<Status>,
    /// Only by rule.
    pub priority: Option<Priority>,
    /// Channel of contact.
    pub source: Option<LeadSource>,
    /// Only with evidence.
    pub ad_platform: Option<AdPlatform>,
    /// Only a code that Konektor issued; at most 100 characters.
    pub unique_code: Option<String>,
    /// Only by rule, a UUID.
    pub assigned_to: Option<String>,
    /// In the workspace's currency.
    pub estimated_value: Option<f64>,
    /// In the workspace's currency.
    pub actual_value: Option<f64>,
}

impl Fields {
    /// Lets everything that `later` says win over what is here.
    pub fn absorb(&mut self, later: Self) {
        fn keep<T>(mine: &mut Option<T>, theirs: Option<T>) {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
        // A new first name without a last name is a one-word name, not the old family name under a new given one.
        if later.first_name.is_some() {
            self.last_name = None;
        }
        keep(&mut self.first_name, later.first_name);
        keep(&mut self.last_name, later.last_name);
        keep(&mut self.email, later.email);
        keep(&mut self.phone, later.phone);
        keep(&mut self.status, later.status);
        keep(&mut self.priority, later.priority);
        keep(&mut self.source, later.source);
        keep(&mut self.ad_platform, later.ad_platform);
        keep(&mut self.unique_code, later.unique_code);
        keep(&mut self.assigned_to, later.assigned_to);
        keep(&mut self.estimated_value, later.estimated_value);
        keep(&mut self.actual_value, later.actual_value);
    }
}

impl Lead {
    /// Takes in what came later for the same lead: its statements win field by field, its notes are added.
    pub fn absorb(&mut self, later: Self) {
        self.stated.absorb(later.stated);
        self.guessed.absorb(later.guessed);
        self.notes.absorb(later.notes);
    }
}
