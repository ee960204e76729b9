//! What is left of configurations that were deleted: webhooks that nothing restores. Their rows are removed by the request
//! that deletes the configuration; one that is interrupted leaves them, as every request of an earlier release did.

use std::collections::BTreeMap;

use crate::aws::services::Aws;
use crate::dynamodb::item::{Reader, s};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Rows;
use crate::error::StoreError;
use crate::operator::scan::Filter;

/// A developer's rows as far as the scan has come.
#[derive(Debug, Default)]
struct Seen {
    developer: String,
    /// The life of the configuration that there is.
    generation: Option<u64>,
    /// How many webhooks are of each life.
    webhooks: BTreeMap<u64, u64>,
}

impl Seen {
    /// How many webhooks are of another life than the configuration's.
    fn left(&self) -> u64 {
        self.webhooks
            .iter()
            .filter(|(generation, _)| Some(**generation) != self.generation)
            .map(|(_, count)| count)
            .sum()
    }
}

impl Aws {
    /// How many webhooks are left of configurations that were deleted: a scan of the settings.
    ///
    /// # Errors
    /// When DynamoDB fails or a row does not read.
    pub async fn webhooks_left_over(&self, settings_table: String) -> Result<u64, StoreError> {
        let rows = Rows::of(self, settings_table);
        let filter = Filter {
            expression: "begins_with(sk, :settings)".to_owned(),
            names: Vec::new(),
            values: vec![(":settings", s(keys::SETTINGS_PREFIX))],
            only: vec!["pk", "sk", "generation"],
        };
        // The rows of one developer come one after another.
        let (mut left, mut seen, mut after) = (0, Seen::default(), None);
        loop {
            let page = rows.scan(&filter, after).await?;
            for item in &page.items {
                let developer = keys::pk(item).unwrap_or_default();
                if seen.developer != developer {
                    left += seen.left();
                    seen = Seen { developer: developer.to_owned(), ..Seen::default() };
                }
                let generation: Option<u64> = Reader { kind: "setting", item }.optional_number("generation")?;
                if keys::sk(item) == Some(keys::CONFIGURATION) {
                    seen.generation = generation;
                } else if let Some(generation) = generation {
                    *seen.webhooks.entry(generation).or_default() += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(left + seen.left());
            }
        }
    }
}
