//! What must be true: at each claim, at each POST, and at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use konektor_bridge::domain::event::EventId;
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::konektor::wire::{LeadBody, Money};
use konektor_bridge::store::{EventQuery, EventRow, EventState, Incident, Lease, PauseReason, Stats, Store};

use super::konektor::Held;
use super::sender::{Kind, Word};
use super::world::World;

/// An update is made from a read that is at most so old, however few calls are allowed: what the engine allows, and the freeze.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(84);
/// A POST leaves at most this long after its intent was written: what the engine allows, and the freeze.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// How far apart the clocks may be after a loss, by assumption 5.
const CLOCKS: Duration = Duration::from_mins(5);

impl World {
    fn stats(&self) -> Stats {
        self.store.stats(self.shown()).now_or_never().expect("memory answers at once").expect("it is open")
    }

    pub(super) fn is_paused_by_a_person(&self) -> bool {
        matches!(self.stats().paused, Some((PauseReason::Operator, _)))
    }

    /// What is still to be done; `None` when nothing is.
    pub(super) fn open(&self) -> Option<String> {
        let stats = self.stats();
        let pending: u64 =
            stats.events.iter().filter(|(state, _)| *state == EventState::Pending).map(|(_, count)| count).sum();
        let open = !self.all_heard() || stats.inbox + pending + stats.leased > 0;
        open.then(|| format!("{} in the inbox, {pending} pending, {} leased", stats.inbox, stats.leased))
    }

    fn violated(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// I9: while calls are paused, or a person has stopped them, no lane is claimed.
    pub(super) fn check_claim(&mut self, lease: &Lease) {
        if self.desk.stops || self.stats().paused.is_some() {
            self.violated(format!(
                "{} was claimed while calls are paused",
                lease.external_ref.as_str().trim_start_matches("sim:")
            ));
        }
    }

    /// I5 and I6: a POST leaves under an intent of its own, just written. `begun` is the fence under which its process
    /// has last written one, and when.
    pub(super) fn check_create(&mut self, external_ref: &ExternalRef, begun: Option<(u64, Duration)>) {
        let lane = self.store.lane(external_ref).now_or_never().expect("memory answers at once").expect("it is open");
        let intent = lane.and_then(|lane| lane.intent);
        let lead = external_ref.as_str().trim_start_matches("sim:");
        // What it wrote may be lost by now; the quiet period begins anew then.
        if self.lost.is_some_and(|lost| self.now < lost + SENT_WITHIN) {
            return;
        }
        match (intent, begun) {
            (Some(intent), Some((fence, at))) if intent.fence == fence => {
                if self.now > at + SENT_WITHIN {
                    self.violated(format!("a create of {lead} left {:?} after its intent", self.now - at));
                }
            }
            (intent, begun) => self.violated(format!(
                "a create of {lead} left without its intent: the store has {intent:?}, it wrote {begun:?}"
            )),
        }
    }

    /// A lead is written into by a lane that knows it: as its own, or as the one that it may have adopted with this.
    pub(super) fn check_known(&mut self, id: &LeadId) {
        if self.lost.is_some() || !self.leapt.is_zero() {
            return;
        }
        let mut lanes = (0..self.odds.leads).flat_map(|lead| [Word::external_ref(lead), Word::other_ref(lead)]);
        let knows = |name: ExternalRef| {
            let lane = self.store.lane(&name).now_or_never().expect("memory answers at once").expect("it is open");
            lane.is_some_and(|lane| [lane.lead_id, lane.adopting].iter().flatten().any(|known| known == id))
        };
        if !lanes.any(knows) {
            self.violated(format!("{id} is written into, and no lane knows it"));
        }
    }

    /// An update leaves with what people have written into the notes, but for what they wrote just now.
    pub(super) fn check_update(&mut self, id: &LeadId, body: &LeadBody) {
        let (Some(notes), now) = (&body.notes, self.now) else { return };
        let of_it = self.konektor.leads.iter().filter(|held| held.view.id == *id);
        let mut old = of_it.flat_map(|held| &held.edits).filter(|(at, _)| *at + READ_WITHIN < now);
        if let Some((at, line)) = old.find(|(_, line)| !notes.contains(line)).cloned() {
            self.violated(format!("an update of {id} takes away what a person wrote {:?} before: {line}", now - at));
        }
    }

    /// Of what was there `before`, only what has ended for good is forgotten.
    pub(super) fn check_forgotten(&mut self, before: &BTreeMap<EventId, EventRow>) {
        let rows = self.rows();
        let is_over = |row: &EventRow| matches!(row.state, EventState::Delivered | EventState::Discarded);
        if let Some(row) = before.values().find(|row| !rows.contains_key(&row.id) && !is_over(row)) {
            self.violated(format!("an event was forgotten while it was {}: {row:?}", row.state));
        }
    }

    /// Everything, after the end.
    pub(super) fn check(&self) -> Result<(), String> {
        let rows = self.rows();
        if self.is_exact() && self.konektor.throttled > 0 {
            return Err(format!("Konektor refused {} calls for being too many", self.konektor.throttled));
        }
        if let Some(open) = self.open() {
            return Err(format!("everybody has stopped, and there are {open}"));
        }
        self.check_doubles()?;
        let mut by_lead: BTreeMap<usize, Vec<(&Word, &EventRow)>> = BTreeMap::new();
        for word in &self.acked {
            let row = match rows.get(&word.id()) {
                Some(row) => row,
                None if self.odds.forgets() => continue,
                None => return Err(format!("{word:?} was taken and is not there any more")),
            };
            self.check_event(word, row)?;
            by_lead.entry(word.lead).or_default().push((word, row));
        }
        if self.lost.is_some() || self.odds.forgets() {
            // Of what was lost or forgotten nobody can say what it did, and who says it again is heard again.
            return Ok(());
        }
        if rows.len() != self.acked.len() {
            return Err(format!("{} events came of {}", rows.len(), self.acked.len()));
        }
        for (lead, mut events) in by_lead {
            events.sort_by_key(|(word, row)| (word.said(row.received), row.seq));
            self.check_lead(lead, &events)?;
        }
        Ok(())
    }

    /// Exactly one lead of each reference, and nobody says otherwise.
    fn check_doubles(&self) -> Result<(), String> {
        if let Some(double) = self
            .konektor
            .leads
            .iter()
            .find(|held| held.is_double && !self.is_out_of_reach(held) && !self.visitor_is_out_of_reach(held))
        {
            let whose = double.whose.map(|whose| format!("r{whose}")).unwrap_or_default();
            return Err(format!("{whose} is there twice: {double:?} is the second one"));
        }
        let incidents = self.store.incidents(100).now_or_never().expect("memory answers at once").expect("it is open");
        // What is out of reach may come to light later.
        let is_double = |id: &LeadId| self.konektor.leads.iter().any(|held| held.is_double && held.view.id == *id);
        let is_one = |incident: &Incident| incident.lead_id.iter().chain(&incident.doubles).any(is_double);
        let wrong: Vec<_> = incidents.iter().filter(|incident| !is_one(incident)).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("there are no doubles, but {wrong:?}")) }
    }

    /// What assumption 5 leaves out: the store has lost the first create with its event, the clock is wrong, so that nothing says
    /// that the lead is as young as that create, and no reference nor number tells whose it is.
    fn is_out_of_reach(&self, double: &Held) -> bool {
        let older = |held: &&Held| held.external_ref == double.external_ref && held.view.id != double.view.id;
        let is_like = |held: &Held| {
            let email = held.view.email.as_ref();
            held.view.phone == double.view.phone || email.is_some() && email == double.view.email.as_ref()
        };
        self.lost.is_some()
            && !self.odds.shows_ref
            && self.leapt > CLOCKS
            && !self.konektor.leads.iter().filter(older).any(is_like)
    }

    /// After a loss, only what is still there can be asked for.
    pub(super) fn forget_what_is_lost(&mut self) {
        let rows = self.rows();
        let inbox = self.store.unsorted(0, 1000).now_or_never().expect("memory answers at once").expect("it is open");
        let waits = |word: &Word| inbox.iter().any(|record| super::sender::holds(&record.webhook, word));
        self.acked.retain(|word| rows.contains_key(&word.id()) || waits(word));
    }

    /// I8 holds to the letter: nobody else calls, all clocks agree, and the store forgets nothing.
    fn is_exact(&self) -> bool {
        self.odds.foreign_ever == 0.0 && self.odds.skew == 0 && self.leapt.is_zero() && self.lost.is_none()
    }

    pub(super) fn rows(&self) -> BTreeMap<EventId, EventRow> {
        let query = EventQuery { limit: 1000, ..EventQuery::default() };
        let page = self.store.events(query).now_or_never().expect("memory answers at once").expect("it is open");
        page.events.into_iter().map(|row| (row.id, row)).collect()
    }

    /// It has ended, and for a reason that is one.
    fn check_event(&self, word: &Word, row: &EventRow) -> Result<(), String> {
        let reason = row.reason.as_deref().unwrap_or_default();
        let is_released = self.desk.released.contains(&row.id);
        let ends = match row.state {
            EventState::Delivered => word.kind != Kind::Test || is_released,
            // What was released is not withheld again, unless that was lost, or forgotten when its sender repeated it.
            EventState::Withheld => {
                word.kind == Kind::Test && (!is_released || self.lost.is_some() || self.odds.forgets())
            }
            EventState::Dead => match reason {
                // Konektor says that the reference of a deleted lead exists.
                "rejected" if self.odds.unique && self.leads_of(word.lead).any(|held| held.deleted) => true,
                "rejected" => self.acked.iter().any(|other| other.lead == word.lead && other.kind == Kind::Refused),
                "lead_gone" => self.leads_of(word.lead).any(|held| held.deleted),
                "forbidden" => self.odds.forbids_all || self.odds.forbids_one && word.lead == 0,
                // Leases end by the clocks on the wall.
                "crashed" => self.odds.breaks_workers || !self.leapt.is_zero(),
                // Konektor's clock shows when a lead was made, and nothing tells it from an older one of the same person; or an
                // event was lost that may have said another number. A visitor whom staff have given a name shows no reference,
                // and may be anybody.
                "unresolved" => {
                    let may_be = self.odds.forgets() || !self.leapt.is_zero() || self.lost.is_some();
                    (may_be && !self.odds.shows_ref) || self.konektor.leads.iter().any(Held::was_given_a_name)
                }
                _ => false,
            },
            EventState::Discarded => self.desk.discarded.contains(&row.id),
            EventState::Pending => false,
        };
        let says_why = matches!(row.state, EventState::Delivered | EventState::Discarded) || row.detail.is_some();
        if ends && says_why {
            return Ok(());
        }
        Err(format!(
            "{word:?} of r{} ended as {} ({reason}: {})",
            word.lead,
            row.state,
            row.detail.as_deref().unwrap_or_default()
        ))
    }

    pub(super) fn leads_of(&self, lead: usize) -> impl Iterator<Item = &Held> {
        self.konektor.leads.iter().filter(move |held| held.whose == Some(lead))
    }

    /// Exactly one, and it says what its delivered events say, folded in their order.
    fn check_lead(&self, lead: usize, events: &[(&Word, &EventRow)]) -> Result<(), String> {
        let delivered: Vec<&Word> =
            events.iter().filter(|(_, row)| row.state == EventState::Delivered).map(|(word, _)| *word).collect();
        let made: Vec<&Held> = self.leads_of(lead).collect();
        // One that was deleted before it was found is made again.
        let held = match (made.last(), delivered.is_empty()) {
            (None, true) => return Ok(()),
            (Some(held), false) => held,
            // Given up while it was not known whether it had been made.
            (Some(_), true) if events.iter().any(|(_, row)| is_given_up(row)) => return Ok(()),
            (Some(_), true) => return Err(format!("r{lead} was made, and none of its events is delivered")),
            (None, false) => return Err(format!("r{lead} is not there, and {delivered:?} are delivered")),
        };
        if held.deleted {
            return Ok(());
        }
        // An update without an answer is waited for by a clock that nobody sets as long as its process lives and takes the
        // lane up again; another one goes by the clock on the wall.
        if !self.leapt.is_zero() && (self.hosts.len() > 1 || self.hosts.iter().any(|host| host.life > 1)) {
            return Ok(());
        }
        self.check_order(lead, events, held)?;
        if let Some(spoilt) = &held.spoilt {
            return Err(format!("{spoilt}, of r{lead}: {held:?}"));
        }
        // What is put back after newer events fills blanks only, whenever it was said.
        if self.desk.replayed.contains(&lead) {
            return Ok(());
        }
        let wrong = |what: &str| Err(format!("{what} of r{lead} is not that of {delivered:?}: {held:?}"));
        // What was written and then refused together with a later event is dead, and written all the same.
        let stands = events
            .iter()
            .rposition(|(word, _)| held.view.estimated_value.as_ref().map(Money::to_f64) == Some(value(word)));
        let last = events.iter().rposition(|(_, row)| row.state == EventState::Delivered);
        let is_dead = stands.is_some_and(|stands| is_given_up(events[stands].1));
        if stands != last && !(stands > last && is_dead) {
            return wrong("the value");
        }
        let notes = held.view.notes.as_deref().unwrap_or_default();
        if delivered.iter().any(|word| !notes.contains(&word.message())) {
            return wrong("a message in the notes");
        }
        if delivered.iter().filter_map(|word| word.status()).max() > held.status() {
            return wrong("the status");
        }
        let is_odd = |word: &Word| word.kind == Kind::OddField || word.old > 0;
        let odd = events.iter().any(|(word, row)| is_odd(word) || is_given_up(row));
        let stated = delivered.iter().rev().find_map(|word| word.email());
        if !odd && held.view.email != stated {
            return wrong("the address");
        }
        Ok(())
    }

    /// I7: what was written never goes back. What died with a call that was refused may have been written by one before it, of
    /// which nothing was heard: an older word that is put back alone does not know that.
    fn check_order(&self, lead: usize, events: &[(&Word, &EventRow)], held: &Held) -> Result<(), String> {
        let place = |written: &f64| events.iter().position(|(word, _)| (value(word) - written).abs() < 0.5);
        let places: Option<Vec<usize>> = held.values.iter().map(place).collect();
        let has_died = |place: usize| is_given_up(events[place].1) || self.desk.put_back.contains(&events[place].1.id);
        let in_order = |places: &[usize]| {
            let later = |at: usize| places[at..].iter();
            places.iter().enumerate().all(|(at, place)| has_died(*place) || later(at).all(|next| next >= place))
        };
        if places.as_deref().is_some_and(in_order) {
            return Ok(());
        }
        Err(format!("old values came back to r{lead}: {:?} were written, of {events:?}", held.values))
    }
}

fn value(word: &Word) -> f64 {
    f64::from(u32::try_from(word.number).expect("few"))
}

fn is_given_up(row: &EventRow) -> bool {
    matches!(row.state, EventState::Dead | EventState::Discarded)
}
