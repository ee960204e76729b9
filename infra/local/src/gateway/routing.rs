//! Which route of the HTTP API takes a request: of those that match, the one with the most specific path, literal
//! before `{parameter}` before `{greedy+}`, then the one that names the method; `$default` is last. HEAD and OPTIONS
//! are methods like any other.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::template::Route;

/// A route, and what its path's parameters stand for.
#[derive(Debug, PartialEq)]
pub(crate) struct Found<'a> {
    pub(crate) route: &'a Route,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Found<'_> {
    /// `GET /a/{b}`, or `$default`.
    pub(crate) fn key(&self) -> String {
        if self.route.path == "$default" {
            return self.route.path.clone();
        }
        format!("{} {}", self.route.method.as_deref().unwrap_or("ANY"), self.route.path)
    }
}

/// `path` is as sent, percent-encoded: an encoded slash does not separate.
pub(crate) fn find<'a>(routes: &'a [Route], method: &str, path: &str) -> Option<Found<'a>> {
    let best = routes
        .iter()
        .filter(|route| route.method.as_deref().is_none_or(|wanted| wanted == method))
        .filter_map(|route| matches(route, path).map(|(rank, parameters)| (rank, Found { route, parameters })))
        .min_by_key(|(rank, found)| (rank.clone(), Reverse(found.route.method.is_some())));
    best.map(|(_, found)| found).or_else(|| {
        let route = routes.iter().find(|route| route.path == "$default")?;
        Some(Found { route, parameters: BTreeMap::new() })
    })
}

/// How specific the match is, segment by segment (less is more), and the parameters.
fn matches(route: &Route, path: &str) -> Option<(Vec<u8>, BTreeMap<String, String>)> {
    if !route.path.starts_with('/') {
        return None;
    }
    let mut rank = Vec::new();
    let mut parameters = BTreeMap::new();
    let mut sent = path.split('/').skip(1);
    for segment in route.path.split('/').skip(1) {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            None => {
                if decode(sent.next()?) != segment {
                    return None;
                }
                rank.push(0);
            }
            Some(name) => match name.strip_suffix('+') {
                None => {
                    let value = sent.next().filter(|value| !value.is_empty())?;
                    parameters.insert(name.to_owned(), decode(value));
                    rank.push(1);
                }
                Some(name) => {
                    let rest: Vec<&str> = sent.by_ref().collect();
                    let rest = rest.join("/");
                    if rest.is_empty() {
                        return None;
                    }
                    parameters.insert(name.to_owned(), decode(&rest));
                    rank.push(2);
                }
            },
        }
    }
    sent.next().is_none().then_some((rank, parameters))
}

/// Percent-decoding; what is not UTF-8 then becomes replacement characters.
pub(crate) fn decode(text: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                bytes.push(high * 16 + low);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<Route> {
        [
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "POST /pets/{id}",
            "ANY /pets/{id}",
            "POST /pets/special",
            "ANY $default",
        ]
        .into_iter()
        .map(|key| {
            let (method, path) = key.split_once(' ').unwrap();
            Route { method: (method != "ANY").then(|| method.into()), path: path.into(), function: key.into(), line: 1 }
        })
        .collect()
    }

    fn key(method: &str, path: &str) -> (String, BTreeMap<String, String>) {
        let routes = routes();
        let found = find(&routes, method, path).unwrap();
        (found.key(), found.parameters)
    }

    #[test]
    fn the_most_specific_route_wins() {
        for (method, path, wanted) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("POST", "/pets/7", "POST /pets/{id}"),
            ("PUT", "/pets/7", "ANY /pets/{id}"),
            ("POST", "/pets/special", "POST /pets/special"),
            ("PUT", "/pets/special", "ANY /pets/{id}"),
            ("HEAD", "/pets/dog/1", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
        ] {
            assert_eq!(key(method, path).0, wanted, "{method} {path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(key("GET", "/pets/dog/a%2Fb%20c").1["id"], "a/b c");
        assert_eq!(key("GET", "/pets/cat/a/b").1["proxy"], "cat/a/b");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%41"), "%zzA");
    }

    #[test]
    fn nothing_matches_without_a_default() {
        let mut routes = routes();
        routes.retain(|route| route.path == "/pets/dog/1");
        assert_eq!(find(&routes, "POST", "/pets/dog/1"), None);
        assert_eq!(find(&routes, "GET", "/pets/dog/1/"), None);
    }
}
