//! The black-box tests of the bridge, in one binary.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod dialects;
mod fixtures;
