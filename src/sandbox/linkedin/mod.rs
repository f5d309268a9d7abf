//! A small stand-in for LinkedIn's Lead Sync: the answers of a lead, with the form that they belong to.
//!
//! Source: "Lead Sync" on learn.microsoft.com/linkedin. An id that begins with eight zeros is a test lead.

mod list;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::agent::wire::Answer;
use super::graph::{GraphPlay, Somebody};
use super::registry::bearer;
pub(super) use list::{USUAL_TYPE, as_submitted, find};

/// A `GET /linkedin/rest/leadFormResponses/{id}`, or one of the finder, for whom the id is the owner's.
#[derive(Debug)]
pub(super) struct LinkedinCall<'a> {
    pub(super) id: &'a str,
    /// The header `LinkedIn-Version`.
    pub(super) version: Option<&'a str>,
    /// The header `X-Restli-Protocol-Version`.
    pub(super) protocol: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
}

impl LinkedinCall<'_> {
    /// Looks for a token, a version and the protocol in whose language the queries are.
    pub(super) fn admit(&self) -> Result<(), Answer> {
        let has_token = self.authorization.and_then(bearer).is_some_and(|token| !token.is_empty());
        if !has_token {
            return Err(refused(401, "EMPTY_ACCESS_TOKEN", "Empty oauth2 access token"));
        }
        match self.version.map(|version| version.len() == 6 && version.bytes().all(|byte| byte.is_ascii_digit())) {
            Some(true) if self.protocol == Some("2.0.0") => Ok(()),
            Some(true) => Err(refused(400, "ILLEGAL_ARGUMENT", "X-Restli-Protocol-Version 2.0.0 is needed")),
            Some(false) => Err(refused(426, "NONEXISTENT_VERSION", "Requested version is not active")),
            None => Err(refused(400, "VERSION_MISSING", "A version must be present")),
        }
    }

    /// What is answered once the call is admitted. `today` dates made-up leads.
    pub(super) fn answer(&self, play: Option<GraphPlay>, today: Timestamp) -> Answer {
        match play {
            Some(GraphPlay::Answer(answer)) => answer,
            Some(GraphPlay::Error(error)) => error.into(),
            Some(GraphPlay::Lead(changes)) => {
                let mut lead = made_up(self.id, today);
                if let Some(members) = lead.as_object_mut() {
                    members.extend(changes);
                }
                Answer::json(200, lead)
            }
            None => Answer::json(200, made_up(self.id, today)),
        }
    }
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, json!({ "status": status, "code": code, "message": message }))
}

fn text(number: u32, answer: &str) -> Value {
    json!({ "questionId": number, "answerDetails": { "textQuestionAnswer": { "answer": answer } } })
}

fn question(number: u32, name: &str, predefined: Option<&str>) -> Value {
    let mut question = json!({ "questionId": number, "name": name, "question": { "localized": { "id_ID": name } } });
    if let Some(predefined) = predefined {
        question["predefinedField"] = json!(predefined);
    }
    question
}

/// The lead `id`: the same every time.
fn made_up(id: &str, today: Timestamp) -> Value {
    let person = Somebody::of(id);
    json!({
        "id": id,
        "leadType": "SPONSORED",
        "testLead": id.starts_with("00000000"),
        "submittedAt": today.as_millisecond(),
        "owner": { "sponsoredAccount": "urn:li:sponsoredAccount:1234567" },
        "ownerInfo": { "sponsoredAccountInfo": { "name": "Toko Contoh" } },
        "versionedLeadGenFormUrn": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7234246,1)",
        "leadMetadata": { "sponsoredLeadMetadata": { "campaign": "urn:li:sponsoredCampaign:6307653" } },
        "formResponse": {
            "answers": [
                text(1, person.first),
                text(2, person.last),
                text(3, &person.email),
                text(4, &person.phone),
                text(5, person.city),
            ],
            "consentResponses": [{ "accepted": true, "consentId": 1 }],
        },
        "form": {
            "id": 7_234_246,
            "name": "Konsultasi Gratis",
            "hiddenFields": [{ "name": "utm_campaign", "value": "promo-q4" }],
            "creationLocale": { "country": "ID", "language": "id" },
            "content": { "questions": [
                question(1, "Nama depan", Some("FIRST_NAME")),
                question(2, "Nama belakang", Some("LAST_NAME")),
                question(3, "Email", Some("EMAIL")),
                question(4, "Nomor telepon", Some("PHONE_NUMBER")),
                question(5, "Kota Anda?", None),
            ] },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_a_version_are_needed() {
        let call = || LinkedinCall {
            id: "1",
            version: Some("202610"),
            protocol: Some("2.0.0"),
            authorization: Some("Bearer AQX"),
        };
        assert!(call().admit().is_ok());
        let status = |call: LinkedinCall<'_>| call.admit().unwrap_err().status;
        assert_eq!(status(LinkedinCall { authorization: None, ..call() }), 401);
        assert_eq!(status(LinkedinCall { version: None, ..call() }), 400);
        assert_eq!(status(LinkedinCall { version: Some("v2"), ..call() }), 426);
        assert_eq!(status(LinkedinCall { protocol: None, ..call() }), 400);
    }

    #[test]
    fn an_id_has_one_lead_and_zeros_make_it_a_test() {
        let today = Timestamp::from_second(1_795_450_000).unwrap();
        let call =
            |id| LinkedinCall { id, version: None, protocol: None, authorization: None }.answer(None, today).body;
        assert_eq!(call("2495-6"), call("2495-6"));
        assert_ne!(call("2495-6")["formResponse"], call("2495-7")["formResponse"]);
        assert_eq!([&call("2495-6")["testLead"], &call("00000000-6")["testLead"]], [&json!(false), &json!(true)]);
    }
}
