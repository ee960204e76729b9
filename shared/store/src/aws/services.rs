//! The AWS clients, made once per sandbox.
//!
//! A function's credentials and region are plain variables of its sandbox, so the SDK's configuration loader, which
//! would bring the clients for STS and SSO into every package, is not needed.

use std::sync::OnceLock;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::{IdentityCache, StalledStreamProtectionConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::aws::environment::Environment;
use crate::aws::http::http_client;
use crate::aws::signer::{Signer, SigningScheme};
use crate::aws::spared::{KeptEndpoint, NoUserAgent};

/// What the clients are made from, and the clients: one of each service, for whoever asks. A client of one's own would
/// have connections of its own, which what is read ahead at start does not open.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    /// Whether the services that each event asks something of are asked with our signatures, and without what
    /// [`spared`](crate::aws::spared) spares.
    is_function: bool,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    kms: OnceLock<aws_sdk_kms::Client>,
}

impl Aws {
    /// From the variables that Lambda sets in every sandbox.
    pub fn from_environment(environment: &mut Environment) -> Self {
        let credentials = Credentials::new(
            environment.text("AWS_ACCESS_KEY_ID"),
            environment.text("AWS_SECRET_ACCESS_KEY"),
            environment.optional("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        Self::new(credentials, environment.text("AWS_REGION"), environment.optional("AWS_ENDPOINT_URL"))
    }

    /// A local run's emulation, which takes any credentials.
    pub fn at(endpoint_url: &str) -> Self {
        let credentials = Credentials::new("local", "local", None, None, "local");
        Self::new(credentials, "us-east-1".to_owned(), Some(endpoint_url.to_owned()))
    }

    pub(super) fn new(credentials: Credentials, region: String, endpoint_url: Option<String>) -> Self {
        let mut config = SdkConfig::builder()
            .http_client(http_client())
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // The credentials of a sandbox are the same for as long as it lives: there is nothing to keep or to renew.
            .identity_cache(IdentityCache::no_cache())
            // The time limit of an attempt is less than what a stream is given to be found stalled.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Well inside the functions' own time-outs: the SDK's defaults would outlast the API's 29 seconds.
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(2))
                    .operation_timeout(Duration::from_secs(5))
                    .build(),
            )
            .retry_config(RetryConfig::standard().with_max_attempts(3));
        if let Some(endpoint_url) = endpoint_url {
            config = config.endpoint_url(endpoint_url);
        }
        Self { is_function: true, ..Self::from_config(config.build()) }
    }

    pub(super) fn from_config(config: SdkConfig) -> Self {
        Self { config, is_function: false, dynamodb: OnceLock::new(), kms: OnceLock::new() }
    }

    #[cfg(feature = "operator")]
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, ResolveEndpoint};

        let made = || {
            let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
            if let Some(signing) = self.signing("dynamodb") {
                config = config.push_auth_scheme(signing).interceptor(NoUserAgent);
                config.set_endpoint_resolver(Some(KeptEndpoint::of(DefaultResolver::new().into_shared_resolver())));
            }
            aws_sdk_dynamodb::Client::from_conf(config.build())
        };
        self.dynamodb.get_or_init(made).clone()
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        use aws_sdk_sqs::config::endpoint::{DefaultResolver, ResolveEndpoint};

        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        if let Some(signing) = self.signing("sqs") {
            config = config.push_auth_scheme(signing).interceptor(NoUserAgent);
            config.set_endpoint_resolver(Some(KeptEndpoint::of(DefaultResolver::new().into_shared_resolver())));
        }
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    fn signing(&self, service: &'static str) -> Option<SigningScheme> {
        let region = self.config.region().filter(|_| self.is_function)?;
        Some(SigningScheme(Signer::new(region.to_string(), service)))
    }

    pub(crate) fn scheduler(&self) -> aws_sdk_scheduler::Client {
        aws_sdk_scheduler::Client::new(&self.config)
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        self.kms.get_or_init(|| aws_sdk_kms::Client::new(&self.config)).clone()
    }
}
