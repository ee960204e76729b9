//! Many rows in one call. What DynamoDB leaves out of it is asked for again.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};

use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::dynamodb::item::Item;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::error::StoreError;

/// The most rows that are read in one call.
const MOST_READ: usize = 100;
/// The most rows that are written in one call.
const MOST_WRITTEN: usize = 25;

/// One of the two tables, by how long what is in it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Settings,
    Events,
}

/// Both tables, which one call can read.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) settings: Rows,
    pub(crate) events: Rows,
}

impl Tables {
    pub(crate) fn of(aws: &Aws, settings: String, events: String) -> Self {
        Self { settings: Rows::of(aws, settings), events: Rows::of(aws, events) }
    }

    /// The rows that there are of these keys, in no order. An attempt that was recorded a moment ago must be seen, so
    /// events are always read as they are now.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn read(
        &self,
        keys: &[(Table, Item)],
        settings: Freshness,
    ) -> Result<Vec<(Table, Item)>, StoreError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MOST_READ) {
            self.read_chunk(keys, settings, &mut found).await?;
        }
        Ok(found)
    }

    async fn read_chunk(
        &self,
        keys: &[(Table, Item)],
        settings: Freshness,
        found: &mut Vec<(Table, Item)>,
    ) -> Result<(), StoreError> {
        let tables = [(Table::Events, &self.events, true), (Table::Settings, &self.settings, settings.is_latest())];
        let mut left = HashMap::new();
        for (table, rows, latest) in tables {
            let keys: Vec<Item> = keys.iter().filter(|(of, _)| *of == table).map(|(_, key)| key.clone()).collect();
            if !keys.is_empty() {
                let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(latest).build();
                left.insert(rows.table.clone(), keys.map_err(|error| StoreError::corrupt("batch", error))?);
            }
        }
        let mut tries = Tries::default();
        while !left.is_empty() {
            if !tries.again().await {
                return Err(StoreError::Throttled { operation: "dynamodb:BatchGetItem" });
            }
            let got = self.events.dynamodb.batch_get_item().set_request_items(Some(left)).send().await;
            let got = got.map_err(StoreError::aws("dynamodb:BatchGetItem"))?;
            let mut answers = got.responses.unwrap_or_default();
            for (table, rows, _) in tables {
                let items = answers.remove(&rows.table).unwrap_or_default();
                found.extend(items.into_iter().map(|item| (table, item)));
            }
            left = got.unprocessed_keys.unwrap_or_default();
        }
        Ok(())
    }
}

impl Rows {
    /// Writes whole rows, over whatever is there.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| StoreError::corrupt("batch", error))?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        self.write_all(writes).await
    }

    /// Writes rows that do not depend on each other, 25 in a call.
    pub(crate) async fn write_all(&self, mut writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(MOST_WRITTEN));
            let mut left = HashMap::from([(self.table.clone(), writes)]);
            let mut tries = Tries::default();
            while !left.is_empty() {
                if !tries.again().await {
                    return Err(StoreError::Throttled { operation: "dynamodb:BatchWriteItem" });
                }
                let wrote = self.dynamodb.batch_write_item().set_request_items(Some(left)).send().await;
                let wrote = wrote.map_err(StoreError::aws("dynamodb:BatchWriteItem"))?;
                left = wrote.unprocessed_items.unwrap_or_default();
            }
            writes = rest;
        }
        Ok(())
    }
}
