//! The request of an attempt that was made, made once more for its developer to look at, by the code that made it.

use jiff::Timestamp;
use tenday_model::signing::request::{BY_KEY, BY_SECRET, Composed};

use crate::attempts::{AttemptFault, Attempts, Target, content_of, trace_of};

/// What an attempt sent. A header without a value has one that is not shown, or not known any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRequest {
    /// The name that the developer's type gives the event.
    pub event_name: &'static str,
    pub headers: Vec<(String, Option<String>)>,
    pub body: Vec<u8>,
}

impl Attempts {
    /// The request of an attempt that was made at this moment: the same bytes and, while the secret is the same as then, the
    /// same signature, unless what the developer has set was changed since.
    ///
    /// # Errors
    /// When it cannot be made any more, and for faults of ours.
    pub async fn past_request(&self, target: &Target<'_>, at: Timestamp) -> Result<PastRequest, AttemptFault> {
        let content = content_of(target.content)?;
        let Composed { event_name, headers, body } = self.parts(target, content, at).await?.compose()?;
        let own = target.webhook.webhook.header_names.iter().map(|name| (name.to_lowercase(), None));
        let trace = [("traceparent".to_owned(), Some(trace_of(target).header()))];
        let replaced = target.webhook.secret_since.is_some_and(|since| since > at);
        let composed = headers.into_iter().map(|(name, value)| {
            let unknown = BY_KEY.contains(&name) || (replaced && BY_SECRET.contains(&name));
            (name.to_owned(), Some(value).filter(|_| !unknown))
        });
        Ok(PastRequest { event_name, headers: own.chain(trace).chain(composed).collect(), body })
    }
}
