//! What the operator has set of a developer.
//!
//! It has a row of its own, which nothing of the developer's own doing changes. The configuration's row has a copy: that is
//! read with each delivery anyway, so a delivery pays nothing for it. Whoever makes a configuration, by whatever way, takes
//! the copy from the row and moves the row's version on, in one transaction ([`Settings::set`] does the same): of the two
//! that come at once, one is done again.

use jiff::Timestamp;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::audit::Change;
use tenday_model::settings::control::Control;

use crate::aws::tries::Tries;
use crate::dynamodb::item::{Attribute, Item, Reader, n};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::settings::audit::{Audited, Author, Entry};
use crate::settings::changes::{CONTENDED, configuration_key};
use crate::settings::developer::Settings;

/// A developer's row, as it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoredControl {
    pub(crate) control: Control,
    /// How often it was written; none if it never was.
    pub(crate) version: Option<u64>,
}

impl StoredControl {
    pub(super) async fn read(rows: &Audited, developer: &DeveloperId) -> Result<Self, StoreError> {
        let found = rows.get(keys::control(developer), Freshness::Latest).await?;
        found.as_ref().map_or(Ok(Self::default()), stored_control_from)
    }

    /// Writes what is set, over the very row that was read.
    pub(super) fn write(&self, developer: &DeveloperId, control: Control) -> Write {
        let put = Write::put(control_item(developer, control, self.version.map_or(1, |version| version + 1)));
        match self.version {
            Some(version) => put.only_if("version = :was").value(":was", n(version)),
            None => put.only_if_new(),
        }
    }

    /// For whoever makes a configuration with a copy of it: that it still is what was copied, and that whoever sets
    /// something else at this moment looks again.
    pub(super) fn copied(&self, developer: &DeveloperId) -> Write {
        self.write(developer, self.control)
    }
}

impl Settings {
    /// What the operator has set of a developer.
    ///
    /// # Errors
    /// When DynamoDB fails or the row does not read.
    pub async fn control(&self, developer: &DeveloperId) -> Result<Control, StoreError> {
        Ok(StoredControl::read(&self.rows, developer).await?.control)
    }

    /// Holds all attempts of a developer's events from now on. False if they are held already.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn pause(&self, by: &Author, developer: &DeveloperId) -> Result<bool, StoreError> {
        let paused = |control: Control| Control { paused_since: control.paused_since.or(Some(by.at)), ..control };
        self.set(by, developer, Change::DeveloperPaused, paused).await
    }

    /// Lets attempts of a developer's events be made again. False if none are held. What was held until now is not sent
    /// by this alone.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn resume(&self, by: &Author, developer: &DeveloperId) -> Result<bool, StoreError> {
        let resumed = |control| Control { paused_since: None, ..control };
        self.set(by, developer, Change::DeveloperResumed, resumed).await
    }

    /// Sets how many attempts a second all of a developer's webhooks get together; none takes the limit away. False if it
    /// is that already.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn limit(
        &self,
        by: &Author,
        developer: &DeveloperId,
        limit: Option<RateLimit>,
    ) -> Result<bool, StoreError> {
        self.set(by, developer, Change::DeveloperLimited, |control| Control { limit, ..control }).await
    }

    async fn set(
        &self,
        by: &Author,
        developer: &DeveloperId,
        change: Change,
        becomes: impl Fn(Control) -> Control,
    ) -> Result<bool, StoreError> {
        // Somebody may make or delete the configuration between reading and writing.
        let mut tries = Tries::default();
        while tries.again().await {
            let stored = StoredControl::read(&self.rows, developer).await?;
            let control = becomes(stored.control);
            if control == stored.control {
                return Ok(false);
            }
            let mut writes = vec![stored.write(developer, control)];
            if self.rows.get(configuration_key(developer), Freshness::Latest).await?.is_some() {
                let (set, remove): (Vec<_>, Vec<_>) =
                    attributes(control).into_iter().partition(|(_, value)| value.is_some());
                let set = set.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                let remove: Vec<_> = remove.into_iter().map(|(name, _)| name).collect();
                let copy = Write::change(configuration_key(developer), set, &remove);
                writes.push(copy.only_if("attribute_exists(pk)"));
            }
            let entry = Entry::of(developer, change, developer);
            if self.rows.change(by, entry, CONTENDED, writes).await?.is_empty() {
                return Ok(true);
            }
        }
        Err(StoreError::Contended { what: CONTENDED })
    }
}

/// What is set, as attributes, of the row and of its copy alike; none where there is nothing to be stored.
pub(crate) fn attributes(control: Control) -> [(&'static str, Option<Attribute>); 2] {
    [
        (PAUSED_SINCE, control.paused_since.map(|since| n(since.as_millisecond()))),
        (LIMIT, control.limit.map(|limit| n(limit.per_second()))),
    ]
}

const PAUSED_SINCE: &str = "pausedSince";
/// No attribute of a configuration's own.
const LIMIT: &str = "developerLimit";

/// What a row of either kind says.
pub(crate) fn control_from(item: &Item) -> Result<Control, StoreError> {
    let read = Reader { kind: "control", item };
    let limit = read.optional_number::<u32>(LIMIT)?.map(RateLimit::try_from);
    let paused_since: Option<Timestamp> = read.optional_moment(PAUSED_SINCE)?;
    let limit = limit.transpose().map_err(|error| StoreError::corrupt("control", error))?;
    Ok(Control { paused_since, limit })
}

pub(crate) fn control_item(developer: &DeveloperId, control: Control, version: u64) -> Item {
    let mut item = keys::control(developer);
    for (name, value) in attributes(control) {
        item.extend(value.map(|value| (name.to_owned(), value)));
    }
    item.insert("version".into(), n(version));
    item
}

pub(crate) fn stored_control_from(item: &Item) -> Result<StoredControl, StoreError> {
    let version = Reader { kind: "control", item }.number("version")?;
    Ok(StoredControl { control: control_from(item)?, version: Some(version) })
}
