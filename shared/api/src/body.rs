//! Request bodies: bounded in size and depth before they are parsed, and told precisely when they are wrong.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, OptionalFromRequest, Request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use tenday_model::error::ValidationError;

use crate::error::{ApiError, ErrorCode};

/// The largest request body, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// How deep JSON may nest.
const MAX_DEPTH: usize = 32;

/// A JSON body. Its content type does not matter: LinkMoney's own examples send JSON as curl does by default, as a
/// form (docs/sources.md, S1.9).
#[derive(Debug)]
pub struct Body<T> {
    pub value: T,
    /// The bytes that were sent.
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Self::read(read_body(request).await?)
    }
}

/// A route whose body may be left out.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, ApiError> {
        let bytes = read_body(request).await?;
        if bytes.is_empty() { Ok(None) } else { Self::read(bytes).map(Some) }
    }
}

impl<T: DeserializeOwned> Body<T> {
    /// Reads what came otherwise than in a request, by the same rules.
    ///
    /// # Errors
    /// When it is too large, nests too deep, or is not what is expected.
    pub fn read(bytes: Bytes) -> Result<Self, ApiError> {
        if bytes.len() > MAX_BODY {
            return Err(too_large());
        }
        check_depth(&bytes)?;
        let value = parse(&bytes)?;
        Ok(Self { value, bytes })
    }
}

/// The bytes of a body, at most [`MAX_BODY`].
///
/// # Errors
/// When there are more, or the body breaks off.
pub async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::new(ErrorCode::MalformedRequest, "The request body broke off."))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

fn too_large() -> ApiError {
    ApiError::new(ErrorCode::RequestTooLarge, format!("The request body is larger than {MAX_BODY} bytes."))
}

/// Counts brackets outside strings, without parsing.
fn check_depth(bytes: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ApiError::new(
                        ErrorCode::MalformedRequest,
                        format!("The request body nests deeper than {MAX_DEPTH} levels."),
                    ));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::new(ErrorCode::MalformedRequest, "The request has no body; a JSON object is expected."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let location = location(error.path());
        let inner = error.into_inner();
        if !inner.is_data() {
            return malformed(&inner);
        }
        // serde stops at the first field that is wrong: what comes after it may be no JSON at all.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => ApiError::validation(vec![validation_error(location, &inner)]),
            Err(error) => malformed(&error),
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::MalformedRequest, format!("The request body is not JSON: {error}."))
}

fn location(path: &serde_path_to_error::Path) -> Vec<String> {
    let mut location = vec!["body".to_owned()];
    for segment in path.iter() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => location.push(index.to_string()),
            serde_path_to_error::Segment::Map { key } => location.push(key.clone()),
            serde_path_to_error::Segment::Enum { variant } => location.push(variant.clone()),
            serde_path_to_error::Segment::Unknown => {}
        }
    }
    location
}

fn validation_error(location: Vec<String>, error: &serde_json::Error) -> ValidationError {
    let text = error.to_string();
    // serde_json adds the place in the text, which the location tells better.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let kind = if message.starts_with("missing field") {
        "missing"
    } else if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("invalid type") {
        "type"
    } else {
        "value"
    };
    ValidationError { location, message, kind }
}

/// What is written as a JSON object, and not as the list of its fields' values, which serde would take for it too.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// For a field of a PATCH that may be cleared: absent is none, `null` is `Some(None)`.
///
/// # Errors
/// As `T`'s own.
pub fn absent_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default, deserialize_with = "absent_or")]
        name: Option<Option<String>>,
        data: Option<Box<RawValue>>,
        #[serde(default)]
        list: Vec<u8>,
    }

    fn rejected(text: &str) -> ApiError {
        parse::<Sample>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn absent_and_null_are_two_things() {
        assert_eq!(parse::<Sample>(b"{}").unwrap().name, None);
        assert_eq!(parse::<Sample>(b"{\"name\":null}").unwrap().name, Some(None));
        assert_eq!(parse::<Sample>(b"{\"name\":\"x\"}").unwrap().name, Some(Some("x".into())));
    }

    #[test]
    fn data_is_kept_as_it_was_sent() {
        let sample = parse::<Sample>(br#"{"data":{"b":1.50, "a":2}}"#).unwrap();
        assert_eq!(sample.data.unwrap().get(), r#"{"b":1.50, "a":2}"#);
        assert!(sample.list.is_empty());
    }

    #[test]
    fn a_wrong_body_says_where_and_what() {
        for (text, code) in [
            ("", ErrorCode::MalformedRequest),
            ("{", ErrorCode::MalformedRequest),
            ("{} x", ErrorCode::MalformedRequest),
            ("{\"nam\":1, ", ErrorCode::MalformedRequest),
            ("{\"name\":1} x", ErrorCode::MalformedRequest),
            ("[\"x\"", ErrorCode::MalformedRequest),
            ("[]", ErrorCode::ValidationFailed),
            ("[\"x\", null, []]", ErrorCode::ValidationFailed),
            ("null", ErrorCode::ValidationFailed),
            ("{\"list\":[1,\"2\"]}", ErrorCode::ValidationFailed),
            ("{\"nam\":1}", ErrorCode::ValidationFailed),
            ("{\"name\":1,\"name\":2}", ErrorCode::ValidationFailed),
        ] {
            assert_eq!(rejected(text).code(), code, "{text}");
        }
        assert!(rejected("{\"list\":[1,\"2\"]}").message().contains("body.list.1"));
        assert!(rejected("{\"nam\":1}").message().contains("unknown field `nam`"));
    }

    #[test]
    fn json_may_nest_32_deep() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(check_depth(&nested(32)).is_ok());
        assert!(check_depth(&nested(33)).is_err());
        assert!(check_depth(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[["}"#).is_ok());
    }
}
