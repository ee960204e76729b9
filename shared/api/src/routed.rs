//! Requests as API Gateway routed them.
//!
//! It chooses a route by the path as it was sent, in which an escaped slash separates nothing. Then it hands the path on
//! decoded, without what follows a `?` that was escaped, and `lambda_http` reads that as part of a URL: there a space at
//! the end, a line break, and whatever follows a `#` are gone, and any slash separates. So `WBK-…%0A` would be the id
//! without the line break, and `WBK-…%2Fsecret` another route. Only the route's key, and the parameters that the gateway
//! found, say what was asked for.

use std::fmt::Write;

use http::uri::PathAndQuery;
use http::{Request, Uri};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use crate::serve::UNROUTED;

/// The request with the path that its route's key and parameters spell: each parameter is one segment, whatever is in it.
/// One that has no route keeps its path.
pub(crate) fn as_routed<B>(mut request: Request<B>) -> Request<B> {
    let route = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone(),
        _ => None,
    };
    let Some(pattern) = route.as_deref().filter(|key| *key != UNROUTED).and_then(|key| key.split_once(' ')) else {
        return request;
    };
    let parameters = request.path_parameters_ref();
    let path = spelled(pattern.1, |name| parameters.and_then(|parameters| parameters.first(name)));
    // What cannot be spelled is the path of no route.
    *request.uri_mut() = path.and_then(|path| with_path(request.uri(), &path)).unwrap_or_default();
    request
}

/// A route's path with its parameters in place.
fn spelled<'a>(pattern: &str, parameter: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut path = String::new();
    for segment in pattern.split('/').skip(1) {
        path.push('/');
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) => escape(parameter(name)?, &mut path),
            None => path.push_str(segment),
        }
    }
    Some(path)
}

/// Escapes everything but RFC 3986's unreserved characters.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(byte.into());
        } else {
            // Writing to a text cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_one_segment_whatever_is_in_it() {
        for (given, path) in [
            ("WBK-1", "/hooks/WBK-1/secret"),
            ("WBK-1/secret", "/hooks/WBK-1%2Fsecret/secret"),
            ("a\n#?% \u{e9}\0", "/hooks/a%0A%23%3F%25%20%C3%A9%00/secret"),
            ("..", "/hooks/../secret"),
        ] {
            let spelled = spelled("/hooks/{id}/secret", |name| (name == "id").then_some(given)).unwrap();
            assert_eq!(spelled, path);
            let uri = with_path(&"https://api.example.com/x?limit=1".parse().unwrap(), &spelled).unwrap();
            assert_eq!(uri, format!("https://api.example.com{path}?limit=1").as_str());
        }
        assert_eq!(spelled("/hooks/{id}", |_| None), None);
        assert_eq!(spelled("/hooks", |_| None).as_deref(), Some("/hooks"));
    }
}
