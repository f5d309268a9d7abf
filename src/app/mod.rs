//! Puts the bridge together from its parts.

pub mod reload;
pub mod sources;
