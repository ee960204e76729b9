//! Who changed what, as it was written down with each change.

use std::io::Write;

use serde_json::{Value, json};

use crate::arguments::Owner;
use crate::error::AdminError;
use crate::place::Place;
use crate::show::{clean, columns, moment};

/// Entries of one query.
const PAGE: usize = 500;

pub(crate) async fn run(
    place: Place,
    owner: Owner,
    limit: usize,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let found = place.find("operator-audit").await?;
    let (now, audit) = (found.now().await?, found.audit()?);
    let (mut entries, mut next) = (Vec::new(), None);
    while entries.len() < limit {
        let page = audit.list(owner.developer.as_ref(), (limit - entries.len()).min(PAGE), next, now).await?;
        entries.extend(page.entries);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if as_json {
        let shown = entries.iter().map(|entry| {
            json!({
                "id": entry.id,
                "at": moment(entry.id.changed_at()),
                "by": { "kind": entry.who.kind(), "name": entry.who.name() },
                "change": entry.change,
                "ids": entry.ids,
                "fields": entry.fields,
                "requestId": entry.request_id,
            })
        });
        let shown = json!({ "entries": shown.collect::<Vec<Value>>(), "more": next.is_some() });
        writeln!(output, "{shown:#}")?;
        return Ok(());
    }
    let rows = entries.iter().map(|entry| {
        let who = entry.who.name().unwrap_or_else(|| entry.who.kind());
        let what = format!("{} {}", entry.ids.join(" "), entry.fields.join(", "));
        vec![moment(entry.id.changed_at()), entry.change.name().to_owned(), clean(who), clean(what.trim_end())]
    });
    columns(output, &rows.collect::<Vec<_>>())?;
    if entries.is_empty() {
        writeln!(output, "Nothing was written down.")?;
    }
    if next.is_some() {
        writeln!(output, "There are more: --limit")?;
    }
    Ok(())
}
