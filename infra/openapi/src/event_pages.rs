//! The event catalogue for people, `docs/events/<type>.md`: for each type what its receivers get, with an example of each
//! event. `docs/events/README.md`, which the tests of payloads write, leads there.

use std::fmt::Write;
use std::time::Duration;

use tenday_model::dates::DateFormat;
use tenday_model::settings::integration::Integration;

use crate::received::{ANSWERS, Received};

/// A page for each type, and one for MoneyKit's events, by their paths in the repository.
pub(crate) fn pages() -> Vec<(String, String)> {
    let mut families: Vec<(&'static str, Vec<Received>)> = Vec::new();
    for event in Received::all() {
        match families.iter_mut().find(|(family, _)| *family == event.family()) {
            Some((_, events)) => events.push(event),
            None => families.push((event.family(), vec![event])),
        }
    }
    families.into_iter().map(|(family, events)| (format!("docs/events/{family}.md"), page(family, &events))).collect()
}

fn page(family: &str, events: &[Received]) -> String {
    let moneykit = family == "moneykit";
    let title = if moneykit { "MoneyKit's events".to_owned() } else { format!("The events of type {family}") };
    let mut text = format!(
        "# {title}\n\nFor whoever receives them: how a request looks, what to answer, and each event with an example. Generated \
         from the code by `cargo run --bin tenday-openapi`. [README.md](README.md) has the events of all types side by side.\n\n",
    );
    text.push_str("A request is a POST of JSON to the webhook's `callbackURL`. ");
    match events.first() {
        Some(_) if moneykit => text.push_str(
            "These events are the same for every type, whose `dateFormat` they do not follow. They are tried again as the \
             receiver's type has it.\n",
        ),
        Some(event) => text.push_str(&manners(event.integration)),
        None => {}
    }
    text.push_str("\n| header | goes with | |\n|---|---|---|\n");
    let mut headers: Vec<_> = events.iter().flat_map(|event| event.headers()).collect();
    let mut seen = Vec::new();
    headers.retain(|header| {
        !seen.contains(&header.name) && {
            seen.push(header.name);
            true
        }
    });
    for header in headers {
        let with: Vec<_> = events.iter().filter(|event| event.headers().any(|one| one.name == header.name)).collect();
        let with = match with.len() {
            _ if !header.is_always_there() => "some requests".to_owned(),
            all if all == events.len() => "every request".to_owned(),
            _ => with.iter().map(|event| format!("`{}`", event.name)).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(text, "| `{}` | {with} | {} |", header.name, header.description);
    }
    text.push_str("\n| your answer | what follows |\n|---|---|\n");
    for (_, status, description) in ANSWERS {
        let status = if status == "default" { "anything else" } else { status };
        let _ = writeln!(text, "| {status} | {description} |");
    }
    for event in events {
        text.push_str(&section(*event));
    }
    text
}

/// How a type's requests are dated and repeated.
fn manners(integration: Integration) -> String {
    let dates = match integration.date_format() {
        DateFormat::Iso => "`ISO`, `\"2026-11-21T18:16:00.123Z\"`",
        DateFormat::Utc => "`UTC`, `\"2026-11-21T18:16:00Z\"`",
        DateFormat::Unix => "`unix`, `1795284960`",
    };
    let delays: Vec<String> = integration.retry_delays().iter().copied().map(words).collect();
    format!(
        "Unless the configuration says otherwise, dates are {dates}, and an event that was not taken is sent again after {}, \
         each counted from the attempt before it, and up to a fifth more or less.\n",
        delays.join(", ")
    )
}

fn words(delay: Duration) -> String {
    match delay.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn section(event: Received) -> String {
    let name = event.name;
    let updates: Vec<String> = event.updates().map(|update| format!("[`{update}`](data/{update}.json)")).collect();
    let mut text = format!(
        "\n## `{name}`\n\n{}. Published as {}. Its schema is [{name}.json]({}/{name}.json), and `{}` in `/openapi.json`.\n",
        event.title().unwrap_or_default(),
        updates.join(" or "),
        event.family(),
        event.component(),
    );
    if let Some(shown) = event.shown() {
        let _ = write!(text, "\n```json\n{}\n```\n", indented(&shown.body));
    }
    text
}

/// JSON over several lines, its fields in the order in which they are sent. What is empty stays on one line.
fn indented(json: &str) -> String {
    let mut text = String::new();
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |depth: usize, text: &mut String| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    let mut before = ' ';
    for character in json.chars() {
        let closes = matches!(character, '}' | ']') && !in_text;
        if closes {
            depth = depth.saturating_sub(1);
            if !matches!(before, '{' | '[') {
                line(depth, &mut text);
            }
        } else if matches!(before, '{' | '[' | ',') && !in_text {
            line(depth, &mut text);
        }
        text.push(character);
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            // What is within a text is nothing to go by.
            before = ' ';
            continue;
        }
        match character {
            '"' => in_text = true,
            '{' | '[' => depth += 1,
            ':' => text.push(' '),
            _ => {}
        }
        before = character;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_shown_in_the_order_in_which_it_is_sent() {
        let shown = indented(r#"{"b":[1,{"c":"{\",["}],"a":{},"d":[]}"#);
        assert_eq!(
            shown,
            "{\n  \"b\": [\n    1,\n    {\n      \"c\": \"{\\\",[\"\n    }\n  ],\n  \"a\": {},\n  \"d\": []\n}"
        );
    }
}
