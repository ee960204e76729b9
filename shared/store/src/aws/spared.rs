//! What the SDK would do anew for each request, though it comes out the same for as long as a sandbox lives.

use std::sync::OnceLock;

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::{
    EndpointFuture, EndpointResolverParams, ResolveEndpoint, SharedEndpointResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor, dyn_dispatch_hint};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::endpoint::Endpoint;

/// A service's address, as the rules of the SDK found it for the first request. What they go by is the client's region, and
/// an account only for tables that are named by their ARN, as none is here.
#[derive(Debug)]
pub(crate) struct KeptEndpoint {
    rules: SharedEndpointResolver,
    found: OnceLock<Endpoint>,
}

impl KeptEndpoint {
    pub(crate) fn of(rules: SharedEndpointResolver) -> SharedEndpointResolver {
        SharedEndpointResolver::new(Self { rules, found: OnceLock::new() })
    }
}

impl ResolveEndpoint for KeptEndpoint {
    fn resolve_endpoint<'a>(&'a self, params: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        if let Some(found) = self.found.get() {
            return EndpointFuture::ready(Ok(found.clone()));
        }
        let found = self.rules.resolve_endpoint(params);
        EndpointFuture::new(async {
            let found = found.await?;
            Ok(self.found.get_or_init(|| found).clone())
        })
    }

    fn finalize_params<'a>(&'a self, params: &'a mut EndpointResolverParams) -> Result<(), BoxError> {
        match self.found.get() {
            Some(_) => Ok(()),
            None => self.rules.finalize_params(params),
        }
    }
}

/// Leaves out the headers in which the SDK tells AWS what it is made of: a list that it writes for each request.
#[derive(Debug)]
pub(crate) struct NoUserAgent;

#[dyn_dispatch_hint]
impl Intercept for NoUserAgent {
    fn name(&self) -> &'static str {
        "NoUserAgent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(disable_interceptor::<UserAgentInterceptor>("nobody reads it"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};

    use super::*;

    async fn address(resolver: &SharedEndpointResolver, region: &str) -> String {
        let mut params = EndpointResolverParams::new(Params::builder().region(region.to_owned()).build().unwrap());
        resolver.finalize_params(&mut params).unwrap();
        resolver.resolve_endpoint(&params).await.unwrap().url().to_owned()
    }

    #[tokio::test]
    async fn an_address_is_what_the_rules_find_for_the_first_request() {
        let kept = KeptEndpoint::of(DefaultResolver::new().into_shared_resolver());
        // A client's region is always the same.
        for region in ["eu-central-1", "us-east-1"] {
            assert_eq!(address(&kept, region).await, "https://dynamodb.eu-central-1.amazonaws.com");
        }
    }
}
