//! `pause` and `resume`: stop and go on calling Konektor. Webhooks are taken all the while.

use std::io::Write as _;

use serde_json::json;

use super::Context;
use super::admin::Admin;
use super::failure::Exit;
use crate::config;
use crate::ops::wire::PauseState;

/// Stop calling Konektor; webhooks are still taken and kept
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  konektor-bridge pause")]
pub(super) struct PauseArgs {}

/// Go on calling Konektor
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  konektor-bridge resume")]
pub(super) struct ResumeArgs {}

pub(super) async fn pause(PauseArgs {}: PauseArgs, context: Context) -> anyhow::Result<Exit> {
    ask("pause", context).await
}

pub(super) async fn resume(ResumeArgs {}: ResumeArgs, context: Context) -> anyhow::Result<Exit> {
    ask("resume", context).await
}

async fn ask(verb: &str, mut context: Context) -> anyhow::Result<Exit> {
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    let state: PauseState = admin.post(&[verb], &json!({})).await?;
    match state.paused {
        Some(paused) => writeln!(
            context.out,
            "Konektor is not called ({}, since {:.0}); webhooks are kept until `konektor-bridge resume`",
            paused.why, paused.since
        )?,
        None => writeln!(context.out, "Konektor is called")?,
    }
    Ok(Exit::Done)
}
