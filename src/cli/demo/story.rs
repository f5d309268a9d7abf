//! How the demo is told: acts, lines, and whether each came out as it should.

use std::io::{self, Write};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::output::{Out, Tone, printable, took};

/// The telling.
pub(super) struct Story<'a> {
    out: &'a mut Out,
    act: usize,
    right: usize,
    wrong: usize,
    began: Instant,
    patience: Duration,
}

impl<'a> Story<'a> {
    /// Begins. `patience` is how long all waiting together may take.
    pub(super) fn begin(patience: Duration, out: &'a mut Out) -> Self {
        Self { out, act: 0, right: 0, wrong: 0, began: Instant::now(), patience }
    }

    /// Begins the next act.
    pub(super) fn act(&mut self, title: &str) -> io::Result<()> {
        let strong = Tone::Strong.style();
        self.act += 1;
        let act = self.act;
        writeln!(self, "\n{strong}{act}  {title}{strong:#}")
    }

    /// Tells what happened.
    pub(super) fn tell(&mut self, who: &str, what: &str) -> io::Result<()> {
        writeln!(self, "   {who:<10} {}", printable(what))
    }

    /// Holds what was found against what should have been, and tells it. When it is not as it should be, `found` says how.
    pub(super) fn expect(&mut self, holds: bool, sentence: &str, found: &str) -> io::Result<()> {
        if holds {
            self.right += 1;
            let good = Tone::Good.style();
            writeln!(self, "   {good}✓{good:#} {}", printable(sentence))
        } else {
            self.wrong += 1;
            let bad = Tone::Bad.style();
            writeln!(self, "   {bad}✗ {}{bad:#}: {}", printable(sentence), printable(found))
        }
    }

    /// Asks `look` until it gives something, as long as there is patience left over the whole story.
    pub(super) async fn wait_for<T, F>(&mut self, mut look: impl FnMut() -> F) -> anyhow::Result<Option<T>>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let began = Instant::now();
        loop {
            let found = look().await?;
            if found.is_some() || began.elapsed() >= self.patience {
                self.patience = self.patience.saturating_sub(began.elapsed());
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says how it came out, and gives how many things did not.
    pub(super) fn end(mut self) -> io::Result<usize> {
        let (right, wrong, span) = (self.right, self.wrong, took(self.began.elapsed()));
        if wrong == 0 {
            let good = Tone::Good.style();
            writeln!(self, "\n{good}All {right} checks hold{good:#}, in {span}.")?;
        } else {
            let bad = Tone::Bad.style();
            writeln!(self, "\n{bad}{wrong} of {} checks do not hold{bad:#}, in {span}.", right + wrong)?;
        }
        Ok(wrong)
    }

    pub(super) fn out(&mut self) -> &mut Out {
        self.out
    }
}

impl Write for Story<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
