//! The Agent API as the sandbox speaks it: which calls there are, how their parameters are read, what they answer, and the
//! description that is made from the same tables.

pub(in crate::sandbox) mod answers;
pub(in crate::sandbox) mod call;
pub(in crate::sandbox) mod calls;
pub(in crate::sandbox) mod conversions;
pub(in crate::sandbox) mod fields;
pub(in crate::sandbox) mod lead;
pub(in crate::sandbox) mod openapi;
pub(in crate::sandbox) mod parameter;
pub(in crate::sandbox) mod period;
pub(in crate::sandbox) mod query;
pub(in crate::sandbox) mod rule;
pub(in crate::sandbox) mod ticket;
pub(in crate::sandbox) mod wire;
mod work;
