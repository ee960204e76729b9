//! Writes that are done together or not at all.

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};

use crate::aws::tries::Tries;
use crate::dynamodb::rows::{Rows, filled};
use crate::dynamodb::write::{Action, Write};
use crate::error::StoreError;

/// The most writes of one transaction.
pub(crate) const TRANSACTION: usize = 100;

impl Rows {
    /// Does all of these writes, again if they collide with others'. Answers which ones' conditions did not hold, in
    /// which case nothing was done. `what` is what they keep colliding over.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn transact(&self, what: &'static str, writes: &[Write]) -> Result<Vec<usize>, StoreError> {
        self.transact_within(&mut Tries::default(), what, writes).await
    }

    /// [`Self::transact`] with what is left of tries that several transactions share.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn transact_within(
        &self,
        tries: &mut Tries,
        what: &'static str,
        writes: &[Write],
    ) -> Result<Vec<usize>, StoreError> {
        while tries.again().await {
            let actions = writes.iter().map(|write| self.action(write)).collect::<Result<_, _>>();
            let actions = actions.map_err(|error| StoreError::corrupt("transaction", error))?;
            let sent = self.dynamodb.transact_write_items().set_transact_items(Some(actions)).send().await;
            let Err(error) = sent else { return Ok(Vec::new()) };
            match cancellation(&error) {
                Some(Cancellation::Conditions(refused)) => return Ok(refused),
                Some(Cancellation::Conflict) => {}
                None => return Err(StoreError::aws("dynamodb:TransactWriteItems")(error)),
            }
        }
        Err(StoreError::Contended { what })
    }

    fn action(&self, write: &Write) -> Result<TransactWriteItem, BuildError> {
        let Write { action, condition, names, values, .. } = write.clone();
        let (names, values) = (filled(names), filled(values));
        let one = TransactWriteItem::builder();
        Ok(match action {
            Action::Put(item) => {
                let put = Put::builder().table_name(&self.table).set_item(Some(item));
                let put = put.set_condition_expression(condition);
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                one.put(put.build()?)
            }
            Action::Update(key, expression) => {
                let update = Update::builder().table_name(&self.table).set_key(Some(key));
                let update = update.set_update_expression(expression).set_condition_expression(condition);
                let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
                one.update(update.build()?)
            }
            Action::Delete(key) => {
                let delete = Delete::builder().table_name(&self.table).set_key(Some(key));
                let delete = delete.set_condition_expression(condition);
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                one.delete(delete.build()?)
            }
        }
        .build())
    }
}

/// Why DynamoDB cancelled a transaction.
enum Cancellation {
    /// The conditions of these writes did not hold.
    Conditions(Vec<usize>),
    /// Another transaction touched the same rows.
    Conflict,
}

fn cancellation<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Cancellation> {
    use TransactWriteItemsError::TransactionCanceledException;
    let TransactionCanceledException(cancelled) = error.as_service_error()? else { return None };
    let codes = || cancelled.cancellation_reasons().iter().map(|reason| reason.code());
    let refused = codes().enumerate().filter(|(_, code)| *code == Some("ConditionalCheckFailed"));
    let refused: Vec<usize> = refused.map(|(index, _)| index).collect();
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    if !refused.is_empty() {
        Some(Cancellation::Conditions(refused))
    } else if codes().flatten().any(|code| passing.contains(&code)) {
        Some(Cancellation::Conflict)
    } else {
        None
    }
}
