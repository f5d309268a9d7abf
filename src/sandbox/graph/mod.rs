//! A small stand-in for the Meta Graph API: enough of it to fetch lead ads leads, and to play its errors.
//!
//! Source: Meta's "Retrieving leads" and "Handle errors" pages. Clients decide on `code` and `error_subcode`; the texts
//! are those that Meta is known to send.

mod lead;
mod list;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::agent::wire::Answer;
use super::faults::FaultsError;
use super::registry::bearer;
use super::settings::GraphSettings;
pub(super) use lead::Somebody;
pub(super) use list::{USUAL_FORM, as_submitted, is_form};

/// How long an `appsecret_time` is good, in seconds.
const PROOF_SECONDS: i64 = 300;

/// What a lead has when no `fields` are asked for.
const DEFAULT_FIELDS: [&str; 3] = ["id", "created_time", "field_data"];

/// Fields of a lead that exist and that no made-up lead fills.
const EMPTY_FIELDS: [&str; 6] =
    ["partner_name", "home_listing", "post", "post_submission_check_result", "retailer_item_id", "vehicle"];

/// Fields that only a form has: asking for one of a lead means that the id was thought to be a form's.
const FORM_FIELDS: [&str; 6] = ["name", "locale", "questions", "tracking_parameters", "status", "leads"];

/// What is answered for an id in place of a made-up lead. `PUT /sandbox/graph/{id}`; the id `*` stands for every other,
/// but for forms that are asked what they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// What to answer.
    pub then: GraphPlay,
    /// For how many calls; for all when absent.
    #[serde(default)]
    pub times: Option<NonZeroU32>,
}

/// What an [`Override`] answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphPlay {
    /// The made-up lead with these fields in place of its own; a `null` takes one away. `fields` is honoured.
    Lead(Map<String, Value>),
    /// An error in Meta's shape.
    Error(GraphError),
    /// Exactly this.
    Answer(Answer),
}

/// An error of the Graph API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphError {
    /// What to decide on.
    pub code: u32,
    /// What to decide on next.
    #[serde(default)]
    pub error_subcode: Option<u32>,
    /// The text.
    #[serde(default = "GraphError::default_message")]
    pub message: String,
    /// The class.
    #[serde(default = "GraphError::default_kind", rename = "type")]
    pub kind: String,
    /// The HTTP status; Meta uses 400 for nearly all.
    #[serde(default = "GraphError::default_status")]
    pub status: u16,
    /// Headers, such as `X-Business-Use-Case-Usage`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl GraphError {
    /// An error with status 400, of type `OAuthException`.
    #[must_use]
    pub fn new(code: u32, message: &str) -> Self {
        Self {
            code,
            error_subcode: None,
            message: message.to_owned(),
            kind: Self::default_kind(),
            status: Self::default_status(),
            headers: BTreeMap::new(),
        }
    }

    fn default_message() -> String {
        "An error the sandbox was told to answer".to_owned()
    }

    fn default_kind() -> String {
        "OAuthException".to_owned()
    }

    const fn default_status() -> u16 {
        400
    }

    fn unknown_object(id: &str) -> Self {
        let message = format!(
            "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, \
             or does not support this operation"
        );
        Self { error_subcode: Some(33), kind: "GraphMethodException".to_owned(), ..Self::new(100, &message) }
    }

    fn unknown_field(field: &str) -> Self {
        Self::new(100, &format!("(#100) Tried accessing nonexisting field ({field}) on node type (LeadgenData)"))
    }
}

impl From<GraphError> for Answer {
    fn from(error: GraphError) -> Self {
        let mut body = json!({"message": error.message, "type": error.kind, "code": error.code});
        if let Some(subcode) = error.error_subcode {
            body["error_subcode"] = json!(subcode);
        }
        body["fbtrace_id"] = json!("Asandbox0000000000000");
        Self { headers: error.headers, ..Self::json(error.status, json!({"error": body})) }
    }
}

impl Override {
    /// Whether it can be sent.
    pub(super) fn check(&self) -> Result<(), FaultsError> {
        match &self.then {
            GraphPlay::Lead(_) => Ok(()),
            GraphPlay::Error(error) => Answer::from(error.clone()).check(),
            GraphPlay::Answer(answer) => answer.check(),
        }
    }
}

/// The overrides in force, by id.
#[derive(Debug, Default)]
pub(super) struct Overrides(BTreeMap<String, Override>);

impl Overrides {
    pub(super) fn put(&mut self, id: String, instead: Override) {
        self.0.insert(id, instead);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// What to play for `id` alone, if anything; counts the call.
    pub(super) fn take_own(&mut self, id: &str) -> Option<GraphPlay> {
        self.0.contains_key(id).then(|| self.take(id)).flatten()
    }

    /// What to play for `id`, if anything; counts the call.
    pub(super) fn take(&mut self, id: &str) -> Option<GraphPlay> {
        let key = if self.0.contains_key(id) { id } else { "*" };
        let instead = self.0.get_mut(key)?;
        let play = instead.then.clone();
        match instead.times.map(|times| NonZeroU32::new(times.get() - 1)) {
            Some(None) => {
                self.0.remove(key);
            }
            left => instead.times = left.flatten(),
        }
        Some(play)
    }
}

/// A `GET /graph/{version}/{id}`, or one of a list of what is there.
#[derive(Debug)]
pub(super) struct GraphCall<'a> {
    pub(super) id: &'a str,
    /// Without the question mark.
    pub(super) query: &'a str,
    pub(super) authorization: Option<&'a str>,
}

impl GraphCall<'_> {
    /// Checks token and proof.
    pub(super) fn admit(&self, settings: &GraphSettings, now: Timestamp) -> Result<(), GraphError> {
        let given = self.parameter("access_token").or_else(|| self.authorization.and_then(bearer).map(str::to_owned));
        let token = given
            .filter(|token| !token.is_empty())
            .ok_or_else(|| GraphError::new(104, "An access token is required to request this resource."))?;
        if settings.access_token.as_ref().is_some_and(|known| known.expose_secret() != token) {
            return Err(GraphError::new(190, "Invalid OAuth access token - Cannot parse access token"));
        }
        match &settings.app_secret {
            Some(secret) => self.prove(secret, &token, now),
            None => Ok(()),
        }
    }

    /// What is answered once the call is admitted. `today` dates made-up leads.
    pub(super) fn answer(&self, play: Option<GraphPlay>, today: Timestamp) -> Answer {
        match play {
            Some(GraphPlay::Answer(answer)) => answer,
            Some(GraphPlay::Error(error)) => error.into(),
            Some(GraphPlay::Lead(changes)) => self.lead(&changes, today).unwrap_or_else(Into::into),
            None => self.known().and_then(|()| self.lead(&Map::new(), today)).unwrap_or_else(Into::into),
        }
    }

    fn prove(&self, secret: &SecretString, token: &str, now: Timestamp) -> Result<(), GraphError> {
        let proof = self
            .parameter("appsecret_proof")
            .ok_or_else(|| GraphError::new(100, "API calls from the server require an appsecret_proof argument"))?;
        let invalid = || GraphError {
            kind: "GraphMethodException".to_owned(),
            ..GraphError::new(100, "Invalid appsecret_proof provided in the API argument")
        };
        let message = match self.parameter("appsecret_time") {
            None => token.to_owned(),
            Some(time) => {
                let age = time.parse::<i64>().map_err(|_| invalid())?.abs_diff(now.as_second());
                if age > PROOF_SECONDS.unsigned_abs() {
                    return Err(invalid());
                }
                format!("{token}|{time}")
            }
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes any key");
        mac.update(message.as_bytes());
        let given = hex::decode(proof).map_err(|_| invalid())?;
        mac.verify_slice(&given).map_err(|_| invalid())
    }

    /// Refuses ids that no lead has: words, and the dashboard's test ids, which are made of fours.
    fn known(&self) -> Result<(), GraphError> {
        if self.id.is_empty() || !self.id.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("(#803) Some of the aliases you requested do not exist: {}", self.id);
            return Err(GraphError::new(803, &message));
        }
        if self.id.bytes().all(|byte| byte == b'4') { Err(GraphError::unknown_object(self.id)) } else { Ok(()) }
    }

    /// The lead with `changes`, cut to the fields that were asked for. The id is always there.
    fn lead(&self, changes: &Map<String, Value>, today: Timestamp) -> Result<Answer, GraphError> {
        let mut lead = lead::made_up(self.id, today);
        lead.extend(changes.clone());
        let asked = self.parameter("fields").map(|fields| names(&fields));
        let asked = asked.unwrap_or_else(|| DEFAULT_FIELDS.map(str::to_owned).to_vec());
        let mut shown = Map::new();
        for field in asked {
            match lead.get(&field) {
                Some(Value::Null) => {}
                Some(value) => {
                    shown.insert(field, value.clone());
                }
                None if lead::FIELDS.contains(&field.as_str()) || EMPTY_FIELDS.contains(&field.as_str()) => {}
                None if FORM_FIELDS.contains(&field.as_str()) => return Err(GraphError::unknown_object(self.id)),
                None => return Err(GraphError::unknown_field(&field)),
            }
        }
        shown.insert("id".to_owned(), json!(self.id));
        Ok(Answer::json(200, Value::Object(shown)))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// The names in `a,b{c,d},e.limit(3)`: what is nested does not matter here.
fn names(fields: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let outer = fields.chars().filter(|c| {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    });
    let outer: String = outer.collect();
    let names = outer.split(',').filter_map(|part| part.split('.').next()).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "konektor-meta-app-secret-0123456789ab";
    const TOKEN: &str = "EAAGm0PX4ZCpsBAKonektorExampleToken";
    const PROOF: &str = "64ab6cfcce6b99640404bb3f804700cfa3038375df28ba1a2212237d750e21b7";
    const TIMED: &str = "73b59b35b5ad865a332bc0755b747f0b009ce3103dd9228a9c60e7b840909397";

    fn now() -> Timestamp {
        Timestamp::from_second(1_795_450_000).unwrap()
    }

    fn call<'a>(id: &'a str, query: &'a str) -> GraphCall<'a> {
        GraphCall { id, query, authorization: Some("Bearer EAAGm0PX4ZCpsBAKonektorExampleToken") }
    }

    fn strict() -> GraphSettings {
        GraphSettings { app_secret: Some(SECRET.into()), access_token: Some(TOKEN.into()) }
    }

    fn code(query: &str, settings: &GraphSettings, at: Timestamp) -> Option<u32> {
        call("1", query).admit(settings, at).err().map(|error| error.code)
    }

    #[test]
    fn a_token_is_needed_and_without_settings_any_will_do() {
        let bare = GraphCall { id: "1", query: "", authorization: None };
        assert_eq!(bare.admit(&GraphSettings::default(), now()).unwrap_err().code, 104);
        assert_eq!(code("", &GraphSettings::default(), now()), None);
        assert_eq!(GraphCall { query: "access_token=x", ..bare }.admit(&GraphSettings::default(), now()), Ok(()));
        assert_eq!(code("access_token=", &GraphSettings::default(), now()), Some(104));
        assert_eq!(code("access_token=other", &strict(), now()), Some(190));
    }

    #[test]
    fn the_proof_is_checked_once_a_secret_is_known() {
        assert_eq!(code("", &strict(), now()), Some(100));
        assert_eq!(code(&format!("appsecret_proof={PROOF}"), &strict(), now()), None);
        assert_eq!(code(&format!("appsecret_proof={TIMED}"), &strict(), now()), Some(100));
        assert_eq!(code("appsecret_proof=zz", &strict(), now()), Some(100));
    }

    #[test]
    fn a_timed_proof_lasts_five_minutes() {
        let query = format!("appsecret_proof={TIMED}&appsecret_time=1795450000");
        let after = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(code(&query, &strict(), after(300)), None);
        assert_eq!(code(&query, &strict(), after(301)), Some(100));
        assert_eq!(code(&query, &strict(), after(-301)), Some(100));
    }

    fn answer(id: &str, query: &str) -> Answer {
        call(id, query).answer(None, now())
    }

    fn shown(answer: &Answer) -> Vec<&str> {
        answer.body.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn only_the_fields_asked_for_are_answered_and_the_id() {
        assert_eq!(shown(&answer("987654321098765", "")), ["id", "created_time", "field_data"]);
        let some = answer("987654321098765", "fields=platform%2Cform_id,partner_name");
        assert_eq!(shown(&some), ["platform", "form_id", "id"]);
        assert_eq!(names("a, b{c,d{e}},f.limit(2,3){g},"), ["a", "b", "f"]);
    }

    #[test]
    fn unknown_objects_fields_and_words_have_their_own_errors() {
        let error = |id: &str, query: &str| {
            let body = answer(id, query).body;
            (body["error"]["code"].as_u64().unwrap(), body["error"]["error_subcode"].as_u64())
        };
        assert_eq!(error("444444444444", ""), (100, Some(33)));
        assert_eq!(error("me", ""), (803, None));
        assert_eq!(error("1", "fields=id,colour"), (100, None));
        assert_eq!(error("1234567890123456", "fields=id,name,questions"), (100, Some(33)));
    }

    #[test]
    fn an_override_is_played_as_often_as_it_says_and_the_star_for_all_others() {
        let once = |code| Override { then: GraphPlay::Error(GraphError::new(code, "x")), times: NonZeroU32::new(1) };
        let mut overrides = Overrides::default();
        overrides.put("1".to_owned(), once(190));
        overrides.put("*".to_owned(), Override { times: None, ..once(4) });
        let mut code = |id: &str| match overrides.take(id) {
            Some(GraphPlay::Error(error)) => error.code,
            other => panic!("{other:?}"),
        };
        assert_eq!([code("1"), code("1"), code("2")], [190, 4, 4]);
    }

    #[test]
    fn an_override_changes_a_lead_and_keeps_the_rest() {
        let play: GraphPlay =
            serde_json::from_value(json!({"lead": {"platform": "ig", "is_organic": null, "field_data": []}})).unwrap();
        let answer = call("444444", "fields=platform,is_organic,field_data,form_id").answer(Some(play), now());
        let expected = json!({"platform": "ig", "field_data": [], "form_id": "1234567890123456", "id": "444444"});
        assert_eq!(answer.body, expected);
    }
}
