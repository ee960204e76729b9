//! Dead letters: what our own code failed to handle, or the platform wrote wrongly.

use std::borrow::Cow;
use std::io::Write;

use serde_json::{Value, json};
use tenday_store::{Letter, Queue};

use crate::arguments::{DeadLetterQueue, DeadLettersCommand};
use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::{clean, moment};

/// Long enough to look at them, and to send them back.
const HIDDEN_WHILE_SHOWN: u32 = 10;
const HIDDEN_WHILE_SENT: u32 = 120;
/// Of a message that a person is shown.
const SHOWN: usize = 300;
/// As many as are sent back in one go: they are hidden from others only so long.
const PAGE: usize = 500;

/// A queue of dead letters, and where they came from.
struct Dead {
    name: &'static str,
    /// Whether our own code wrote what is in it. What the platform wrote is shown byte for byte: it may be wrong by just that.
    is_ours: bool,
    letters: Queue,
    source: Queue,
}

/// The queues that there are: ingest's only where it is on.
fn queues(found: &Deployment, only: Option<DeadLetterQueue>) -> Result<Vec<Dead>, AdminError> {
    let mut queues = Vec::new();
    for (queue, name, letters, source) in [
        (DeadLetterQueue::Deliveries, "deliveries", "DeliveriesDeadLetters", "DeliveriesQueue"),
        (DeadLetterQueue::Retries, "retries", "RetriesDeadLetters", "RetriesQueue"),
        (DeadLetterQueue::Ingest, "ingest", "IngestDeadLetters", "IngestQueue"),
    ] {
        let is_there = found.stack.resources.contains_key(letters) || queue != DeadLetterQueue::Ingest;
        if only.is_none_or(|only| only == queue) && is_there {
            let (letters, source) = (found.queue(letters)?, found.queue(source)?);
            queues.push(Dead { name, is_ours: queue != DeadLetterQueue::Ingest, letters, source });
        }
    }
    Ok(queues)
}

pub(crate) async fn run(
    place: Place,
    command: DeadLettersCommand,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    match command {
        DeadLettersCommand::Show { limit } => {
            let found = place.find("operator-dead-letters-show").await?;
            show(&found, limit, as_json, output).await
        }
        DeadLettersCommand::Replay { queue, limit } => {
            let found = place.find("operator-dead-letters-replay").await?;
            found.same_version()?;
            let mut sent = serde_json::Map::new();
            for Dead { name, letters, source, .. } in queues(&found, queue)? {
                let mut moved = 0_usize;
                // What is sent back and fails again must not be sent back for ever: no more than there are now.
                let most = usize::try_from(letters.depth().await?.all()).unwrap_or(usize::MAX).min(limit);
                while moved < most {
                    let page = letters.look((most - moved).min(PAGE), HIDDEN_WHILE_SENT).await?;
                    if page.is_empty() {
                        break;
                    }
                    for letter in &page {
                        letters.move_to(&source, letter).await?;
                        moved += 1;
                    }
                }
                if !as_json {
                    writeln!(output, "{name}: {moved} sent back")?;
                }
                sent.insert(name.to_owned(), moved.into());
            }
            if as_json {
                writeln!(output, "{:#}", Value::Object(sent))?;
            }
            Ok(())
        }
    }
}

async fn show(found: &Deployment, limit: usize, as_json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    let mut shown = serde_json::Map::new();
    for Dead { name, is_ours, letters, .. } in queues(found, None)? {
        let text = |letter| text(letter, is_ours);
        let seen = letters.look(limit, HIDDEN_WHILE_SHOWN).await?;
        letters.give_back(&seen).await?;
        let depth = letters.depth().await?;
        if as_json {
            let seen: Vec<Value> = seen.iter().map(|letter| view(letter, &text(letter))).collect();
            shown.insert(name.to_owned(), json!({ "about": depth.all(), "letters": seen }));
            continue;
        }
        writeln!(output, "{name}: about {} in all, {} shown", depth.all(), seen.len())?;
        for letter in &seen {
            let sent = letter.sent_at.map(moment).unwrap_or_default();
            writeln!(output, "  {}  {sent}  taken {} times", letter.id, letter.receives)?;
            let body: String = text(letter).chars().take(SHOWN).collect();
            writeln!(output, "    {}", clean(&body))?;
        }
    }
    if as_json {
        writeln!(output, "{:#}", Value::Object(shown))?;
    }
    Ok(())
}

fn text(letter: &Letter, is_ours: bool) -> Cow<'_, str> {
    if is_ours { letter.text() } else { Cow::Borrowed(&letter.body) }
}

fn view(letter: &Letter, text: &str) -> Value {
    // Ours are JSON; the platform's may be anything.
    let body = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    json!({
        "messageId": letter.id,
        "sentAt": letter.sent_at.map(moment),
        "taken": letter.receives,
        "group": letter.group,
        "body": body,
    })
}
