//! Fuzzes allowlist entries; run like `callback_url.rs` says, with `allowlist_entry` in its place.

#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|text: &str| checks::allowlist_entry(text));
