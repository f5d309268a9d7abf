//! The fields of each form, as what was delivered shows them: noted in the store, so that a change is told once, by one of
//! all replicas, and not again after a restart.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::fold::{FORM_ID, body_of};
use super::{Ask, Deed, Desk, Effect, Engine, Moment, Party, Report, Said, Told, mismatch};
use crate::domain::event::SourceName;
use crate::domain::form::{Change, Form, Runs};
use crate::domain::status::LeadSource;
use crate::domain::submission::Submission;
use crate::providers::Reading;
use crate::store::{Claimed, Seq, StoreError, Topic};

/// The label of the fact that is the sender's own id of the form.
const FORM: &str = "Form";
/// Forms that are watched at most: their ids may come from strangers.
const FORMS: usize = 1000;
/// How often a note is made anew that somebody else was faster with.
const TRIES: u32 = 3;

/// The fields of one submission.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    source: SourceName,
    form: String,
    names: BTreeSet<String>,
}

/// What is known of the forms.
#[derive(Debug, Default)]
pub(super) struct Forms(BTreeMap<String, Known>);

#[derive(Debug, Default)]
struct Known {
    form: Form,
    /// As the store has it.
    stored: Option<Bytes>,
    /// What this process has seen of its fields.
    runs: Runs,
}

/// A sighting that is being noted.
#[derive(Debug)]
pub(super) struct Noting {
    sighting: Sighting,
    stage: Stage,
    tries: u32,
}

#[derive(Debug)]
enum Stage {
    /// What the store knows of the form is asked for.
    Reading,
    /// What was seen is being written.
    Writing(Form, Bytes, Vec<Change>),
}

impl Sighting {
    /// What a submission shows of its form; `None` where it is no form's.
    fn of(source: &SourceName, submission: &Submission) -> Option<Self> {
        let id = submission.facts.iter().find(|fact| fact.label == FORM).map(|fact| fact.value.chars().take(FORM_ID));
        let form = match id {
            Some(id) => id.map(|c| if c.is_control() { ' ' } else { c }).collect(),
            // A site whose forms have no id is watched as one.
            None if submission.source == Some(LeadSource::Website) => String::new(),
            None => return None,
        };
        let names = submission.answers.iter().map(|answer| answer.key.clone()).collect();
        Some(Self { source: source.clone(), form, names })
    }

    /// The key of its form's memo. No name of a source has a slash in it.
    fn key(&self) -> String {
        format!("{}/{}", self.source, self.form)
    }
}

impl Desk<'_> {
    /// The events up to `upto` of a lane have been delivered: their forms were seen.
    pub(super) fn seen(&mut self, claimed: &Claimed, upto: Seq) {
        for event in claimed.events.iter().filter(|event| event.seq <= upto) {
            let Ok(source) = (self.setup.sources)(&event.source) else { continue };
            if !source.provider.has_forms() {
                continue;
            }
            let reading = source.provider.read(&body_of(event, &claimed.lease.external_ref));
            if let Ok(Reading::Lead(submission)) = reading {
                self.sightings.extend(Sighting::of(&event.source, &submission));
            }
        }
    }
}

impl Engine {
    pub(super) fn sight(&mut self, sighting: Sighting, tries: u32, moment: Moment, out: &mut Vec<Effect>) {
        let key = sighting.key();
        let Some(known) = self.forms.0.get_mut(&key) else {
            if self.forms.0.len() < FORMS {
                let noting = Noting { sighting, stage: Stage::Reading, tries };
                self.wait_for(Deed::Ask(Ask::Memo(Topic::Form, key)), Party::Form(Box::new(noting)), out);
            }
            return;
        };
        let mut form = known.form.clone();
        let changes = form.see(&sighting.names, &mut known.runs, moment.now);
        if form == known.form {
            return;
        }
        let value: Bytes = serde_json::to_vec(&form).expect("names and words have a JSON form").into();
        let ask = Ask::SetMemo(Topic::Form, key, value.clone(), known.stored.clone());
        let noting = Noting { sighting, stage: Stage::Writing(form, value, changes), tries };
        self.wait_for(Deed::Ask(ask), Party::Form(Box::new(noting)), out);
    }

    pub(super) fn note_on(&mut self, noting: Noting, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        let Noting { sighting, stage, tries } = noting;
        match (stage, said) {
            (Stage::Reading, Said::Told(Ok(Told::Memo(stored)))) => {
                let form = stored.as_ref().and_then(|stored| serde_json::from_slice(stored).ok()).unwrap_or_default();
                self.forms.0.entry(sighting.key()).or_insert_with(|| Known { form, stored, runs: Runs::default() });
                self.sight(sighting, tries, moment, out);
            }
            (Stage::Writing(form, value, changes), Said::Told(Ok(Told::Noted(true)))) => {
                if let Some(known) = self.forms.0.get_mut(&sighting.key()) {
                    (known.form, known.stored) = (form, Some(value));
                }
                if !changes.is_empty() {
                    out.push(Effect::Report(Report::Drift { source: sighting.source, changes }));
                }
            }
            // Somebody was faster: what they have seen counts, and this is looked at anew.
            (Stage::Writing(..), Said::Told(Ok(Told::Noted(false)))) => {
                self.forms.0.remove(&sighting.key());
                if tries < TRIES {
                    self.sight(sighting, tries + 1, moment, out);
                }
            }
            // More forms than are remembered; or it is noted when the form is seen next.
            (_, Said::Told(Err(StoreError::Full(_)))) => {}
            (_, Said::Told(Err(error))) => out.push(Effect::Report(Report::StoreFailed("form", error))),
            (_, said) => mismatch(&said),
        }
    }
}
