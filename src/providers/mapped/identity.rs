//! Which lead an item is, and which event.

use super::document::{self, Target, Told};
use super::labels;
use super::settings::{Person, Settings};
use super::spot::{Delivery, Spot, Spots};
use crate::domain::event::{EventId, Hold, Item};
use crate::domain::external_ref::ExternalRef;
use crate::domain::submission::Meaning;
use crate::providers::form::answers::is_control;
use crate::providers::person::{self, Who};
use crate::providers::unnamed;
use crate::providers::{Unreadable, Verified};

/// What is said of a message that nobody can answer.
pub(super) const NOBODY: &str = "it does not say who wrote it";

/// The item that `delivery` is; `None` when it is no lead: written by a group or the business itself, or without a word, as
/// receipts and reports of a connection are. What the sender itself calls a message is one, also when nothing in it is known.
///
/// # Errors
/// [`Unreadable`]: it does not say who wrote it.
pub(super) fn item(
    settings: &Settings,
    webhook: &Verified,
    delivery: &Delivery<'_>,
    body: &str,
) -> Result<Option<Item>, Unreadable> {
    let hold = hold(settings, delivery);
    let wordless = settings.person.is_some() && !says_something(settings, delivery);
    // Where no word of the sender tells a message from a receipt, what says nothing is a receipt.
    if wordless && settings.accept.is_empty() {
        return Ok(None);
    }
    let mut names = match &settings.person {
        Some(person) => match written_by(person, delivery, webhook.source().as_str()) {
            Some(Writer::Person(names)) => names,
            Some(Writer::Nobody) => return Ok(None),
            // What the sender calls a message is one, whatever it calls what is in it.
            None => return Err(Unreadable(NOBODY.to_owned())),
        },
        None => named(settings, webhook, delivery),
    };
    let event = delivery.name(&settings.event_id);
    let by_content = names.is_empty() && settings.external_ref.by_content;
    let has_event = event.is_some();
    let same_within = match names.first() {
        _ if by_content || has_event => None,
        Some(_) => Some(unnamed::PRESSED_TWICE),
        None => Some(settings.external_ref.same_within()),
    };
    let is_pressed_again = names.is_empty() && same_within.is_some();
    let id = match (names.first(), event) {
        (Some(named), Some(event)) => of_event(webhook, &[word(hold), named.as_str(), &event]),
        (named, event) => match content(settings, webhook, delivery, (hold, named), is_pressed_again)? {
            None => return Ok(None),
            // Of no lead's name: what the sender calls the event may be as good as the time.
            Some(content) => match event {
                Some(event) => of_event(webhook, &[word(hold), &event, &content.to_string()]),
                None => content,
            },
        },
    };
    if names.is_empty() {
        let prefix = prefix(settings, webhook);
        names.push(match by_content || has_event {
            true => ExternalRef::hashed(&prefix, &id.to_string()),
            false => unnamed::external_ref(&prefix, webhook, id),
        });
    }
    let external_ref = names.remove(0);
    Ok(Some(Item { id, same_within, external_ref, aliases: names, hold, body: body.as_bytes().to_vec() }))
}

/// What the lead is called: as its platform calls it, or by the sender's own id, and by each other one that it has besides.
fn named(settings: &Settings, webhook: &Verified, delivery: &Delivery<'_>) -> Vec<ExternalRef> {
    if let Some((shared, id)) = settings.external_ref.shared(delivery) {
        return vec![ExternalRef::new(&shared.prefix.of(webhook.source().as_str()), &id)];
    }
    let Some(id) = delivery.name(&settings.external_ref.id) else { return Vec::new() };
    let mut names = Vec::new();
    for id in std::iter::once(id).chain(delivery.names(&settings.external_ref.also)) {
        let name = ExternalRef::new(&prefix(settings, webhook), &id);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn of_event(webhook: &Verified, parts: &[&str]) -> EventId {
    EventId::of(webhook.source(), &parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
}

fn prefix(settings: &Settings, webhook: &Verified) -> String {
    settings.external_ref.prefix.of(webhook.source().as_str())
}

/// Why it is not forwarded: the sender marks it as a test, a trap was filled in, or it does not say who it is about.
pub(super) fn hold(settings: &Settings, delivery: &Delivery<'_>) -> Hold {
    if settings.test.any_at_all(delivery) {
        Hold::TestLead
    } else if settings.spam.any_at_all(delivery) {
        Hold::Spam
    } else if !settings.who.0.is_empty()
        && delivery.text(&settings.who).is_none()
        && !is_to_be_fetched(settings, delivery)
    {
        Hold::NoContact
    } else {
        Hold::No
    }
}

/// True when who it is will be asked of the sender.
fn is_to_be_fetched(settings: &Settings, delivery: &Delivery<'_>) -> bool {
    settings.fetch.as_ref().is_some_and(|fetch| fetch.lookup(delivery).is_some())
}

/// True when there is a word in it, a picture, an answer, or what brought the person: in what a messenger tells besides there
/// is none. True, too, where nothing says where a message would stand.
pub(super) fn says_something(settings: &Settings, delivery: &Delivery<'_>) -> bool {
    let said = |spots: &Spots| delivery.text(spots).is_some();
    let is_said = |target: &Target| matches!(target, Target::Answer(Meaning::Message | Meaning::Note));
    let mapped: Vec<_> = settings.map.0.iter().filter(|(target, _)| is_said(target)).map(|(_, spots)| spots).collect();
    if settings.message.is_none() && mapped.is_empty() {
        return true;
    }
    let is_answered = |spot: &Spot| delivery.values(spot).into_iter().any(|value| labels::said(value).is_some());
    settings.message.as_ref().is_some_and(|message| message.said(delivery).is_some())
        || mapped.into_iter().any(said)
        || settings.answers.0.iter().filter_map(|answers| answers.at.as_ref()).any(is_answered)
        || settings.attribution.0.iter().any(|(_, spots)| said(spots))
}

fn word(hold: Hold) -> &'static str {
    hold.into()
}

/// What is said, as it counts for sameness: every value but those that differ each time the same is sent. `None` when
/// nothing is. What a person sends again may be spelled otherwise (`is_pressed_again`); what a sender does is not.
fn content(
    settings: &Settings,
    webhook: &Verified,
    delivery: &Delivery<'_>,
    (hold, named): (Hold, Option<&ExternalRef>),
    is_pressed_again: bool,
) -> Result<Option<EventId>, Unreadable> {
    let mut told = Told::default();
    settings.volatile.0.iter().flat_map(|path| path.all(delivery.item)).for_each(|value| told.add(value));
    let leaves = document::rest(delivery.item, "", &told)?;
    let said = leaves.iter().filter(|leaf| !is_control(&leaf.key));
    let value = if is_pressed_again { unnamed::alike } else { unnamed::canonical };
    let said: Vec<_> = said.map(|leaf| (leaf.key.as_str(), value(&leaf.value))).collect();
    let around = [word(hold), named.map_or("", ExternalRef::as_str)];
    Ok((!said.is_empty()).then(|| unnamed::event_id(webhook.source(), &around, said)))
}

/// Who wrote.
enum Writer {
    /// A person, by every name that is given, the first of which is the lead's.
    Person(Vec<ExternalRef>),
    /// A group, or the business itself.
    Nobody,
}

fn written_by(settings: &Person, delivery: &Delivery<'_>, source: &str) -> Option<Writer> {
    let who = people(settings, delivery);
    let number = delivery.text(&settings.number);
    let known = known(settings, delivery);
    let phone = |text: &String| Who::parse(text).filter(|who| matches!(who, Who::Phone(_))).map(&known);
    let ours = number.as_ref().and_then(phone);
    let own = delivery.text(&settings.own).as_ref().and_then(phone);
    if who.contains(&Who::Crowd) || [&ours, &own].into_iter().flatten().any(|ours| who.contains(ours)) {
        return Some(Writer::Nobody);
    }
    let number = ours.and_then(|who| who.id()).or(number);
    let number = number.as_deref().unwrap_or(source);
    who.first()?;
    let mut names = Vec::new();
    for person in who.into_iter().chain(also(settings, delivery)).filter_map(|who| who.id()) {
        let name = person::external_ref(number, &person);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(Writer::Person(names))
}

/// The person, by every name at the places of the id.
pub(super) fn people(settings: &Person, delivery: &Delivery<'_>) -> Vec<Who> {
    let people = writers(settings, &settings.id, delivery);
    if people.is_empty() { writers(settings, &settings.id_else, delivery) } else { people }
}

/// The person, by every name elsewhere.
pub(super) fn also(settings: &Person, delivery: &Delivery<'_>) -> Vec<Who> {
    writers(settings, &settings.phone, delivery)
}

/// Everybody at these places, in their order.
fn writers(settings: &Person, spots: &Spots, delivery: &Delivery<'_>) -> Vec<Who> {
    let who = spots.0.iter().flat_map(|spot| delivery.texts(spot)).filter_map(|text| Who::parse(&text));
    who.map(known(settings, delivery)).collect()
}

/// Who somebody is on the channel of `delivery`: digits are a number only where one of `is_phone` holds.
fn known(settings: &Person, delivery: &Delivery<'_>) -> impl Fn(Who) -> Who + use<> {
    let is_phone = settings.is_phone.is_empty() || settings.is_phone.any_at_all(delivery);
    move |who| match who {
        Who::Phone(digits) if !is_phone => Who::Other(digits),
        who => who,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn what_the_business_wrote_is_no_lead_on_a_channel_whose_ids_are_digits() {
        let settings = Settings::read(toml::toml! {
            external_ref = { prefix = "x:" }
            person = { id = "from", number = "to", is_phone = { path = "channel", equals = "wa" } }
        });
        let settings = settings.unwrap().person.unwrap();
        let written = |channel: &str, from: &str| {
            let item = json!({ "from": from, "to": "6281200009999", "channel": channel });
            match written_by(&settings, &Delivery::of(&item), "x") {
                Some(Writer::Person(names)) => names[0].to_string(),
                Some(Writer::Nobody) => "nobody".to_owned(),
                None => String::new(),
            }
        };
        for channel in ["wa", "line"] {
            assert_eq!(written(channel, "6281200009999"), "nobody", "{channel}");
            assert_eq!(written(channel, "6281200001111"), "wa:6281200009999:6281200001111", "{channel}");
        }
    }
}
