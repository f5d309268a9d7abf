//! What a lead is, without anything that moves: pure types and rules, no I/O, no clock.

pub mod status;
