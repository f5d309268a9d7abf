//! Webhooks as their senders would make them.

/// Which webhook a [`Provider::sample`](super::Provider::sample) is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray, clap::ValueEnum,
)]
#[strum(serialize_all = "snake_case")]
pub enum SampleKind {
    /// One ordinary lead.
    Lead,
    /// A later word of the same lead (same seed): an update.
    Update,
    /// Several leads in one webhook, where the sender batches.
    Batch,
    /// What the sender's test button sends.
    Test,
    /// An ordinary lead whose body was changed after signing.
    Tampered,
    /// An ordinary lead signed long ago, where the sender signs the time.
    Stale,
}

/// A request to a hook, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// What follows `/hooks/{source}/` in the path, where the sender proves itself by it.
    pub path_token: Option<String>,
    /// Query string, without the question mark.
    pub query: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Sample {
    /// A request with these headers and this body.
    #[must_use]
    pub fn new(headers: impl IntoIterator<Item = (&'static str, String)>, body: Vec<u8>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { headers, body, ..Self::default() }
    }
}
