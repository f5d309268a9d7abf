//! The acts of the demo.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::stage::{SENDERS, Stage};
use super::story::Story;
use crate::cli::output::took;
use crate::cli::send::Heard;
use crate::ops::wire::{Event, ListQuery, Stats, Which};
use crate::providers::{Sample, SampleKind};
use crate::sandbox::{Deed, Entry, Faults, Field, Ledger};
use crate::store::EventState;

/// Which people the senders tell of. Another one for each sender, so that nobody comes by two roads.
const SEED: u64 = 2026;
/// The most events that the story has.
const EVENTS: usize = 1000;
/// Names of senders on a line.
const NAMES: usize = 6;

/// A webhook that was sent, and what was heard.
struct Sent {
    name: &'static str,
    seed: u64,
    sample: Sample,
    heard: Heard,
}

/// Plays all of them.
pub(super) async fn play(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    let sent = each_sender(stage, story).await?;
    once_more(stage, story, &sent).await?;
    something_new(stage, story, &sent).await?;
    forgeries(stage, story).await?;
    tests(stage, story).await?;
    refused_and_repaired(stage, story).await
}

/// One lead from each sender: in Konektor within milliseconds.
async fn each_sender(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<Vec<Sent>> {
    story.act("Each sender sends a signed lead")?;
    let mut all = Vec::new();
    for (name, seed) in SENDERS.into_iter().zip(SEED..) {
        let sent = send(stage, name, SampleKind::Lead, seed).await?;
        let event = ended(stage, story, &sent.heard).await?;
        story.tell(name, &told(stage, &sent.heard, event.as_ref()).await?)?;
        let delivered = event.as_ref().is_some_and(|event| event.state == EventState::Delivered);
        if !(is_taken(&sent.heard) && delivered) {
            story.expect(false, &format!("{name}: the lead reaches Konektor"), &state_of(event.as_ref()))?;
        }
        all.push(sent);
    }
    let entries = ledger(stage).await?;
    let refs: BTreeSet<_> = entries.iter().filter_map(|entry| entry.external_ref.as_ref()).collect();
    let right = entries.len() == all.len() && refs.len() == all.len() && entries.iter().all(|e| e.deed == Deed::Create);
    story.expect(right, "each is in Konektor once, under an externalRef of its own", &counted(&entries))?;
    Ok(all)
}

/// The same webhooks again, as senders do that missed our answer.
async fn once_more(stage: &Stage, story: &mut Story<'_>, sent: &[Sent]) -> anyhow::Result<()> {
    story.act("Every sender repeats its webhook, as if the answer had been lost")?;
    let before = (ledger(stage).await?.len(), events(stage).await?.len());
    let mut same = true;
    let mut answers = Vec::new();
    for Sent { name, sample, heard, .. } in sent {
        let again = stage.post(name, sample.clone()).await?;
        same &= again.status == heard.status;
        answers.push((*name, again));
    }
    alike(story, &answers)?;
    settled(stage, story).await?;
    let after = (ledger(stage).await?.len(), events(stage).await?.len());
    story.expect(same, "each hears the same answer as before", "another answer")?;
    let found = format!("{} calls and {} events more", after.0 - before.0, after.1 - before.1);
    story.expect(before == after, "nothing new is stored, and Konektor is not called", &found).map_err(Into::into)
}

/// More of a lead that is known.
async fn something_new(stage: &Stage, story: &mut Story<'_>, sent: &[Sent]) -> anyhow::Result<()> {
    story
        .act("Two of them have more to say: the form is sent again with another budget, and a second message comes")?;
    for first in sent.iter().filter(|sent| matches!(sent.name, "form" | "whatsapp")) {
        let before = ledger(stage).await?.len();
        let update = send(stage, first.name, SampleKind::Update, first.seed).await?;
        let event = ended(stage, story, &update.heard).await?;
        story.tell(first.name, &told(stage, &update.heard, event.as_ref()).await?)?;
        let entries = ledger(stage).await?;
        let lead = event.and_then(|event| event.lead_id);
        let right = matches!(&entries[before..], [entry] if entry.deed == Deed::Update && Some(&entry.lead_id) == lead.as_ref());
        let changed = entries.last().map(|entry| entry.fields.keys().cloned().collect::<Vec<_>>().join(", "));
        let sentence = format!("{}: the same lead is updated ({})", first.name, changed.unwrap_or_default());
        story.expect(right, &sentence, &counted(&entries[before..]))?;
    }
    Ok(())
}

/// Webhooks that were changed after signing, or signed with another secret.
async fn forgeries(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    story.act("Somebody forges a webhook of each sender")?;
    let before = events(stage).await?.len();
    let mut answers = Vec::new();
    for (name, seed) in SENDERS.into_iter().zip(SEED + 100..) {
        answers.push((name, send(stage, name, SampleKind::Tampered, seed).await?.heard));
    }
    alike(story, &answers)?;
    let refused = answers.iter().all(|(_, heard)| heard.status == 401);
    story.expect(refused, "all are refused, and none is told what would be right", "one was not answered 401")?;
    settled(stage, story).await?;
    let more = events(stage).await?.len() - before;
    story.expect(more == 0, "nothing of them is kept", &format!("{more} events more")).map_err(Into::into)
}

/// What the senders' own test buttons send.
async fn tests(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    story.act("The test buttons of Google Ads and Meta are pressed")?;
    let before = ledger(stage).await?.len();
    for (name, seed) in [("google", SEED + 200), ("meta", SEED + 201)] {
        let sent = send(stage, name, SampleKind::Test, seed).await?;
        let event = ended(stage, story, &sent.heard).await?;
        story.tell(name, &told(stage, &sent.heard, event.as_ref()).await?)?;
        let withheld = event.as_ref().is_some_and(|event| event.state == EventState::Withheld);
        let sentence = format!("{name}: it is withheld, for a person to release or discard");
        story.expect(withheld, &sentence, &state_of(event.as_ref()))?;
    }
    let more = ledger(stage).await?.len() - before;
    story.expect(more == 0, "Konektor is not called", &format!("{more} calls more")).map_err(Into::into)
}

/// A lead that Konektor refuses becomes a dead letter; once the cause is mended, it is put back.
async fn refused_and_repaired(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    story.act("Konektor refuses a lead; somebody mends the cause and replays")?;
    let faults: Faults = stage.konektor("faults").await?;
    stage.set_faults(&Faults { reject_field: Some(Field::FirstName), ..faults.clone() }).await?;
    let sent = send(stage, "google", SampleKind::Lead, SEED + 300).await?;
    let dead = ended(stage, story, &sent.heard).await?;
    story.tell("google", &told(stage, &sent.heard, dead.as_ref()).await?)?;
    stage.set_faults(&faults).await?;
    let is_dead = dead.as_ref().is_some_and(|event| event.state == EventState::Dead);
    story.expect(
        is_dead,
        "it is a dead letter, with the reason and the sender's own words",
        &state_of(dead.as_ref()),
    )?;
    let Some(dead) = dead.filter(|_| is_dead) else { return Ok(()) };
    let which = Which { ids: vec![dead.id.clone()], ..Which::default() };
    let count = stage.admin.move_all(&["dead-letters", "replay"], which).await?;
    story.tell("a person", &format!("dead-letters replay {} → {count} put back", dead.id))?;
    let event = ended(stage, story, &sent.heard).await?;
    story.tell("google", &reached(stage, event.as_ref()).await?)?;
    let delivered = event.as_ref().is_some_and(|event| event.state == EventState::Delivered);
    story.expect(delivered, "now it is in Konektor", &state_of(event.as_ref())).map_err(Into::into)
}

async fn send(stage: &Stage, name: &'static str, kind: SampleKind, seed: u64) -> anyhow::Result<Sent> {
    let sample = stage.sample(name, kind, seed)?;
    let heard = stage.post(name, sample.clone()).await?;
    Ok(Sent { name, seed, sample, heard })
}

/// Every event of the bridge.
async fn events(stage: &Stage) -> anyhow::Result<Vec<Event>> {
    Ok(stage.admin.events("events", ListQuery::default(), EVENTS).await?.0)
}

/// The event that came of a webhook, once it has ended one way or another.
async fn ended(stage: &Stage, story: &mut Story<'_>, heard: &Heard) -> anyhow::Result<Option<Event>> {
    let Some(id) = heard.request_id.clone().filter(|_| is_taken(heard)) else { return Ok(None) };
    let look = || async {
        let found = events(stage).await?.into_iter().find(|event| event.request_id == id);
        Ok(found.filter(|event| event.state != EventState::Pending))
    };
    story.wait_for(look).await
}

/// Waits until everything that came in is sorted and delivered.
async fn settled(stage: &Stage, story: &mut Story<'_>) -> anyhow::Result<()> {
    let look = || async {
        let stats: Stats = stage.admin.get(&["stats"]).await?;
        let pending = stats.events.get(&EventState::Pending.to_string()).copied().unwrap_or_default();
        Ok((stats.inbox + pending == 0).then_some(()))
    };
    story.wait_for(look).await.map(|_| ())
}

/// What was committed in the local Konektor.
async fn ledger(stage: &Stage) -> anyhow::Result<Vec<Entry>> {
    Ok(stage.konektor::<Ledger>("ledger").await?.entries)
}

fn is_taken(heard: &Heard) -> bool {
    matches!(heard.status, 200..=299 | 303)
}

fn answer(heard: &Heard) -> String {
    format!("{} in {:<7}", heard.status, took(heard.took))
}

/// Tells who heard what, those together who heard the same.
fn alike(story: &mut Story<'_>, answers: &[(&str, Heard)]) -> std::io::Result<()> {
    let mut groups = BTreeMap::<_, (Vec<&str>, Duration)>::new();
    for (name, heard) in answers {
        // Who is taken is told by each in its own words; who is refused, by all in the same.
        let body = if heard.status < 400 { "" } else { &heard.body };
        let (names, slowest) = groups.entry((heard.status, body)).or_default();
        names.push(name);
        *slowest = heard.took.max(*slowest);
    }
    for ((status, body), (names, slowest)) in groups {
        story.tell(
            &status.to_string(),
            format!("{} senders, within {}  {body}", names.len(), took(slowest)).trim_end(),
        )?;
        names.chunks(NAMES).try_for_each(|names| story.tell("", &names.join(", ")))?;
    }
    Ok(())
}

/// What was heard, and what came of it.
async fn told(stage: &Stage, heard: &Heard, event: Option<&Event>) -> anyhow::Result<String> {
    Ok(format!("{}→ {}", answer(heard), reached(stage, event).await?))
}

/// Where an event came to, and how long after it was received.
async fn reached(stage: &Stage, event: Option<&Event>) -> anyhow::Result<String> {
    let Some(event) = event else { return Ok("nothing that could be seen".to_owned()) };
    let after = event.ended.and_then(|ended| ended.duration_since(event.received).try_into().ok()).map(took);
    let after = after.map(|after| format!(" after {after:<7}")).unwrap_or_default();
    let what = match (&event.lead_id, &event.detail, &event.reason) {
        (Some(id), _, _) => person(stage, id).await?,
        (None, Some(detail), Some(reason)) => format!("{reason}: {detail}"),
        (None, _, reason) => reason.clone().unwrap_or_default(),
    };
    Ok(format!("{}{after} {what}", event.state))
}

/// Who the lead `id` is, as the local Konektor has it.
async fn person(stage: &Stage, id: &str) -> anyhow::Result<String> {
    let leads: Vec<Value> = stage.konektor("leads").await?;
    let Some(lead) = leads.iter().find(|lead| lead["id"] == id) else {
        return Ok(format!("{id}, which Konektor has not"));
    };
    let known = ["firstName", "lastName", "phone"].map(|field| lead[field].as_str().unwrap_or_default());
    Ok(known.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
}

fn state_of(event: Option<&Event>) -> String {
    match event {
        Some(event) => format!("it is {} {}", event.state, event.detail.as_deref().unwrap_or_default()),
        None => "it is not there, or still under way".to_owned(),
    }
}

fn counted(entries: &[Entry]) -> String {
    let creates = entries.iter().filter(|entry| entry.deed == Deed::Create).count();
    format!("{creates} creates, {} updates", entries.len() - creates)
}
