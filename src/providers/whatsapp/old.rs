//! The envelope of the WhatsApp Business API that businesses ran themselves (On-Premises, until October 2025): `contacts`
//! and `messages` at the top. Relays may still send it.

use super::super::Verified;
use super::super::json::Object;

/// What tells it from Meta's envelope.
const MEMBERS: [&str; 3] = ["messages", "contacts", "statuses"];

/// The change that such a webhook would be at the Cloud API; `None` when it is another one. It does not say to which number
/// people wrote: the source stands for that.
pub(super) fn change(webhook: &Verified) -> Option<String> {
    let body = Object::parse(std::str::from_utf8(webhook.body()).ok()?)?;
    let has = |name: &&str| body.get(name).is_some();
    if has(&"object") || has(&"entry") || !MEMBERS.iter().any(has) {
        return None;
    }
    let member = |name: &str| body.get(name).map(|raw| format!(r#","{name}":{}"#, raw.get())).unwrap_or_default();
    let (contacts, messages) = (member("contacts"), member("messages"));
    Some(format!(r#"{{"value":{{"metadata":{{"phone_number_id":"{}"}}{contacts}{messages}}}}}"#, webhook.source()))
}
