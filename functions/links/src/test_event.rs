//! Firing a test event: an update of the link's own developer, on the path of every other.

use serde_json::value::to_raw_value;
use tenday_api::{ApiError, ErrorCode};
use tenday_model::ids::UpdateId;
use tenday_model::publishing::matching::matching;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::parse_content;
use tenday_model::settings::link::{Link, TestEvent, TestRefusal};
use tenday_store::{Accepted, MessageContent, NewUpdate, PublishError, StoreError, digest};

use crate::Functions;

impl Functions {
    /// Fires a test event for a link of the caller's, once however often it is asked for under the same key.
    pub(crate) async fn fire(
        &self,
        link: &Link,
        event: TestEvent,
        key: &str,
        trace: TraceContext,
    ) -> Result<UpdateId, ApiError> {
        link.may_test(event).map_err(refused)?;
        let now = self.api.now();
        let Some(settings) = self.settings.read(&link.developer, now).await? else {
            return Err(bad_config("You have no configuration, so no webhook would get the event."));
        };
        let (event_name, data) = link.test_update(event);
        let data =
            to_raw_value(&data).map_err(|error| StoreError::Corrupt { kind: "link", cause: error.to_string() })?;
        let content = parse_content(event_name, Some(&data), None).map_err(ApiError::validation)?;
        // Every type can express these events: they have one shape for all.
        let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
        let webhooks = matching(settings.configuration.integration, webhooks, &content)
            .map_err(|problem| bad_config(&problem.to_string()))?;
        if webhooks.iter().all(|webhook| webhook.disabled.is_some()) {
            return Err(bad_config("You have no active webhook that subscribes to this event."));
        }
        let new = NewUpdate {
            developer: &link.developer,
            settings: Some(&settings),
            webhooks,
            content: MessageContent {
                event_name: event_name.to_owned(),
                data: Some(data),
                raw: None,
                occurred_at: now,
                idempotency_key: Some(key.to_owned()),
                trace: Some(trace),
            },
            // MoneyKit's test events carry no mark: a receiver is to take them for real ones.
            is_test: false,
            // No key that the platform publishes under begins like this.
            key: Some(format!("test/{}/{event_name}/{key}", link.id)),
            // Not the data: the link may have changed between two calls with one key.
            digest: digest(&[b"test", link.id.as_str().as_bytes(), event_name.as_bytes(), key.as_bytes()]),
            earlier_digest: None,
        };
        let Accepted { update, to_send } = self.publishing.store(new, now).await.map_err(|error| match error {
            PublishError::Conflict => StoreError::Contended { what: "the test event" },
            PublishError::Store(error) => error,
        })?;
        for sent in self.publishing.queue(&to_send).await {
            sent?;
        }
        Ok(update.id)
    }
}

fn refused(refusal: TestRefusal) -> ApiError {
    let message = refusal.to_string();
    match refusal {
        TestRefusal::Deleted => ApiError::new(ErrorCode::LinkDeleted, message),
        TestRefusal::NotSandbox | TestRefusal::NotPermitted(_) => ApiError::new(ErrorCode::LinkForbidden, message),
        TestRefusal::InError(error) => ApiError::new(ErrorCode::LinkBadState, message).link_error_code(error.word()),
    }
}

fn bad_config(message: &str) -> ApiError {
    ApiError::new(ErrorCode::LinkBadConfig, message)
}
