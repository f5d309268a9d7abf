//! What senders have told of their forms, so that each is asked about once a day, and not with each lead.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::event::SourceName;

/// How long what was told counts. A form that is live can hardly be changed at Meta.
const TOLD: Duration = Duration::from_hours(24);
/// After how long somebody is asked again who would not tell: it is for the words only, and leads do not wait for them.
const UNTOLD: Duration = Duration::from_hours(1);
/// Forms that are remembered at most, and the largest answer that is.
const FORMS: usize = 200;
const LARGEST: usize = 64 * 1024;

/// What is known of forms, by source and form. All times are since the process began.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeMap<(SourceName, String), Known>);

#[derive(Debug)]
struct Known {
    /// The sender's answer; `None` where it would not tell.
    told: Option<Bytes>,
    until: Duration,
}

impl Questions {
    /// What is known of a form; `None` when it has to be asked for.
    pub(super) fn known(&self, source: &SourceName, form: &str, now: Duration) -> Option<Option<Bytes>> {
        let known = self.0.get(&(source.clone(), form.to_owned()))?;
        (now < known.until).then(|| known.told.clone())
    }

    /// Remembers what was told of a form, or that nothing was.
    pub(super) fn note(&mut self, source: &SourceName, form: String, told: Option<Bytes>, now: Duration) {
        let told = told.filter(|told| told.len() <= LARGEST);
        let until = now + if told.is_some() { TOLD } else { UNTOLD };
        self.0.retain(|_, known| now < known.until);
        if self.0.len() >= FORMS {
            let first = self.0.iter().min_by_key(|(_, known)| known.until).map(|(form, _)| form.clone());
            first.map(|form| self.0.remove(&form));
        }
        self.0.insert((source.clone(), form), Known { told, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_counts_for_a_day_and_silence_for_an_hour() {
        let (mut questions, source) = (Questions::default(), SourceName::parse("meta").unwrap());
        let told = Some(Bytes::from_static(b"{}"));
        questions.note(&source, "1".into(), told.clone(), Duration::ZERO);
        questions.note(&source, "2".into(), None, Duration::ZERO);
        questions.note(&source, "3".into(), Some(vec![b' '; LARGEST + 1].into()), Duration::ZERO);
        let at = |form: &str, minutes| questions.known(&source, form, Duration::from_mins(minutes));
        assert_eq!((at("1", 0), at("1", 1439), at("1", 1440)), (Some(told.clone()), Some(told), None));
        assert_eq!((at("2", 59), at("2", 60), at("3", 59)), (Some(None), None, Some(None)));
        assert_eq!(questions.known(&SourceName::parse("other").unwrap(), "1", Duration::ZERO), None);
    }

    #[test]
    fn no_more_forms_are_remembered_than_there_is_room_for() {
        let (mut questions, source) = (Questions::default(), SourceName::parse("meta").unwrap());
        for form in 0..=FORMS as u64 {
            questions.note(&source, form.to_string(), Some(Bytes::new()), Duration::from_secs(form));
        }
        assert_eq!(questions.0.len(), FORMS);
        assert_eq!(questions.known(&source, "0", Duration::from_mins(5)), None, "the oldest goes");
        assert!(questions.known(&source, &FORMS.to_string(), Duration::from_mins(5)).is_some());
    }
}
