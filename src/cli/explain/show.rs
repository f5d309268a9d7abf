//! An explanation, for people and for programs.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::Proof;
use super::credit::{credit, fields};
use super::fires::{Fire, fires};
use crate::cli::output::{Out, Text, Tone, printable};
use crate::config::Config;
use crate::deliver::{Rehearsal, Rehearsed};
use crate::domain::event::Hold;
use crate::domain::lead::Lead;
use crate::domain::region::Region;
use crate::domain::rules::Occasion;
use crate::domain::submission::{Answer, Submission};
use crate::konektor::Request;
use crate::providers::{Lookup, Source};
use crate::store::Undelivered;

/// What an explanation is about.
pub(super) struct Explanation<'a> {
    pub(super) source: &'a Source,
    pub(super) provider: String,
    pub(super) size: usize,
    pub(super) proof: Proof,
    pub(super) stand_ins: Vec<String>,
    pub(super) now: Timestamp,
}

/// An explanation, told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    source: String,
    provider: String,
    bytes: usize,
    proof: String,
    stand_ins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead: Option<Undelivered>,
    items: Vec<ItemTold>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemTold {
    event_id: String,
    external_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead: Option<Undelivered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<Asks>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<AnswerTold>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    lead: Map<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    set_by: BTreeMap<String, Vec<String>>,
    /// The form whose own rules were in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules_of_form: Option<String>,
    /// Rules that could not be told, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed_rules: BTreeMap<String, String>,
    /// The rule that gives `won` to what was paid, which this was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for_payment: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    notes: String,
    /// The code of the lead that would be searched for, and be updated if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    adopts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Call>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fires: Vec<Fire>,
}

/// What the sender's own API would be asked. Some parameters are secret, so only their names are told.
#[derive(Debug, Serialize)]
struct Asks {
    method: &'static str,
    url: String,
    parameters: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct AnswerTold {
    key: String,
    label: String,
    value: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    meaning: Value,
}

#[derive(Debug, Serialize)]
struct Call {
    method: &'static str,
    url: String,
    body: Value,
}

/// The word for the dialect of the source called `name`.
pub(super) fn dialect_of(config: &Config, name: &str) -> String {
    config.sources.iter().find(|source| source.name == name).map(|source| source.provider.clone()).unwrap_or_default()
}

impl Explanation<'_> {
    pub(super) fn tell(self, rehearsed: Result<Vec<Rehearsed>, Undelivered>, region: Region, leads: &Url) -> Told {
        let (items, dead) = match rehearsed {
            Ok(items) => (items, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        Told {
            source: self.source.name.to_string(),
            provider: self.provider,
            bytes: self.size,
            proof: match self.proof {
                Proof::Unchecked => "not checked".to_owned(),
                Proof::Holds => "holds".to_owned(),
                Proof::Refused(why) => format!("refused: {why}"),
            },
            stand_ins: self.stand_ins,
            dead,
            items: items.into_iter().map(|item| tell_item(self.source, self.now, item, region, leads)).collect(),
        }
    }
}

fn tell_item(source: &Source, now: Timestamp, rehearsed: Rehearsed, region: Region, leads: &Url) -> ItemTold {
    let Rehearsed { item, held, end } = rehearsed;
    let told = ItemTold {
        event_id: item.id.to_string(),
        external_ref: item.external_ref.to_string(),
        withheld: (held != Hold::No).then(|| held.to_string()),
        ..ItemTold::default()
    };
    match end {
        Rehearsal::Ask(lookup) => ItemTold { asks: Some(asks(*lookup)), ..told },
        Rehearsal::Dead(why) => ItemTold { dead: Some(why), ..told },
        Rehearsal::Nothing => told,
        Rehearsal::Call { submission, lead, body, code, request } => {
            let occasion = Occasion { source: source.name.as_str(), received: now, body: &body };
            let told = tell_rules(told, source, &submission, occasion, &lead, region);
            let (call, fires) = (call(&request, leads), fires(&lead, code.is_some()));
            ItemTold { lead: fields(&lead), notes: lead.notes.render(), adopts: code, call, fires, ..told }
        }
    }
}

fn tell_rules(
    told: ItemTold,
    source: &Source,
    submission: &Submission,
    occasion: Occasion<'_>,
    lead: &Lead,
    region: Region,
) -> ItemTold {
    let rules = source.rules.for_form_of(submission);
    let failed = rules.failures(submission, occasion, &lead.external_ref, region);
    ItemTold {
        answers: submission.answers.iter().map(answer).collect(),
        set_by: credit(submission, occasion, &lead.external_ref, rules, region),
        rules_of_form: submission.form_id().filter(|form| source.rules.forms.contains_key(*form)).map(str::to_owned),
        failed_rules: failed.into_iter().map(|(rule, why)| (rule, why.to_string())).collect(),
        waits_for_payment: rules.waiting_for_payment(submission),
        ..told
    }
}

fn asks(lookup: Lookup) -> Asks {
    Asks { method: "GET", url: lookup.url, parameters: lookup.query.into_iter().map(|(name, _)| name).collect() }
}

fn answer(answer: &Answer) -> AnswerTold {
    let Answer { key, label, value, meaning } = answer.clone();
    AnswerTold { key, label, value, meaning: serde_json::to_value(meaning).unwrap_or_default() }
}

/// A lead that is not in Konektor yet is created; nothing else can be told without asking Konektor.
fn call(request: &Request, leads: &Url) -> Option<Call> {
    match request {
        Request::Create(body) => {
            Some(Call { method: "POST", url: leads.to_string(), body: serde_json::to_value(body).unwrap_or_default() })
        }
        Request::Update(..)
        | Request::Get(_)
        | Request::Search { .. }
        | Request::Probe
        | Request::ProbeWrite
        | Request::Workspace => None,
    }
}

/// Writes an explanation for people.
pub(super) fn print(told: &Told, out: &mut Out) -> io::Result<()> {
    let (strong, faint) = (Tone::Strong.style(), Tone::Faint.style());
    writeln!(out, "{strong}{}{strong:#} {faint}({}, {} bytes){faint:#}", told.source, told.provider, told.bytes)?;
    let hint = match (told.proof.as_str(), told.stand_ins.as_slice()) {
        ("not checked", []) => ": give the sender's headers with --header to have it checked".to_owned(),
        ("not checked", missing) => format!(", for {} would be needed; it was read without", missing.join(", ")),
        _ => String::new(),
    };
    writeln!(out, "proof      {}{hint}", told.proof)?;
    if let Some(why) = &told.dead {
        print_dead(why, out)?;
    }
    if told.items.is_empty() && told.dead.is_none() {
        writeln!(out, "items      none: it is about no lead, so it is answered and forgotten")?;
    }
    for (place, item) in told.items.iter().enumerate() {
        let of = if told.items.len() > 1 { format!(" {} of {}", place + 1, told.items.len()) } else { String::new() };
        writeln!(out, "\n{strong}item{of}{strong:#}  {}", printable(&item.external_ref))?;
        print_item(item, out)?;
    }
    Ok(())
}

fn print_item(item: &ItemTold, out: &mut Out) -> io::Result<()> {
    writeln!(out, "event      {}", item.event_id)?;
    if let Some(hold) = &item.withheld {
        let tone = Tone::Doubtful.style();
        writeln!(out, "{tone}withheld{tone:#}   {hold}; what follows happens once a person releases it")?;
    }
    if let Some(why) = &item.dead {
        print_dead(why, out)?;
    }
    if let Some(asks) = &item.asks {
        let with =
            if asks.parameters.is_empty() { String::new() } else { format!(" ({})", asks.parameters.join(", ")) };
        writeln!(out, "asks       {} {}{with}", asks.method, asks.url)?;
        writeln!(out, "           give an answer to it with --fetched FILE to see what follows")?;
    }
    if !item.answers.is_empty() {
        writeln!(out)?;
        let rows = item.answers.iter().map(|answer| {
            let meaning = answer.meaning.as_str().unwrap_or_default();
            [
                Text::from(&answer.key),
                Text::from(&answer.label),
                Text::from(&answer.value),
                Text(meaning.to_owned(), Tone::Faint),
            ]
        });
        out.table(["answer", "label", "value", "sender says"], &[], rows)?;
    }
    if !item.lead.is_empty() {
        writeln!(out)?;
        let rows = item.lead.iter().map(|(field, value)| {
            let set_by = item.set_by.get(field).map(|causes| causes.join(", ")).unwrap_or_default();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            [Text(field.clone(), Tone::Strong), Text::from(value), Text(set_by, Tone::Faint)]
        });
        out.table(["lead field", "value", "set by"], &[0], rows)?;
    }
    if let Some(form) = &item.rules_of_form {
        writeln!(out, "\nrules      those of the form {}", printable(form))?;
    }
    for (rule, why) in &item.failed_rules {
        let tone = Tone::Doubtful.style();
        writeln!(out, "{tone}rule{tone:#}       {rule} says nothing: {why}")?;
    }
    if let Some(rule) = &item.waits_for_payment {
        let tone = Tone::Doubtful.style();
        writeln!(out, "{tone}rule{tone:#}       {rule} gives `won` once it is paid, and this does not say that it is")?;
    }
    print_call(item, out)
}

fn print_call(item: &ItemTold, out: &mut Out) -> io::Result<()> {
    let faint = Tone::Faint.style();
    if !item.notes.is_empty() {
        writeln!(out, "\n{faint}NOTES{faint:#}\n{}", printable(&item.notes))?;
    }
    if let Some(code) = &item.adopts {
        writeln!(
            out,
            "\n{faint}SEARCH{faint:#}\nfor the lead with the code {}: it is filled in where it has",
            printable(code)
        )?;
        writeln!(out, "nothing yet, and nothing is created. What follows is for when there is none.")?;
    }
    if let Some(call) = &item.call {
        writeln!(out, "\n{faint}CALL{faint:#}\n{} {}", call.method, call.url)?;
        out.json(&call.body)?;
    }
    print_fires(&item.fires, out)
}

fn print_fires(fires: &[Fire], out: &mut Out) -> io::Result<()> {
    if fires.is_empty() {
        return Ok(());
    }
    let faint = Tone::Faint.style();
    writeln!(out, "\n{faint}AD EVENTS, by Konektor's default mapping{faint:#}")?;
    let rows = fires.iter().map(|fire| {
        let [meta, ga4, tiktok, linkedin] = fire.names();
        [
            Text::from(fire.when.to_owned()),
            Text(fire.status.map_or_else(|| "unchanged".to_owned(), |status| status.to_string()), Tone::Strong),
            Text::from(meta),
            Text::from(ga4),
            Text::from(tiktok),
            Text::from(linkedin),
        ]
    });
    out.table(["the lead", "status", "Meta", "GA4", "TikTok", "LinkedIn"], &[], rows)
}

fn print_dead(why: &Undelivered, out: &mut Out) -> io::Result<()> {
    let bad = Tone::Bad.style();
    writeln!(out, "{bad}dead{bad:#}       {}: {}", why.reason, printable(&why.detail))
}
