//! Who there is, what they have, and an end to it.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::delivery::health::Health;
use tenday_model::delivery::job::Filter;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::audit::Change;
use tenday_store::{Deleted, DeveloperPage, Erased, Erasure, Export, Filled, Progress, ReleaseMessage, StoreError};

use crate::arguments::DevelopersCommand;
use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::{clean, columns, moment, span};
use crate::webhooks;

/// As many as one query answers: a megabyte of short rows.
const PAGE: usize = 10_000;
/// The most deletions that are shown.
const DELETIONS: usize = 100;
/// The longest that dropped events are counted.
const COUNTING: Duration = Duration::from_secs(2);
/// Between two looks at whether what is to settle has settled.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(
    place: Place,
    command: DevelopersCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    match command {
        DevelopersCommand::List { fill, limit, after } => {
            let found = place.find("operator-developers-list").await?;
            list(&found, fill, limit, after, as_json, output).await
        }
        DevelopersCommand::Show { developer } => {
            let found = place.find("operator-developers-show").await?;
            show(&found, &developer, as_json, output).await
        }
        DevelopersCommand::Pause { developer } => {
            let found = place.find("operator-developers-pause").await?;
            let changed = control(&found, &developer, Control::Pause).await?;
            told(&developer, changed, "paused", "was paused already", as_json, output)
        }
        DevelopersCommand::Resume { developer } => {
            let found = place.find("operator-developers-resume").await?;
            let changed = control(&found, &developer, Control::Resume).await?;
            // Even if it was resumed already: whoever did may have died before this.
            found.queue("RetriesQueue")?.release(&ReleaseMessage::new(developer.clone()), 0).await?;
            told(&developer, changed, "resumed", "was not paused", as_json, output)
        }
        DevelopersCommand::Limit { developer, per_second, .. } => {
            let limit = per_second.map(RateLimit::try_from).transpose().map_err(AdminError::Limit)?;
            let found = place.find("operator-developers-limit").await?;
            let changed = control(&found, &developer, Control::Limit(limit)).await?;
            let (done, already) = if limit.is_some() {
                ("limited", "had this limit already")
            } else {
                ("unlimited", "had no limit already")
            };
            told(&developer, changed, done, already, as_json, output)
        }
        DevelopersCommand::Export { developer } => {
            let found = place.find("operator-developers-export").await?;
            export(&found, developer, output).await
        }
        DevelopersCommand::Erase { developer, receipts: true, .. } => {
            let found = place.find("operator-developers-erase-receipts").await?;
            let receipts = found.erasing()?.receipts(&developer).await?;
            if as_json {
                writeln!(output, "{:#}", receipts.iter().map(receipt).collect::<Value>())?;
            } else if receipts.is_empty() {
                writeln!(output, "Nothing of {developer} was ever erased.")?;
            }
            for erasure in receipts.iter().filter(|_| !as_json) {
                tell(erasure, output)?;
            }
            Ok(())
        }
        DevelopersCommand::Erase { developer, link, yes, .. } => {
            if !yes {
                return Err(AdminError::NotConfirmed(developer));
            }
            let what = link.map_or(Erased::Developer, Erased::Link);
            let found = place.find("operator-developers-erase").await?;
            erase(&found, &developer, &what, as_json, output).await
        }
    }
}

async fn list(
    found: &Deployment,
    fill: bool,
    limit: usize,
    after: Option<DeveloperId>,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let directory = found.directory()?;
    if fill {
        let now = found.now().await?;
        let rows = directory.fill(now).await?;
        if !as_json {
            writeln!(output, "{rows} rows of the settings table named a developer.")?;
        }
    }
    let filled = directory.filled().await?;
    let (mut developers, mut next) = (Vec::new(), after);
    loop {
        let left = limit - developers.len().min(limit);
        let page: DeveloperPage = directory.page(left.clamp(1, PAGE), next.as_ref()).await?;
        developers.extend(page.developers);
        next = page.next;
        if next.is_none() || developers.len() >= limit {
            break;
        }
    }
    let complete = matches!(filled, Filled::Since(_));
    if as_json {
        let shown = json!({ "developers": developers, "next": next, "complete": complete });
        writeln!(output, "{shown:#}")?;
        return Ok(());
    }
    for developer in &developers {
        writeln!(output, "{developer}")?;
    }
    if let Some(next) = &next {
        writeln!(output, "There are more: --after {next}")?;
    }
    if !complete {
        let why = match filled {
            Filled::No => "was never filled in",
            Filled::Partly | Filled::Since(_) => "was filled in in part",
        };
        writeln!(output, "The list {why}: those who are older than it may be missing. Once: developers list --fill")?;
    }
    Ok(())
}

/// Everything that is shown of a developer.
struct Whole {
    shown: Value,
    erased: bool,
    known: bool,
}

async fn whole(found: &Deployment, developer: &DeveloperId, now: Timestamp) -> Result<Whole, AdminError> {
    let (settings, events) = (found.settings()?, found.events()?);
    let clients = found.clients()?.list(Some(developer)).await?;
    let listed = found.directory()?.has(developer).await?;
    let health: HashMap<WebhookId, Health> = events.health(developer, now).await?;
    let deletions = match settings.deletions(developer, DELETIONS, now).await {
        Err(StoreError::Erased) => None,
        read => Some(read?),
    };
    let dropped = found.jobs()?.count(developer, &Filter::default(), None, Instant::now() + COUNTING).await?;
    let erased = deletions.is_none();
    let control = settings.control(developer).await?;
    let deletions = deletions.map(|read| (read.settings, read.deletions)).unwrap_or_default();
    let (configured, deletions) = deletions;
    let webhooks: Vec<Value> = configured
        .iter()
        .flat_map(|settings| &settings.webhooks)
        .map(|stored| webhooks::view(developer, &stored.webhook, health.get(&stored.webhook.id)))
        .collect();
    let configuration = configured.as_ref().map(|settings| {
        let it = &settings.configuration;
        json!({
            "id": it.id,
            "type": it.integration.name(),
            "dateFormat": it.date_format.name(),
            "name": it.name,
            "ipAllowlist": it.allowlist,
            "retrySchedule": it.retry_schedule,
            "createdAt": it.created_at,
        })
    });
    let deletions: Vec<Value> = deletions
        .iter()
        .map(|deletion| {
            let what = match &deletion.was {
                Deleted::Webhook(webhook) => webhook.webhook.id.to_string(),
                Deleted::Configuration(configuration) => configuration.id.to_string(),
            };
            json!({ "requestId": deletion.request, "deleted": what, "until": moment(deletion.expires_at) })
        })
        .collect();
    let known = erased || listed || configured.is_some() || !clients.is_empty() || !health.is_empty();
    let shown = json!({
        "developerId": developer,
        "erased": erased,
        "pausedSince": control.paused_since.map(moment),
        "limitPerSecond": control.limit.map(RateLimit::per_second),
        "configuration": configuration,
        "webhooks": webhooks,
        "clients": clients.iter().map(|client| json!({ "clientId": client.id, "scopes": client.scopes })).collect::<Vec<_>>(),
        "deletions": deletions,
        "droppedEvents": dropped,
    });
    Ok(Whole { shown, erased, known: known || dropped > 0 })
}

async fn show(
    found: &Deployment,
    developer: &DeveloperId,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let now = found.now().await?;
    let Whole { shown, erased, known } = whole(found, developer, now).await?;
    if !known {
        return Err(AdminError::NobodysDeveloper(developer.clone()));
    }
    if as_json {
        writeln!(output, "{shown:#}")?;
        return Ok(());
    }
    writeln!(output, "{developer}{}", if erased { "  is being erased, or was" } else { "" })?;
    match &shown["configuration"] {
        Value::Null if erased => {}
        Value::Null => writeln!(output, "  configuration   none")?,
        it => {
            let name = it["name"].as_str().map(|name| format!(", {}", clean(name))).unwrap_or_default();
            let kind = it["type"].as_str().unwrap_or("generic");
            writeln!(output, "  configuration   {kind}{name}, dates as {}", text(&it["dateFormat"]))?;
            let addresses: Vec<&str> =
                it["ipAllowlist"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let addresses = if addresses.is_empty() { "none".to_owned() } else { addresses.join(" ") };
            writeln!(output, "  addresses       {addresses}")?;
        }
    }
    if let Some(since) = shown["pausedSince"].as_str() {
        writeln!(output, "  paused          since {since}: developers resume {developer}")?;
    }
    if let Some(limit) = shown["limitPerSecond"].as_u64() {
        writeln!(output, "  limit           {limit} attempts a second")?;
    }
    for client in shown["clients"].as_array().into_iter().flatten() {
        let scopes = client["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        writeln!(output, "  client          {}  {}", text(&client["clientId"]), scopes.collect::<Vec<_>>().join(" "))?;
    }
    writeln!(output, "  dropped events  {}", shown["droppedEvents"])?;
    for deletion in shown["deletions"].as_array().into_iter().flatten() {
        let (what, request) = (text(&deletion["deleted"]), text(&deletion["requestId"]));
        writeln!(output, "  deleted         {what}, can be restored by {request} until {}", text(&deletion["until"]))?;
    }
    let webhooks = shown["webhooks"].as_array().cloned().unwrap_or_default();
    writeln!(output, "  webhooks        {}", webhooks.len())?;
    columns(output, &webhooks.iter().map(|webhook| webhooks::row(webhook, now, 1)).collect::<Vec<_>>())?;
    Ok(())
}

/// What is set of a developer.
enum Control {
    Pause,
    Resume,
    Limit(Option<RateLimit>),
}

/// Whether anything changed.
async fn control(found: &Deployment, developer: &DeveloperId, control: Control) -> Result<bool, AdminError> {
    found.same_version()?;
    let (now, settings) = (found.now().await?, found.settings()?);
    let configured = match settings.read(developer, now).await {
        Err(StoreError::Erased) => return Err(AdminError::IsErased { developer: developer.clone() }),
        read => read?.is_some(),
    };
    if !configured && !found.directory()?.has(developer).await? {
        return Err(AdminError::NobodysDeveloper(developer.clone()));
    }
    let by = found.operating().author_at(now);
    Ok(match control {
        Control::Pause => settings.pause(&by, developer).await?,
        Control::Resume => settings.resume(&by, developer).await?,
        Control::Limit(limit) => settings.limit(&by, developer, limit).await?,
    })
}

fn told(
    developer: &DeveloperId,
    changed: bool,
    done: &str,
    was: &str,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    if as_json {
        writeln!(output, "{:#}", json!({ "developerId": developer, "changed": changed }))?;
    } else if changed {
        writeln!(output, "{developer} is {done}. It acts within a minute.")?;
    } else {
        writeln!(output, "{developer} {was}: nothing was changed.")?;
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map(clean).unwrap_or_default()
}

async fn export(found: &Deployment, developer: DeveloperId, output: &mut impl Write) -> Result<(), AdminError> {
    let (settings, events) = (found.settings_table()?, found.events_table()?);
    let mut export = Export::new(&found.aws, settings, events, developer.clone());
    let mut rows = 0_u64;
    while let Some(page) = export.page().await? {
        for row in page {
            writeln!(output, "{row}")?;
            rows += 1;
        }
    }
    if rows == 0 {
        return Err(AdminError::NobodysDeveloper(developer));
    }
    let (by, ids) = (found.operating().author_at(found.now().await?), vec![developer.to_string()]);
    found.audit()?.note(&by, Some(&developer), Change::DeveloperExported, ids).await?;
    Ok(())
}

async fn erase(
    found: &Deployment,
    developer: &DeveloperId,
    what: &Erased,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    found.same_version()?;
    let now = found.now().await?;
    // A mistyped id is told, and leaves no mark and no receipt. Rows that only a scan finds, of a developer whom nobody
    // knows otherwise, are there once the platform has published for the id.
    let erasing = found.erasing()?;
    let open = erasing.receipts(developer).await?.iter().any(|erasure| erasure.finished_at.is_none());
    if !open && !whole(found, developer, now).await?.known && !erasing.is_known(developer).await? {
        return Err(AdminError::NobodysDeveloper(developer.clone()));
    }
    let erasure = erasing.begin(developer, what, &found.who, now).await?;
    if !as_json && erasure.started_at < now {
        let (by, at) = (&erasure.by, moment(erasure.started_at));
        writeln!(output, "This goes on with the erasure that {by} began at {at}.")?;
    }
    let mut told = false;
    loop {
        let now = found.now().await?;
        match erasing.go_on(&erasure, what, &found.operating().author_at(now)).await? {
            Progress::Settling(until) => {
                if !told && !as_json {
                    writeln!(
                        output,
                        "Nothing is published or delivered any more. What runs ends {}.",
                        span(now, until)
                    )?;
                    output.flush()?;
                }
                told = true;
                while found.now().await? < until {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            Progress::Again => {}
            Progress::Done(done) => {
                if as_json {
                    writeln!(output, "{:#}", receipt(&done))?;
                } else {
                    tell(&done, output)?;
                }
                return Ok(());
            }
        }
    }
}

fn receipt(erasure: &Erasure) -> Value {
    json!({
        "erasureId": erasure.id,
        "developerId": erasure.developer,
        "linkDigest": erasure.link_digest,
        "by": erasure.by,
        "startedAt": moment(erasure.started_at),
        "finishedAt": erasure.finished_at.map(moment),
        "removed": erasure.removed,
    })
}

fn tell(erasure: &Erasure, output: &mut impl Write) -> Result<(), AdminError> {
    let what = match &erasure.link_digest {
        None => erasure.developer.to_string(),
        Some(digest) => format!("a link of {} (SHA-256 {digest})", erasure.developer),
    };
    let end = match erasure.finished_at {
        Some(at) => format!("done {}", moment(at)),
        None => "not done: run it again".to_owned(),
    };
    writeln!(output, "{}  {what}", erasure.id)?;
    writeln!(output, "  began {} by {}, {end}", moment(erasure.started_at), clean(&erasure.by))?;
    for (kind, count) in &erasure.removed {
        writeln!(output, "  {count:>8} {kind}")?;
    }
    Ok(())
}
