//! `api leads export`: all leads that fit, to a file or to standard output, one page in memory at a time.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Context as _;
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use super::csv::CsvLeads;
use super::leads::FilterArgs;
use super::session;
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::{BadUsage, Exit};

/// What every export takes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Where to; - is standard output. It appears when it is complete
    #[arg(default_value = "-")]
    file: PathBuf,
    /// How; otherwise as the file's name ends, else CSV
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// How leads are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For spreadsheets
    Csv,
    /// Konektor's JSON, a lead a line
    Jsonl,
}

pub(super) async fn run(args: Args, context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Patient)?;
    let format = args.format.map_or_else(|| by_name(&args.file), Ok)?;
    let target = Target::open(&args.file, args.force)?;
    let filter = args.filter.filter(&api, context.now()).await?;
    let bar = progress(&target);
    let mut leads = Leads::over(format, target)?;
    let mut pages = pin!(api.pages(filter));
    let mut count = 0_u64;
    while let Some(page) = pages.try_next().await.map_err(session::not_read)? {
        for lead in &page.data.leads {
            leads.write(&lead.json)?;
        }
        count += page.data.leads.len() as u64;
        // Those made meanwhile are in the later totals, but not in the export.
        if let Some(total) = page.data.pagination.total.filter(|_| bar.length().is_none()) {
            bar.set_length(total);
        }
        bar.set_position(count);
    }
    leads.finish()?.close(&args.file)?;
    bar.finish_and_clear();
    writeln!(anstream::stderr(), "{count} leads written")?;
    Ok(Exit::Done)
}

/// As the file's name ends. Another program would not open a file that is not what its name says.
fn by_name(file: &Path) -> anyhow::Result<Format> {
    match file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        None | Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        Some(other) => {
            let sentence = format!("an export is .csv or .jsonl, not .{other}; name it so, or say --format");
            Err(BadUsage(sentence).into())
        }
    }
}

/// A bar on a terminal that nothing else is written to.
fn progress(target: &Target) -> ProgressBar {
    let drawn = io::stderr().is_terminal() && !(target.is_stdout() && io::stdout().is_terminal());
    if !drawn {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} leads, {elapsed} ({eta} to go)")
        .expect("it is a template");
    ProgressBar::no_length().with_style(style)
}

/// Where an export goes. A file gets its name when it is complete: half an export looks like a whole one.
enum Target {
    Stdout(io::StdoutLock<'static>),
    File { part: NamedTempFile, force: bool },
}

impl Target {
    fn open(file: &Path, force: bool) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            return Ok(Self::Stdout(io::stdout().lock()));
        }
        if file.exists() && !force {
            return Err(BadUsage(format!("{} is there already; name another, or use --force", file.display())).into());
        }
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let part = NamedTempFile::new_in(folder)
            .with_context(|| format!("{} cannot be written to; name another place", folder.display()))?;
        Ok(Self::File { part, force })
    }

    const fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    fn close(self, file: &Path) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush()?,
            Self::File { part, force } => {
                part.as_file().sync_all()?;
                let named = if force { part.persist(file) } else { part.persist_noclobber(file) };
                named.with_context(|| format!("{} cannot be given its name", file.display()))?;
            }
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File { part, .. } => part.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File { part, .. } => part.flush(),
        }
    }
}

/// Leads on their way out.
enum Leads {
    Csv(Box<CsvLeads<Target>>),
    Jsonl(BufWriter<Target>),
}

impl Leads {
    fn over(format: Format, target: Target) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvLeads::over(target)?)),
            Format::Jsonl => Self::Jsonl(BufWriter::new(target)),
        })
    }

    fn write(&mut self, lead: &RawValue) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.write(lead),
            // In JSON a line end can only stand between things, where a space does as well.
            Self::Jsonl(out) => writeln!(out, "{}", lead.get().replace(['\n', '\r'], " ")),
        }
    }

    fn finish(self) -> anyhow::Result<Target> {
        Ok(match self {
            Self::Csv(csv) => csv.finish()?,
            Self::Jsonl(out) => out.into_inner().map_err(io::IntoInnerError::into_error)?,
        })
    }
}
