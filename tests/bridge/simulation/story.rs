//! What happened, in few words, for whoever has to find out why a seed fails.

use std::time::Duration;

use konektor_bridge::deliver::engine::{Ask, Report, Told};
use konektor_bridge::konektor::{Request, Verdict};
use konektor_bridge::store::{Claim, Claimed, Lease, Outcome, StoreError};

/// The lines, while somebody wants to know them.
#[derive(Debug, Default)]
pub(super) struct Story(Option<Vec<String>>);

impl Story {
    /// One that is told.
    pub(super) const fn told() -> Self {
        Self(Some(Vec::new()))
    }

    pub(super) const fn is_told(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn tell(&mut self, now: Duration, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(format!("{:>10.3} {}", now.as_secs_f64(), line()));
        }
    }

    /// The lines that say something about the lead named in `wrong`, and about everybody.
    pub(super) fn about(self, wrong: &str) -> Vec<String> {
        let lead = wrong.split(|c: char| !c.is_alphanumeric()).find_map(|word| word.strip_prefix('r')?.parse().ok());
        let lead: Option<usize> = lead;
        let concerns = |line: &String| {
            let Some(lead) = lead else { return true };
            line.contains(&format!("r{lead} ")) || !line.split(' ').any(is_lead)
        };
        self.0.unwrap_or_default().into_iter().filter(concerns).collect()
    }
}

fn is_lead(word: &str) -> bool {
    word.strip_prefix('r').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn lane(lease: &Lease) -> String {
    format!("{} (fence {})", lease.external_ref.as_str().trim_start_matches("sim:"), lease.fence)
}

/// What was asked and told; `None` for what nobody needs to know.
pub(super) fn told(ask: &Ask, told: &Result<Told, StoreError>) -> Option<String> {
    let asked = match ask {
        Ask::Unsorted(..) | Ask::Expire(_) => return None,
        Ask::Heartbeat(held) if held.is_empty() => return None,
        Ask::Sort(sorted) => format!("sort {}", sorted.len()),
        Ask::Claim => "claim".into(),
        Ask::Begin(lease, upto, _) => format!("begin {} up to {upto}", lane(lease)),
        Ask::Permit(lease, adopting) => {
            let adopting = adopting.as_ref().map(|adopting| format!(", which adopts {}", adopting.lead_id));
            format!("permit for {}{}", lane(lease), adopting.unwrap_or_default())
        }
        Ask::Fetched(lease, seq, _) => format!("fetched {} for #{seq}", lane(lease)),
        Ask::Settle(lease, settlement) => format!("settle {} {}", lane(lease), outcome(&settlement.outcome)),
        Ask::Observe(permit, _) => format!("observe {permit:?}"),
        Ask::Heartbeat(held) => format!("heartbeat {:?}", held.iter().map(lane).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    };
    let answer = match told {
        Err(error) => format!("{error}"),
        Ok(Told::Claim(Claim::Nothing(_))) => return None,
        Ok(Told::Claim(Claim::Lane(claimed))) => self::claimed(claimed),
        Ok(other) => format!("{other:?}"),
    };
    Some(format!("{asked} ▸ {answer}"))
}

fn claimed(claimed: &Claimed) -> String {
    let Claimed { lease, permit, lead_id, intent, negatives, attempts, events, .. } = claimed;
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    let intent = intent.map(|intent| format!("intent {} at {} up to {}", intent.fence, intent.at, intent.upto));
    format!(
        "{} {permit:?}, {lead_id:?}, {}, {negatives} negatives, {attempts} attempts, {seqs:?}",
        lane(lease),
        intent.unwrap_or_default(),
    )
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Dead { why, upto } => format!("Dead {} up to {upto}", why.reason),
        other => format!("{other:?}"),
    }
}

/// A report; `None` for what is told otherwise.
pub(super) fn report(report: &Report) -> Option<String> {
    match report {
        Report::BreakerOpened { .. }
        | Report::BreakerClosed(_)
        | Report::Paused(_)
        | Report::Resumed(_)
        | Report::LookedUp { .. } => Some(format!("{report:?}")),
        _ => None,
    }
}

/// A call, with its lead where it names one.
pub(super) fn call(request: &Request) -> String {
    match request {
        Request::Create(body) => {
            let external_ref = body.external_ref.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("create {} of {:?}", external_ref.trim_start_matches("sim:"), body.estimated_value)
        }
        Request::Update(id, body) => format!("update {id} to {:?}", body.estimated_value),
        Request::Get(id) => format!("get {id}"),
        Request::Search { text, .. } => format!("search {} ", text.trim_start_matches("sim:")),
        other => other.word().into(),
    }
}

/// An answer's meaning.
pub(super) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Lead(view) => format!("{} {:?}", view.id, view.estimated_value),
        Verdict::Found { leads, .. } => {
            format!("{:?}", leads.iter().map(|lead| lead.id.to_string()).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}
