//! A write of one row under a condition. That the condition does not hold is an answer, not a fault.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::dynamodb::item::{Attribute, Item};
use crate::dynamodb::rows::{Rows, filled};
use crate::error::StoreError;

/// One write of one row, and what has to hold for it to be done.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(super) action: Action,
    pub(super) condition: Option<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, Attribute>,
    with_row: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// The whole row.
    Put(Item),
    /// A part of the row with this key; none is an update that only asks whether its condition holds.
    Update(Item, Option<String>),
    /// The row with this key.
    Delete(Item),
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Written {
    /// It is done. With an update, the row as it is now, if it was asked for.
    Done(Option<Item>),
    /// The condition did not hold. The row that is in the way, if there is one and it was asked for.
    Refused(Option<Item>),
}

impl Written {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl Write {
    pub(crate) fn put(item: Item) -> Self {
        Self::new(Action::Put(item))
    }

    pub(crate) fn delete(key: Item) -> Self {
        Self::new(Action::Delete(key))
    }

    pub(crate) fn update(key: Item, expression: &str) -> Self {
        Self::new(Action::Update(key, Some(expression.to_owned())))
    }

    /// An update that sets these attributes and removes those.
    pub(crate) fn change(key: Item, set: Vec<(&str, Attribute)>, remove: &[&str]) -> Self {
        let mut expression = Vec::new();
        if !set.is_empty() {
            let set: Vec<_> = set.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
            expression.push(format!("SET {}", set.join(", ")));
        }
        if !remove.is_empty() {
            let remove: Vec<_> = remove.iter().map(|name| format!("#{name}")).collect();
            expression.push(format!("REMOVE {}", remove.join(", ")));
        }
        let expression = (!expression.is_empty()).then(|| expression.join(" "));
        let mut write = Self::new(Action::Update(key, expression));
        for (name, value) in set {
            write = write.name(&format!("#{name}"), name).value(&format!(":{name}"), value);
        }
        for name in remove {
            write = write.name(&format!("#{name}"), name);
        }
        write
    }

    fn new(action: Action) -> Self {
        Self { action, condition: None, names: HashMap::new(), values: HashMap::new(), with_row: false }
    }

    pub(crate) fn only_if(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// Only if there is no such row yet.
    pub(crate) fn only_if_new(self) -> Self {
        self.only_if("attribute_not_exists(pk)")
    }

    /// What a `#name` of the expressions stands for.
    pub(crate) fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(name.to_owned(), attribute.to_owned());
        self
    }

    /// What a `:value` of the expressions stands for.
    pub(crate) fn value(mut self, name: &str, value: Attribute) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The answer brings the row along, for no more money: as it is after an update, or the one that is in the way.
    pub(crate) fn with_row(mut self) -> Self {
        self.with_row = true;
        self
    }
}

impl Rows {
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let Write { action, condition, names, values, with_row } = write;
        let (names, values) = (filled(names), filled(values));
        let in_the_way = with_row.then_some(ReturnValuesOnConditionCheckFailure::AllOld);
        match action {
            Action::Put(item) => {
                let put = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
                let put =
                    put.set_condition_expression(condition).set_return_values_on_condition_check_failure(in_the_way);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let Err(error) = put.send().await else { return Ok(Written::Done(None)) };
                match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                        Ok(Written::Refused(refused.item().cloned()))
                    }
                    _ => Err(StoreError::aws("dynamodb:PutItem")(error)),
                }
            }
            Action::Update(key, expression) => {
                let update = self.dynamodb.update_item().table_name(&self.table).set_key(Some(key));
                let update = update.set_update_expression(expression).set_condition_expression(condition);
                let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let update = update.set_return_values(with_row.then_some(ReturnValue::AllNew));
                let error = match update.set_return_values_on_condition_check_failure(in_the_way).send().await {
                    Ok(updated) => return Ok(Written::Done(updated.attributes)),
                    Err(error) => error,
                };
                match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                        Ok(Written::Refused(refused.item().cloned()))
                    }
                    _ => Err(StoreError::aws("dynamodb:UpdateItem")(error)),
                }
            }
            Action::Delete(key) => {
                let delete = self.dynamodb.delete_item().table_name(&self.table).set_key(Some(key));
                let delete =
                    delete.set_condition_expression(condition).set_return_values_on_condition_check_failure(in_the_way);
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let Err(error) = delete.send().await else { return Ok(Written::Done(None)) };
                match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(refused)) => {
                        Ok(Written::Refused(refused.item().cloned()))
                    }
                    _ => Err(StoreError::aws("dynamodb:DeleteItem")(error)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::item::{n, s};

    #[test]
    fn a_change_names_what_it_sets_and_what_it_removes() {
        let change = Write::change(Item::new(), vec![("name", s("a")), ("version", n(2))], &["retrySchedule"]);
        let expression = "SET #name = :name, #version = :version REMOVE #retrySchedule";
        assert!(matches!(&change.action, Action::Update(_, Some(text)) if text == expression), "{change:?}");
        assert_eq!(change.names["#retrySchedule"], "retrySchedule");
        assert_eq!(change.values[":version"], n(2));
        assert_eq!((change.names.len(), change.values.len()), (3, 2));
    }

    #[test]
    fn a_change_of_nothing_only_asks_whether_its_condition_holds() {
        let change = Write::change(Item::new(), Vec::new(), &[]).only_if_new();
        assert!(matches!(change.action, Action::Update(_, None)));
        assert_eq!((filled(change.names), filled(change.values)), (None, None), "DynamoDB refuses empty lists");
    }
}
