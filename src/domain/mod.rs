//! What a lead is, without anything that moves: pure types and rules, no I/O, no clock.
//!
//! A provider reads an item into a [`submission::Submission`]; [`rules::lead_of`] makes a [`lead::Lead`] of it by the
//! source's [`rules::Rules`], most of it in [`compose::compose`], with a reader for each kind of answer: [`labels`] says what a field is about, [`name`],
//! [`phone`], [`email`] and [`money`] what it holds, [`attribution`] which ad network paid for it. A reader gives a value
//! that Konektor takes, or nothing; it never guesses between two readings, and never panics on any text. What has no field
//! goes to the [`notes`].

pub mod ad_events;
pub mod attribution;
pub mod compose;
pub mod email;
pub mod event;
pub mod external_ref;
pub mod form;
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
