//! What verifies, and if not, why: the same that a receiver has to check.

use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use tenday_model::signing::signature::{Secret, body_sha256, standard_webhooks, teller};

use super::request::Request;

/// How old a request may be, and how far its clock may be ahead, in seconds (Standard Webhooks' own libraries; Plaid's page).
const TOLERANCE: i64 = 300;
/// Signed by a secret, but not as any of the ways that are known here.
const NOT_KNOWN: &[&str] = &["x-finicity-signature", "event-signature"];

pub(super) struct Check {
    pub(super) header: &'static str,
    pub(super) verdict: Verdict,
}

pub(super) enum Verdict {
    Ok,
    Failed(String),
    NotChecked(String),
}

impl Verdict {
    fn of(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Ok)
    }
}

/// Checks every signature that a request has. Without `now` its age does not matter.
pub(super) fn check(
    request: &Request<'_>,
    secret: Option<Result<Secret, String>>,
    keys: Option<Result<Value, String>>,
    now: Option<Timestamp>,
) -> Vec<Check> {
    let by_secret = |way: &dyn Fn(&Secret) -> Result<(), String>| match &secret {
        Some(Ok(secret)) => Verdict::of(way(secret)),
        Some(Err(why)) => Verdict::NotChecked(why.clone()),
        None => Verdict::NotChecked("there is no secret".to_owned()),
    };
    let by_key = |token: &str| match &keys {
        Some(Ok(keys)) => Verdict::of(jwt(token, keys, request.body, now)),
        Some(Err(why)) => Verdict::NotChecked(why.clone()),
        None => Verdict::NotChecked("there are no keys".to_owned()),
    };
    let mut checks = Vec::new();
    if let Some(given) = request.header("webhook-signature") {
        let verdict = by_secret(&|secret| standard(request, given, secret, now));
        checks.push(Check { header: "webhook-signature", verdict });
    }
    for header in ["plaid-verification", "moneykit-signature"] {
        if let Some(token) = request.header(header) {
            checks.push(Check { header, verdict: by_key(token) });
        }
    }
    if let Some(given) = request.header("teller-signature") {
        let verdict = by_secret(&|secret| of_teller(given, request.body, secret, now));
        checks.push(Check { header: "teller-signature", verdict });
    }
    for header in NOT_KNOWN.iter().filter(|header| request.header(header).is_some()) {
        let why = "Mastercard's own way, which webhook-signature stands beside".to_owned();
        checks.push(Check { header, verdict: Verdict::NotChecked(why) });
    }
    checks
}

fn standard(request: &Request<'_>, given: &str, secret: &Secret, now: Option<Timestamp>) -> Result<(), String> {
    let id = request.header("webhook-id").ok_or("webhook-id is missing")?;
    let seconds = request.header("webhook-timestamp").ok_or("webhook-timestamp is missing")?;
    let seconds: i64 = seconds.parse().map_err(|_| "webhook-timestamp is not seconds".to_owned())?;
    let signed = |body: &[u8]| {
        let made = standard_webhooks(&[secret], id, seconds, body);
        given.split_whitespace().any(|one| one == made)
    };
    matches(signed, request.body)?;
    is_recent(seconds, now)
}

fn of_teller(given: &str, body: &[u8], secret: &Secret, now: Option<Timestamp>) -> Result<(), String> {
    let seconds = given.split(',').find_map(|part| part.trim().strip_prefix("t=")).ok_or("it has no t=")?;
    let seconds: i64 = seconds.parse().map_err(|_| "its t= is not seconds".to_owned())?;
    let signed = |body: &[u8]| {
        let made = teller(std::slice::from_ref(secret), seconds, body);
        let made = made.split(',').nth(1).unwrap_or_default().to_owned();
        given.split(',').any(|part| part.trim() == made)
    };
    matches(signed, body)?;
    is_recent(seconds, now)
}

/// Whether a body was signed; if only what an editor adds stands between, that.
fn matches(signed: impl Fn(&[u8]) -> bool, body: &[u8]) -> Result<(), String> {
    if signed(body) {
        return Ok(());
    }
    let shorter = body.strip_suffix(b"\n").map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    if shorter.is_some_and(signed) {
        return Err("the body has a line break at its end that was not signed: an editor or echo adds one".to_owned());
    }
    Err("the secret is another, or the body is not what was signed".to_owned())
}

fn is_recent(seconds: i64, now: Option<Timestamp>) -> Result<(), String> {
    let Some(now) = now else { return Ok(()) };
    let age = now.as_second().saturating_sub(seconds);
    if age.abs() <= TOLERANCE {
        Ok(())
    } else {
        Err(format!("the signature is right, and {age} seconds old; {TOLERANCE} are allowed (--any-age)"))
    }
}

/// Plaid's and MoneyKit's: an ES256 token with the SHA-256 of the body.
fn jwt(token: &str, keys: &Value, body: &[u8], now: Option<Timestamp>) -> Result<(), String> {
    let head = jsonwebtoken::decode_header(token).map_err(|error| format!("it is no JWT: {error}"))?;
    if head.alg != Algorithm::ES256 {
        return Err(format!("its algorithm is {:?}, and has to be ES256", head.alg));
    }
    let kid = head.kid.ok_or("it names no key")?;
    let key = key(keys, &kid).ok_or_else(|| format!("there is no key {kid}"))?;
    let key = DecodingKey::from_jwk(&key).map_err(|error| format!("the key {kid} is of no use: {error}"))?;
    let mut validation = Validation::new(Algorithm::ES256);
    // It has none; its age is looked at below.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .map_err(|error| format!("its signature is not of the key {kid}: {error}"))?
        .claims;
    let given = claims["request_body_sha256"].as_str().unwrap_or_default();
    matches(|body| body_sha256(body) == given, body)?;
    is_recent(claims["iat"].as_i64().ok_or("it does not say when it was made")?, now)
}

/// A key of a set, or a single key.
fn key(keys: &Value, kid: &str) -> Option<Jwk> {
    let set: Option<JwkSet> = serde_json::from_value(keys.clone()).ok();
    let key = set.and_then(|set| set.find(kid).cloned());
    key.or_else(|| keys["kty"].is_string().then(|| serde_json::from_value(keys.clone()).ok())?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenday_model::signing::signature::{EcSigningKey, SystemRandom, jwt as signed};

    use super::*;

    const BODY: &[u8] = br#"{"webhook_type":"ITEM"}"#;
    const AT: i64 = 1_795_301_467;

    fn secret() -> Secret {
        Secret::from_random([7; 32])
    }

    fn verdicts(
        wire: &[u8],
        secret: Option<Secret>,
        keys: Option<Value>,
        at: Option<i64>,
    ) -> Vec<(&'static str, String)> {
        let request = Request::parse(wire).unwrap();
        let now = at.map(|at| Timestamp::from_second(at).unwrap());
        let checks = check(&request, secret.map(Ok), keys.map(Ok), now);
        let told = |check: Check| match check.verdict {
            Verdict::Ok => (check.header, "ok".to_owned()),
            Verdict::Failed(why) | Verdict::NotChecked(why) => (check.header, why),
        };
        checks.into_iter().map(told).collect()
    }

    fn standard_wire(body: &[u8], ending: &str) -> Vec<u8> {
        let signature = standard_webhooks(&[&Secret::from_random([1; 32]), &secret()], "EVT-1", AT, BODY);
        let head = format!("webhook-id: EVT-1\nwebhook-timestamp: {AT}\nWebhook-Signature: {signature}\n\n");
        [head.as_bytes(), body, ending.as_bytes()].concat()
    }

    #[test]
    fn one_signature_of_several_is_enough() {
        let wire = standard_wire(BODY, "");
        assert_eq!(verdicts(&wire, Some(secret()), None, Some(AT + 300)), [("webhook-signature", "ok".to_owned())]);
        assert_eq!(verdicts(&wire, Some(secret()), None, None)[0].1, "ok");
    }

    #[test]
    fn what_was_not_signed_is_told_apart() {
        let first = |wire: &[u8], secret, at| verdicts(wire, Some(secret), None, at).remove(0).1;
        assert!(first(&standard_wire(BODY, ""), secret(), Some(AT + 301)).contains("301 seconds old"));
        assert!(first(&standard_wire(BODY, ""), Secret::from_random([9; 32]), None).contains("another"));
        assert!(first(&standard_wire(b"{}", ""), secret(), None).contains("not what was signed"));
        assert!(first(&standard_wire(BODY, "\n"), secret(), None).contains("line break"));
        assert!(first(&standard_wire(BODY, "\r\n"), secret(), None).contains("line break"));
    }

    #[test]
    fn tokens_of_plaid_and_moneykit_verify_by_their_key() {
        let key = EcSigningKey::generate(Some("k1"), SystemRandom::new()).unwrap().0;
        let keys = json!({ "keys": [key.jwk()] });
        let wire = |body: &[u8]| {
            let token = signed(&key, None, AT, BODY).unwrap();
            [format!("plaid-verification: {token}\nmoneykit-signature: {token}\n\n").as_bytes(), body].concat()
        };
        let both = |body, keys, at| verdicts(&wire(body), None, Some(keys), at);
        assert!(both(BODY, keys.clone(), Some(AT)).iter().all(|(_, verdict)| verdict == "ok"));
        assert!(both(b"{}", keys.clone(), Some(AT))[0].1.contains("not what was signed"));
        assert!(both(BODY, keys, Some(AT + 1000))[1].1.contains("1000 seconds old"));
        let other = EcSigningKey::generate(Some("k1"), SystemRandom::new()).unwrap().0;
        assert!(both(BODY, json!({ "keys": [other.jwk()] }), None)[0].1.contains("not of the key"));
        assert!(both(BODY, json!({ "keys": [] }), None)[0].1.contains("no key k1"));
    }

    #[test]
    fn tellers_signature_verifies_by_the_secret() {
        let wire = |given: &str| [format!("teller-signature: {given}\n\n").as_bytes(), BODY].concat();
        let given = teller(&[Secret::from_random([1; 32]), secret()], AT, BODY);
        assert_eq!(verdicts(&wire(&given), Some(secret()), None, Some(AT))[0].1, "ok");
        assert!(verdicts(&wire(&given), Some(Secret::from_random([2; 32])), None, None)[0].1.contains("another"));
    }
}
