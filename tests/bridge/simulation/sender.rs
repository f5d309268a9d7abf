//! The senders of the simulation: a dialect of the fewest words, its events, and the API behind those that are only
//! notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::domain::status::{LeadSource, Status};
use konektor_bridge::domain::submission::{Answer, Meaning, Profile, Submission};
use konektor_bridge::providers::{
    Fetched, ItemBody, Lookup, LookupAnswer, Provider, Reading, Refusal, Reply, Sample, SampleKind, Source, Unreadable,
    Verified, Webhook,
};

use super::dice::Dice;
use super::odds::Odds;
use super::visitors::ROTATOR;

/// One event: what its sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its number: what is said in it, too.
    pub(super) number: usize,
    /// Whose lead.
    pub(super) lead: usize,
    pub(super) kind: Kind,
    /// By which name it speaks of it.
    pub(super) name: Name,
    /// It states the address, too.
    pub(super) has_email: bool,
    /// It says where the lead stands: its place in [`STAGES`].
    pub(super) stage: Option<usize>,
    /// Its sender knows by which channel the lead came.
    pub(super) has_channel: bool,
    /// It names a code of Konektor's.
    pub(super) code: Option<Code>,
    /// It was said so many seconds before it came.
    pub(super) old: u64,
}

/// Whose code an event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Its own person's.
    Own,
    /// That of nobody.
    Unknown,
    /// That of this other person, who has passed the message on.
    PassedOn(usize),
}

/// By which name a sender knows a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// The first one.
    First,
    /// The first one, and another beside it.
    Both,
    /// The other one alone.
    Other,
}

const NAMES: [(&str, Name); 3] = [("1", Name::First), ("12", Name::Both), ("2", Name::Other)];

/// What is special about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Only a notice: the fields have to be looked up.
    Notice,
    /// Withheld.
    Test,
    /// Konektor refuses the name, and so the lead.
    Refused,
    /// Konektor refuses the address, which goes to the notes.
    OddField,
}

const KINDS: [(char, Kind); 5] =
    [('p', Kind::Plain), ('n', Kind::Notice), ('t', Kind::Test), ('r', Kind::Refused), ('o', Kind::OddField)];

/// Where a lead stands by the rules, forwards.
const STAGES: [Status; 3] = [Status::Contacted, Status::Qualified, Status::Proposal];

impl Word {
    pub(super) fn draw(number: usize, odds: &Odds, dice: &mut Dice) -> Self {
        let plain = 1.0 - odds.lookups - odds.tests - odds.refused - odds.odd_fields;
        let kind = dice.weighted(&[
            (plain.max(0.1), Kind::Plain),
            (odds.lookups, Kind::Notice),
            (odds.tests, Kind::Test),
            (odds.refused, Kind::Refused),
            (odds.odd_fields, Kind::OddField),
        ]);
        let old = if dice.chance(odds.stale) { dice.number(1..1800) } else { 0 };
        let has_email = kind == Kind::OddField || dice.chance(0.3);
        let stage = dice.chance(odds.stages).then(|| dice.index(STAGES.len()));
        let has_channel = dice.chance(odds.channels);
        let name = dice.weighted(&[
            (1.0 - odds.aliases, Name::First),
            (odds.aliases / 2.0, Name::Both),
            (odds.aliases / 2.0, Name::Other),
        ]);
        let lead = dice.index(odds.leads);
        let code = if odds.codes > 0.0 { Code::draw(lead, odds, dice) } else { None };
        Self { number, lead, kind, name, has_email, stage, has_channel, code, old }
    }

    pub(super) fn external_ref(lead: usize) -> ExternalRef {
        ExternalRef::new("sim:", &format!("r{lead}"))
    }

    /// Whose lane goes by this reference.
    pub(super) fn lead_of(external_ref: &ExternalRef) -> Option<usize> {
        external_ref.as_str().strip_prefix("sim:r")?.parse().ok()
    }

    /// The other name of a person.
    pub(super) fn other_ref(lead: usize) -> ExternalRef {
        ExternalRef::new("sim:", &format!("b{lead}"))
    }

    /// Whose lead it is that Konektor has under this reference, by either name.
    pub(super) fn whose(external_ref: &str) -> Option<usize> {
        let name = external_ref.strip_prefix("sim:")?;
        name.strip_prefix(['r', 'b'])?.parse().ok()
    }

    /// Whose number this is.
    pub(super) fn whose_number(phone: &str) -> Option<usize> {
        phone.get(phone.len().checked_sub(3)?..)?.parse().ok()
    }

    /// The code of the visitor who is this person.
    pub(super) fn code_of(lead: usize) -> String {
        format!("{ROTATOR}{lead:03}")
    }

    /// Who has clicked before this is said, and so has a code.
    pub(super) fn clicked(&self) -> Option<usize> {
        match self.code? {
            Code::Own => Some(self.lead),
            Code::PassedOn(person) => Some(person),
            Code::Unknown => None,
        }
    }

    pub(super) fn id(&self) -> EventId {
        EventId::of(&source_name(), &[&self.number.to_be_bytes()])
    }

    /// What stands in the notes once it is delivered.
    pub(super) fn message(&self) -> String {
        format!("word-{}.", self.number)
    }

    pub(super) fn email(&self) -> Option<String> {
        let bad = if self.kind == Kind::OddField { "odd" } else { "word" };
        self.has_email.then(|| format!("{bad}{}@example.com", self.number))
    }

    /// The status that the rules give the lead.
    pub(super) fn status(&self) -> Option<Status> {
        self.stage.map(|stage| STAGES[stage])
    }

    /// By the rules that have been changed so many times.
    fn phone(&self, rules: u32) -> String {
        format!("+628{}{}34567{:03}", usize::from(self.number % 4 == 3), 2 + rules % 8, self.lead)
    }

    /// A name of the lead's own, in letters.
    fn name(&self) -> String {
        let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).expect("it is small"));
        format!("Siti{}{}", letter(self.lead / 26), letter(self.lead))
    }

    /// When it was said, by its sender's clock.
    pub(super) fn said(&self, received: Timestamp) -> Timestamp {
        received - Duration::from_secs(self.old)
    }

    fn text(&self) -> String {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).expect("all kinds are listed").0;
        let stage = self.stage.map_or(0, |stage| stage + 1);
        let (email, channel) = (u8::from(self.has_email), u8::from(self.has_channel));
        let name = NAMES.iter().find(|(_, name)| *name == self.name).expect("all names are listed").0;
        let code = match self.code {
            None => "-".to_owned(),
            Some(Code::Own) => "o".to_owned(),
            Some(Code::Unknown) => "u".to_owned(),
            Some(Code::PassedOn(person)) => person.to_string(),
        };
        format!("{} {} {kind} {name} {email} {stage} {channel} {code} {}", self.number, self.lead, self.old)
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.split(' ');
        let (number, lead) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let letter = parts.next()?.chars().next()?;
        let kind = KINDS.iter().find(|(known, _)| *known == letter)?.1;
        let spoken = parts.next()?;
        let name = NAMES.iter().find(|(known, _)| *known == spoken)?.1;
        let has_email = parts.next()? == "1";
        let stage = parts.next()?.parse::<usize>().ok()?.checked_sub(1);
        let has_channel = parts.next()? == "1";
        let code = match parts.next()? {
            "-" => None,
            "o" => Some(Code::Own),
            "u" => Some(Code::Unknown),
            person => Some(Code::PassedOn(person.parse().ok()?)),
        };
        Some(Self { number, lead, kind, name, has_email, stage, has_channel, code, old: parts.next()?.parse().ok()? })
    }

    fn submission(&self, received: Timestamp, rules: u32) -> Submission {
        let name = if self.kind == Kind::Refused { "Refused".to_owned() } else { self.name() };
        let mut answers = vec![
            Answer::new("name", name).meaning(Meaning::FirstName),
            Answer::new("value", self.number.to_string()).meaning(Meaning::EstimatedValue),
            Answer::new("message", self.message()).meaning(Meaning::Message),
        ];
        answers.extend(self.email().map(|email| Answer::new("email", email).meaning(Meaning::Email)));
        answers.extend(self.status().map(|status| Answer::new("stage", status.to_string()).meaning(Meaning::Note)));
        let code = self.code.map(|code| code.text(self.number, self.lead));
        answers.extend(code.map(|code| Answer::new("code", code).meaning(Meaning::UniqueCode)));
        let source = self.has_channel.then_some(LeadSource::Website);
        let profile = Profile { phone: Some(self.phone(rules)), ..Profile::default() };
        Submission { answers, profile, source, submitted_at: Some(self.said(received)), ..Submission::default() }
    }
}

/// A webhook of these events, as the inbox keeps it.
pub(super) fn webhook(words: &[Word], received: Timestamp) -> Kept {
    let body = words.iter().map(Word::text).collect::<Vec<_>>().join("\n");
    Kept { source: source_name(), received, request_id: String::new(), headers: Vec::new(), body: body.into() }
}

/// Whether it is of this event, among others.
pub(super) fn holds(webhook: &Kept, word: &Word) -> bool {
    webhook.body.split(|byte| *byte == b'\n').any(|line| Word::parse(line).as_ref() == Some(word))
}

pub(super) fn source_name() -> SourceName {
    SourceName::parse("sim").expect("it is a name")
}

/// The rules: each stage that an event names is a status.
fn rules() -> Rules {
    let rule = |status: &Status| format!("{{ when = \"answers.stage == '{status}'\", status = \"{status}\" }}");
    let rules: Vec<String> = STAGES.iter().map(rule).collect();
    toml::from_str(&format!("status = [{}]", rules.join(", "))).expect("they are rules")
}

/// The source, whose rules have been changed as often as `changed` says.
pub(super) fn source(changed: &Arc<AtomicU32>, odds: &Odds) -> Source {
    let provider = Arc::new(Dialect { changed: Arc::clone(changed) });
    // A rule costs something at each reading.
    let rules = if odds.stages > 0.0 { rules() } else { Rules::default() };
    Source { name: source_name(), provider, rules }
}

/// The status of the senders' API, drawn for each question.
pub(super) fn looked_up(lookup: &Lookup, odds: &Odds, dice: &mut Dice) -> Option<(u16, Vec<u8>)> {
    let trouble = odds.calls.error_before;
    let status = dice.weighted(&[(1.0, 200), (trouble, 503), (trouble / 2.0, 401), (trouble / 2.0, 0)]);
    (status != 0).then(|| (status, lookup.url.clone().into_bytes()))
}

#[derive(Debug)]
struct Dialect {
    changed: Arc<AtomicU32>,
}

impl Provider for Dialect {
    fn handshake(&self, _webhook: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, _webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        Err(Refusal::NoProof)
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::empty(200)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let item = |line: &[u8]| {
            let word = Word::parse(line).ok_or_else(|| Unreadable("not a word".into()))?;
            let (first, other) = (Word::external_ref(word.lead), Word::other_ref(word.lead));
            let (external_ref, aliases) = match word.name {
                Name::First => (first, Vec::new()),
                Name::Both => (first, vec![other]),
                Name::Other => (other, Vec::new()),
            };
            Ok(Item { id: word.id(), same_within: None, external_ref, aliases, hold: Hold::No, body: line.to_vec() })
        };
        webhook.body().split(|byte| *byte == b'\n').map(item).collect()
    }

    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        let word = Word::parse(item.body)?;
        let url = String::from_utf8_lossy(item.body).into_owned();
        (word.kind == Kind::Notice).then(|| Lookup {
            url,
            query: Vec::new(),
            bearer: None,
            headers: Vec::new(),
            scope: None,
        })
    }

    fn looked_up(&self, _item: &ItemBody<'_>, _asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        match answer.status {
            200 => Fetched::Lead(Bytes::copy_from_slice(answer.body)),
            401 => Fetched::Blocked(Duration::from_mins(1), "the token has expired".into()),
            _ => Fetched::RetryAfter(Duration::from_secs(5), "not now".into()),
        }
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let word = Word::parse(item.fetched.unwrap_or(item.body)).ok_or_else(|| Unreadable("not a word".into()))?;
        let submission = Box::new(word.submission(item.received, self.changed.load(Ordering::Relaxed)));
        Ok(if word.kind == Kind::Test { Reading::Test(submission) } else { Reading::Lead(submission) })
    }

    fn sample(&self, _kind: SampleKind, _seed: u64, _now: Timestamp) -> Sample {
        Sample::default()
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        Sample::new([], body)
    }
}
