//! What a sample of `send` shows, and what it cannot: not every sender has updates, batches, or a time that it signs.

use jiff::Timestamp;

use crate::domain::event::Item;
use crate::providers::{Method, Refusal, Sample, SampleKind, Source, Verified, Webhook};

/// Why a good sample is refused where this machine cannot make one.
pub(super) const ONLY_THE_SENDER: &str =
    "only the sender can sign so: here is its public key alone. Use the test button of its dashboard";

/// Why a batch is one lead.
const ONE_EACH: &str = "this sender sends each lead in a webhook of its own, so this is the same as `--kind lead`; several follow with --count";

/// What is to be known of the sample `kind` with this seed; `None` where it is what it is called.
pub(super) fn of(source: &Source, kind: SampleKind, seed: u64, now: Timestamp) -> Option<String> {
    let sample = |kind| source.provider.sample(kind, seed, now);
    let verified = |kind| verified(source, sample(kind), now).ok();
    let items = |kind| verified(kind).map(|verified| source.provider.split(&verified).unwrap_or_default());
    let names = |items: &[Item]| items.iter().map(|item| item.external_ref.clone()).collect::<Vec<_>>();
    match kind {
        SampleKind::Lead | SampleKind::Test => None,
        SampleKind::Update => {
            let (before, after) = (items(SampleKind::Lead)?, items(SampleKind::Update)?);
            if before.is_empty() {
                return None;
            }
            let same = before.iter().zip(&after).all(|(before, after)| before.id == after.id);
            let other = names(&before) != names(&after);
            match (same, other) {
                (true, _) => Some("this sender has no updates: this is the same webhook as `--kind lead`".to_owned()),
                (false, true) => Some("this sender has no updates: this is another lead".to_owned()),
                (false, false) => None,
            }
        }
        SampleKind::Batch => (items(SampleKind::Batch)?.len() == 1).then(|| ONE_EACH.to_owned()),
        SampleKind::Stale => {
            verified(SampleKind::Stale)?;
            Some(
                "this sender's webhooks have no age limit here: an old one is as good as a new one, and is told by its event id"
                    .to_owned(),
            )
        }
        SampleKind::Tampered => {
            let changed = changed(&sample(SampleKind::Lead), &sample(SampleKind::Tampered));
            Some(format!("changed: {}", changed.join(", ")))
        }
    }
}

/// Whether the sample `kind` is proved at all; one that is forged or old on purpose counts as the lead that it was.
pub(super) fn is_proved(source: &Source, kind: SampleKind, seed: u64, now: Timestamp) -> bool {
    let kind = match kind {
        SampleKind::Tampered | SampleKind::Stale => SampleKind::Lead,
        SampleKind::Lead | SampleKind::Update | SampleKind::Batch | SampleKind::Test => kind,
    };
    verified(source, source.provider.sample(kind, seed, now), now).is_ok()
}

/// Whether events come of the sample `kind`: what Konektor itself tells is learned from, and never sent on.
pub(super) fn brings_leads(source: &Source, kind: SampleKind, seed: u64, now: Timestamp) -> bool {
    let verified = verified(source, source.provider.sample(kind, seed, now), now);
    // One that is refused here has not been looked into.
    verified.map_or(true, |verified| source.provider.split(&verified).map_or(true, |items| !items.is_empty()))
}

fn verified(source: &Source, sample: Sample, now: Timestamp) -> Result<Verified, Refusal> {
    let Sample { path_token, query, headers, body } = sample;
    let token = path_token.as_deref().map(|token| format!("/{token}")).unwrap_or_default();
    let webhook = Webhook {
        source: source.name.clone(),
        received: now,
        request_id: "sent".to_owned(),
        method: Method::Post,
        path: format!("/hooks/{}{token}", source.name),
        path_token,
        query,
        headers: headers.into_iter().collect(),
        body: body.into(),
        packed: None,
    };
    source.provider.verify(&webhook, now)
}

/// Which parts of two samples of one lead differ.
fn changed(good: &Sample, bad: &Sample) -> Vec<String> {
    let mut parts = Vec::new();
    if good.body != bad.body {
        parts.push("the body".to_owned());
    }
    if good.path_token != bad.path_token {
        parts.push("the token in the URL".to_owned());
    }
    if good.query != bad.query {
        parts.push("the query of the URL".to_owned());
    }
    let headers = bad.headers.iter().filter(|header| !good.headers.contains(header));
    parts.extend(headers.map(|(name, _)| format!("the header {name}")));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::SourceName;
    use crate::domain::rules::Rules;
    use crate::providers::{self, Place};

    fn source(secret: &str) -> Source {
        let name = SourceName::parse("standard").unwrap();
        let settings = toml::Table::from_iter([("secret".to_owned(), secret.into())]);
        let provider = providers::build("standard_webhooks", settings, &Place::new(name.clone(), None)).unwrap();
        Source { name, provider, rules: Rules::default() }
    }

    #[test]
    fn what_konektor_tells_brings_no_leads() {
        let now = "2026-11-23T16:06:45Z".parse().unwrap();
        let name = SourceName::parse("konektor").unwrap();
        let settings = toml::Table::from_iter([("secret".to_owned(), "konektor-secret-TEST".into())]);
        let provider = providers::build("konektor", settings, &Place::new(name.clone(), None)).unwrap();
        let konektor = Source { name, provider, rules: Rules::default() };
        assert!(is_proved(&konektor, SampleKind::Update, 1, now));
        assert!(!brings_leads(&konektor, SampleKind::Update, 1, now));
        assert!(brings_leads(&source("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), SampleKind::Lead, 1, now));
    }

    #[test]
    fn where_only_the_sender_can_sign_no_sample_is_proved() {
        let now = "2026-11-23T16:06:45Z".parse().unwrap();
        let [ours, theirs] =
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="].map(source);
        for kind in [SampleKind::Lead, SampleKind::Tampered, SampleKind::Stale, SampleKind::Batch] {
            assert!(is_proved(&ours, kind, 1, now) && !is_proved(&theirs, kind, 1, now), "{kind}");
        }
        assert_eq!(of(&ours, SampleKind::Stale, 1, now), None, "it signs the time, and an old one is refused");
        assert_eq!(of(&ours, SampleKind::Tampered, 1, now).as_deref(), Some("changed: the body"));
    }
}
