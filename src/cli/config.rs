//! `config`: the settings in force, secrets masked; `--env`: the table of variables.

use std::io::Write as _;

use serde::Serialize;

use super::Context;
use super::failure::Exit;
use super::output::{Text, Tone};
use crate::config::{self, Environment, SourceVariable, VARIABLES, Variable};

/// What stands in place of a secret.
const MASK: &str = "********";

/// Show the settings in force, secrets masked
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  konektor-bridge config\n  konektor-bridge config --env     # every variable there is\n  \
    konektor-bridge config --json"
)]
pub(super) struct Args {
    /// Every variable with its default and meaning, instead of what is in force
    #[arg(long)]
    env: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, context: Context) -> anyhow::Result<Exit> {
    if args.env { table_of_variables(&args, context) } else { in_force(&args, context) }
}

/// A variable as it stands.
#[derive(Debug, Serialize)]
struct Setting {
    name: String,
    /// Masked when it is secret; absent when there is none.
    value: Option<String>,
    from: From,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum From {
    Environment,
    File,
    Default,
    Unset,
}

impl Setting {
    fn of(name: &str, default: Option<&str>, secret: bool, environment: &Environment) -> Self {
        let file = environment.get(&format!("{name}_FILE"));
        let (value, from) = match (environment.get(name), file, default) {
            (Some(_), _, _) if secret => (Some(MASK.to_owned()), From::Environment),
            (Some(value), _, _) => (Some(value.to_owned()), From::Environment),
            (None, Some(path), _) => (Some(path.to_owned()), From::File),
            (None, None, Some(default)) => (Some(default.to_owned()), From::Default),
            (None, None, None) => (None, From::Unset),
        };
        Self { name: name.to_owned(), value, from }
    }
}

/// Shows what is set, and then what is wrong with it, if anything is.
fn in_force(args: &Args, mut context: Context) -> anyhow::Result<Exit> {
    config::load_settings(&context.environment)?;
    let service = VARIABLES.iter().map(|v| Setting::of(v.name, v.default, v.secret, &context.environment));
    let sources = config::built_in_variables();
    let sources =
        sources.iter().map(|v| Setting::of(&v.name, v.default.as_deref(), is_secret(v), &context.environment));
    let settings: Vec<_> = service.chain(sources).collect();
    if args.json {
        context.out.json(&settings)?;
        config::load(&context.environment)?;
        return Ok(Exit::Done);
    }
    let rows = settings.into_iter().map(|Setting { name, value, from }| {
        let tone = if matches!(from, From::Default | From::Unset) { Tone::Faint } else { Tone::Plain };
        [
            Text(name, Tone::Plain),
            Text(value.unwrap_or_else(|| "–".into()), tone),
            Text(<&str>::from(from).into(), tone),
        ]
    });
    context.out.table(["variable", "value", "from"], &[0], rows)?;
    for warning in config::load(&context.environment)?.warnings {
        writeln!(context.out, "\n{warning}")?;
    }
    Ok(Exit::Done)
}

/// What a source reads is secret, unless it says where something is.
fn is_secret(variable: &SourceVariable) -> bool {
    !(variable.name.ends_with("_URL") || variable.name.ends_with("_ORIGINS"))
}

/// A line of the table of variables.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    default: Option<String>,
    secret: bool,
    meaning: String,
}

impl Line {
    fn service(variable: &Variable) -> Self {
        Self {
            name: variable.name.to_owned(),
            default: variable.default.map(str::to_owned),
            secret: variable.secret,
            meaning: variable.meaning.to_owned(),
        }
    }

    fn source(variable: &SourceVariable) -> Self {
        let SourceVariable { name, source, setting, required, default } = variable;
        let need = if *required { "; without it the source is off" } else { "" };
        let meaning = format!("{setting} of the source {source}{need}");
        Self { name: name.clone(), default: default.clone(), secret: is_secret(variable), meaning }
    }
}

fn table_of_variables(args: &Args, mut context: Context) -> anyhow::Result<Exit> {
    let sources = config::built_in_variables();
    let lines: Vec<_> = VARIABLES.iter().map(Line::service).chain(sources.iter().map(Line::source)).collect();
    if args.json {
        context.out.json(&lines)?;
        return Ok(Exit::Done);
    }
    let rows = lines.into_iter().map(|line| {
        let default = line.default.unwrap_or_else(|| "–".into());
        [Text(line.name, Tone::Strong), Text(default, Tone::Faint), Text(line.meaning, Tone::Plain)]
    });
    context.out.table(["variable", "default", "meaning"], &[0], rows)?;
    writeln!(context.out, "\nEach one can be given as NAME_FILE, the name of a file that holds the value.")?;
    Ok(Exit::Done)
}
