//! The rows of one table, and reading one of them.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;

use crate::aws::services::Aws;
use crate::dynamodb::item::Item;
use crate::error::StoreError;

/// The rows of one table.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) dynamodb: Client,
    pub(crate) table: String,
}

/// How fresh what is read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// As it is at this moment, which costs twice as much.
    Latest,
    /// A moment old at most.
    Recent,
}

impl Freshness {
    pub(super) fn is_latest(self) -> bool {
        self == Self::Latest
    }
}

impl Rows {
    pub(crate) fn of(aws: &Aws, table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table }
    }

    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn get(&self, key: Item, freshness: Freshness) -> Result<Option<Item>, StoreError> {
        let get = self.dynamodb.get_item().table_name(&self.table).set_key(Some(key));
        let found = get.consistent_read(freshness.is_latest()).send().await;
        Ok(found.map_err(StoreError::aws("dynamodb:GetItem"))?.item)
    }
}

/// Names and values of an expression: DynamoDB refuses a list of none.
pub(super) fn filled<V>(list: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!list.is_empty()).then_some(list)
}
