//! The signatures a receiver can check: Standard Webhooks' HMAC on every event, and the ES256 token that Plaid
//! (`Plaid-Verification`) and MoneyKit (`MoneyKit-Signature`) put beside it, or the HMAC that Teller (`Teller-Signature`)
//! and Mastercard (`X-Finicity-Signature`, `Event-Signature`) do.
//!
//! Both cover the exact bytes of the body, so they are made from the bytes that are sent and from nothing else. Time
//! arrives as an argument, and so does randomness: a key is given the generator that it draws ECDSA's nonces from. Two
//! tokens for the same body differ, and both verify.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};
use zeroize::Zeroizing;

/// The generator of the operating system, which an [`EcSigningKey`] is given. Only the system's edge makes one.
pub use aws_lc_rs::rand::SystemRandom;

/// The secret of one webhook, which Tenday and its receiver share. Its bytes are wiped when its last copy is dropped, and
/// it never shows itself in a log.
#[derive(Clone)]
pub struct Secret(Arc<Shared>);

struct Shared {
    bytes: Zeroizing<Vec<u8>>,
    /// Made of the bytes once: that takes as long as signing 128 bytes does.
    key: hmac::Key,
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for Secret {}

/// Why a text is not a signing secret. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl Secret {
    /// What every secret's text begins with (Standard Webhooks 1.0).
    pub const PREFIX: &'static str = "whsec_";

    /// A new secret from 32 bytes that the caller drew from a secure generator.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self::of(Zeroizing::new(bytes.to_vec()))
    }

    fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self(Arc::new(Shared { bytes, key }))
    }

    /// Reads what [`Secret::reveal`] wrote, or a secret that was made elsewhere (24 to 64 bytes).
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(InvalidSecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidSecret)?);
        if (24..=64).contains(&bytes.len()) { Ok(Self::of(bytes)) } else { Err(InvalidSecret) }
    }

    /// The secret as its owner is shown it: `whsec_` and base64.
    pub fn reveal(&self) -> Zeroizing<String> {
        let bytes = self.0.bytes.as_slice();
        let mut text = Zeroizing::new(String::with_capacity(Self::PREFIX.len() + bytes.len().div_ceil(3) * 4));
        text.push_str(Self::PREFIX);
        STANDARD.encode_string(bytes, &mut text);
        text
    }
}

/// A secret that somebody brings along.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The base64 of 24 to 64 bytes: groups of three bytes, then one or two that are left, padded and with no bit too many.
const SECRET_PATTERN: &str = concat!(
    "^whsec_(?:(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/][AQgw]==)?",
    "|(?:[A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$",
);

impl PartialSchema for Secret {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .pattern(Some(SECRET_PATTERN))
            .description(Some("A signing secret of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes"))
            .examples(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
            .into()
    }
}

impl ToSchema for Secret {
    fn name() -> std::borrow::Cow<'static, str> {
        "SigningSecret".into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, once per secret,
/// separated by spaces. A receiver accepts the event if any one of them is right, so a rotation signs with both.
///
/// `id` is the `webhook-id` header, `timestamp_seconds` the `webhook-timestamp` header: unix seconds of this attempt.
pub fn standard_webhooks(secrets: &[&Secret], id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
    let signed_head = [id, ".", &timestamp_seconds.to_string(), "."].concat();
    let mut signatures = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        let mut context = hmac::Context::with_key(&secret.0.key);
        context.update(signed_head.as_bytes());
        context.update(body);
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str("v1,");
        STANDARD.encode_string(context.sign(), &mut signatures);
    }
    signatures
}

/// The value of `Teller-Signature` (docs/sources.md, T.6): `t=` and the seconds, then `,v1=` and the hex of HMAC-SHA256
/// over `seconds.body`, once per secret.
pub fn teller(secrets: &[Secret], timestamp_seconds: i64, body: &[u8]) -> String {
    let signed_head = format!("{timestamp_seconds}.");
    let mut signatures = format!("t={timestamp_seconds}");
    for secret in secrets {
        signatures.push_str(",v1=");
        signatures.push_str(&keyed_by_text(secret, &[signed_head.as_bytes(), body]));
    }
    signatures
}

/// The hex of HMAC-SHA256 over all parts. The key is the secret's text as its owner is shown it, `whsec_` included, and
/// not the bytes in it: Teller's and Mastercard's receivers key with the text that they were given.
pub(crate) fn keyed_by_text(secret: &Secret, parts: &[&[u8]]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    data_encoding::HEXLOWER.encode(context.sign().as_ref())
}

/// The issuer that MoneyKit's tokens name (docs/sources.md, M.7). Plaid's name none.
pub const MONEYKIT_ISSUER: &str = "https://api.moneykit.com";

/// Why a key could not be made, read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("no P-256 key could be made")]
    Generate,
    #[error("not a P-256 private key in PKCS #8")]
    Invalid,
    #[error("the body could not be signed")]
    Sign,
}

/// A P-256 key that signs ES256 tokens. Reading one costs far more than signing with it: keep it.
pub struct EcSigningKey {
    pair: EcdsaKeyPair,
    /// Where the nonce of each signature comes from.
    random: SystemRandom,
    jwk: Jwk,
    /// The token's first part, encoded once, and its full stop.
    header: String,
}

impl EcSigningKey {
    /// A new key, and its PKCS #8 form for [`EcSigningKey::from_pkcs8`]. Without a `kid` the key is named by its
    /// RFC 7638 thumbprint.
    pub fn generate(kid: Option<&str>, random: SystemRandom) -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let der = der.map_err(|_| KeyError::Generate)?;
        let der = Zeroizing::new(der.as_ref().to_vec());
        Ok((Self::from_pkcs8(kid, &der, random)?, der))
    }

    /// The key that [`EcSigningKey::generate`] wrote. Give the `kid` it was published under, or none for its
    /// thumbprint.
    pub fn from_pkcs8(kid: Option<&str>, der: &[u8], random: SystemRandom) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| KeyError::Invalid)?;
        Self::new(kid, pair, random)
    }

    fn new(kid: Option<&str>, pair: EcdsaKeyPair, random: SystemRandom) -> Result<Self, KeyError> {
        // An uncompressed point: 4, then both coordinates.
        let point = pair.public_key().as_ref();
        let (Some(4), Some(x), Some(y), 65) = (point.first(), point.get(1..33), point.get(33..65), point.len()) else {
            return Err(KeyError::Invalid);
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = kid.map_or_else(|| thumbprint(&x, &y), str::to_owned);
        let jwk = Jwk { kty: "EC", crv: "P-256", x, y, key_use: "sig", alg: "ES256", kid };
        let header = serde_json::json!({"alg": "ES256", "kid": jwk.kid, "typ": "JWT"}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header) + ".";
        Ok(Self { pair, random, jwk, header })
    }

    /// The public half, as `/.well-known/jwks.json` shows it.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// A compact ES256 token of claims that are JSON already (RFC 7515).
    pub fn token(&self, claims: &str) -> Result<String, KeyError> {
        let mut token = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(&self.random, token.as_bytes()).map_err(|_| KeyError::Sign)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for EcSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcSigningKey").field("kid", &self.jwk.kid).finish_non_exhaustive()
    }
}

/// The public half of a signing key (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    /// Base64url, 32 bytes, as is `y`.
    pub x: String,
    pub y: String,
    #[serde(rename = "use")]
    pub key_use: &'static str,
    pub alg: &'static str,
    pub kid: String,
}

/// RFC 7638: the hash of the required members, in alphabetical order and without spaces.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

/// The value of `Plaid-Verification` (no issuer) or `MoneyKit-Signature` ([`MONEYKIT_ISSUER`]): a compact ES256 token
/// with `iat` (unix seconds) and `request_body_sha256` (64 lower-case hex digits over the body). No `exp`: receivers
/// refuse an `iat` older than five minutes (docs/sources.md, M.7, P.6), so each attempt has its own token.
pub fn jwt(key: &EcSigningKey, issuer: Option<&str>, issued_at: i64, body: &[u8]) -> Result<String, KeyError> {
    let mut claims = String::with_capacity(192);
    claims.push('{');
    if let Some(issuer) = issuer {
        // A JSON string prints itself escaped.
        let _ = write!(claims, r#""iss":{},"#, serde_json::Value::from(issuer));
    }
    let _ = write!(claims, r#""iat":{issued_at},"request_body_sha256":""#);
    claims.push_str(&body_sha256(body));
    claims.push_str("\"}");

    key.token(&claims)
}

/// What such a token says of the body: the lower-case hex of its SHA-256.
pub fn body_sha256(body: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest::digest(&digest::SHA256, body).as_ref())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test is at the edge: it has a clock and a generator")]
mod tests {
    use super::*;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
    use serde_json::{Value, json};

    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn vector_secret() -> Secret {
        Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    #[test]
    fn the_specifications_own_vector_comes_out() {
        assert_eq!(
            standard_webhooks(&[&vector_secret()], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn during_a_rotation_the_official_library_accepts_either_secret() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        let (old, new) = (vector_secret(), Secret::from_random([7; 32]));
        let signature = standard_webhooks(&[&new, &old], "EVT-1", now, BODY);
        assert_eq!(signature.split(' ').count(), 2);
        let headers = [
            ("webhook-id", "EVT-1".to_owned()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature),
        ];
        let headers: standardwebhooks_headers::HeaderMap = standardwebhooks_headers::from(&headers);
        for secret in [&old, &new] {
            let verifier = standardwebhooks::Webhook::new(&secret.reveal()).unwrap();
            verifier.verify(BODY, &headers).unwrap();
            assert!(verifier.verify(b"{}", &headers).is_err());
        }
    }

    /// Made by Python's `hmac`, as Teller's page does it.
    #[test]
    fn tellers_signature_is_keyed_by_the_secrets_text_and_has_one_value_per_secret() {
        let other = Secret::from_random([7; 32]);
        assert_eq!(
            teller(&[vector_secret(), other.clone()], 1_614_265_330, BODY),
            "t=1614265330,v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964\
             ,v1=d757b284a3a23b6698ea8c4c828745ab59f4233bd4bfee4298691481628b2b91"
        );
        assert_eq!(keyed_by_text(&other, &[BODY]), "3fa3f8569d29cd6ecf2f0b1202402e6d19a59212b9d9d3b27e8881e28b6803ab");
    }

    mod standardwebhooks_headers {
        pub(super) use http::HeaderMap;

        pub(super) fn from(pairs: &[(&'static str, String)]) -> HeaderMap {
            pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
        }
    }

    #[test]
    fn a_secret_reads_back_and_does_not_print_itself() {
        let secret = Secret::from_random([255; 32]);
        assert_eq!(Secret::parse(&secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        let of = |bytes: usize| Secret::parse(&format!("whsec_{}", STANDARD.encode(vec![1; bytes])));
        assert!(of(23).is_err() && of(24).is_ok() && of(64).is_ok() && of(65).is_err());
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert_eq!(Secret::parse(bad), Err(InvalidSecret), "{bad}");
        }
    }

    fn claims(key: &EcSigningKey, token: &str) -> Value {
        let decoding = DecodingKey::from_ec_components(&key.jwk().x, &key.jwk().y).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        decode::<Value>(token, &decoding, &validation).unwrap().claims
    }

    #[test]
    fn a_token_verifies_with_another_library_from_the_jwk() {
        let (key, der) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
        let token = jwt(&key, None, 1_614_265_330, BODY).unwrap();
        let header = decode_header(&token).unwrap();
        assert_eq!((header.kid.as_deref(), header.typ.as_deref()), (Some(key.kid()), Some("JWT")));
        let found = claims(&key, &token);
        assert_eq!(found.as_object().unwrap().len(), 2, "Plaid's token names no issuer");
        assert_eq!(found["iat"], 1_614_265_330);
        assert_eq!(found["request_body_sha256"].as_str().unwrap().len(), 64);

        let again = EcSigningKey::from_pkcs8(Some("KEY-1"), &der, SystemRandom::new()).unwrap();
        let token = jwt(&again, Some(MONEYKIT_ISSUER), 5, b"").unwrap();
        assert_eq!(decode_header(&token).unwrap().kid.as_deref(), Some("KEY-1"));
        assert_eq!(
            claims(&key, &token),
            json!({
                "iss": "https://api.moneykit.com",
                "iat": 5,
                "request_body_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            })
        );
    }

    #[test]
    fn a_jwk_is_published_with_its_thumbprint_and_without_its_private_half() {
        let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
        let jwk = serde_json::to_value(key.jwk()).unwrap();
        let members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        let parsed: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).unwrap();
        assert_eq!(parsed.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
        assert!(EcSigningKey::from_pkcs8(None, b"no key", SystemRandom::new()).is_err());
    }
}
