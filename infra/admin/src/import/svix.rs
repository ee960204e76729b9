//! What comes from Svix: the objects of its API as they are (`ApplicationOut`, `EndpointOut`, `EndpointSecretOut`,
//! `EndpointHeadersOut`), one application or one endpoint a line. An endpoint stands behind its application, with the
//! `app_id` of the path that it was asked for at. What of them has no counterpart is left behind; what would change who gets
//! what is refused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tenday_api::NewConfiguration;
use tenday_model::ids::DeveloperId;
use tenday_model::signing::signature::Secret;

use crate::import::record::{self, Problem, Record, Wanted};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SvixLine {
    application: Option<Application>,
    app_id: Option<String>,
    endpoint: Option<Endpoint>,
    secret: Option<EndpointSecret>,
    headers: Option<EndpointHeaders>,
}

/// Svix's `ApplicationOut`.
#[derive(Deserialize)]
struct Application {
    id: String,
    uid: Option<String>,
    name: String,
}

/// Svix's `EndpointOut`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    url: String,
    event_types: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    #[serde(default)]
    disabled: bool,
    throttle_rate: Option<u32>,
}

/// Svix's `EndpointSecretOut`.
#[derive(Deserialize)]
struct EndpointSecret {
    key: String,
}

/// Svix's `EndpointHeadersOut`.
#[derive(Deserialize)]
struct EndpointHeaders {
    headers: Map<String, Value>,
    #[serde(default)]
    sensitive: Vec<String>,
}

/// The applications that were read, each a developer.
#[derive(Debug)]
pub(super) struct Applications {
    /// What configurations are made with, beside an application's name.
    defaults: Map<String, Value>,
    /// By their ids, and by the ids that their owner gave them.
    developers: HashMap<String, DeveloperId>,
    /// Which application is which developer.
    applications: HashMap<DeveloperId, String>,
}

impl Applications {
    /// `integration` and `allowlist` are those of configurations that are made.
    pub(super) fn new(integration: Option<&str>, allowlist: &[String]) -> Self {
        let mut defaults = Map::new();
        if let Some(integration) = integration {
            defaults.insert("type".to_owned(), integration.into());
        }
        defaults.insert("ipAllowlist".to_owned(), allowlist.into());
        Self { defaults, developers: HashMap::new(), applications: HashMap::new() }
    }

    pub(super) fn record(&mut self, text: &str) -> Result<Record, Problem> {
        let SvixLine { application, app_id, endpoint, secret, headers } = record::parse(text)?;
        match (application, endpoint) {
            (Some(application), None) if app_id.is_none() && secret.is_none() && headers.is_none() => {
                self.application(application)
            }
            (None, Some(endpoint)) => self.endpoint(app_id, endpoint, secret, headers),
            _ => Err(Problem::new("", "give an application alone, or an endpoint with its app_id and secret")),
        }
    }

    fn application(&mut self, application: Application) -> Result<Record, Problem> {
        let Application { id, uid, name } = application;
        let (at, given) = match &uid {
            Some(uid) => ("application.uid", uid),
            None => ("application.id", &id),
        };
        let text = if given.starts_with(DeveloperId::PREFIX) {
            given.clone()
        } else {
            format!("{}{given}", DeveloperId::PREFIX)
        };
        let developer: DeveloperId =
            text.parse().map_err(|error| Problem::new(at, format!("makes no developer: {error}")))?;
        match self.applications.entry(developer.clone()) {
            Entry::Occupied(there) if *there.get() != id => {
                return Err(Problem::new(at, format!("another application is {developer} already")));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                free.insert(id.clone());
            }
        }
        for key in uid.into_iter().chain([id]) {
            if self.developers.insert(key, developer.clone()).is_some_and(|was| was != developer) {
                return Err(Problem::new(at, "another application has this id already"));
            }
        }
        let mut configuration = self.defaults.clone();
        configuration.insert("name".to_owned(), name.into());
        let configuration: NewConfiguration = record::from_value(Value::Object(configuration))
            .map_err(|problem| Problem::new(&format!("configuration.{}", problem.at), problem.message))?;
        let configuration = Some(Wanted::IfMissing(configuration));
        Ok(Record { developer, configuration, webhook: None, disabled: false })
    }

    fn endpoint(
        &self,
        app_id: Option<String>,
        endpoint: Endpoint,
        secret: Option<EndpointSecret>,
        headers: Option<EndpointHeaders>,
    ) -> Result<Record, Problem> {
        let app_id = app_id.ok_or_else(|| Problem::new("app_id", "an endpoint comes with its application's id"))?;
        let developer = self.developers.get(&app_id);
        let developer =
            developer.ok_or_else(|| Problem::new("app_id", "no application of this id stands before it"))?;
        let secret = secret.ok_or_else(|| {
            Problem::new("secret", "an endpoint comes with its secret: its receiver could not verify with another")
        })?;
        if endpoint.channels.is_some_and(|channels| !channels.is_empty()) {
            let message = "there are no channels: the webhook would get events of all of them";
            return Err(Problem::new("endpoint.channels", message));
        }
        let headers = headers.unwrap_or(EndpointHeaders { headers: Map::new(), sensitive: Vec::new() });
        if !headers.sensitive.is_empty() {
            let message =
                "the values of these headers are missing: write them into `headers`, and leave this list empty";
            return Err(Problem::new("headers.sensitive", message));
        }
        // Svix takes it with and without.
        let prefixed = secret.key.starts_with("whs");
        let secret = if prefixed { secret.key } else { format!("{}{}", Secret::PREFIX, secret.key) };
        let webhook = json!({
            "callbackURL": endpoint.url,
            "eventNames": endpoint.event_types,
            "rateLimit": endpoint.throttle_rate,
            "headers": headers.headers,
            "secret": secret,
        });
        let webhook = record::from_value(webhook)
            .map_err(|problem| Problem::new(&format!("webhook.{}", problem.at), problem.message))?;
        let disabled = endpoint.disabled;
        Ok(Record { developer: developer.clone(), configuration: None, webhook: Some(webhook), disabled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // As Svix's API document has them.
    const APPLICATION: &str = r#"{"application": {"id": "app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "uid": "acme", "name": "Acme", "throttleRate": null, "createdAt": "2019-08-24T14:15:22Z", "updatedAt": "2019-08-24T14:15:22Z", "metadata": {"a": "b"}}}"#;
    const ENDPOINT: &str = r#"{"app_id": "app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "endpoint": {"id": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2", "uid": null, "url": "https://example.com/webhook/", "description": "An example", "eventTypes": ["DATA_UPDATES"], "channels": null, "disabled": true, "throttleRate": 5, "version": 1, "createdAt": "2019-08-24T14:15:22Z", "updatedAt": "2019-08-24T14:15:22Z", "metadata": {}}, "secret": {"key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "headers": {"headers": {"X-Example": "123"}, "sensitive": []}}"#;

    fn applications() -> Applications {
        let mut applications = Applications::new(Some("plaid"), &["203.0.113.7".to_owned()]);
        applications.record(APPLICATION).unwrap();
        applications
    }

    fn problem(line: &str) -> Problem {
        applications().record(line).err().unwrap_or_else(|| panic!("{line} is taken"))
    }

    #[test]
    fn an_application_is_a_developer_and_an_endpoint_a_webhook_of_its_own() {
        let record = applications().record(ENDPOINT).unwrap();
        assert_eq!(record.developer.as_str(), "DEV-acme");
        assert!(record.webhook.is_some() && record.disabled);
        let by_uid = ENDPOINT.replace("app_1srOrx2ZWZBpBUvZwXKQmoEYga2\", \"endpoint", "acme\", \"endpoint");
        assert_eq!(applications().record(&by_uid).unwrap().developer.as_str(), "DEV-acme");
        // Svix's own keys may come without what they begin with.
        assert!(applications().record(&ENDPOINT.replace("whsec_", "")).is_ok());
        // The same one again, and one without a uid.
        let mut applications = applications();
        applications.record(APPLICATION).unwrap();
        let other = r#"{"application": {"id": "app_2", "name": "Other"}}"#;
        assert_eq!(applications.record(other).unwrap().developer.as_str(), "DEV-app_2");
    }

    #[test]
    fn what_is_foreign_or_twice_is_refused() {
        assert_eq!(
            problem(&ENDPOINT.replace("app_1srOrx2ZWZBpBUvZwXKQmoEYga2\", \"endpoint", "app_9\", \"endpoint")).at,
            "app_id"
        );
        let twice = APPLICATION.replace("app_1srOrx2ZWZBpBUvZwXKQmoEYga2", "app_9");
        assert_eq!(problem(&twice).message, "another application is DEV-acme already");
        assert_eq!(problem(&APPLICATION.replace("\"acme\"", "\"a.b\"")).at, "application.uid");
    }

    #[test]
    fn what_would_change_who_gets_what_is_refused() {
        assert_eq!(problem(&ENDPOINT.replace("\"channels\": null", "\"channels\": [\"a\"]")).at, "endpoint.channels");
        assert_eq!(problem(&ENDPOINT.replace("\"sensitive\": []", "\"sensitive\": [\"A\"]")).at, "headers.sensitive");
        let without = ENDPOINT.replace(r#""secret": {"key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "#, "");
        assert_eq!(problem(&without).at, "secret");
        let asymmetric = problem(&ENDPOINT.replace("whsec_", "whsk_"));
        assert_eq!((asymmetric.at.as_str(), asymmetric.message.contains("MfKQ")), ("webhook.secret", false));
        assert_eq!(problem(&ENDPOINT.replace("\"throttleRate\": 5", "\"throttleRate\": 0")).at, "webhook.rateLimit");
        assert_eq!(problem("{}").at, "");
        assert!(problem(r#"{"applications": []}"#).message.starts_with("unknown field"));
    }
}
