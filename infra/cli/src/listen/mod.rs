//! `tenday listen`: the events of a developer at a desk, fetched and handed to a server on this machine.
//!
//! It pulls a webhook of its own ([`webhook`]), hands each event over ([`forward`]) and acknowledges what was taken ([`pump`]). An
//! event that was not taken, or not acknowledged because the command was killed, is still the webhook's, and comes again.

mod claim;
mod forward;
mod keys;
mod pump;
mod screen;
mod webhook;

use std::time::Duration;

use clap::Args;
use futures::FutureExt;
use futures::future::{join_all, try_join};
use tenday_model::ids::WebhookId;
use tokio::sync::{Notify, watch};
use url::Url;

use crate::api::Api;
use crate::arguments::Common;
use crate::commands::count;
use crate::console::Console;
use crate::error::TendayError;
use crate::settings::Environment;
use claim::{Claimed, claimed};
use forward::Forward;
use keys::Press;
use pump::{Pump, Until};
use screen::Screen;
use webhook::Held;

/// Get your events on this machine: fetched, and posted to a local server
///
/// Makes a webhook for the time it runs, whose events wait to be fetched; nothing has to be reachable from outside. Each event is
/// posted with the bytes and the headers that a receiver gets. What your server answers with 2xx is done; anything else, and no
/// answer, comes again. In a terminal, r sends the last one again, and Ctrl-C ends it and deletes the webhook.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday listen --forward-to http://localhost:3000/hook
  tenday listen --forward-to http://localhost:3000/hook --events TRANSACTIONS,ITEM.ERROR
  tenday listen --forward-to http://localhost:3000/hook --webhook WBK-…
  tenday listen --forward-to http://localhost:3000/hook --json")]
pub(crate) struct Listen {
    /// Where each event is posted to
    #[arg(long, value_name = "URL", value_parser = target)]
    forward_to: Url,
    /// Only these events; may be given several times [default: all]
    #[arg(long, visible_alias = "event", value_name = "EVENT,…", value_delimiter = ',', conflicts_with = "webhook")]
    events: Vec<String>,
    /// Only what is about these links; may be given several times [default: all]
    #[arg(long = "link", value_name = "LINK,…", value_delimiter = ',', conflicts_with = "webhook")]
    links: Vec<String>,
    /// Fetch the events of this webhook of yours, which is left as it is
    #[arg(long, value_name = "WBK-…")]
    webhook: Option<WebhookId>,
    /// After how many seconds an event that was not taken comes again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    again_after: u32,
    /// How many seconds your server has for its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

fn target(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err("it has to begin with http://".to_owned()) }
}

pub(crate) async fn run(
    listen: Listen,
    api: &Api,
    environment: &Environment,
    console: &mut Console<'_>,
) -> Result<(), TendayError> {
    // Before anything is made, so that a signal which comes early leaves nothing behind.
    let (stop, stopped) = watch::channel(false);
    let mut signals = keys::Signals::new()?;
    let forward = Forward::new(listen.forward_to.clone(), Duration::from_secs(listen.timeout.into()))?;
    let claimed = tokio::select! {
        claimed = claimed(&listen, api, environment) => claimed?,
        () = signals.next() => return Ok(()),
    };
    let screen = Screen::new(console, listen.common.json, listen.again_after);
    screen.begins(&claimed, &listen.forward_to, api.url())?;
    let pump = |webhook: WebhookId, until| {
        Pump::new(api, webhook, &forward, &screen, listen.again_after, until, stopped.clone())
    };
    let main = pump(claimed.webhook.id(), Until::Stopped);
    let Claimed { webhook, is_ours, drained, .. } = claimed;
    let drains = drained.into_iter().map(|left| drain(pump(left.id(), Until::Empty), left, api, &screen));

    let everything = async {
        // One that cannot be drained is left to the next `listen`.
        try_join(main.run(), join_all(drains).map(Ok)).await.map(drop)
    };
    let mut everything = std::pin::pin!(everything);
    let pressed = Notify::new();
    let again = async {
        loop {
            pressed.notified().await;
            if let Err(error) = screen.again(api, &forward).await {
                return error;
            }
        }
    };
    let mut again = std::pin::pin!(again);
    let mut keys = keys::Keys::new(screen.is_terminal())?;
    screen.is_raw(keys.are_read());
    let ended: Result<(), TendayError> = loop {
        tokio::select! {
            ended = &mut everything => break ended,
            failed = &mut again => return Err(failed),
            press = keys.next() => match press {
                Press::Again => pressed.notify_one(),
                Press::Stop if *stop.borrow() => return Ok(()),
                Press::Stop => { stop.send_replace(true); }
            },
            () = signals.next() => {
                // Whoever does not want to wait for the last answer presses again. What is left is taken up by the next one.
                if stop.send_replace(true) {
                    return Ok(());
                }
            }
        }
    };
    drop(keys);
    screen.is_raw(false);
    ended?;
    tokio::select! {
        ended = end(webhook, is_ours, api, &screen) => ended,
        () = signals.next() => Ok(()),
    }
}

/// Hands over what an earlier `listen` left, and deletes its webhook once nothing is in it any more.
async fn drain(pump: Pump<'_, '_>, left: Held, api: &Api, screen: &Screen<'_, '_>) -> Result<(), TendayError> {
    pump.run().await?;
    if left.waiting(api).await? > 0 {
        return Ok(());
    }
    let id = left.id();
    left.delete(api).await?;
    screen.drained(id)
}

/// Deletes what was made, and says what is left in it.
async fn end(webhook: Held, is_ours: bool, api: &Api, screen: &Screen<'_, '_>) -> Result<(), TendayError> {
    if !is_ours {
        return screen.ends(None);
    }
    let waiting = webhook.waiting(api).await?;
    let id = webhook.id();
    let request = webhook.delete(api).await?;
    screen.ends(Some((&id, &request, waiting)))
}

/// What is said of events that wait.
fn that_wait(waiting: usize) -> String {
    if waiting >= webhook::COUNTED { format!("{waiting} or more events") } else { count(waiting, "event") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_handed_over_by_http() {
        for good in ["http://localhost:3000/hook", "https://a.example/x?y=1"] {
            assert!(target(good).is_ok(), "{good}");
        }
        for bad in ["localhost:3000", "ftp://a", "/hook", ""] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
