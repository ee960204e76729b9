//! An operator brings developers along from elsewhere, by `tenday operator import`: their receivers go on as they are, whatever
//! is wrong with a line is told by its number, and nothing is ever made twice.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenday::{AdminError, TendayError};
use tenday_store::{Aws, Settings};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";

struct Operator<'a> {
    system: &'a System,
    folder: TempDir,
}

impl<'a> Operator<'a> {
    /// The first token makes the key that seals secrets.
    async fn of(system: &'a System) -> Self {
        system.platform().token().await;
        Self { system, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `tenday operator --json import` prints, and how it ends.
    async fn ends(&self, name: &str, text: impl AsRef<[u8]>, options: &[&str]) -> (Value, Result<(), TendayError>) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        let local = format!("--local={}", self.system.run.base_url());
        let path = path.to_string_lossy().into_owned();
        let mut arguments = vec!["tenday", "operator", "--json", "import", &path, &local];
        arguments.extend(options);
        let mut output = Vec::new();
        let ended = tenday::run(arguments, &mut output).await;
        (serde_json::from_slice(&output).unwrap_or_default(), ended)
    }

    /// An import of which nothing is refused: how many configurations and webhooks were made, and were there.
    async fn import(&self, name: &str, text: &str, options: &[&str]) -> [u64; 4] {
        let (summary, ended) = self.ends(name, text, options).await;
        ended.unwrap_or_else(|error| panic!("{error}: {summary:#}"));
        counts(&summary)
    }

    /// An import of which lines are refused: their numbers, and what is wrong at which field.
    async fn refused(&self, name: &str, text: impl AsRef<[u8]>, options: &[&str]) -> Vec<(u64, String)> {
        let (summary, ended) = self.ends(name, text, options).await;
        assert!(matches!(ended, Err(TendayError::Operator(AdminError::Refused { .. }))), "{ended:?}");
        let problems = |refusal: &Value| {
            let problems = refusal["problems"].as_array().unwrap().iter();
            let told = problems.map(|problem| {
                format!("{}: {}", problem["at"].as_str().unwrap_or_default(), problem["message"].as_str().unwrap())
            });
            (refusal["line"].as_u64().unwrap(), told.collect::<Vec<_>>().join("; "))
        };
        summary["refusals"].as_array().unwrap().iter().map(problems).collect()
    }

    async fn settings(&self) -> Settings {
        let outputs = self.system.request(Method::GET, "/_local/outputs", &[], None).await.expect(200);
        let table = outputs["SettingsTableName"].as_str().unwrap().to_owned();
        Settings::new(&Aws::at(self.system.run.endpoint_url()), table)
    }
}

fn counts(summary: &Value) -> [u64; 4] {
    ["/configurations/made", "/configurations/there", "/webhooks/made", "/webhooks/there"]
        .map(|count| summary.pointer(count).and_then(Value::as_u64).unwrap())
}

fn secret_of(seed: u8) -> String {
    format!("whsec_{}", STANDARD.encode([seed; 32]))
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Publishes to the developer, and the receiver verifies with this secret what it gets.
async fn is_verified(system: &System, receiver: &Receiver, developer: &str, secret: &str) {
    let before = receiver.received().len();
    system.platform_publish(developer).await;
    let received = receiver.wait_for(before + 1).await.remove(before);
    standardwebhooks::Webhook::new(secret).unwrap().verify(&received.body, &received.headers).unwrap();
    system.settle().await;
}

#[tokio::test]
async fn a_receiver_verifies_with_the_secret_that_was_imported_from_json_lines() {
    let (system, receiver) = (System::start().await, Receiver::start().await);
    let operator = Operator::of(&system).await;
    let secret = secret_of(1);
    let file = lines(&[
        json!({ "developerId": DEVELOPER, "configuration": { "ipAllowlist": ["127.0.0.1"] } }),
        json!({
            "developerId": DEVELOPER,
            "webhook": { "callbackURL": receiver.url(), "secret": secret, "headers": { "x-key": "k" }, "rateLimit": 9 },
        }),
        json!({
            "developerId": DEVELOPER,
            "disabled": true,
            "webhook": { "callbackURL": receiver.url(), "eventNames": ["DATA_UPDATES"] },
        }),
        json!({
            "developerId": "DEV-another",
            "configuration": { "ipAllowlist": ["127.0.0.1"] },
            "webhook": { "callbackURL": receiver.url() },
        }),
    ]);
    // A dry run says the same, and makes nothing.
    assert_eq!(operator.import("a.jsonl", &file, &["--dry-run"]).await, [2, 0, 3, 0]);
    system.developer().get("/configuration").await.expect_error(404, "configuration_error.not_found");
    assert_eq!(operator.import("a.jsonl", &file, &[]).await, [2, 0, 3, 0]);
    is_verified(&system, &receiver, DEVELOPER, &secret).await;

    let developer = system.developer();
    let list = developer.get(WEBHOOKS).await.expect(200)["webhooks"].clone();
    let statuses: Vec<_> = list.as_array().unwrap().iter().map(|webhook| webhook["status"].clone()).collect();
    assert!(statuses.contains(&json!("active")) && statuses.contains(&json!("disabled")), "{list:#}");
    // Again, there is nothing to be made: not if one was moved since, and not if one is written otherwise.
    assert_eq!(operator.import("a.jsonl", &file, &["--dry-run"]).await, [0, 2, 0, 3]);
    let active = list.as_array().unwrap().iter().find(|webhook| webhook["status"] == "active").unwrap();
    let path = format!("{WEBHOOKS}/{}", active["id"].as_str().unwrap());
    developer.patch(&path, json!({ "callbackURL": format!("{}/moved", receiver.url()) })).await.expect(200);
    let respelled = file.replace("http://127", "HTTP://127");
    assert_eq!(operator.import("a.jsonl", &respelled, &[]).await, [0, 2, 0, 3]);
    assert_eq!(developer.get(WEBHOOKS).await.expect(200)["webhooks"].as_array().unwrap().len(), 2);
    for line in system.run.logs() {
        assert!(!line.text.contains(secret.trim_start_matches("whsec_")), "{}", line.text);
    }
    crate::operator::assert_policy_fits(&system, "import", "operator-import").await;
}

#[tokio::test]
async fn rows_of_csv_are_made_and_broken_ones_told_by_their_lines() {
    let (system, receiver) = (System::start().await, Receiver::start().await);
    let operator = Operator::of(&system).await;
    let (secret, url) = (secret_of(2), receiver.url());
    let mut file = b"\xef\xbb\xbf".to_vec();
    let rows = format!(
        "developerId,configuration.ipAllowlist,webhook.callbackURL,webhook.eventNames,webhook.secret,webhook.headers\r\n\
         {DEVELOPER},127.0.0.1,{url},,{secret},\"{{\"\"x-key\"\": \"\"a, b\"\"}}\"\r\n\
         {DEVELOPER},,{url}/2,\"DATA_UPDATES\r\n\
         {DEVELOPER},,{url}/3,,\r\n\
         \r\n\
         {DEVELOPER},,{url}/4,,whsec_c2hvcnQ=,\r\n\
         {DEVELOPER},,{url}/5,nothing.ever,,\r\n\
         {DEVELOPER},,{url}/6,ITEM.ERROR ACCOUNTS.ADDED,,\r\n"
    );
    file.extend(rows.as_bytes());
    file.extend(format!("{DEVELOPER},,{url}/").as_bytes());
    file.extend(b"caf\xe9,,,\n");
    file.extend(format!("{DEVELOPER},,{url}/{},,,\n", "x".repeat(300_000)).as_bytes());
    let report = operator.path("refused.jsonl");
    let (summary, ended) = operator.ends("a.csv", &file, &["--report", &report.to_string_lossy()]).await;
    let ended = ended.unwrap_err();
    assert!(matches!(ended, TendayError::Operator(AdminError::Refused { lines: 6 })), "{ended}: {summary:#}");
    assert_eq!(counts(&summary), [1, 0, 2, 0], "{summary:#}");
    is_verified(&system, &receiver, DEVELOPER, &secret).await;

    let told = fs::read_to_string(&report).unwrap();
    let mut told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.sort_by_key(|refusal| refusal["line"].as_u64());
    let problem = |refusal: &Value| {
        let problem = &refusal["problems"][0];
        (refusal["line"].as_u64().unwrap(), problem["at"].clone(), problem["message"].as_str().unwrap().to_owned())
    };
    let told: Vec<_> = told.iter().map(problem).collect();
    let expected = [
        (3, Value::Null, "a quote is opened and not closed in its line"),
        (4, Value::Null, "the row has 5 cells, and the header 6 columns"),
        (6, json!("webhook.secret"), "not a signing secret"),
        (7, json!("webhook.eventNames.0"), "your configuration's type has no such event"),
        (9, Value::Null, "the line is not UTF-8, from its byte"),
        (10, Value::Null, "the line is longer than 262144 bytes"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, (line, at, message)) in told.iter().zip(expected) {
        assert!(told.0 == line && told.1 == at && told.2.starts_with(message), "{told:?}");
    }
    // Corrected, the rest is made, and nothing twice.
    let corrected = format!(
        "developerId,webhook.callbackURL,webhook.secret\n\
         {DEVELOPER},{url},{secret}\n{DEVELOPER},{url}/2,\n{DEVELOPER},{url}/4,{}\n",
        secret_of(3)
    );
    assert_eq!(operator.import("a.csv", &corrected, &[]).await, [0, 0, 2, 1]);
}

#[tokio::test]
async fn what_comes_from_svix_keeps_its_receivers() {
    let (system, receiver) = (System::start().await, Receiver::start().await);
    let operator = Operator::of(&system).await;
    let secret = secret_of(4);
    let application = |id: &str, uid: Value| {
        json!({ "application": {
            "id": id, "uid": uid, "name": "Acme", "throttleRate": null, "metadata": {},
            "createdAt": "2019-08-24T14:15:22Z", "updatedAt": "2019-08-24T14:15:22Z",
        } })
    };
    let endpoint = |app: &str, path: &str, events: Value, secret: &str| {
        json!({
            "app_id": app,
            "endpoint": {
                "id": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2", "uid": null, "url": format!("{}{path}", receiver.url()),
                "description": "", "eventTypes": events, "channels": null, "disabled": false, "throttleRate": null,
                "metadata": {}, "createdAt": "2019-08-24T14:15:22Z", "updatedAt": "2019-08-24T14:15:22Z",
            },
            "secret": { "key": secret },
            "headers": { "headers": { "x-key": "k" }, "sensitive": [] },
        })
    };
    let file = lines(&[
        application("app_1", json!("local-developer")),
        application("app_2", Value::Null),
        endpoint("app_1", "", Value::Null, &secret),
        endpoint("app_2", "", json!(["DATA_UPDATES"]), secret_of(5).trim_start_matches("whsec_")),
        endpoint("app_3", "", Value::Null, &secret),
        endpoint("app_2", "/2", json!(["user.signup"]), &secret),
    ]);
    let options = ["--format", "svix", "--ip-allowlist", "127.0.0.1"];
    let refused = operator.refused("export", &file, &options).await;
    assert_eq!(refused[0], (5, "app_id: no application of this id stands before it".to_owned()));
    assert!(refused[1].0 == 6 && refused[1].1.starts_with("webhook.eventNames.0: your configuration's"), "{refused:?}");
    is_verified(&system, &receiver, DEVELOPER, &secret).await;
    let right: String = file.split_inclusive('\n').take(4).collect();
    assert_eq!(operator.import("export", &right, &options).await, [0, 2, 0, 2]);
    let settings = operator.settings().await;
    let second = settings.read(&"DEV-app_2".parse().unwrap(), Timestamp::now()).await.unwrap().unwrap();
    assert_eq!((second.webhooks.len(), second.configuration.name.as_deref()), (1, Some("Acme")));
}

#[tokio::test]
async fn the_rules_of_the_routes_hold_and_nothing_is_half_made() {
    let (system, receiver) = (System::start().await, Receiver::start().await);
    let operator = Operator { system: &system, folder: tempfile::tempdir().unwrap() };
    let (_, ended) = operator.ends("a.jsonl", "", &[]).await;
    assert!(ended.unwrap_err().to_string().starts_with("the deployment has no key for secrets yet"));
    let operator = Operator::of(&system).await;
    let url = receiver.url();
    let webhook = |webhook: Value| json!({ "developerId": "DEV-a", "webhook": webhook });
    let both = |configuration: Value, webhook: Value| json!({ "developerId": "DEV-a", "configuration": configuration, "webhook": webhook });
    let allowed = json!({ "ipAllowlist": ["127.0.0.1"] });
    let file = lines(&[
        webhook(json!({ "callbackURL": url })),
        both(json!({}), json!({ "callbackURL": url })),
        both(allowed.clone(), json!({ "callbackURL": "ftp://example.com/" })),
        both(allowed.clone(), json!({ "callbackURL": "https://hooks.tenday.example/x" })),
        both(allowed.clone(), json!({ "callbackURL": url, "headers": { "webhook-id": "s3cr3t" } })),
        both(json!({ "ipAllowlist": ["10.0.0.1", "no"] }), json!({ "callbackURL": url })),
        both(json!({ "type": "nobody" }), json!({ "callbackURL": url })),
    ]);
    let own = ["--api-url", "https://hooks.tenday.example"];
    let refused = operator.refused("a.jsonl", &file, &own).await;
    let told: Vec<(u64, bool)> = refused
        .iter()
        .zip([
            "configuration: the developer has no configuration",
            "webhook: A webhook needs at least one address",
            "webhook.callbackURL: the URL must begin with https://",
            "webhook.callbackURL: the URL points at this API itself",
            "webhook.headers.webhook-id: this header is set by us",
            "configuration.ipAllowlist.0: ",
            "configuration.type: type is plaid, ",
        ])
        .map(|((line, told), begin)| (*line, told.starts_with(begin) && !told.contains("s3cr3t")))
        .collect();
    assert_eq!(told, (1..=7).map(|line| (line, true)).collect::<Vec<_>>(), "{refused:#?}");
    let settings = operator.settings().await;
    let developer = "DEV-a".parse().unwrap();
    assert_eq!(settings.read(&developer, Timestamp::now()).await.unwrap(), None, "nothing is half made");

    // A hundred webhooks are taken, and no more; another secret or configuration is told, and changes nothing.
    let mut many = lines(&[json!({ "developerId": "DEV-a", "configuration": allowed })]);
    many.extend((0..101).map(|n| format!("{}\n", webhook(json!({ "callbackURL": format!("{url}/{n}") })))));
    let dry = operator.refused("a.jsonl", &many, &["--dry-run"]).await;
    let refused = operator.refused("a.jsonl", &many, &[]).await;
    assert_eq!(dry, refused);
    assert!(matches!(&refused[..], [(102, told)] if told.contains("at most 100 webhooks")), "{refused:?}");
    let changed = lines(&[
        webhook(json!({ "callbackURL": format!("{url}/1"), "secret": secret_of(6) })),
        json!({ "developerId": "DEV-a", "configuration": { "type": "mx", "ipAllowlist": ["127.0.0.1"] } }),
    ]);
    let refused = operator.refused("a.jsonl", &changed, &[]).await;
    assert!(refused[0].1.starts_with("webhook.secret: the developer has this webhook already"), "{refused:?}");
    assert!(refused[1].1.starts_with("configuration: the developer has another configuration"), "{refused:?}");

    for (name, text, expected) in [
        ("a.csv", "DEV-a,secret\n", "column 1 of the header is none of developerId"),
        ("a.txt", "", "how is the file written? Give --format"),
        ("a.csv", "\u{feff}developerId\r\n", ""),
    ] {
        let (_, ended) = operator.ends(name, text, &[]).await;
        let ended = ended.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(ended.starts_with(expected) && ended.is_empty() == expected.is_empty(), "{name}: {ended}");
    }
    let file = operator.path("a.csv").to_string_lossy().into_owned();
    let (_, ended) = operator.ends("a.csv", "developerId\n", &["--report", &file]).await;
    assert!(ended.unwrap_err().to_string().ends_with("it is the file that is imported"));
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_when_it_is_started_again() {
    let system = System::start().await;
    let operator = Operator::of(&system).await;
    let developers: Vec<String> = (0..20).map(|n| format!("DEV-d{n}")).collect();
    let mut file = String::new();
    for n in 0..100 {
        for developer in &developers {
            let configuration = json!({ "ipAllowlist": ["127.0.0.1"] });
            let webhook = json!({ "callbackURL": format!("http://127.0.0.1:8080/{n}"), "secret": secret_of(7) });
            let line = json!({ "developerId": developer, "configuration": configuration, "webhook": webhook });
            writeln!(file, "{line}").unwrap();
        }
    }
    let settings = operator.settings().await;
    let made = async |developer: &str| {
        let found = settings.read(&developer.parse().unwrap(), Timestamp::now()).await.unwrap();
        found.map_or(0, |found| found.webhooks.len())
    };
    let begun = async |webhooks: usize| while made("DEV-d7").await < webhooks {};
    for webhooks in [1, 30] {
        tokio::select! {
            ended = operator.ends("a.jsonl", &file, &["--workers", "4"]) => panic!("it is not killed: {ended:?}"),
            () = begun(webhooks) => {}
        }
    }
    let before = made("DEV-d7").await;
    assert!((30..100).contains(&before), "it is killed half-way: {before}");
    let [configurations, configurations_there, webhooks, there] = operator.import("a.jsonl", &file, &[]).await;
    assert_eq!((configurations + configurations_there, webhooks + there), (2000, 2000));
    assert!(there >= 30 && webhooks > 0, "{webhooks} made, {there} there");
    assert_eq!(operator.import("a.jsonl", &file, &[]).await, [0, 2000, 0, 2000]);
    for developer in &developers {
        assert_eq!(made(developer).await, 100, "{developer}");
    }
    // Two at once make nothing twice either.
    let file = file.replace(":8080", ":8081").replace("DEV-d", "DEV-e");
    let (one, other) = tokio::join!(operator.import("b.jsonl", &file, &[]), operator.import("c.jsonl", &file, &[]));
    assert_eq!(one[2] + one[3], 2000, "{one:?}");
    assert_eq!(one[2] + other[2], 2000, "{one:?} {other:?}");
    assert_eq!(made("DEV-e3").await, 100);
}
