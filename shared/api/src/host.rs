//! What API Gateway calls the API: a function that the API invokes cannot be told by the template, which would go round
//! in a circle, but every request says it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use lambda_http::request::RequestContext;

/// The API's own default host name, `<api>.execute-api.<region>.amazonaws.com`; none for a request that does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHost(Option<String>);

impl ApiHost {
    fn of(api_id: &str, region: &str) -> Self {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        Self(Some(format!("{api_id}.execute-api.{region}.amazonaws.com{china}")))
    }

    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// It, and the other names that the API is known by.
    pub fn and(&self, others: &[String]) -> Vec<String> {
        others.iter().chain(&self.0).cloned().collect()
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
        Ok(context.zip(region).map_or(Self(None), |(api_id, region)| Self::of(api_id, &region)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_name_that_api_gateway_gives_it() {
        let others = ["hooks.example.com".to_owned()];
        let own = ApiHost::of("a1b2c3", "eu-central-1").and(&others);
        assert_eq!(own, ["hooks.example.com", "a1b2c3.execute-api.eu-central-1.amazonaws.com"]);
        assert_eq!(ApiHost::of("a", "cn-north-1").and(&[]), ["a.execute-api.cn-north-1.amazonaws.com.cn"]);
        assert_eq!(ApiHost(None).and(&others), others);
    }
}
