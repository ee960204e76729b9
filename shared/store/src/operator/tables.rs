//! The tables themselves, as DynamoDB has them.

use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TimeToLiveStatus};

use crate::aws::services::Aws;
use crate::error::StoreError;

/// A table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// `ACTIVE`, for one.
    pub status: String,
    /// By DynamoDB's own count, which is hours old.
    pub rows: u64,
    pub bytes: u64,
    /// Its indexes, each with its status.
    pub indexes: Vec<(String, String)>,
    pub deletion_protection: bool,
}

impl Aws {
    /// A table; none if there is none.
    ///
    /// # Errors
    /// When DynamoDB fails or may not be asked.
    pub async fn table(&self, name: &str) -> Result<Option<TableState>, StoreError> {
        let described = self.dynamodb().describe_table().table_name(name).send().await;
        let table = match described {
            Ok(described) => described.table,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => None,
            Err(error) => return Err(StoreError::aws("dynamodb:DescribeTable")(error)),
        };
        Ok(table.map(|table| TableState {
            status: table.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            rows: table.item_count().and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
            bytes: table.table_size_bytes().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
            indexes: table
                .global_secondary_indexes()
                .iter()
                .map(|index| {
                    let status = index.index_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
                    (index.index_name().unwrap_or_default().to_owned(), status)
                })
                .collect(),
            deletion_protection: table.deletion_protection_enabled().unwrap_or_default(),
        }))
    }

    /// The attribute by which a table lets rows expire, if it does.
    ///
    /// # Errors
    /// When DynamoDB fails or may not be asked.
    pub async fn time_to_live(&self, table: &str) -> Result<Option<String>, StoreError> {
        let described = self.dynamodb().describe_time_to_live().table_name(table).send().await;
        let described = described.map_err(StoreError::aws("dynamodb:DescribeTimeToLive"))?;
        let ttl = described.time_to_live_description.filter(|ttl| {
            matches!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        });
        Ok(ttl.and_then(|ttl| ttl.attribute_name))
    }

    /// Whether a table can be restored to any moment of the last days.
    ///
    /// # Errors
    /// When DynamoDB fails or may not be asked.
    pub async fn point_in_time_recovery(&self, table: &str) -> Result<bool, StoreError> {
        let described = self.dynamodb().describe_continuous_backups().table_name(table).send().await;
        let described = described.map_err(StoreError::aws("dynamodb:DescribeContinuousBackups"))?;
        let status = described
            .continuous_backups_description
            .and_then(|backups| backups.point_in_time_recovery_description)
            .and_then(|recovery| recovery.point_in_time_recovery_status);
        Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// What state a KMS key is in: `Enabled`, for one.
    ///
    /// # Errors
    /// When KMS fails or may not be asked.
    pub async fn key_state(&self, key: &str) -> Result<String, StoreError> {
        let described = self.kms().describe_key().key_id(key).send().await;
        let described = described.map_err(StoreError::aws("kms:DescribeKey"))?;
        let state = described.key_metadata.and_then(|key| key.key_state);
        Ok(state.map(|state| state.as_str().to_owned()).unwrap_or_default())
    }
}
