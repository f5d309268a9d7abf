//! A request as somebody has captured it: whole, as it stood on the wire, or its body with the rest said beside it.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use crate::cli::explain::LARGEST;
use crate::domain::event::SourceName;
use crate::providers::{Coding, Method, Webhook};

/// A method that a hook knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Verb {
    /// A webhook.
    Post,
    /// A challenge.
    Get,
}

/// A captured request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Captured {
    verb: Verb,
    /// `/hooks/…` with the query behind it; `None` when nothing says it.
    target: Option<String>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Captured {
    /// Reads `bytes`: a whole request when they begin with a request line, else a body. What is given beside them wins.
    ///
    /// # Errors
    /// It begins like a request and is none; the text says what is wrong.
    pub(super) fn read(
        bytes: Vec<u8>,
        headers: Vec<(String, String)>,
        verb: Option<Verb>,
        url: Option<&str>,
    ) -> Result<Self, String> {
        let mut captured = match request_line(&bytes) {
            Some((verb, target)) => whole(&bytes, verb, target)?,
            None => Self { verb: Verb::Post, target: None, headers: Vec::new(), body: bytes },
        };
        captured.headers.retain(|(known, _)| !headers.iter().any(|(name, _)| name == known));
        captured.headers.extend(headers);
        captured.verb = verb.unwrap_or(captured.verb);
        captured.target = url.map(|url| target(url).to_owned()).or(captured.target);
        Ok(captured)
    }

    /// True when it is a webhook without a body, which no sender sends.
    pub(super) fn lacks_body(&self) -> bool {
        self.verb == Verb::Post && self.body.is_empty()
    }

    /// The request as the bridge would see it, come in at `now`.
    pub(super) fn webhook(self, source: &SourceName, now: Timestamp) -> Webhook {
        let hook = format!("/hooks/{source}");
        let target = self.target.unwrap_or_else(|| hook.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        // A proxy may have stood between, so what comes before does not matter.
        let behind = path.find(&hook).map(|at| path[at + hook.len()..].trim_matches('/'));
        let token = behind.filter(|token| !token.is_empty() && !token.contains('/'));
        let head = Webhook {
            source: source.clone(),
            received: now,
            request_id: "verified".to_owned(),
            method: match self.verb {
                Verb::Post => Method::Post,
                Verb::Get => Method::Get,
            },
            path: path.to_owned(),
            path_token: token.map(str::to_owned),
            query: query.to_owned(),
            headers: self.headers.into_iter().collect(),
            body: self.body.into(),
            packed: None,
        };
        match unpacked(&head) {
            Some(body) => Webhook { packed: Some(head.body.clone()), body, ..head },
            None => head,
        }
    }
}

/// What is in a body that its headers call gzip; `None` where they do not, or it is none.
fn unpacked(head: &Webhook) -> Option<Bytes> {
    let mut body = Vec::new();
    let mut decoder = (head.coding() == Coding::Gzip).then(|| MultiGzDecoder::new(&head.body[..]).take(LARGEST))?;
    decoder.read_to_end(&mut body).ok()?;
    Some(body.into())
}

/// The method and the target of a request line, if that is what `bytes` begin with.
fn request_line(bytes: &[u8]) -> Option<(Verb, &str)> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.trim_end().split(' ');
    let (verb, target, version) = (words.next()?, words.next()?, words.next()?);
    let verb = match verb {
        "POST" => Verb::Post,
        "GET" => Verb::Get,
        _ => return None,
    };
    (version.starts_with("HTTP/") && words.next().is_none()).then(|| (verb, self::target(target)))
}

/// Path and query of a URL.
fn target(url: &str) -> &str {
    let behind = url.split_once("://").map(|(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    behind.unwrap_or(url)
}

fn whole(bytes: &[u8], verb: Verb, target: &str) -> Result<Captured, String> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let ends = ends.iter().filter_map(|end| Some((memchr::memmem::find(bytes, end)?, end.len())));
    // What a log says of a question may be its first line alone.
    let end = ends.min().or_else(|| (verb == Verb::Get).then_some((bytes.len(), 0)));
    let (head, gap) = end.ok_or("it begins like a request and has no empty line before its body")?;
    let head = std::str::from_utf8(&bytes[..head]).map_err(|_| "its headers are not text")?;
    let mut headers = Vec::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':').ok_or("a line of its headers has no colon")?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = bytes[head.len() + gap..].to_vec();
    // Editors put a line end behind the last line.
    let announced =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, length)| length.parse().ok());
    body.truncate(announced.unwrap_or(usize::MAX));
    Ok(Captured { verb, target: Some(target.to_owned()), headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Captured {
        Captured::read(text.into(), Vec::new(), None, None).unwrap()
    }

    #[test]
    fn a_whole_request_is_taken_apart_with_either_line_end() {
        for end in ["\r\n", "\n"] {
            let head = [
                "POST /hooks/x/tok?a=b HTTP/1.1",
                "Host: a.example",
                "X-Sig:  v ",
                "Content-Length: 5",
                "",
                "1\r\n34\n",
            ];
            let captured = read(&head.join(end));
            assert_eq!(captured.headers[1], ("x-sig".to_owned(), "v".to_owned()));
            let webhook = captured.webhook(&SourceName::parse("x").unwrap(), Timestamp::UNIX_EPOCH);
            assert_eq!((webhook.path.as_str(), webhook.query.as_str()), ("/hooks/x/tok", "a=b"));
            assert_eq!(webhook.path_token.as_deref(), Some("tok"));
            assert_eq!(webhook.body, "1\r\n34");
        }
    }

    #[test]
    fn what_is_no_request_is_a_body_and_what_is_said_beside_it_wins() {
        assert_eq!(read("{\"POST\":1}\n\n").body, b"{\"POST\":1}\n\n");
        let headers = vec![("x-sig".to_owned(), "mine".to_owned())];
        let text = "POST https://a.example HTTP/1.1\nX-Sig: theirs\n\n";
        let captured =
            Captured::read(text.into(), headers.clone(), Some(Verb::Get), Some("https://b.example/y?z")).unwrap();
        assert_eq!(captured, Captured { verb: Verb::Get, target: Some("/y?z".into()), headers, body: Vec::new() });
    }

    #[test]
    fn half_a_request_says_what_it_lacks() {
        let error = Captured::read(b"POST /x HTTP/1.1\nA: b\n".to_vec(), Vec::new(), None, None).unwrap_err();
        assert!(error.contains("no empty line"), "{error}");
        let asked = read("GET /hooks/x?hub.mode=subscribe HTTP/1.1");
        let webhook = asked.webhook(&SourceName::parse("x").unwrap(), Timestamp::UNIX_EPOCH);
        assert_eq!((webhook.method, webhook.query.as_str()), (Method::Get, "hub.mode=subscribe"));
    }
}
