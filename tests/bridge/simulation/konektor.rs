//! The Konektor of the simulation: leads, a search that lags, a rate limit, and everything it may do to a call.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::domain::status::{LeadSource, Status};
use konektor_bridge::konektor::wire::{Cursor, LeadBody, LeadView, Money, Word};
use konektor_bridge::konektor::{Answer, FieldError, RateLimit, Request, Verdict};

use super::check::READ_WITHIN;
use super::dice::Dice;
use super::odds::Odds;
use super::sender::Word as Event;
use super::visitors::Visitor;

/// The longest time to a commit, as the guarantee assumes it (A1).
pub(super) const T_COMMIT: Duration = Duration::from_secs(30);
/// The longest time until a search finds a lead, as the guarantee assumes it (A2).
pub(super) const L_SEARCH: Duration = Duration::from_secs(15);
/// Leads that a search shows at a time: few, so that there is a second page.
const PAGE: usize = 2;
const WINDOW: Duration = Duration::from_mins(1);

/// A lead.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) view: LeadView,
    pub(super) external_ref: String,
    /// Whose it is: nobody's as long as a visitor has not said who they are.
    pub(super) whose: Option<usize>,
    /// A click has made it.
    pub(super) visitor: Option<Visitor>,
    pub(super) deleted: bool,
    /// It became this person's while there was another of theirs.
    pub(super) is_double: bool,
    visible: Duration,
    /// Every value that was written, in order.
    pub(super) values: Vec<f64>,
    /// When a person moved it on, and when one said by which channel it came.
    moved: Option<Duration>,
    channelled: Option<Duration>,
    /// When one gave a visitor a name.
    named: Option<Duration>,
    /// What was written over that should have stayed.
    pub(super) spoilt: Option<String>,
    /// What people have written into the notes and is still there, and since when.
    pub(super) edits: Vec<(Duration, String)>,
}

/// Konektor.
#[derive(Debug, Default)]
pub(super) struct Konektor {
    pub(super) leads: Vec<Held>,
    /// Whether the key is accepted.
    pub(super) key: Key,
    /// Calls that were refused because there were too many.
    pub(super) throttled: u32,
    /// When calls were counted.
    counted: VecDeque<Duration>,
    created_today: (u64, u32),
}

/// What Konektor thinks of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Key {
    #[default]
    Good,
    /// It does not know it.
    Revoked,
    /// It allows it nothing.
    Forbidden,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Done, and answered.
    Good,
    /// It never left.
    NoConnection,
    /// It left and never arrived.
    NeverArrives,
    /// Done, and the answer is lost.
    LostAnswer,
    /// Done long after the caller has given up.
    Late,
    /// Refused with a server error before anything was done.
    ErrorBefore,
    /// Done, and answered with a server error.
    ErrorAfter,
    /// Done, and answered with what nobody can read.
    Garbled,
}

impl Fate {
    pub(super) fn draw(odds: &Odds, dice: &mut Dice) -> Self {
        let calls = &odds.calls;
        dice.weighted(&[
            (1.0, Self::Good),
            (calls.no_connection, Self::NoConnection),
            (calls.never_arrives, Self::NeverArrives),
            (calls.lost_answer, Self::LostAnswer),
            (calls.late, Self::Late),
            (calls.error_before, Self::ErrorBefore),
            (calls.error_after, Self::ErrorAfter),
            (calls.garbled, Self::Garbled),
        ])
    }
}

impl Konektor {
    /// Counts a call and says whether it is one too many.
    pub(super) fn is_too_much(&mut self, odds: &Odds, now: Duration) -> bool {
        while self.counted.front().is_some_and(|first| *first + WINDOW <= now) {
            self.counted.pop_front();
        }
        if self.counted.len() >= odds.limit as usize {
            self.throttled += 1;
            return true;
        }
        self.counted.push_back(now);
        false
    }

    /// Somebody else calls, too.
    pub(super) fn foreign_call(&mut self, odds: &Odds, now: Duration) {
        self.is_too_much(odds, now).then(|| self.throttled -= 1);
    }

    /// The headers of every answer.
    pub(super) fn rate(&self, odds: &Odds, wall: Timestamp, now: Duration) -> RateLimit {
        let oldest = self.counted.front().map_or(WINDOW, |first| (*first + WINDOW).saturating_sub(now));
        let used = u32::try_from(self.counted.len()).expect("few");
        RateLimit {
            limit: Some(odds.limit),
            remaining: Some(odds.limit.saturating_sub(used)),
            reset: Some(wall + oldest),
            retry_after: odds.retry_after,
        }
    }

    /// Does what is asked.
    pub(super) fn execute(
        &mut self,
        request: &Request,
        odds: &Odds,
        dice: &mut Dice,
        wall: Timestamp,
        now: Duration,
    ) -> (u16, Verdict) {
        match self.key {
            Key::Good => {}
            Key::Revoked => return (401, Verdict::Unauthorized),
            Key::Forbidden => return (403, Verdict::Forbidden),
        }
        match request {
            Request::Create(body) => self.create(body, odds, dice, wall, now),
            Request::Update(id, body) => self.update(id, body, odds, now),
            Request::Get(id) => match self.find(id) {
                Some(held) => (200, Verdict::Lead(Box::new(held.shown(odds)))),
                None => (404, Verdict::NotFound),
            },
            Request::Search { text, cursor } => (200, self.search(text, cursor.as_ref(), odds, dice, now)),
            Request::Probe | Request::ProbeWrite => (200, Verdict::Allowed),
            Request::Workspace => self.workspace(odds, now),
        }
    }

    fn create(
        &mut self,
        body: &LeadBody,
        odds: &Odds,
        dice: &mut Dice,
        wall: Timestamp,
        now: Duration,
    ) -> (u16, Verdict) {
        let external_ref = body.external_ref.as_ref().expect("a create names its lead").as_str().to_owned();
        if odds.forbids_one && external_ref.ends_with("r0") {
            return (403, Verdict::Forbidden);
        }
        if let Some(errors) = refused(body) {
            return (400, Verdict::Invalid(errors));
        }
        if odds.unique && self.leads.iter().any(|held| held.external_ref == external_ref) {
            return (409, Verdict::Conflict);
        }
        let created = self.created(now);
        if odds.quota.is_some_and(|quota| created >= quota) {
            return (403, Verdict::Quota);
        }
        self.created_today = (day(now), created + 1);
        let mut view = blank(format!("lead_{}", self.leads.len()), wall);
        view.unique_code = Some(format!("API_{:08X}", self.leads.len()));
        let whose = Event::whose(&external_ref);
        let is_double = self.has_lead_of(whose, body);
        let visible = now + dice.time(Duration::ZERO..odds.search_lag + Duration::from_millis(1));
        let mut held = Held { is_double, ..Held::new(view, external_ref, whose, visible) };
        held.write(body, now);
        let answer = Verdict::Lead(Box::new(held.shown(odds)));
        self.leads.push(held);
        (201, answer)
    }

    fn update(&mut self, id: &LeadId, body: &LeadBody, odds: &Odds, now: Duration) -> (u16, Verdict) {
        if let Some(errors) = refused(body) {
            return (400, Verdict::Invalid(errors));
        }
        let comes = body.phone.as_deref().and_then(Event::whose_number);
        let has_other = comes.is_some_and(|person| self.has_other_of(person, &id.0));
        match self.find(id) {
            None => (404, Verdict::NotFound),
            Some(held) => {
                if held.whose.is_none() {
                    (held.whose, held.is_double) = (comes, has_other);
                }
                held.write(body, now);
                (200, Verdict::Lead(Box::new(held.shown(odds))))
            }
        }
    }

    fn search(&self, text: &str, cursor: Option<&Cursor>, odds: &Odds, dice: &mut Dice, now: Duration) -> Verdict {
        // A cursor goes on after the last lead that was shown: what was made or deleted since moves none to a page that was shown.
        let (from, among) = cursor.map_or((0, self.leads.len()), |cursor| {
            let (from, among) = cursor.0.split_once(" of ").expect("it was given out");
            (from.parse().expect("a number"), among.parse().expect("a number"))
        });
        let seen = |held: &Held| !held.deleted && held.visible <= now;
        // It is fuzzy: sometimes others come with it.
        let fuzzy = cursor.is_some() || dice.chance(0.2);
        let others = |at: usize| fuzzy && at.is_multiple_of(1 + among / 6);
        let is_it = |held: &Held| held.external_ref == text || held.carries(text);
        let leads = self.leads[..among].iter().enumerate().skip(from);
        let mut hits = leads.filter(|(at, held)| (others(*at) || is_it(held)) && seen(held)).peekable();
        let page: Vec<(usize, &Held)> = hits.by_ref().take(PAGE).collect();
        let last = page.last().map(|(at, _)| at).filter(|_| hits.peek().is_some());
        let next = last.map(|last| Cursor(format!("{} of {among}", last + 1)));
        Verdict::Found { leads: page.iter().map(|(_, held)| held.shown(odds)).collect(), total: None, next }
    }

    fn workspace(&self, odds: &Odds, now: Duration) -> (u16, Verdict) {
        let Some(limit) = odds.quota else { return (403, Verdict::Forbidden) };
        let told = serde_json::json!({ "usage": { "leadsPerDay": { "limit": limit, "current": self.created(now) } } });
        (200, Verdict::Workspace(serde_json::from_value(told).expect("it is a workspace")))
    }

    /// Creates of this day.
    fn created(&self, now: Duration) -> u32 {
        if self.created_today.0 == day(now) { self.created_today.1 } else { 0 }
    }

    fn find(&mut self, id: &LeadId) -> Option<&mut Held> {
        self.leads.iter_mut().find(|held| held.view.id == *id && !held.deleted)
    }
}

impl Held {
    pub(super) fn new(view: LeadView, external_ref: String, whose: Option<usize>, visible: Duration) -> Self {
        Self {
            view,
            external_ref,
            whose,
            visitor: None,
            deleted: false,
            is_double: false,
            visible,
            values: Vec::new(),
            moved: None,
            channelled: None,
            named: None,
            spoilt: None,
            edits: Vec::new(),
        }
    }

    fn write(&mut self, body: &LeadBody, now: Duration) {
        self.spoilt = self.spoilt.take().or_else(|| self.spoils(body, now));
        fn set<T: Clone>(field: &mut Option<T>, value: &Option<T>) {
            if value.is_some() {
                field.clone_from(value);
            }
        }
        if let Some(external_ref) = &body.external_ref {
            self.external_ref.clone_from(external_ref);
        }
        set(&mut self.view.first_name, &body.first_name);
        set(&mut self.view.email, &body.email);
        set(&mut self.view.phone, &body.phone);
        set(&mut self.view.status, &body.status.map(Word::Known));
        set(&mut self.view.source, &body.source.map(Word::Known));
        set(&mut self.view.notes, &body.notes);
        set(&mut self.view.estimated_value, &body.estimated_value);
        self.values.extend(body.estimated_value.as_ref().map(Money::to_f64));
        let notes = self.view.notes.as_deref().unwrap_or_default();
        self.edits.retain(|(_, line)| notes.contains(line));
    }

    /// A person writes a line into the notes.
    pub(super) fn edit(&mut self, line: String, now: Duration) {
        let notes = self.view.notes.take().unwrap_or_default();
        self.view.notes = Some(format!("{line}\n{notes}"));
        self.edits.push((now, line));
    }

    /// What `body` writes over that is to stay. Of what a person changed a moment ago nobody could know.
    fn spoils(&self, body: &LeadBody, now: Duration) -> Option<String> {
        let is_known = |changed: Option<Duration>| changed.is_none_or(|changed| changed + READ_WITHIN < now);
        if let (Some(next), Some(current)) = (body.status, self.status())
            && !current.allows(next)
            && is_known(self.moved)
        {
            return Some(format!("the status goes back from {current} to {next}"));
        }
        let comes = body.phone.as_deref().and_then(Event::whose_number);
        if let (Some(whose), Some(comes)) = (self.whose, comes)
            && whose != comes
        {
            return Some(format!("the lead of r{whose} is written over by r{comes}"));
        }
        if body.first_name.is_some() && self.values.is_empty() && self.named.is_some() && is_known(self.named) {
            return Some("the name that a person gave a visitor is taken away".to_owned());
        }
        let is_over = body.source.is_some() && self.channelled.is_some() && is_known(self.channelled);
        is_over.then(|| "an update takes away the channel that a person set".to_owned())
    }

    /// Where it stands.
    pub(super) fn status(&self) -> Option<Status> {
        match self.view.status {
            Some(Word::Known(status)) => Some(status),
            Some(Word::Other(_)) | None => None,
        }
    }

    /// A person moves it on, unless that were backwards.
    pub(super) fn move_on(&mut self, status: Status, now: Duration) -> bool {
        let is_on = self.status().is_some_and(|current| current.allows(status));
        if is_on {
            self.view.status = Some(Word::Known(status));
            self.moved = Some(now);
        }
        is_on
    }

    /// Whether it is a visitor whom staff have given a name.
    pub(super) fn was_given_a_name(&self) -> bool {
        self.named.is_some()
    }

    /// A person gives a visitor a name, of whom nothing else is known yet.
    pub(super) fn rename(&mut self, name: String, now: Duration) -> bool {
        let is_nobody = self.visitor.is_some() && self.whose.is_none() && self.named.is_none();
        if is_nobody {
            self.view.first_name = Some(name);
            self.named = Some(now);
        }
        is_nobody
    }

    /// A person says by which channel it came.
    pub(super) fn channel(&mut self, channel: LeadSource, now: Duration) {
        self.view.source = Some(Word::Known(channel));
        self.channelled = Some(now);
    }

    fn shown(&self, odds: &Odds) -> LeadView {
        let external_ref = Some(self.external_ref.clone()).filter(|shown| odds.shows_ref && !shown.is_empty());
        LeadView { external_ref, ..self.view.clone() }
    }
}

/// Which day it is.
fn day(now: Duration) -> u64 {
    now.as_secs() / 86_400
}

/// The fields that Konektor does not take.
fn refused(body: &LeadBody) -> Option<Vec<FieldError>> {
    let error = |field: &str| vec![FieldError { field: field.into(), message: "is not valid".into() }];
    if body.first_name.as_ref().is_some_and(|name| name == "Refused") {
        return Some(error("firstName"));
    }
    body.email.as_ref().is_some_and(|email| email.starts_with("odd")).then(|| error("email"))
}

/// An answer with this status.
pub(super) fn answer(status: u16, verdict: Verdict, rate: RateLimit) -> Answer {
    Answer { verdict, status: Some(status), request_id: None, rate }
}

/// No answer.
pub(super) fn silence(verdict: Verdict) -> Answer {
    Answer { verdict, status: None, request_id: None, rate: RateLimit::default() }
}

pub(super) fn blank(id: String, created: Timestamp) -> LeadView {
    LeadView {
        id: LeadId(id),
        unique_code: None,
        first_name: None,
        last_name: None,
        email: None,
        phone: None,
        status: Some(Word::Known(Status::New)),
        priority: None,
        source: None,
        ad_platform: None,
        notes: None,
        external_ref: None,
        assigned_to: None,
        estimated_value: None,
        actual_value: None,
        created_at: Some(created),
        updated_at: None,
    }
}
