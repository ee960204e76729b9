//! A deployment is found by its stack: against a stand-in for the services that a local run does not have, with everything
//! else answered by one.

use std::convert::Infallible;
use std::process::Command;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::{Value, json};
use tests::{System, plain_client};
use tokio::net::TcpListener;

/// What the child process of a test is told.
const ARGUMENTS: &str = "TENDAY_TEST_ARGUMENTS";
const OUTPUT: &str = "TENDAY_TEST_OUTPUT";

/// Not a test but the command, when a test starts it as a process of its own: its credentials and where AWS is are
/// variables of a process.
#[tokio::test]
async fn the_command_as_a_process() {
    let (Ok(arguments), Ok(file)) = (std::env::var(ARGUMENTS), std::env::var(OUTPUT)) else { return };
    let arguments =
        ["tenday".to_owned(), "operator".to_owned()].into_iter().chain(arguments.split(' ').map(str::to_owned));
    let mut output = Vec::new();
    let done = tenday::run(arguments, &mut output).await;
    let output = String::from_utf8(output).unwrap();
    let told = json!({ "output": output, "error": done.err().map(|error| error.to_string()) });
    std::fs::write(file, told.to_string()).unwrap();
}

/// CloudFormation, STS, Lambda, CloudWatch and Logs, as far as the command asks them.
struct Aws {
    url: String,
    /// The services that signed requests were for.
    signed_for: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    async fn start(system: &System, version: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let resources = system.request(http::Method::GET, "/_local/resources", &[], None).await.expect(200);
        let outputs = system.request(http::Method::GET, "/_local/outputs", &[], None).await.expect(200);
        let answers = Arc::new((resources, outputs, version));
        let signed_for: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&signed_for);
        let local = system.run.endpoint_url().to_owned();
        let http = plain_client().build().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = (local.clone(), http.clone(), Arc::clone(&answers), Arc::clone(&seen));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (local, http, answers, seen) = state.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                        let header = |name: &str| {
                            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
                        };
                        let scope = header("authorization");
                        let service = scope.split('/').nth(3).unwrap_or_default().to_owned();
                        seen.lock().unwrap().push(service);
                        let target = header("x-amz-target");
                        let text = String::from_utf8_lossy(&body).into_owned();
                        let answered = match canned(&answers, &target, &path, &text) {
                            Some((status, answer)) => Response::builder()
                                .status(status)
                                .header("date", jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap())
                                .body(Full::new(Bytes::from(answer)))
                                .unwrap(),
                            None => {
                                let mut forwarded = http.request(parts.method, format!("{local}{path}")).body(body);
                                for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "host") {
                                    forwarded = forwarded.header(name, value);
                                }
                                let answer = forwarded.send().await.unwrap();
                                let mut response = Response::builder().status(answer.status());
                                for (name, value) in
                                    answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding")
                                {
                                    response = response.header(name, value);
                                }
                                response.body(Full::new(answer.bytes().await.unwrap())).unwrap()
                            }
                        };
                        Ok::<_, Infallible>(answered)
                    }
                });
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, signed_for }
    }

    /// Runs the command against this stand-in, as an operator with credentials does.
    async fn run(&self, arguments: &str) -> Result<String, String> {
        let told = self.told(arguments).await;
        match told["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(told["output"].as_str().unwrap().to_owned()),
        }
    }

    /// What it printed and how it failed, if it did.
    async fn told(&self, arguments: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let (file, arguments) = (folder.path().join("told"), arguments.to_owned());
        let (url, told) = (self.url.clone(), file.clone());
        let ended = tokio::task::spawn_blocking(move || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "operator_stack::the_command_as_a_process", "--nocapture"])
                .env(ARGUMENTS, arguments)
                .env(OUTPUT, file)
                .env("AWS_ENDPOINT_URL", url)
                .env("AWS_ACCESS_KEY_ID", "LOCALoperator-by-stack.0")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .env("AWS_CONFIG_FILE", "/nonexistent")
                .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
                .env_remove("TENDAY_STACK")
                .env_remove("SETTINGS_TABLE")
                .output()
                .unwrap()
        });
        let ended = ended.await.unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_str(&std::fs::read_to_string(told).unwrap()).unwrap()
    }
}

/// What these services answer; nothing where a local run does.
fn canned(
    (resources, outputs, version): &(Value, Value, &str),
    target: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let has = |part: &str| body.contains(part);
    if has("Action=GetCallerIdentity") {
        let arn = "arn:aws:sts::111122223333:assumed-role/operator/jane";
        let answer = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>A:jane</UserId><Account>111122223333</Account></GetCallerIdentityResult>\
             </GetCallerIdentityResponse>"
        );
        return Some((200, answer));
    }
    if has("Action=DescribeStacks") {
        if !has("StackName=tenday&") && !body.ends_with("StackName=tenday") {
            let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id nobody \
                         does not exist</Message></Error></ErrorResponse>";
            return Some((400, error.to_owned()));
        }
        let mut members = String::new();
        for (name, value) in outputs.as_object().unwrap() {
            let value = if name == "Version" { version } else { value.as_str().unwrap() };
            members
                .push_str(&format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>"));
        }
        let answer = format!(
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>tenday</StackName>\
             <StackId>arn:aws:cloudformation:us-east-1:111122223333:stack/tenday/1</StackId>\
             <StackStatus>UPDATE_COMPLETE</StackStatus><Outputs>{members}</Outputs><Parameters/></member></Stacks>\
             </DescribeStacksResult></DescribeStacksResponse>"
        );
        return Some((200, answer));
    }
    if has("Action=ListStackResources") {
        // In two pages, as CloudFormation does it with more than a hundred.
        let (mut members, mut token) = (String::new(), "");
        let all: Vec<(&String, &str)> =
            resources.as_object().unwrap().iter().map(|(id, name)| (id, name.as_str().unwrap())).collect();
        let (first, second) = all.split_at(all.len() / 2);
        let page = if has("nested") {
            members.push_str(&member("Backlog", "tenday-backlog"));
            &[]
        } else if has("NextToken=more") {
            second
        } else {
            token = "<NextToken>more</NextToken>";
            first
        };
        for (id, name) in page.iter().filter(|(id, _)| *id != "Alarms") {
            members.push_str(&member(id, name));
        }
        if token.is_empty() && !has("nested") {
            for id in ["Deliver", "Links"] {
                let name = resources[id].as_str().unwrap();
                let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:{name}:live");
                members.push_str(&member(&format!("{id}Aliaslive"), &arn));
            }
            members.push_str(&member("Alarms", "arn:aws:cloudformation:us-east-1:111122223333:stack/nested/2"));
        }
        let answer = format!(
            "<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>{members}\
             </StackResourceSummaries>{token}</ListStackResourcesResult></ListStackResourcesResponse>"
        );
        return Some((200, answer));
    }
    if has("Action=DescribeAlarms") {
        let answer = "<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms><member>\
                      <AlarmName>tenday-backlog</AlarmName><StateValue>ALARM</StateValue><ActionsEnabled>true\
                      </ActionsEnabled><StateReason>it is long</StateReason></member></MetricAlarms>\
                      </DescribeAlarmsResult></DescribeAlarmsResponse>";
        return Some((200, answer.to_owned()));
    }
    if has("Action=GetMetricStatistics") {
        let age = if has("RetriesQueue") { "4000.0" } else { "3.0" };
        let answer = format!(
            "<GetMetricStatisticsResponse><GetMetricStatisticsResult><Datapoints><member>\
             <Timestamp>2026-11-28T06:00:00Z</Timestamp><Maximum>{age}</Maximum></member></Datapoints>\
             </GetMetricStatisticsResult></GetMetricStatisticsResponse>"
        );
        return Some((200, answer));
    }
    if path.starts_with("/2015-03-31/functions/") {
        let architecture = if path.contains("Deliver/") { "x86_64" } else { "arm64" };
        // Of a version of Links, from before the level was changed.
        let level = if path.contains("Links/") && path.ends_with("?Qualifier=live") { "info" } else { "warn" };
        let variables = json!({ "Variables": { "AWS_LAMBDA_LOG_LEVEL": level } });
        let answer = json!({ "State": "Active", "Architectures": [architecture], "Environment": variables });
        return Some((200, answer.to_string()));
    }
    // A mapping is the alias's.
    if path.starts_with("/2015-03-31/event-source-mappings/") && path.contains("Deliver") && !path.ends_with("%3Alive")
    {
        return Some((200, json!({ "EventSourceMappings": [] }).to_string()));
    }
    if path.starts_with("/2015-03-31/event-source-mappings/") {
        let queue = |name: &str| {
            let url = resources[name].as_str().unwrap();
            format!("arn:aws:sqs:us-east-1:111122223333:{}", url.rsplit('/').next().unwrap())
        };
        let mappings = json!([
            { "EventSourceArn": queue("DeliveriesQueue"), "State": "Enabled" },
            { "EventSourceArn": queue("RetriesQueue"), "State": "Disabled" },
        ]);
        return Some((200, json!({ "EventSourceMappings": mappings }).to_string()));
    }
    if target == "Logs_20140328.StartQuery" {
        return Some((200, json!({ "queryId": if has("attempt = 1") { "events" } else { "attempts" } }).to_string()));
    }
    if target == "Logs_20140328.GetQueryResults" {
        let field = |name: &str, value: &str| json!({ "field": name, "value": value });
        let row = if has("events") {
            vec![field("developer", "DEV-acme"), field("events", "40")]
        } else {
            vec![field("developer", "DEV-acme"), field("attempts", "50"), field("bytes", "51200.0")]
        };
        let answer = json!({
            "status": "Complete", "results": [row], "statistics": { "bytesScanned": 1_000_000_000.0 },
        });
        return Some((200, answer.to_string()));
    }
    // A backup is nothing that a local run has.
    if target.ends_with("DescribeContinuousBackups") {
        let recovery = json!({ "PointInTimeRecoveryStatus": "DISABLED" });
        let backups = json!({ "ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery });
        return Some((200, json!({ "ContinuousBackupsDescription": backups }).to_string()));
    }
    None
}

fn member(id: &str, name: &str) -> String {
    format!(
        "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{name}</PhysicalResourceId>\
         <ResourceStatus>UPDATE_COMPLETE</ResourceStatus></member>"
    )
}

#[tokio::test]
async fn everything_of_a_deployment_is_found_by_its_stack() {
    let system = System::start().await;
    let aws = Aws::start(&system, env!("CARGO_PKG_VERSION")).await;
    let by_stack = |command: &str| format!("--stack tenday --region us-east-1 --json {command}");

    let listed: Value = serde_json::from_str(&aws.run(&by_stack("developers list")).await.unwrap()).unwrap();
    assert_eq!(listed["developers"], json!(["DEV-local-developer", "DEV-local-other"]), "{listed:#}");
    let usage = aws.run(&by_stack("usage --from 2026-11-01 --to 2026-11-30")).await.unwrap();
    let usage: Value = serde_json::from_str(&usage).unwrap();
    let acme = json!({ "developerId": "DEV-acme", "events": 40, "attempts": 50, "bytes": 51200 });
    assert_eq!(usage["developers"], json!([acme]), "{usage:#}");
    assert_eq!(usage["dollars"], 0.01, "two gigabytes: {usage:#}");

    // What is wrong with it is told, each with what to do.
    let told = aws.told("--stack tenday --region us-east-1 doctor").await;
    assert!(told["error"].as_str().unwrap().ends_with("check(s) failed"));
    let text = told["output"].as_str().unwrap();
    let stale = "FAIL  Links: serves older code or settings than it was given last: bash infra/stack.sh set\n";
    assert!(text.contains(stale), "{text}");
    assert!(text.contains("ok    Deliver: gets what comes by "), "{text}");
    assert!(!text.contains("Deliver: serves older"), "{text}");
    let policy = aws.run(&by_stack("policy developers erase")).await.unwrap();
    let table =
        format!("arn:aws:dynamodb:us-east-1:111122223333:table/{}", system.run.output("SettingsTableName").unwrap());
    assert!(policy.contains(&table), "{policy}");

    // What an operator does is written down by the name that AWS knows them by.
    let client: Value =
        serde_json::from_str(&aws.run(&by_stack("clients create --developer DEV-acme")).await.unwrap()).unwrap();
    assert_eq!(client["developerId"], "DEV-acme", "{client:#}");
    let audit: Value = serde_json::from_str(&aws.run(&by_stack("audit --developer DEV-acme")).await.unwrap()).unwrap();
    let jane = json!({ "kind": "operator", "name": "arn:aws:sts::111122223333:assumed-role/operator/jane" });
    assert_eq!(audit["entries"][0]["by"], jane, "{audit:#}");

    for service in ["cloudformation", "sts", "lambda", "monitoring", "logs"] {
        assert!(aws.signed_for.lock().unwrap().iter().any(|signed| signed == service), "{service}");
    }

    // Somebody else's account or region, and no name at all.
    let nobody = aws.run("--stack nobody --region us-east-1 developers list").await.unwrap_err();
    assert!(nobody.starts_with("there is no stack nobody for arn:aws:sts::111122223333:"), "{nobody}");
    let none = aws.run("--region us-east-1 developers list").await.unwrap_err();
    assert!(none.starts_with("which deployment?"), "{none}");
}

#[tokio::test]
async fn a_stack_of_another_release_is_looked_at_and_not_changed() {
    let system = System::start().await;
    let aws = Aws::start(&system, "9.9.0").await;
    assert!(aws.run("--stack tenday --region us-east-1 developers list").await.is_ok());
    for command in ["dead-letters replay", "developers erase DEV-local-developer --yes", "keys rotate --data-key"] {
        let refused = aws.run(&format!("--stack tenday --region us-east-1 {command}")).await.unwrap_err();
        assert!(refused.starts_with("the deployment is of version 9.9.0"), "{command}: {refused}");
    }
}

/// What a deployment says that it is, and what the tool is.
#[tokio::test]
async fn the_deployments_version_is_the_tools() {
    let system = System::start().await;
    assert_eq!(system.run.output("Version"), Some(env!("CARGO_PKG_VERSION")));
}
