//! The whole of delivery as a game against a malicious world, over the real rules: queues that duplicate, reorder and
//! delay, a scheduler that fires late or twice, a store that fails, and a crash between any two steps.
//!
//! The store and the queues are modelled here in memory, with the conditions that the store's writes have. Whatever is
//! decided, and in which order things are done, is the model crate's own code, the same that the functions run: `Batch` for
//! deliveries, `Job` and `Page` for jobs, `begin` and `end` for reattempts by hand, `dead_letter` for what nobody could
//! handle. A seed is a whole game, and the same one every time. A seed that breaks a promise prints its story:
//!
//! ```text
//! TENDAY_SEED=1234 cargo test --workspace --test simulation -- --nocapture   one seed, with its story
//! TENDAY_SEEDS=1000000 cargo test --release --workspace --test simulation    as many as you have time for
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a test is at the edge: it is told the number of games")]

mod chance;
mod function;
mod job;
mod operator;
mod puller;
mod world;

use chance::Chance;
use world::World;

/// Plays one game. An error is a broken promise.
fn play(seed: u64, tell: bool) -> (World, Result<(), String>) {
    let mut world = World::new(Chance::new(seed), tell);
    let ended = world.play();
    (world, ended)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_event_ends_delivered_or_dropped_whatever_the_world_does() {
    let seeds = match number("TENDAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TENDAY_SEEDS").unwrap_or(10_000),
    };
    let mut played = world::Tally::default();
    for seed in seeds {
        match play(seed, number("TENDAY_SEED").is_some()) {
            (world, Ok(())) => {
                played.add(&world.tally);
                if number("TENDAY_SEED").is_some() {
                    world.story.iter().for_each(|line| eprintln!("{line}"));
                }
            }
            (_, Err(broken)) => {
                let (world, again) = play(seed, true);
                assert_eq!(again, Err(broken.clone()), "seed {seed} is not the same twice");
                panic!("seed {seed}: {broken}\n{}", world.story.join("\n"));
            }
        }
    }
    eprintln!("{played:?}");
    if number("TENDAY_SEED").is_none() {
        // A world in which nothing goes wrong would prove nothing.
        assert!(played.crashes > 1000 && played.duplicates > 1000 && played.store_failures > 1000, "{played:?}");
        assert!(played.lost_answers > 500 && played.poisoned > 1000 && played.lost > 100, "{played:?}");
        assert!(played.delivered > 1000 && played.dropped > 1000 && played.dead_letters > 500, "{played:?}");
        assert!(played.put_off > 500 && played.probes > 1000 && played.schedules > 1000, "{played:?}");
        assert!(played.fetches > 1000 && played.reported > 1000 && played.swept > 100, "{played:?}");
        assert!(played.held > 1000 && played.released > 1000, "{played:?}");
        assert!(played.reattempts > 400 && played.jobs_done > 1000 && played.pages > 2000, "{played:?}");
    }
}
