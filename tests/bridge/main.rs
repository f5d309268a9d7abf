//! The black-box tests of the bridge, in one binary.

mod config;
mod dialects;
mod fixtures;
