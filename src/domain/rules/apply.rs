//! What the rules make of one submission: a reason to withhold it, and a lead.

use super::expression::{Expression, Failed};
use super::view::{Occasion, View};
use super::{HoldRule, Rules, SetField, code};
use crate::domain::compose;
use crate::domain::email::Email;
use crate::domain::event::Hold;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Fields, Lead, Unpriced};
use crate::domain::money;
use crate::domain::name::{Name, is_stand_in};
use crate::domain::notes::Section;
use crate::domain::phone::Phone;
use crate::domain::region::Region;
use crate::domain::status::Status;
use crate::domain::submission::Submission;

/// Why `submission` is withheld by these rules, if it is. A condition that cannot be told does not hold.
#[must_use]
pub fn why_held(
    submission: &Submission,
    occasion: Occasion<'_>,
    external_ref: &ExternalRef,
    rules: &Rules,
    region: Region,
) -> Hold {
    if rules.has_conditions() {
        let lead = compose::compose(submission, external_ref, rules, region);
        let view = view(submission, occasion, &lead, rules);
        let withheld = [
            (rules.test.hold(&view), Hold::TestRule),
            (rules.junk.hold(&view), Hold::JunkRule),
            (rules.ignore.hold(&view), Hold::IgnoreRule),
            (!rules.accept.is_empty() && !rules.accept.hold(&view), Hold::NotAccepted),
            (rules.hold.conditions().hold(&view), Hold::HoldRule),
        ];
        if let Some((_, hold)) = withheld.into_iter().find(|(is_withheld, _)| *is_withheld) {
            return hold;
        }
    }
    if rules.hold == HoldRule::Everything { Hold::SourceOnHold } else { Hold::No }
}

/// Makes the lead of one submission by these rules, whether they withhold it or not.
///
/// An expression that fails has no value, and where there is no value the field is what the answers say. What an expression
/// takes from the answers is **stated**, as those answers would be; everything else that it gives is **guessed** (see
/// [`compose::compose`]). A status with a condition is stated.
#[must_use]
pub fn lead_of(
    submission: &Submission,
    occasion: Occasion<'_>,
    external_ref: &ExternalRef,
    rules: &Rules,
    region: Region,
) -> Lead {
    let mut lead = compose::compose(submission, external_ref, rules, region);
    if let Some(pattern) = &rules.unique_code
        && lead.stated.unique_code.is_none()
    {
        let meanings = compose::meanings(submission, rules);
        lead.stated.unique_code = pattern.find(submission.answers.iter().zip(meanings));
    }
    if rules.set.is_empty() && rules.status.rules().is_empty() {
        return lead;
    }
    let view = view(submission, occasion, &lead, rules);
    set_names(&mut lead, &view, rules);
    for (field, expression) in &rules.set {
        set(&mut lead, *field, expression, &view, region);
    }
    set_status(&mut lead, &view, submission, rules);
    lead
}

impl Rules {
    /// The expressions that fail for `submission`, and those that give what their field cannot hold, by the name of their
    /// rule. What was said is in none of it.
    #[must_use]
    pub fn failures(
        &self,
        submission: &Submission,
        occasion: Occasion<'_>,
        external_ref: &ExternalRef,
        region: Region,
    ) -> Vec<(String, Failed)> {
        if self.expressions().next().is_none() {
            return Vec::new();
        }
        let view = view(submission, occasion, &compose::compose(submission, external_ref, self, region), self);
        let conditions = [
            ("test", &self.test),
            ("junk", &self.junk),
            ("ignore", &self.ignore),
            ("accept", &self.accept),
            ("hold", self.hold.conditions()),
        ];
        let conditions = conditions.into_iter().flat_map(|(name, conditions)| {
            conditions.failures(&view).map(move |(_, failed)| (name.to_owned(), failed)).collect::<Vec<_>>()
        });
        let statuses = self.status.rules().iter().enumerate();
        let statuses = statuses.filter_map(|(at, rule)| Some((status_rule(at), rule.when.holds(&view).err()?)));
        let set = self.set.iter();
        let set =
            set.filter_map(|(field, expression)| Some((set_rule(*field), flaw(*field, expression, &view, region)?)));
        conditions.chain(statuses).chain(set).collect()
    }

    /// The rule that gives `won` to what was paid, where the sender does not say that `submission` was.
    #[must_use]
    pub fn waiting_for_payment(&self, submission: &Submission) -> Option<String> {
        self.status.won().next().filter(|_| submission.payment.is_none()).map(status_rule)
    }
}

/// Why nothing comes of the expression of `field`, where something was to.
fn flaw(field: SetField, expression: &Expression, view: &View, region: Region) -> Option<Failed> {
    match expression.text_of(view) {
        Err(failed) => Some(failed),
        Ok(Some(text)) if !is_name(field) && read(field, &text, region).is_none() => Some(Failed::of_value(field)),
        Ok(_) => None,
    }
}

/// What messages call the expression of `field`.
pub(super) fn set_rule(field: SetField) -> String {
    format!("set.{field}")
}

/// What messages call the status rule at `place`.
pub(super) fn status_rule(place: usize) -> String {
    format!("status[{place}]")
}

fn view(submission: &Submission, occasion: Occasion<'_>, lead: &Lead, rules: &Rules) -> View {
    let reads = |name| rules.expressions().any(|expression| expression.reads(name));
    let mut fields = lead.for_create();
    // Nobody's name is not a name to somebody who asks for one.
    if fields.first_name.as_deref().is_some_and(is_stand_in) {
        (fields.first_name, fields.last_name) = (None, None);
    }
    let occasion = Occasion { body: if reads("raw") { occasion.body } else { &[] }, ..occasion };
    View::new(submission, compose::meanings(submission, rules), fields, occasion)
}

fn set_names(lead: &mut Lead, view: &View, rules: &Rules) {
    let given = |field| {
        let expression = rules.set.get(&field)?;
        let text = expression.text_of(view).ok()??;
        Some((text, expression.is_of_the_person()))
    };
    let [full, first, last] = [SetField::FullName, SetField::FirstName, SetField::LastName].map(given);
    let stated = [&full, &first, &last].into_iter().flatten().any(|(_, of_the_person)| *of_the_person);
    let [full, first, last] = [full, first, last].map(|given| given.map(|(text, _)| text));
    let known = || lead.for_create().first_name.filter(|name| !is_stand_in(name));
    let name = match (first, full, last) {
        (Some(first), _, last) => Name::parts(&first, last.as_deref().unwrap_or_default(), rules.names),
        (None, Some(full), Some(last)) => Name::whole_and_last(&full, &last, rules.names),
        (None, Some(full), None) => Name::whole(&full, rules.names),
        (None, None, Some(last)) => known().and_then(|first| Name::parts(&first, &last, rules.names)),
        (None, None, None) => None,
    };
    if let Some(name) = name {
        let fields = if stated { &mut lead.stated } else { &mut lead.guessed };
        (fields.first_name, fields.last_name) = (Some(name.first), name.last);
        if !stated {
            (lead.stated.first_name, lead.stated.last_name) = (None, None);
        }
    }
}

/// Puts one value where it belongs; one that cannot be read goes to the notes.
fn set(lead: &mut Lead, field: SetField, expression: &Expression, view: &View, region: Region) {
    let Ok(Some(text)) = expression.text_of(view) else { return };
    if is_name(field) {
        return;
    }
    let Some(read) = read(field, &text, region) else {
        lead.notes.add(Section::Details, &format!("Rule {}", set_rule(field)), &text);
        return;
    };
    // Who gets the lead and how it is sorted is the staff's to change once it is there.
    let routes = matches!(field, SetField::Priority | SetField::Source | SetField::AdPlatform | SetField::AssignedTo);
    let (into, over) = (&mut lead.stated, &mut lead.guessed);
    if expression.is_of_the_person() && !routes {
        into.absorb(Fields { first_name: None, ..read });
    } else {
        take_out(into, field);
        over.absorb(read);
    }
}

/// Names are put together of several fields, and any text is one.
pub(super) const fn is_name(field: SetField) -> bool {
    matches!(field, SetField::FullName | SetField::FirstName | SetField::LastName)
}

/// The value that `text` is for `field`, in a lead of nothing else.
pub(super) fn read(field: SetField, text: &str, region: Region) -> Option<Fields> {
    let mut read = Fields::default();
    let is_read = match field {
        SetField::FullName | SetField::FirstName | SetField::LastName => false,
        SetField::Email => fill(&mut read.email, Email::parse(text).ok().map(|email| email.as_str().to_owned())),
        SetField::Phone => {
            fill(&mut read.phone, Phone::parse(text, region).ok().map(|phone| phone.as_str().to_owned()))
        }
        SetField::UniqueCode => fill(&mut read.unique_code, code(text)),
        SetField::EstimatedValue => fill(&mut read.estimated_value, amount(text)),
        SetField::ActualValue => fill(&mut read.actual_value, amount(text)),
        SetField::Priority => fill(&mut read.priority, text.parse().ok()),
        SetField::Source => fill(&mut read.source, text.parse().ok()),
        SetField::AdPlatform => fill(&mut read.ad_platform, text.parse().ok()),
        SetField::AssignedTo => {
            fill(&mut read.assigned_to, uuid::Uuid::parse_str(text).ok().map(|member| member.to_string()))
        }
    };
    is_read.then_some(read)
}

/// What is said of a field by an answer gives way to what a rule says of it.
fn take_out(fields: &mut Fields, field: SetField) {
    match field {
        SetField::FullName | SetField::FirstName | SetField::LastName => {}
        SetField::Email => fields.email = None,
        SetField::Phone => fields.phone = None,
        SetField::UniqueCode => fields.unique_code = None,
        SetField::EstimatedValue => fields.estimated_value = None,
        SetField::ActualValue => fields.actual_value = None,
        SetField::Priority => fields.priority = None,
        SetField::Source => fields.source = None,
        SetField::AdPlatform => fields.ad_platform = None,
        SetField::AssignedTo => fields.assigned_to = None,
    }
}

fn fill<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    *field = value;
    field.is_some()
}

/// An amount as people write it, or as a program does.
fn amount(text: &str) -> Option<f64> {
    let plain = || text.parse::<f64>().ok().filter(|amount| amount.is_finite() && *amount >= 0.0);
    money::parse(text).or_else(plain)
}

fn set_status(lead: &mut Lead, view: &View, submission: &Submission, rules: &Rules) {
    let payment = submission.payment.as_ref();
    let Some(rule) = rules.status.first(view, payment) else { return };
    lead.stated.status = Some(rule.status);
    if let (Status::Won, Some(payment)) = (rule.status, payment) {
        lead.stated.actual_value = payment.amount.or(lead.stated.actual_value);
        if payment.amount.is_none() && payment.as_estimated {
            lead.unpriced = Unpriced::Now;
        }
    }
}
