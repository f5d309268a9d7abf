//! What replaying, releasing and discarding share: which events, and how many it were.

use std::io::Write as _;

use super::Context;
use super::admin::Admin;
use super::failure::{BadUsage, Exit};
use super::listing::Filter;
use crate::config;
use crate::ops::wire::Which;

/// Which events: by id, by conditions, or all.
#[derive(Debug, clap::Args)]
pub(super) struct WhichArgs {
    /// The events' ids, as the list shows them
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Every one there is
    #[arg(long)]
    all: bool,
}

impl WhichArgs {
    /// What is meant. Nothing said is a mistake, not everything; so is an id beside a condition.
    fn which(self, context: &Context) -> Result<Which, BadUsage> {
        let conditions = self.filter.which(context.now());
        match (self.ids.is_empty(), conditions == Which::default(), self.all) {
            (false, true, false) => Ok(Which { ids: self.ids, ..Which::default() }),
            (true, false, false) => Ok(conditions),
            (true, true, true) => Ok(Which { all: true, ..Which::default() }),
            _ => Err(BadUsage(
                "say which: ids, or one or more of --source --reason --since --until --lead --request, or --all"
                    .to_owned(),
            )),
        }
    }
}

/// Asks for the move at `path`, and says how many events were `moved`.
pub(super) async fn run(path: &[&str], moved: &str, args: WhichArgs, mut context: Context) -> anyhow::Result<Exit> {
    let which = args.which(&context)?;
    let (named, source) = (which.ids.len(), which.source.clone());
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    let count = admin.move_all(path, which).await?;
    if let Some(source) = source.filter(|_| count == 0) {
        admin.knows_source(&source).await?;
    }
    writeln!(context.out, "{count} {moved}")?;
    if count < named {
        writeln!(anstream::stderr(), "{} of the ids name nothing that could be {moved}", named - count)?;
        return Ok(Exit::NotDone);
    }
    Ok(Exit::Done)
}
