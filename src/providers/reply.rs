//! What a sender is answered.

/// An answer to a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers; `content-type` is among them when there is a body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// Why it refuses, for `verify`, which explains it. Never sent.
    pub why: Option<&'static str>,
}

impl Reply {
    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::empty(200) }.header("content-type", "application/json")
    }

    /// 200 with plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::empty(200) }.header("content-type", "text/plain; charset=utf-8")
    }

    /// A status without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), why: None }
    }

    /// The same reply, which refuses for this reason.
    #[must_use]
    pub fn because(mut self, why: &'static str) -> Self {
        self.why = Some(why);
        self
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
