//! The settings of a mapped source: everything that is to know of its sender, as data.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, IntoDeserializer};
use serde::{Deserialize, Deserializer};

use super::document::Target;
use super::fetch::Fetch;
use super::filter::{Filter, Filters};
use super::items::Items;
use super::message::Message;
use super::path::Path;
use super::reply::{Handshake, Reply};
use super::sample::Samples;
use super::spot::{Delivery, Names, Spot, Spots, one_or_many};
use super::wrapped::Wrapped;
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::Meaning;
use crate::providers::unnamed::PRESSED_TWICE;
use crate::providers::{Secrets, SettingsError, settings};

/// The longest prefix of a reference, without the source's name.
const MAX_PREFIX: usize = 32;

/// What a preset, the owner's file, or both laid over each other, say of a sender. `mod.rs` explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// What the sender signs with.
    pub(super) secret: Option<toml::Value>,
    /// What stands in the URL, or where `verify` says, for senders that cannot sign.
    pub(super) token: Option<toml::Value>,
    /// Where the token stands; in the URL where absent. Several places are alternatives.
    #[serde(default)]
    pub(super) token_at: Many<toml::Table>,
    /// What the sender shows before it sends, for `hub_challenge`.
    pub(super) verify_token: Option<Secrets>,
    /// How it signs.
    pub(super) verify: Option<toml::Value>,
    #[serde(default)]
    pub(super) decode: Decode,
    #[serde(default)]
    pub(super) strict_type: bool,
    #[serde(default)]
    pub(super) embedded: Many<Path>,
    pub(super) wrapped: Option<Wrapped>,
    #[serde(default)]
    pub(super) entities: bool,
    #[serde(default)]
    pub(super) redact: Many<Path>,
    #[serde(default)]
    pub(super) items: Many<Items>,
    #[serde(default)]
    pub(super) accept: Filters,
    #[serde(default)]
    pub(super) ignore: Filters,
    #[serde(default)]
    pub(super) test: Filters,
    #[serde(default)]
    pub(super) spam: Filters,
    #[serde(default)]
    pub(super) who: Spots,
    pub(super) fetch: Option<Fetch>,
    #[serde(default)]
    pub(super) event_id: Names,
    pub(super) external_ref: ExternalRefSettings,
    #[serde(default)]
    pub(super) volatile: Many<Path>,
    #[serde(default)]
    pub(super) form_id: Spots,
    #[serde(default)]
    pub(super) form_name: Spots,
    #[serde(default)]
    pub(super) answers: Many<Answers>,
    #[serde(default)]
    pub(super) types: BTreeMap<String, Means>,
    #[serde(default)]
    pub(super) map: Map,
    #[serde(default)]
    pub(super) facts: Facts,
    /// Lines of attribution, as `facts`.
    #[serde(default)]
    pub(super) attribution: Facts,
    pub(super) person: Option<Person>,
    pub(super) message: Option<Message>,
    /// One of them holds: the body is the WhatsApp Cloud API's own.
    #[serde(default)]
    pub(super) whatsapp_cloud: Filters,
    #[serde(default)]
    pub(super) profile: Known,
    pub(super) payment: Option<Paid>,
    pub(super) separator: Option<String>,
    /// What is taken off an answer where a digit or a plus follows.
    #[serde(default)]
    pub(super) strip: Many<String>,
    pub(super) source: Option<LeadSource>,
    pub(super) ad_platform: Option<AdPlatform>,
    /// The network where nothing proves another.
    pub(super) ad_platform_else: Option<AdPlatform>,
    #[serde(default)]
    pub(super) handshake: Many<Handshake>,
    #[serde(default)]
    pub(super) sends_once: bool,
    /// Its leads are contacts or orders: no form's fields are watched.
    #[serde(default)]
    pub(super) no_form: bool,
    #[serde(default)]
    pub(super) reply: Reply,
    #[serde(default)]
    pub(super) sample: Samples,
}

/// How a body becomes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decode {
    /// By its content type; JSON by how it begins where that says nothing.
    #[default]
    Auto,
    /// JSON, whatever the content type says.
    Json,
    /// A form, urlencoded or multipart.
    Form,
    /// The claims of a JSON Web Token that is the whole body.
    Jwt,
}

/// What the lead is called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalRefSettings {
    /// What stands before the id. `{source}` in it is the source's name, for ids that are only unique at one account.
    pub(super) prefix: Prefix,
    /// The sender's own id of the lead; the content where it has none.
    #[serde(default)]
    pub(super) id: Names,
    /// Other ids of the same lead, each of which may be its `id` in a later webhook.
    #[serde(default)]
    pub(super) also: Names,
    /// The content is the id, however late it comes again: the sender writes into each submission what no other has.
    #[serde(default)]
    pub(super) by_content: bool,
    /// For how many hours the same content without an id is the same lead; ten minutes where absent.
    same_hours: Option<u32>,
    /// Leads of platforms that also reach us by another road, where they must have the same name.
    #[serde(default)]
    pub(super) shared: Many<Shared>,
}

/// A platform's lead that somebody else passes on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shared {
    /// One of them holds: it is a lead of that platform.
    pub(super) when: Filters,
    /// What stands before the platform's id.
    pub(super) prefix: Prefix,
    /// The platform's id of the lead.
    pub(super) id: Names,
    /// The platform.
    pub(super) ad_platform: Option<AdPlatform>,
}

impl ExternalRefSettings {
    /// How long the same content without an id is the same lead.
    pub(super) fn same_within(&self) -> Duration {
        self.same_hours.map_or(PRESSED_TWICE, |hours| Duration::from_hours(u64::from(hours)))
    }

    /// The platform's lead that `delivery` is, and the platform's id of it.
    pub(super) fn shared(&self, delivery: &Delivery<'_>) -> Option<(&Shared, String)> {
        let meant = self.shared.0.iter().filter(|shared| shared.when.any_at_all(delivery));
        meant.filter_map(|shared| Some((shared, delivery.name(&shared.id)?))).next()
    }
}

/// What stands before an id in a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl Prefix {
    /// The prefix of the source called `name`.
    pub(super) fn of(&self, name: &str) -> String {
        self.0.replace("{source}", name)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.replace("{source}", "");
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        let whole = text.ends_with(':') && plain.len() <= MAX_PREFIX && plain.bytes().all(good);
        // Two names would not fit.
        let once = text.matches("{source}").count() <= 1;
        if whole && once {
            Ok(Self(text))
        } else {
            Err(de::Error::custom("external_ref.prefix: at most 32 letters and digits that end in a colon (`crm:`)"))
        }
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

/// Where questions and answers stand, and how they are written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answers {
    #[serde(default)]
    pub(super) kind: Kind,
    /// Where they stand; the item itself where absent.
    pub(super) at: Option<Spot>,
    /// In an element: the sender's key of the field.
    pub(super) key: Option<Path>,
    /// In an element: what a person reads.
    pub(super) label: Option<Path>,
    /// In an element: what was answered; the element itself where absent.
    pub(super) value: Option<Path>,
    /// In an element: the sender's word for the kind of field.
    #[serde(rename = "type")]
    pub(super) type_of: Option<Path>,
}

/// How questions and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// As names and values, at any depth.
    #[default]
    Names,
    /// As a list, or as named groups, of `{label, value}`.
    Pairs,
    /// There are none: what no key names is a technical line.
    None,
    /// As Typeform does.
    Typeform,
    /// As Tally does.
    Tally,
    /// As Jotform does.
    Jotform,
    /// As Wix does.
    Wix,
}

/// What an answer means, in the words of the `fields` rules and of Konektor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means(pub(super) Meaning);

impl<'de> Deserialize<'de> for Means {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match target(&String::deserialize(deserializer)?)? {
            Target::Answer(meaning) => Ok(Self(meaning)),
            _ => {
                Err(de::Error::custom("types: say what an answer means (`email`, `phone`, `message`, `note`, `drop`)"))
            }
        }
    }
}

fn target<E: de::Error>(word: &str) -> Result<Target, E> {
    Target::from_str(word).map_err(de::Error::custom)
}

/// What stands where: fields of the lead, and the places of each, the best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Map(pub(super) Vec<(Target, Spots)>);

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let entry = |(word, places): (String, toml::Value)| {
            let at = |error: toml::de::Error| de::Error::custom(format!("map.{word}: {}", error.message()));
            Ok((target(&word)?, Spots::deserialize(places.into_deserializer()).map_err(at)?))
        };
        table.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

/// Lines: what each is called, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts(pub(super) Vec<(String, Spots)>);

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        let entry = |(label, places): (String, toml::Value)| {
            let at = |error: toml::de::Error| de::Error::custom(format!("{label}: {}", error.message()));
            Ok((label.clone(), Spots::deserialize(places.into_deserializer()).map_err(at)?))
        };
        table.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }
}

/// Who writes, for senders of messages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// The person: a number, a user id. A group is no lead.
    pub(super) id: Spots,
    /// Where the person stands when nothing is at `id`.
    #[serde(default)]
    pub(super) id_else: Spots,
    /// The business number, or what stands for it; the source's name where absent.
    #[serde(default)]
    pub(super) number: Spots,
    /// The business's own number, where that is not what it is told apart by: what it wrote is no lead.
    #[serde(default)]
    pub(super) own: Spots,
    /// Where else the person's number may stand.
    #[serde(default)]
    pub(super) phone: Spots,
    /// One of these holds where digits are a number: elsewhere they are an id that the person has on another channel.
    #[serde(default)]
    pub(super) is_phone: Filters,
    /// What the person calls themselves.
    #[serde(default)]
    pub(super) name: Spots,
    /// A second choice for that.
    #[serde(default)]
    pub(super) username: Spots,
}

/// What the sender knows of the person without having asked now: it fills blanks, and takes back nothing that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Known {
    pub(super) name: Spots,
    pub(super) email: Spots,
    pub(super) phone: Spots,
}

/// When the sender says that money has come in, and how much. Only with this can a rule make a lead `won`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paid {
    /// All of these hold: paid in full, not placed, invoiced or promised.
    pub(super) when: Filters,
    /// How much.
    #[serde(default)]
    pub(super) amount: Spots,
    /// All of these hold where the amount counts: it is in the workspace's currency.
    #[serde(default)]
    pub(super) amount_when: Filters,
    /// What says how much where nothing stands at `amount`.
    pub(super) amount_else: Option<AmountElse>,
    /// The sender's own id of the payment or order.
    #[serde(default)]
    pub(super) reference: Names,
}

/// What else says how much was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AmountElse {
    /// What the lead is worth, as webhooks before this one have told: the order's total.
    EstimatedValue,
}

impl Settings {
    /// Reads and checks a source's part of the configuration.
    pub(super) fn read(table: toml::Table) -> Result<Self, SettingsError> {
        let read: Self = settings::read(table)?;
        let invalid = |text: &str| Err(SettingsError::Invalid(text.to_owned()));
        if read.payment.as_ref().is_some_and(|paid| paid.when.iter().next().is_none()) {
            return invalid("payment.when: say what tells that it was paid");
        }
        if !read.reply.is_success() {
            return invalid("reply.status: a webhook that is kept is answered with 200 to 299");
        }
        if read.handshake.0.iter().any(Handshake::needs_token) && read.verify_token.is_none() {
            return Err(SettingsError::Incomplete("set `verify_token`".to_owned()));
        }
        Ok(read)
    }

    /// The headers that are needed once the webhook is kept, names in lower case.
    pub(super) fn headers(&self) -> Vec<&str> {
        let filters = [&self.accept, &self.ignore, &self.test, &self.spam];
        let shared = self.external_ref.shared.0.iter().flat_map(|shared| shared.when.iter());
        let of_filters = filters.into_iter().flat_map(Filters::iter).chain(shared).flat_map(Filter::spots);
        let of_names = self.event_id.spots().chain(self.external_ref.id.spots()).chain(self.external_ref.also.spots());
        let named = of_filters.chain(of_names).filter_map(Spot::header);
        ["content-type"].into_iter().chain(named).collect()
    }
}
