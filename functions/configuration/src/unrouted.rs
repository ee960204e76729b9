//! Whatever no route takes: a path of the contract with another method is a 405, any other path a 404. API Gateway knows
//! routes only, which are of one method each; which paths there are, the contract itself says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tenday_api::{ApiError, ErrorCode};

use crate::DOCUMENT;

/// As much of the contract as this needs. Read when somebody first asks for what is not there.
#[derive(Deserialize)]
struct Contract {
    paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
}

static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| serde_json::from_str(DOCUMENT).unwrap_or(Contract { paths: BTreeMap::new() }));

pub(crate) fn answer(method: &str, path: &str) -> ApiError {
    match methods(path).as_slice() {
        [] => ApiError::new(ErrorCode::RouteNotFound, "There is no such route."),
        methods => {
            let allowed: Vec<&str> = methods.iter().map(String::as_str).collect();
            let message = format!("The route does not take {method}; it takes {}.", allowed.join(", "));
            ApiError::new(ErrorCode::MethodNotAllowed, message).allow(&allowed)
        }
    }
}

/// The methods of a path; of several that match, of the one whose words come before parameters, as for API Gateway.
fn methods(path: &str) -> Vec<String> {
    let matching = CONTRACT.paths.iter().filter(|(pattern, _)| matches(pattern, path));
    let parameters = |pattern: &str| pattern.split('/').map(is_parameter).collect::<Vec<_>>();
    let nearest = matching.min_by_key(|(pattern, _)| parameters(pattern));
    nearest.into_iter().flat_map(|(_, item)| item.keys()).map(|name| name.to_uppercase()).collect()
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

fn matches(pattern: &str, path: &str) -> bool {
    let fits = |(wanted, sent): (&str, &str)| if is_parameter(wanted) { !sent.is_empty() } else { wanted == sent };
    pattern.split('/').count() == path.split('/').count() && pattern.split('/').zip(path.split('/')).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_contract_tells_its_methods_and_any_other_path_is_none() {
        assert_eq!(methods("/configuration"), ["DELETE", "GET", "PATCH", "POST"]);
        assert_eq!(methods("/updates/UPD-1"), ["GET"]);
        assert_eq!(methods("/configuration/webhooks/WBK-1"), ["DELETE", "GET", "PATCH"]);
        assert_eq!(methods("/configuration/webhooks/retrievals"), ["GET", "POST"]);
        for path in ["", "/", "/configuration/", "/updates/", "/updates/1/2", "/Configuration", "configuration"] {
            assert!(methods(path).is_empty(), "{path}");
        }
        assert_eq!(answer("PUT", "/configuration").code(), ErrorCode::MethodNotAllowed);
        assert_eq!(answer("PUT", "/nowhere").code(), ErrorCode::RouteNotFound);
    }
}
