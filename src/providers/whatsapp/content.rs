//! What a message says, by its type: the words for the notes, and answers where it has some.

use serde_json::value::RawValue;

use super::super::json::{self, Object};
use crate::domain::submission::{Answer, Meaning};

/// What stands in the notes for a type that WhatsApp could not pass on.
const UNSUPPORTED: &str = "[unsupported]";

/// The answers of a message. One of them is the [`Meaning::Message`], except in a reply to a Flow, which is a form.
pub(super) fn answers(message: &Object<'_>) -> Vec<Answer> {
    let kind = message.text("type").unwrap_or_else(|| "unsupported".to_owned());
    let content = message.object(&kind);
    let text = match kind.as_str() {
        "text" => content.text("body").unwrap_or_default(),
        "image" | "video" | "document" | "audio" | "sticker" => media(&kind, &content),
        "location" => location(&content),
        "contacts" => contacts(&message.list("contacts")),
        "button" => content.text("text").or_else(|| content.text("payload")).unwrap_or_default(),
        "interactive" => return interactive(&content),
        "order" => return order(&content),
        "unsupported" | "unknown" => UNSUPPORTED.to_owned(),
        newer => format!("[{newer}]"),
    };
    said(text)
}

/// `text` as what the person wrote; nothing when it is empty.
fn said(text: String) -> Vec<Answer> {
    let answer = |text| Answer::new("message", text).label("Message").meaning(Meaning::Message);
    (!text.is_empty()).then(|| answer(text)).into_iter().collect()
}

/// `[image] caption`; the bytes are not fetched.
fn media(kind: &str, content: &Object<'_>) -> String {
    let kind = if content.text("voice").is_some_and(|voice| voice == "true") { "voice message" } else { kind };
    let what = match content.text("filename") {
        Some(name) => format!("[{kind}: {name}]"),
        None => format!("[{kind}]"),
    };
    joined(" ", [Some(what), content.text("caption")])
}

/// `[location] name, address (latitude, longitude)`.
fn location(content: &Object<'_>) -> String {
    let place = joined(", ", [content.text("name"), content.text("address")]);
    let point = joined(", ", [content.text("latitude"), content.text("longitude")]);
    let point = (!point.is_empty()).then(|| format!("({point})"));
    joined(" ", [Some("[location]".to_owned()), Some(place), point])
}

/// `[contact] name number; …`: cards of other people, never the writer's own data.
fn contacts(cards: &[&RawValue]) -> String {
    let card = |raw: &&RawValue| {
        let card = Object::parse(raw.get())?;
        let phones = card.list("phones").into_iter().filter_map(|raw| Object::parse(raw.get())?.text("phone"));
        let name = card.object("name").text("formatted_name");
        Some(joined(" ", name.into_iter().chain(phones).map(Some)))
    };
    let cards = joined("; ", cards.iter().map(card));
    joined(" ", [Some("[contact]".to_owned()), Some(cards)])
}

/// The parts that are there and not empty, joined.
fn joined(by: &str, parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(by)
}

/// A choice from buttons or a list, or a filled-in Flow.
fn interactive(content: &Object<'_>) -> Vec<Answer> {
    let kind = content.text("type").unwrap_or_else(|| "interactive".to_owned());
    let inner = content.object(&kind);
    match kind.as_str() {
        "button_reply" => said(inner.text("title").unwrap_or_default()),
        "list_reply" => {
            let about = inner.text("description").map(|about| format!("({about})"));
            said(joined(" ", [inner.text("title"), about]))
        }
        "nfm_reply" => flow(&inner),
        newer => said(format!("[{newer}]")),
    }
}

/// A filled-in Flow: its answers are JSON inside a string, under the keys that the Flow's author chose.
fn flow(reply: &Object<'_>) -> Vec<Answer> {
    let inner = reply.text("response_json").unwrap_or_default();
    match Object::parse(&inner) {
        Some(fields) => fields.iter().flat_map(|(key, value)| field(key, value)).collect(),
        None => said(inner),
    }
}

/// One field of a Flow; a group of fields is cut into its members, as `group.member`.
fn field(key: &str, value: &RawValue) -> Vec<Answer> {
    // Says which session of the business's own this was: nothing for a person to read.
    if key == "flow_token" {
        return vec![Answer::new(key, json::answer(value)).meaning(Meaning::Drop)];
    }
    let answers = match Object::parse(value.get()) {
        Some(group) => {
            group.iter().map(|(name, value)| Answer::new(format!("{key}.{name}"), json::answer(value))).collect()
        }
        None => vec![Answer::new(key, json::answer(value))],
    };
    answers.into_iter().filter(|answer: &Answer| !answer.value.is_empty()).collect()
}

/// An order from the catalogue: its lines, and what it is worth where it is all in one currency.
fn order(content: &Object<'_>) -> Vec<Answer> {
    let items: Vec<_> = content.list("product_items").into_iter().filter_map(|raw| Object::parse(raw.get())).collect();
    let line = |item: &Object<'_>| {
        let price = joined(" ", [item.text("currency"), item.text("item_price")]);
        let price = (!price.is_empty()).then(|| format!("@ {price}"));
        let count = item.text("quantity").map(|count| format!("{count} ×"));
        Some(joined(" ", [count, item.text("product_retailer_id"), price]))
    };
    let lines = joined("; ", items.iter().map(line));
    let text = joined(" ", [Some("[order]".to_owned()), Some(lines), content.text("text")]);
    let worth = worth(&items)
        .map(|worth| Answer::new("order_total", worth).label("Order total").meaning(Meaning::EstimatedValue));
    said(text).into_iter().chain(worth).collect()
}

/// The currency in which an order is worth something to us: the field is in the workspace's, and no other is known here.
const CURRENCY: &str = "IDR";

/// The sum of price × quantity, as a plain number; `None` when there is none, a price is missing or in another currency.
fn worth(items: &[Object<'_>]) -> Option<String> {
    let mut sum = 0.0;
    for item in items {
        let number = |name: &str| item.text(name)?.parse::<f64>().ok().filter(|number| *number >= 0.0);
        if item.text("currency")? != CURRENCY {
            return None;
        }
        sum += number("item_price")? * number("quantity")?;
    }
    // Whole amounts without decimals: `150000.00` could be read as fifteen million where a dot groups thousands.
    let plain = if sum.fract() == 0.0 { format!("{sum:.0}") } else { format!("{sum:.2}") };
    (sum > 0.0 && sum < 1e15).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &str) -> Vec<(String, String, Option<Meaning>)> {
        let answers = answers(&Object::parse(message).unwrap());
        answers.into_iter().map(|answer| (answer.key, answer.value, answer.meaning)).collect()
    }

    fn text(message: &str) -> String {
        let shown = shown(message);
        assert!(
            shown.len() <= 1 && shown.iter().all(|(_, _, meaning)| *meaning == Some(Meaning::Message)),
            "{shown:?}"
        );
        shown.into_iter().map(|(_, value, _)| value).collect()
    }

    #[test]
    fn every_type_has_words_for_the_notes() {
        for (message, words) in [
            (r#"{"type":"text","text":{"body":"Halo kak"}}"#, "Halo kak"),
            (r#"{"type":"image","image":{"id":"1","mime_type":"image/jpeg","caption":"ini"}}"#, "[image] ini"),
            (r#"{"type":"document","document":{"id":"1","filename":"ktp.pdf"}}"#, "[document: ktp.pdf]"),
            (r#"{"type":"audio","audio":{"id":"1","voice":true}}"#, "[voice message]"),
            (r#"{"type":"audio","audio":{"id":"1","voice":false}}"#, "[audio]"),
            (r#"{"type":"sticker","sticker":{"id":"1"}}"#, "[sticker]"),
            (r#"{"type":"video","video":7}"#, "[video]"),
            (
                r#"{"type":"location","location":{"latitude":-6.2,"longitude":106.816666,"name":"Monas","address":"Jakarta"}}"#,
                "[location] Monas, Jakarta (-6.2, 106.816666)",
            ),
            (r#"{"type":"location","location":{}}"#, "[location]"),
            (
                r#"{"type":"contacts","contacts":[{"name":{"formatted_name":"Rina"},"phones":[{"phone":"+628120000001"}]},{}]}"#,
                "[contact] Rina +628120000001",
            ),
            (r#"{"type":"button","button":{"text":"Ya, mau","payload":"YES"}}"#, "Ya, mau"),
            (r#"{"type":"button","button":{"payload":"YES"}}"#, "YES"),
            (
                r#"{"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"1","title":"Harga"}}}"#,
                "Harga",
            ),
            (
                r#"{"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"1","title":"Paket A","description":"3 kamar"}}}"#,
                "Paket A (3 kamar)",
            ),
            (r#"{"type":"interactive","errors":[{"code":131051}]}"#, "[interactive]"),
            (r#"{"type":"interactive","interactive":{"type":"call_permission_reply"}}"#, "[call_permission_reply]"),
            (r#"{"type":"unsupported","errors":[{"code":131051}]}"#, "[unsupported]"),
            (r#"{"type":"unknown"}"#, "[unsupported]"),
            (r"{}", "[unsupported]"),
            (r#"{"type":"hologram"}"#, "[hologram]"),
            (r#"{"type":"text","text":{}}"#, ""),
        ] {
            assert_eq!(text(message), words, "{message}");
        }
    }

    #[test]
    fn a_flow_is_read_as_the_form_it_is() {
        let reply = r#"{"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent",
            "response_json":"{\"flow_token\":\"t\",\"nama\":\"Ayu\",\"minat\":[\"Rumah\",\"Ruko\"],\"setuju\":true,\"kosong\":\"\",\"alamat\":{\"kota\":\"Solo\",\"no\":12345678901234567890}}"}}}"#;
        let answer = |key: &str, value: &str, meaning| (key.to_owned(), value.to_owned(), meaning);
        assert_eq!(
            shown(reply),
            [
                answer("flow_token", "t", Some(Meaning::Drop)),
                answer("nama", "Ayu", None),
                answer("minat", "Rumah, Ruko", None),
                answer("setuju", "Ya", None),
                answer("alamat.kota", "Solo", None),
                answer("alamat.no", "12345678901234567890", None),
            ]
        );
    }

    #[test]
    fn a_flow_whose_answers_are_no_object_stays_as_text() {
        let reply =
            r#"{"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":"{broken"}}}"#;
        assert_eq!(text(reply), "{broken");
    }

    fn order_of(items: &str) -> Vec<(String, String, Option<Meaning>)> {
        shown(&format!(
            r#"{{"type":"order","order":{{"catalog_id":"1","text":"cepat ya","product_items":[{items}]}}}}"#
        ))
    }

    #[test]
    fn an_order_is_worth_the_sum_of_its_lines() {
        let shown = order_of(
            r#"{"product_retailer_id":"SKU-1","quantity":2,"item_price":150000,"currency":"IDR"},
               {"product_retailer_id":"SKU-2","quantity":"1","item_price":"25000.0","currency":"IDR"}"#,
        );
        assert_eq!(shown[0].1, "[order] 2 × SKU-1 @ IDR 150000; 1 × SKU-2 @ IDR 25000.0 cepat ya");
        assert_eq!(shown[1], ("order_total".into(), "325000".into(), Some(Meaning::EstimatedValue)));
    }

    #[test]
    fn an_order_in_another_currency_or_without_a_price_is_worth_nothing_known() {
        for items in [
            r#"{"quantity":2,"item_price":1,"currency":"IDR"},{"quantity":2,"item_price":1,"currency":"USD"}"#,
            r#"{"quantity":2,"item_price":1,"currency":"USD"}"#,
            r#"{"quantity":2,"currency":"IDR"}"#,
            r#"{"quantity":2,"item_price":"NaN","currency":"IDR"}"#,
            r#"{"quantity":-2,"item_price":5,"currency":"IDR"}"#,
            r#"{"quantity":2,"item_price":1e300,"currency":"IDR"}"#,
            "",
        ] {
            assert_eq!(order_of(items).len(), 1, "{items}");
        }
    }
}
