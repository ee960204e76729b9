//! The developer dashboard in a real Chromium, over a whole system. Where a machine has no browser, each test says that it
//! was left out, and passes; `.ci/run` installs one, and sets `TENDAY_BROWSER`, with which a missing one is a failure.
//!
//! `TENDAY_PICTURES=1` writes the pictures of docs/dashboard.md anew.

mod driver;
mod sessions;
