//! What a browser gets, by route.

use super::*;
use crate::encoding::Encoding;
use crate::files::{FILES, HASH, INDEX, REFERENCE};

const BROWSER: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");

fn policies() -> Policies {
    Policies::from_environment(|_| Some("'none'".to_owned())).unwrap()
}

/// The answer as API Gateway reads it.
fn asked(route: &str, path: &str, headers: &[(&str, &str)]) -> serde_json::Value {
    let path = route.contains('{').then_some(path);
    serde_json::to_value(answer(&Request::of(route, path, headers), &policies())).unwrap()
}

#[test]
fn the_page_is_asked_for_anew_and_its_files_never() {
    for (route, path) in [("GET /dashboard", ""), ("GET /dashboard/{proxy+}", "")] {
        let page = asked(route, path, &[]);
        assert_eq!(page["statusCode"], 200, "{page}");
        assert_eq!(page["headers"]["cache-control"], "no-cache");
        assert_eq!(page["headers"]["content-type"], "text/html; charset=utf-8");
        assert_eq!(page["body"], INDEX.body(Encoding::Identity).text);
    }
    assert!(!INDEX.body(Encoding::Identity).text.contains("@@"), "every file is named by its hash");
    for (name, file) in FILES {
        let found = asked("GET /dashboard/{proxy+}", &format!("{HASH}/{name}"), &[BROWSER]);
        assert_eq!(found["headers"]["cache-control"], "public, max-age=31536000, immutable", "{name}");
        assert_eq!(found["headers"]["content-type"], file.content_type, "{name}");
        assert_eq!(found["isBase64Encoded"], true, "{name}");
    }
    assert!(FILES.iter().any(|(name, _)| *name == "catalogue.json"));
}

#[test]
fn whatever_the_page_names_is_there() {
    let named: Vec<_> =
        INDEX.body(Encoding::Identity).text.split('"').filter_map(|text| text.strip_prefix("/dashboard/")).collect();
    assert!(named.len() >= 2, "at least a script and a style");
    for path in named {
        assert!(files::find(path).is_some(), "{path}");
    }
}

#[test]
fn a_file_that_is_known_is_not_sent_again() {
    for headers in [&[][..], &[BROWSER][..], &[("accept-encoding", "gzip")][..]] {
        let first = asked("GET /docs", "", headers);
        let etag = first["headers"]["etag"].as_str().unwrap();
        for known in [etag.to_owned(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
            let headers = [headers, &[("if-none-match", known.as_str())]].concat();
            let again = asked("GET /docs", "", &headers);
            assert_eq!((&again["statusCode"], &again["body"]), (&304.into(), &"".into()), "{known}");
            assert_eq!(again["headers"]["etag"], *etag);
            assert_eq!(again["headers"]["vary"], "accept-encoding");
        }
    }
    // Its bytes are others.
    let etag = REFERENCE.etag(Encoding::Gzip);
    assert_eq!(asked("GET /docs", "", &[BROWSER, ("if-none-match", &etag)])["statusCode"], 200);
}

#[test]
fn a_page_may_run_its_own_scripts_and_talk_to_its_own_api_alone() {
    let page = asked("GET /dashboard", "", &[]);
    let policy = page["headers"]["content-security-policy"].as_str().unwrap();
    for directive in ["default-src 'none'", "script-src 'self'", "trusted-types 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{policy}");
    }
    let reference = asked("GET /docs", "", &[]);
    let policy = reference["headers"]["content-security-policy"].as_str().unwrap();
    assert!(policy.contains("style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    for answer in [page, reference, asked("GET /dashboard/{proxy+}", "no", &[])] {
        assert_eq!(answer["headers"]["x-content-type-options"], "nosniff");
        assert_eq!(answer["headers"]["referrer-policy"], "no-referrer");
    }
}

#[test]
fn what_is_not_there_has_the_one_error_body() {
    let host = ("host", "abcdefghij.execute-api.us-east-1.amazonaws.com");
    let other = format!("{HASH}x/app.js");
    for path in ["app.js", "0000/app.js", "../docs", "app.js/", HASH, other.as_str()] {
        let answer = asked("GET /dashboard/{proxy+}", path, &[host, BROWSER]);
        assert_eq!((&answer["statusCode"], &answer["isBase64Encoded"]), (&404.into(), &false.into()), "{path}");
        let body: serde_json::Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let url = "https://abcdefghij.execute-api.us-east-1.amazonaws.com/docs#api_error.route_not_found";
        assert_eq!(
            body,
            serde_json::json!({
                "error_code": "api_error.route_not_found",
                "error_message": "There is no such route.",
                "documentation_url": url,
                "request_id": "JKJaXmPLvHcESHA=",
            })
        );
    }
    let sessions = asked("GET /dashboard/{proxy+}", "sessions", &[host]);
    assert_eq!((&sessions["statusCode"], &sessions["headers"]["allow"]), (&405.into(), &"POST".into()));
}

#[test]
fn the_dashboard_fits_in_sixty_kilobytes_and_its_catalogue_in_fifteen() {
    let sent = |file: &files::File| file.body(Encoding::Brotli).text.len() / 4 * 3;
    let all: usize = FILES.iter().map(|(_, file)| sent(file)).sum::<usize>() + sent(&INDEX);
    assert!(all <= 60 * 1024, "{all} bytes");
    let (_, catalogue) = FILES.iter().find(|(name, _)| *name == "catalogue.json").unwrap();
    assert!(sent(catalogue) <= 15 * 1024, "{} bytes", sent(catalogue));
}
