//! The vectors of `../shared/providers`, where that folder is there: every row of a sender whose dialect exists must come
//! out as it is marked.
//!
//! They are read beside the checkout (or two levels up, where the checkout is a worktree). Without them the fixtures of
//! this repository, which are shaped like them, are what is tested.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::config::{PRESET_DIALECT, PRESETS};
use konektor_bridge::domain::event::{Hold, Item, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::providers::{DIALECTS, ItemBody, Method, Place, Provider, SettingsError, Webhook};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::beside::beside;
use crate::fixtures::{build, words};

/// What `requires` may name and we have: such a row must come out as it is marked, any other one must be refused.
const OPTIONS: [&str; 3] = ["escape_fallback", "pad_secret", "tolerate_header_prefix"];

/// Rows about something that we do not do, each with the reason.
const NOT_OURS: [(&str, &str); 2] = [
    ("meta-31-appsecret-proof-timed", "the plain proof is sent, which never runs out while a call waits"),
    ("linkedin-22-challenge-official-output-unknown-secret", "LinkedIn does not publish the secret of its example"),
];

/// A row of either file, in one shape.
struct Row {
    name: String,
    method: Method,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    now: Timestamp,
    valid: bool,
    settings: toml::Table,
    dialect: &'static str,
    /// The row as it is written, for what it expects.
    raw: Value,
}

fn source() -> SourceName {
    SourceName::parse("vectors").unwrap()
}

fn rows_of(folder: &Path, file: &str) -> Vec<Value> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The dialect of a row, and how its secret stands in the settings; `None` for senders of other dialects.
fn dialect(row: &Value) -> Option<(&'static str, toml::Table)> {
    let secret =
        |name: &str| toml::Table::from_iter([(name.to_owned(), toml::Value::try_from(&row["secret"]).unwrap())]);
    let meta = || {
        let text = |key: &str| row[key].as_str().unwrap_or("a-secret-of-nobody").to_owned();
        toml::Table::from_iter([
            ("app_secret".to_owned(), text("secret").into()),
            (
                "verify_token".to_owned(),
                row["verify_token"].as_str().map_or_else(|| text("secret"), str::to_owned).into(),
            ),
        ])
    };
    Some(match row["provider"].as_str().unwrap() {
        "meta" => {
            let mut settings = meta();
            settings.insert("access_token".into(), row["access_token"].as_str().unwrap_or("a-token").into());
            ("meta_leads", settings)
        }
        "meta_whatsapp" => ("whatsapp", meta()),
        "google" => ("google_leads", secret("key")),
        "standard-webhooks" | "standard_webhooks" => ("standard_webhooks", secret("secret")),
        "tiktok" => ("tiktok", secret("app_secret")),
        // Another product of TikTok's, whose webhooks are no leads: its scheme can be said as data all the same.
        "tiktok-accounts" => {
            let mut settings: toml::Table = "
                external_ref.prefix = 'tiktok-accounts:'
                [verify]
                kind = 'hmac'
                algorithm = 'sha256'
                encoding = 'hex'
                base = '{timestamp}.{body}'
                signature = { header = 'TikTok-Signature', field = 's' }
                timestamp = { sig_field = 't', unit = 's', tolerance_s = 300 }
            "
            .parse()
            .unwrap();
            settings.extend(secret("secret"));
            (PRESET_DIALECT, settings)
        }
        "linkedin" => {
            let secret = row["secret"].as_str().unwrap_or("a-secret-of-nobody");
            let pairs = [("client_secret", secret), ("access_token", "a-token")];
            ("linkedin", pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
        }
        "posthog" if row["scheme"] == "static_header" => ("posthog", secret("token")),
        preset @ ("posthog" | "snapchat") => {
            (PRESETS.iter().map(|(name, _)| *name).find(|name| *name == preset)?, secret("secret"))
        }
        "generic" => ("generic", secret("token")),
        "google_forms" if row["scheme"] == "konektor" => ("form", secret("secret")),
        preset @ ("typeform" | "tally" | "webflow" | "calcom") => {
            (PRESETS.iter().map(|(name, _)| *name).find(|name| *name == preset)?, secret("secret"))
        }
        _ => return None,
    })
}

fn row(raw: &Value) -> Option<Row> {
    let (dialect, settings) = dialect(raw).filter(|(dialect, _)| words().contains(dialect))?;
    let url_query = || raw["url"].as_str().and_then(|url| url.split_once('?')).map(|(_, query)| query);
    let headers = raw["headers"].as_object().unwrap().iter();
    let name = |name: &str| match name.to_ascii_lowercase() {
        // The name that the specification gave our own scheme before it had ours.
        own if own == "x-konektor-signature" => "x-bridge-signature".to_owned(),
        own if own == "x-konektor-token" => "x-bridge-token".to_owned(),
        other => other,
    };
    Some(Row {
        name: raw["id"].as_str().or_else(|| raw["name"].as_str()).unwrap().to_owned(),
        method: if raw["method"] == "GET" { Method::Get } else { Method::Post },
        query: raw["query"].as_str().or_else(url_query).unwrap_or_default().to_owned(),
        headers: headers.map(|(key, value)| (name(key), value.as_str().unwrap().to_owned())).collect(),
        body: raw["body"].as_str().unwrap().to_owned(),
        now: Timestamp::from_second(raw["now"].as_i64().unwrap_or(1_795_450_000)).unwrap(),
        valid: raw["valid"].as_bool().unwrap() && raw["requires"].as_str().is_none_or(|name| OPTIONS.contains(&name)),
        settings,
        dialect,
        raw: raw.clone(),
    })
}

impl Row {
    fn webhook(&self) -> Webhook {
        Webhook {
            source: source(),
            received: self.now,
            request_id: "req-vector".into(),
            method: self.method,
            path: String::new(),
            path_token: None,
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: Bytes::from(self.body.clone()),
        }
    }

    fn check(&self) {
        if let Some(sum) = self.raw["body_sha256"].as_str() {
            assert_eq!(hex::encode(Sha256::digest(&self.body)), sum, "somebody edited the body");
        }
        let provider = match build(self.dialect, self.settings.clone(), &Place::new(source(), None)) {
            Ok(provider) => provider,
            Err(SettingsError::Invalid(_) | SettingsError::Incomplete(_)) => {
                return assert!(!self.valid, "its settings make no source");
            }
        };
        if self.raw["method"] == "GRAPH" {
            return self.check_question(provider.as_ref());
        }
        let webhook = self.webhook();
        match provider.handshake(&webhook) {
            Some(reply) => {
                let status = self.raw["expect_status"].as_u64().unwrap_or(if self.valid { 200 } else { 403 });
                assert_eq!(u64::from(reply.status), status, "the status");
                if let Some(expected) = self.raw.get("expect_json").filter(|_| self.valid) {
                    return assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap(), *expected, "the body");
                }
                let expected = self.raw["expect_body"].as_str().or(self.raw["expect"].as_str());
                assert_eq!(reply.body, if self.valid { expected.unwrap() } else { "" }, "the body");
            }
            None => match provider.verify(&webhook, self.now) {
                Ok(verified) => {
                    assert!(self.valid, "it was let in");
                    self.check_items(&provider.split(&verified).unwrap());
                }
                Err(refusal) => assert!(!self.valid, "it was refused: {refusal}"),
            },
        }
    }

    fn check_items(&self, items: &[Item]) {
        let refs: Vec<_> = items.iter().map(|item| item.external_ref.as_str().to_owned()).collect();
        if let Some(ids) = self.raw["expect_ids"].as_array() {
            let prefix = if self.dialect == "tiktok" { "tiktok:lead:" } else { "meta:leadgen:" };
            let expected: Vec<_> = ids.iter().map(|id| format!("{prefix}{}", id.as_str().unwrap())).collect();
            assert_eq!(refs, expected);
        }
        if let Some(expected) = self.raw["expect_external_ref"].as_str() {
            assert_eq!(refs, [expected]);
        }
        match self.raw["expect_action"].as_str() {
            None => {}
            Some("ack_and_ignore" | "ack_test") => {
                assert!(items.iter().all(|item| item.hold == Hold::TestLead), "a test is withheld");
            }
            Some("erase_or_flag") => {
                assert!(items.len() == 1 && items[0].hold == Hold::DeletedAtSender, "an erasure is for a person");
            }
            Some("hold") => assert!(items.iter().all(|item| item.hold != Hold::No), "nothing is forwarded"),
            Some(other) => panic!("no check is written for the action `{other}`"),
        }
        match self.raw["expect"].as_str() {
            None => {}
            Some("0 leads") => assert!(refs.is_empty(), "{refs:?}"),
            Some(other) => panic!("no check is written for `{other}`"),
        }
    }

    /// A row about what we ask: the proof that goes with the token.
    fn check_question(&self, provider: &dyn Provider) {
        let source = source();
        let lookup = provider.lookup(&ItemBody {
            source: &source,
            external_ref: &ExternalRef::new("meta:leadgen:", "1"),
            received: self.now,
            body: br#"{"field":"leadgen","value":{"leadgen_id":"1"}}"#,
            fetched: None,
        });
        let query = lookup.unwrap().query;
        let proof = query.iter().find(|(name, _)| *name == "appsecret_proof").map(|(_, proof)| proof.as_str());
        assert_eq!(proof, self.raw["expect_appsecret_proof"].as_str());
    }
}

#[test]
#[ignore = "compares with ../shared"]
fn every_shared_vector_of_our_dialects_comes_out_as_marked() {
    let folder = beside("providers");
    let mut files = rows_of(&folder, "vectors-ads.json");
    files.extend(rows_of(&folder, "vectors-forms-whatsapp.json"));
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<_, (usize, usize)>::new());
    for row in files.iter().filter_map(row).filter(|row| !NOT_OURS.iter().any(|(name, _)| *name == row.name)) {
        let count = counts.entry(row.dialect).or_default();
        *(if row.valid { &mut count.0 } else { &mut count.1 }) += 1;
        if std::panic::catch_unwind(|| row.check()).is_err() {
            wrong.push(format!("{}: {}: {}", row.dialect, row.name, row.raw["why"]));
        }
    }
    println!("valid and invalid rows by dialect: {counts:?}");
    assert!(wrong.is_empty(), "{} rows are wrong (the reasons stand above):\n{}", wrong.len(), wrong.join("\n"));
    // Konektor's own webhooks are proved as our forms are: `providers::timed`.
    // What `mapped` speaks is in its settings; those of its presets have rows.
    for (dialect, _) in DIALECTS.iter().filter(|(dialect, _)| *dialect != PRESET_DIALECT && *dialect != "konektor") {
        let (valid, invalid) = counts.get(dialect).copied().unwrap_or_default();
        assert!(valid > 0 && invalid > 0, "no rows ran for {dialect}: {counts:?}");
    }
}
