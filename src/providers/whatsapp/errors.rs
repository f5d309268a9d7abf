//! The `errors` of a change: of the account, of messages that people sent, of messages that were sent to them. Each has a
//! `code` and a `title`, which are Meta's; `message` and `error_data` may name a person, and are left alone. Source: "Error
//! codes" of the WhatsApp Business Platform's documents.

use super::super::complaint::{About, Complaint};
use super::super::json::Object;

/// The errors in one change.
pub(super) fn of(change: &str) -> Vec<Complaint> {
    let value = Object::parse(change).unwrap_or_default().object("value");
    let mut all = complaints(About::Account, &value);
    for (list, about) in [("messages", About::Received), ("statuses", About::Sent)] {
        let parts = value.list(list).into_iter().filter_map(|raw| Object::parse(raw.get()));
        all.extend(parts.flat_map(|part| complaints(about, &part)));
    }
    all
}

fn complaints(about: About, part: &Object<'_>) -> Vec<Complaint> {
    let errors = part.list("errors").into_iter().filter_map(|raw| Object::parse(raw.get()));
    let text = |error: &Object<'_>, name| error.text(name).unwrap_or_default();
    errors.map(|error| Complaint::new(about, &text(&error, "code"), &text(&error, "title"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_of_a_change_are_found_wherever_they_stand() {
        let change = r#"{"field":"messages","value":{
            "errors":[{"code":130429,"title":"Rate limit hit","message":"+6281234567890"}],
            "messages":[{"from":"6281234567890","errors":[{"code":131051,"title":"Message type unknown"}]},{"id":"m"},7],
            "statuses":[{"recipient_id":"6281234567890","errors":[{"code":"131026"},{"title":"Message undeliverable",
                "error_data":{"details":"Budi"}},null]}]}}"#;
        let found = [
            (About::Account, "130429", "Rate limit hit"),
            (About::Received, "131051", "Message type unknown"),
            (About::Sent, "131026", ""),
            (About::Sent, "", "Message undeliverable"),
        ];
        assert_eq!(of(change), found.map(|(about, code, title)| Complaint::new(about, code, title)));
        for none in ["[]", "", r#"{"value":7}"#, r#"{"value":{"errors":{},"messages":[{"errors":null}]}}"#] {
            assert_eq!(of(none), [], "{none}");
        }
    }
}
