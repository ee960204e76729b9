//! Tenants are apart: another developer's ids are as good as none.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tenday_local::Options;
use tests::{Caller, Receiver, System};

const LINK: &str = "mk_eqkWN34UEoa2NxyALG8pcV";
const RETRIEVALS: &str = "/configuration/webhooks/retrievals";

/// One operation of the contract.
struct Route {
    method: Method,
    path: String,
    operation: Value,
}

/// Every one there is, so that none can be forgotten.
fn routes() -> Vec<Route> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let operations = item.as_object().unwrap().iter();
        let route = |(method, operation): (&String, &Value)| Route {
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
            operation: operation.clone(),
        };
        operations.map(route).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

impl Route {
    /// The scope that it takes; none if anybody may call it.
    fn scope(&self) -> Option<&str> {
        self.operation["security"][0]["oauth2"][0].as_str()
    }

    /// The names of its parameters that stand in the path, or in the query.
    fn parameters(&self, place: &str) -> Vec<&str> {
        let parameters = self.operation["parameters"].as_array().into_iter().flatten();
        let there = parameters.filter(|parameter| parameter["in"] == place);
        there.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    /// The first example of its body.
    fn body(&self) -> Option<Value> {
        let examples = self.operation.pointer("/requestBody/content/application~1json/examples")?.as_object()?;
        Some(examples.values().next()?["value"].clone())
    }

    fn at(&self, ids: &BTreeMap<&str, String>) -> String {
        let mut path = self.path.clone();
        for name in self.parameters("path") {
            let id =
                ids.get(name).unwrap_or_else(|| panic!("{path}: this test has no {name} of the other developer's"));
            path = path.replace(&format!("{{{name}}}"), id);
        }
        path
    }
}

/// What the first developer sees of their own things.
async fn everything(developer: &Caller<'_>, ids: &BTreeMap<&str, String>) -> Vec<Value> {
    let (webhook, event, job) = (&ids["webhookId"], &ids["eventId"], &ids["jobId"]);
    let mut seen = Vec::new();
    for path in [
        "/configuration".to_owned(),
        "/configuration/audit".to_owned(),
        "/configuration/deletions".to_owned(),
        "/configuration/webhooks".to_owned(),
        format!("/configuration/webhooks/{webhook}"),
        format!("/configuration/webhooks/{webhook}/secret"),
        format!("/configuration/webhooks/{webhook}/events"),
        format!("/configuration/events/{event}"),
        format!("{RETRIEVALS}?limit=100"),
        format!("{RETRIEVALS}/jobs/{job}"),
    ] {
        seen.push(developer.get(&path).await.expect(200));
    }
    seen
}

#[tokio::test]
async fn no_route_shows_or_changes_another_developers_things() {
    let parameters = [("AttemptTimeoutSeconds".to_owned(), "15".to_owned())].into();
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let receiver = Receiver::start().await;
    let (developer, other, platform) = (system.developer(), system.other(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await["id"].as_str().unwrap().to_owned();
    let path = format!("/configuration/webhooks/{webhook}");

    // Events that are dropped, and more of them than begin before it is time for a job: of 20 seconds, 17 are kept for the last
    // attempt and what comes after it.
    developer.patch(&path, json!({ "status": "disabled", "rateLimit": 1 })).await.expect(200);
    let update = |n: usize| json!({ "developerId": "DEV-local-developer", "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let updates: Vec<_> = (0..7).map(update).collect();
    let published = platform.post("/updates", json!({ "updates": updates })).await.expect(202);
    system.settle().await;
    developer.patch(&path, json!({ "status": "active" })).await.expect(200);
    receiver.answer(500);
    let job = developer.post_nothing(RETRIEVALS).await.expect(200)["jobId"].as_str().unwrap().to_owned();
    system.settle().await;

    // A deletion.
    let body = json!({ "callbackURL": receiver.url() });
    let second = developer.post("/configuration/webhooks", body).await.expect(201);
    let second = format!("/configuration/webhooks/{}", second["webhook"]["id"].as_str().unwrap());
    let deletion = developer.delete(&second).await.expect(200)["requestId"].as_str().unwrap().to_owned();
    let link = json!({ "developerId": "DEV-local-developer", "environment": "sandbox", "state": "connected", "products": ["accounts", "transactions"] });
    platform.put(&format!("/links/{LINK}"), link).await.expect(200);
    let ids = BTreeMap::from([
        ("webhookId", webhook),
        ("eventId", published["updates"][0]["events"][0]["eventId"].as_str().unwrap().to_owned()),
        ("updateId", published["updates"][0]["updateId"].as_str().unwrap().to_owned()),
        ("jobId", job),
        ("requestId", deletion),
        ("id", LINK.to_owned()),
    ]);
    let before = everything(&developer, &ids).await;
    let received = receiver.received().len();

    let mut tried = 0;
    for route in routes() {
        let Some(scope) = route.scope() else { continue };
        // The other one has a configuration of its own, so that nothing is refused for want of one.
        other.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await;
        let (path, body) = (route.at(&ids), route.body());
        let story = format!("{} {path}", route.method);
        let answer = other.send(route.method.clone(), &path, body.as_ref()).await;
        let code = answer.body["error_code"].as_str().unwrap_or_default();
        let own = route.parameters("path").is_empty();
        match scope {
            "updates:publish" | "links:manage" | "dashboard:open" => assert_eq!(answer.status, 403, "{story}"),
            // MoneyKit tells it apart from a link that is not there (docs/sources.md, S0.6).
            "links:test" => assert_eq!((answer.status, code), (401, "link_error.unauthorized_access"), "{story}"),
            _ if own => assert!(answer.status < 300 || answer.status == 409, "{story}: {:#}", answer.body),
            _ => assert!(answer.status == 404 && code.ends_with("not_found"), "{story}: {:#}", answer.body),
        }
        for (name, id) in ids.iter().filter(|(name, _)| **name != "id") {
            assert!(!answer.body.to_string().contains(id.as_str()), "{story} shows a {name}: {:#}", answer.body);
        }
        // An id in the query is no better.
        for name in route.parameters("query").into_iter().filter(|name| ids.contains_key(name)) {
            other.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await;
            let path = format!("{path}?{name}={}", ids[name]);
            let answer = other.send(route.method.clone(), &path, None).await;
            assert_eq!(answer.status, 404, "{} {path}: {:#}", route.method, answer.body);
        }
        tried += 1;
    }
    assert!(tried >= 25, "{tried}");

    system.settle().await;
    assert_eq!(receiver.received().len(), received, "nothing was sent again");
    assert_eq!(everything(&developer, &ids).await, before, "nothing was changed");
    // The deletion is still there for its owner.
    developer.post_nothing(&format!("/configuration/webhooks/restore/{}", ids["requestId"])).await.expect(200);

    // And so is a configuration's.
    let deletion = developer.delete("/configuration").await.expect(200)["requestId"].as_str().unwrap().to_owned();
    other.delete("/configuration").await;
    for path in ["/configuration/restore/", "/configuration/webhooks/restore/"] {
        other.post_nothing(&format!("{path}{deletion}")).await.expect_error(404, "deletion_error.not_found");
    }
    developer.post_nothing(&format!("/configuration/restore/{deletion}")).await.expect(200);
}

#[tokio::test]
async fn a_developers_token_opens_none_of_the_platforms_routes_and_the_platforms_none_of_a_developers() {
    let system = System::start().await;
    let ids = ["webhookId", "eventId", "updateId", "jobId", "requestId", "id"].map(|name| (name, "x".to_owned()));
    let ids = BTreeMap::from(ids);
    for route in routes() {
        let Some(scope) = route.scope() else { continue };
        let of_the_platform = matches!(scope, "updates:publish" | "links:manage" | "dashboard:open");
        let caller = if of_the_platform { system.developer() } else { system.platform() };
        let (path, body) = (route.at(&ids), route.body());
        let answer = caller.send(route.method.clone(), &path, body.as_ref()).await;
        // MoneyKit's route has the 401 that its page documents (docs/sources.md, S0.6).
        let (status, code) = match scope {
            "links:test" => (401, "api_error.auth.unauthorized"),
            _ => (403, "api_error.auth.insufficient_scope"),
        };
        answer.expect_error(status, code);
        let bare = system.request(route.method.clone(), &path, &[], None).await;
        bare.expect_error(401, "api_error.auth.unauthorized");
    }
}
