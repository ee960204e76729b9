//! What the function answers: a file, that it has not changed, or why there is none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::encoding::Encoding;
use crate::files::File;
use crate::policy::Policies;
use crate::request::Request;

/// What every answer says. Nothing that runs in a page may look at the machine, tell another site where it was, or be
/// reached by a window that opened it. A host that has answered once is asked by https for a year: API Gateway speaks
/// nothing else. It says so for this host alone, since others of the domain are somebody else's.
const ALWAYS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("strict-transport-security", "max-age=31536000"),
];

/// How long a browser may keep a file without asking.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lifetime {
    /// It asks each time whether it is still the same.
    Asked,
    /// The path names the contents.
    Immutable,
}

impl Lifetime {
    fn directive(self) -> &'static str {
        match self {
            Self::Asked => "no-cache",
            Self::Immutable => "public, max-age=31536000, immutable",
        }
    }
}

/// Why there is no file. Codes and messages are `tenday_api`'s.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Problem {
    NotFound,
    MethodNotAllowed { allowed: &'static str },
}

/// An answer as Lambda takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    pub(crate) status_code: u16,
    pub(crate) headers: BTreeMap<&'static str, Cow<'a, str>>,
    pub(crate) body: Cow<'static, str>,
    pub(crate) is_base64_encoded: bool,
}

/// The one error body.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error_code: &'static str,
    error_message: Cow<'static, str>,
    documentation_url: String,
    request_id: &'a str,
}

impl<'a> Answer<'a> {
    pub(crate) fn file(request: &Request, file: &'static File, lifetime: Lifetime, policy: &'a str) -> Self {
        let encoding = Encoding::choose(request.header("accept-encoding"));
        let etag = file.etag(encoding);
        let is_known = request.has(&etag);
        let mut answer = Self::new(if is_known { 304 } else { 200 }, policy);
        answer.say("cache-control", lifetime.directive());
        answer.say("vary", "accept-encoding");
        answer.say("etag", etag);
        if !is_known {
            let body = file.body(encoding);
            answer.say("content-type", file.content_type);
            if let Some(name) = encoding.name() {
                answer.say("content-encoding", name);
            }
            answer.body = Cow::Borrowed(body.text);
            answer.is_base64_encoded = body.is_base64;
        }
        answer
    }

    pub(crate) fn problem(request: &Request, problem: Problem, policies: &'a Policies) -> Self {
        let (status, error_code, error_message) = match problem {
            Problem::NotFound => (404, "api_error.route_not_found", "There is no such route.".into()),
            Problem::MethodNotAllowed { allowed } => {
                let message = format!("The route does not take GET; it takes {allowed}.");
                (405, "api_error.method_not_allowed", message.into())
            }
        };
        let documentation_url = format!("{}/docs#{error_code}", request.origin());
        let body = ErrorBody { error_code, error_message, documentation_url, request_id: request.id() };
        let mut answer = Self::new(status, policies.nothing);
        answer.say("content-type", "application/json");
        // A path that is none today may be one after the next deployment.
        answer.say("cache-control", "no-store");
        if let Problem::MethodNotAllowed { allowed } = problem {
            answer.say("allow", allowed);
        }
        // Of texts alone, it is JSON whatever they are.
        answer.body = Cow::Owned(serde_json::to_string(&body).unwrap_or_default());
        answer
    }

    fn new(status_code: u16, policy: &'a str) -> Self {
        let mut answer =
            Self { status_code, headers: BTreeMap::new(), body: Cow::Borrowed(""), is_base64_encoded: false };
        for (name, value) in ALWAYS {
            answer.say(name, value);
        }
        answer.say("content-security-policy", policy);
        answer
    }

    fn say(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        self.headers.insert(name, value.into());
    }
}
