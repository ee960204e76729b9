//! AWS as an operator's own machine has it: a profile's credentials, single sign-on, and whatever stands between the
//! machine and AWS.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::aws::services::Aws;
use crate::error::chain;

/// Why an operator's machine does not lead to AWS.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("no region is set")]
    NoRegion,
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
    #[error("AWS does not say whose credentials these are: {0}")]
    NoIdentity(String),
}

impl Aws {
    /// A local run's emulation, for a command that it tells apart from others: by the key that signs, as it tells
    /// functions apart.
    pub fn of_local_operator(endpoint_url: &str, command: &str) -> Self {
        let key = format!("LOCAL{command}.0");
        let credentials = Credentials::new(key, "local", None, None, "local");
        Self::new(credentials, "us-east-1".to_owned(), Some(endpoint_url.to_owned()))
    }

    /// By the machine's AWS configuration, where the arguments do not say otherwise.
    ///
    /// # Errors
    /// When it has no region, or no credentials that hold.
    pub async fn of_operator(profile: Option<String>, region: Option<String>) -> Result<Self, OperatorError> {
        let mut config = aws_config::defaults(BehaviorVersion::latest()).http_client(sdks_own());
        if let Some(profile) = profile {
            config = config.profile_name(profile);
        }
        if let Some(region) = region {
            config = config.region(Region::new(region));
        }
        let config = config.load().await;
        if config.region().is_none() {
            return Err(OperatorError::NoRegion);
        }
        // Asked for ahead, to be told in fewer words than a call would fail with.
        if let Some(provider) = config.credentials_provider() {
            let found = provider.provide_credentials().await;
            found.map_err(|error| OperatorError::NoCredentials(chain(&error)))?;
        }
        Ok(Self::from_config(config))
    }

    /// Whose credentials are used: the ARN of their user or role session. It takes no permission.
    ///
    /// # Errors
    /// When STS cannot be asked.
    pub async fn identity(&self) -> Result<String, OperatorError> {
        let asked = aws_sdk_sts::Client::new(self.config()).get_caller_identity().send().await;
        let answer = asked.map_err(|error| OperatorError::NoIdentity(chain(&error)))?;
        answer.arn.ok_or_else(|| OperatorError::NoIdentity("it has no ARN".to_owned()))
    }
}

/// The SDK's own client, as the default feature of its crates would make it: an operator's machine may need a proxy
/// (`HTTPS_PROXY`), or certificates that only its own store has. The feature would link this client into every function.
fn sdks_own() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
    })
}
