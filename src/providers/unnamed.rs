//! Submissions that their sender gives no id: what makes two of them the same, and which lead each is.
//!
//! The same content within ten minutes is one submission (somebody pressed twice), and later it is a new lead, because
//! nothing tells a resend from a customer who comes back. Who writes it again may write it otherwise: a mobile number with its
//! country code, an address in capitals (`forms-whatsapp.md`, section 1.4).

use std::borrow::Cow;
use std::time::Duration;

use super::Verified;
use crate::domain::event::{EventId, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::phone;

/// How long the same content counts as pressed twice.
pub(super) const PRESSED_TWICE: Duration = Duration::from_secs(600);

/// The id of what was said, in any order. `around` tells apart what is another submission whatever its fields: its kind,
/// its form.
pub(super) fn event_id(source: &SourceName, around: &[&str], mut said: Vec<(&str, Cow<'_, str>)>) -> EventId {
    said.sort_by_key(|(name, _)| *name);
    let around = around.iter().map(|part| part.as_bytes());
    let said = said.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    EventId::of(source, &around.chain(said).collect::<Vec<_>>())
}

/// The lead of such a submission. The time and the request make it another one when the same content comes again next
/// week.
pub(super) fn external_ref(prefix: &str, webhook: &Verified, id: EventId) -> ExternalRef {
    ExternalRef::hashed(prefix, &format!("{id} {} {}", webhook.received(), webhook.kept.request_id))
}

/// A value as it counts for sameness where nothing but the content tells submissions apart.
pub(super) fn alike(text: &str) -> Cow<'_, str> {
    let text = canonical(text);
    match phone::mobile(&text) {
        Some(number) => number.into(),
        None if text.chars().any(char::is_uppercase) => text.to_lowercase().into(),
        None => text,
    }
}

/// A value as it counts for sameness.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.contains('\r') { text.replace("\r\n", "\n").into() } else { text.into() }
}
