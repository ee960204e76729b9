//! Webhooks, and which of them fail.

use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::health::Health;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::webhook::{Status, Webhook};
use tenday_store::{Events, Settings, StoreError};
use tokio::task::JoinSet;

use crate::arguments::WebhooksCommand;
use crate::error::AdminError;
use crate::place::Place;
use crate::show::{clean, columns, span};

/// How many developers are asked for at once.
const AT_ONCE: usize = 16;
/// How many developers one query of the list answers.
const PAGE: usize = 10_000;

pub(crate) async fn run(
    place: Place,
    command: WebhooksCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let WebhooksCommand::List { developer, failing } = command;
    let found = place.find("operator-webhooks-list").await?;
    let now = found.now().await?;
    let stores = Arc::new((found.settings()?, found.events()?));
    let mut webhooks = Vec::new();
    match developer {
        Some(developer) => match of_developer(&stores, &developer, now).await? {
            Some(own) => webhooks = own,
            None if found.directory()?.has(&developer).await? => {}
            None => return Err(AdminError::NobodysDeveloper(developer)),
        },
        None => {
            let directory = found.directory()?;
            let (mut asked, mut after) = (JoinSet::new(), None);
            loop {
                let page = directory.page(PAGE, after.as_ref()).await?;
                for developer in page.developers {
                    if asked.len() >= AT_ONCE {
                        webhooks.extend(joined(asked.join_next().await)?);
                    }
                    let stores = Arc::clone(&stores);
                    asked.spawn(async move { of_developer(&stores, &developer, now).await });
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            while let Some(done) = asked.join_next().await {
                webhooks.extend(joined(Some(done))?);
            }
            webhooks.sort_by_key(|webhook| (text(&webhook["developerId"]), text(&webhook["id"])));
        }
    }
    if failing {
        webhooks.retain(|webhook| webhook["status"] != Status::Active.name());
    }
    if as_json {
        writeln!(output, "{:#}", Value::Array(webhooks))?;
        return Ok(());
    }
    columns(output, &webhooks.iter().map(|webhook| row(webhook, now, 0)).collect::<Vec<_>>())?;
    if webhooks.is_empty() {
        writeln!(output, "{}", if failing { "None fails." } else { "There are none." })?;
    }
    Ok(())
}

type Found = Result<Option<Vec<Value>>, StoreError>;

fn joined(done: Option<Result<Found, tokio::task::JoinError>>) -> Result<Vec<Value>, AdminError> {
    match done {
        None => Ok(Vec::new()),
        Some(Ok(found)) => Ok(found?.unwrap_or_default()),
        Some(Err(cause)) => Err(AdminError::Worker { cause: cause.to_string() }),
    }
}

/// A developer's webhooks; none if there is no configuration.
async fn of_developer((settings, events): &(Settings, Events), developer: &DeveloperId, now: Timestamp) -> Found {
    let settings = match settings.read(developer, now).await {
        Ok(Some(settings)) => settings,
        Ok(None) | Err(StoreError::Erased) => return Ok(None),
        Err(error) => return Err(error),
    };
    let health = events.health(developer, now).await?;
    let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
    Ok(Some(webhooks.map(|webhook| view(developer, webhook, health.get(&webhook.id))).collect()))
}

/// A webhook as the tool shows it.
pub(crate) fn view(developer: &DeveloperId, webhook: &Webhook, health: Option<&Health>) -> Value {
    let well = Health::default();
    let health = health.unwrap_or(&well);
    json!({
        "developerId": developer,
        "id": webhook.id,
        "kind": webhook.way.kind(),
        "callbackURL": webhook.callback_url(),
        "status": health.status(webhook).name(),
        "eventNames": webhook.event_names,
        "disabled": webhook.disabled.map(|disabled| json!({
            "reason": disabled.reason, "since": disabled.since, "message": disabled.reason.message()
        })),
        "rateLimit": webhook.rate_limit,
        "failures": health.failures,
        "failingSince": health.failing_since,
        "nextProbe": health.probe_at.filter(|_| health.is_open()),
        "lastEventAt": health.last_event_at,
        "lastError": health.errors.first().map(|error| json!({
            "at": error.at, "outcome": error.class.name(), "status": error.status, "message": error.message
        })),
    })
}

/// A webhook as a line.
pub(crate) fn row(webhook: &Value, now: Timestamp, indent: usize) -> Vec<String> {
    let at = |name: &str| webhook[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let mut what = match webhook["status"].as_str() {
        Some("failing") => format!(
            "{} failures in a row{}",
            webhook["failures"],
            at("failingSince").map(|since| format!(", since {}", span(now, since))).unwrap_or_default()
        ),
        Some("disabled") => text(&webhook["disabled"]["message"]),
        _ => at("lastEventAt").map(|last| format!("last event {}", span(now, last))).unwrap_or_default(),
    };
    if let Some(message) = webhook["lastError"]["message"].as_str() {
        what = format!("{what}; last: {} {}", text(&webhook["lastError"]["outcome"]), clean(message));
    }
    let developer = if indent == 0 { text(&webhook["developerId"]) } else { " ".to_owned() };
    vec![developer, text(&webhook["id"]), text(&webhook["status"]), text(&webhook["callbackURL"]), what]
}

fn text(value: &Value) -> String {
    value.as_str().map(clean).unwrap_or_default()
}
