//! Jobs that reattempt dropped events, and the pages of dropped events that they and the routes go through.

use std::time::Instant;

use jiff::Timestamp;
use tenday_model::delivery::job::{Filter, Job, Status};
use tenday_model::ids::{DeveloperId, EventId, JobId};

use crate::aws::services::Aws;
use crate::delivery::history::{EventPage, LOOKED_AT};
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, is_expired, json, n, s};
use crate::dynamodb::keys::{self, DROPPED_SORT, DroppedIndex};
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// The jobs in the events table.
#[derive(Debug, Clone)]
pub struct Jobs {
    rows: Rows,
}

impl Jobs {
    pub fn new(aws: &Aws, events_table: String) -> Self {
        Self { rows: Rows::of(aws, events_table) }
    }

    /// Stores a new job.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn create(&self, developer: &DeveloperId, job: &Job) -> Result<(), StoreError> {
        // That there is one already is the doing of this very call, whose answer the SDK did not get: ids are random.
        self.rows.write(Write::put(job_item(developer, job)?).only_if_new()).await.map(|_| ())
    }

    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn get(&self, developer: &DeveloperId, job: JobId, now: Timestamp) -> Result<Option<Job>, StoreError> {
        let found = self.rows.get(keys::job(developer, job), Freshness::Latest).await?;
        found.filter(|item| !is_expired(item, now)).map(|item| job_from(&item)).transpose()
    }

    /// Stores a job over the step that it was read at; false when another push has moved it on meanwhile. That this very
    /// push has is no hindrance: the SDK sends again what it got no answer to, though the first was done.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn advance(&self, developer: &DeveloperId, job: &Job, was: u32) -> Result<bool, StoreError> {
        let put = Write::put(job_item(developer, job)?)
            .only_if("#status = :running AND (step = :was OR (step = :next AND advancedBy = :me))")
            .name("#status", "status")
            .value(":running", s(Status::Running.name()))
            .value(":was", n(was))
            .value(":next", n(job.step))
            .value(":me", s(job.advanced_by.as_deref().unwrap_or_default()));
        Ok(self.rows.write(put).await?.is_done())
    }

    /// At most `limit` dropped events, newest first, after `after`, looking at no more than a query's worth of rows.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn search(
        &self,
        developer: &DeveloperId,
        filter: &Filter,
        limit: usize,
        after: Option<EventId>,
        now: Timestamp,
    ) -> Result<EventPage, StoreError> {
        let look_at = match filter.event_name {
            Some(_) => LOOKED_AT,
            None => limit,
        };
        let found = self.rows.page(dropped(developer, filter, after).limit(look_at)).await?;
        EventPage::of(&found, limit, now)
    }

    /// How many dropped events there are after `after`: all of them, or as many as were counted by `until`.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn count(
        &self,
        developer: &DeveloperId,
        filter: &Filter,
        after: Option<EventId>,
        until: Instant,
    ) -> Result<u64, StoreError> {
        self.rows.count(dropped(developer, filter, after), until).await
    }
}

/// The dropped events that a filter means, newest first, after `after`.
fn dropped(developer: &DeveloperId, filter: &Filter, after: Option<EventId>) -> Query {
    let index = DroppedIndex::of(developer, filter.webhook);
    let start = after.map(|after| index.start(developer, after));
    let mut query = Query::of_index(index.name, index.attribute, index.partition).newest_first().after(start);
    if filter.since.is_some() || filter.until.is_some() {
        let since = keys::published_at(filter.since.unwrap_or(Timestamp::UNIX_EPOCH));
        // Beyond any id: ids are lower-case hexadecimal.
        let until = filter.until.map_or_else(|| "UPD-g".to_owned(), keys::published_at);
        // DynamoDB refuses a range that ends before it begins; this one is empty too.
        let until = until.max(since.clone());
        query = query.between(DROPPED_SORT, since, until);
    }
    match &filter.event_name {
        Some(name) => query.only("eventName", s(name)),
        None => query,
    }
}

pub(crate) fn job_item(developer: &DeveloperId, job: &Job) -> Result<Item, StoreError> {
    let mut item = keys::job(developer, job.id);
    item.insert("status".into(), s(job.status.name()));
    item.insert("filter".into(), json(&job.filter)?);
    item.insert("startedAt".into(), n(job.started_at.as_millisecond()));
    if let Some(finished) = job.finished_at {
        item.insert("finishedAt".into(), n(finished.as_millisecond()));
    }
    item.insert("queued".into(), n(job.queued));
    item.insert("succeeded".into(), n(job.succeeded));
    item.insert("failed".into(), n(job.failed));
    item.insert("step".into(), n(job.step));
    if let Some(message) = &job.advanced_by {
        item.insert("advancedBy".into(), s(message));
    }
    item.insert("page".into(), json(&job.page)?);
    if let Some(cursor) = job.cursor {
        item.insert("cursor".into(), s(cursor.to_string()));
    }
    item.insert("lastPage".into(), json(&job.last_page)?);
    item.insert("unanswered".into(), json(&job.unanswered.iter().collect::<Vec<_>>())?);
    if let Some(trying) = job.trying {
        item.insert("trying".into(), s(trying.to_string()));
    }
    if job.careful {
        item.insert("careful".into(), json(&job.careful)?);
    }
    item.insert(EXPIRES_AT.into(), n(job.expires_at.as_second()));
    Ok(item)
}

pub(crate) fn job_from(item: &Item) -> Result<Job, StoreError> {
    let read = Reader { kind: "job", item };
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("job", error);
    let id = keys::sk(item).unwrap_or_default();
    let status = Status::from_name(read.text("status")?).ok_or_else(|| corrupt(&"unknown status"))?;
    let unanswered: Vec<_> = read.json("unanswered")?;
    let expires: i64 = read.number(EXPIRES_AT)?;
    Ok(Job {
        id: id.parse().map_err(|error| corrupt(&error))?,
        status,
        filter: read.json("filter")?,
        started_at: read.moment("startedAt")?,
        finished_at: read.optional_moment("finishedAt")?,
        queued: read.number("queued")?,
        succeeded: read.number("succeeded")?,
        failed: read.number("failed")?,
        step: read.number("step")?,
        advanced_by: read.optional_text("advancedBy").map(str::to_owned),
        page: read.json("page")?,
        cursor: read.optional_parsed("cursor")?,
        last_page: read.json("lastPage")?,
        unanswered: unanswered.into_iter().collect(),
        trying: read.optional_parsed("trying")?,
        careful: read.optional_text("careful").is_some(),
        expires_at: Timestamp::from_second(expires).map_err(|error| corrupt(&error))?,
    })
}
