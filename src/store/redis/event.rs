//! Events as Redis keeps them: a receipt of about a hundred bytes, and a payload while it is needed; and webhooks.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::lane::Name;
use super::values::{Strange, Text, nanos, pack, time, unpack};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::lead::LeadId;
use crate::store::{EventState, receipt};

/// The lane of a webhook that could not be split.
pub(super) const NOBODY: Name = [0; 16];
/// What follows in a payload: an item's body, or a webhook as it lay in the inbox.
const BODY: u8 = 0;
const WEBHOOK: u8 = 1;

/// What an event is born with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Born {
    pub(super) id: EventId,
    pub(super) owner: Name,
    pub(super) known_until: Timestamp,
    pub(super) source: SourceName,
    pub(super) received: Timestamp,
    pub(super) request_id: String,
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stand {
    /// The lane's fence when it joined.
    pub(super) joined: u64,
    pub(super) ended: Option<Timestamp>,
    /// The word and the sentence.
    pub(super) why: Option<(String, String)>,
    pub(super) lead_id: Option<LeadId>,
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) born: Born,
    pub(super) state: EventState,
    pub(super) released: bool,
    pub(super) forget: Option<Timestamp>,
    pub(super) stand: Stand,
}

#[derive(Serialize, Deserialize)]
struct BornRest {
    source: String,
    received: i64,
    request_id: Text,
}

#[derive(Serialize, Deserialize)]
struct StandRecord {
    joined: u64,
    ended: Option<i64>,
    why: Option<(String, String)>,
    lead_id: Option<Text>,
}

impl Born {
    pub(super) fn write(&self) -> Vec<u8> {
        let Self { id, owner, known_until, source, received, request_id } = self;
        let mut bytes = id.as_bytes().to_vec();
        bytes.extend_from_slice(owner);
        bytes.extend_from_slice(&nanos(*known_until).to_be_bytes());
        let rest = BornRest {
            source: source.as_str().to_owned(),
            received: nanos(*received),
            request_id: request_id.as_str().into(),
        };
        pack(&rest, bytes)
    }

    fn read(bytes: &[u8]) -> Result<Self, Strange> {
        let what = Strange("the beginning of a receipt");
        let (id, rest) = bytes.split_first_chunk::<16>().ok_or(what)?;
        let (owner, rest) = rest.split_first_chunk::<16>().ok_or(what)?;
        let (known_until, rest) = rest.split_first_chunk::<8>().ok_or(what)?;
        let (BornRest { source, received, request_id }, _) = unpack(rest, "the beginning of a receipt")?;
        Ok(Self {
            id: EventId::from_bytes(*id),
            owner: *owner,
            known_until: time(i64::from_be_bytes(*known_until)),
            source: SourceName::parse(&source).map_err(|_| Strange("the name of a source"))?,
            received: time(received),
            request_id: request_id.into(),
        })
    }
}

impl Stand {
    /// What follows the state, whether it was released, and when it may be forgotten.
    pub(super) fn write(&self) -> Vec<u8> {
        let Self { joined, ended, why, lead_id } = self;
        let record = StandRecord {
            joined: *joined,
            ended: ended.map(nanos),
            why: why.clone(),
            lead_id: lead_id.as_ref().map(|id| id.0.as_str().into()),
        };
        pack(&record, Vec::new())
    }

    /// The same of an event that has just been made.
    pub(super) fn write_new(&self) -> Vec<u8> {
        let mut bytes = vec![0; 9];
        bytes.extend(self.write());
        bytes
    }
}

impl Receipt {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Strange> {
        let what = Strange("a receipt");
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(what)?;
        let (born, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(what)?;
        let [state, released, rest @ ..] = rest else { return Err(what) };
        let (forget, rest) = rest.split_first_chunk::<8>().ok_or(what)?;
        let (StandRecord { joined, ended, why, lead_id }, _) = unpack(rest, "the end of a receipt")?;
        let forget = i64::from_be_bytes(*forget);
        Ok(Self {
            born: Born::read(born)?,
            state: *EventState::VARIANTS.get(usize::from(*state)).ok_or(what)?,
            released: *released != 0,
            forget: (forget != 0).then(|| time(forget)),
            stand: Stand { joined, ended: ended.map(time), why, lead_id: lead_id.map(|id| LeadId(id.into())) },
        })
    }
}

/// The payload of an item.
pub(super) fn payload(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.push(BODY);
    bytes.extend_from_slice(body);
    bytes
}

/// A webhook as the inbox has it: its weight, the length of its body, all but the body, the body.
pub(super) fn write_webhook(webhook: &Kept) -> Vec<u8> {
    let Kept { source, received, request_id, headers, body } = webhook;
    let weight = u32::try_from(receipt::weight(webhook)).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(body.len() + 256);
    bytes.extend(weight.to_be_bytes());
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut bytes = pack(&(source, nanos(*received), Text::from(request_id.as_str()), headers), bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// Takes it back.
pub(super) fn read_webhook(bytes: &[u8]) -> Result<Kept, Strange> {
    let (_, packed) = bytes.split_at_checked(8).ok_or(Strange("a webhook"))?;
    type Rest = (SourceName, i64, Text, Vec<(String, String)>);
    let ((source, received, request_id, headers), body) = unpack::<Rest>(packed, "a webhook")?;
    let body = Bytes::copy_from_slice(body);
    Ok(Kept { source, received: time(received), request_id: request_id.into(), headers, body })
}

/// The payload of a webhook that could not be split.
pub(super) fn whole_payload(webhook: &Kept) -> Vec<u8> {
    let webhook = write_webhook(webhook);
    [&webhook[..4], &[WEBHOOK], webhook.as_slice()].concat()
}

/// The headers in a payload: an item has none.
pub(super) fn headers(payload: &[u8]) -> Result<Vec<(String, String)>, Strange> {
    match payload.get(4..) {
        Some([BODY, ..]) => Ok(Vec::new()),
        Some([WEBHOOK, webhook @ ..]) => read_webhook(webhook).map(|webhook| webhook.headers),
        Some(_) | None => Err(Strange("a payload")),
    }
}

/// The body in a payload.
pub(super) fn body(payload: &[u8]) -> Result<Bytes, Strange> {
    match payload.get(4..) {
        Some([BODY, body @ ..]) => Ok(Bytes::copy_from_slice(body)),
        Some([WEBHOOK, webhook @ ..]) => read_webhook(webhook).map(|webhook| webhook.body),
        Some(_) | None => Err(Strange("a payload")),
    }
}

/// What a payload is counted as, and what it weighs.
pub(super) fn weights(payload: &[u8]) -> Result<(u64, u64), Strange> {
    let (counted, _) = payload.split_first_chunk::<4>().ok_or(Strange("a payload"))?;
    let weight = match payload.get(4..) {
        Some([WEBHOOK, webhook @ ..]) => receipt::weight(&read_webhook(webhook)?),
        Some(_) | None => body(payload)?.len() as u64,
    };
    Ok((u64::from(u32::from_be_bytes(*counted)), weight))
}
