//! The developers' dashboard and the reference as they are served: what a browser, a cache and a wrong path get.

use http::Method;
use tests::{Answer, System};

async fn get(system: &System, path: &str, headers: &[(&str, &str)]) -> Answer {
    system.request(Method::GET, path, headers, None).await
}

#[tokio::test]
async fn a_browser_gets_the_dashboard_without_a_token_and_asks_for_its_files_once() {
    let system = System::start().await;
    let page = get(&system, "/dashboard", &[]).await;
    assert_eq!((page.status, &page.headers["cache-control"]), (200, &"no-cache".parse().unwrap()));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let named: Vec<&str> = page.text.split('"').filter(|text| text.starts_with("/dashboard/")).collect();
    assert!(named.iter().any(|path| path.ends_with(".js")), "{}", page.text);
    for path in named {
        let plain = get(&system, path, &[]).await;
        assert_eq!((plain.status, plain.headers.get("content-encoding")), (200, None), "{path}");
        assert!(plain.headers["cache-control"].to_str().unwrap().ends_with("immutable"), "{path}");
        let small = get(&system, path, &[("accept-encoding", "br")]).await;
        assert_eq!(small.headers["content-encoding"], "br", "{path}");
        assert_ne!(small.headers["etag"], plain.headers["etag"], "{path}");
    }
    let etag = page.headers["etag"].to_str().unwrap();
    let again = get(&system, "/dashboard", &[("if-none-match", etag)]).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
}

#[tokio::test]
async fn the_reference_is_the_one_of_the_repository_and_every_error_leads_to_its_section() {
    let system = System::start().await;
    let reference = get(&system, "/docs", &[]).await;
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.html")).unwrap();
    assert!(reference.text == committed, "/docs is docs/api.html");
    let refused = get(&system, "/configuration", &[]).await.expect_error(401, "api_error.auth.unauthorized");
    let url = format!("{}/docs#api_error.auth.unauthorized", system.run.base_url());
    assert_eq!(refused["documentation_url"], url);
    assert!(reference.text.contains("id=\"api_error.auth.unauthorized\""));
}

#[tokio::test]
async fn links_name_the_host_that_the_caller_called_through_the_front_too() {
    let system = System::start().await;
    // What infra/front.yaml adds; `Host` is API Gateway's own name then.
    let front = ("x-tenday-host", "api.example.com");
    let refused = get(&system, "/configuration", &[front]).await.expect_error(401, "api_error.auth.unauthorized");
    assert_eq!(refused["documentation_url"], "https://api.example.com/docs#api_error.auth.unauthorized");
    let page = get(&system, "/dashboard/app.js", &[front]).await.expect_error(404, "api_error.route_not_found");
    assert_eq!(page["documentation_url"], "https://api.example.com/docs#api_error.route_not_found");
}

#[tokio::test]
async fn a_path_that_is_none_has_the_same_error_below_the_dashboard_as_everywhere() {
    let system = System::start().await;
    let elsewhere = get(&system, "/no/such/path", &[]).await.expect_error(404, "api_error.route_not_found");
    for path in ["/dashboard/app.js", "/dashboard/0000/app.js", "/dashboard/a%2Fb", "/dashboard/..%2Fdocs"] {
        let here = get(&system, path, &[]).await;
        assert_eq!(here.headers["content-type"], "application/json", "{path}");
        let mut here = here.expect_error(404, "api_error.route_not_found");
        // Of each request its own.
        here["request_id"] = elsewhere["request_id"].clone();
        assert_eq!(here, elsewhere, "{path}");
    }
}

#[tokio::test]
async fn a_platform_may_show_the_dashboard_inside_its_own_pages() {
    let parameters = [("DashboardFrameAncestors".to_owned(), "https://app.example.com".to_owned())].into();
    let system = System::start_with(tenday_local::Options { parameters, ..Default::default() }).await;
    let page = get(&system, "/dashboard", &[]).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors https://app.example.com"), "{policy}");
}
