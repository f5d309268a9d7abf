//! Asks the captcha service of a form whether a person filled it in. The one question that receiving asks of others.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Front;
use super::refused::Refused;
use crate::domain::event::SourceName;
use crate::providers::{Challenge, Provider, Refusal, Verdict, Webhook};

/// How long a service is waited for: the visitor waits as long.
const WITHIN: Duration = Duration::from_secs(5);

/// How long a form counts as one that was just sent: as long as the same content is one submission.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The most forms that are remembered.
const REMEMBERED: usize = 1024;

/// The answer of a captcha service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptchaAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, capped.
    pub body: Bytes,
}

/// Asks captcha services.
#[async_trait]
pub trait AskCaptcha: Send + Sync {
    /// POSTs `form` (`application/x-www-form-urlencoded`) to `url`; `None` when there is no whole answer. It may take as
    /// long as it wants: who asks stops waiting.
    async fn ask(&self, url: &str, form: &str) -> Option<CaptchaAnswer>;
}

/// What is known of who sent a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// A person, or nobody asks.
    Known,
    /// Nobody knows.
    Unknown,
}

/// Forms whose captcha was solved a moment ago. A token counts once; a visitor who presses again, or whose browser does,
/// sends the same form with the same token, and that is one lead.
#[derive(Debug, Default)]
pub(super) struct Passed(Mutex<VecDeque<(Form, Timestamp)>>);

/// The source and the whole body of a form, token and all.
type Form = [u8; 32];

impl Passed {
    fn has(&self, form: &Form, now: Timestamp) -> bool {
        let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forms.iter().any(|(known, at)| known == form && now.duration_since(*at) < REMEMBERED_FOR)
    }

    fn remember(&self, form: Form, now: Timestamp) {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if forms.len() == REMEMBERED {
            forms.pop_front();
        }
        forms.push_back((form, now));
    }
}

/// Finds out who sent `webhook`, where its provider wants to know.
///
/// # Errors
/// No person; or nobody knows, and the owner wants no such forms.
pub(super) async fn check(front: &Front, provider: &dyn Provider, webhook: &Webhook) -> Result<Person, Refused> {
    let Some(challenge) = provider.challenge(webhook)? else { return Ok(Person::Known) };
    let form = form(&webhook.source, &webhook.body);
    let verdict =
        if front.passed.has(&form, webhook.received) { Verdict::Person } else { asked(front, &challenge).await };
    front.parts.metrics.captcha(&webhook.source, verdict.into());
    match verdict {
        Verdict::Person => {
            front.passed.remember(form, webhook.received);
            Ok(Person::Known)
        }
        Verdict::Unverified => {
            let (source, request_id) = (&webhook.source, &webhook.request_id);
            if let Some(unsaid) = front.quiet.may_say(Some(source), "captcha_unchecked", webhook.received) {
                tracing::warn!(%source, request_id, unsaid, "a form is taken unchecked: its captcha service gives no answer that counts");
            }
            Ok(Person::Unknown)
        }
        Verdict::Later => Err(Refused::Captcha),
        Verdict::Refused => Err(Refusal::Captcha.into()),
    }
}

async fn asked(front: &Front, challenge: &Challenge) -> Verdict {
    let answer = front.parts.captchas.ask(challenge.url(), challenge.form());
    let answer = tokio::time::timeout(WITHIN, answer).await.ok().flatten();
    challenge.judge(answer.as_ref().map(|answer| (answer.status, &answer.body[..])))
}

fn form(source: &SourceName, body: &[u8]) -> Form {
    Sha256::new().chain_update(source.as_str()).chain_update([0]).chain_update(body).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_remembered_for_ten_minutes_and_not_for_another_source() {
        let (passed, now) = (Passed::default(), Timestamp::UNIX_EPOCH);
        let of = |source: &str, body: &str| form(&SourceName::parse(source).unwrap(), body.as_bytes());
        passed.remember(of("a", "body"), now);
        assert!(passed.has(&of("a", "body"), now + SignedDuration::from_secs(599)));
        assert!(!passed.has(&of("a", "body"), now + SignedDuration::from_secs(600)));
        assert!(!passed.has(&of("b", "body"), now) && !passed.has(&of("a", "other"), now));
    }

    #[test]
    fn no_more_forms_are_remembered_than_there_is_room_for() {
        let (passed, now) = (Passed::default(), Timestamp::UNIX_EPOCH);
        for number in 0..=REMEMBERED {
            passed.remember(Sha256::digest(number.to_le_bytes()).into(), now);
        }
        assert!(!passed.has(&Sha256::digest(0_usize.to_le_bytes()).into(), now));
        assert!(passed.has(&Sha256::digest(1_usize.to_le_bytes()).into(), now));
    }
}
