//! The gate as Redis keeps it, for all replicas together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::step::Step;
use super::values::{Pair, Reply, Strange, nanos, next, parse, time};
use crate::store::Options;
use crate::store::gate::{Gate, GateRecord};

/// A gate, and how it was read.
pub(super) struct Kept {
    pub(super) gate: Gate,
    /// Its record, with what a later version has added.
    record: Map<String, Value>,
    calls: BTreeMap<u64, String>,
}

/// What other stores keep in memory only: here other replicas go on where one has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Warmth {
    warm: bool,
    turn: u64,
}

impl Kept {
    /// Reads the answer to `gate`.
    pub(super) fn read(answer: Reply, options: &Options) -> Result<Self, Strange> {
        let mut parts = answer.list()?;
        let record = next(&mut parts)?.maybe_bytes()?;
        let calls = next(&mut parts)?.pairs()?;
        Self::of(record, calls, options)
    }

    /// Reads its record and the limiter's log.
    pub(super) fn of(record: Option<Vec<u8>>, calls: Vec<Pair>, options: &Options) -> Result<Self, Strange> {
        let unreadable = |_| Strange("the gate");
        let record: Map<String, Value> = match record {
            Some(record) => serde_json::from_slice(&record).map_err(unreadable)?,
            None => Map::new(),
        };
        let (mut log, mut flying, mut as_read) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for (id, until) in calls {
            let id = parse(&id)?;
            as_read.insert(id, String::from_utf8(until.clone()).map_err(|_| Strange("a permit"))?);
            let until = match until.strip_suffix(b"f") {
                Some(until) => {
                    flying.insert(id);
                    parse(until)?
                }
                None => parse(&until)?,
            };
            log.insert(id, time(until));
        }
        let all = Value::Object(record.clone());
        let kept: GateRecord = serde_json::from_value(all.clone()).map_err(unreadable)?;
        let Warmth { warm, turn } = serde_json::from_value(all).map_err(unreadable)?;
        let gate = Gate::go_on(Gate::restore(kept, log, options.call_timeout), warm, flying, turn);
        Ok(Self { gate, record, calls: as_read })
    }

    /// As it is to be written.
    pub(super) fn record(&self) -> String {
        serde_json::to_string(&self.now()).expect("a map of plain values has a JSON form")
    }

    /// Whether its record is another than was read.
    pub(super) fn has_moved(&self) -> bool {
        self.now() != self.record
    }

    fn now(&self) -> Map<String, Value> {
        let warmth = Warmth { warm: self.gate.limiter.is_warm(), turn: self.gate.turn() };
        let mut record = self.record.clone();
        for part in [serde_json::to_value(self.gate.record()), serde_json::to_value(warmth)] {
            if let Value::Object(part) = part.expect("our own plain types have a JSON form") {
                record.extend(part);
            }
        }
        record
    }

    /// Has a step write what has changed, if nobody else has changed anything since revision `revision`.
    pub(super) fn write(&self, revision: i64, step: &mut Step) {
        step.check_gate(revision);
        step.gate(self.record());
        let mut calls: BTreeMap<u64, String> = BTreeMap::new();
        for (id, until) in self.gate.limiter.calls_from(0) {
            calls.insert(id, call(until, self.gate.limiter.is_flying(id)));
        }
        for id in self.calls.keys().filter(|id| !calls.contains_key(id)) {
            step.no_permit(*id);
        }
        for (id, until) in calls {
            if self.calls.get(&id) != Some(&until) {
                step.permit(id, until);
            }
        }
    }
}

/// Until when an entry stands, and whether nothing has been heard of it yet.
fn call(until: Timestamp, flying: bool) -> String {
    format!("{}{}", nanos(until), if flying { "f" } else { "" })
}
