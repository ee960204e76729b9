//! API Gateway's HTTP API in front of the functions: payload format 2.0 both ways, and its limits: 10 MB, 30 s, 10 KB
//! of headers.
//!
//! What AWS does that this does not: authorizers, CORS settings, stages other than `$default`, custom domains,
//! throttling, TLS, and renaming of headers that it keeps for itself. Answers are not compressed.

mod routing;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    control,
    lambda::sandbox::PAYLOAD_LIMIT,
    serve::{self, Answer, BodyError, Dropped},
    system::System,
};
use routing::Found;

const BODY_LIMIT: usize = 10 * 1024 * 1024;
const HEADER_LIMIT: usize = 10_240;
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);
/// Its own id, which is part of its domain name on AWS.
const API_ID: &str = "local";
const ACCOUNT_ID: &str = "000000000000";

pub(crate) async fn handle(
    system: Arc<System>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Answer, Dropped> {
    let (parts, body) = request.into_parts();
    if let Some(path) = parts.uri.path().strip_prefix("/_local/") {
        return Ok(control::handle(&system, &parts.method, path, body).await);
    }
    let _busy = system.busy();
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let request_id = Uuid::new_v4().to_string();
    let mut answer = if headers + parts.uri.to_string().len() > HEADER_LIMIT {
        gateways(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
    } else {
        match serve::read_body(body, BODY_LIMIT).await {
            Ok(body) => invoke(&system, &parts, body, peer, &request_id).await,
            Err(BodyError::TooLarge) => gateways(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Err(BodyError::Gone) => return Err(Dropped),
        }
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        answer.headers_mut().insert("apigw-requestid", id);
    }
    Ok(answer)
}

/// A POST of the local run's own, as if it came from this machine.
pub(crate) async fn post(
    system: &System,
    path: &str,
    headers: &[(HeaderName, String)],
    body: String,
) -> Result<Answer, http::Error> {
    let authority = system.base_url.trim_start_matches("http://");
    let mut request = Request::post(path).header(header::HOST, authority);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(())?.into_parts();
    let request_id = Uuid::new_v4().to_string();
    Ok(invoke(system, &parts, Bytes::from(body), ([127, 0, 0, 1], 0).into(), &request_id).await)
}

async fn invoke(system: &System, parts: &Parts, body: Bytes, peer: SocketAddr, request_id: &str) -> Answer {
    let Some(found) = routing::find(&system.template.routes, parts.method.as_str(), parts.uri.path()) else {
        return gateways(StatusCode::NOT_FOUND, "Not Found");
    };
    let Some(pool) = system.pools.get(&found.route.function) else {
        return gateways(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let event = event(parts, &body, peer, &found, request_id, system.clock.now_ms()).to_string();
    if event.len() > PAYLOAD_LIMIT {
        // Lambda's limit comes before the gateway's for what is not base64 already.
        return gateways(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    let (size, began) = (event.len(), Instant::now());
    let answer = tokio::time::timeout(INTEGRATION_LIMIT, pool.invoke(Bytes::from(event))).await;
    system.aws.ledger.add_invocation(&found.route.function, size, 1, began.elapsed());
    match answer {
        Err(_) => gateways(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Ok(Err(_)) => gateways(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Ok(Ok(result)) => response(&result).unwrap_or_else(|problem| {
            let message = format!("its answer to {} is not one for an HTTP API: {problem}", found.key());
            system.log.own(system.clock.now_ms(), "ERROR", Some(&found.route.function), None, message);
            gateways(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }),
    }
}

/// An answer that the gateway itself makes.
fn gateways(status: StatusCode, message: &str) -> Answer {
    serve::json(status, &json!({ "message": message }))
}

fn event(parts: &Parts, body: &Bytes, peer: SocketAddr, found: &Found<'_>, request_id: &str, now_ms: i64) -> Value {
    let mut headers = Map::new();
    let mut cookies = Vec::new();
    for name in parts.headers.keys() {
        let values = || parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        if name == header::COOKIE {
            for value in values() {
                cookies.extend(value.split(';').map(|cookie| Value::from(cookie.trim())));
            }
        } else {
            headers.insert(name.as_str().to_owned(), values().collect::<Vec<_>>().join(",").into());
        }
    }
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default().to_owned();
    let (domain, port) = host.rsplit_once(':').unwrap_or((&host, "80"));
    let trace = format!("Root=1-{:08x}-{}", now_ms / 1000, &Uuid::new_v4().simple().to_string()[..24]);
    let forwarded = match headers.get("x-forwarded-for").and_then(Value::as_str) {
        Some(before) => format!("{before}, {}", peer.ip()),
        None => peer.ip().to_string(),
    };
    for (name, value) in [
        ("x-forwarded-for", forwarded.as_str()),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", "http"),
        ("x-amzn-trace-id", &trace),
    ] {
        headers.insert(name.into(), value.into());
    }
    headers.entry("content-length").or_insert_with(|| body.len().to_string().into());
    // The gateway hands the path on decoded, and loses what follows a question mark that was encoded.
    let path = routing::decode(parts.uri.path());
    let path = path.split('?').next().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.key(),
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer.ip().to_string(),
                "userAgent": text(header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": found.key(),
            "stage": "$default",
            "time": common_log_time(now_ms),
            "timeEpoch": now_ms,
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = json!(found.parameters);
    }
    let query = query(parts.uri.query().unwrap_or_default());
    if !query.is_empty() {
        event["queryStringParameters"] = query.into();
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(body) if is_text(text(header::CONTENT_TYPE).unwrap_or_default()) => event["body"] = body.into(),
            _ => {
                event["body"] = STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// Duplicates are joined with commas.
fn query(raw: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
        let joined = match parameters.get(&*name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        parameters.insert(name.into_owned(), joined.into());
    }
    parameters
}

/// The types that the gateway hands on as they are. A form is not one of them.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || (kind.starts_with("application/") && (kind.ends_with("+json") || kind.ends_with("+xml")))
}

/// `21/Nov/2026:18:16:00 +0000`
fn common_log_time(now_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%d/%b/%Y:%H:%M:%S %z").to_string()
}

/// What the function's answer says.
fn response(result: &Bytes) -> Result<Answer, String> {
    if result.len() > PAYLOAD_LIMIT {
        return Err("it is larger than 6 MB".into());
    }
    let result: Value = serde_json::from_slice(result).map_err(|error| format!("not JSON: {error}"))?;
    let Some(status) = result.get("statusCode") else {
        let body = match result {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return Ok(serve::answer(StatusCode::OK, "application/json", body));
    };
    let number = match status {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    let status = number.and_then(|number| StatusCode::from_u16(number).ok()).filter(|status| status.as_u16() >= 200);
    let status = status.ok_or_else(|| format!("statusCode {} is none", result["statusCode"]))?;
    let encoded = result.get("isBase64Encoded").is_some_and(|encoded| encoded == &Value::Bool(true));
    let body = match result.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(body)) if encoded => {
            STANDARD.decode(body).map_err(|error| format!("its body is not base64: {error}"))?.into()
        }
        Some(Value::String(body)) => Bytes::from(body.clone()),
        Some(_) => return Err("its body is not a string".into()),
    };
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    match result.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => {
            for (name, value) in headers {
                let value = match value {
                    Value::String(value) => value.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    _ => return Err(format!("its header {name} is not a string")),
                };
                let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is not a header name"))?;
                let value =
                    HeaderValue::from_str(&value).map_err(|_| format!("the value of header {name} is not one"))?;
                // The connection is the gateway's own.
                if ![header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
                    answer.headers_mut().insert(name, value);
                }
            }
        }
        Some(_) => return Err("its headers are not an object".into()),
    }
    for cookie in result.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        let cookie = cookie.as_str().and_then(|cookie| HeaderValue::from_str(cookie).ok());
        answer.headers_mut().append(header::SET_COOKIE, cookie.ok_or("a cookie is not a header value")?);
    }
    answer
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert_with(|| HeaderValue::from_static("text/plain;charset=UTF-8"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http_body_util::BodyExt;

    use super::*;
    use crate::template::Route;

    fn make(request: http::request::Builder, body: &'static [u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let route = Route { method: Some("POST".into()), path: "/a/{b}".into(), function: "F".into(), line: 1 };
        let found = Found { route: &route, parameters: BTreeMap::from([("b".into(), "x y".into())]) };
        event(&parts, &Bytes::from_static(body), ([127, 0, 0, 1], 5000).into(), &found, "R", 1_795_198_560_123)
    }

    #[test]
    fn an_event_has_the_form_of_payload_2_0() {
        let request = Request::post("/a/x%20y?q=1&q=two%20words&r=")
            .header("Host", "127.0.0.1:4310")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("User-Agent", "curl")
            .header("X-Many", "1")
            .header("X-Many", "2")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3");
        let event = make(request, b"{\"a\":1}");
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "POST /a/{b}");
        assert_eq!(event["rawPath"], "/a/x y");
        assert_eq!(event["rawQueryString"], "q=1&q=two%20words&r=");
        assert_eq!(event["queryStringParameters"], json!({ "q": "1,two words", "r": "" }));
        assert_eq!(event["pathParameters"], json!({ "b": "x y" }));
        assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
        assert_eq!(event["headers"]["x-many"], "1,2");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["headers"]["x-forwarded-for"], "127.0.0.1");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{\"a\":1}"), &json!(false)));
        let context = &event["requestContext"];
        assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
        assert_eq!(context["http"]["userAgent"], "curl");
        assert_eq!(context["stage"], "$default");
        assert_eq!(context["domainName"], "127.0.0.1");
        assert_eq!(context["timeEpoch"], 1_795_198_560_123_i64);
        assert_eq!(context["time"], "20/Nov/2026:18:16:00 +0000");
    }

    #[test]
    fn what_is_not_text_is_base64() {
        for (kind, body, text) in [
            ("application/json", &b"{}"[..], true),
            ("application/problem+json", b"{}", true),
            ("text/plain", b"\xff", false),
            ("application/x-www-form-urlencoded", b"a=b", false),
            ("", b"a", false),
        ] {
            let event = make(Request::post("/").header("Content-Type", kind), body);
            assert_eq!(event["isBase64Encoded"], !text, "{kind}");
            let wanted = if text { String::from_utf8_lossy(body).into_owned() } else { STANDARD.encode(body) };
            assert_eq!(event["body"], wanted, "{kind}");
        }
        let none = make(Request::get("/"), b"");
        assert_eq!((none.get("body"), &none["isBase64Encoded"]), (None, &json!(false)));
    }

    async fn answered(result: &'static str) -> Result<(u16, String, http::HeaderMap), String> {
        let answer = response(&Bytes::from(result))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Ok((parts.status.as_u16(), String::from_utf8_lossy(&body).into_owned(), parts.headers))
    }

    #[tokio::test]
    async fn answers_are_read_as_the_gateway_reads_them() {
        let (status, body, headers) = answered(
            r#"{"statusCode":201,"headers":{"X-A":"1","n":2},"cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true,
                "multiValueHeaders":{"x":["1"]}}"#,
        )
        .await
        .unwrap();
        assert_eq!((status, body.as_str()), (201, "hi"));
        assert_eq!((&headers["x-a"], &headers["n"]), (&"1".parse().unwrap(), &"2".parse().unwrap()));
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert!(!headers.contains_key("x"));
        let (status, body, headers) = answered(r#"{"hello":"world"}"#).await.unwrap();
        assert_eq!(
            (status, body.as_str(), &headers["content-type"]),
            (200, r#"{"hello":"world"}"#, &"application/json".parse().unwrap())
        );
        assert_eq!(answered(r#""text""#).await.unwrap().1, "text");
        assert_eq!(answered(r#"{"statusCode":204}"#).await.unwrap().0, 204);
    }

    #[tokio::test]
    async fn malformed_answers_are_refused() {
        for wrong in [
            "nonsense",
            "",
            r#"{"statusCode":"many"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"headers":{"a":{}}}"#,
            r#"{"statusCode":200,"headers":{"a":"\n"}}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(answered(wrong).await.is_err(), "{wrong}");
        }
    }
}
