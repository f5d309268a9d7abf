//! The black-box tests of the bridge, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]

mod config;
mod deploy;
mod dialects;
mod fixtures;
mod house;
mod sandbox;
mod vectors;
