//! A request as API Gateway hands it over (payload format 2.0), as far as a file depends on it.

use std::collections::HashMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Request {
    /// Method and path of the route, and no more: a browser's own path cannot become another route.
    pub(crate) route_key: String,
    /// In lower case, each once.
    headers: HashMap<String, String>,
    /// Null or missing where the route has none.
    path_parameters: Option<HashMap<String, String>>,
    request_context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    request_id: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// What is below `/dashboard/`.
    pub(crate) fn path(&self) -> &str {
        let parameters = self.path_parameters.as_ref();
        parameters.and_then(|parameters| parameters.get("proxy")).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        &self.request_context.request_id
    }

    /// Where the API is, from outside.
    pub(crate) fn origin(&self) -> String {
        // Through the front, `host` is what API Gateway is called.
        let host = self.header("x-tenday-host").or_else(|| self.header("host")).unwrap_or_default();
        // API Gateway speaks only https; an address on this machine is the local run.
        let scheme = if host.starts_with("127.0.0.1") || host.starts_with("localhost") { "http" } else { "https" };
        format!("{scheme}://{host}")
    }

    /// Whether what the caller has is still the same.
    pub(crate) fn has(&self, etag: &str) -> bool {
        let known = self.header("if-none-match").unwrap_or_default();
        // Whoever passes it on may have made it a weak one.
        known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
    }

    /// A request by a route, with this path if the route has one.
    #[cfg(test)]
    pub(crate) fn of(route: &str, path: Option<&str>, headers: &[(&str, &str)]) -> Self {
        let event = serde_json::json!({
            "routeKey": route,
            "headers": headers.iter().copied().collect::<HashMap<_, _>>(),
            "pathParameters": path.map(|path| serde_json::json!({ "proxy": path })),
            "requestContext": { "requestId": "JKJaXmPLvHcESHA=" },
            "isBase64Encoded": false,
        });
        serde_json::from_value(event).unwrap()
    }
}
