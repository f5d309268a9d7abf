//! konektor-bridge takes the webhooks of forms, WhatsApp and ad platforms and turns each lead in them into exactly one
//! lead in Konektor.

pub mod app;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod domain;
pub mod konektor;
pub mod metrics;
pub mod providers;
pub mod sandbox;
pub mod store;
pub mod telemetry;
