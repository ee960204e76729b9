//! A pull webhook that this command answers for. A file of its name, held while the command runs, says so: whoever finds it
//! unheld knows that its `listen` was killed, and takes the webhook up.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::{Value, json};
use tenday_model::ids::WebhookId;

use crate::api::{Api, pages};
use crate::commands::webhooks::PATH;
use crate::error::TendayError;

/// So far events that wait are counted.
pub(super) const COUNTED: usize = 1000;

/// A webhook to pull.
pub(super) struct Held {
    id: WebhookId,
    /// Its file, and the claim to it. None if it is its developer's own.
    claim: Option<(PathBuf, File)>,
}

impl Held {
    pub(super) fn ours(id: WebhookId, path: PathBuf, claim: File) -> Self {
        Self { id, claim: Some((path, claim)) }
    }

    pub(super) fn developers(id: WebhookId) -> Self {
        Self { id, claim: None }
    }

    pub(super) fn id(&self) -> WebhookId {
        self.id
    }

    /// How many of its events wait to be fetched or taken, as far as they are counted.
    pub(super) async fn waiting(&self, api: &Api) -> Result<usize, TendayError> {
        waiting(api, self.id).await
    }

    /// Deletes the webhook; its events can be brought back with it.
    pub(super) async fn delete(self, api: &Api) -> Result<String, TendayError> {
        let answer = match api.delete(&format!("{PATH}/{}", self.id)).await {
            // Somebody was faster.
            Err(error) if error.is("webhook_error.not_found") => Value::Null,
            answer => answer?,
        };
        if let Some((path, claim)) = self.claim {
            let _ = fs::remove_file(path);
            drop(claim);
        }
        Ok(answer["requestId"].as_str().unwrap_or_default().to_owned())
    }
}

pub(super) async fn waiting(api: &Api, webhook: WebhookId) -> Result<usize, TendayError> {
    let query = [("status", "pending".to_owned())];
    let found = pages(api, &format!("{PATH}/{webhook}/events"), "events", &query, COUNTED).await?;
    Ok(found["events"].as_array().map_or(0, Vec::len))
}

/// Sets a webhook's status.
pub(super) async fn set_status(api: &Api, webhook: WebhookId, status: &str) -> Result<(), TendayError> {
    api.patch(&format!("{PATH}/{webhook}"), &json!({ "status": status })).await.map(drop)
}
