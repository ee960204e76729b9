//! A short run of what the fuzz targets check: every seed, and every small change to it.

#![allow(clippy::expect_used, reason = "a test: it may panic")]
#![allow(clippy::disallowed_methods, reason = "a test is at the edge: it reads the seeds")]

#[path = "../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

/// What parsers stumble over.
const NASTY: &[&str] = &[
    "", "/", "//", "\\", "@", ":", "#", "?", "%", "%00", "%2e", ".", "..", "。", "１", "[", "]", "::", "0x", "0", "9",
    "-", " ", "\t", "\0", "\u{ad}", "é", "😀", "ffff:", "/0", "xn--",
];

fn every_seed(target: &str, check: fn(&str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds = 0;
    for file in fs::read_dir(folder).expect("the seeds' folder") {
        let seed = fs::read(file.expect("a seed").path()).expect("a seed's bytes");
        let seed = String::from_utf8_lossy(&seed);
        check(&seed);
        seeds += 1;
        for (at, character) in seed.char_indices() {
            let (before, after) = seed.split_at(at);
            check(before);
            check(after);
            check(&format!("{before}{character}{after}"));
            for nasty in NASTY {
                check(&format!("{before}{nasty}{after}"));
                check(&format!("{before}{nasty}{}", &after[character.len_utf8()..]));
            }
        }
    }
    assert!(seeds > 10);
}

#[test]
fn callback_urls_hold_what_they_promise() {
    every_seed("callback_url", checks::callback_url);
}

#[test]
fn allowlist_entries_hold_what_they_promise() {
    every_seed("allowlist_entry", checks::allowlist_entry);
}
