//! Messages that lie in others: WhatsApp wraps what disappears, what may be seen once and more, and gateways pass it on so:
//! `{"ephemeralMessage": {"message": {"conversation": "halo"}}}`.

use serde::Deserialize;

use super::path::Path;
use super::settings::Many;
use super::value::{Members, Value};

/// Where messages stand that may lie in others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wrapped {
    /// Where an item stands in the whole.
    at: Many<Path>,
    /// The member of an item, and of each wrapper, that is the message.
    message: String,
    /// The member of an item that names its kind of message: it becomes that of what was wrapped.
    kind: String,
    /// Wrappers that stay closed: what is in them is no message of its own.
    #[serde(default)]
    closed: Many<String>,
    /// Members of a message that are not its kind.
    #[serde(default)]
    beside: Many<String>,
}

impl Wrapped {
    /// Opens every wrapper, so that what was wrapped stands where it would stand alone.
    pub(super) fn open(&self, whole: &mut Value<'_>) {
        self.at.0.iter().for_each(|path| path.change(whole, &mut |item| self.open_in(item)));
    }

    fn open_in(&self, item: &mut Value<'_>) {
        let Some(message) = item.get_mut(&self.message) else { return };
        let mut kind = None;
        while let Some(Value::Object(mut inner)) = self.taken_out(message) {
            kind = self.kind_of(&inner).or(kind);
            if let Value::Object(outer) = message.take() {
                inner.add_missing(outer);
            }
            *message = Value::Object(inner);
        }
        if let (Some(kind), Some(item)) = (kind, item.as_object_mut()) {
            *item.or_insert(&self.kind, || Value::Null) = kind.into();
        }
    }

    /// The message in a wrapper, which is left without it.
    fn taken_out<'t>(&self, message: &mut Value<'t>) -> Option<Value<'t>> {
        let wrappers = message.as_object_mut()?.iter_mut().filter(|(name, _)| !is_in(&self.closed, name));
        let mut messages = wrappers.filter_map(|(_, wrapper)| wrapper.get_mut(&self.message));
        messages.find(|inner| inner.is_object()).map(Value::take)
    }

    fn kind_of(&self, message: &Members<'_>) -> Option<String> {
        let said = message.iter().filter(|(name, part)| !part.is_null() && !is_in(&self.beside, name));
        said.map(|(name, _)| name.to_owned()).next()
    }
}

fn is_in(names: &Many<String>, name: &str) -> bool {
    names.0.iter().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    fn opened(message: &Value<'static>, kind: &str) -> (Value<'static>, String) {
        let wrapped: Wrapped = toml::from_str(
            "at = ['data', 'data[*]']\nmessage = 'message'\nkind = 'type'\nclosed = 'edited'\nbeside = 'context'",
        )
        .unwrap();
        let mut alone = json!({"data": {"message": message, "type": kind}});
        let mut listed = json!({"data": [{"message": message, "type": kind}]});
        wrapped.open(&mut alone);
        wrapped.open(&mut listed);
        assert_eq!(listed.get("data").unwrap().at(0), alone.get("data"));
        let data = alone.get("data").unwrap();
        (data.get("message").unwrap().clone(), data.get("type").unwrap().as_str().unwrap().to_owned())
    }

    #[test]
    fn what_is_wrapped_stands_as_it_would_alone() {
        let text = json!({"context": {"a": 1}, "text": {"text": "halo"}});
        let (message, kind) = opened(&json!({"gone": {"message": text}, "url": "x"}), "gone");
        assert_eq!((message.get("text"), message.get("url")), (text.get("text"), Some(&json!("x"))));
        assert_eq!(kind, "text");
        let (message, kind) = opened(&json!({"gone": {"message": {"once": {"message": text}}}}), "gone");
        assert_eq!((message.get("text"), kind.as_str()), (text.get("text"), "text"));
        let (message, kind) = opened(&json!({"gone": {"message": {"gone": {"message": text}}}}), "gone");
        assert_eq!((message.get("text"), kind.as_str()), (text.get("text"), "text"));
    }

    #[test]
    fn what_stays_closed_or_wraps_nothing_is_as_it_came() {
        for (message, kind) in [
            (json!({"text": {"text": "halo"}}), "text"),
            (json!({"edited": {"message": {"text": "halo"}}}), "edited"),
            (json!({"gone": {"message": "halo"}}), "gone"),
            (json!({"gone": {"message": null}}), "gone"),
            (json!("halo"), "text"),
            (json!([]), "list"),
        ] {
            assert_eq!(opened(&message, kind), (message.clone(), kind.to_owned()));
        }
        assert_eq!(opened(&json!({"gone": {"message": {"edited": {"message": {"text": "x"}}}}}), "gone").1, "edited");
        assert_eq!(opened(&json!({"gone": {"message": {"context": 1}}}), "gone").1, "gone");
    }
}
