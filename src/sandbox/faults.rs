//! What goes wrong on purpose. Everything is off unless it is switched on, and the same seed gives the same faults.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::agent::calls::Kind;
use super::agent::conversions::Ending;
use super::agent::fields::Field;
use super::agent::wire::Answer;
use super::rate::RateModel;

/// The faults in force. As JSON, durations are written `250ms`, `1.5s`, `2m`; what is left out is off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// How long a call that is let in waits before it is worked on. A client that gives up meanwhile may still get its lead committed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub latency: Duration,
    /// How long an answer waits after the work is done and committed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub answer_latency: Duration,
    /// How often a call is answered 500 without anything being committed.
    pub error_rate: Chance,
    /// How often a create, update or ticket is committed and the connection then cut without an answer.
    pub lost_answer_rate: Chance,
    /// How often a create, update or ticket is committed and then answered 500.
    pub commit_then_500_rate: Chance,
    /// How long after its creation a lead is not yet found by the list, with or without a search.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub search_lag: Duration,
    /// Another limit than the plan's, or another way to count.
    pub rate_limit: Option<RateLimit>,
    /// A key (the text after `Bearer `) that is answered 401 as long as it stands here.
    pub revoke_key: Option<String>,
    /// Leads a workspace may create a day (in its own time zone); then 403 "daily lead limit reached".
    pub daily_limit: Option<u32>,
    /// A field that is refused with 400 whenever a create or update carries it.
    pub reject_field: Option<Field>,
    /// How often a conversion that begins to be sent on will fail.
    pub conversion_failed_rate: Chance,
    /// How often it will get through in part only.
    pub conversion_partial_rate: Chance,
    /// Faults for the next calls only, taken in order, before any rate is asked.
    pub next: Vec<Next>,
}

/// A request limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// How requests are counted.
    pub model: RateModel,
    /// Requests a minute; the plan's when absent.
    pub per_minute: Option<NonZeroU32>,
}

/// A fault for the next few calls of one kind. Calls refused anyway (401, 403, 404 for no such call, 429, 400) do not use
/// it up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// The calls it strikes.
    pub on: On,
    /// How many of them.
    #[serde(default = "Next::once")]
    pub times: NonZeroU32,
    /// What happens to each.
    pub then: Mishap,
}

impl Next {
    const fn once() -> NonZeroU32 {
        NonZeroU32::MIN
    }
}

/// The calls a [`Next`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// All of them.
    Any,
    /// Those of one kind, such as `create`.
    #[serde(untagged)]
    Call(Kind),
}

/// What goes wrong with one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// 500, and nothing is committed.
    Error,
    /// The work is committed, then 500.
    #[serde(rename = "commit_then_500")]
    CommitThen500,
    /// The work is committed, then the connection is cut.
    LostAnswer,
    /// The connection is cut, and nothing is committed.
    Cut,
    /// This answer, and nothing is committed.
    Answer(Answer),
}

impl On {
    fn strikes(self, kind: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Call(struck) => struck == kind,
        }
    }
}

/// How often something happens, from 0 (never) to 1 (always).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Chance(f64);

impl Chance {
    /// Every time.
    pub const ALWAYS: Self = Self(1.0);

    /// # Errors
    /// When `rate` is not within 0 and 1.
    pub fn new(rate: f64) -> Result<Self, FaultsError> {
        if (0.0..=1.0).contains(&rate) { Ok(Self(rate)) } else { Err(FaultsError::Rate) }
    }
}

impl TryFrom<f64> for Chance {
    type Error = FaultsError;

    fn try_from(rate: f64) -> Result<Self, FaultsError> {
        Self::new(rate)
    }
}

impl From<Chance> for f64 {
    fn from(chance: Chance) -> Self {
        chance.0
    }
}

/// Why faults cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// A rate outside its range.
    #[error("a rate is a number from 0 to 1")]
    Rate,
    /// A status that cannot be sent.
    #[error("the status {0} of an answer is not one of 200 to 599")]
    Status(u16),
    /// A header that cannot be sent.
    #[error("the header `{0}` of an answer is not a valid HTTP header")]
    Header(String),
}

impl Faults {
    /// # Errors
    /// When an answer among [`Faults::next`] cannot be sent.
    pub fn check(&self) -> Result<(), FaultsError> {
        self.next.iter().try_for_each(|next| match &next.then {
            Mishap::Answer(answer) => answer.check(),
            Mishap::Error | Mishap::CommitThen500 | Mishap::LostAnswer | Mishap::Cut => Ok(()),
        })
    }
}

impl Answer {
    /// Whether it can be sent.
    pub(super) fn check(&self) -> Result<(), FaultsError> {
        if !(200..=599).contains(&self.status) || StatusCode::from_u16(self.status).is_err() {
            return Err(FaultsError::Status(self.status));
        }
        let sendable = |(name, value): (&String, &String)| {
            HeaderName::try_from(name.as_str()).is_ok() && HeaderValue::try_from(value.as_str()).is_ok()
        };
        match self.headers.iter().find(|header| !sendable(*header)) {
            Some((name, _)) => Err(FaultsError::Header(name.clone())),
            None => Ok(()),
        }
    }
}

/// The faults with the dice that decide when they strike.
#[derive(Debug)]
pub(super) struct Mishaps {
    pub(super) faults: Faults,
    dice: StdRng,
}

impl Mishaps {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, dice: StdRng::seed_from_u64(seed) }
    }

    /// What goes wrong with the present call. A rate that is off throws no dice.
    pub(super) fn draw(&mut self, kind: Kind) -> Option<Mishap> {
        if let Some(mishap) = self.take_next(kind) {
            return Some(mishap);
        }
        if self.happens(self.faults.error_rate) {
            return Some(Mishap::Error);
        }
        // What reads commits nothing that an answer could lose.
        if !matches!(kind, Kind::Create | Kind::Update | Kind::Ticket) {
            return None;
        }
        if self.happens(self.faults.commit_then_500_rate) {
            return Some(Mishap::CommitThen500);
        }
        self.happens(self.faults.lost_answer_rate).then_some(Mishap::LostAnswer)
    }

    /// How a conversion that begins now will end.
    pub(super) fn ending(&mut self) -> Ending {
        if self.happens(self.faults.conversion_failed_rate) {
            Ending::Failed
        } else if self.happens(self.faults.conversion_partial_rate) {
            Ending::Partial
        } else {
            Ending::Synced
        }
    }

    fn take_next(&mut self, kind: Kind) -> Option<Mishap> {
        let at = self.faults.next.iter().position(|next| next.on.strikes(kind))?;
        let next = &mut self.faults.next[at];
        match NonZeroU32::new(next.times.get() - 1) {
            Some(left) => {
                next.times = left;
                Some(next.then.clone())
            }
            None => Some(self.faults.next.remove(at).then),
        }
    }

    fn happens(&mut self, chance: Chance) -> bool {
        chance.0 > 0.0 && self.dice.random_bool(chance.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<Faults, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    fn struck(mishaps: &mut Mishaps, kind: Kind, calls: usize) -> Vec<Option<Mishap>> {
        (0..calls).map(|_| mishaps.draw(kind)).collect()
    }

    #[test]
    fn nothing_goes_wrong_unless_it_is_switched_on() {
        let mut mishaps = Mishaps::new(Faults::default(), 1);
        assert!(struck(&mut mishaps, Kind::Create, 1000).iter().all(Option::is_none));
        assert_eq!(read(json!({})), Ok(Faults::default()));
    }

    #[test]
    fn faults_read_back_as_they_were_written() {
        let faults = read(json!({
            "latency": "250ms", "answer_latency": "1s", "error_rate": 0.25, "lost_answer_rate": 1,
            "commit_then_500_rate": 0.5, "search_lag": "1m 30s", "rate_limit": {"model": "sliding_log", "per_minute": 10},
            "revoke_key": "kk_1", "daily_limit": 3, "reject_field": "adPlatform",
            "conversion_failed_rate": 0.5, "conversion_partial_rate": 1,
            "next": [
                {"on": "create", "times": 2, "then": "commit_then_500"},
                {"on": "any", "then": {"answer": {"status": 503, "headers": {"Retry-After": "9"}, "body": "<html>"}}},
            ],
        }))
        .unwrap();
        assert_eq!(faults.search_lag, Duration::from_secs(90));
        assert_eq!(faults.reject_field, Some(Field::AdPlatform));
        assert_eq!(faults.next[1].times.get(), 1);
        assert_eq!(faults.check(), Ok(()));
        assert_eq!(read(serde_json::to_value(&faults).unwrap()), Ok(faults));
    }

    #[test]
    fn the_description_shows_every_fault_as_it_is_taken() {
        let shown: Vec<&str> = include_str!("agent/skill.md").split("```json\n").skip(1).collect();
        let json = |at: usize| serde_json::from_str(shown[at].split("```").next().unwrap()).unwrap();
        let faults: serde_json::Value = json(0);
        let every = serde_json::to_value(Faults::default()).unwrap();
        assert!(every.as_object().unwrap().keys().eq(faults.as_object().unwrap().keys()));
        assert!(read(faults).unwrap().check().is_ok());
        assert!(serde_json::from_value::<crate::sandbox::Override>(json(1)).is_ok());
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused() {
        for wrong in [
            json!({"latencies": "1s"}),
            json!({"latency": "soon"}),
            json!({"error_rate": 1.5}),
            json!({"error_rate": -0.1}),
            json!({"reject_field": "nickname"}),
            json!({"rate_limit": {"per_minute": 0}}),
            json!({"rate_limit": {"model": "leaky"}}),
            json!({"next": [{"on": "create", "times": 0, "then": "cut"}]}),
            json!({"next": [{"on": "create", "then": "explode"}]}),
            json!({"next": [{"on": "create", "then": "cut", "when": 1}]}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_sent_is_refused() {
        let playing = |answer| Faults {
            next: vec![Next { on: On::Any, times: Next::once(), then: Mishap::Answer(answer) }],
            ..Faults::default()
        };
        let mut answer = Answer::json(99, serde_json::Value::Null);
        assert_eq!(playing(answer.clone()).check(), Err(FaultsError::Status(99)));
        answer.status = 500;
        answer.headers.insert("a b".to_owned(), "c".to_owned());
        assert_eq!(playing(answer).check(), Err(FaultsError::Header("a b".to_owned())));
    }

    #[test]
    fn faults_for_the_next_calls_strike_their_kind_in_order_and_end() {
        let next = |on, times, then| Next { on, times: NonZeroU32::new(times).unwrap(), then };
        let faults = Faults {
            next: vec![next(On::Call(Kind::Create), 2, Mishap::LostAnswer), next(On::Any, 1, Mishap::Cut)],
            ..Faults::default()
        };
        let mut mishaps = Mishaps::new(faults, 1);
        assert_eq!(struck(&mut mishaps, Kind::Get, 2), [Some(Mishap::Cut), None]);
        let creates = struck(&mut mishaps, Kind::Create, 3);
        assert_eq!(creates, [Some(Mishap::LostAnswer), Some(Mishap::LostAnswer), None]);
        assert!(mishaps.faults.next.is_empty());
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let faults = Faults { error_rate: Chance::new(0.3).unwrap(), ..Faults::default() };
        let run = |seed| struck(&mut Mishaps::new(faults.clone(), seed), Kind::List, 200);
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let struck = run(7).iter().filter(|mishap| mishap.is_some()).count();
        assert!((30..90).contains(&struck), "about 60 of 200, not {struck}");
    }

    #[test]
    fn conversions_end_well_unless_they_are_told_otherwise() {
        let mut mishaps = Mishaps::new(Faults::default(), 1);
        assert_eq!(mishaps.ending(), Ending::Synced);
        mishaps.faults.conversion_partial_rate = Chance::ALWAYS;
        assert_eq!(mishaps.ending(), Ending::Partial);
        mishaps.faults.conversion_failed_rate = Chance::ALWAYS;
        assert_eq!(mishaps.ending(), Ending::Failed);
    }

    #[test]
    fn reads_are_never_committed_so_never_lost() {
        let faults =
            Faults { lost_answer_rate: Chance::ALWAYS, commit_then_500_rate: Chance::ALWAYS, ..Faults::default() };
        let mut mishaps = Mishaps::new(faults, 1);
        assert_eq!(mishaps.draw(Kind::List), None);
        assert_eq!(mishaps.draw(Kind::Update), Some(Mishap::CommitThen500));
    }
}
