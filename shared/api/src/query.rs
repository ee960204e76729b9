//! A query parameter that a route does not know is refused, like a field of a body that it does not know: whoever
//! misspells `limit` is told so, and does not get another page than they asked for.

use axum::extract::{Query, Request};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::MethodRouter;
use http::Uri;

use crate::error::{ApiError, ErrorCode};

/// What may stand in a route's query.
#[derive(Debug, Clone, Copy)]
pub enum Parameters {
    /// These, and nothing else.
    Known(&'static [&'static str]),
    /// The handler says what is wrong with a query, in an error body of its own.
    LeftToHandler,
}

/// The route, which refuses any parameter that is not among those that it knows. For [`routes!`](crate::routes) only.
#[doc(hidden)]
pub fn refuse_unknown<S: Clone + Send + Sync + 'static>(
    route: MethodRouter<S>,
    parameters: Parameters,
) -> MethodRouter<S> {
    let Parameters::Known(known) = parameters else { return route };
    route.layer(from_fn(move |request: Request, next: Next| async move {
        match unknown(request.uri(), known) {
            Some(name) => refusal(&name, known).into_response(),
            None => next.run(request).await,
        }
    }))
}

/// The first parameter that is not among the known.
fn unknown(uri: &Uri, known: &[&str]) -> Option<String> {
    if uri.query().is_none_or(str::is_empty) {
        return None;
    }
    match Query::<Vec<(String, String)>>::try_from_uri(uri) {
        Ok(Query(given)) => given.into_iter().map(|(name, _)| name).find(|name| !known.contains(&name.as_str())),
        Err(_) => Some(String::new()),
    }
}

fn refusal(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let takes = match known {
        [] => "it takes none".to_owned(),
        known => format!("it takes {}", known.join(", ")),
    };
    ApiError::new(ErrorCode::MalformedRequest, format!("The route has no query parameter `{shown}`; {takes}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parameters_of_the_route_are_taken() {
        let unknown = |query: &str| unknown(&format!("/a?{query}").parse().unwrap(), &["limit", "cursor"]);
        for fine in ["", "limit=1", "cursor=x&limit=1", "limit", "limit=1&limit=2", "l%69mit=1", "&&limit=1&"] {
            assert_eq!(unknown(fine), None, "{fine}");
        }
        for (query, name) in
            [("Limit=1", "Limit"), ("limit=1&x", "x"), ("=1", ""), ("limit%20=1", "limit "), ("+=", " ")]
        {
            assert_eq!(unknown(query).as_deref(), Some(name), "{query}");
        }
        assert_eq!(refusal("x", &[]).message(), "The route has no query parameter `x`; it takes none.");
    }
}
