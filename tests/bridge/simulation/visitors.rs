//! Visitors: leads that Konektor makes of clicks by itself, each with a code that may come back in a message.
//!
//! An event may name its person's own code, one that nobody has, or one that somebody else has passed on. Whoever names the
//! code of a visitor first becomes that visitor; another number finds the place taken, and gets a lead of its own.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::konektor::wire::{LeadBody, LeadView};
use konektor_bridge::konektor::{Request, Verdict};

use super::dice::Dice;
use super::konektor::{Fate, Held, Key, Konektor, blank};
use super::odds::Odds;
use super::played::Scene;
use super::sender::{Code, Word};
use super::world::{Happening, World};

/// How long before it is told of, at least, a click was: more than clocks are apart.
const CLICKED_BEFORE: Duration = Duration::from_secs(3);

/// What the codes of Konektor's rotator begin with.
pub(super) const ROTATOR: &str = "KNK-";

/// A lead that a click has made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visitor {
    /// The update that has made it somebody's got no answer, and none has changed its number since.
    unheard: bool,
}

impl World {
    /// Plans the clicks before what is said at `at`; gives when that can be said at the earliest.
    pub(super) fn plan_clicks(&mut self, words: &[Word], at: Duration) -> Duration {
        let clicks: Vec<usize> = words.iter().filter_map(Word::clicked).collect();
        if clicks.is_empty() {
            return at;
        }
        let before = self.dice.time(CLICKED_BEFORE..Duration::from_mins(2));
        for person in clicks {
            self.plan(at.saturating_sub(before), Happening::Click(person));
        }
        at.max(CLICKED_BEFORE)
    }

    /// Somebody clicks on an advertisement. Who has done so before is known by a cookie.
    pub(super) fn click(&mut self, person: usize) {
        let wall = self.true_time();
        if let Some(id) = self.konektor.click(person, &self.odds, &mut self.dice, wall, self.now) {
            self.tell(|| format!("r{person} clicks: {id}"));
        }
    }

    /// Sees what came of a code, before `request` is carried out.
    pub(super) fn see_codes(&mut self, request: &Request, fate: Fate) {
        if self.konektor.key != Key::Good {
            return;
        }
        let shown = self.odds.shows_ref;
        match request {
            Request::Create(body) => {
                let Some(code) = named_in(body) else { return };
                let carried = self.konektor.leads.iter().any(|held| !held.deleted && held.carries(&code));
                self.played.saw(if carried { Scene::CodePassedOn } else { Scene::CodeUnknown });
            }
            Request::Update(id, body) => {
                let Some(held) = self.konektor.leads.iter_mut().find(|held| held.view.id == *id && !held.deleted)
                else {
                    return;
                };
                let is_new = held.whose.is_none();
                // Where a number is only a guess, it stands beside the first one.
                let is_beside = body.notes.as_ref().is_some_and(|notes| notes.contains("Another number"));
                let changes_number = held.view.phone.is_some() && (body.phone.is_some() || is_beside);
                let Some(visitor) = &mut held.visitor else { return };
                if is_new {
                    visitor.unheard = fate != Fate::Good;
                    self.played.saw(if shown { Scene::Adopted } else { Scene::AdoptedHidden });
                    if visitor.unheard {
                        self.played.saw(Scene::AdoptedUnheard);
                    }
                } else if visitor.unheard && changes_number {
                    visitor.unheard = false;
                    self.played.saw(Scene::RenumberedUnheard);
                }
            }
            Request::Get(_) | Request::Search { .. } | Request::Probe | Request::ProbeWrite | Request::Workspace => {}
        }
    }

    /// What may make a second lead of a person who has a visitor's: that shows no reference of ours, and who was written into it is not known
    /// any more. Or clocks were set forward, and the click was moments ago by them.
    pub(super) fn visitor_is_out_of_reach(&self, double: &Held) -> bool {
        let is_older = |held: &&Held| held.visitor.is_some() && held.view.id != double.view.id;
        let theirs = |held: &&Held| held.whose.is_none() || held.whose == double.whose;
        let shows = |held: &Held| self.odds.shows_ref && !held.external_ref.is_empty();
        let mut visitors = self.konektor.leads.iter().filter(is_older).filter(theirs);
        let is_gone = self.lost.is_some() || self.odds.forgets() || self.has_discarded(double);
        let is_hidden = visitors.any(|held| !shows(held));
        is_hidden && (is_gone || !self.leapt.is_zero())
    }

    fn has_discarded(&self, held: &Held) -> bool {
        let mut of_it = self.acked.iter().filter(|word| Some(word.lead) == held.whose);
        of_it.any(|word| self.desk.discarded.contains(&word.id()))
    }
}

impl Konektor {
    /// Makes a lead of a click, unless this person has one; gives its id.
    fn click(&mut self, person: usize, odds: &Odds, dice: &mut Dice, wall: Timestamp, now: Duration) -> Option<String> {
        let code = Word::code_of(person);
        if self.leads.iter().any(|held| held.carries(&code)) {
            return None;
        }
        let id = format!("lead_{}", self.leads.len());
        let mut view = blank(id.clone(), wall);
        view.first_name = Some(format!("Visitor [{code}]"));
        view.unique_code = Some(code);
        let visible = now + dice.time(Duration::ZERO..odds.search_lag + Duration::from_millis(1));
        let mut held = Held::new(view, String::new(), None, visible);
        held.visitor = Some(Visitor::default());
        self.leads.push(held);
        Some(id)
    }

    /// Whether a create of `body` for this person is of one who has a lead: under a reference of theirs, or a visitor's that
    /// nobody else has taken and whose code it names.
    pub(super) fn has_lead_of(&self, person: Option<usize>, body: &LeadBody) -> bool {
        let named = named_in(body);
        let waits = |held: &Held| held.whose.is_none() && named.as_ref().is_some_and(|code| held.carries(code));
        self.leads.iter().any(|held| !held.deleted && (held.whose == person || waits(held)))
    }

    /// Somebody is written into the lead `id`; whether they have another one already.
    pub(super) fn has_other_of(&self, person: usize, id: &str) -> bool {
        self.leads.iter().any(|held| held.whose == Some(person) && !held.deleted && held.view.id.0 != id)
    }
}

impl Held {
    /// Whether it carries this code, in whichever case it is written.
    pub(super) fn carries(&self, code: &str) -> bool {
        self.view.unique_code.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(code))
    }
}

/// The code that a create names: in its notes, for it is not ours to give.
fn named_in(body: &LeadBody) -> Option<String> {
    let (_, rest) = body.notes.as_deref()?.split_once("uniqueCode: ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// What an engine hears where a guard is taken away: of visitors, no codes or no numbers.
pub(super) fn each_visitor(verdict: &mut Verdict, change: impl Fn(&mut LeadView)) {
    let is_visitor = |code: &Option<String>| code.as_ref().is_some_and(|code| code.starts_with(ROTATOR));
    let each = |view: &mut LeadView| {
        if is_visitor(&view.unique_code) {
            change(view);
        }
    };
    match verdict {
        Verdict::Lead(view) => each(view),
        Verdict::Found { leads, .. } => leads.iter_mut().for_each(each),
        Verdict::Allowed
        | Verdict::Workspace(_)
        | Verdict::Invalid(_)
        | Verdict::NotFound
        | Verdict::Conflict
        | Verdict::Unauthorized
        | Verdict::Forbidden
        | Verdict::Quota
        | Verdict::Throttled
        | Verdict::Misconfigured
        | Verdict::Unsent(_)
        | Verdict::Unclear(_) => {}
    }
}

impl Code {
    /// Which code something of `lead` names, if it names one. One person names three at most, for no more are looked for.
    pub(super) fn draw(lead: usize, odds: &Odds, dice: &mut Dice) -> Option<Self> {
        let passed_on = if odds.passes_on && odds.leads > 1 { 0.3 } else { 0.0 };
        let other = Self::PassedOn((lead + 1) % odds.leads);
        let code = dice.weighted(&[(0.7, Self::Own), (0.2, Self::Unknown), (passed_on, other)]);
        dice.chance(odds.codes).then_some(code)
    }

    /// As it stands in the message.
    pub(super) fn text(self, number: usize, lead: usize) -> String {
        let code = match self {
            Self::Own => Word::code_of(lead),
            Self::Unknown => format!("{ROTATOR}U{lead:02}"),
            Self::PassedOn(person) => Word::code_of(person),
        };
        if number.is_multiple_of(3) { code.to_lowercase() } else { code }
    }
}
