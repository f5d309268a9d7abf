//! Reading one message: what it says, who wrote it, and which ad brought the person.

use jiff::Timestamp;

use serde_json::value::RawValue;

use super::super::json::{Id, Object};
use super::super::person::is_number;
use super::super::{Reading, Unreadable};
use super::content;
use super::split::{DASHBOARD_TEST, Stored, Writer};
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::{Fact, Profile, Submission};

/// Reads a [`Stored`] message.
///
/// # Errors
/// [`Unreadable`] when it is something else, or names nobody who wrote it.
pub(super) fn reading(body: &[u8]) -> Result<Reading, Unreadable> {
    let item = serde_json::from_slice::<Stored<'_>>(body).map_err(|_| Unreadable("the item is no message".into()))?;
    let writer = Writer::of_stored(&item)
        .ok_or_else(|| Unreadable("the message does not say who wrote it, or to which number".into()))?;
    let phone = writer.phone.map(|Id(phone)| phone.into_owned()).filter(|phone| is_number(phone));
    let user_id = writer.user_id.map(|Id(user)| user.into_owned());
    let (message, contact, metadata) = (object(Some(item.message)), object(item.contact), object(item.metadata));
    let sender_id = phone.clone().or_else(|| user_id.clone()).unwrap_or_default();
    let referral = message.object("referral");
    let submission = Box::new(Submission {
        answers: content::answers(&message),
        profile: profile(&contact, phone),
        attribution: attribution(&referral),
        facts: facts(&metadata, &message, &referral, user_id),
        // A click on a post is no proof of a paid one.
        ad_platform: referral.text("source_type").filter(|kind| kind == "ad").map(|_| AdPlatform::Meta),
        source: Some(LeadSource::Whatsapp),
        submitted_at: written(&message),
        sender_id,
        ..Submission::default()
    });
    let is_test = message.text("id").is_some_and(|id| id == DASHBOARD_TEST);
    Ok(if is_test { Reading::Test(submission) } else { Reading::Lead(submission) })
}

/// A part of the item; an empty object where it is missing or something else.
fn object(raw: Option<&RawValue>) -> Object<'_> {
    raw.and_then(|raw| Object::parse(raw.get())).unwrap_or_default()
}

/// What the person calls themselves on WhatsApp: nobody asked for it, so it is only a guess.
fn profile(contact: &Object<'_>, phone: Option<String>) -> Profile {
    let shown = contact.object("profile");
    Profile { name: shown.text("name"), username: shown.text("username"), phone, email: None }
}

/// The click that brought the person: on the first message after it only.
fn attribution(referral: &Object<'_>) -> Vec<Fact> {
    let line = |name: &str| Some(Fact::new(name, referral.text(name)?));
    ["ctwa_clid", "source_type", "source_url"].into_iter().filter_map(line).collect()
}

/// Business number, user id, the ad or post, the product asked about and media, for the notes.
fn facts(metadata: &Object<'_>, message: &Object<'_>, referral: &Object<'_>, user_id: Option<String>) -> Vec<Fact> {
    let what = referral.text("source_type").filter(|kind| kind == "post").map_or("Ad", |_| "Post");
    let product = message.object("context").object("referred_product");
    let media = message.object(&message.text("type").unwrap_or_default());
    let lines = [
        ("Business number", metadata.text("display_phone_number")),
        ("WhatsApp user id", user_id),
        (what, referral.text("source_id")),
        ("Headline", referral.text("headline")),
        ("Ad text", referral.text("body")),
        ("Greeting", referral.object("welcome_message").text("text")),
        ("Product", product.text("product_retailer_id")),
        ("Media id", media.text("mime_type").and_then(|_| media.text("id"))),
    ];
    lines.into_iter().filter_map(|(label, value)| Some(Fact::new(label, value?))).collect()
}

/// When the person wrote, by WhatsApp's clock: Unix seconds, as a string. After an outage this is days before receipt.
fn written(message: &Object<'_>) -> Option<Timestamp> {
    Timestamp::from_second(message.text("timestamp")?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compose::compose;
    use crate::domain::external_ref::ExternalRef;
    use crate::domain::region::Region;
    use crate::domain::rules::Rules;

    fn read(item: &str) -> Submission {
        match reading(item.as_bytes()).unwrap() {
            Reading::Lead(submission) => *submission,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_user_id_is_never_taken_for_a_number() {
        let submission =
            read(r#"{"metadata":{"phone_number_id":1},"contact":{"user_id":"ID.1"},"message":{"from":"ID.1"}}"#);
        assert_eq!((submission.profile.phone, submission.sender_id.as_str()), (None, "ID.1"));
    }

    #[test]
    fn a_number_that_is_typed_into_a_flow_is_the_leads_and_the_writers_own_is_in_the_notes() {
        let answers = r#"{\"nama\":\"Ayu\",\"no_hp\":\"0812 9999 2222\"}"#;
        let message = format!(
            r#"{{"from":"6281200001111","type":"interactive","interactive":{{"type":"nfm_reply","nfm_reply":{{"response_json":"{answers}"}}}}}}"#
        );
        let submission = read(&format!(r#"{{"metadata":{{"phone_number_id":1}},"message":{message}}}"#));
        let external_ref = ExternalRef::new("wa:1:", "6281200001111");
        let lead = compose(&submission, &external_ref, &Rules::default(), Region::INDONESIA);
        assert_eq!(lead.for_create().phone.as_deref(), Some("+6281299992222"));
        assert!(lead.notes.render().contains("Sender's number: 6281200001111"), "{}", lead.notes.render());
    }

    #[test]
    fn a_message_of_nobody_is_unreadable() {
        for bad in ["", "[]", r#"{"id":"m1"}"#, r#"{"metadata":{},"contact":null,"message":{"type":"text"}}"#] {
            assert!(reading(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_click_on_an_ad_is_credited_to_meta() {
        let platform = |kind| {
            let message = format!(r#"{{"from":"621","referral":{{"source_type":"{kind}","source_id":"9"}}}}"#);
            read(&format!(r#"{{"metadata":{{"phone_number_id":1}},"message":{message}}}"#)).ad_platform
        };
        assert_eq!((platform("ad"), platform("post")), (Some(AdPlatform::Meta), None));
    }
}
