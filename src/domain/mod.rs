//! What a lead is, without anything that moves: pure types and rules, no I/O, no clock.

pub mod attribution;
pub mod compose;
pub mod email;
pub mod event;
pub mod external_ref;
pub mod labels;
pub mod lead;
pub mod money;
pub mod name;
pub mod notes;
pub mod phone;
pub mod region;
pub mod rules;
pub mod status;
pub mod submission;
mod text;
