//! What one item says, whoever sent it: nothing lost, nothing decided yet.

use jiff::Timestamp;

use super::status::{AdPlatform, LeadSource};

/// One lead's part of a webhook, read: provider-neutral and complete.
///
/// A provider only translates. Which answer becomes which field is decided later, in
/// `compose`, by the source's rules of that moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Submission {
    /// Questions and answers, in the order of the form.
    pub answers: Vec<Answer>,
    /// What the sender knows of the person without having asked: good enough to create a lead, not to overwrite one.
    pub profile: Profile,
    /// Click ids, UTM and page addresses, as sent.
    pub attribution: Vec<Fact>,
    /// Technical lines for the notes: form, campaign, ad, platform, consent.
    pub facts: Vec<Fact>,
    /// The network whose own lead form or ad this came from; `None` leaves it to the attribution.
    pub ad_platform: Option<AdPlatform>,
    /// The network to name where nothing proves another one (a tool that is a network of Konektor's list by itself).
    pub ad_platform_else: Option<AdPlatform>,
    /// The channel of contact of this kind of sender.
    pub source: Option<LeadSource>,
    /// When the person sent it, by the sender's clock.
    pub submitted_at: Option<Timestamp>,
    /// The sender's own id of the lead, for a last-resort name (`Lead 098765`).
    pub sender_id: String,
    /// The sender marks it as a test; seen only where the source's rules forward tests.
    pub is_test: bool,
    /// The sender says that it was paid. Only with this can a rule make a lead `won`.
    pub payment: Option<Payment>,
}

/// The label of the fact that says which form it is: by the sender's own id, or by its name where [`FORM_ID`] has the id.
pub const FORM: &str = "Form";
/// The label of the fact that is the sender's own id of the form, where the sender tells its name, too.
pub const FORM_ID: &str = "Form id";

impl Submission {
    /// The sender's own id of the form; rules for a form go by it. Its name, where the sender tells no id.
    #[must_use]
    pub fn form_id(&self) -> Option<&str> {
        self.fact(FORM_ID).or_else(|| self.fact(FORM))
    }

    /// The name of the form, where the sender tells it beside its id.
    #[must_use]
    pub fn form_name(&self) -> Option<&str> {
        self.fact(FORM_ID).and_then(|_| self.fact(FORM))
    }

    fn fact(&self, label: &str) -> Option<&str> {
        self.facts.iter().find(|fact| fact.label == label).map(|fact| fact.value.as_str())
    }
}

/// That money has come in, as the sender says: an order that is paid, and not one that is placed, invoiced, promised or
/// paid in part. A provider states it from the part of the webhook that its proof covers, and from nothing else.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payment {
    /// How much, in the workspace's currency; absent where the sender does not say, or in another one.
    pub amount: Option<f64>,
    /// Where no amount is said: it is the lead's estimated value, which earlier webhooks of the sender told.
    pub as_estimated: bool,
    /// The sender's own id of the payment or order.
    pub reference: Option<String>,
}

/// One answered question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The sender's key of the field (`phone_number`, `your-name`, `Nama Lengkap`).
    pub key: String,
    /// What a person reads; the key where the sender has no label.
    pub label: String,
    /// The answer as text; lists are joined with `, `.
    pub value: String,
    /// What the sender says the field is.
    pub meaning: Option<Meaning>,
}

impl Answer {
    /// An answer whose label is its key and whose meaning the sender does not tell.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        Self { label: key.clone(), key, value: value.into(), meaning: None }
    }

    /// The same answer with the meaning that the sender gives it.
    #[must_use]
    pub fn meaning(self, meaning: Meaning) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// The same answer under the label that a person reads.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }
}

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The whole name.
    FullName,
    /// The given name.
    FirstName,
    /// The family name.
    LastName,
    /// An e-mail address.
    Email,
    /// A second address (work): used only when there is no other.
    WorkEmail,
    /// A phone number.
    Phone,
    /// A second number (work): used only when there is no other.
    WorkPhone,
    /// Free text from the person.
    Message,
    /// What the deal may be worth.
    EstimatedValue,
    /// What was paid.
    ActualValue,
    /// A code that Konektor issued.
    UniqueCode,
    /// A click id, UTM value or page address.
    Attribution,
    /// Goes to the notes under its label.
    Note,
    /// Not kept at all (spam traps, captcha tokens, identity numbers).
    Drop,
}

/// What the sender knows of a person without having asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// A display name (WhatsApp profile, user name).
    pub name: Option<String>,
    /// A second choice when the first is no name (`@username`).
    pub username: Option<String>,
    /// The number a message came from, in digits with or without plus, country code included.
    pub phone: Option<String>,
    /// An address.
    pub email: Option<String>,
}

/// One line: what, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is (`campaign`, `gclid`, `Form`).
    pub label: String,
    /// Its value, verbatim.
    pub value: String,
}

impl Fact {
    /// A line.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}
