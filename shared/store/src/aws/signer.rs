//! Signs requests to AWS: Signature Version 4, as the IAM guide describes it ("Create a signed AWS API request").
//!
//! The SDK's signer derives its key anew for each request and makes a list of all headers each time, which for a small
//! request is more work than the rest of the call. The key is kept here, for the day that it is made for, and what is no
//! plain POST of the JSON protocols is the SDK's work still, as is all that an operator's machine asks, whose clock may be
//! wrong: the SDK learns by how much.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4Signer};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, Sign};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;
use data_encoding::HEXLOWER;
use hyper::http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

/// The way to sign for one service in one region.
pub(crate) struct Signer {
    region: String,
    service: &'static str,
    kept: Mutex<Option<Kept>>,
    sdk: SigV4Signer,
}

/// A key, and what it is made for.
struct Kept {
    secret: Zeroizing<String>,
    /// `20261129`.
    day: String,
    key: Key,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer for {} in {}", self.service, self.region)
    }
}

impl Signer {
    /// `service` as signatures name it.
    pub(crate) fn new(region: String, service: &'static str) -> Self {
        Self { region, service, kept: Mutex::default(), sdk: SigV4Signer::new() }
    }

    /// What HMAC makes of the string to sign, with the key of this secret and day.
    fn signature(&self, secret: &str, day: &str, text: &str) -> String {
        // A panic under the lock leaves a key that is as good as before.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.take().filter(|kept| kept.day == day && kept.secret.as_str() == secret);
        let known = fresh.unwrap_or_else(|| Kept {
            secret: Zeroizing::new(secret.to_owned()),
            day: day.to_owned(),
            key: signing_key(secret, day, &self.region, self.service),
        });
        let signature = HEXLOWER.encode(sign(&known.key, text.as_bytes()).as_ref());
        *kept = Some(known);
        signature
    }

    /// The headers that sign a request at this moment; none for a request that is not of the plain kind.
    fn headers(&self, request: &HttpRequest, credentials: &Credentials, at: Timestamp) -> Option<Signed> {
        let host = plain_host(request)?;
        let body = request.body().bytes()?;
        let time = basic(at)?;
        let token = credentials.session_token();
        let mut signed: Vec<(&str, &str)> = vec![("host", host), ("x-amz-date", &time)];
        signed.extend(token.map(|token| ("x-amz-security-token", token)));
        for (name, value) in request.headers() {
            if matches!(name, "content-type" | "x-amzn-query-mode") || name.starts_with("x-amz-") {
                // More than one in a row would have to become one.
                if value.contains("  ") || signed.iter().any(|(known, _)| *known == name) {
                    return None;
                }
                signed.push((name, value.trim()));
            }
        }
        signed.sort_unstable();

        let mut names = String::with_capacity(160);
        let mut canonical = String::with_capacity(1024);
        canonical.push_str("POST\n/\n\n");
        for (name, value) in signed {
            for part in [name, ":", value, "\n"] {
                canonical.push_str(part);
            }
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        for part in ["\n", &names, "\n", &hash(body)] {
            canonical.push_str(part);
        }
        let (day, Self { region, service, .. }) = (&time[..8], self);
        let scope = [day, region, service, "aws4_request"].join("/");
        let text = ["AWS4-HMAC-SHA256", &time, &scope, &hash(canonical.as_bytes())].join("\n");
        let signature = self.signature(credentials.secret_access_key(), day, &text);
        let key = credentials.access_key_id();
        let parts =
            ["AWS4-HMAC-SHA256 Credential=", key, "/", &scope, ", SignedHeaders=", &names, ", Signature=", &signature];
        Some(Signed { authorization: parts.concat(), token: token.map(str::to_owned), time })
    }
}

/// What a signature adds to a request.
struct Signed {
    time: String,
    token: Option<String>,
    authorization: String,
}

impl Sign for Signer {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        let now = components.time_source().unwrap_or_default().now();
        // What is tried again may have been refused because the clocks are apart, which the SDK knows how to make up for.
        let is_first = config.load::<RequestAttempts>().is_none_or(|attempts| attempts.attempts() <= 1);
        let signed = identity.data::<Credentials>().filter(|_| is_first).zip(Timestamp::try_from(now).ok());
        let signed = signed.and_then(|(credentials, at)| self.headers(request, credentials, at));
        let Some(Signed { time, token, authorization }) = signed else {
            return self.sdk.sign_http_request(request, identity, endpoint, components, config);
        };
        let headers = request.headers_mut();
        headers.try_insert("x-amz-date", time)?;
        if let Some(token) = token {
            headers.try_insert("x-amz-security-token", secret(token)?)?;
        }
        headers.try_insert("authorization", secret(authorization)?)?;
        Ok(())
    }
}

/// A value that nothing shows which shows a request.
fn secret(value: String) -> Result<HeaderValue, BoxError> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// [`Signer`] as the SDK takes one, in place of its own.
#[derive(Debug)]
pub(crate) struct SigningScheme(pub(crate) Signer);

impl AuthScheme for SigningScheme {
    fn scheme_id(&self) -> AuthSchemeId {
        SCHEME_ID
    }

    fn identity_resolver(&self, resolvers: &dyn GetIdentityResolver) -> Option<SharedIdentityResolver> {
        resolvers.identity_resolver(SCHEME_ID)
    }

    fn signer(&self) -> &dyn Sign {
        &self.0
    }
}

/// The host of a POST to `/`, as it is sent.
fn plain_host(request: &HttpRequest) -> Option<&str> {
    let (scheme, rest) = request.uri().split_once("://")?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    // HTTP leaves out a port that goes without saying.
    let is_usual = match scheme {
        "https" => host.ends_with(":443"),
        _ => host.ends_with(":80"),
    };
    let is_plain = !is_usual && !host.contains(['/', '?', '#', '@']);
    (is_plain && request.method() == "POST" && !request.headers().contains_key("host")).then_some(host)
}

/// `20261129T080910Z`; none for a year that has no four digits.
fn basic(at: Timestamp) -> Option<String> {
    let at = TimeZone::UTC.to_datetime(at);
    let year = u16::try_from(at.year()).ok()?;
    let two = |number: i8| u16::from(number.unsigned_abs());
    let pairs =
        [year / 100, year % 100, two(at.month()), two(at.day()), two(at.hour()), two(at.minute()), two(at.second())];
    let mut text = String::with_capacity(16);
    for (place, pair) in pairs.into_iter().enumerate() {
        if place == 4 {
            text.push('T');
        }
        for digit in [pair / 10, pair % 10] {
            text.push(char::from_digit(digit.into(), 10)?);
        }
    }
    text.push('Z');
    Some(text)
}

/// The key of a day, a region and a service.
fn signing_key(secret: &str, day: &str, region: &str, service: &str) -> Key {
    let start = Zeroizing::new(format!("AWS4{secret}"));
    let keyed = |key: &[u8], text: &str| sign(&Key::new(HMAC_SHA256, key), text.as_bytes());
    let mut tag = keyed(start.as_bytes(), day);
    for text in [region, service, "aws4_request"] {
        tag = keyed(tag.as_ref(), text);
    }
    Key::new(HMAC_SHA256, tag.as_ref())
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sdk_sign};
    use aws_sigv4::sign::v4;
    use aws_smithy_types::body::SdkBody;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::aws::services::Aws;

    fn request(uri: &str, body: &str, headers: &[(&'static str, String)]) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body.to_owned()));
        request.set_method("POST").unwrap();
        request.set_uri(uri.to_owned()).unwrap();
        for (name, value) in headers {
            request.headers_mut().try_insert(*name, value.clone()).unwrap();
        }
        request
    }

    /// What the SDK signs the same request with.
    fn sdks(request: &HttpRequest, credentials: &Credentials, at: Timestamp) -> String {
        sdks_of(request, credentials, at, "eu-central-1", "dynamodb")
    }

    fn sdks_of(request: &HttpRequest, credentials: &Credentials, at: Timestamp, region: &str, service: &str) -> String {
        let identity = Identity::from(credentials.clone());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::from(at))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(request.body().bytes().unwrap());
        let signable = SignableRequest::new(request.method(), request.uri(), request.headers().iter(), body).unwrap();
        let (instructions, _) = sdk_sign(signable, &params).unwrap().into_parts();
        let found = instructions.headers().find(|(name, _)| *name == "authorization");
        found.unwrap().1.to_owned()
    }

    proptest! {
        #[test]
        fn a_plain_request_is_signed_as_the_sdk_signs_it(
            body in ".{0,300}",
            agent in "[!-~]{0,20}( [!-~]{1,10}){0,3}",
            key in "[A-Z0-9]{16,20}",
            secret in "[A-Za-z0-9/+]{40}",
            token in proptest::option::of("[A-Za-z0-9/+=]{20,400}"),
            uri in prop_oneof!["https://dynamodb\\.eu-central-1\\.amazonaws\\.com/?", "http://127\\.0\\.0\\.1:[1-9][0-9]{3}/?"],
            second in 0_i64..4_000_000_000,
        ) {
            let at = Timestamp::from_second(second).unwrap();
            let credentials = Credentials::new(key, secret, token, None, "test");
            let headers = [
                ("content-type", "application/x-amz-json-1.0".to_owned()),
                ("x-amz-target", "DynamoDB_20120810.PutItem".to_owned()),
                ("x-amz-user-agent", agent),
            ];
            let request = request(&uri, &body, &headers);
            let signer = Signer::new("eu-central-1".to_owned(), "dynamodb");
            let expected = sdks(&request, &credentials, at);
            // The second time with the key that was kept.
            for _ in 0..2 {
                let signed = signer.headers(&request, &credentials, at).unwrap();
                prop_assert_eq!(&signed.authorization, &expected);
                prop_assert_eq!(signed.token.as_deref(), credentials.session_token());
            }
        }
    }

    #[test]
    fn a_key_is_kept_for_its_secret_and_its_day_only() {
        let signer = Signer::new("eu-central-1".to_owned(), "dynamodb");
        let request = request("https://dynamodb.eu-central-1.amazonaws.com", "{}", &[]);
        let [first, second] = ["secret", "another"].map(|secret| Credentials::new("AKID", secret, None, None, "test"));
        let at: Timestamp = "2026-11-29T23:59:59Z".parse().unwrap();
        let later: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
        for (credentials, at) in [(&first, at), (&first, later), (&second, later), (&first, at)] {
            let signed = signer.headers(&request, credentials, at).unwrap();
            assert_eq!(signed.authorization, sdks(&request, credentials, at));
        }
    }

    /// The requests of one connection, of which the first is answered that the service failed.
    async fn requests(listener: TcpListener) -> Vec<String> {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut found = Vec::new();
        for answer in ["500 Internal Server Error", "200 OK"] {
            let mut text = String::new();
            while text.split_once("\r\n\r\n").is_none_or(|(head, body)| body.len() != length(head)) {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.unwrap();
                text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
            found.push(text);
            // The next one comes over the same connection, or there is no next one.
            let answer = format!(
                "HTTP/1.1 {answer}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            if found.len() == 1 {
                // What failed is tried over another one.
                stream = listener.accept().await.unwrap().0;
            }
        }
        found
    }

    fn length(head: &str) -> usize {
        let lengths =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        lengths.unwrap().parse().unwrap()
    }

    /// Which headers a request's signature is of. Holds that it is the SDK's of the same headers.
    fn signed(url: &str, text: &str, service: &str) -> Vec<String> {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let headers: Vec<(String, String)> = head
            .lines()
            .skip(1)
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let value = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let names =
            value("authorization").split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0.to_owned();
        let names: Vec<String> = names.split(';').map(str::to_owned).collect();
        let mut request = request(url, body, &[]);
        for (name, value) in headers.iter().filter(|(name, _)| names.contains(name)) {
            if !["host", "x-amz-date"].contains(&name.as_str()) {
                request.headers_mut().try_insert(name.clone(), value.clone()).unwrap();
            }
        }
        let format = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", value("x-amz-date")).unwrap();
        let at = format.to_datetime().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
        let credentials = Credentials::new("local", "local", None, None, "local");
        assert_eq!(value("authorization"), sdks_of(&request, &credentials, at, "us-east-1", service));
        names
    }

    #[tokio::test]
    async fn what_is_sent_names_no_agent_and_is_signed_by_us_at_first_and_by_the_sdk_when_it_is_tried_again() {
        for service in ["dynamodb", "sqs"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let aws = Aws::at(&url);
            let call = async {
                match service {
                    "sqs" => drop(aws.sqs().send_message().queue_url(&url).message_body("a").send().await),
                    _ => drop(aws.dynamodb().list_tables().send().await),
                }
            };
            let (found, ()) = tokio::join!(requests(listener), call);
            assert!(!found.iter().any(|text| text.to_lowercase().contains("user-agent")), "{service}: {found:?}");
            let [ours, sdks] = [0, 1].map(|number| signed(&url, &found[number], service));
            assert!(!ours.iter().any(|name| name == "content-length"), "{service}: {ours:?}");
            assert!(ours.iter().any(|name| name == "x-amz-target"), "{service}: {ours:?}");
            assert_eq!(ours.iter().any(|name| name == "x-amzn-query-mode"), service == "sqs", "{ours:?}");
            assert!(sdks.iter().any(|name| name == "content-length"), "{service}: {sdks:?}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_sdk() {
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let signer = Signer::new("eu-central-1".to_owned(), "scheduler");
        let own = |request: &HttpRequest| signer.headers(request, &credentials, Timestamp::UNIX_EPOCH).is_some();
        let host = "https://scheduler.eu-central-1.amazonaws.com";
        assert!(own(&request(host, "{}", &[])));
        for path in ["/schedules/a", "/?groupName=a", ":443", ":443/"] {
            assert!(!own(&request(&format!("{host}{path}"), "{}", &[])), "{path}");
        }
        assert!(!own(&request(host, "{}", &[("x-amz-user-agent", "two  spaces".to_owned())])));
        let mut get = request(host, "", &[]);
        get.set_method("GET").unwrap();
        assert!(!own(&get));
    }
}
