//! `api support create`.

use std::io::Read as _;

use super::session;
use super::words::word;
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::konektor::wire::{TicketBody, TicketPriority};

/// Write to Konektor's support
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Example:\n  konektor-bridge api support create --subject 'Pixel does not fire' --message 'Since yesterday'"
)]
pub(in crate::cli) enum Command {
    /// Open a ticket (needs agent.support.write)
    #[command(after_help = "Examples:\n  \
        konektor-bridge api support create --subject 'Pixel does not fire' --message 'Since yesterday no events arrive.'\n  \
        konektor-bridge api support create --subject 'Slow answers' --priority high --message - < report.txt")]
    Create(Args),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What it is about, 3 to 180 characters
    #[arg(long)]
    subject: String,
    /// What is the matter, up to 10000 characters; - reads standard input
    #[arg(long)]
    message: String,
    /// How urgent it is; otherwise normal
    #[arg(long, value_parser = word::<TicketPriority>())]
    priority: Option<TicketPriority>,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, mut context: Context) -> anyhow::Result<Exit> {
    let Command::Create(args) = command;
    let message = match args.message.as_str() {
        "-" => {
            let mut read = String::new();
            std::io::stdin().read_to_string(&mut read)?;
            read
        }
        _ => args.message,
    };
    let api = session::open(&context, Pace::Prompt)?;
    let body = TicketBody { subject: args.subject, message, priority: args.priority };
    let reply = api.open_ticket(&body).await.map_err(session::not_written)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
        return Ok(Exit::Done);
    }
    let ticket = &reply.data;
    let fields = [
        ("ticket", ticket.ticket_ref.clone().or_else(|| Some(ticket.ticket_id.clone()))),
        ("subject", ticket.subject.clone()),
        ("status", ticket.status.clone()),
        ("priority", ticket.priority.as_ref().map(ToString::to_string)),
    ];
    session::print_fields(&fields, &mut context.out)?;
    Ok(Exit::Done)
}
