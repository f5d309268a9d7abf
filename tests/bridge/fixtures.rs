//! Every dialect against its folder in `tests/fixtures/`: the exact webhooks of its sender, and what must come of them.
//!
//! A folder is named as its dialect. `source.toml` holds the settings, references already resolved. `webhooks.json` is a
//! list of [`Row`]s. An item that names no `lookup` must need none; every difference is an error, nothing is optional
//! because it is not written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use konektor_bridge::config::{PRESET_DIALECT, PRESETS, with_preset};
use konektor_bridge::domain::event::{EventId, Hold, Item, Lesson, SourceName};
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::domain::submission::{Answer, Fact, Payment, Profile, Submission};
use konektor_bridge::providers::{
    self, DIALECTS, ItemBody, Method, Place, Provider, Reading, Reply, SettingsError, Verified, Webhook,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A dialect's folder, read.
pub(crate) struct Folder {
    /// The dialect.
    pub(crate) dialect: String,
    /// The name of the source; the same word.
    pub(crate) name: SourceName,
    source: SourceFile,
    /// What its sender sends.
    pub(crate) rows: Vec<Row>,
}

/// `source.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    /// The dialect's settings.
    settings: toml::Table,
    /// Texts that no kept webhook may hold (a secret that travels in the body).
    #[serde(default)]
    never_kept: Vec<String>,
    /// Its webhooks make no leads, they only say something of them.
    #[serde(default)]
    only_teaches: bool,
}

/// The settings that let a webhook in and find its items.
const CUTTING: [&str; 9] =
    ["decode", "embedded", "entities", "items", "redact", "secret", "token", "token_at", "verify"];

/// Where the bridge of the fixtures is reached.
const PUBLIC_URL: &str = "https://hooks.example.com";

/// One webhook, and what must come of it.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// What it shows.
    why: String,
    /// `POST`, `GET` or `OPTIONS`.
    #[serde(default)]
    method: Verb,
    #[serde(default)]
    query: String,
    path_token: Option<String>,
    /// The receiver's clock.
    #[serde(default = "some_time")]
    now: Timestamp,
    /// The receiver's id of the request.
    #[serde(default = "some_request")]
    request_id: String,
    /// Names in any case; a list sends the header several times.
    #[serde(default)]
    headers: BTreeMap<String, OneOrMany>,
    /// The exact body.
    #[serde(default)]
    body: String,
    /// The exact body where it is not UTF-8.
    body_base64: Option<String>,
    /// Settings that differ for this row; `null` takes one away.
    #[serde(default)]
    settings: Map<String, Value>,
    /// What the sender is answered once it is kept, where the row is about that.
    accepted: Option<ExpectedReply>,
    /// What it says of leads beside its items.
    #[serde(default)]
    lessons: Vec<Value>,
    expect: Expected,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Post,
    Get,
    Options,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What must come of a webhook.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
enum Expected {
    /// The settings make no provider, and the error says this.
    Off(String),
    /// It is no webhook, and this is the answer.
    Reply(ExpectedReply),
    /// It is refused, for this reason (`wrong_proof`).
    Refusal(String),
    /// It verifies and cannot be split; the sentence has this in it.
    Unreadable(String),
    /// It splits into these.
    Items(Vec<ExpectedItem>),
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct ExpectedReply {
    status: u16,
    #[serde(default)]
    body: String,
    /// Headers that must be there, with these values.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct ExpectedItem {
    external_ref: String,
    /// Other names of the same person.
    #[serde(default)]
    aliases: Vec<String>,
    /// A word for the event id: the same word in one file is the same id, another word another id.
    event: Option<String>,
    /// `no`, `test_lead`, `spam` …
    #[serde(default)]
    hold: Hold,
    same_within_s: Option<u64>,
    /// The exact bytes of the item, where the row is about that.
    body: Option<String>,
    /// The URL that is asked for the rest.
    lookup: Option<String>,
    /// What that brought: JSON, or a string with the exact bytes.
    fetched: Option<Value>,
    /// One of these five: what reading gives.
    lead: Option<Value>,
    test: Option<Value>,
    spam: Option<Value>,
    nobody: Option<Value>,
    unreadable: Option<String>,
}

fn some_time() -> Timestamp {
    "2026-11-23T16:06:45Z".parse().unwrap()
}

fn some_request() -> String {
    "req-fixture".to_owned()
}

/// Where the folders are.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Every folder, in the order of names.
pub(crate) fn folders() -> Vec<Folder> {
    let mut paths: Vec<_> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths.iter().map(|path| Folder::read(path)).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{} is needed: {error}", path.display()))
}

/// Every word for a provider: dialects and presets.
pub(crate) fn words() -> Vec<&'static str> {
    DIALECTS.iter().map(|(name, _)| *name).chain(PRESETS.iter().map(|(name, _)| *name)).collect()
}

/// The provider of a dialect or a preset.
pub(crate) fn build(word: &str, settings: toml::Table, place: &Place) -> Result<Arc<dyn Provider>, SettingsError> {
    match with_preset(word, settings.clone()) {
        Some(settings) => providers::build(PRESET_DIALECT, settings, place),
        None => providers::build(word, settings, place),
    }
}

impl Folder {
    fn read(path: &Path) -> Self {
        let dialect = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (source, rows) = (path.join("source.toml"), path.join("webhooks.json"));
        let source = toml::from_str(&text(&source)).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        let rows = serde_json::from_str(&text(&rows)).unwrap_or_else(|e| panic!("{}: {e}", rows.display()));
        Self { name: SourceName::parse(&dialect).unwrap(), dialect, source, rows }
    }

    /// The provider with the folder's own settings.
    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        self.provider_with(&Map::new()).unwrap_or_else(|error| panic!("{}/source.toml: {error}", self.dialect))
    }

    /// The provider with `changed` settings.
    fn provider_with(&self, changed: &Map<String, Value>) -> Result<Arc<dyn Provider>, SettingsError> {
        build(&self.dialect, self.settings_with(changed), &self.place())
    }

    fn place(&self) -> Place {
        Place::new(self.name.clone(), Some(PUBLIC_URL))
    }

    /// The folder's own settings with `changed` ones.
    fn settings_with(&self, changed: &Map<String, Value>) -> toml::Table {
        let mut settings = self.source.settings.clone();
        for (name, value) in changed {
            match value {
                Value::Null => drop(settings.remove(name)),
                value => drop(settings.insert(name.clone(), toml::Value::try_from(value).unwrap())),
            }
        }
        settings
    }

    /// What lets the webhook of `row` in and finds its items, and nothing that chooses among them.
    fn cutting(&self, row: &Row) -> toml::Table {
        let mut settings =
            with_preset(&self.dialect, self.settings_with(&row.settings)).expect("it is a preset's folder");
        settings.retain(|key, _| CUTTING.contains(&key));
        let mut items = match settings.remove("items") {
            Some(toml::Value::Array(items)) => items,
            other => other.into_iter().collect(),
        };
        // Where there is no item of the preset's, a filter is asked all the same.
        items.push("@".into());
        settings.insert("items".to_owned(), items.into());
        settings.insert("external_ref".to_owned(), toml::Table::from_iter([("prefix".to_owned(), "x:".into())]).into());
        settings
    }

    /// True when `filter` holds of something in `row`, which `cutting` cuts.
    fn holds(&self, filter: &toml::Table, row: &Row, cutting: &toml::Table) -> bool {
        let mut settings = cutting.clone();
        settings.insert("accept".to_owned(), filter.clone().into());
        let Ok(provider) = providers::build(PRESET_DIALECT, settings, &self.place()) else { return false };
        let verified = provider.verify(&row.webhook(self.name.clone()), row.now);
        verified.is_ok_and(|verified| provider.split(&verified).is_ok_and(|items| !items.is_empty()))
    }

    /// True when its webhooks only say something of leads.
    pub(crate) fn only_teaches(&self) -> bool {
        self.source.only_teaches
    }

    /// Panics when something that must not be kept stands in `bytes`.
    pub(crate) fn must_not_keep(&self, bytes: &[u8]) {
        let kept = String::from_utf8_lossy(bytes);
        for secret in &self.source.never_kept {
            assert!(!kept.contains(secret.as_str()), "{}: a secret is kept", self.dialect);
        }
    }
}

impl Row {
    /// How many items must come of it.
    pub(crate) fn items(&self) -> usize {
        match &self.expect {
            Expected::Items(items) => items.len(),
            Expected::Off(_) | Expected::Reply(_) | Expected::Refusal(_) | Expected::Unreadable(_) => 0,
        }
    }

    /// The body, and what its items' lookups brought.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        let fetched = match &self.expect {
            Expected::Items(items) => items.iter().filter_map(|item| item.fetched.as_ref()).map(exact).collect(),
            Expected::Off(_) | Expected::Reply(_) | Expected::Refusal(_) | Expected::Unreadable(_) => Vec::new(),
        };
        [self.raw_body()].into_iter().chain(fetched).collect()
    }

    fn raw_body(&self) -> Vec<u8> {
        match &self.body_base64 {
            Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).unwrap(),
            None => self.body.clone().into_bytes(),
        }
    }

    /// The webhook as the right half of an HTTP server would hand it over.
    pub(crate) fn webhook(&self, source: SourceName) -> Webhook {
        let headers = self.headers.iter().flat_map(|(name, values)| {
            let values = match values {
                OneOrMany::One(value) => vec![value.clone()],
                OneOrMany::Many(values) => values.clone(),
            };
            values.into_iter().map(|value| (name.to_ascii_lowercase(), value))
        });
        let token = self.path_token.iter().map(|token| format!("/{token}")).collect::<String>();
        Webhook {
            path: format!("/hooks/{source}{token}"),
            source,
            received: self.now,
            request_id: self.request_id.clone(),
            method: match self.method {
                Verb::Post => Method::Post,
                Verb::Get => Method::Get,
                Verb::Options => Method::Options,
            },
            path_token: self.path_token.clone(),
            query: self.query.clone(),
            headers: headers.collect(),
            body: self.raw_body().into(),
            packed: None,
        }
    }
}

/// The words given to event ids in one file, so that the same word is the same id.
#[derive(Default)]
struct Events(Vec<(String, EventId)>);

impl Events {
    fn check(&mut self, word: &str, id: EventId) {
        match self.0.iter().find(|(known, _)| known == word) {
            Some((_, known)) => assert_eq!(*known, id, "the event `{word}` must have one id"),
            None => {
                let other = self.0.iter().find(|(_, known)| *known == id);
                assert!(other.is_none(), "`{word}` and `{}` must be two events", other.unwrap().0);
                self.0.push((word.to_owned(), id));
            }
        }
    }
}

fn check_row(folder: &Folder, row: &Row, events: &mut Events) {
    let provider = match (folder.provider_with(&row.settings), &row.expect) {
        (Ok(provider), _) => provider,
        (Err(error), Expected::Off(part)) => return assert_says(&error.to_string(), part),
        (Err(error), _) => panic!("the settings make no provider: {error}"),
    };
    let webhook = row.webhook(folder.name.clone());
    match (provider.handshake(&webhook), &row.expect) {
        (Some(reply), Expected::Reply(expected)) => return check_reply(&reply, expected),
        (Some(reply), _) => panic!("it was answered as no webhook: {reply:?}"),
        (None, Expected::Reply(_)) => panic!("it was not answered as a handshake"),
        (None, Expected::Off(_) | Expected::Refusal(_) | Expected::Unreadable(_) | Expected::Items(_)) => {}
    }
    let verified = match (provider.verify(&webhook, row.now), &row.expect) {
        (Err(refusal), Expected::Refusal(expected)) => {
            return assert_eq!(<&str>::from(refusal), expected);
        }
        (Err(refusal), _) => panic!("it was refused: {refusal}"),
        (Ok(verified), _) => verified,
    };
    folder.must_not_keep(verified.body());
    if let Some(expected) = &row.accepted {
        check_reply(&provider.accepted(&webhook), expected);
    }
    assert_eq!(provider.lessons(&verified).iter().map(shown_lesson).collect::<Vec<_>>(), row.lessons, "its lessons");
    match (provider.split(&verified), &row.expect) {
        (Err(error), Expected::Unreadable(part)) => assert_says(&error.to_string(), part),
        (Ok(items), Expected::Items(expected)) => {
            let refs: Vec<_> = items.iter().map(|item| item.external_ref.as_str()).collect();
            let wanted: Vec<_> = expected.iter().map(|item| item.external_ref.as_str()).collect();
            assert_eq!(refs, wanted, "the leads, in order");
            for (item, expected) in items.iter().zip(expected) {
                check_item(provider.as_ref(), &verified, item, expected, events);
            }
        }
        (Ok(items), _) => panic!("it was let in and gave {} items", items.len()),
        (Err(error), _) => panic!("it cannot be split: {error}"),
    }
}

fn assert_says(sentence: &str, part: &str) {
    assert!(!part.is_empty() && sentence.contains(part), "`{sentence}` does not say `{part}`");
}

fn check_reply(reply: &Reply, expected: &ExpectedReply) {
    assert_eq!((reply.status, reply.body.as_str()), (expected.status, expected.body.as_str()), "the answer");
    for (name, value) in &expected.headers {
        let found = reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        assert_eq!(found, Some(value), "the header `{name}` of the answer");
    }
}

fn check_item(provider: &dyn Provider, verified: &Verified, item: &Item, expected: &ExpectedItem, events: &mut Events) {
    assert_eq!(item.hold, expected.hold, "hold");
    assert_eq!(item.aliases.iter().map(ToString::to_string).collect::<Vec<_>>(), expected.aliases, "other names");
    assert_eq!(item.same_within, expected.same_within_s.map(Duration::from_secs), "same within");
    if let Some(word) = &expected.event {
        events.check(word, item.id);
    }
    if let Some(body) = &expected.body {
        assert_eq!(String::from_utf8_lossy(&item.body), body.as_str(), "the item's bytes");
    }
    let stored = ItemBody {
        source: verified.source(),
        external_ref: &item.external_ref,
        received: verified.received(),
        body: &item.body,
        fetched: None,
    };
    assert_eq!(provider.lookup(&stored).map(|lookup| lookup.url), expected.lookup, "what is asked for the rest");
    let fetched = expected.fetched.as_ref().map(exact);
    let reading = provider.read(&ItemBody { fetched: fetched.as_deref(), ..stored });
    let wanted = [&expected.lead, &expected.test, &expected.spam, &expected.nobody].map(Option::as_ref);
    match (reading, wanted, &expected.unreadable) {
        (Ok(Reading::Lead(submission)), [Some(wanted), None, None, None], None)
        | (Ok(Reading::Test(submission)), [None, Some(wanted), None, None], None)
        | (Ok(Reading::Spam(submission)), [None, None, Some(wanted), None], None)
        | (Ok(Reading::Nobody(submission)), [None, None, None, Some(wanted)], None) => {
            check_submission(&submission, wanted)
        }
        (Err(error), [None, None, None, None], Some(part)) => assert_says(&error.to_string(), part),
        (reading, ..) => panic!("reading gave {}", shown_reading(&reading.map_err(|error| error.to_string()))),
    }
}

/// A lesson as the fixtures write it.
fn shown_lesson(lesson: &Lesson) -> Value {
    match lesson {
        Lesson::Lead { external_ref, lead_id, status, at } => {
            json!({ "lead": external_ref, "id": lead_id, "status": status, "at": at })
        }
        Lesson::Renamed { old, new } => json!({ "old": old, "new": new }),
    }
}

/// The bytes that `fetched` stands for.
fn exact(fetched: &Value) -> Vec<u8> {
    match fetched {
        Value::String(exact) => exact.clone().into_bytes(),
        value => value.to_string().into_bytes(),
    }
}

fn shown_reading(reading: &Result<Reading, String>) -> String {
    let (kind, submission) = match reading {
        Ok(Reading::Lead(submission)) => ("lead", submission),
        Ok(Reading::Test(submission)) => ("test", submission),
        Ok(Reading::Spam(submission)) => ("spam", submission),
        Ok(Reading::Nobody(submission)) => ("nobody", submission),
        Err(sentence) => return format!("\"unreadable\": {sentence:?}"),
    };
    format!("\"{kind}\": {:#}", shown(submission))
}

fn check_submission(submission: &Submission, wanted: &Value) {
    let found = shown(submission);
    assert!(found == *wanted, "the submission is\n{found:#}\nand should be\n{wanted:#}");
}

/// A submission as the fixtures write it: parts that say nothing are left out.
fn shown(submission: &Submission) -> Value {
    let Submission {
        answers,
        profile,
        attribution,
        facts,
        ad_platform,
        ad_platform_else,
        source,
        submitted_at,
        sender_id,
        is_test,
        payment,
    } = submission;
    assert!(!is_test, "whether a test goes on is decided at delivery");
    let mut out = Map::new();
    let mut say = |name: &str, value: Value| {
        if !matches!(&value, Value::Null) && value != json!([]) && value != json!({}) && value != json!("") {
            out.insert(name.to_owned(), value);
        }
    };
    say("answers", answers.iter().map(shown_answer).collect());
    say("profile", shown_profile(profile));
    say("attribution", shown_facts(attribution));
    say("facts", shown_facts(facts));
    say("ad_platform", json!(ad_platform));
    say("ad_platform_else", json!(ad_platform_else));
    say("source", json!(source));
    say("submitted_at", json!(submitted_at));
    say("sender_id", json!(sender_id));
    let paid = payment.as_ref().map(|Payment { amount, reference, as_estimated }| {
        let paid = json!({ "amount": amount, "reference": reference });
        if *as_estimated { json!({ "amount": amount, "reference": reference, "as_estimated": true }) } else { paid }
    });
    say("payment", paid.into());
    Value::Object(out)
}

fn shown_answer(answer: &Answer) -> Value {
    let Answer { key, label, value, meaning } = answer;
    let mut out = json!({ "key": key, "value": value });
    if label != key {
        out["label"] = json!(label);
    }
    if let Some(meaning) = meaning {
        out["meaning"] = json!(meaning);
    }
    out
}

fn shown_profile(profile: &Profile) -> Value {
    let Profile { name, username, phone, email } = profile;
    let all = [("name", name), ("username", username), ("phone", phone), ("email", email)];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))).collect()
}

fn shown_facts(facts: &[Fact]) -> Value {
    facts.iter().map(|Fact { label, value }| json!([label, value])).collect()
}

#[test]
fn every_dialect_has_a_folder_of_fixtures_and_every_folder_a_dialect() {
    let folders = folders();
    let mut missing = words();
    missing.retain(|name| !folders.iter().any(|folder| folder.dialect == *name));
    assert!(missing.is_empty(), "no fixtures: make tests/fixtures/<dialect or preset>/ for {missing:?}");
    for folder in &folders {
        let known = words().contains(&folder.dialect.as_str());
        assert!(known, "tests/fixtures/{} has no dialect or preset of that name", folder.dialect);
        let gives = |wanted: &dyn Fn(&Expected) -> bool| folder.rows.iter().any(|row| wanted(&row.expect));
        let teaches = folder.rows.iter().any(|row| !row.lessons.is_empty());
        assert!(
            gives(&|expect| matches!(expect, Expected::Items(items) if items.is_empty() == folder.only_teaches())),
            "{}: no fixture gives an item",
            folder.dialect
        );
        assert!(teaches || !folder.only_teaches(), "{}: no fixture teaches anything", folder.dialect);
        assert!(gives(&|expect| matches!(expect, Expected::Refusal(_))), "{}: no fixture is refused", folder.dialect);
    }
}

/// The words in backticks behind `expected` in what a reader says of a key that it does not know.
fn known_settings(error: &str) -> Vec<&str> {
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("no settings are named: {error}"));
    expected.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_setting_of_a_dialect_and_every_rule_stands_in_the_default_file() {
    let file = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml"));
    let stands = |name: &str| {
        let lines = file.lines().map(|line| line.trim_start_matches(['#', ' ']));
        lines.map(|line| line.strip_prefix(name).unwrap_or("?")).any(|rest| rest.starts_with([' ', '.']))
    };
    let unknown = toml::Table::from_iter([("no_such_setting".to_owned(), true.into())]);
    let rules = unknown.clone().try_into::<Rules>().unwrap_err().to_string();
    let place = Place::new(SourceName::parse("some").unwrap(), None);
    let said = |build: &providers::Build| build(unknown.clone(), &place).unwrap_err().to_string();
    let dialects = DIALECTS.iter().map(|(name, build)| (*name, said(build)));
    for (of, error) in dialects.chain([("rules", rules)]) {
        let missing: Vec<_> = known_settings(&error).into_iter().filter(|name| !stands(name)).collect();
        assert!(missing.is_empty(), "config/default.toml does not say a word of {missing:?} ({of})");
    }
}

#[test]
fn every_preset_has_a_source_and_a_row_in_the_readme() {
    let file = |name: &str| text(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let (sources, readme) = (file("config/default.toml").parse::<toml::Table>().unwrap(), file("README.md"));
    for (preset, _) in PRESETS {
        let source = sources["sources"].get(preset).unwrap_or_else(|| panic!("default.toml has no [sources.{preset}]"));
        assert_eq!(source["provider"].as_str(), Some(*preset));
        assert!(readme.contains(&format!("| `/hooks/{preset}")), "the table in README.md has no row of {preset}");
    }
}

/// The filters anywhere in `settings`, each once for every value that it names, and with that value alone.
fn filters(settings: &toml::Value) -> Vec<toml::Table> {
    let table = match settings {
        toml::Value::Array(list) => return list.iter().flat_map(filters).collect(),
        toml::Value::Table(table) => table,
        _ => return Vec::new(),
    };
    let mut found: Vec<_> = table.values().flat_map(filters).collect();
    // A handshake, which has a kind, is no filter.
    let Some(path) = table.get("path").filter(|_| !table.contains_key("kind")) else { return found };
    for (comparison, value) in table {
        let (comparison, values) = match (comparison.as_str(), value) {
            ("in" | "other_than" | "not_in", toml::Value::Array(values)) => ("equals", values.as_slice()),
            ("equals" | "prefix" | "suffix", value) => (comparison.as_str(), std::slice::from_ref(value)),
            _ => continue,
        };
        found.extend(values.iter().map(|value| {
            toml::Table::from_iter([("path".to_owned(), path.clone()), (comparison.to_owned(), value.clone())])
        }));
    }
    found
}

#[test]
fn every_value_that_a_preset_asks_for_stands_in_a_webhook_of_its_folder() {
    let (folders, mut missing) = (folders(), Vec::new());
    for (preset, text) in PRESETS {
        let folder =
            folders.iter().find(|folder| folder.dialect == *preset).expect("every preset has a folder, as a test sees");
        let cutting: Vec<_> = folder.rows.iter().map(|row| (row, folder.cutting(row))).collect();
        for filter in filters(&text.parse::<toml::Table>().unwrap().into()) {
            if !cutting.iter().any(|(row, cutting)| folder.holds(&filter, row, cutting)) {
                missing.push(format!("{preset}: {}", toml::Value::from(filter)));
            }
        }
    }
    assert!(missing.is_empty(), "tests/fixtures/<preset>/webhooks.json has none of these:\n{}", missing.join("\n"));
}

#[test]
fn every_fixture_comes_out_as_written() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let mut events = Events::default();
        for (number, row) in folder.rows.iter().enumerate() {
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                check_row(&folder, row, &mut events);
            }));
            if checked.is_err() {
                wrong.push(format!("{} #{number}: {}", folder.dialect, row.why));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} fixtures are wrong (the differences stand above):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
