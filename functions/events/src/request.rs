//! The request of an event's newest attempt, for its developer to look at.

use std::sync::Arc;

use tenday_api::ApiError;
use tenday_attempts::{AttemptFault, PastRequest, Target};
use tenday_model::delivery::event::Event;
use tenday_model::ids::DeveloperId;
use tenday_store::{DeveloperSettings, StoreError, StoredUpdate, StoredWebhook};

use crate::Functions;
use crate::answers::{HeaderView, RequestView};

impl Functions {
    /// The request, or why there is none.
    pub(crate) async fn request(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        webhook: &StoredWebhook,
        event: &Event,
        update: Option<&StoredUpdate>,
    ) -> Result<Result<RequestView, String>, ApiError> {
        let Some(url) = webhook.webhook.callback_url() else {
            return Ok(Err("The event is fetched: no request is made of it.".to_owned()));
        };
        let Some(attempt) = event.attempts.last() else {
            return Ok(Err("No attempt was made yet, or none that ended.".to_owned()));
        };
        let Some(update) = update else { return Ok(Err("The update is not kept any more.".to_owned())) };
        let target = Target {
            developer,
            configuration: &Arc::new(settings.configuration.clone()),
            webhook,
            event: event.id,
            content: &update.content,
            before: event.attempts.len() - 1,
            manual: attempt.manual,
        };
        let PastRequest { event_name, headers, body } =
            match self.reattempts.attempts().past_request(&target, attempt.at).await {
                Ok(request) => request,
                Err(AttemptFault::Inexpressible(why)) => return Ok(Err(format!("{why}."))),
                Err(AttemptFault::Store(error @ (StoreError::Throttled { .. } | StoreError::Unavailable { .. }))) => {
                    return Err(error.into());
                }
                // The rest of the event is there to be seen all the same.
                Err(fault) => {
                    tracing::error!(error = %fault, event_id = %event.id, "a request could not be made once more");
                    return Ok(Err("It cannot be made any more, by a fault on our side.".to_owned()));
                }
            };
        let Ok(body) = String::from_utf8(body) else { return Ok(Err("The body is not UTF-8.".to_owned())) };
        if event_name != event.event_name {
            return Ok(Err("The configuration's type was changed since the attempt.".to_owned()));
        }
        Ok(Ok(RequestView {
            method: "POST",
            url: url.as_given().to_owned(),
            headers: headers.into_iter().map(|(name, value)| HeaderView { name, value }).collect(),
            body,
        }))
    }
}
