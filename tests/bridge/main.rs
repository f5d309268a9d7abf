//! The black-box tests of the bridge, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]

mod admin;
mod api;
mod backfill;
mod beside;
mod captcha;
mod cli;
mod coalescing;
mod config;
mod delivery;
mod deploy;
mod dialects;
mod drift;
mod echo;
mod edge;
mod fixtures;
mod google_forms;
mod harness;
mod house;
mod quota;
mod readme;
mod receive;
mod reconciliation;
mod redis_servers;
mod reload;
mod replicas;
mod rules;
mod sandbox;
mod schemes;
mod scripted_store;
mod served;
mod simulation;
mod store;
mod tokens;
mod vectors;
mod whole_way;
