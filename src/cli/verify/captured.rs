//! A request as somebody has captured it: whole, as it stood on the wire, or its body with the rest said beside it.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;

use crate::cli::explain::LARGEST;
use crate::domain::event::SourceName;
use crate::providers::{Coding, Method, Packed, Webhook};

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
        let behind = path.find(&hook).and_then(|at| path[at + hook.len()..].strip_prefix('/'));
        let token = behind.map(|token| token.trim_matches('/'));
        let token = token.filter(|token| !token.is_empty() && !token.contains('/'));
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
        if head.coding() != Coding::Gzip {
            return head;
        }
        let unpacked = unpacked(&head.body);
        let (packed, body) = Packed::of(head.body, unpacked);
        Webhook { packed: Some(packed), body, ..head }
    }
}

/// What is in a body that its headers call gzip, as a hook reads it; `None` where it is broken.
fn unpacked(sent: &Bytes) -> Option<Bytes> {
    if !sent.starts_with(&Packed::MAGIC) {
        return Some(sent.clone());
    }
    let mut body = Vec::new();
    MultiGzDecoder::new(&sent[..]).take(LARGEST).read_to_end(&mut body).ok()?;
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

/// Path and query of a URL. They may be all of it, with another URL among them.
fn target(url: &str) -> &str {
    let host = url.split_once("://").filter(|(scheme, _)| !scheme.contains(['/', '?']));
    host.map_or(url, |(_, rest)| rest.find(['/', '?']).map_or("/", |at| &rest[at..]))
}

fn whole(bytes: &[u8], verb: Verb, target: &str) -> Result<Captured, String> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let ends = ends.iter().filter_map(|end| Some((memchr::memmem::find(bytes, end)?, end.len())));
    // What a log says of a question may be its first line alone.
    let end = ends.min().or_else(|| (verb == Verb::Get).then_some((bytes.len(), 0)));
    let (length, gap) = end.ok_or("it begins like a request and has no empty line before its body")?;
    // A header that is not text is read as `receive` does.
    let head = String::from_utf8_lossy(&bytes[..length]);
    let mut headers = Vec::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':').ok_or("a line of its headers has no colon")?;
        // Other spaces than these belong to the value (RFC 9110, section 5.5).
        headers.push((name.trim().to_ascii_lowercase(), value.trim_matches([' ', '\t', '\r']).to_owned()));
    }
    let mut body = bytes[length + gap..].to_vec();
    // Editors put a line end behind the last line.
    let announced =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, length)| length.parse().ok());
    body.truncate(announced.unwrap_or(usize::MAX));
    Ok(Captured { verb, target: Some(target.to_owned()), headers, body })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

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

    fn webhook(captured: Captured) -> Webhook {
        captured.webhook(&SourceName::parse("x").unwrap(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_url_in_the_query_is_not_the_host_and_another_hook_has_no_token_of_ours() {
        for (url, path, query, token) in [
            ("/hooks/x/t?from=https://a.example/p?q", "/hooks/x/t", "from=https://a.example/p?q", Some("t")),
            ("https://a.example/hooks/x?u=http://b/c", "/hooks/x", "u=http://b/c", None),
            ("https://a.example?u=/b", "", "u=/b", None),
            ("/hooks/xyz/t", "/hooks/xyz/t", "", None),
            ("/hooks/xyz", "/hooks/xyz", "", None),
        ] {
            let webhook = webhook(Captured::read(b"{}".to_vec(), Vec::new(), None, Some(url)).unwrap());
            assert_eq!((webhook.path.as_str(), webhook.query.as_str()), (path, query), "{url}");
            assert_eq!(webhook.path_token.as_deref(), token, "{url}");
        }
    }

    #[test]
    fn a_header_that_is_not_text_is_read_as_a_hook_reads_it() {
        let bytes = b"POST /hooks/x HTTP/1.1\r\nX-Name: Ren\xe9e\r\n\r\n\xff".to_vec();
        let captured = Captured::read(bytes, Vec::new(), None, None).unwrap();
        assert_eq!(captured.headers, [("x-name".to_owned(), "Ren\u{fffd}e".to_owned())]);
        assert_eq!(captured.body, b"\xff");
    }

    /// A request, before somebody captured it.
    #[derive(Debug)]
    struct Sent {
        path: String,
        token: Option<String>,
        query: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        /// The body as it is on the wire, if it is packed there.
        packed: Option<Vec<u8>>,
    }

    impl Sent {
        fn target(&self) -> String {
            [self.path.as_str(), &self.query].join(if self.query.is_empty() { "" } else { "?" })
        }

        /// Its first line, to `host` or to none, and its headers.
        fn head(&self, verb: &str, host: &str, end: &str) -> String {
            let headers = self.headers.iter().map(|(name, value)| format!("{}:\t{value} {end}", name.to_uppercase()));
            let line = format!("{verb} {host}{} HTTP/1.1{end}", self.target());
            [line].into_iter().chain(headers).collect()
        }

        fn wire(&self) -> &[u8] {
            self.packed.as_ref().unwrap_or(&self.body)
        }

        /// Checks that a hook would see in `read` what was sent.
        fn is_seen(&self, read: Result<Captured, String>, more: &[(String, String)]) -> Result<(), TestCaseError> {
            let seen = webhook(read.map_err(TestCaseError::fail)?);
            prop_assert_eq!((seen.method, &seen.path, &seen.query), (Method::Post, &self.path, &self.query));
            prop_assert_eq!(&seen.path_token, &self.token);
            prop_assert_eq!(seen.headers.to_pairs(), [&self.headers[..], more].concat());
            let packed = seen.packed.as_ref().map(|packed| &packed.sent[..]);
            prop_assert_eq!((&seen.body[..], packed), (&self.body[..], self.packed.as_deref()));
            Ok(())
        }

        /// The same for a question, which has no body.
        fn is_asked(&self, read: Result<Captured, String>, with_headers: bool) -> Result<(), TestCaseError> {
            let seen = webhook(read.map_err(TestCaseError::fail)?);
            prop_assert_eq!((seen.method, &seen.path, &seen.query), (Method::Get, &self.path, &self.query));
            prop_assert_eq!((&seen.path_token, seen.body.len()), (&self.token, 0));
            prop_assert_eq!(seen.headers.to_pairs(), if with_headers { &self.headers[..] } else { &[] });
            Ok(())
        }
    }

    prop_compose! {
        fn requests()(
            before in select(&["", "/bridge", "/a/hooks"][..]),
            token in proptest::option::of("[A-Za-z0-9._~%-]{1,12}"),
            query in "([!-~]|://|\\?|/){0,12}",
            headers in vec(("x-[a-z0-9-]{0,8}", "([!-~é\u{a0}李]([ -~é李]{0,6}[!-~é\u{3000}李])?)?"), 0..4),
            body in vec(prop_oneof![any::<u8>(), select(&b"\r\n :"[..])], 0..80),
            is_packed: bool,
        ) -> Sent {
            let path = [&format!("{before}/hooks/x")[..], token.as_deref().unwrap_or_default()];
            let path = path.join(if token.is_some() { "/" } else { "" });
            let packed = is_packed.then(|| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body).unwrap();
                encoder.finish().unwrap()
            });
            let coding = packed.as_ref().map(|_| ("content-encoding".to_owned(), "gzip".to_owned()));
            Sent { path, token, query, headers: headers.into_iter().chain(coding).collect(), body, packed }
        }
    }

    const LINES: [&str; 5] = [
        "",
        "POST /hooks/x HTTP/1.1\n",
        "POST http://a/hooks/x/t/ HTTP/1.1\r\n",
        "GET /bridge/hooks/x//?a=b HTTP/1.0\r\n",
        "GET /hooks/x/t/u HTTP/",
    ];
    const HEADERS: [&str; 6] =
        ["Content-Length: 3\n", "content-length:-1\r\n", "Content-Encoding: gzip\r\n", "a: b\n", ":\n", "no colon\n"];
    const PIECES: [&str; 8] = ["/hooks/x", "://", " HTTP/1.1", "\r\n", "\n", "\n\n", ":", "é"];

    proptest! {
        #[test]
        fn a_request_is_the_same_in_whatever_form_it_was_captured(sent in requests()) {
            let alone = |bytes: Vec<u8>| Captured::read(bytes, Vec::new(), None, None);
            for (host, end) in [("", "\r\n"), ("", "\n"), ("https://a.example:8443", "\r\n"), ("http://a.example", "\n")] {
                let head = sent.head("POST", host, end);
                sent.is_seen(alone([head.as_bytes(), end.as_bytes(), sent.wire()].concat()), &[])?;
                let length = ("content-length".to_owned(), sent.wire().len().to_string());
                let head = format!("{head}Content-Length: {}{end}{end}", length.1);
                sent.is_seen(alone([head.as_bytes(), sent.wire(), end.as_bytes()].concat()), &[length])?;
                let url = format!("{host}{}", sent.target());
                sent.is_seen(Captured::read(sent.wire().to_vec(), sent.headers.clone(), None, Some(&url)), &[])?;
                let asked = sent.head("GET", host, end);
                sent.is_asked(alone(asked.lines().take(1).collect::<String>().into()), false)?;
                sent.is_asked(alone(asked.clone().into()), true)?;
                sent.is_asked(alone(format!("{asked}{end}").into()), true)?;
            }
        }

        #[test]
        fn whatever_a_file_holds_is_read_or_refused_and_nothing_is_made_up(
            line in select(&LINES[..]),
            headers in vec(select(&HEADERS[..]), 0..3),
            gap in select(&["", "\n", "\r\n"][..]),
            rest in vec(
                prop_oneof![
                    select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
                    vec(any::<u8>(), 0..4),
                ],
                0..8,
            ),
            url in proptest::option::of("(http|/|:|//|hooks|x|\\?|é| ){0,8}"),
        ) {
            let bytes = [line.as_bytes(), headers.concat().as_bytes(), gap.as_bytes(), &rest.concat()].concat();
            let Ok(captured) = Captured::read(bytes.clone(), Vec::new(), None, url.as_deref()) else { return Ok(()) };
            prop_assert!(memchr::memmem::find(&bytes, &captured.body).is_some());
            let seen = webhook(captured);
            prop_assert!(seen.path_token.is_none_or(|token| !token.is_empty() && !token.contains('/')));
        }
    }
}
