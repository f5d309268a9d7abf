//! Memos: small things that outlive a restart and are known to all replicas, beside webhooks and leads.

use bytes::Bytes;
use strum::{Display, IntoStaticStr, VariantArray};

use super::Cap;

/// Most memos of one topic: their keys may come from strangers.
const MEMOS: u64 = 2000;
/// The longest key and value, in bytes.
const KEY: usize = 400;
const VALUE: usize = 64 << 10;

/// What a memo is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Topic {
    /// The fields of a form, as last seen.
    Form,
    /// How far a source's list has been read.
    Backfill,
    /// When a source was last heard of.
    Heard,
    /// Where everything is being moved to or from: of this store alone, and not moved with the rest.
    Move,
}

/// Why a memo cannot be kept, where its topic has `others` beside it.
pub(super) fn too_much(key: &str, value: &Bytes, others: u64) -> Option<Cap> {
    (others >= MEMOS || key.len() > KEY || value.len() > VALUE).then_some(Cap::Memos)
}
