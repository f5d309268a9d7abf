//! Puts the bridge together from its parts.

mod backfill;
pub mod bridge;
pub mod captcha;
pub mod permits;
pub mod reload;
mod rules;
pub mod sources;
pub mod store;
