//! What the API is called: a function that the API invokes cannot be told by the template, which would go round in a
//! circle, but every request says it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use lambda_http::request::RequestContext;

/// By which the front says what its caller called it (`infra/front.yaml`): API Gateway is found by its own name, so `Host` is that.
/// Whoever else sends it says it to nobody but himself.
const CALLED: &str = "x-tenday-host";

/// The host that the caller of a request knows; empty if the request does not say.
pub(crate) fn called(headers: &HeaderMap) -> &str {
    let host = headers.get(CALLED).or_else(|| headers.get(HOST));
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The API's own default host name, `<api>.execute-api.<region>.amazonaws.com`, and that of the front through which a request
/// came; none for a request that does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHost {
    name: Option<String>,
    front: Option<String>,
}

impl ApiHost {
    fn of(api_id: &str, region: &str) -> String {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("{api_id}.execute-api.{region}.amazonaws.com{china}")
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// It, and the other names that the API is known by.
    pub fn and(&self, others: &[String]) -> Vec<String> {
        others.iter().chain(&self.name).chain(&self.front).cloned().collect()
    }
}

impl<S: Sync> FromRequestParts<S> for ApiHost {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = match parts.extensions.get() {
            Some(RequestContext::ApiGatewayV2(context)) => context.apiid.as_deref(),
            _ => None,
        };
        // Lambda's own variable, of every function.
        let region = std::env::var("AWS_REGION").ok();
        let name = context.zip(region).map(|(api_id, region)| Self::of(api_id, &region));
        let front = parts.headers.contains_key(CALLED).then(|| called(&parts.headers).to_owned());
        Ok(Self { name, front })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_name_that_api_gateway_gives_it() {
        let others = ["hooks.example.com".to_owned()];
        let host = |name: Option<String>, front: Option<&str>| ApiHost { name, front: front.map(str::to_owned) };
        let own = host(Some(ApiHost::of("a1b2c3", "eu-central-1")), Some("d1.cloudfront.net")).and(&others);
        assert_eq!(own, ["hooks.example.com", "a1b2c3.execute-api.eu-central-1.amazonaws.com", "d1.cloudfront.net"]);
        assert_eq!(ApiHost::of("a", "cn-north-1"), "a.execute-api.cn-north-1.amazonaws.com.cn");
        assert_eq!(host(None, None).and(&others), others);
    }
}
