//! The command line: what people type, and what they get to read.
//!
//! One file per command. Results go to standard output; an error is one sentence on standard error that says what to do.

mod admin;
mod api;
mod backfill;
mod check;
mod config;
mod dead_letters;
mod demo;
mod events;
mod explain;
mod failure;
mod healthcheck;
mod incidents;
mod known;
mod listing;
mod local;
mod moment;
mod moves;
mod output;
mod pause;
mod payload;
mod sandbox;
mod send;
mod serve;
mod sources;
mod stats;
mod stopping;
mod store;
mod verify;
mod withheld;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use self::failure::{Exit, report};
use self::output::Out;
use crate::clock::{Clock, SystemClock};
use crate::config::Environment;

/// Takes lead webhooks from forms, WhatsApp and ad platforms, and turns each lead in them into exactly one lead in
/// Konektor.
#[derive(Debug, Parser)]
#[command(name = "konektor-bridge", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "See all of it on this machine, without any account:\n  konektor-bridge demo\n\n\
    Exit codes: 0 done, 1 not done, 64 bad usage or bad configuration.\n\
    Settings are environment variables: konektor-bridge config --env")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Sandbox(sandbox::Args),
    Check(check::Args),
    Sources(sources::Args),
    Send(send::Args),
    Explain(explain::Args),
    Verify(verify::Args),
    Backfill(backfill::Args),
    #[command(subcommand)]
    Events(events::Command),
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    #[command(subcommand)]
    Withheld(withheld::Command),
    #[command(subcommand)]
    Incidents(incidents::Command),
    Stats(stats::Args),
    #[command(subcommand)]
    Store(store::Command),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    #[command(subcommand)]
    Api(api::Command),
    Healthcheck(healthcheck::Args),
    Config(config::Args),
}

/// What every command gets from outside.
struct Context {
    environment: Environment,
    clock: Arc<dyn Clock>,
    out: Out,
}

/// Does what `arguments` (the first is the program's name) ask for, in this process's environment.
///
/// Gives 0 when it is done, 1 when it is not, 64 for bad usage or bad configuration.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // When nobody reads it any more there is nobody to tell.
            let _printed = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let context = Context { environment: Environment::of_process(), clock: Arc::new(SystemClock), out: Out::stdout() };
    let mut runtime = match cli.command {
        Command::Serve(_) | Command::Demo(_) | Command::Sandbox(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let done = runtime
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(dispatch(cli.command, context)));
    done.unwrap_or_else(|error| report(&error)).into()
}

async fn dispatch(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::Serve(args) => serve::run(args, context).await,
        Command::Demo(args) => demo::run(args, context).await,
        Command::Sandbox(args) => sandbox::run(args, context).await,
        Command::Check(args) => check::run(args, context).await,
        Command::Sources(args) => sources::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::Explain(args) => explain::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Backfill(args) => backfill::run(args, context).await,
        Command::Events(command) => events::run(command, context).await,
        Command::DeadLetters(command) => dead_letters::run(command, context).await,
        Command::Withheld(command) => withheld::run(command, context).await,
        Command::Incidents(command) => incidents::run(command, context).await,
        Command::Stats(args) => stats::run(args, context).await,
        Command::Store(command) => store::run(command, context).await,
        Command::Pause(args) => pause::pause(args, context).await,
        Command::Resume(args) => pause::resume(args, context).await,
        Command::Api(command) => api::run(command, context).await,
        Command::Healthcheck(args) => healthcheck::run(args, context).await,
        Command::Config(args) => config::run(args, context),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    /// `command` and all below it, with the path to each.
    fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let below = command.get_subcommands().flat_map(|one| all(one, &format!("{path} {}", one.get_name())));
        std::iter::once((path.to_owned(), command.clone())).chain(below).collect()
    }

    #[test]
    fn the_help_of_each_command_has_examples_and_all_can_be_typed() {
        let commands = all(&Cli::command(), "konektor-bridge");
        assert!(commands.len() > 20);
        for (path, mut command) in commands {
            let help = command.render_help().to_string();
            let lines = help.lines().filter(|line| !line.starts_with("Usage"));
            let examples: Vec<_> = lines.filter_map(|line| Some(&line[line.find(&path)?..])).collect();
            assert!(!examples.is_empty(), "{path} has no example:\n{help}");
            for example in examples {
                if let Err(error) = Cli::try_parse_from(words(example)) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_command_that_the_readme_names_can_be_typed() {
        let readme = include_str!("../../README.md");
        let spans = readme.split('`').filter(|span| span.starts_with("konektor-bridge "));
        let lines = readme.lines().map(str::trim).filter(|line| line.starts_with("konektor-bridge "));
        let commands: Vec<_> = spans.chain(lines).filter(|command| !command.contains('<')).collect();
        assert!(commands.len() > 10, "{commands:?}");
        for command in commands {
            let words: Vec<_> = words(command).into_iter().take_while(|word| word != "…").collect();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{command}: {error}");
            }
        }
    }

    /// The words of a line for a shell, up to a comment or an operator.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split('\'').enumerate().map(|(place, part)| match place % 2 {
            0 => part.to_owned(),
            _ => part.replace(' ', "\u{a0}"),
        });
        let line: String = quoted.collect();
        let ends = |word: &str| matches!(word, "#" | "|" | "<" | ">" | "&&");
        line.split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .take_while(|word| !ends(word))
            .map(str::to_owned)
            .collect()
    }
}
