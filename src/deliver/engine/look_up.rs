//! Asking a sender's own API for the fields that its webhook only names.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::super::{retry, senders};
use super::attempt::{Attempt, Stage, millis};
use super::{Ask, Deed, Desk, LookupEnd, Moment, Reply, Report, body_of};
use crate::domain::event::{DeadReason, SourceName};
use crate::providers::{Fetched, FormLookup, Lookup, LookupAnswer, Source};
use crate::store::{self, Outcome, Seq, Undelivered};

/// A narrower question may follow a refused one, and a narrower one still; not for ever.
const QUESTIONS: u32 = 3;
/// Lanes that ask senders' APIs at a time, a third of those that are worked on: one that hangs holds up no others.
const ASKING: usize = 8;

/// A question to a sender, of one event.
#[derive(Debug)]
pub(super) struct Question {
    seq: Seq,
    received: Timestamp,
    lookup: Lookup,
    asked: u32,
    since: Moment,
    /// Where it is about a form: which, and the fields of the lead that go on with the answer.
    form: Option<(String, Bytes)>,
}

impl Attempt {
    /// Asks for the fields of the event `seq`.
    pub(super) fn look_up(&mut self, seq: Seq, lookup: Lookup, desk: &mut Desk<'_>) -> Deed {
        let event =
            self.claimed.events.iter().find(|event| event.seq == seq).expect("the fold names an event it was given");
        let question = Question { seq, received: event.received, lookup, asked: 1, since: desk.moment, form: None };
        let Ok(source) = (desk.setup.sources)(&event.source) else { return self.release(desk) };
        if desk.looking_up >= ASKING {
            let age = desk.moment.now.duration_since(event.received).try_into().unwrap_or_default();
            let at = desk.moment.now + senders::turn_again(age, desk.moment.die);
            return self.settle(Outcome::Retry { at, counted: false }.into(), desk);
        }
        match desk.senders.ask(&source, &question.lookup, desk.moment.running) {
            Ok(()) => self.ask_sender(question, &source, desk),
            Err((left, why)) => self.wait_unasked(&question, left, why, desk),
        }
    }

    /// Waits until the sender may be asked again. That is no failure of this lead.
    fn wait_unasked(&mut self, question: &Question, left: Duration, why: String, desk: &mut Desk<'_>) -> Deed {
        let age = desk.moment.now.duration_since(question.received).try_into().unwrap_or_default();
        let wait = senders::look_again(left, age, desk.moment.die);
        if self.claimed.failing_since.is_none() {
            self.note_lookup(question, why, desk);
        }
        self.settle(Outcome::Retry { at: desk.moment.now + wait, counted: false }.into(), desk)
    }

    fn ask_sender(&mut self, question: Question, source: &Source, desk: &Desk<'_>) -> Deed {
        let deed = Deed::LookUp(source.provider.stamped(question.lookup.clone(), desk.moment.now));
        self.stage = Stage::LookingUp(Box::new(question));
        deed
    }

    pub(super) fn looked_up(&mut self, mut question: Question, reply: Option<Reply>, desk: &mut Desk<'_>) -> Deed {
        if let Some((form, fields)) = question.form.take() {
            return self.form_told(question.seq, form, &fields, reply, desk);
        }
        let (attempt, failing_since) = (self.claimed.attempts, self.claimed.failing_since);
        let event = self.claimed.events.iter().find(|event| event.seq == question.seq);
        let event = event.expect("the fold names an event it was given");
        let Ok(source) = (desk.setup.sources)(&event.source) else { return self.release(desk) };
        let name = event.source.clone();
        let fetched = match &reply {
            None => {
                let after = retry::backoff(attempt, desk.moment.die);
                Fetched::RetryAfter(after, "the sender's API could not be reached".into())
            }
            Some(Reply { status, headers, body }) => {
                let failing_for = failing_for(failing_since, event.received, desk.moment.now);
                let answer = LookupAnswer { status: *status, headers, body, failing_for };
                let item = body_of(event, &self.claimed.lease.external_ref);
                source.provider.looked_up(&item, &question.lookup, &answer)
            }
        };
        gate(&source, &question.lookup, &fetched, desk);
        match fetched {
            Fetched::Lead(fields) | Fetched::LeadThenRest(fields, ..) => {
                report(&name, LookupEnd::Got, &question, desk);
                self.about_form(question, &source, fields, desk)
            }
            Fetched::AskInstead(narrower) if question.asked < QUESTIONS => {
                self.ask_sender(Question { lookup: *narrower, asked: question.asked + 1, ..question }, &source, desk)
            }
            Fetched::AskInstead(_) => {
                let why = "the sender's API refused every question; check the token's permissions, then replay";
                self.not_had(&name, &question, why.into(), desk)
            }
            Fetched::GiveUp(why) => self.not_had(&name, &question, why, desk),
            Fetched::RetryAfter(after, why) | Fetched::Throttled(after, why) | Fetched::ScopeThrottled(after, why) => {
                self.later(&name, &question, after, why, desk)
            }
            Fetched::Blocked(after, why) | Fetched::ScopeBlocked(after, why) => {
                report(&name, LookupEnd::Blocked, &question, desk);
                self.wait_unasked(&question, after, why, desk)
            }
        }
    }

    /// Goes on with the fields of a lead and what is known of its form, which is asked for where nobody has.
    fn about_form(&mut self, question: Question, source: &Source, fields: Bytes, desk: &mut Desk<'_>) -> Deed {
        let event = self.claimed.events.iter().find(|event| event.seq == question.seq);
        let item = event.map(|event| body_of(event, &self.claimed.lease.external_ref));
        let asked = item.and_then(|item| source.provider.form_lookup(&item, &fields));
        let Some(FormLookup { form, lookup }) = asked else { return self.keep_fields(question.seq, fields) };
        match desk.questions.known(&source.name, &form, desk.moment.running) {
            Some(None) => self.keep_fields(question.seq, fields),
            Some(Some(told)) => self.keep_fields(question.seq, source.provider.with_form(&fields, &told)),
            None => {
                let form = Some((form, fields));
                self.ask_sender(Question { lookup, since: desk.moment, form, ..question }, source, desk)
            }
        }
    }

    /// Takes what a sender told of a form, if it did: what it says against a question is no failure of this lead.
    fn form_told(&mut self, seq: Seq, form: String, fields: &Bytes, reply: Option<Reply>, desk: &mut Desk<'_>) -> Deed {
        let event = self.claimed.events.iter().find(|event| event.seq == seq);
        let source = event.and_then(|event| (desk.setup.sources)(&event.source).ok());
        let Some(source) = source else { return self.release(desk) };
        let told = reply.filter(|reply| (200..300).contains(&reply.status)).map(|reply| Bytes::from(reply.body));
        desk.questions.note(&source.name, form, told.clone(), desk.moment.running);
        let fields = told.map_or_else(|| fields.clone(), |told| source.provider.with_form(fields, &told));
        self.keep_fields(seq, fields)
    }

    fn keep_fields(&mut self, seq: Seq, fields: Bytes) -> Deed {
        if let Some(event) = self.claimed.events.iter_mut().find(|event| event.seq == seq) {
            event.fetched = Some(fields.clone());
        }
        self.stage = Stage::Keeping;
        Deed::Ask(Ask::Fetched(self.lease().clone(), seq, fields))
    }

    fn later(
        &mut self,
        name: &SourceName,
        question: &Question,
        after: Duration,
        why: String,
        desk: &mut Desk<'_>,
    ) -> Deed {
        let patience = self.claimed.failing_since.map(|since| since + retry::CREATE_FOR);
        if patience.is_some_and(|until| until <= desk.moment.now) {
            let hours = retry::CREATE_FOR.as_secs() / 3600;
            return self.not_had(name, question, format!("{why}, for {hours} hours; replay it when it answers"), desk);
        }
        report(name, LookupEnd::Later, question, desk);
        self.note_lookup(question, why, desk);
        self.settle(Outcome::Retry { at: desk.moment.now + after, counted: true }.into(), desk)
    }

    fn not_had(&mut self, name: &SourceName, question: &Question, why: String, desk: &mut Desk<'_>) -> Deed {
        report(name, LookupEnd::GaveUp, question, desk);
        self.note_lookup(question, why.clone(), desk);
        self.give_up(question.seq, Undelivered { reason: DeadReason::FetchFailed, detail: why }, desk)
    }

    fn note_lookup(&mut self, question: &Question, note: String, desk: &Desk<'_>) {
        let millis = millis(took(question, desk));
        self.note(store::Attempt { at: question.since.now, call: "fetch".into(), status: None, millis, note });
    }
}

/// How long an item that came in at `received` cannot be had already: no longer than its lane fails.
fn failing_for(failing_since: Option<Timestamp>, received: Timestamp, now: Timestamp) -> Duration {
    let since = failing_since.map_or(now, |since| since.max(received));
    now.duration_since(since).try_into().unwrap_or_default()
}

/// Notes what an answer says of the access of others; said when that is news.
fn gate(source: &Source, asked: &Lookup, fetched: &Fetched, desk: &mut Desk<'_>) {
    let scope = asked.scope.as_deref();
    match fetched {
        Fetched::Lead(_) | Fetched::GiveUp(_) => {
            let opened = desk.senders.open(&source.name, asked).into_iter();
            desk.reports.extend(opened.map(|scope| Report::SenderOpen { source: source.name.clone(), scope }));
        }
        Fetched::LeadThenRest(_, wait, why) => {
            let opened = desk.senders.open_scope(&source.name, asked).map(Some).into_iter();
            desk.reports.extend(opened.map(|scope| Report::SenderOpen { source: source.name.clone(), scope }));
            shut(source, None, *wait, why, false, desk);
        }
        Fetched::Throttled(wait, why) => shut(source, None, *wait, why, false, desk),
        Fetched::ScopeThrottled(wait, why) => shut(source, scope, *wait, why, false, desk),
        Fetched::Blocked(wait, why) => shut(source, None, *wait, why, true, desk),
        Fetched::ScopeBlocked(wait, why) => shut(source, scope, *wait, why, true, desk),
        Fetched::RetryAfter(..) | Fetched::AskInstead(_) => {}
    }
}

/// Nobody asks `source` about `scope` for a while; said when that is news.
fn shut(source: &Source, scope: Option<&str>, wait: Duration, why: &str, refused: bool, desk: &mut Desk<'_>) {
    if desk.senders.shut(source, scope, wait, why, desk.moment.running) {
        let (source, scope, why) = (source.name.clone(), scope.map(str::to_owned), why.to_owned());
        desk.reports.push(Report::SenderShut { source, scope, refused, why });
    }
}

fn report(name: &SourceName, end: LookupEnd, question: &Question, desk: &mut Desk<'_>) {
    let took = took(question, desk);
    desk.reports.push(Report::LookedUp { source: name.clone(), end, took });
}

fn took(question: &Question, desk: &Desk<'_>) -> Duration {
    desk.moment.running.saturating_sub(question.since.running)
}
