//! What a person says, as a messenger's gateway tells it, in one line: `[image] caption (https://…)`.

use serde::Deserialize;

use super::labels;
use super::settings::Many;
use super::spot::{Delivery, Spot, Spots};

/// Where the parts of a message stand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// What the person wrote or chose.
    pub(super) text: Spots,
    /// The sender's word for the kind of message.
    #[serde(default)]
    pub(super) kind: Spots,
    /// Kinds of which only the text is shown, in any case.
    #[serde(default)]
    pub(super) plain: Many<String>,
    /// Places that are there for one kind only, for senders that have no word for it: their own name is the kind.
    #[serde(default)]
    pub(super) kinds: Spots,
    /// What belongs to it: a file, a place on the map.
    #[serde(default)]
    pub(super) with: Spots,
}

impl Message {
    /// The message; `None` when it says nothing.
    pub(super) fn said(&self, delivery: &Delivery<'_>) -> Option<String> {
        let kind = delivery.text(&self.kind).map(|kind| kind_of(&kind)).or_else(|| named(&self.kinds, delivery));
        let is_plain = |kind: &String| self.plain.0.iter().any(|plain| kind_of(plain) == *kind);
        let kind = kind.filter(|kind| !is_plain(kind)).map(|kind| format!("[{kind}]"));
        let with = self.with.0.iter().flat_map(|spot| delivery.texts(spot)).collect::<Vec<_>>().join(", ");
        let with = (!with.is_empty()).then(|| format!("({with})"));
        let parts: Vec<_> = [kind, delivery.text(&self.text), with].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// The places of all its parts.
    pub(super) fn spots(&self) -> impl Iterator<Item = &Spots> {
        [&self.text, &self.kind, &self.kinds, &self.with].into_iter()
    }
}

/// The name of the first of `spots` at which something stands.
fn named(spots: &Spots, delivery: &Delivery<'_>) -> Option<String> {
    let filled = |spot: &&Spot| delivery.values(spot).into_iter().any(|value| labels::said(value).is_some());
    spots.0.iter().find(filled).map(|spot| kind_of(&spot.label()))
}

/// A kind of message as a person reads it: `imageMessage` and `IMAGE` are `image`.
fn kind_of(word: &str) -> String {
    let word = word.trim();
    let bare = word.strip_suffix("Message").filter(|bare| !bare.is_empty()).unwrap_or(word);
    bare.replace('_', " ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::{Value, json};

    fn said(item: &Value) -> Option<String> {
        let settings = "text = ['body', 'caption']\nkind = 'type'\nplain = ['text', 'list_reply']\n\
            kinds = ['video_note', 'place']\nwith = ['url', 'place.*']";
        toml::from_str::<Message>(settings).unwrap().said(&Delivery::of(item))
    }

    #[test]
    fn a_message_is_told_in_one_line() {
        for (item, line) in [
            (json!({"type": "text", "body": "halo"}), Some("halo")),
            (json!({"type": "LIST_REPLY", "body": "Paket A"}), Some("Paket A")),
            (json!({"type": "textMessage", "body": "halo"}), Some("halo")),
            (json!({"body": "halo", "url": "https://a.example/x"}), Some("halo (https://a.example/x)")),
            (
                json!({"type": "imageMessage", "caption": "ini", "url": "https://a.example/x"}),
                Some("[image] ini (https://a.example/x)"),
            ),
            (json!({"type": "STICKER"}), Some("[sticker]")),
            (json!({"video_note": "a.mp4"}), Some("[video note]")),
            (json!({"video_note": null, "place": {"name": "Monas", "lat": -6.2}}), Some("[place] (Monas, -6.2)")),
            (json!({"type": "text", "body": " "}), None),
            (json!({}), None),
        ] {
            assert_eq!(said(&item).as_deref(), line, "{item}");
        }
    }
}
