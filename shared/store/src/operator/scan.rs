//! Reading a whole table, which no function ever does.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use std::collections::HashMap;
use tenday_model::ids::DeveloperId;

use crate::dynamodb::item::{Attribute, Item, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Page;
use crate::dynamodb::rows::Rows;
use crate::error::StoreError;

/// Which rows a scan answers. All are read, and billed, all the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) expression: String,
    /// What a `#name` of the expression stands for: some attributes have names that DynamoDB keeps for itself.
    pub(crate) names: Vec<(&'static str, &'static str)>,
    pub(crate) values: Vec<(&'static str, Attribute)>,
    /// Only these attributes, if any are named.
    pub(crate) only: Vec<&'static str>,
}

impl Filter {
    /// The rows that name a developer, in either table.
    pub(crate) fn naming(developer: &DeveloperId, only: Vec<&'static str>) -> Self {
        let expression = "pk = :developer OR begins_with(pk, :own) OR sk = :developer OR developer = :developer";
        let values = vec![(":developer", s(developer.as_str())), (":own", s(format!("{developer}#")))];
        Self { expression: expression.to_owned(), values, only, ..Self::default() }
    }
}

impl Rows {
    /// The next page of the whole table, as it is at this moment.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn scan(&self, filter: &Filter, after: Option<Item>) -> Result<Page, StoreError> {
        let names: HashMap<String, String> =
            filter.only.iter().enumerate().map(|(at, name)| (format!("#only{at}"), (*name).to_owned())).collect();
        let mut only: Vec<String> = names.keys().cloned().collect();
        only.sort_unstable();
        let own = filter.names.iter().map(|(name, attribute)| ((*name).to_owned(), (*attribute).to_owned()));
        let names: HashMap<String, String> = names.into_iter().chain(own).collect();
        let values: HashMap<String, Attribute> =
            filter.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let found = self
            .dynamodb
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .set_filter_expression((!filter.expression.is_empty()).then(|| filter.expression.clone()))
            .set_projection_expression((!only.is_empty()).then(|| only.join(", ")))
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:Scan"))?;
        Ok(Page { items: found.items.unwrap_or_default(), next: found.last_evaluated_key })
    }

    /// Deletes rows by their keys, 25 in a call; one that is gone already is no fault.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn delete_all(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let delete = DeleteRequest::builder().set_key(Some(keys::key_of(item))).build();
            let delete = delete.map_err(|error| StoreError::corrupt("batch", error))?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        self.write_all(writes).await
    }
}
