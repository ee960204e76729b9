//! Every change of settings is written down with it: who, what, when, and never a value.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_local::Options;
use tenday_model::settings::audit::{AuditEntry, Change, Who};
use tenday_store::{Audit, Aws};
use tests::{Caller, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const LINK: &str = "mk_eqkWN34UEoa2NxyALG8pcV";
const DAY: Duration = Duration::from_secs(86_400);

async fn changes(caller: &Caller<'_>) -> Vec<Value> {
    let answer = caller.get("/configuration/audit?limit=100").await.expect(200);
    assert_eq!(answer["nextCursor"], Value::Null);
    answer["changes"].as_array().unwrap().clone()
}

/// What the store itself has, as the operator reads it; none is the platform.
async fn stored(system: &System, developer: Option<&str>) -> Vec<AuditEntry> {
    let table = system.run.output("SettingsTableName").unwrap().to_owned();
    let audit = Audit::new(&Aws::at(system.run.endpoint_url()), table);
    let now = Timestamp::from_millisecond(system.run.now_ms()).unwrap();
    let owner = developer.map(|developer| developer.parse().unwrap());
    audit.list(owner.as_ref(), 100, None, now).await.unwrap().entries
}

/// The rows as they lie in the table.
async fn rows(system: &System) -> String {
    let body = json!({
        "TableName": system.run.output("SettingsTableName"),
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": format!("{DEVELOPER}#AUDIT") } },
    });
    system.dynamodb("Query", &body).await.expect(200).to_string()
}

/// The tool's own way to make a client.
async fn admin(system: &System, arguments: &str) -> Value {
    let local = format!("--local={}", system.run.base_url());
    let arguments = ["tenday", "operator", "--json"].into_iter().chain(arguments.split_whitespace());
    let mut output = Vec::new();
    tenday::run(arguments.chain([local.as_str()]), &mut output).await.unwrap();
    serde_json::from_slice(&output).unwrap()
}

/// The one change that came since, in short: kind, who, ids, fields.
async fn newest(developer: &Caller<'_>, seen: &mut usize) -> (String, Value, Vec<String>, Vec<String>) {
    let all = changes(developer).await;
    assert_eq!(all.len(), *seen + 1, "one change more: {all:#?}");
    *seen = all.len();
    let texts = |field: &str| -> Vec<String> {
        all[0][field].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let request = all[0]["request_id"].as_str().unwrap_or_default();
    assert!(!request.is_empty(), "{:#}", all[0]);
    (all[0]["change"].as_str().unwrap().to_owned(), all[0]["by"].clone(), texts("ids"), texts("fields"))
}

#[tokio::test]
async fn each_change_leaves_one_entry_that_says_who_and_what() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    // Their client was made before all else.
    let first = changes(&developer).await;
    assert_eq!(first.len(), 1, "{first:#?}");
    assert_eq!((&first[0]["change"], &first[0]["by"]), (&json!("client.created"), &json!({ "kind": "operator" })));
    assert_eq!((&first[0]["ids"], &first[0]["request_id"]), (&json!(["CLI-local-developer"]), &Value::Null));
    let mut seen = 1;
    let own = json!({ "kind": "developer", "clientId": "CLI-local-developer" });
    let mut told = async |change: &str, by: &Value, ids: &[&str], fields: &[&str]| {
        let (kind, who, of, names) = newest(&developer, &mut seen).await;
        assert_eq!((kind.as_str(), &who), (change, by));
        assert_eq!((of, names), (ids.iter().map(ToString::to_string).collect(), strings(fields)), "{change}");
    };

    let body = json!({ "name": "a-name-marker", "ipAllowlist": ["127.0.0.1"] });
    let made = developer.post("/configuration", body).await.expect(201);
    let configuration = made["configuration"]["id"].as_str().unwrap().to_owned();
    told("configuration.created", &own, &[&configuration], &[]).await;
    let body = json!({ "name": "another-name-marker", "ipAllowlist": ["52.20.30.40"], "retrySchedule": [5] });
    developer.patch("/configuration", body).await.expect(200);
    told("configuration.changed", &own, &[&configuration], &["name", "ipAllowlist", "retrySchedule"]).await;

    let body = json!({ "callbackURL": receiver.url(), "secret": "whsec_c2VjcmV0LW1hcmtlci1zZWNyZXQtbWFya2Vy" });
    let created = developer.post("/configuration/webhooks", body).await.expect(201);
    let webhook = created["webhook"]["id"].as_str().unwrap().to_owned();
    let path = format!("/configuration/webhooks/{webhook}");
    told("webhook.created", &own, &[&webhook], &[]).await;
    let body = json!({
        "callbackURL": format!("{}?url-marker", receiver.url()),
        "status": "disabled",
        "rateLimit": 7,
        "headers": { "X-Key": "header-marker" },
    });
    developer.patch(&path, body).await.expect(200);
    told("webhook.changed", &own, &[&webhook], &["callbackURL", "status", "rateLimit", "headers"]).await;
    developer.patch(&path, json!({ "status": "active", "rateLimit": null, "headers": null })).await.expect(200);
    told("webhook.changed", &own, &[&webhook], &["status", "rateLimit", "headers"]).await;
    let rotated = developer.post_nothing(&format!("{path}/secret/rotate")).await.expect(200);
    told("secret.rotated", &own, &[&webhook], &[]).await;
    let deleted = developer.delete(&path).await.expect(200);
    let request = deleted["requestId"].as_str().unwrap();
    told("webhook.deleted", &own, &[&webhook, request], &[]).await;
    developer.post_nothing(&format!("/configuration/webhooks/restore/{request}")).await.expect(200);
    told("webhook.restored", &own, &[&webhook, request], &[]).await;

    let by_platform = json!({ "kind": "platform" });
    let link = json!({
        "developerId": DEVELOPER,
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts"],
        "tags": ["tag-marker"],
    });
    let link_path = format!("/links/{LINK}");
    platform.put(&link_path, link.clone()).await.expect(200);
    told("link.registered", &by_platform, &[LINK], &[]).await;
    let with = |changes: Value| {
        let mut link = link.clone();
        link.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        link
    };
    let bound = with(
        json!({ "callbackURL": format!("{}/bound", receiver.url()), "state": "error", "errorCode": "auth_expired", "tags": [] }),
    );
    platform.put(&link_path, bound.clone()).await.expect(200);
    let all = changes(&developer).await;
    let made = all[0]["ids"][1].as_str().unwrap().to_owned();
    assert!(made.starts_with("WBK-") && made != webhook, "{all:#?}");
    told("link.changed", &by_platform, &[LINK, &made], &["state", "tags", "errorCode", "callbackURL"]).await;
    platform.delete(&link_path).await.expect(204);
    told("link.deleted", &by_platform, &[LINK, &made], &["state", "products", "errorCode", "callbackURL"]).await;

    let client = admin(&system, &format!("clients create --developer {DEVELOPER}")).await;
    let client = client["clientId"].as_str().unwrap();
    admin(&system, &format!("clients revoke {client}")).await;
    let all = changes(&developer).await;
    assert_eq!((&all[0]["change"], &all[1]["change"]), (&json!("client.revoked"), &json!("client.created")));
    assert_eq!((&all[0]["ids"], &all[0]["by"]), (&json!([client]), &json!({ "kind": "operator" })));
    seen += 2;
    let mut told = async |change: &str, ids: &[&str]| {
        let (kind, who, of, names) = newest(&developer, &mut seen).await;
        assert_eq!((kind.as_str(), &who, of, names), (change, &own, strings(ids), Vec::new()));
    };
    let deleted = developer.delete("/configuration").await.expect(200);
    let request = deleted["requestId"].as_str().unwrap();
    told("configuration.deleted", &[&configuration, request]).await;
    developer.post_nothing(&format!("/configuration/restore/{request}")).await.expect(200);
    told("configuration.restored", &[&configuration, request]).await;

    // The operator sees who of the platform it was; and none of it is another's, or a value.
    let entries = stored(&system, Some(DEVELOPER)).await;
    assert_eq!(entries.len(), changes(&developer).await.len());
    let link = entries.iter().find(|entry| entry.change == Change::LinkDeleted).unwrap();
    assert_eq!(link.who, Who::Platform("CLI-local-platform".parse().unwrap()));
    let made = entries.iter().find(|entry| entry.change == Change::ClientCreated).unwrap();
    assert_eq!(made.who, Who::Operator("local".to_owned()));
    let of_the_platform = stored(&system, None).await;
    assert_eq!((of_the_platform.len(), &of_the_platform[0].ids[..]), (1, &["CLI-local-platform".to_owned()][..]));
    let others = changes(&system.other()).await;
    assert_eq!((others.len(), &others[0]["ids"]), (1, &json!(["CLI-local-other"])));
    let lying = rows(&system).await;
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().trim_start_matches("whsec_").to_owned();
    for needle in ["marker", "127.0.0.1", "52.20.30.40", "whsec_", &secret(&created["webhook"]), &secret(&rotated)] {
        assert!(!lying.contains(needle), "{needle}");
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_entry() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    let link = json!({
        "developerId": DEVELOPER,
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts"],
        "callbackURL": receiver.url(),
    });
    platform.put(&format!("/links/{LINK}"), link.clone()).await.expect(200);
    let before = changes(&developer).await;

    platform.put(&format!("/links/{LINK}"), link).await.expect(200);
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"], "dateFormat": "ISO" })).await.expect(200);
    developer.patch(&path, json!({ "callbackURL": receiver.url(), "status": "active" })).await.expect(200);
    // What is refused changes nothing either.
    developer.post("/configuration", json!({})).await.expect(409);
    developer.patch("/configuration", json!({ "removeFromIpAllowlist": ["127.0.0.1"] })).await.expect(409);
    developer.patch(&path, json!({ "callbackURL": "ftp://x" })).await.expect(400);
    developer.delete("/configuration/webhooks/WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5").await.expect(404);
    // Nor does a delivery, however many.
    for _ in 0..3 {
        system.platform_publish(DEVELOPER).await;
    }
    receiver.wait_for(3).await;
    system.settle().await;
    assert_eq!(changes(&developer).await, before);
}

#[tokio::test]
async fn a_webhook_that_tenday_disables_is_written_down_too() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.answer(410);
    system.platform_publish(DEVELOPER).await;
    system.settle().await;
    assert_eq!(developer.webhook(&webhook).await["status"], "disabled");
    let all = changes(&developer).await;
    let disabled: Vec<_> = all.iter().filter(|change| change["change"] == "webhook.disabled").collect();
    assert_eq!(disabled.len(), 1, "{all:#?}");
    assert_eq!((&disabled[0]["ids"], &disabled[0]["by"]), (&json!([webhook["id"]]), &json!({ "kind": "tenday" })));
}

#[tokio::test]
async fn a_list_of_changes_is_paged_newest_first_and_ends_after_its_days() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "dateFormat": "unix" })).await.expect(201);
    for n in 0..6 {
        system.run.advance(Duration::from_secs(1)).await.unwrap();
        developer.patch("/configuration", json!({ "name": format!("name {n}") })).await.expect(200);
    }
    let whole = changes(&developer).await;
    assert_eq!(whole.len(), 8);
    let times: Vec<_> = whole.iter().map(|change| change["time"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let (mut paged, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = developer.get(&format!("/configuration/audit?limit=3{cursor}")).await.expect(200);
        paged.extend(page["changes"].as_array().unwrap().clone());
        pages += 1;
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((paged, pages), (whole, 3));
    for bad in ["limit=0", "limit=101", "cursor=x", "cursor=RVZULTE", "since=1"] {
        let answer = developer.get(&format!("/configuration/audit?{bad}")).await;
        answer.expect_error(400, "api_error.request.malformed");
    }
    let answer = system.platform().get("/configuration/audit").await;
    answer.expect_error(403, "api_error.auth.insufficient_scope");
    system
        .request(Method::GET, "/configuration/audit", &[], None)
        .await
        .expect_error(401, "api_error.auth.unauthorized");

    system.advance(399 * DAY).await;
    assert_eq!(changes(&developer).await.len(), 8);
    // Without a configuration, too.
    developer.delete("/configuration").await.expect(200);
    system.advance(2 * DAY).await;
    let left = changes(&developer).await;
    assert_eq!((left.len(), &left[0]["change"]), (1, &json!("configuration.deleted")));
    assert!(left[0]["time"].is_string(), "in no format of theirs: {left:#?}");
}

#[tokio::test]
async fn whoever_deploys_says_for_how_many_days_changes_are_kept() {
    let parameters = [("AuditDays".to_owned(), "2".to_owned())].into();
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let developer = system.developer();
    developer.post("/configuration", json!({})).await.expect(201);
    system.advance(Duration::from_secs(2 * 86_400 - 60)).await;
    assert_eq!(changes(&developer).await[0]["change"], "configuration.created");
    system.advance(Duration::from_secs(61)).await;
    assert!(changes(&developer).await.iter().all(|change| change["change"] != "configuration.created"));
}

/// Makes a request whose function dies at its k-th call, for every k, after the call and on the way to it, and looks at
/// what is there then: the change with its entry, or neither.
#[tokio::test]
async fn a_crash_leaves_a_change_with_its_entry_or_neither() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    let mut number = 0;
    let mut done = 0;
    for what in ["configuration", "webhook", "rotation", "link"] {
        let function = match what {
            "configuration" => "Configuration",
            "link" => "Links",
            _ => "Webhooks",
        };
        for before in [true, false] {
            for call in 1.. {
                number += 1;
                let of_before = entries(&system).await;
                let state = seen(&developer, &platform, &path).await;
                if before {
                    system.run.kill_before_call(function, call);
                } else {
                    system.run.kill_after_calls(function, call);
                }
                let answer = match what {
                    "configuration" => developer.patch("/configuration", json!({ "name": number.to_string() })).await,
                    "webhook" => developer.patch(&path, json!({ "rateLimit": number })).await,
                    "rotation" => developer.post_nothing(&format!("{path}/secret/rotate")).await,
                    _ => {
                        let link = json!({
                            "developerId": DEVELOPER,
                            "environment": "sandbox",
                            "state": "connected",
                            "products": ["accounts"],
                            "tags": [number.to_string()],
                            "callbackURL": format!("{}/{number}", receiver.url()),
                        });
                        platform.put(&format!("/links/{LINK}"), link).await
                    }
                };
                system.run.disarm(function);
                let changed = seen(&developer, &platform, &path).await != state;
                let entries = entries(&system).await - of_before;
                let story = format!("{function} dies at call {call} of a {what} (before it: {before})");
                assert_eq!(entries, usize::from(changed), "{story}");
                done += usize::from(changed && answer.status >= 500);
                if answer.status < 500 {
                    assert!(changed, "{story}");
                    break;
                }
                assert!(call < 20, "{story}");
            }
        }
    }
    assert!(done >= 4, "of each kind one was done before its function died: {done}");
}

async fn entries(system: &System) -> usize {
    stored(system, Some(DEVELOPER)).await.len()
}

/// What there is of all that is changed here.
async fn seen(developer: &Caller<'_>, platform: &Caller<'_>, webhook: &str) -> Vec<Value> {
    let mut seen = vec![platform.get(&format!("/links/{LINK}")).await.body];
    for path in ["/configuration", webhook, &format!("{webhook}/secret")] {
        seen.push(developer.get(path).await.expect(200));
    }
    for answer in &mut seen {
        // Whose id is another in each answer.
        answer.as_object_mut().unwrap().remove("request_id");
    }
    seen
}
