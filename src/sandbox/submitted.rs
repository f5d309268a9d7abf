//! Leads that were submitted at a stand-in, for its list: `POST /sandbox/submitted` says which. A lead that is asked for by
//! its id need not be among them, for the stand-ins make up any.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The stand-in for the Graph API.
    Meta,
    /// The stand-in for Lead Sync.
    Linkedin,
}

/// Leads that people have submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// At which sender.
    pub sender: Sender,
    /// Their ids.
    pub ids: Vec<String>,
    /// With which form (Meta), or as leads of which type (LinkedIn); the sender's usual one where absent.
    #[serde(default)]
    pub form: Option<String>,
    /// When; now where absent.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lead {
    pub(super) id: String,
    pub(super) form: String,
    pub(super) at: Timestamp,
}

/// All of them, by sender.
#[derive(Debug, Default)]
pub(super) struct Book {
    meta: Vec<Lead>,
    linkedin: Vec<Lead>,
}

impl Book {
    /// Takes `submitted` in; what has no form has `usual`.
    pub(super) fn add(&mut self, submitted: Submitted, usual: &str, now: Timestamp) {
        let Submitted { sender, ids, form, at } = submitted;
        let (form, at) = (form.unwrap_or_else(|| usual.to_owned()), at.unwrap_or(now));
        let leads = match sender {
            Sender::Meta => &mut self.meta,
            Sender::Linkedin => &mut self.linkedin,
        };
        leads.extend(ids.into_iter().map(|id| Lead { id, form: form.clone(), at }));
        // The newest first, as both senders list them.
        leads.sort_by_key(|lead| std::cmp::Reverse(lead.at));
    }

    /// Those of a sender, the newest first.
    pub(super) fn of(&self, sender: Sender) -> &[Lead] {
        match sender {
            Sender::Meta => &self.meta,
            Sender::Linkedin => &self.linkedin,
        }
    }
}
