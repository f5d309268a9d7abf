//! `backfill`: have a running bridge read a sender's own list of leads, for what its webhooks did not bring.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use super::admin::{Admin, Later};
use super::failure::{BadUsage, Exit};
use super::moment::Moment;
use crate::config;
use crate::ops::wire::{Listed, PageOfList};

/// How long a sender that cannot be asked now is waited for between two pages, in all.
const PATIENCE: Duration = Duration::from_hours(1);

/// Read a sender's own list of leads, for what its webhooks did not bring
///
/// What they had brought is told apart, so that no lead is there twice. The bridge does this by itself every hour for what
/// is new; this is for what is older. It may be stopped and started again at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge backfill meta --since 2d\n  \
    konektor-bridge backfill linkedin --since 2026-11-01 --until 2026-11-08")]
pub(super) struct Args {
    /// The source, by its name; its sender must have a list (Meta, LinkedIn)
    source: String,
    /// Leads submitted since: 2h (ago), 3d, 2026-11-20, 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// And before; now where absent
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let Args { source, since, until } = args;
    let now = context.now();
    let (since, until) = (since.resolve(now), until.map_or(now, |until| until.resolve(now)));
    if since >= until {
        return Err(BadUsage("--since is to be before --until, which is now where it is not given".to_owned()).into());
    }
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    admin.knows_source(&source).await?;
    let mut reading = Reading { admin, path: ["sources", &source, "backfill"], listed: 0, bar: progress() };
    let page = PageOfList { since, until: Some(until), cursor: None };
    reading.all_pages(page).await.inspect_err(|_| reading.stopped())?;
    reading.bar.finish_and_clear();
    writeln!(
        context.out,
        "{} leads listed by the sender of `{source}`; those that are known already are told apart when they are sorted",
        reading.listed
    )?;
    Ok(Exit::Done)
}

/// A reading of a list, page by page.
struct Reading<'a> {
    admin: Admin,
    path: [&'a str; 3],
    listed: usize,
    bar: ProgressBar,
}

impl Reading<'_> {
    async fn all_pages(&mut self, mut page: PageOfList) -> anyhow::Result<()> {
        let mut patience = PATIENCE;
        loop {
            match self.admin.post::<Listed>(&self.path, &page).await {
                Ok(Listed { kept, next }) => {
                    self.listed += kept;
                    self.bar.set_message(format!("{} leads listed", self.listed));
                    patience = PATIENCE;
                    page.cursor = next;
                    if page.cursor.is_none() {
                        return Ok(());
                    }
                }
                Err(error) => match error.downcast_ref::<Later>() {
                    Some(later) if later.after <= patience => {
                        patience -= later.after;
                        self.wait(later).await?;
                    }
                    Some(_) | None => return Err(error),
                },
            }
        }
    }

    async fn wait(&self, later: &Later) -> io::Result<()> {
        let line = format!("waiting {} s: {later}", later.after.as_secs());
        if self.bar.is_hidden() {
            writeln!(anstream::stderr(), "{line}")?
        } else {
            self.bar.println(line)
        }
        tokio::time::sleep(later.after).await;
        Ok(())
    }

    /// Says what there is of a reading that did not come to its end.
    fn stopped(&self) {
        self.bar.finish_and_clear();
        if self.listed > 0 {
            let listed = self.listed;
            // When nobody reads it any more there is nobody to tell.
            let _told = writeln!(
                anstream::stderr(),
                "{listed} leads were listed before this; the same command begins anew, and nothing comes twice"
            );
        }
    }
}

/// A line on a terminal.
fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("it is a template");
    let bar = ProgressBar::new_spinner().with_style(style).with_message("asking");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
