//! The order of publishing: read who subscribes, store the update, queue its events, answer. What happens when a step
//! fails is told where the steps are, in `tenday_store`.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;
use tenday_api::{ApiError, Body, ErrorBody, ErrorCode};
use tenday_model::dates::Moment;
use tenday_model::error::ValidationError;
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::publishing::matching::matching;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::parse_content;
use tenday_store::{
    Accepted, Aws, DeveloperSettings, Environment, Events, MessageContent, NewUpdate, Outgoing, PublishError,
    Publishing, Queue, Settings, StoreError, Updates, random,
};

use crate::answers::{AcceptedUpdate, EventOfUpdate, PublishAnswer, UpdateResult};
use crate::requests::{Published, Request, Update};

/// Publishes, for whoever takes updates from the platform. Authorizing it is the caller's business.
pub struct Publisher {
    settings: Settings,
    publishing: Publishing,
}

/// What could not be published of a message, and why. It holds nothing of the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// Where it is wrong, as in `validation_errors`: `body.updates.1.eventName`.
    pub locations: Vec<String>,
}

/// An update that is stored, and whether its developer has a configuration.
struct Publication {
    accepted: Accepted,
    configured: bool,
}

/// Where an update came from.
struct Origin {
    /// Where it stands in the request's body.
    location: Vec<String>,
    trace: Option<TraceContext>,
    now: Timestamp,
}

/// What the developers of a request have set.
#[derive(Default)]
struct Known {
    /// None for one without a configuration.
    settings: HashMap<DeveloperId, Option<DeveloperSettings>>,
    erased: HashSet<DeveloperId>,
}

/// The refusal of an update for a developer who was erased. Nothing of them may come to be again.
fn of_erased(location: &[String]) -> ApiError {
    let location = location.iter().cloned().chain(["developerId".to_owned()]).collect();
    let message = "this developer was erased, and nothing can be published for them".to_owned();
    ApiError::validation(vec![ValidationError { location, message, kind: "value_error" }])
}

impl Publisher {
    pub fn from_environment(environment: &mut Environment, aws: &Aws) -> Self {
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        let deliveries = Queue::new(aws, environment.text("DELIVERIES_QUEUE_URL"));
        let events = Events::new(aws, settings_table.clone(), events_table.clone());
        Self {
            settings: Settings::new(aws, settings_table),
            publishing: Publishing::new(events, Updates::new(aws, events_table), deliveries),
        }
    }

    /// Publishes what would be the body of `POST /updates`. `key` stands in for the header `Idempotency-Key`, `trace`
    /// for `X-Amzn-Trace-Id`. Answers what was refused; everything else is stored, and its events are queued.
    pub async fn publish_message(
        &self,
        body: String,
        key: String,
        trace: Option<&str>,
        now: Timestamp,
    ) -> Vec<Refusal> {
        let trace = trace.and_then(|header| TraceContext::from_xray(header, random().ok()?));
        let trace = trace.or_else(|| random().ok().map(TraceContext::new));
        let published = match Body::<Published>::read(Bytes::from(body)) {
            Ok(body) => self.publish(body.value, Some(key), trace, now).await,
            Err(error) => Err(error),
        };
        match published {
            Ok(PublishAnswer::One(_)) => Vec::new(),
            Ok(PublishAnswer::Many { updates }) => updates.iter().filter_map(refusal).collect(),
            Err(error) => vec![refused(&error.body())],
        }
    }

    /// Publishes the body of `POST /updates`. `key` is the caller's own name for the whole of it.
    ///
    /// # Errors
    /// When nothing was stored, or not every event of a single update could be queued.
    pub async fn publish(
        &self,
        published: Published,
        key: Option<String>,
        trace: Option<TraceContext>,
        now: Timestamp,
    ) -> Result<PublishAnswer, ApiError> {
        let (updates, many) = match published.request().map_err(ApiError::validation)? {
            Request::One(update) => (vec![update], false),
            Request::Many(updates) => (updates, true),
        };
        let Known { settings, erased } = self.settings_of(&updates, now).await?;
        let accepted = join_all(updates.iter().enumerate().map(|(index, update)| {
            // One header stands for the whole request: each of its updates has a key of its own.
            let key = match (&update.id, &key) {
                (Some(id), _) => Some(format!("id/{id}")),
                (None, Some(key)) => Some(format!("key/{index}/{key}")),
                (None, None) => None,
            };
            let location =
                if many { vec!["body".into(), "updates".into(), index.to_string()] } else { vec!["body".into()] };
            let settings = settings.get(&update.developer_id).and_then(Option::as_ref);
            let refused = erased.contains(&update.developer_id).then(|| of_erased(&location));
            let origin = Origin { location, trace, now };
            // Where it stays: waiting for all of them moves each.
            Box::pin(async move {
                match refused {
                    Some(error) => Err(error),
                    None => self.accept(update, key, settings, origin).await,
                }
            })
        }))
        .await;
        let mut results = self.send(accepted).await.into_iter();
        if !many && let Some(result) = results.next() {
            return result.map(PublishAnswer::One);
        }
        let updates = results.map(|result| match result {
            Ok(accepted) => UpdateResult::Accepted(accepted),
            Err(error) => UpdateResult::Refused(error.body()),
        });
        Ok(PublishAnswer::Many { updates: updates.collect() })
    }

    /// Each developer's settings, read once however many of the updates are for them.
    async fn settings_of(&self, updates: &[Update], now: Timestamp) -> Result<Known, ApiError> {
        let mut developers: Vec<&DeveloperId> = updates.iter().map(|update| &update.developer_id).collect();
        developers.sort_unstable();
        developers.dedup();
        let read = join_all(developers.iter().map(|developer| self.settings.read(developer, now))).await;
        let mut known = Known::default();
        for (developer, read) in developers.into_iter().zip(read) {
            match read {
                Ok(settings) => {
                    known.settings.insert(developer.clone(), settings);
                }
                Err(StoreError::Erased) => {
                    known.erased.insert(developer.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(known)
    }

    async fn accept(
        &self,
        update: &Update,
        key: Option<String>,
        settings: Option<&DeveloperSettings>,
        Origin { location, trace, now }: Origin,
    ) -> Result<Publication, ApiError> {
        let located = |problems: Vec<ValidationError>| {
            let problems = problems.into_iter().map(|problem| ValidationError {
                location: location.iter().cloned().chain(problem.location).collect(),
                ..problem
            });
            problems.collect::<Vec<_>>()
        };
        let invalid = |problems| ApiError::validation(located(problems));
        let problems = update.problems();
        if !problems.is_empty() {
            return Err(invalid(problems));
        }
        let parsed =
            parse_content(&update.event_name, update.data.as_deref(), update.raw.as_deref()).map_err(&invalid)?;
        let webhooks = match settings {
            Some(settings) => {
                let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
                matching(settings.configuration.integration, webhooks, &parsed).map_err(|why| {
                    let error = ApiError::new(ErrorCode::UpdateInexpressible, format!("{why}."));
                    error.located(located(vec![why.validation_error()]))
                })?
            }
            None => Vec::new(),
        };
        let new = NewUpdate {
            developer: &update.developer_id,
            settings,
            webhooks,
            content: MessageContent {
                event_name: update.event_name.clone(),
                data: update.data.clone(),
                raw: update.raw.clone(),
                occurred_at: update.occurred_at.map_or(now, |Moment(at)| at),
                idempotency_key: None,
                trace,
            },
            is_test: false,
            key,
            digest: update.digest(&parsed),
            earlier_digest: Some(update.digest_as_written()),
        };
        let accepted = self.publishing.store(new, now).await.map_err(|error| match error {
            PublishError::Conflict => ApiError::new(
                ErrorCode::UpdateConflict,
                "Another update was published under this id or Idempotency-Key. Use a new one for a new update.",
            ),
            PublishError::Store(error) => error.into(),
        })?;
        Ok(Publication { accepted, configured: settings.is_some() })
    }

    /// Queues the events of all updates together, ten in each call.
    async fn send(&self, published: Vec<Result<Publication, ApiError>>) -> Vec<Result<AcceptedUpdate, ApiError>> {
        let outgoing: Vec<Outgoing> =
            published.iter().flatten().flat_map(|published| published.accepted.to_send.iter().cloned()).collect();
        let mut sent = self.publishing.queue(&outgoing).await.into_iter();
        published
            .into_iter()
            .map(|published| {
                let published = published?;
                let failed = sent.by_ref().take(published.accepted.to_send.len()).filter_map(Result::err).last();
                match failed {
                    Some(error) => Err(error.into()),
                    None => Ok(answer(&published)),
                }
            })
            .collect()
    }
}

fn answer(published: &Publication) -> AcceptedUpdate {
    let update = &published.accepted.update;
    let event = |webhook| EventOfUpdate { event_id: EventId { update: update.id, webhook }, webhook_id: webhook };
    let nothing = if published.configured {
        "No webhook of this developer subscribes to this event, so nothing will be sent."
    } else {
        "This developer has no configuration, so nothing will be sent."
    };
    AcceptedUpdate {
        update_id: update.id,
        events: update.webhooks.iter().copied().map(event).collect(),
        message: update.webhooks.is_empty().then_some(nothing),
    }
}

/// Why one update of a list was refused, if it was.
fn refusal(result: &UpdateResult) -> Option<Refusal> {
    match result {
        UpdateResult::Accepted(_) => None,
        UpdateResult::Refused(error) => Some(refused(error)),
    }
}

fn refused(error: &ErrorBody) -> Refusal {
    let locations = error.validation_errors().iter().map(|problem| problem.location.join("."));
    Refusal { code: error.code(), locations: locations.collect() }
}
