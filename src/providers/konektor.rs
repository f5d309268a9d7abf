//! Konektor's own webhooks: what it says of leads that are there, whoever wrote them.
//!
//! Nothing of it is ever forwarded: it would go back to where it came from, and each answer would be the next webhook. A
//! lead under a reference of ours teaches its lane which lead it is and where it stands; others are nobody's here. What
//! the bridge wrote itself comes back as well (`source` is `api` then, as it is for anybody else's program), and teaches
//! what is known already. Source: konektor.id/en/docs/api/webhooks; told at least once, not necessarily in order.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::charset;
use super::fictional::Person;
use super::json::Object;
use super::timed;
use super::{
    ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, Secrets, SettingsError,
    Unreadable, Verified, Webhook, settings,
};
use crate::domain::event::{Item, Lesson};
use crate::domain::external_ref::{ExternalRef, MAX_LEN};
use crate::domain::lead::LeadId;

/// What carries the proof.
const SIGNATURE: &str = "x-konektor-signature";

/// What says what happened.
const EVENT: &str = "x-konektor-event";

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What Konektor shows beside the webhook's URL; several while it is being replaced.
    secret: Option<Secrets>,
}

/// The dialect with its settings.
#[derive(Debug)]
struct Konektor {
    secrets: Secrets,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings { secret } = settings::read(table)?;
    match secret {
        Some(secrets) => {
            settings::long_enough("secret", &secrets)?;
            Ok(Arc::new(Konektor { secrets }))
        }
        None => Err(settings::incomplete(&[("secret", false)])),
    }
}

impl Provider for Konektor {
    fn handshake(&self, _webhook: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        timed::verify(webhook.header(SIGNATURE), &self.secrets, webhook.as_sent(), now)?;
        Ok(Verified::new(webhook, &[EVENT], webhook.body.clone()))
    }

    fn scheme(&self) -> Option<Scheme> {
        const TEXT: &str = "
            kind = 'hmac'
            algorithm = 'sha256'
            encoding = 'hex'
            base = '{timestamp}.{body}'
            signature = { header = 'X-Konektor-Signature', field = 'v1' }
            timestamp = { sig_field = 't', unit = 's' }
        ";
        Some(Scheme::known(TEXT, self.secrets.iter()))
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json("{}")
    }

    /// Never gives an item; only says whether there is a lead in it.
    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let event = Object::parse(charset::utf8(webhook.body())?)
            .ok_or_else(|| Unreadable("the webhook is no JSON object".into()))?;
        match event.get("lead") {
            Some(lead) if Object::parse(lead.get()).is_some() => Ok(Vec::new()),
            // What it may tell one day beside leads.
            _ if webhook.header(EVENT).is_some_and(|event| !event.starts_with("lead.")) => Ok(Vec::new()),
            _ => Err(Unreadable("the webhook has no object `lead`".into())),
        }
    }

    fn lessons(&self, webhook: &Verified) -> Vec<Lesson> {
        lesson(webhook).into_iter().collect()
    }

    fn read(&self, _item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        Err(Unreadable("what Konektor says is never forwarded".into()))
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        let signed = match kind {
            SampleKind::Stale => now - timed::TOLERANCE * 2,
            _ => now,
        };
        let body = sample(kind, seed, now).to_string();
        let mut sample = self.sign(body.clone().into_bytes(), signed);
        if kind == SampleKind::Tampered {
            sample.body = body.replace("\"lead_", "\"lead_x").into_bytes();
        }
        sample
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        let event = match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(event) if event.get("changes").is_some() => "lead.updated",
            _ => "lead.created",
        };
        let headers = [
            ("content-type", "application/json".to_owned()),
            (EVENT, event.to_owned()),
            (SIGNATURE, timed::sign(self.secrets.first(), &body, now)),
        ];
        Sample::new(headers, body)
    }
}

/// What the webhook teaches; nothing where the lead carries no reference, or no id.
fn lesson(webhook: &Verified) -> Option<Lesson> {
    let event = Object::parse(charset::utf8(webhook.body()).ok()?)?;
    let lead = event.object("lead");
    let lead_id = lead.text("id").or_else(|| event.text("leadId"))?;
    let external_ref = lead.text("externalRef").filter(|text| text.chars().count() <= MAX_LEN)?;
    let status = lead.text("status").or_else(|| event.text("newStatus")).and_then(|word| word.parse().ok());
    let said = lead.text("updatedAt").or_else(|| lead.text("createdAt")).and_then(|text| text.parse().ok());
    Some(Lesson::Lead {
        external_ref: ExternalRef::from_stored(external_ref),
        lead_id: LeadId(lead_id),
        status,
        at: said.unwrap_or(webhook.received()),
    })
}

/// A lead that somebody has entered in Konektor by hand; an update makes it `contacted`.
fn sample(kind: SampleKind, seed: u64, now: Timestamp) -> serde_json::Value {
    let person = Person::of(seed);
    let id = format!("lead_{seed:08}");
    let status = if kind == SampleKind::Update { "contacted" } else { "new" };
    let mut lead = json!({
        "id": id,
        "firstName": person.full_name(),
        "phone": person.phone,
        "status": status,
        "uniqueCode": format!("API_{seed:08X}"),
        "externalRef": format!("sample:{seed}"),
        "updatedAt": now.to_string(),
    });
    match kind {
        SampleKind::Update => json!({
            "lead": lead, "leadId": id, "previousStatus": "new", "newStatus": status, "changes": ["status"], "source": "dashboard",
        }),
        SampleKind::Test => {
            lead["externalRef"] = serde_json::Value::Null;
            json!({ "lead": lead, "source": "dashboard" })
        }
        SampleKind::Lead | SampleKind::Batch | SampleKind::Tampered | SampleKind::Stale => {
            json!({ "lead": lead, "source": "dashboard" })
        }
    }
}
