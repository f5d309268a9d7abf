//! The delivery half, played through in virtual time: one to four engines on one store in front of one Konektor, and
//! everything that can go wrong, drawn from a seed. Nothing in it asks a clock or waits, so an hour takes milliseconds.
//!
//! A seed that fails is told with its story's end; `SIM_SEED=17` plays it alone and tells all of it, `SIM_SEEDS=0..500000`
//! plays as many as one likes.

mod calls;
mod check;
mod dice;
mod konektor;
mod odds;
mod sabotage;
mod sender;
mod story;
mod trouble;
mod world;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use jiff::Timestamp;

use sabotage::{Guard, Sabotage};
use story::Story;
use world::World;

/// How many lines of a failed seed's story are told.
const TOLD: usize = 120;

/// When all of it begins.
const fn beginning() -> Timestamp {
    Timestamp::constant(1_795_424_400, 0)
}

/// What a seed came to.
struct Tally {
    virtual_time: Duration,
    steps: u64,
}

/// Plays one seed. On failure says what is wrong, and the story as far as it was to be told.
fn play(seed: u64, takes: Guard, story: Story) -> Result<Tally, (String, Vec<String>)> {
    let mut world = World::new(seed, Sabotage::of(takes), story);
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    match ran.unwrap_or_else(|_| Err("something panicked".into())) {
        Ok(()) => Ok(Tally { virtual_time: world.now, steps: world.steps }),
        Err(wrong) => {
            let story = std::mem::take(&mut world.story).about(&wrong);
            Err((wrong, story))
        }
    }
}

/// Plays all of `seeds`, and tells what is wrong with each that fails, and the story of the first.
fn play_all(seeds: std::ops::Range<u64>) {
    let mut total = Tally { virtual_time: Duration::ZERO, steps: 0 };
    let mut failed = Vec::new();
    for seed in seeds {
        match play(seed, Guard::No, Story::default()) {
            Ok(tally) => {
                total.virtual_time += tally.virtual_time;
                total.steps += tally.steps;
            }
            Err((wrong, _)) => failed.push((seed, wrong)),
        }
    }
    println!("{} virtual hours, {} steps", total.virtual_time.as_secs() / 3600, total.steps);
    let Some((first, _)) = failed.first() else { return };
    let story = play(*first, Guard::No, Story::told()).err().map(|(_, story)| story).unwrap_or_default();
    let lines = if wanted().is_some() { story.as_slice() } else { &story[story.len().saturating_sub(TOLD)..] };
    let wrong: Vec<String> = failed.iter().map(|(seed, wrong)| format!("SIM_SEED={seed}: {wrong}")).collect();
    panic!("the story of seed {first}:\n{}\n\n{} seeds fail:\n{}", lines.join("\n"), failed.len(), wrong.join("\n"));
}

/// `SIM_SEED=17` or `SIM_SEEDS=0..500`.
#[expect(clippy::disallowed_methods, reason = "what a person asks of this test alone is no setting of the bridge")]
fn wanted() -> Option<std::ops::Range<u64>> {
    let one = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).map(|seed: u64| seed..seed + 1);
    let range = |text: String| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    one.or_else(|| std::env::var("SIM_SEEDS").ok().and_then(range))
}

#[test]
fn whatever_goes_wrong_each_lead_is_there_once_and_says_what_it_should() {
    play_all(wanted().unwrap_or(0..200));
}

/// What is wrong with the seeds that fail without this guard.
fn wrong_without(takes: Guard) -> impl Iterator<Item = String> {
    (0..400).filter_map(move |seed| play(seed, takes, Story::default()).err()).map(|(wrong, _)| wrong)
}

#[test]
fn without_the_fence_it_is_noticed() {
    assert!(wrong_without(Guard::Fence).next().is_some());
}

#[test]
fn without_the_intent_a_lead_is_there_twice() {
    assert!(wrong_without(Guard::Intent).any(|wrong| wrong.contains("twice")));
}

#[test]
fn without_the_quiet_period_a_lead_is_there_twice() {
    assert!(wrong_without(Guard::Quiet).any(|wrong| wrong.contains("twice")));
}

#[test]
fn a_store_that_forgets_without_knowing_it_makes_a_lead_twice() {
    assert!(wrong_without(Guard::Doubt).any(|wrong| wrong.contains("twice")));
}
