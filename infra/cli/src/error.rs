//! Why a command failed, what is said of it, and what the process ends with.

use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::console::clean;

/// What the process ends with. Documented in docs/cli.md: others rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    /// All of a file was read, and lines of it were refused.
    #[cfg(feature = "operator")]
    Refused = 3,
    /// Not signed in, or not allowed.
    Denied = 4,
    NotFound = 5,
    /// Nothing is wrong with what was asked: the same may work later.
    Later = 6,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum TendayError {
    /// The arguments make no sense, or ask for help.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// An argument, a file or what came by standard input is not what it has to be.
    #[error("{0}")]
    Input(String),
    #[cfg(feature = "operator")]
    #[error("{0}")]
    Operator(tenday_admin::AdminError),
    #[error("{0}")]
    Api(Box<Refusal>),
    #[error("{url} cannot be reached: {cause}")]
    Unreachable { url: String, cause: String },
    #[error("{url} does not answer like Tenday's API: {cause}")]
    NotTheApi { url: String, cause: String },
    #[error("{0}")]
    NotSignedIn(String),
    #[error("{}: {cause}", .path.display())]
    File { path: PathBuf, cause: String },
    /// The command did what it was asked, and it did not come out well.
    #[error("{0}")]
    Failed(String),
    #[error("it cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// An error that the API answered.
#[derive(Debug, Default)]
pub struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) documentation: Option<String>,
    /// Each place of the body that is wrong, with what is.
    pub(crate) problems: Vec<(String, String)>,
}

impl Refusal {
    /// Reads the one error body, or that of `/auth/token` (RFC 6749), or API Gateway's own.
    pub(crate) fn read(status: u16, request_id: Option<String>, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let code = text("error_code").or_else(|| text("error")).unwrap_or_else(|| status.to_string());
        let message = text("error_message").or_else(|| text("error_description")).or_else(|| text("message"))?;
        let problems = body["validation_errors"].as_array().into_iter().flatten().map(|problem| {
            let location = problem["location"].as_array().into_iter().flatten().filter_map(Value::as_str);
            (location.collect::<Vec<_>>().join("."), problem["message"].as_str().unwrap_or_default().to_owned())
        });
        Some(Self {
            status,
            code,
            message,
            request_id: text("request_id").or(request_id),
            documentation: text("documentation_url"),
            problems: problems.collect(),
        })
    }

    /// What to do about it, where the command knows.
    fn remedy(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            "invalid_client" => "check the client's id and secret, and sign in again: tenday login",
            "invalid_grant" => "ask the platform for another link: each works once, for five minutes",
            "api_error.auth.expired_access_token" | "api_error.auth.unauthorized" => "sign in again: tenday login",
            "api_error.auth.insufficient_scope" => {
                "sign in with a client that has the scope: tenday login --profile NAME"
            }
            "configuration_error.not_found" | "webhook_error.configuration_required" => {
                "make a configuration first: tenday config set --type plaid"
            }
            "webhook_error.not_found" => "those there are: tenday webhooks list",
            "webhook_error.disabled" => "enable it: tenday webhooks set WBK-… --enable",
            "webhook_error.allowlist_required" => "allow the addresses of your server: tenday config allow ADDRESS",
            "event_error.not_found" => "those there are: tenday events list",
            "deletion_error.not_found" => "what can be restored: tenday webhooks list --deleted",
            "event_error.not_dropped" => "only dropped events are sent again: tenday dropped list",
            _ => match self.status {
                429 | 500.. => "wait a little, and do the same again",
                _ => return None,
            },
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", clean(&self.message), clean(&self.code))
    }
}

impl TendayError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Input(_) => Exit::Usage,
            #[cfg(feature = "operator")]
            Self::Operator(tenday_admin::AdminError::Refused { .. }) => Exit::Refused,
            #[cfg(feature = "operator")]
            Self::Operator(tenday_admin::AdminError::NoSuchClients(_)) => Exit::NotFound,
            Self::NotSignedIn(_) => Exit::Denied,
            Self::Unreachable { .. } => Exit::Later,
            Self::Api(refusal) => match (refusal.status, refusal.code.as_str()) {
                (401 | 403, _) | (_, "invalid_client" | "invalid_grant" | "invalid_scope") => Exit::Denied,
                (404 | 410, _) => Exit::NotFound,
                (429 | 500.., _) => Exit::Later,
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit() as u8)
    }

    /// Whether the same may work later, without anybody's doing.
    pub(crate) fn is_passing(&self) -> bool {
        self.exit() == Exit::Later
    }

    /// Whether the API answered with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Api(refusal) if refusal.code == code)
    }

    /// Nobody reads on: no reason to complain.
    pub(crate) fn is_a_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What is said of it to people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {self}");
        let Self::Api(refusal) = self else { return text };
        // The message of a bad body repeats what is wrong.
        for (place, problem) in
            refusal.problems.iter().filter(|(_, problem)| !refusal.message.contains(problem.as_str()))
        {
            let _ = write!(text, "\n  {}: {}", clean(place), clean(problem));
        }
        if let Some(remedy) = refusal.remedy() {
            let _ = write!(text, "\n  to do: {remedy}");
        }
        if let Some(page) = &refusal.documentation {
            let _ = write!(text, "\n  about it: {}", clean(page));
        }
        if let Some(id) = &refusal.request_id {
            let _ = write!(text, "\n  request_id: {}", clean(id));
        }
        text
    }

    /// What is said of it to programs.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({ "message": self.to_string(), "exitCode": self.exit() as u8 });
        if let Self::Api(refusal) = self {
            error["status"] = refusal.status.into();
            error["error_code"] = refusal.code.as_str().into();
            error["message"] = refusal.message.as_str().into();
            error["request_id"] = refusal.request_id.as_deref().into();
            error["documentation_url"] = refusal.documentation.as_deref().into();
            let problem = |(location, message): &(String, String)| json!({ "location": location, "message": message });
            error["validation_errors"] = refusal.problems.iter().map(problem).collect();
        }
        json!({ "error": error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_what_the_api_said_and_says_what_to_do() {
        let body = br#"{"error_code":"webhook_error.not_found","error_message":"There is no such webhook.\u001b[31m","documentation_url":"https://a/docs#x","request_id":"r-1"}"#;
        let error = TendayError::Api(Box::new(Refusal::read(404, None, body).unwrap()));
        assert_eq!(error.exit(), Exit::NotFound);
        assert_eq!(
            error.text(),
            "error: There is no such webhook.\\u{1b}[31m (webhook_error.not_found)\n  to do: those there are: tenday webhooks list\n  about it: https://a/docs#x\n  request_id: r-1"
        );
        assert_eq!(error.json()["error"]["request_id"], "r-1");
    }

    #[test]
    fn the_three_bodies_of_errors_are_read() {
        let of = |status, body: &str| Refusal::read(status, Some("r".to_owned()), body.as_bytes());
        let token = of(401, r#"{"error":"invalid_client","error_description":"no"}"#).unwrap();
        assert_eq!((token.code.as_str(), token.request_id.as_deref()), ("invalid_client", Some("r")));
        assert_eq!(of(503, r#"{"message":"Service Unavailable"}"#).unwrap().code, "503");
        assert!(of(502, "<html>").is_none());
    }
}
