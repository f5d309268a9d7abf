//! Signature schemes as data, against the vectors of `../shared/providers` where that folder is there, and against our own
//! in `tests/bridge/schemes.json` everywhere.
//!
//! Both files have one shape: a scheme without its secrets, and rows with a secret, a request, the clock, and whether the
//! proof holds.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use konektor_bridge::domain::event::SourceName;
use konektor_bridge::providers::{Method, Place, Refusal, Scheme, SettingsError, Webhook};
use serde_json::{Map, Value, json};

use crate::beside::beside;

/// Rows that the settings refuse although the sender's own code would take them, each with the reason.
const REFUSED: [(&str, &str); 1] = [("gowa: default secret", "a secret that everybody knows is refused at the start")];

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// A scheme of the file as it is written in the configuration, with the secret of a row.
fn configured(scheme: &Value, secret: &str) -> toml::Value {
    let mut scheme = scheme.as_object().unwrap().clone();
    scheme.insert("secrets".into(), json!([secret]));
    // The files are about senders; how long a secret has to be is ours.
    scheme.insert("min_length".into(), json!(1));
    if let Some(Value::Object(time)) = scheme.get_mut("timestamp") {
        time.entry("unit").or_insert(json!("s"));
    }
    if scheme.remove("url_variants").is_some() {
        scheme.insert("url".into(), json!({ "variants": ["exact", "no_port", "default_port", "whatwg"] }));
    }
    toml::Value::try_from(scheme).unwrap()
}

/// The request of a row, and the place that its URL makes.
fn request(row: &Value) -> (Webhook, Place) {
    let source = SourceName::parse("vectors").unwrap();
    let url = row["url"].as_str().unwrap_or("https://hooks.example.com/hooks/vectors");
    let path_at = url.find("://").unwrap() + 3;
    let path_at = url[path_at..].find('/').map_or(url.len(), |at| path_at + at);
    let (base, path) = url.split_at(path_at);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let headers = row["headers"].as_object().unwrap().iter();
    let now = Timestamp::from_second(row["now"].as_i64().unwrap()).unwrap();
    let webhook = Webhook {
        source: source.clone(),
        received: now,
        request_id: "req-vector".into(),
        method: if row["method"] == "GET" { Method::Get } else { Method::Post },
        path: path.to_owned(),
        path_token: path.rsplit('/').next().filter(|token| token.contains("tok")).map(str::to_owned),
        query: query.to_owned(),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap().to_owned())).collect(),
        body: row["body"].as_str().unwrap().to_owned().into(),
        packed: None,
    };
    (webhook, Place::new(source, Some(base)))
}

/// What comes of a row; `None` when its settings make no scheme.
fn outcome(schemes: &Map<String, Value>, row: &Value) -> Option<Result<(), Refusal>> {
    let (webhook, place) = request(row);
    let scheme = &schemes[row["scheme"].as_str().unwrap()];
    let parsed = Scheme::parse(configured(scheme, row["secret"].as_str().unwrap()), &place);
    match parsed {
        Ok(scheme) => Some(scheme.verify(&webhook, webhook.received).map(|_| ())),
        Err(SettingsError::Invalid(why) | SettingsError::Incomplete(why)) => {
            assert!(why.contains("secret"), "{}: {why}", row["name"]);
            None
        }
        Err(SettingsError::NoAddress) => panic!("{}: its place has one", row["name"]),
    }
}

/// What a row may say: each is read here, but for what says where it is from, and `expect`, which `vectors` reads.
const FIELDS: [&str; 14] = [
    "provider", "scheme", "name", "secret", "method", "headers", "url", "body", "now", "valid", "why", "official",
    "origin", "expect",
];

/// Runs every row; gives how many were valid and invalid for each scheme.
fn check(schemes: &Map<String, Value>, rows: &[Value]) -> BTreeMap<String, (usize, usize)> {
    let (mut wrong, mut counts) = (Vec::new(), BTreeMap::<_, (usize, usize)>::new());
    for row in rows {
        let unread: Vec<_> =
            row.as_object().unwrap().keys().filter(|field| !FIELDS.contains(&field.as_str())).collect();
        assert!(unread.is_empty(), "{}: nobody reads {unread:?}", row["name"]);
        let (scheme, valid) = (row["scheme"].as_str().unwrap().to_owned(), row["valid"].as_bool().unwrap());
        let name = format!("{scheme}: {}", row["name"].as_str().unwrap());
        let refused = REFUSED.iter().any(|(refused, _)| *refused == name);
        let outcome = outcome(schemes, row);
        let right = match &outcome {
            None => refused || !valid,
            Some(outcome) => !refused && outcome.is_ok() == valid,
        };
        if !right {
            wrong.push(format!("{name}: {outcome:?}, {}", row["why"]));
        }
        let count = counts.entry(scheme).or_default();
        *(if valid { &mut count.0 } else { &mut count.1 }) += 1;
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    counts
}

#[test]
#[ignore = "compares with ../shared"]
fn every_shared_vector_comes_out_as_marked() {
    let folder = beside("providers");
    let schemes = read(&folder.join("schemes-forms-whatsapp.json"));
    let mut schemes = schemes.as_object().unwrap().clone();
    // A question that is asked before anything is sent, and no proof: the dialect `whatsapp` answers it.
    assert!(schemes.remove("meta_handshake").is_some());
    let rows = read(&folder.join("vectors-forms-whatsapp.json"));
    let rows: Vec<_> =
        rows.as_array().unwrap().iter().filter(|row| row["scheme"] != "meta_handshake").cloned().collect();
    let counts = check(&schemes, &rows);
    println!("valid and invalid rows by scheme: {counts:?}");
    for scheme in schemes.keys() {
        assert!(counts.contains_key(scheme), "no row ran for {scheme}");
    }
    assert!(rows.len() > 120, "{}", rows.len());
}

#[test]
fn our_own_vector_of_each_kind_comes_out_as_marked() {
    let file = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bridge/schemes.json"));
    let counts = check(file["schemes"].as_object().unwrap(), file["rows"].as_array().unwrap());
    for (scheme, (valid, invalid)) in counts {
        assert!(valid > 0 && invalid > 0, "{scheme} has no valid or no invalid row");
    }
}
