//! The vectors of `../shared/providers`, where that folder is there: every row of a sender whose dialect exists must come
//! out as it is marked.
//!
//! They are read beside the checkout (or two levels up, where the checkout is a worktree). Without them the fixtures of
//! this repository, which are shaped like them, are what is tested.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use konektor_bridge::config::{PRESET_DIALECT, PRESETS, with_preset};
use konektor_bridge::domain::event::{Hold, Item, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::providers::{
    DIALECTS, Header, ItemBody, Method, Place, Provider, Refusal, Reply, SettingsError, Verified, Webhook,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::beside::beside;
use crate::fixtures::{build, words};

/// What `requires` may name and we have: such a row must come out as it is marked, any other one must be refused.
const OPTIONS: [&str; 4] = ["ed25519", "escape_fallback", "pad_secret", "tolerate_header_prefix"];

/// What a row says of itself: nothing that could come out otherwise. `official` and `reproducible` are about where it is from,
/// `policy` about who decided what it is marked as.
const DESCRIBES: [&str; 6] = ["id", "name", "why", "official", "reproducible", "policy"];

/// Rows about something that we do not do, each with the reason. `schemes.rs` runs them.
const NOT_OURS: [(&str, &str); 2] = [
    ("default secret", "GOWA's own, which everybody knows and which is refused at the start"),
    ("python+node sdk v2 GET", "a lead comes by POST; that digest is compared in `schemes.rs`"),
];

/// The secrets and tokens of the rows are shorter than any that a sender makes.
const SHORT: i64 = 8;

/// How HubSpot signs by its older schemes, which count only for a source that says so.
const HUBSPOT_OLD: [(&str, &str); 2] =
    [("hubspot_v1", "{secret}{body}"), ("hubspot_v2", "{secret}{method}{url}{body}")];

/// A row of either file, in one shape.
struct Row {
    name: String,
    method: Method,
    /// Where the sender reaches us: scheme and host.
    base: Option<String>,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    now: Timestamp,
    valid: bool,
    settings: toml::Table,
    dialect: &'static str,
    /// The row as it is written, for what it expects.
    raw: Value,
    /// What of it has been looked at.
    looked_at: RefCell<BTreeSet<String>>,
}

/// What [`row`] and [`dialect`] make a request and settings of.
const REQUEST: [&str; 12] = [
    "provider",
    "scheme",
    "method",
    "secret",
    "headers",
    "url",
    "query",
    "body",
    "now",
    "valid",
    "verify_token",
    "access_token",
];

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
        // The secret of a challenge is the verify token.
        let app_secret = if row["method"] == "GET" { text("app_secret") } else { text("secret") };
        toml::Table::from_iter([
            ("app_secret".to_owned(), app_secret.into()),
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
            settings.insert("timed_proof".into(), row["appsecret_time"].is_i64().into());
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
        // A message comes by POST; `schemes` runs the others.
        "messagebird" if row["method"] == "GET" => return None,
        preset => {
            if let Some(found) = gateway(row, secret) {
                return Some(found);
            }
            let name = PRESETS.iter().map(|(name, _)| *name).find(|name| *name == preset)?;
            (name, with_verify(row, secret("secret")))
        }
    })
}

/// The same for gateways of WhatsApp.
fn gateway(row: &Value, secret: impl Fn(&str) -> toml::Table) -> Option<(&'static str, toml::Table)> {
    Some(match row["provider"].as_str().unwrap() {
        "twilio_whatsapp" => ("twilio", weak("twilio", secret("secret"))),
        "evolution_api" => ("evolution", weak("evolution", secret("secret"))),
        "fonnte" => {
            ("fonnte", carried("verify", "kind = 'token'\nlocation = 'query'\nname = 'token'", secret("token")))
        }
        "kirimi" => ("kirimi", carried("verify", "kind = 'token'\nlocation = 'path'", secret("token"))),
        "360dialog" if row["scheme"] == "token_basic" => {
            ("dialog360", carried("token_at", "location = 'basic'", secret("token")))
        }
        "360dialog" => {
            ("dialog360", carried("token_at", "location = 'header'\nname = 'X-Bridge-Token'", secret("token")))
        }
        preset @ ("bird" | "messagebird" | "vonage" | "waha" | "gowa" | "infobip" | "qiscus") => {
            let preset = PRESETS.iter().map(|(name, _)| *name).find(|name| *name == preset)?;
            (preset, weak(preset, secret("secret")))
        }
        _ => return None,
    })
}

/// The settings of a preset that takes secrets as short as those of the file, which is about senders.
fn weak(preset: &str, mut settings: toml::Table) -> toml::Table {
    let mut verify = with_preset(preset, toml::Table::new()).unwrap().remove("verify").unwrap();
    let schemes = match verify.get_mut("of").and_then(toml::Value::as_array_mut) {
        Some(list) => list.iter_mut().collect(),
        None => vec![&mut verify],
    };
    schemes.into_iter().for_each(|scheme| drop(scheme.as_table_mut().unwrap().insert("min_length".into(), 1.into())));
    settings.insert("verify".to_owned(), verify);
    settings
}

/// The settings of a preset, with what a row says of its scheme beside them.
fn with_verify(row: &Value, mut settings: toml::Table) -> toml::Table {
    let secret = toml::Value::try_from(&row["secret"]).unwrap();
    let base = row["url"].as_str().and_then(|url| Some(url[..url.find("://")? + 3].to_owned() + host(url)));
    let old = HUBSPOT_OLD.iter().find(|(scheme, _)| row["scheme"] == **scheme);
    let verify = match (row["scheme"].as_str().unwrap(), old) {
        (_, Some((_, template))) => {
            let url = base.filter(|_| template.contains("url")).map(|base| format!("url = {{ base = '{base}' }}"));
            let text = format!(
                "kind = 'hmac'\nkeyed = 'digest'\nalgorithm = 'sha256'\nencoding = 'hex'\nbase = '{template}'\n\
                 signature = {{ header = 'x-hubspot-signature' }}\n{}",
                url.unwrap_or_default()
            );
            let mut scheme: toml::Table = text.parse().unwrap();
            scheme.insert("secrets".into(), secret);
            settings.remove("secret");
            toml::Value::Array(vec![scheme.into()])
        }
        ("hubspot_v3", None) => {
            format!("url = {{ base = '{}' }}", base.unwrap()).parse::<toml::Table>().unwrap().into()
        }
        ("token_query", None) => {
            settings = toml::Table::from_iter([("token".to_owned(), secret)]);
            format!("kind = 'token'\nlocation = 'query'\nname = 'token'\nmin_length = {SHORT}")
                .parse::<toml::Table>()
                .unwrap()
                .into()
        }
        ("shopify", None) => toml::Table::from_iter([("min_length".to_owned(), SHORT.into())]).into(),
        _ => return settings,
    };
    settings.insert("verify".to_owned(), verify);
    settings
}

/// Settings whose `key` says where a token stands, however short it is.
fn carried(key: &str, place: &str, mut settings: toml::Table) -> toml::Table {
    let mut place: toml::Table = place.parse().unwrap();
    place.insert("min_length".to_owned(), 1.into());
    settings.insert(key.to_owned(), place.into());
    settings
}

/// Scheme and host, path, and query of a row's URL.
fn parts_of(url: &str) -> (&str, &str, &str) {
    let host = url.find("://").unwrap() + 3;
    let (base, rest) = url.split_at(url[host..].find('/').map_or(url.len(), |at| host + at));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    (base, path, query)
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    url.split("://").nth(1).unwrap_or_default().split(['/', '?']).next().unwrap_or_default()
}

fn row(raw: &Value) -> Option<Row> {
    let (dialect, settings) = dialect(raw).filter(|(dialect, _)| words().contains(dialect))?;
    let (base, path, url_query) = raw["url"].as_str().map(parts_of).unwrap_or_default();
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
        base: (!base.is_empty()).then(|| base.to_owned()),
        path: path.to_owned(),
        query: raw["query"].as_str().unwrap_or(url_query).to_owned(),
        headers: headers.map(|(key, value)| (name(key), value.as_str().unwrap().to_owned())).collect(),
        body: raw["body"].as_str().unwrap().to_owned(),
        now: Timestamp::from_second(raw["now"].as_i64().unwrap_or(1_795_450_000)).unwrap(),
        valid: raw["valid"].as_bool().unwrap() && raw["requires"].as_str().is_none_or(|name| OPTIONS.contains(&name)),
        settings,
        dialect,
        raw: raw.clone(),
        looked_at: RefCell::default(),
    })
}

impl Row {
    fn webhook(&self) -> Webhook {
        Webhook {
            source: source(),
            received: self.now,
            request_id: "req-vector".into(),
            method: self.method,
            path: self.path.clone(),
            path_token: self
                .path
                .rsplit_once('/')
                .map(|(_, last)| last)
                .filter(|last| last.starts_with("tok-"))
                .map(str::to_owned),
            query: self.query.clone(),
            headers: self.headers.iter().map(|(name, value)| (name, value)).collect(),
            body: Bytes::from(self.body.clone()),
            packed: None,
        }
    }

    /// What it says under `field`.
    fn says(&self, field: &str) -> Option<&Value> {
        self.looked_at.borrow_mut().insert(field.to_owned());
        self.raw.get(field).filter(|value| !value.is_null())
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.says(field).map(|value| value.as_str().unwrap())
    }

    /// Fields that say something which nothing was held against.
    fn unread(&self) -> Vec<&String> {
        let looked_at = self.looked_at.borrow();
        let is_read = |field: &str| looked_at.contains(field) || [&REQUEST[..], &DESCRIBES].concat().contains(&field);
        self.raw.as_object().unwrap().keys().filter(|field| !is_read(field)).collect()
    }

    fn check(&self) {
        if let Some(sum) = self.text("body_sha256") {
            assert_eq!(hex::encode(Sha256::digest(&self.body)), sum, "somebody edited the body");
        }
        // Looked at where the row was made: what we have no option for is refused.
        let requires = self.text("requires");
        let provider = match build(self.dialect, self.settings.clone(), &Place::new(source(), self.base.as_deref())) {
            Ok(provider) => provider,
            Err(SettingsError::Invalid(_) | SettingsError::Incomplete(_) | SettingsError::NoAddress) => {
                self.says("tolerance");
                return assert!(!self.valid, "its settings make no source");
            }
        };
        if self.raw["method"] == "GRAPH" {
            return self.check_question(provider.as_ref());
        }
        let webhook = self.webhook();
        if let Some(reply) = provider.handshake(&webhook) {
            return self.check_reply(&reply);
        }
        self.check_tolerance(provider.as_ref(), &webhook);
        match provider.verify(&webhook, self.now) {
            Ok(verified) => {
                assert!(self.valid, "it was let in");
                if let Some(status) = self.says("expect_status") {
                    assert_eq!(*status, provider.accepted(&webhook).status, "the status");
                }
                self.check_spelling(&verified, requires);
                match provider.split(&verified) {
                    Ok(items) => self.check_items(provider.as_ref(), &items),
                    // Some rows are about the proof alone.
                    Err(error) => assert!(self.expects_nothing(), "{error}"),
                }
            }
            Err(refusal) => {
                assert!(!self.valid, "it was refused: {refusal}");
                let wrong_prefix = self.raw["policy"] == "strict_prefix_in_signed_string";
                assert_eq!(
                    matches!(refusal, Refusal::OtherProof(false)),
                    wrong_prefix,
                    "{refusal}: the log says which"
                );
                self.says("expect_status").into_iter().for_each(|status| assert_eq!(*status, 401, "the status"));
            }
        }
    }

    fn check_reply(&self, reply: &Reply) {
        let status = self.says("expect_status").map_or(if self.valid { 200 } else { 403 }, |s| s.as_u64().unwrap());
        assert_eq!(u64::from(reply.status), status, "the status");
        if let Some(expected) = self.says("expect_json") {
            let found = serde_json::from_str::<Value>(&reply.body).unwrap();
            // Its sender does not publish the secret of its example: the answer has this shape.
            let is_known = self.raw["reproducible"] != false;
            let (found, expected) = if is_known { (found, expected.clone()) } else { (shape(&found), shape(expected)) };
            return assert_eq!(found, expected, "the body");
        }
        let expected = self.text("expect_body").or_else(|| self.text("expect"));
        assert_eq!(reply.body, if self.valid { expected.unwrap() } else { "" }, "the body");
    }

    /// A row that names a tolerance means ours: what is as old as it allows is taken, and a second later it is not.
    fn check_tolerance(&self, provider: &dyn Provider, webhook: &Webhook) {
        let Some(seconds) = self.says("tolerance") else { return };
        let tolerance = SignedDuration::from_secs(seconds.as_i64().unwrap());
        let signed = ["webhook-timestamp", "svix-timestamp"].into_iter().find_map(|name| match webhook.header(name) {
            Header::Once(text) => Timestamp::from_second(text.parse().ok()?).ok(),
            Header::Absent | Header::Several => None,
        });
        if let (Some(signed), true) = (signed, self.valid) {
            assert!(provider.verify(webhook, signed + tolerance).is_ok(), "it is taken at the end of the tolerance");
            let late = provider.verify(webhook, signed + tolerance + SignedDuration::from_secs(1));
            assert!(matches!(late, Err(Refusal::Stale)), "it is stale a second later: {late:?}");
        }
    }

    /// Which spelling of the body was signed.
    fn check_spelling(&self, verified: &Verified, requires: Option<&str>) {
        let escaped = requires == Some("escape_fallback");
        assert_eq!(verified.alternative().is_some(), escaped, "over which spelling the proof holds");
        if let Some(signed) = self.text("signed_bytes") {
            let signed: Value = serde_json::from_str(signed).unwrap();
            assert_eq!(signed, serde_json::from_str::<Value>(&self.body).unwrap(), "it is the same body, escaped");
        }
    }

    fn expects_nothing(&self) -> bool {
        self.raw.as_object().unwrap().keys().all(|field| !field.starts_with("expect"))
    }

    fn check_items(&self, provider: &dyn Provider, items: &[Item]) {
        let refs: Vec<_> = items.iter().map(|item| item.external_ref.as_str().to_owned()).collect();
        if let Some(ids) = self.says("expect_ids") {
            let prefix = if self.dialect == "tiktok" { "tiktok:lead:" } else { "meta:leadgen:" };
            let expected = ids.as_array().unwrap().iter().map(|id| format!("{prefix}{}", id.as_str().unwrap()));
            assert_eq!(refs, expected.collect::<Vec<_>>());
        }
        if let Some(expected) = self.text("expect_external_ref") {
            assert_eq!(refs, [expected]);
        }
        let name = source();
        let deletes = |item: &Item| {
            let (external_ref, received, body) = (&item.external_ref, self.now, &item.body[..]);
            provider.deletes(&ItemBody { source: &name, external_ref, received, body, fetched: None })
        };
        match self.text("expect_action") {
            None => {}
            Some("ack_and_ignore") => {
                assert!(
                    items.iter().all(|item| item.hold == Hold::TestLead),
                    "a test is withheld, another object nothing"
                );
            }
            Some("ack_test") => {
                assert!(
                    !items.is_empty() && items.iter().all(|item| item.hold == Hold::TestLead),
                    "a test is withheld"
                );
            }
            Some("erase_or_flag") => {
                assert!(!items.is_empty() && items.iter().all(deletes), "an erasure is for a person");
            }
            Some("hold") => assert!(items.iter().all(|item| item.hold != Hold::No), "nothing is forwarded"),
            Some(other) => panic!("no check is written for the action `{other}`"),
        }
        match self.text("expect") {
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
        let time = self.says("appsecret_time").map(|time| time.as_i64().unwrap());
        let now = time.map_or(self.now, |time| Timestamp::from_second(time).unwrap());
        let query = provider.stamped(lookup.unwrap(), now).query;
        let asked = |wanted: &str| query.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(asked("appsecret_proof"), self.text("expect_appsecret_proof"));
        assert_eq!(asked("appsecret_time"), time.map(|time| time.to_string()).as_deref());
    }
}

/// The same answer with every digest in hex as its length.
fn shape(answer: &Value) -> Value {
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let members = answer.as_object().unwrap().iter();
    members
        .map(|(name, value)| match value.as_str() {
            Some(text) if digest(text) => (name.clone(), "a digest".into()),
            _ => (name.clone(), value.clone()),
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
#[ignore = "compares with ../shared"]
fn every_shared_vector_of_our_dialects_comes_out_as_marked() {
    let folder = beside("providers");
    let mut files = rows_of(&folder, "vectors-ads.json");
    files.extend(rows_of(&folder, "vectors-forms-whatsapp.json"));
    let nobody: Vec<_> = files.iter().filter(|raw| row(raw).is_none() && raw["method"] != "GET").collect();
    assert!(nobody.is_empty(), "no dialect reads {nobody:?}");
    for (name, _) in NOT_OURS {
        assert!(files.iter().any(|raw| raw["name"] == name || raw["id"] == name), "no row is called {name}");
    }
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<_, (usize, usize)>::new());
    for row in files.iter().filter_map(row).filter(|row| !NOT_OURS.iter().any(|(name, _)| *name == row.name)) {
        let count = counts.entry(row.dialect).or_default();
        *(if row.valid { &mut count.0 } else { &mut count.1 }) += 1;
        if std::panic::catch_unwind(AssertUnwindSafe(|| row.check())).is_err() {
            wrong.push(format!("{}: {}: {}", row.dialect, row.name, row.raw["why"]));
        }
        let unread = row.unread();
        if !unread.is_empty() {
            wrong.push(format!("{}: {}: nobody reads {unread:?}", row.dialect, row.name));
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
