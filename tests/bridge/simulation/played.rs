//! What has been seen to happen: a trouble that never comes tests nothing.

use std::fmt;
use std::ops::AddAssign;

use strum::VariantArray;

/// What may happen in a story, beside what every story has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Scene {
    /// A person writes into the notes of a lead.
    Noted,
    /// A person moves a lead on to another status.
    Moved,
    /// A person says by which channel a lead came.
    Channelled,
    /// The bridge writes a status into a lead that is there.
    StatusWritten,
    /// An event speaks of its lead by another name alone.
    NamedOtherwise,
    /// The lead of a visitor whose code was named is written into for the first time; and where no reference is shown.
    Adopted,
    AdoptedHidden,
    /// The bridge does not hear of that.
    AdoptedUnheard,
    /// … and then its person has another number.
    RenumberedUnheard,
    /// A lead is created for somebody who names a code that nobody has, and for one who names another person's.
    CodeUnknown,
    CodePassedOn,
    /// A person gives a visitor a name.
    VisitorNamed,
    /// Receipts or lanes are forgotten.
    Forgotten,
    /// A person stops all calls for a while.
    CallsStopped,
    /// A person lets withheld events go.
    Released,
    /// A person puts dead letters back.
    Replayed,
    /// A person gives dead letters up, or withheld events.
    DeadDiscarded,
    WithheldDiscarded,
}

impl Scene {
    /// Whether it needs a lead that Konektor has made of a click.
    const fn is_of_visitors(self) -> bool {
        match self {
            Self::Adopted
            | Self::AdoptedHidden
            | Self::AdoptedUnheard
            | Self::RenumberedUnheard
            | Self::CodeUnknown
            | Self::CodePassedOn
            | Self::VisitorNamed => true,
            Self::Noted
            | Self::Moved
            | Self::Channelled
            | Self::StatusWritten
            | Self::NamedOtherwise
            | Self::Forgotten
            | Self::CallsStopped
            | Self::Released
            | Self::Replayed
            | Self::DeadDiscarded
            | Self::WithheldDiscarded => false,
        }
    }
}

/// How often each has been seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Played([u64; Scene::VARIANTS.len()]);

impl Played {
    pub(super) fn saw(&mut self, scene: Scene) {
        self.0[scene as usize] += 1;
    }

    /// What has not been seen once, of what is of `visitors` or of what is not.
    pub(super) fn unseen(&self, visitors: bool) -> Vec<Scene> {
        let unseen = |scene: &Scene| scene.is_of_visitors() == visitors && self.0[*scene as usize] == 0;
        Scene::VARIANTS.iter().copied().filter(unseen).collect()
    }
}

impl AddAssign for Played {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> =
            Scene::VARIANTS.iter().map(|scene| format!("{scene:?} {}", self.0[*scene as usize])).collect();
        f.write_str(&counts.join(", "))
    }
}
