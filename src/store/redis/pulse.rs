//! Whether another replica has changed something: what was done here is known at once, what others do is looked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::sync::Notify;

use super::core::{Core, Trouble};
use super::values::{Reply, next};

/// How often is looked, at most: a little less often each time, so that replicas do not look all at once.
const LOOK: Duration = Duration::from_millis(50);

/// What was seen last.
#[derive(Default)]
pub(super) struct Pulse {
    inbox: Mutex<u64>,
    lanes: Mutex<u64>,
}

impl Pulse {
    /// Returns when something may have come into the inbox.
    pub(super) async fn inbox_changed(&self, core: &Core) {
        changed(core, &core.inbox, &self.inbox, |(place, _)| place).await;
    }

    /// Returns when a claim may give more.
    pub(super) async fn lanes_changed(&self, core: &Core) {
        changed(core, &core.lanes, &self.lanes, |(_, pulse)| pulse).await;
    }
}

async fn changed(core: &Core, here: &Notify, last: &Mutex<u64>, which: impl Fn((u64, u64)) -> u64) {
    loop {
        let pause = LOOK.mul_f64(1.0 + rand::random::<f64>());
        if tokio::time::timeout(pause, here.notified()).await.is_ok() {
            return;
        }
        // Whoever waits for a store that does not answer asks it again soon enough, and hears why.
        let Ok(seen) = core.pulse().await else { continue };
        let seen = which(seen);
        let before = std::mem::replace(&mut *last.lock().unwrap_or_else(PoisonError::into_inner), seen);
        if before != seen {
            return;
        }
    }
}

impl Core {
    /// Places given in the inbox, and how often lanes have changed so that a claim may give more.
    async fn pulse(&self) -> Result<(u64, u64), Trouble> {
        self.check_open()?;
        let answer: Value = self.link.run(&self.scripts.pulse, &[]).await?;
        let mut parts = Reply(answer).list()?;
        Ok((next(&mut parts)?.number()?, next(&mut parts)?.number()?))
    }
}
