//! Queries: the rows of one partition, page by page.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::Select;

use crate::dynamodb::item::{Attribute, Item, s};
use crate::dynamodb::rows::{Freshness, Rows};
use crate::error::StoreError;

/// What is asked for: a partition, or a part of it, from one end.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    index: Option<&'static str>,
    condition: String,
    filter: Option<&'static str>,
    names: HashMap<String, String>,
    values: HashMap<String, Attribute>,
    latest: bool,
    newest_first: bool,
    limit: Option<i32>,
    after: Option<Item>,
}

/// What one query found.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    /// Where the next page goes on, if there is one.
    pub(crate) next: Option<Item>,
}

impl Query {
    /// A partition of the table itself.
    pub(crate) fn of(partition: String) -> Self {
        Self::new(None, "pk", partition)
    }

    /// A partition of an index, whose key is this attribute.
    pub(crate) fn of_index(index: &'static str, attribute: &str, partition: String) -> Self {
        Self::new(Some(index), attribute, partition)
    }

    fn new(index: Option<&'static str>, attribute: &str, partition: String) -> Self {
        Self {
            index,
            condition: "#partition = :partition".to_owned(),
            filter: None,
            names: HashMap::from([("#partition".to_owned(), attribute.to_owned())]),
            values: HashMap::from([(":partition".to_owned(), s(partition))]),
            latest: false,
            newest_first: false,
            limit: None,
            after: None,
        }
    }

    /// Only rows whose sort key begins so.
    pub(crate) fn beginning_with(mut self, prefix: &str) -> Self {
        self.condition.push_str(" AND begins_with(sk, :prefix)");
        self.values.insert(":prefix".to_owned(), s(prefix));
        self
    }

    /// Only rows whose sort key, which is this attribute, lies between these two.
    pub(crate) fn between(mut self, attribute: &str, first: String, last: String) -> Self {
        self.condition.push_str(" AND #sort BETWEEN :first AND :last");
        self.names.insert("#sort".to_owned(), attribute.to_owned());
        self.values.extend([(":first".to_owned(), s(first)), (":last".to_owned(), s(last))]);
        self
    }

    /// Passes over rows in which this attribute is another. They are read all the same, and count for [`Self::limit`].
    pub(crate) fn only(mut self, attribute: &str, value: Attribute) -> Self {
        self.filter = Some("#only = :only");
        self.names.insert("#only".to_owned(), attribute.to_owned());
        self.values.insert(":only".to_owned(), value);
        self
    }

    pub(crate) fn fresh(mut self, freshness: Freshness) -> Self {
        self.latest = freshness.is_latest();
        self
    }

    pub(crate) fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// The most rows that a page looks at.
    pub(crate) fn limit(mut self, rows: usize) -> Self {
        self.limit = Some(i32::try_from(rows).unwrap_or(i32::MAX));
        self
    }

    pub(crate) fn after(mut self, row: Option<Item>) -> Self {
        self.after = row;
        self
    }
}

impl Rows {
    fn query(&self, query: Query) -> QueryFluentBuilder {
        let Query { index, condition, filter, names, values, latest, newest_first, limit, after } = query;
        self.dynamodb
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(str::to_owned))
            .key_condition_expression(condition)
            .set_filter_expression(filter.map(str::to_owned))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .set_consistent_read(latest.then_some(true))
            .set_scan_index_forward(newest_first.then_some(false))
            .set_limit(limit)
            .set_exclusive_start_key(after)
    }

    /// The next page.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn page(&self, query: Query) -> Result<Page, StoreError> {
        let found = self.query(query).send().await.map_err(StoreError::aws("dynamodb:Query"))?;
        Ok(Page { items: found.items.unwrap_or_default(), next: found.last_evaluated_key })
    }

    /// All pages, one after another.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn all(&self, mut query: Query) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        loop {
            let page = self.page(query.clone()).await?;
            items.extend(page.items);
            if page.next.is_none() {
                return Ok(items);
            }
            query.after = page.next;
        }
    }

    /// How many rows there are: all of them, or as many as were counted by `until`.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn count(&self, mut query: Query, until: Instant) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            let counted = self.query(query.clone()).select(Select::Count).send().await;
            let counted = counted.map_err(StoreError::aws("dynamodb:Query"))?;
            count += u64::try_from(counted.count()).unwrap_or(0);
            query.after = counted.last_evaluated_key;
            if query.after.is_none() || Instant::now() >= until {
                return Ok(count);
            }
        }
    }
}
