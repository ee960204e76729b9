//! The developer dashboard in a real Chromium, over a whole system. Where a machine has no browser, each test says that it
//! was left out, and passes; `.ci/run` installs one, and sets `TENDAY_BROWSER`, with which a missing one is a failure.
//!
//! `TENDAY_PICTURES=1` writes the pictures of docs/dashboard.md anew.

mod driver;
mod events;
mod hostile;
mod sessions;
mod views;
mod webhooks;

use serde_json::{Value, json};
use tests::System;

const DEVELOPER: &str = "DEV-local-developer";

/// The fragment of a link that the platform gives somebody.
async fn link(system: &System, session: Value) -> String {
    let answer = system.platform().post("/dashboard/sessions", session).await.expect(201);
    let (_, fragment) = answer["url"].as_str().unwrap().split_once("/dashboard").unwrap();
    fragment.to_owned()
}

/// A link with all that a developer may.
async fn own_link(system: &System) -> String {
    link(system, json!({ "developerId": DEVELOPER })).await
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}
