//! The body that makes a webhook, and the rules that hold for its fields whoever makes or changes it: the routes, and the
//! operator's import. `eventName` and `callbackURL` are those of docs/sources.md, S1; the rest is ours.

use jiff::Timestamp;
use serde::Deserialize;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::error::ValidationError;
use tenday_model::ids::WebhookId;
use tenday_model::publishing::render::{is_subscribable, subscribable};
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::configuration::RetrySchedule;
use tenday_model::settings::custom_headers::{CustomHeaders, HeadersInput};
use tenday_model::settings::filter::{EventNames, LinkIds};
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::{Kind, Origin, Way, Webhook};
use tenday_model::signing::signature::Secret;
use utoipa::ToSchema;

use crate::error::ApiError;

/// A webhook's own headers, with their values.
pub type OwnHeaders = Option<CustomHeaders>;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhook {
    /// One of the names that the configuration's type has, or what stands before the full stop of some of them. Left
    /// out, the webhook takes every event.
    #[schema(examples("DATA_UPDATES"))]
    event_name: Option<String>,
    /// In place of `eventName`, for several events.
    event_names: Option<EventNames>,
    /// The links of which the webhook hears; left out, of all. An update that is about no link is none of theirs.
    link_ids: Option<LinkIds>,
    /// `pull`, in place of a `callbackURL`, if its events are to wait until they are fetched; unless given, `push`.
    kind: Option<Kind>,
    /// Where the events are POSTed to: https, without a user or a fragment. Its host has to resolve to addresses that
    /// are in the configuration's `ipAllowlist`.
    #[serde(rename = "callbackURL")]
    #[schema(
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://.",
        max_length = 2048,
        examples("https://example.com/link-money/callback")
    )]
    callback_url: Option<String>,
    /// In place of the configuration's, or the type's own. Not of one whose events are fetched.
    retry_schedule: Option<RetrySchedule>,
    /// Left out, there is none. Not of one whose events are fetched.
    rate_limit: Option<RateLimit>,
    /// Sent with every event, beside the webhook's own.
    headers: Option<HeadersInput>,
    /// Signs what is delivered, in place of a secret that is made: for a receiver that has one already.
    pub secret: Option<Secret>,
}

impl NewWebhook {
    /// Whether its events are to be sent, and it does not say where.
    pub fn lacks_address(&self) -> bool {
        self.kind != Some(Kind::Pull) && self.callback_url.is_none()
    }

    /// The webhook that it makes for a configuration of this type, and its own headers.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn webhook(
        &self,
        id: WebhookId,
        now: Timestamp,
        integration: Integration,
        rules: &UrlRules<'_>,
    ) -> Result<(Webhook, OwnHeaders), ApiError> {
        let mut errors = Vec::new();
        let way = self.way(rules, &mut errors);
        let event_names = self.event_names(integration, &mut errors);
        let headers = own_headers(self.headers.clone(), &mut errors);
        let Some(way) = way.filter(|_| errors.is_empty()) else {
            return Err(ApiError::validation(errors));
        };
        let webhook = Webhook {
            id,
            origin: Origin::Developer,
            links: BoundLinks::default(),
            event_names,
            link_ids: self.link_ids.clone(),
            way,
            disabled: None,
            retry_schedule: self.retry_schedule.clone(),
            rate_limit: self.rate_limit,
            header_names: headers.as_ref().map(CustomHeaders::names).unwrap_or_default(),
            created_at: now,
        };
        Ok((webhook, headers))
    }

    /// How its events get to its developer: sent to the address, or, without one, fetched.
    fn way(&self, rules: &UrlRules<'_>, errors: &mut Vec<ValidationError>) -> Option<Way> {
        match (self.kind.unwrap_or(Kind::Push), &self.callback_url) {
            (Kind::Push, Some(url)) => callback_url(url, rules, errors).map(Way::Push),
            (Kind::Push, None) => {
                errors.push(ValidationError::new(&["body"], "missing", "missing field `callbackURL`"));
                None
            }
            (Kind::Pull, url) => {
                let given = [
                    ("callbackURL", url.is_some()),
                    ("retrySchedule", self.retry_schedule.is_some()),
                    ("rateLimit", self.rate_limit.is_some()),
                ];
                refuse_on_pull(&given, errors);
                Some(Way::Pull)
            }
        }
    }

    /// The events that it is for; none are all. Each has to be one of the type's.
    fn event_names(&self, integration: Integration, errors: &mut Vec<ValidationError>) -> Option<EventNames> {
        let (names, several) = match (&self.event_name, &self.event_names) {
            (Some(_), Some(_)) => {
                errors.push(invalid("eventNames", "conflict", "give either eventName or eventNames"));
                return None;
            }
            (Some(name), None) => (EventNames::one(name.clone()), false),
            (None, Some(names)) => (names.clone(), true),
            (None, None) => return None,
        };
        for (index, _) in names.iter().enumerate().filter(|(_, name)| !is_subscribable(integration, name)) {
            let index = index.to_string();
            let location: &[&str] = if several { &["body", "eventNames", &index] } else { &["body", "eventName"] };
            errors.push(ValidationError::new(location, "value", unknown_event(integration)));
        }
        Some(names)
    }
}

/// Refuses fields, if they are given, that a webhook whose events are fetched does not have.
pub fn refuse_on_pull(fields: &[(&str, bool)], errors: &mut Vec<ValidationError>) {
    for (field, _) in fields.iter().filter(|(_, given)| *given) {
        let message = "a webhook of the kind pull has none: nothing of it is sent";
        errors.push(invalid(field, "conflict", message));
    }
}

/// A callback URL, if the rules allow it.
pub fn callback_url(url: &str, rules: &UrlRules<'_>, errors: &mut Vec<ValidationError>) -> Option<CallbackUrl> {
    CallbackUrl::parse(url, rules)
        .map_err(|problem| errors.push(invalid("callbackURL", "value", problem.to_string())))
        .ok()
}

/// The headers of a webhook's own, if they are all allowed.
pub fn own_headers(headers: Option<HeadersInput>, errors: &mut Vec<ValidationError>) -> OwnHeaders {
    CustomHeaders::check(headers.unwrap_or_default()).unwrap_or_else(|problems| {
        errors.extend(problems);
        None
    })
}

/// What is said of an event that the type does not have.
pub fn unknown_event(integration: Integration) -> String {
    let known = subscribable(integration).collect::<Vec<_>>().join(", ");
    format!("your configuration's type has no such event; it has {known}")
}

/// One thing wrong in a body.
pub fn invalid(field: &str, kind: &'static str, message: impl Into<String>) -> ValidationError {
    ValidationError::new(&["body", field], kind, message)
}
