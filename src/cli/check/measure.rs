//! `check --measure-search`: how long Konektor's search takes to find a new lead.
//!
//! The guarantee rests on that time (`KONEKTOR_SEARCH_WITHIN`), and nobody but the workspace itself can tell it. Measuring
//! makes real leads, which no call of the API deletes, so a person has to ask for it twice.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::Instant;

use super::super::failure::{BadUsage, Exit};
use super::super::output::{Out, took};
use super::super::{Context, api};
use crate::app::permits::Pace;
use crate::config;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::konektor::wire::{Change, LeadBody};
use crate::konektor::{Api, LeadFilter, ListQuery, Refused};

/// How often the search is asked: often enough to tell seconds apart, seldom enough to leave room to others.
const EVERY: Duration = Duration::from_millis(500);
/// After so many questions they are asked less often: a minute of them must not use up the smallest plan.
const OFTEN: u32 = 10;
/// And then so often.
const LESS_OFTEN: Duration = Duration::from_secs(3);
/// How long a lead is looked for.
const PATIENCE: Duration = Duration::from_mins(10);
/// What is suggested is so many times the longest time that was measured: a few rounds do not show the worst.
const MARGIN: u32 = 3;
/// And no less than this.
const LEAST: Duration = Duration::from_secs(15);

/// What was measured.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Measured {
    /// From the answer to a create until a search found the lead, in milliseconds, the shortest first.
    millis: Vec<u64>,
    /// What `KONEKTOR_SEARCH_WITHIN` should be at least, in seconds.
    suggested_s: u64,
    /// The leads that were made, by Konektor's ids.
    made: Vec<LeadId>,
}

/// Makes leads and looks for them, so many times.
pub(super) async fn run(rounds: u32, consent: bool, json: bool, mut context: Context) -> anyhow::Result<Exit> {
    let settings = config::load_settings(&context.environment)?;
    if !consent {
        return Err(BadUsage(format!(
            "this creates {rounds} leads in the workspace at {}, which you then have to delete by hand, for the API cannot; \
             say --create-leads if you want that",
            settings.base_url
        ))
        .into());
    }
    let konektor = api::client(&settings, &context.clock, Pace::Prompt)?;
    let (mut millis, mut made) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        match once(&konektor).await {
            Ok((id, took)) => {
                millis.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                made.push(id);
            }
            Err(error) if made.is_empty() => return Err(error),
            Err(error) => {
                list_made(&made, &mut context.out)?;
                return Err(error.context(format!("round {round} of {rounds}")));
            }
        }
    }
    millis.sort_unstable();
    let measured = Measured { suggested_s: suggested(&millis).as_secs(), millis, made };
    if json {
        context.out.json(&measured)?;
    } else {
        show(&measured, settings.search_within, &mut context.out)?;
    }
    Ok(Exit::Done)
}

/// One lead: how long from its making until it is found.
async fn once(konektor: &Api) -> anyhow::Result<(LeadId, Duration)> {
    let external_ref = ExternalRef::new("bridge:measure:", &uuid::Uuid::new_v4().simple().to_string());
    let body = LeadBody {
        first_name: Some("DELETE ME".to_owned()),
        last_name: Some(Change::To("(konektor-bridge measured the search)".to_owned())),
        notes: Some("Made by `konektor-bridge check --measure-search`. Delete it.".to_owned()),
        external_ref: Some(external_ref.to_string()),
        ..LeadBody::default()
    };
    let id = konektor.create(&body).await.map_err(api::not_written)?.data.id;
    let made = Instant::now();
    let found = find(konektor, &external_ref, &id, made).await;
    found.map(|took| (id.clone(), took)).with_context(|| format!("the lead {id} was made; delete it by hand"))
}

/// Asks until the lead is found. Waiting for the right to ask counts: too long a time does no harm, too short a one would.
async fn find(konektor: &Api, external_ref: &ExternalRef, id: &LeadId, made: Instant) -> anyhow::Result<Duration> {
    let filter = LeadFilter { search: Some(external_ref.to_string()), ..LeadFilter::default() };
    let query = ListQuery { filter, ..ListQuery::default() };
    for question in 0_u32.. {
        let wait = match konektor.leads(&query).await {
            Ok(page) if page.data.leads.iter().any(|lead| lead.read.id == *id) => return Ok(made.elapsed()),
            Ok(_) if question < OFTEN => EVERY,
            Ok(_) => LESS_OFTEN,
            Err(error) => match error.why {
                // The next permit comes when Konektor is ready for another call.
                Refused::Throttled | Refused::Unclear(_) | Refused::Unsent(_) => LESS_OFTEN,
                _ => return Err(api::not_read(error)),
            },
        };
        if made.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(wait).await;
    }
    Err(anyhow!("it was not found within ten minutes: without a search that finds leads none can be created safely"))
}

/// Three times the longest, in whole five seconds.
fn suggested(millis: &[u64]) -> Duration {
    let longest = Duration::from_millis(millis.last().copied().unwrap_or_default());
    let wanted = (longest * MARGIN).max(LEAST).as_secs_f64();
    Duration::from_secs(5) * (wanted / 5.0).ceil() as u32
}

fn show(measured: &Measured, within: Duration, out: &mut Out) -> io::Result<()> {
    let Measured { millis, suggested_s, made } = measured;
    let told = |place: usize| took(Duration::from_millis(millis[place]));
    let (shortest, median, longest) = (told(0), told(millis.len() / 2), told(millis.len() - 1));
    writeln!(
        out,
        "a new lead is found after: min {shortest}, median {median}, max {longest} ({} rounds)",
        millis.len()
    )?;
    writeln!(out, "KONEKTOR_SEARCH_WITHIN is {} s; by this it should be at least {suggested_s} s", within.as_secs())?;
    list_made(made, out)
}

fn list_made(made: &[LeadId], out: &mut Out) -> io::Result<()> {
    let ids: Vec<_> = made.iter().map(ToString::to_string).collect();
    writeln!(out, "delete by hand, for the API cannot: {} (all are called DELETE ME)", ids.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_is_three_times_the_longest_and_never_less_than_the_default() {
        let seconds = |millis: &[u64]| suggested(millis).as_secs();
        assert_eq!([seconds(&[120, 400]), seconds(&[120, 5_001]), seconds(&[60_000])], [15, 20, 180]);
    }
}
