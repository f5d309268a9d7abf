//! A lead as Konektor takes it, before it is cut into a create or an update.

use serde::{Deserialize, Serialize};

use super::external_ref::ExternalRef;
use super::name::is_stand_in;
use super::notes::Notes;
use super::status::{AdPlatform, LeadSource, Priority, Status};

/// Konektor's id of a lead. Opaque: its shape is not promised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadId(pub String);

impl std::fmt::Display for LeadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fold of a lane's submissions.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Which lead.
    pub external_ref: ExternalRef,
    /// What the person, the sender or a rule stated; later statements win.
    pub stated: Fields,
    /// What is only a guess (a WhatsApp profile name): creates a lead, fills a blank, never overwrites.
    pub guessed: Fields,
    /// Everything that has no field of its own, and what people wrote.
    pub notes: Notes,
    /// Whether it is `won` by a payment that came without its amount: the estimated value is that amount, and without one it is
    /// not known to be `won`.
    pub unpriced: Unpriced,
}

/// A payment whose sender did not say how much it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Unpriced {
    /// There is none.
    #[default]
    No,
    /// It was delivered before, and what is in hand was said before it: the order that it was for, overtaken on its way.
    Before,
    /// It is among what is in hand.
    Now,
}

/// Konektor's fields without `externalRef` and `notes`; `None` is "nothing said".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    /// 1 to 100 characters.
    pub first_name: Option<String>,
    /// At most 100 characters; absent for one-word names.
    pub last_name: Option<String>,
    /// A valid address.
    pub email: Option<String>,
    /// E.164 with plus.
    pub phone: Option<String>,
    /// Only by rule.
    pub status: Option<Status>,
    /// Only by rule.
    pub priority: Option<Priority>,
    /// Channel of contact.
    pub source: Option<LeadSource>,
    /// Only with evidence.
    pub ad_platform: Option<AdPlatform>,
    /// Only a code that Konektor issued; at most 100 characters.
    pub unique_code: Option<String>,
    /// Only by rule, a UUID.
    pub assigned_to: Option<String>,
    /// In the workspace's currency.
    pub estimated_value: Option<f64>,
    /// In the workspace's currency.
    pub actual_value: Option<f64>,
}

/// A field that one statement may say anew. The two names are one, and so is our part of the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// [`Fields::first_name`] and [`Fields::last_name`].
    Name,
    /// [`Fields::phone`].
    Phone,
    /// [`Fields::email`].
    Email,
    /// [`Fields::status`].
    Status,
    /// [`Fields::priority`].
    Priority,
    /// [`Fields::source`].
    Source,
    /// [`Fields::ad_platform`].
    AdPlatform,
    /// [`Fields::unique_code`].
    UniqueCode,
    /// [`Fields::assigned_to`].
    AssignedTo,
    /// [`Fields::estimated_value`].
    EstimatedValue,
    /// [`Fields::actual_value`].
    ActualValue,
    /// [`Lead::notes`].
    Notes,
    /// [`Lead::unpriced`]: that it was paid, and not how much.
    Payment,
}

impl Field {
    /// All of them. Stores keep their places as numbers: new ones go to the end.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::Phone,
        Self::Email,
        Self::Status,
        Self::Priority,
        Self::Source,
        Self::AdPlatform,
        Self::UniqueCode,
        Self::AssignedTo,
        Self::EstimatedValue,
        Self::ActualValue,
        Self::Notes,
        Self::Payment,
    ];
}

impl Fields {
    /// Whether something is said of `field`; never of what is none of these.
    fn say(&self, field: Field) -> bool {
        match field {
            Field::Name => self.first_name.is_some() || self.last_name.is_some(),
            Field::Phone => self.phone.is_some(),
            Field::Email => self.email.is_some(),
            Field::Status => self.status.is_some(),
            Field::Priority => self.priority.is_some(),
            Field::Source => self.source.is_some(),
            Field::AdPlatform => self.ad_platform.is_some(),
            Field::UniqueCode => self.unique_code.is_some(),
            Field::AssignedTo => self.assigned_to.is_some(),
            Field::EstimatedValue => self.estimated_value.is_some(),
            Field::ActualValue => self.actual_value.is_some(),
            Field::Notes | Field::Payment => false,
        }
    }

    /// What is said of the fields that are `chosen`, alone.
    #[must_use]
    pub fn only(&self, chosen: impl Fn(Field) -> bool) -> Self {
        self.clone().take(chosen)
    }

    /// Takes out what is said of the fields that are `chosen`.
    fn take(&mut self, chosen: impl Fn(Field) -> bool) -> Self {
        fn part<T>(is_chosen: bool, from: &mut Option<T>) -> Option<T> {
            if is_chosen { from.take() } else { None }
        }
        let name = chosen(Field::Name);
        Self {
            first_name: part(name, &mut self.first_name),
            last_name: part(name, &mut self.last_name),
            email: part(chosen(Field::Email), &mut self.email),
            phone: part(chosen(Field::Phone), &mut self.phone),
            status: part(chosen(Field::Status), &mut self.status),
            priority: part(chosen(Field::Priority), &mut self.priority),
            source: part(chosen(Field::Source), &mut self.source),
            ad_platform: part(chosen(Field::AdPlatform), &mut self.ad_platform),
            unique_code: part(chosen(Field::UniqueCode), &mut self.unique_code),
            assigned_to: part(chosen(Field::AssignedTo), &mut self.assigned_to),
            estimated_value: part(chosen(Field::EstimatedValue), &mut self.estimated_value),
            actual_value: part(chosen(Field::ActualValue), &mut self.actual_value),
        }
    }

    /// Lets everything that `later` says win over what is here; a status only if it is a step forward.
    pub fn absorb(&mut self, later: Self) {
        let mut earlier = std::mem::replace(self, later);
        if earlier.status.is_some_and(|before| self.status.is_some_and(|after| !before.allows(after))) {
            self.status = earlier.status;
        }
        // Another first name without a last name is a one-word name, not the old family name under a new given one.
        if self.first_name.is_some() && self.first_name != earlier.first_name {
            earlier.last_name = None;
        }
        self.fill_each(earlier);
    }

    /// Takes from `other` what is blank here. The two names are one: a one-word name gets no last name from elsewhere, and a
    /// stand-in (`Lead 098765`) gives way to a name.
    pub fn fill(&mut self, mut other: Self) {
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| !is_stand_in(name));
        if !named(&self.first_name) && named(&other.first_name) {
            (self.first_name, self.last_name) = (None, None);
        } else if self.first_name.is_some() {
            other.last_name = None;
        }
        self.fill_each(other);
    }

    /// Makes `worth` the amount of a payment that came without one. Without either it is not `won`: that would fire a
    /// purchase of nothing.
    pub fn settle(&mut self, worth: Option<f64>) {
        if self.status == Some(Status::Won) {
            self.actual_value = self.actual_value.or(worth.filter(|worth| *worth > 0.0));
            self.status = self.status.filter(|_| self.actual_value.is_some());
        }
    }

    fn fill_each(&mut self, other: Self) {
        self.first_name = self.first_name.take().or(other.first_name);
        self.last_name = self.last_name.take().or(other.last_name);
        self.email = self.email.take().or(other.email);
        self.phone = self.phone.take().or(other.phone);
        self.status = self.status.or(other.status);
        self.priority = self.priority.or(other.priority);
        self.source = self.source.or(other.source);
        self.ad_platform = self.ad_platform.or(other.ad_platform);
        self.unique_code = self.unique_code.take().or(other.unique_code);
        self.assigned_to = self.assigned_to.take().or(other.assigned_to);
        self.estimated_value = self.estimated_value.or(other.estimated_value);
        self.actual_value = self.actual_value.or(other.actual_value);
    }
}

impl Lead {
    /// A lead of these fields and no notes.
    #[must_use]
    pub fn of(external_ref: ExternalRef, stated: Fields, guessed: Fields) -> Self {
        Self { external_ref, stated, guessed, notes: Notes::default(), unpriced: Unpriced::No }
    }

    /// Takes in what came later for the same lead: its statements win field by field, its guesses fill what is blank (so
    /// that folding gives what delivering one by one would), its notes are added.
    pub fn absorb(&mut self, later: Self) {
        self.stated.absorb(later.stated);
        self.guessed.fill(later.guessed);
        self.notes.absorb(later.notes);
        self.unpriced = self.unpriced.max(later.unpriced);
    }

    /// The fields of which something is stated.
    pub fn stated_fields(&self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(|field| match field {
            Field::Notes => !self.notes.is_empty(),
            Field::Payment => self.unpriced == Unpriced::Now,
            _ => self.stated.say(*field),
        })
    }

    /// Newer words have been delivered on the fields that are `late`: what is stated of them is a guess from now on, which
    /// fills blanks, and lines of the notes give way to those that are there. A status goes forwards only, whenever it comes.
    pub fn give_way(&mut self, late: impl Fn(Field) -> bool) {
        let mut older = self.stated.take(|field| field != Field::Status && late(field));
        older.fill(std::mem::take(&mut self.guessed));
        self.guessed = older;
        if late(Field::Notes) {
            self.notes.give_way();
        }
        if late(Field::Payment) {
            self.unpriced = self.unpriced.max(Unpriced::Before);
        }
    }

    /// The status that is stated: `won`, too, by a payment that was delivered before, unless that would be a step back.
    #[must_use]
    pub fn stated_status(&self) -> Option<Status> {
        let is_paid = self.unpriced == Unpriced::Before;
        let won =
            Some(Status::Won).filter(|won| is_paid && self.stated.status.is_none_or(|stated| stated.allows(*won)));
        won.or(self.stated.status)
    }

    /// The fields of a create: what was stated, and the guesses where nothing was.
    #[must_use]
    pub fn for_create(&self) -> Fields {
        let mut fields = Fields { status: self.stated_status(), ..self.stated.clone() };
        fields.fill(self.guessed.clone());
        if self.unpriced != Unpriced::No {
            fields.settle(fields.estimated_value);
        }
        fields
    }

    /// The code of Konektor's that the person named.
    #[must_use]
    pub fn code(&self) -> Option<&String> {
        self.stated.unique_code.as_ref().or(self.guessed.unique_code.as_ref())
    }

    /// True when nothing says who the person is, how to reach them or what they want. A message alone is something.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let fields = self.for_create();
        let is_named = fields.first_name.as_deref().is_some_and(|name| !is_stand_in(name));
        !is_named && fields.email.is_none() && fields.phone.is_none() && self.notes.says_nothing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(first: &str, last: &str) -> Fields {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Fields { first_name: text(first), last_name: text(last), ..Fields::default() }
    }

    #[test]
    fn a_later_statement_wins_and_silence_does_not() {
        let mut fields =
            Fields { phone: Some("+6281".to_owned()), source: Some(LeadSource::Ads), ..named("Siti", "Aminah") };
        fields.absorb(Fields { phone: Some("+6282".to_owned()), ..named("Ayu", "") });
        assert_eq!(
            fields,
            Fields { phone: Some("+6282".to_owned()), source: Some(LeadSource::Ads), ..named("Ayu", "") }
        );
    }

    #[test]
    fn a_later_status_wins_only_forwards() {
        let after = |before, after| {
            let mut fields = Fields { status: Some(before), ..Fields::default() };
            fields.absorb(Fields { status: after, ..Fields::default() });
            fields.status
        };
        assert_eq!(after(Status::Qualified, Some(Status::Won)), Some(Status::Won));
        assert_eq!(after(Status::Won, Some(Status::Qualified)), Some(Status::Won));
        assert_eq!(after(Status::Won, None), Some(Status::Won));
    }

    #[test]
    fn a_guess_fills_a_blank_and_never_half_a_name() {
        let filled = |mut fields: Fields, other: Fields| {
            fields.fill(other);
            fields
        };
        assert_eq!(filled(named("Suharto", ""), named("Budi", "Hartono")), named("Suharto", ""));
        assert_eq!(filled(named("Lead 098765", ""), named("Budi", "Hartono")), named("Budi", "Hartono"));
        assert_eq!(filled(named("Visitor [KNK-1]", "x"), named("Budi", "")), named("Budi", ""));
        assert_eq!(filled(named("Lead 098765", ""), named("Lead 111111", "")), named("Lead 098765", ""));
        assert_eq!(filled(named("", ""), named("Lead 111111", "")), named("Lead 111111", ""));
        let paid = Fields { ad_platform: Some(AdPlatform::Meta), ..Fields::default() };
        let unpaid =
            Fields { ad_platform: Some(AdPlatform::Google), priority: Some(Priority::Low), ..Fields::default() };
        assert_eq!(filled(paid.clone(), unpaid), Fields { priority: Some(Priority::Low), ..paid });
    }
}
