//! Questions to the senders' own APIs, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;

/// A GET to the sender's own API.
#[derive(Clone)]
pub struct Lookup {
    /// Where, without secrets.
    pub url: String,
    /// Query parameters; some are secret.
    pub query: Vec<(&'static str, String)>,
    /// The bearer token.
    pub bearer: Option<SecretString>,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// What it is about that has an access and a limit of its own, as `Page 77`; `None` where all of the source's questions
    /// share them.
    pub scope: Option<String>,
}

impl std::fmt::Debug for Lookup {
    /// Shows neither query nor token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lookup({})", self.url)
    }
}

/// A question about a form.
#[derive(Debug, Clone)]
pub struct FormLookup {
    /// The sender's own id of the form.
    pub form: String,
    /// What is asked.
    pub lookup: Lookup,
}

/// The answer to a [`Lookup`].
#[derive(Debug, Clone, Copy)]
pub struct LookupAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The body, capped.
    pub body: &'a [u8],
    /// How long its lead cannot be had already, for whatever reason; zero for the first answer. Not how often it was asked
    /// for: a network that was down for a minute has been tried often, and says nothing of the sender.
    pub failing_for: Duration,
}

/// What a [`LookupAnswer`] means.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// The lead's fields.
    Lead(Bytes),
    /// The lead's fields, from a sender that is nearly asked too much: nobody asks it for this time, so that it goes on
    /// answering.
    LeadThenRest(Bytes, Duration, String),
    /// Nothing of the lead can be had now; ask again after this time.
    RetryAfter(Duration, String),
    /// The sender was asked too much: nobody asks it for this time.
    Throttled(Duration, String),
    /// The sender will not answer for anyone until a person mends the access: wait, say so loudly, and let one lead at a
    /// time try it this often.
    Blocked(Duration, String),
    /// As `Throttled`, but only for questions of the same [`scope`](Lookup::scope).
    ScopeThrottled(Duration, String),
    /// As `Blocked`, but only for questions of the same [`scope`](Lookup::scope).
    ScopeBlocked(Duration, String),
    /// This question was too much; ask this one instead, now.
    AskInstead(Box<Lookup>),
    /// It will not get better by itself; the sentence says what to do.
    GiveUp(String),
}
