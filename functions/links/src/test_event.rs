//! Firing MoneyKit's test event.

use tenday_api::{ApiError, ErrorCode};
use tenday_model::ids::UpdateId;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::settings::link::{Link, TestEvent, TestRefusal};

use crate::Functions;
use crate::publish::{Firing, Unheard};

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
        let (event_name, data) = link.test_update(event);
        let firing = Firing { link, event_name, data, only: None, key: Some(key), trace: Some(trace) };
        self.publish(firing).await?.map_err(|unheard| match unheard {
            Unheard::NoConfiguration => bad_config("You have no configuration, so no webhook would get the event."),
            // Every type can express these events: they have one shape for all.
            Unheard::Inexpressible(problem) => bad_config(&problem),
            Unheard::OtherType | Unheard::NoWebhook => {
                bad_config("You have no active webhook that subscribes to this event.")
            }
        })
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
