//! What the commands of `api` share: the client, and what is said when a call gave nothing.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::anyhow;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde_json::value::RawValue;

use super::locale::Locale;
use crate::app::permits::{LocalPermits, Pace};
use crate::cli::Context;
use crate::cli::failure::BadUsage;
use crate::cli::moment::Moment;
use crate::cli::output::{Out, Tone};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::konektor::wire::Workspace;
use crate::konektor::{Api, ApiError, Refused};

/// The client of the workspace that the settings name.
pub(super) fn open(context: &Context, pace: Pace) -> anyhow::Result<Api> {
    let settings = config::load_settings(&context.environment)?;
    client(&settings, &context.clock, pace)
}

/// The same for settings that are read already.
pub(in crate::cli) fn client(settings: &Settings, clock: &Arc<dyn Clock>, pace: Pace) -> anyhow::Result<Api> {
    let key = settings.api_key.clone().ok_or_else(|| {
        BadUsage("KONEKTOR_API_KEY is not set; make a key in Konektor under Workspace Settings, API Keys".into())
    })?;
    let permits = LocalPermits::with_clock(pace, Arc::clone(clock));
    Ok(Api::new(&settings.base_url, Arc::new(move || key.clone()), Arc::new(permits))?)
}

/// A client for what needs no key.
pub(super) fn public(context: &Context) -> anyhow::Result<Api> {
    let settings = config::load_settings(&context.environment)?;
    let permits = LocalPermits::with_clock(Pace::Prompt, context.clock.clone());
    Ok(Api::new(&settings.base_url, Arc::new(SecretString::default), Arc::new(permits))?)
}

/// What to say of a call that only reads.
pub(in crate::cli) fn not_read(error: ApiError) -> anyhow::Error {
    let sentence = with_id(&error);
    match error.why {
        Refused::Invalid(_) => BadUsage(sentence).into(),
        Refused::Misconfigured => BadUsage(format!("{sentence}: set KONEKTOR_BASE_URL to where Konektor is")).into(),
        Refused::Unauthorized => anyhow!(
            "{sentence}; make a new one in Konektor under Workspace Settings, API Keys, and set KONEKTOR_API_KEY"
        ),
        Refused::Unsent(_) => anyhow!("{sentence}; check KONEKTOR_BASE_URL and the network"),
        _ => anyhow!(sentence),
    }
}

/// What to say of a call that writes: nobody may know whether it was done.
pub(in crate::cli) fn not_written(error: ApiError) -> anyhow::Error {
    match error.why {
        Refused::Unclear(_) => {
            anyhow!("{}; it may have been done all the same: look before you repeat it", with_id(&error))
        }
        _ => not_read(error),
    }
}

fn with_id(error: &ApiError) -> String {
    match &error.meta.request_id {
        Some(id) => format!("{error} (Konektor's request {id})"),
        None => error.to_string(),
    }
}

/// How the people of the workspace write amounts and times. Whoever may not ask gets them bare.
pub(super) async fn locale(api: &Api) -> anyhow::Result<Locale> {
    match api.workspace().await {
        Ok(reply) => Ok(Locale::of(&reply.data)),
        Err(error) => {
            let why = match error.why {
                Refused::Forbidden => "the key has no scope agent.workspace.read".to_owned(),
                _ => with_id(&error),
            };
            writeln!(anstream::stderr(), "times are UTC and amounts have no currency: {why}")?;
            Ok(Locale::of(&Workspace::default()))
        }
    }
}

/// Two ends of a time, each under the name of its argument. A day is the workspace's.
pub(super) async fn span(
    api: &Api,
    (after, from): (&str, Option<Moment>),
    (before, to): (&str, Option<Moment>),
    now: Timestamp,
) -> anyhow::Result<(Option<Timestamp>, Option<Timestamp>)> {
    let is_local = [from, to].into_iter().flatten().any(Moment::is_local);
    let zone = if is_local { days_of(api).await? } else { TimeZone::UTC };
    let at = |moment: Option<Moment>| moment.map(|moment| moment.resolve_in(now, &zone));
    match (at(from), at(to)) {
        (Some(from), Some(to)) if from > to => {
            Err(BadUsage(format!("{after} ({from}) is later than {before} ({to})")).into())
        }
        span => Ok(span),
    }
}

/// The zone in which the workspace's days begin; this machine's for whoever may not ask.
async fn days_of(api: &Api) -> anyhow::Result<TimeZone> {
    let (zone, why) = match api.workspace().await {
        Ok(reply) => {
            let named = reply.data.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
            (named, "the workspace names no time zone that is known here".to_owned())
        }
        Err(error) if error.why == Refused::Forbidden => (None, "the key has no scope agent.workspace.read".to_owned()),
        Err(error) => return Err(not_read(error)),
    };
    if let Some(zone) = zone {
        return Ok(zone);
    }
    writeln!(anstream::stderr(), "days begin as on this machine: {why}")?;
    Ok(TimeZone::system())
}

/// Writes what Konektor wrote.
pub(super) fn print_json(json: &RawValue, out: &mut Out) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", json.get())?)
}

/// Writes what is known under its names, one a line.
pub(super) fn print_fields(fields: &[(&str, Option<String>)], out: &mut Out) -> anyhow::Result<()> {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let faint = Tone::Faint.style();
    for (name, value) in fields {
        if let Some(value) = value {
            let value = crate::cli::output::printable(value).replace('\n', &format!("\n{:1$}  ", "", width));
            writeln!(out, "{faint}{name:<width$}{faint:#}  {value}")?;
        }
    }
    Ok(())
}
