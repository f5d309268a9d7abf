//! An item read: what it says, nothing lost. What a setting names goes where it says; everything else becomes an answer,
//! or a technical line for the notes.

use jiff::Timestamp;

use super::document::{self, Leaf, Target, Told};
use super::filter::Filter;
use super::identity;
use super::labels::{self, Entry};
use super::settings::{AmountElse, Answers, Kind, Known, Paid, Settings};
use super::spot::{Delivery, Spot, Spots};
use super::value::Value;
use crate::domain::attribution;
use crate::domain::event::Hold;
use crate::domain::external_ref::ExternalRef;
use crate::domain::money;
use crate::domain::status::LeadSource;
use crate::domain::submission::{Answer, FORM, FORM_ID, Fact, Meaning, Payment, Profile, Submission};
use crate::providers::person::Who;
use crate::providers::{Reading, Unreadable};

/// What a message says of which nothing is known but that a person sent it.
const UNKNOWN_MESSAGE: &str = "[message]";

/// Reads one item.
///
/// # Errors
/// [`Unreadable`]: it has too many values.
pub(super) fn reading(
    settings: &Settings,
    delivery: &Delivery<'_>,
    external_ref: &ExternalRef,
) -> Result<Reading, Unreadable> {
    if settings.person.as_ref().is_some_and(|person| identity::people(person, delivery).is_empty()) {
        return Err(Unreadable(identity::NOBODY.to_owned()));
    }
    let mut reader = Reader { settings, delivery, told: Told::default(), submission: Submission::default() };
    reader.mapped();
    reader.message();
    reader.person();
    reader.profile();
    reader.known();
    reader.answers()?;
    reader.rest()?;
    let mut submission = reader.submission;
    submission.sender_id = external_ref.as_str().rsplit(':').next().unwrap_or_default().to_owned();
    let shared = settings.external_ref.shared(delivery).and_then(|(shared, _)| shared.ad_platform);
    submission.ad_platform = submission.ad_platform.or(shared).or(settings.ad_platform);
    submission.ad_platform_else = settings.ad_platform_else;
    let usual = match (&settings.person, shared) {
        (Some(_), _) => LeadSource::Whatsapp,
        (None, Some(_)) => LeadSource::Ads,
        (None, None) => LeadSource::Website,
    };
    submission.source = submission.source.or(settings.source).or(Some(usual));
    submission.payment = settings.payment.as_ref().and_then(|paid| payment(paid, delivery));
    let submission = Box::new(submission);
    Ok(match identity::hold(settings, delivery) {
        Hold::TestLead => Reading::Test(submission),
        Hold::Spam => Reading::Spam(submission),
        Hold::NoContact => Reading::Nobody(submission),
        Hold::No
        | Hold::SourceOnHold
        | Hold::NotAccepted
        | Hold::IgnoreRule
        | Hold::TestRule
        | Hold::JunkRule
        | Hold::HoldRule
        | Hold::DeletedAtSender => Reading::Lead(submission),
    })
}

struct Reader<'s, 'v> {
    settings: &'s Settings,
    delivery: &'s Delivery<'v>,
    told: Told,
    submission: Submission,
}

impl<'v> Reader<'_, 'v> {
    /// What the `map` names. It stands before all other answers, so that it is what fills the fields.
    fn mapped(&mut self) {
        for (target, spots) in &self.settings.map.0 {
            match target {
                Target::Answer(meaning @ (Meaning::Attribution | Meaning::Note | Meaning::Drop)) => {
                    spots.0.iter().for_each(|spot| self.every(spot, *meaning));
                }
                other => self.first(*other, spots),
            }
        }
    }

    /// All that stands at `spot`, and below it.
    fn every(&mut self, spot: &Spot, meaning: Meaning) {
        for value in self.delivery.values(spot) {
            let leaves = document::rest(value, "", &self.told).unwrap_or_default();
            let named = |leaf: &Leaf| match leaf.key.as_str() {
                "" => spot.label(),
                key if key.starts_with('[') => format!("{}{key}", spot.label()),
                key => key.to_owned(),
            };
            for leaf in leaves {
                let label = named(&leaf);
                match meaning {
                    Meaning::Drop => {}
                    Meaning::Attribution => self.submission.attribution.push(Fact::new(label, leaf.value)),
                    _ => self.submission.answers.push(Answer::new(label, leaf.value).meaning(meaning)),
                }
            }
            self.told.add(value);
        }
    }

    /// The first filled place of `spots`. What cannot be what the map promises is left for the notes.
    fn first(&mut self, target: Target, spots: &Spots) {
        let found = spots.0.iter().find_map(|spot| self.said_at(spot));
        let Some((spot, value, text)) = found else { return };
        let word = text.trim().to_ascii_lowercase();
        let submission = &mut self.submission;
        let taken = match target {
            Target::Answer(meaning) => {
                let answer = Answer::new(spot.to_string(), text).label(spot.label()).meaning(meaning);
                submission.answers.push(answer);
                !spot.is_part()
            }
            Target::AdPlatform => {
                let platform = word.parse().ok().or_else(|| attribution::network(&word));
                submission.ad_platform = platform.or(submission.ad_platform);
                platform.is_some()
            }
            Target::Source => word.parse().map(|source| submission.source = Some(source)).is_ok(),
            Target::SubmittedAt => {
                submission.submitted_at = time(&text);
                submission.submitted_at.is_some()
            }
            Target::Event | Target::Id => true,
        };
        if let Some(value) = value.filter(|_| taken) {
            self.told.add(value);
        }
    }

    /// The first filled value at `spot`, and what it says.
    fn said_at<'s>(&self, spot: &'s Spot) -> Option<(&'s Spot, Option<&'v Value<'v>>, String)> {
        if spot.is_part() {
            return self.delivery.texts(spot).into_iter().next().map(|text| (spot, None, text));
        }
        let mut values = self.delivery.values(spot).into_iter();
        values.find_map(|value| Some((spot, Some(value), self.separated(labels::said(value)?))))
    }

    /// What a person wrote or sent.
    fn message(&mut self) {
        let Some(message) = &self.settings.message else { return };
        let said = message.said(self.delivery);
        let nothing_known = || !identity::says_something(self.settings, self.delivery);
        if let Some(said) = said.or_else(|| nothing_known().then(|| UNKNOWN_MESSAGE.to_owned())) {
            self.submission.answers.push(Answer::new("message", said).label("Message").meaning(Meaning::Message));
        }
        message.spots().for_each(|spots| self.tell_all(spots));
    }

    /// Who wrote: nobody asked, so it is only a guess.
    fn person(&mut self) {
        let Some(person) = &self.settings.person else { return };
        let everybody = [identity::people(person, self.delivery), identity::also(person, self.delivery)];
        let number = |who: &Who| match who {
            Who::Phone(digits) => Some(digits.clone()),
            Who::User(_) | Who::Hidden(_) | Who::Other(_) | Who::Crowd => None,
        };
        let name = |spots: &Spots| self.delivery.text(spots).filter(|name| is_name(name));
        let profile = Profile {
            name: name(&person.name),
            username: name(&person.username),
            phone: everybody.iter().flatten().find_map(number),
            email: None,
        };
        for who in everybody.iter().flatten() {
            let label = match who {
                Who::User(_) => "WhatsApp user id",
                Who::Hidden(_) => "WhatsApp hidden id",
                // Digits where a number could have stood: the name of the lead is all else that says them.
                Who::Other(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => "Person's id",
                Who::Phone(_) | Who::Other(_) | Who::Crowd => continue,
            };
            let fact = who.id().map(|id| Fact::new(label, id));
            self.submission.facts.extend(fact.filter(|fact| !self.submission.facts.contains(fact)));
        }
        let ours =
            self.delivery.text(&person.own).or_else(|| self.delivery.text(&person.number)).map(
                |text| match Who::parse(&text) {
                    Some(Who::Phone(digits)) => Fact::new("Business number", digits),
                    Some(_) | None => Fact::new("Business account", text),
                },
            );
        self.submission.facts.extend(ours);
        [&person.own, &person.number].into_iter().for_each(|spots| self.tell_all(spots));
        self.submission.profile = profile;
        for spots in [&person.id, &person.id_else, &person.phone, &person.name, &person.username] {
            self.tell_all(spots);
        }
    }

    /// What the sender knows besides.
    fn profile(&mut self) {
        let Known { name, email, phone } = &self.settings.profile;
        let [named, reached, called] = [name, email, phone].map(|spots| self.delivery.text(spots));
        let profile = &mut self.submission.profile;
        profile.name = profile.name.take().or(named.filter(|name| is_name(name)));
        profile.email = profile.email.take().or(reached);
        profile.phone = profile.phone.take().or(called);
        [name, email, phone].into_iter().for_each(|spots| self.tell_all(spots));
    }

    /// Ids and the values of filters, which say nothing to a reader, and the lines that `facts` names.
    fn known(&mut self) {
        let settings = self.settings;
        self.fact(FORM, &settings.form_name);
        self.fact(FORM_ID, &settings.form_id);
        for (label, spots) in &settings.facts.0 {
            self.fact(label, spots);
        }
        for (label, spots) in &settings.attribution.0 {
            let line = self.delivery.text(spots).map(|text| Fact::new(label, text));
            self.submission.attribution.extend(line);
            self.tell_all(spots);
        }
        let filters = [&settings.accept, &settings.ignore, &settings.test, &settings.spam];
        let filtered = filters.into_iter().flat_map(|filters| filters.iter().filter(|filter| filter.is_known()));
        let ids = settings.event_id.spots().chain(settings.external_ref.id.spots());
        let spots: Vec<_> = filtered.flat_map(Filter::spots).chain(ids).filter(|spot| !spot.is_part()).collect();
        let values = spots.into_iter().flat_map(|spot| self.delivery.values(spot));
        values.filter(|value| !value.is_object() && !value.is_array()).for_each(|value| self.told.add(value));
    }

    fn fact(&mut self, label: &str, spots: &Spots) {
        let texts = spots.0.iter().map(|spot| self.delivery.texts(spot)).find(|texts| !texts.is_empty());
        self.submission.facts.extend(texts.map(|texts| Fact::new(label, texts.join(", "))));
        self.tell_all(spots);
    }

    fn tell_all(&mut self, spots: &Spots) {
        let whole = spots.0.iter().filter(|spot| spot.is_all_or_nothing());
        let there = whole.filter(|spot| !spot.is_part() || !self.delivery.texts(spot).is_empty());
        there.flat_map(|spot| self.delivery.values(spot)).for_each(|value| self.told.add(value));
    }

    /// The questions and answers.
    fn answers(&mut self) -> Result<(), Unreadable> {
        let plain = [Answers { kind: Kind::Names, at: None, key: None, label: None, value: None, type_of: None }];
        let described = &self.settings.answers.0;
        // Of a message nothing is an answer that is not described as one.
        let is_form = described.is_empty() && self.settings.person.is_none();
        let described = if is_form { &plain[..] } else { described };
        for answers in described {
            for entry in labels::entries(answers, self.delivery, &mut self.told)? {
                self.answer(entry);
            }
        }
        Ok(())
    }

    fn answer(&mut self, entry: Entry) {
        let meaning = self.settings.types.get(&entry.kind).map(|means| means.0);
        let value = self.separated(entry.value);
        self.submission.answers.push(Answer { key: entry.key, label: entry.label, value, meaning });
    }

    /// Whatever nobody has asked for: attribution where its name says so, else technical lines.
    fn rest(&mut self) -> Result<(), Unreadable> {
        let mut leaves = document::rest(self.delivery.item, "", &self.told)?;
        self.told.add(self.delivery.item);
        leaves.extend(document::rest(self.delivery.whole, "", &self.told)?);
        for leaf in leaves {
            let label = document::answer(&leaf.key, String::new()).label;
            let name = label.rsplit('.').next().unwrap_or_default().to_owned();
            let submission = &mut self.submission;
            if attribution::is_label(&name) {
                submission.attribution.push(Fact::new(name, leaf.value));
            } else {
                submission.facts.push(Fact::new(label, leaf.value));
            }
        }
        Ok(())
    }

    fn separated(&self, text: String) -> String {
        let text = match &self.settings.separator {
            Some(separator) => text.replace(separator.as_str(), ", "),
            None => text,
        };
        let mut prefixes = self.settings.strip.0.iter();
        let stripped = prefixes.find_map(|prefix| {
            text.trim_start()
                .strip_prefix(prefix.as_str())
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '+'))
        });
        stripped.map(str::to_owned).unwrap_or(text)
    }
}

/// The payment that the sender tells of. One with an amount that could be read in two ways is none: `won` without its amount
/// fires a purchase of nothing. The text is in the notes, for a person to decide.
fn payment(paid: &Paid, delivery: &Delivery<'_>) -> Option<Payment> {
    if !paid.when.all_of_them(delivery) {
        return None;
    }
    let said = delivery.text(&paid.amount).filter(|_| paid.amount_when.all_of_them(delivery));
    let values = paid.amount.0.iter().flat_map(|spot| delivery.values(spot));
    // A number of JSON's can be read in one way only.
    let mut numbers = values.filter(|value| value.is_number()).filter_map(document::word);
    let amount = match said {
        Some(text) if numbers.any(|number| number == text) => {
            Some(text.parse().ok().filter(|amount| (0.0..=money::MAX).contains(amount))?)
        }
        Some(text) => Some(money::parse(&text)?),
        None => None,
    };
    let as_estimated = paid.amount_else == Some(AmountElse::EstimatedValue);
    Some(Payment { amount, as_estimated, reference: delivery.name(&paid.reference) })
}

/// False for a number or an id where a name should be: gateways put those there for people without a name.
fn is_name(text: &str) -> bool {
    match Who::parse(text) {
        Some(Who::Other(other)) => !other.contains('@'),
        Some(Who::Phone(_) | Who::User(_) | Who::Hidden(_) | Who::Crowd) | None => false,
    }
}

/// When the person sent it: RFC 3339, Unix seconds (also with a fraction) or milliseconds. The two are told apart by
/// their size: as seconds, milliseconds would lie 30 000 years away.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let whole = text.split('.').next().unwrap_or_default();
    match whole.parse::<i64>() {
        Ok(milliseconds) if whole.len() > 11 => Timestamp::from_millisecond(milliseconds).ok(),
        Ok(seconds) if seconds > 0 => Timestamp::from_second(seconds).ok(),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn a_time_is_read_in_the_three_ways_that_senders_write_it() {
        let at: Timestamp = "2026-10-26T01:02:03Z".parse().unwrap();
        for text in ["1792976523", "1792976523000", "1792976523.5", "2026-10-26T01:02:03Z", "2026-10-26T08:02:03+07:00"]
        {
            assert_eq!(time(text).map(|time| time.as_second()), Some(at.as_second()), "{text}");
        }
        for text in ["", "0", "-1", "yesterday", "2026-10-26 01:02:03", "99999999999999999999"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_payment_is_one_only_when_the_sender_says_so_and_its_amount_only_in_our_currency() {
        let paid: Paid = toml::from_str(
            "when = { path = 'status', equals = 'paid' }\namount = 'total'\nreference = 'order'\n\
             amount_when = { path = 'currency', equals = 'IDR' }",
        )
        .unwrap();
        let of = |item: Value<'_>| payment(&paid, &Delivery { whole: &item, item: &item, headers: &[] });
        let some = |amount| Some(Payment { amount, reference: Some("A-1".to_owned()), as_estimated: false });
        let order = |status: &str, total: serde_json::Value, currency: &str| {
            of(json!({ "status": status, "total": total, "currency": currency, "order": "A-1" }))
        };
        assert_eq!(order("paid", "150000.00".into(), "IDR"), some(Some(150_000.0)));
        assert_eq!(order("paid", 150_000.into(), "USD"), some(None));
        for unclear in ["NaN", "1.500", "1.500 - 2.000"] {
            assert_eq!(order("paid", unclear.into(), "IDR"), None, "{unclear}");
        }
        assert_eq!(order("paid", 150.125.into(), "IDR"), some(Some(150.125)));
        for impossible in [-1.0, 1e300] {
            assert_eq!(order("paid", impossible.into(), "IDR"), None, "{impossible}");
        }
        assert_eq!(order("paid", serde_json::Value::Null, "IDR"), some(None));
        assert_eq!(order("pending", 150_000.into(), "IDR"), None);
    }

    #[test]
    fn a_number_or_an_id_is_no_name() {
        for name in ["Siti 🌸", "siti.a", "Toko 21"] {
            assert!(is_name(name), "{name}");
        }
        for id in ["6281234567890", "6281234567890@c.us", "1@lid", "x@y", ""] {
            assert!(!is_name(id), "{id}");
        }
    }
}
