//! How webhooks come in, and by which names their senders know a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt;
use konektor_bridge::deliver::engine::Change;
use konektor_bridge::store::Store;

use super::played::Scene;
use super::sender::{self, Name, Word};
use super::world::{Happening, World};

/// What senders know of the persons' names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Leads of which a webhook that is kept says both names.
    linked: BTreeSet<usize>,
    /// By which name an event speaks of its lead, once it has been said: it stays so when it is sent again.
    spoken: BTreeMap<usize, Name>,
}

impl World {
    /// A webhook comes in; its sender tries again until it hears 200.
    pub(super) fn receive(&mut self, mut words: Vec<Word>) {
        self.name(&mut words);
        let wall = self.shown();
        let before = self.dice.chance(self.odds.store_before);
        if !before {
            self.remember();
            let kept = self.store.keep(sender::webhook(&words, wall)).now_or_never().expect("memory answers at once");
            kept.expect("there is room");
            self.names.linked.extend(words.iter().filter(|word| word.name == Name::Both).map(|word| word.lead));
            let host = self.dice.index(self.hosts.len());
            self.wake(host, Change::Inbox);
        }
        let heard = !before && !self.dice.chance(self.odds.store_after);
        let said: Vec<_> =
            words.iter().map(|word| format!("{} ({:?}) for r{}", word.number, word.kind, word.lead)).collect();
        self.tell(|| format!("webhook {} , kept {}, heard {heard}", said.join(" , "), !before));
        if heard {
            self.unacked -= 1;
            self.acked.extend(words.into_iter().filter(|word| !self.acked.contains(word)).collect::<Vec<_>>());
        } else {
            let again = self.dice.time(Duration::from_secs(1)..Duration::from_mins(3));
            self.plan(again, Happening::Webhook(words));
        }
    }

    /// Who goes by the other name alone has been linked to the first one before: whom nothing links is two persons. What
    /// is lost or forgotten may be that link.
    fn name(&mut self, words: &mut [Word]) {
        let is_sure = self.odds.lose_every.is_none() && self.lost.is_none() && !self.odds.forgets();
        for word in words.iter_mut().filter(|word| word.name == Name::Other) {
            let is_known = is_sure && self.names.linked.contains(&word.lead);
            let name = if is_known { Name::Other } else { Name::Both };
            word.name = *self.names.spoken.entry(word.number).or_insert(name);
            if word.name == Name::Other {
                self.played.saw(Scene::NamedOtherwise);
            }
        }
    }
}
