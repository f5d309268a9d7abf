//! Webhooks as the sender of a preset would send them: its body as a template, filled with people who do not exist.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::domain::event::SourceName;
use crate::providers::fictional::Person;
use crate::providers::{Method, Sample, SampleKind, Scheme, Webhook};

/// The sample material of a preset. Tokens in it, such as `{{name}}`, are filled in, written as the body's type needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Samples {
    /// The content type, with a boundary where it has one; guessed from the body where empty.
    content_type: String,
    /// Other headers.
    headers: BTreeMap<String, String>,
    /// Those that differ when the lead changes.
    update_headers: BTreeMap<String, String>,
    /// The body. `{{items}}` in it stands for the leads, where one webhook may hold several.
    body: String,
    /// What holds several leads, at its `{{items}}`; the same as `body` where empty.
    batch: String,
    /// One lead of several.
    item: String,
    /// What comes when the lead changes; the same as `body` where empty.
    update: String,
    /// What the sender's test button sends; an ordinary lead where empty.
    test: String,
}

/// How a token is written in a body.
#[derive(Clone, Copy)]
enum Style {
    Json,
    Form,
    Plain,
}

impl Samples {
    /// The sample `kind`, proved by `scheme`.
    pub(super) fn sample(&self, scheme: &Scheme, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        let at = if kind == SampleKind::Stale { now - SignedDuration::from_hours(2) } else { now };
        let body = self.body(kind, seed, at);
        let mut sample = self.signed(scheme, body.into_bytes(), Some((kind, seed)), &[], at);
        if kind == SampleKind::Tampered {
            tamper(scheme, &mut sample, now);
        }
        sample
    }

    /// True when the sender's tests are known, so that one can be played.
    pub(super) fn has_test(&self) -> bool {
        !self.test.is_empty()
    }

    /// `body` as the sender would send it.
    pub(super) fn signed(
        &self,
        scheme: &Scheme,
        body: Vec<u8>,
        of: Option<(SampleKind, u64)>,
        given: &[(String, String)],
        now: Timestamp,
    ) -> Sample {
        let mut headers = vec![("content-type".to_owned(), self.content_type(&body))];
        // Without a sample there are no ids: the scheme makes those that it needs from the body.
        let (kind, seed) = of.unwrap_or((SampleKind::Lead, 0));
        for (name, value) in
            self.headers_of(kind).into_iter().filter(|(_, value)| of.is_some() || !value.contains("{{"))
        {
            headers.push((name.to_ascii_lowercase(), filled(value, kind, seed, now, Style::Plain)));
        }
        headers.retain(|(name, _)| !given.iter().any(|(known, _)| known == name));
        headers.extend_from_slice(given);
        scheme.sign(body, headers, now)
    }

    fn headers_of(&self, kind: SampleKind) -> BTreeMap<&String, &String> {
        let updated = (kind == SampleKind::Update).then_some(&self.update_headers);
        self.headers.iter().chain(updated.into_iter().flatten()).collect()
    }

    fn body(&self, kind: SampleKind, seed: u64, now: Timestamp) -> String {
        let template = match kind {
            SampleKind::Update if !self.update.is_empty() => &self.update,
            SampleKind::Test if !self.test.is_empty() => &self.test,
            SampleKind::Batch if !self.batch.is_empty() => &self.batch,
            _ => &self.body,
        };
        let style = self.style(template);
        let leads = if kind == SampleKind::Batch { 3 } else { 1 };
        // Far apart, so that the next seed is not one of these.
        let one = |lead: u64| filled(&self.item, kind, seed.wrapping_add(lead << 32), now, style);
        let items = (0..leads).map(one).collect::<Vec<_>>().join(",");
        filled(template, kind, seed, now, style).replace("{{items}}", &items)
    }

    fn style(&self, template: &str) -> Style {
        match self.content_type(template.as_bytes()).as_str() {
            "application/x-www-form-urlencoded" => Style::Form,
            kind if kind.starts_with("multipart/") => Style::Plain,
            _ => Style::Json,
        }
    }

    /// The content type that a body which begins like this has, unless the preset names one that fits it.
    fn content_type(&self, body: &[u8]) -> String {
        let guessed = crate::providers::form::sample::content_type(body);
        let is_json = guessed == "application/json";
        let fits = !self.content_type.is_empty() && is_json == (self.style_of_type() == "json");
        if fits && !guessed.starts_with("multipart/") { self.content_type.clone() } else { guessed }
    }

    fn style_of_type(&self) -> &'static str {
        if self.content_type.contains("form") { "form" } else { "json" }
    }
}

/// Changes what was signed, so that the body is still one of this sender's; where nothing signs it, the proof, and as little of
/// it as makes it none.
fn tamper(scheme: &Scheme, sample: &mut Sample, now: Timestamp) {
    let content_type = sample.headers.first().map(|(_, value)| value.as_str()).unwrap_or_default();
    let more: &[u8] = match content_type {
        "application/x-www-form-urlencoded" => b"&pesan=diganti",
        kind if kind.starts_with("multipart/") => b"\r\n",
        // One space more is another body: what a proxy does that parses JSON and writes it again.
        _ => b" ",
    };
    let mut longer = sample.clone();
    longer.body.extend_from_slice(more);
    let spoilt = std::iter::once(longer).chain(spoilt(scheme, sample)).find(|spoilt| !holds(scheme, spoilt, now));
    *sample = spoilt.unwrap_or_else(|| sample.clone());
}

/// `sample` with one of the places where a proof may stand spoilt, each in its turn.
fn spoilt<'s>(scheme: &'s Scheme, sample: &'s Sample) -> impl Iterator<Item = Sample> + 's {
    let with = |change: &dyn Fn(&mut Sample)| {
        let mut spoilt = sample.clone();
        change(&mut spoilt);
        spoilt
    };
    let token = with(&|spoilt| spoilt.path_token.iter_mut().for_each(|token| token.push('x')));
    let query = with(&|spoilt| spoilt.query.push('x'));
    let headers = (0..sample.headers.len()).map(move |at| with(&|spoilt| spoilt.headers[at].1.push('x')));
    let mut redacted = sample.clone();
    redacted.body = scheme.redacted(&sample.body.clone().into()).to_vec();
    [token, query].into_iter().chain(headers).chain([redacted])
}

fn holds(scheme: &Scheme, sample: &Sample, now: Timestamp) -> bool {
    let webhook = Webhook {
        source: SourceName::parse("sample").expect("it is a name"),
        received: now,
        request_id: String::new(),
        method: Method::Post,
        path: String::new(),
        path_token: sample.path_token.clone(),
        query: sample.query.clone(),
        headers: sample.headers.iter().map(|(name, value)| (name, value)).collect(),
        body: sample.body.clone().into(),
        packed: None,
    };
    scheme.verify(&webhook, now).is_ok()
}

/// `template` with every token filled in.
fn filled(template: &str, kind: SampleKind, seed: u64, now: Timestamp, style: Style) -> String {
    let person = Person::of(seed);
    let number = format!("62{}", person.phone.replace('-', "").trim_start_matches('0'));
    let updated = kind == SampleKind::Update;
    let tokens = [
        ("seed", seed.to_string()),
        ("id", format!("{seed:016x}")),
        ("number", format!("{}", 1_000_000_000_u64 + seed % 1_000_000_000)),
        ("event", format!("{seed:016x}{}", if updated { "-2" } else { "" })),
        ("first", person.first.to_owned()),
        ("last", person.last.to_owned()),
        ("name", person.full_name()),
        ("email", person.email.clone()),
        ("phone", person.phone.clone()),
        ("e164", format!("+{number}")),
        ("digits", number),
        ("city", person.city.to_owned()),
        ("interest", person.interest.to_owned()),
        ("message", if updated { "Kapan bisa survei lokasi? 🙏".to_owned() } else { person.message() }),
        ("budget", if updated { "750 juta" } else { "500 juta" }.to_owned()),
        ("time", now.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()),
        ("seconds", now.as_second().to_string()),
        ("milliseconds", now.as_millisecond().to_string()),
    ];
    tokens.into_iter().fold(template.to_owned(), |text, (name, value)| {
        let token = format!("{{{{{name}}}}}");
        if text.contains(&token) { text.replace(&token, &written(&value, style)) } else { text }
    })
}

fn written(value: &str, style: Style) -> String {
    match style {
        Style::Plain => value.to_owned(),
        Style::Form => utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        Style::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_leads_is_json_like_one_lead() {
        for (body, kind) in [("[{{items}}]", "application/json"), ("a={{id}}", "application/x-www-form-urlencoded")] {
            let samples = Samples { body: body.to_owned(), ..Samples::default() };
            assert_eq!(samples.content_type(body.as_bytes()), kind, "{body}");
        }
    }

    #[test]
    fn tokens_are_written_as_the_body_needs_them() {
        let now = Timestamp::from_second(1_793_000_000).unwrap();
        let fill = |template, style| filled(template, SampleKind::Lead, 7, now, style);
        let person = Person::of(7);
        assert_eq!(fill("{{email}}&{{unknown}}", Style::Plain), format!("{}&{{{{unknown}}}}", person.email));
        assert_eq!(fill("{{seconds}}", Style::Json), "1793000000");
        assert!(fill("e={{email}}", Style::Form).starts_with("e=") && !fill("{{email}}", Style::Form).contains('@'));
        assert_eq!(written("a\"b\\", Style::Json), r#"a\"b\\"#);
    }
}
