//! The rows of the settings table that an operator's tool writes.

use jiff::Timestamp;
use serde_json::json;
use tenday_model::ids::DeveloperId;

use super::check;
use crate::dynamodb::item::Reader;
use crate::dynamodb::keys;
use crate::operator::directory::{Filled, state_from, state_item};
use crate::operator::erase::{Erasure, erasure_from, erasure_item};
use crate::settings::erased::{erased_at, mark_item};

const ROWS: &str = include_str!("settings.json");

#[test]
fn a_developer_is_on_the_list() {
    check(ROWS, "listed developer", |item| {
        let developer: DeveloperId = Reader { kind: "developer", item }.parsed("sk")?;
        Ok((json!({ "developer": developer }), Some(keys::listed_developer(&developer))))
    });
}

#[test]
fn the_list_says_how_far_it_was_filled_in() {
    check(ROWS, "list of developers", |item| {
        let (cursor, filled) = state_from(item)?;
        let at = match filled {
            Filled::Since(at) => Some(at),
            Filled::No | Filled::Partly => None,
        };
        let after = cursor.as_ref().map(|cursor| [keys::pk(cursor), keys::sk(cursor)]);
        let written = state_item(cursor.as_ref(), at.unwrap_or(Timestamp::UNIX_EPOCH))?;
        Ok((json!({ "goes on after": after, "filledAt": at }), Some(written)))
    });
}

#[test]
fn a_mark_says_since_when_a_developer_is_erased() {
    check(ROWS, "mark of an erasure", |item| {
        let developer: DeveloperId = Reader { kind: "mark", item }.parsed("pk")?;
        let at = erased_at(item).unwrap();
        Ok((json!({ "developer": developer, "erasedAt": at }), Some(mark_item(&developer, at))))
    });
}

#[test]
fn an_erasure_says_whose_by_whom_and_how_much() {
    check(ROWS, "erasure", |item| {
        let erasure = erasure_from(item)?;
        let Erasure { id, developer, link_digest, by, started_at, finished_at, removed } = &erasure;
        let meaning = json!({
            "id": id,
            "developer": developer,
            "linkDigest": link_digest,
            "by": by,
            "startedAt": started_at,
            "finishedAt": finished_at,
            "removed": removed,
        });
        Ok((meaning, Some(erasure_item(&erasure)?)))
    });
}
