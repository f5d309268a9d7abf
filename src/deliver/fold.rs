//! A lane's events, oldest first, into one lead. Pure: read, compose, absorb.

use jiff::Timestamp;

use crate::domain::event::{DeadReason, Hold, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Fields, Lead};
use crate::domain::region::Region;
use crate::domain::rules::{self, Failed, Occasion, Rules};
use crate::domain::submission::Submission;
use crate::konektor::wire::LeadBody;
use crate::providers::{Absent, ItemBody, Lookup, Reading, Source};
use crate::store::{Named, Seq, StoredEvent, Undelivered, Word, Words};

/// What a lane's events come to.
#[derive(Debug)]
pub(super) enum Folded {
    /// One lead, to be created or updated.
    Lead {
        /// What all of them say.
        lead: Box<Lead>,
        /// On which fields each event has its say.
        words: Vec<(Seq, Words)>,
        /// What each says for itself, in the order in which they were said: a lead that is found by a code of Konektor's may be
        /// theirs already.
        each: Vec<Fields>,
    },
    /// The sender has to be asked for this event's fields first.
    Ask(Seq, Box<Lookup>),
    /// These events are not to be forwarded.
    Withhold(Vec<(Seq, Hold)>),
    /// There is no source to read this event.
    Gone(Seq, Absent),
    /// This event cannot be read.
    Unreadable(Seq, Undelivered),
}

/// The longest id of a form that is told apart, in characters: it may come from a stranger.
pub(super) const FORM_ID: usize = 64;

/// A rule that nothing came of, where something was to. No word of the person is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flaw {
    /// Whose rule.
    pub source: SourceName,
    /// Of which form, by the sender's own id. It may come from a stranger: for telling forms apart, and no line of a log.
    pub form: Option<String>,
    /// Which, as it stands in the file: `set.email`, `status[0]`.
    pub rule: String,
    /// Why.
    pub why: String,
}

/// Folds `events` by the sources' present rules, by the senders' clocks: of two words the one that was said later wins,
/// field by field, in whichever order they came. `told` is what has been delivered before; what is older than that only
/// fills blanks (`queue.md` §2.11, C7). Rules that nothing comes of are added to `flaws`.
pub(super) fn fold(
    external_ref: &ExternalRef,
    events: &[StoredEvent],
    told: &Words,
    region: Region,
    source_of: impl Fn(&SourceName) -> Result<Source, Absent>,
    flaws: &mut Vec<Flaw>,
) -> Folded {
    let sources: Vec<_> = events.iter().map(|event| source_of(&event.source)).collect();
    if let Some(stopped) = stopped(external_ref, events, &sources) {
        return Folded::Withhold(stopped);
    }
    let mut said: Vec<(Timestamp, Lead)> = Vec::new();
    let mut words = Vec::new();
    let mut clock = Timestamp::MIN;
    let mut withheld = Vec::new();
    for (event, source) in events.iter().zip(&sources) {
        let source = match source {
            Ok(source) => source,
            Err(absent) => return Folded::Gone(event.seq, absent.clone()),
        };
        let item = body_of(event, external_ref);
        if let Some(lookup) = source.provider.lookup(&item).filter(|_| event.fetched.is_none()) {
            return Folded::Ask(event.seq, Box::new(lookup));
        }
        match read(source, &item, event.released) {
            Ok(Ok(submission)) => {
                // Our clock may have been set back meanwhile.
                clock = clock.max(event.received).max(told.said_before(event.seq).unwrap_or(Timestamp::MIN));
                let at = submission.submitted_at.map_or(clock, |at| at.min(event.received));
                let word = Word { seq: event.seq, at: Some(at) };
                let submission = received_at(submission, event.received);
                match lead_of(submission, &item, event.released, &source.rules, region, flaws) {
                    Ok(mut lead) => {
                        lead.give_way(|field| told.are_newer(field, word));
                        words.push((event.seq, Words::of(lead.stated_fields(), word)));
                        said.push((at, lead));
                    }
                    Err(hold) => withheld.push((event.seq, hold)),
                }
            }
            Ok(Err(hold)) => withheld.push((event.seq, hold)),
            Err(why) => return Folded::Unreadable(event.seq, why),
        }
    }
    // Stable: what was said at the same moment keeps the order in which it came.
    said.sort_by_key(|(at, _)| *at);
    let each = said.iter().map(|(_, lead)| lead.for_create()).collect();
    let lead = said.into_iter().map(|(_, lead)| lead).reduce(|mut lead, later| {
        lead.absorb(later);
        lead
    });
    match lead {
        Some(lead) if withheld.is_empty() => Folded::Lead { lead: Box::new(lead), words, each },
        Some(_) | None => Folded::Withhold(withheld),
    }
}

/// What is not forwarded because one of `events` says that the sender has deleted the person's data: all of them but what a
/// person has released.
fn stopped(
    external_ref: &ExternalRef,
    events: &[StoredEvent],
    sources: &[Result<Source, Absent>],
) -> Option<Vec<(Seq, Hold)>> {
    let unreleased = || events.iter().zip(sources).filter(|(event, _)| !event.released);
    let deletes = |(event, source): (&StoredEvent, &Result<Source, Absent>)| {
        source.as_ref().is_ok_and(|source| source.provider.deletes(&body_of(event, external_ref)))
    };
    unreleased().any(deletes).then(|| unreleased().map(|(event, _)| (event.seq, Hold::DeletedAtSender)).collect())
}

/// Who `events` speak of, each for itself, and whether all of them say so. Whether they are to be forwarded does not matter
/// here: some of them were in a create.
pub(super) fn people(
    external_ref: &ExternalRef,
    events: &[StoredEvent],
    region: Region,
    source_of: impl Fn(&SourceName) -> Result<Source, Absent>,
) -> (Vec<Lead>, bool) {
    let person = |event: &StoredEvent| {
        let source = source_of(&event.source).ok()?;
        let item = body_of(event, external_ref);
        let submission = received_at(read(&source, &item, true).ok()?.ok()?, event.received);
        lead_of(submission, &item, true, &source.rules, region, &mut Vec::new()).ok()
    };
    let people: Vec<Lead> = events.iter().filter_map(person).collect();
    let all = people.len() == events.len();
    (people, all)
}

/// Whom a create names.
pub(super) fn named_in(body: &LeadBody) -> Named {
    Named { first_name: body.first_name.clone(), phone: body.phone.clone(), email: body.email.clone() }
}

/// The same as who may be found.
pub(super) fn person(external_ref: &ExternalRef, named: &Named) -> Lead {
    Lead::of(external_ref.clone(), fields_of(named), Fields::default())
}

/// The same as what was said.
pub(super) fn fields_of(named: &Named) -> Fields {
    let Named { first_name, phone, email } = named.clone();
    Fields { first_name, phone, email, ..Fields::default() }
}

/// Makes the lead of one submission by the rules of its form, unless they withhold it.
fn lead_of(
    mut submission: Submission,
    item: &ItemBody<'_>,
    released: bool,
    rules: &Rules,
    region: Region,
    flaws: &mut Vec<Flaw>,
) -> Result<Lead, Hold> {
    let rules = rules.for_form_of(&submission);
    let occasion = occasion_of(item);
    let failed = rules.failures(&submission, occasion, item.external_ref, region).into_iter();
    let form: Option<String> = submission.form_id().map(|id| id.chars().take(FORM_ID).collect());
    let flaw = |(rule, why): (String, Failed)| Flaw {
        source: item.source.clone(),
        form: form.clone(),
        rule,
        why: why.to_string(),
    };
    flaws.extend(failed.map(flaw));
    let hold = rules::why_held(&submission, occasion, item.external_ref, rules, region);
    let is_forwarded = hold == Hold::No || released || (hold == Hold::TestRule && rules.forward_test_leads);
    submission.is_test |= hold == Hold::TestRule;
    if is_forwarded { Ok(rules::lead_of(&submission, occasion, item.external_ref, rules, region)) } else { Err(hold) }
}

/// What an event's rules may know of it beside what it says.
#[must_use]
pub(super) fn occasion_of<'a>(item: &ItemBody<'a>) -> Occasion<'a> {
    Occasion { source: item.source.as_str(), received: item.received, body: item.fetched.unwrap_or(item.body) }
}

/// The event as its provider reads it.
#[must_use]
pub(super) fn body_of<'a>(event: &'a StoredEvent, external_ref: &'a ExternalRef) -> ItemBody<'a> {
    ItemBody {
        source: &event.source,
        external_ref,
        received: event.received,
        body: &event.body,
        fetched: event.fetched.as_deref(),
    }
}

fn read(source: &Source, item: &ItemBody<'_>, released: bool) -> Result<Result<Submission, Hold>, Undelivered> {
    let reading = source
        .provider
        .read(item)
        .map_err(|error| Undelivered { reason: DeadReason::Unreadable, detail: error.to_string() })?;
    Ok(match reading {
        Reading::Lead(submission) => Ok(*submission),
        Reading::Test(mut submission) if released || source.rules.for_form_of(&submission).forward_test_leads => {
            submission.is_test = true;
            Ok(*submission)
        }
        Reading::Spam(submission) | Reading::Nobody(submission) if released => Ok(*submission),
        Reading::Test(_) => Err(Hold::TestLead),
        Reading::Spam(_) => Err(Hold::Spam),
        Reading::Nobody(_) => Err(Hold::NoContact),
    })
}

/// A sender that gives no time of its own: the lead was submitted when its webhook came.
fn received_at(mut submission: Submission, received: Timestamp) -> Submission {
    submission.submitted_at.get_or_insert(received);
    submission
}

/// Why nothing can come of what `source` has sent, and what to do.
pub(super) fn gone(source: &SourceName, absent: &Absent) -> Undelivered {
    let detail = match absent {
        Absent::Wanting(why) | Absent::Off(why) => {
            format!("the source `{source}` is off ({why}); switch it on again, then replay")
        }
        Absent::Gone => format!("the source `{source}` is not configured any more; configure it again, then replay"),
    };
    Undelivered { reason: DeadReason::SourceGone, detail }
}
