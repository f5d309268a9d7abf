//! How long all else waits while webhooks come in crowds: what is kept can be sorted later, but a sender waits for its answer
//! now. Neither starves.

use std::time::{Duration, Instant};

/// Webhooks since the last turn of the rest from which on they are a crowd. Fewer are done before anybody notices.
const CROWD: usize = 8;
/// How often the rest gets its turn while webhooks come in crowds. A turn sorts 64 webhooks and reads the next 64, so
/// that is more than 6 000 a second.
const TURN: Duration = Duration::from_millis(5);
/// Webhooks within a turn from which on they are a flood: 10 000 a second, about a thousand times what Konektor takes.
/// A flood is absorbed at the speed of appending, and sorted when it ebbs …
const FLOOD: usize = 50;
/// … but for this often, so that what came first need not wait for its end.
const FLOOD_TURN: Duration = Duration::from_millis(50);

/// When the rest had its turn last, and how many webhooks were kept since.
#[derive(Debug)]
pub(super) struct Turns {
    last: Instant,
    kept: usize,
}

impl Turns {
    /// Webhooks were kept.
    pub(super) const fn kept(&mut self, webhooks: usize) {
        self.kept += webhooks;
    }

    /// How long the rest has to wait for its turn at `now`; `None` when it has it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        let left = self.left(now);
        if left.is_none() {
            (self.last, self.kept) = (now, 0);
        }
        left
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let turn = match self.kept {
            ..CROWD => return None,
            CROWD..FLOOD => TURN,
            FLOOD.. => FLOOD_TURN,
        };
        turn.checked_sub(now.saturating_duration_since(self.last)).filter(|left| !left.is_zero())
    }
}

impl Default for Turns {
    /// The rest had its turn just now.
    fn default() -> Self {
        Self { last: Instant::now(), kept: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_waits_for_crowds_a_little_and_for_floods_longer_but_never_for_good() {
        let mut turns = Turns::default();
        let began = turns.last;
        let mut after = |kept, millis| {
            turns.kept(kept);
            turns.take(began + Duration::from_millis(millis))
        };
        assert_eq!(after(CROWD - 1, 0), None);
        assert_eq!(after(CROWD, 0), Some(TURN));
        assert_eq!(after(0, 5), None);
        assert_eq!(after(FLOOD, 10), Some(Duration::from_millis(45)));
        assert_eq!(after(1_000_000, 54), Some(Duration::from_millis(1)));
        assert_eq!(after(0, 55), None);
        assert_eq!(after(0, 55), None);
    }
}
