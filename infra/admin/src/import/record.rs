//! What a line asks for, and why one that cannot be read asks for nothing. A problem never repeats what the line holds: it
//! may be a secret, in whichever field it stands.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenday_api::{ApiError, NewConfiguration, NewWebhook, Object};
use tenday_model::ids::DeveloperId;

/// What a line asks for.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) developer: DeveloperId,
    pub(super) configuration: Option<Wanted>,
    pub(super) webhook: Option<NewWebhook>,
    /// The webhook gets nothing until its developer enables it.
    pub(super) disabled: bool,
}

/// A configuration that a line asks for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// This one and no other.
    Exactly(NewConfiguration),
    /// This one, unless the developer has any.
    IfMissing(NewConfiguration),
}

/// One thing that is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// The field, `webhook.callbackURL`; nothing if it is the line as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) at: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(at: &str, message: impl Into<String>) -> Self {
        Self { at: at.to_owned(), message: message.into() }
    }

    /// What the routes would answer, of a body that stands in this field.
    pub(super) fn all_of(field: &str, error: &ApiError) -> Vec<Self> {
        if error.validation_errors().is_empty() {
            return vec![Self::new(field, error.message())];
        }
        let at = |location: &[String]| {
            let path = location.iter().skip(1).map(String::as_str);
            std::iter::once(field).chain(path).collect::<Vec<_>>().join(".")
        };
        let errors = error.validation_errors().iter();
        errors.map(|error| Self { at: at(&error.location), message: error.message.clone() }).collect()
    }
}

/// A line of JSON lines, and what a row of CSV is made into.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnLine {
    developer_id: DeveloperId,
    configuration: Option<Object<NewConfiguration>>,
    webhook: Option<Object<NewWebhook>>,
    disabled: Option<bool>,
}

impl OwnLine {
    fn record(self) -> Result<Record, Problem> {
        let Self { developer_id: developer, configuration, webhook, disabled } = self;
        if configuration.is_none() && webhook.is_none() {
            return Err(Problem::new("", "give a configuration, a webhook, or both"));
        }
        if webhook.as_ref().is_some_and(|Object(webhook)| webhook.lacks_address()) {
            return Err(Problem::new("webhook", "missing field `callbackURL`"));
        }
        if disabled.is_some() && webhook.is_none() {
            return Err(Problem::new("disabled", "only with a webhook"));
        }
        Ok(Record {
            developer,
            configuration: configuration.map(|Object(configuration)| Wanted::Exactly(configuration)),
            webhook: webhook.map(|Object(webhook)| webhook),
            disabled: disabled == Some(true),
        })
    }
}

/// Reads a line of JSON lines.
pub(super) fn of_text(text: &str) -> Result<Record, Problem> {
    parse::<OwnLine>(text)?.record()
}

/// Reads what a row of CSV says.
pub(super) fn of_value(value: Value) -> Result<Record, Problem> {
    from_value::<OwnLine>(value)?.record()
}

/// Reads a JSON object.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let no_json = |error: &serde_json::Error| {
        let error = error.to_string().replace("line 1 column", "column");
        Problem::new("", format!("the line is not JSON: {error}"))
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() { located(error.path(), error.inner()) } else { no_json(error.inner()) }
    })?;
    deserializer.end().map_err(|error| no_json(&error))?;
    Ok(value)
}

pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    let read = serde_path_to_error::deserialize(value);
    read.map(|Object(value)| value).map_err(|error| located(error.path(), error.inner()))
}

fn located(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Problem {
    let path = path.to_string();
    Problem::new(if path == "." { "" } else { &path }, without_value(&error.to_string()))
}

/// What serde says, without the value that it repeats.
fn without_value(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let repeats = ["invalid type: ", "invalid value: ", "unknown variant "];
    if let (true, Some((_, expected))) =
        (repeats.iter().any(|begin| message.starts_with(begin)), message.rsplit_once("expected "))
    {
        return format!("must be {expected}");
    }
    // A name, too, may be a secret that stands in the wrong place.
    let names_a_secret = message.starts_with("unknown field") && message.contains("whsec_");
    if names_a_secret { "unknown field".to_owned() } else { message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (String, String) {
        let Problem { at, message } = of_text(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        (at, message)
    }

    #[test]
    fn a_line_may_have_a_configuration_a_webhook_or_both() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for line in [
            r#"{"developerId": "DEV-a", "configuration": {"type": "plaid", "ipAllowlist": ["203.0.113.7"]}}"#,
            r#"{"developerId": "DEV-a", "configuration": {}}"#,
            &format!(
                r#"{{"developerId": "DEV-a", "webhook": {{"callbackURL": "https://e.com/", "secret": "{secret}"}}}}"#
            ),
            r#"{"developerId": "DEV-a", "configuration": {}, "webhook": {"callbackURL": "https://e.com/"}, "disabled": true}"#,
        ] {
            of_text(line).unwrap_or_else(|problem| panic!("{line}: {problem:?}"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let missing = r#"{"developerId": "DEV-a", "webhook": {}}"#;
        assert_eq!(problem(missing), ("webhook".to_owned(), "missing field `callbackURL`".to_owned()));
        let unknown = problem(r#"{"developerId": "DEV-a", "webhook": {"callbackUrl": "x"}}"#);
        assert_eq!(unknown.0, "webhook.callbackUrl");
        assert!(unknown.1.starts_with("unknown field `callbackUrl`, expected one of"), "{unknown:?}");
        assert_eq!(problem(r#"{"developerId": "acme", "configuration": {}}"#).0, "developerId");
        assert_eq!(problem(r#"{"developerId": "DEV-a"}"#).1, "give a configuration, a webhook, or both");
        assert_eq!(problem(r#"{"developerId": "DEV-a", "configuration": {}, "disabled": true}"#).0, "disabled");
        assert_eq!(problem(r#"{"developerId": "DEV-a", "webhook": ["https://e.com/"]}"#).0, "webhook");
        let broken = problem(r#"{"developerId": "DEV-a", "webhook": {"#);
        assert!(broken.1.starts_with("the line is not JSON: EOF") && broken.1.ends_with("at column 37"), "{broken:?}");
        assert!(problem(r#"{"developerId": "DEV-a", "configuration": {}} {}"#).1.starts_with("the line is not JSON"));
        assert_eq!(problem(&"[".repeat(5000)).0, "");
    }

    #[test]
    fn no_problem_repeats_what_the_line_holds() {
        for fields in [
            r#""secret": "whsec_s3cr3t""#,
            r#""secret": 53""#,
            r#""headers": "Bearer s3cr3t""#,
            r#""headers": {"authorization": ["s3cr3t"]}"#,
            r#""rateLimit": "whsec_s3cr3t""#,
            r#""retrySchedule": "expected s3cr3t""#,
            r#""whsec_s3cr3t": 1"#,
            r#""eventNames": "s3cr3t""#,
        ] {
            let line =
                format!(r#"{{"developerId": "DEV-a", "webhook": {{"callbackURL": "https://e.com/", {fields}}}}}"#);
            let (at, message) = problem(&line);
            assert!(!message.contains("s3cr3t") && !message.contains("53"), "{at}: {message}");
        }
        let kind = problem(r#"{"developerId": "DEV-a", "configuration": {"dateFormat": "s3cr3t"}}"#);
        assert!(kind.1.starts_with("must be one of `ISO`"), "{kind:?}");
    }
}
