//! Fuzzes callback URLs. In `shared/model`, with a nightly compiler and `cargo install cargo-fuzz`:
//!
//! ```text
//! mkdir -p fuzz/corpus/callback_url
//! cargo +nightly fuzz run callback_url fuzz/corpus/callback_url fuzz/seeds/callback_url -- -max_total_time=300
//! ```
//!
//! A crash is kept in `fuzz/artifacts`. Put its text in `fuzz/seeds`, and `cargo test` has it for ever.

#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|text: &str| checks::callback_url(text));
