//! The repository's own template, and one test for each mistake, with its line.

use super::*;

/// Line numbers in the tests below are those of this text.
const BASE: &str = r#"AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, live] }
  Many: { Type: Number, Default: 5, MinValue: 2, MaxValue: 10 }
  Zones: { Type: CommaDelimitedList, Default: "a, b" }
Conditions:
  IsLive: !Equals [!Ref Stage, live]
  IsDev: !Not [!Condition IsLive]
  Either: !Or [!Condition IsLive, { Condition: IsDev }]
  Both: !And [!Condition IsLive, !Condition IsDev]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 10
    Environment:
      Variables:
        EVERYWHERE: yes
        STAGE: !Ref Stage
Resources:
  Api: { Type: AWS::Serverless::HttpApi }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      DelaySeconds: 5
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
  Dead: { Type: AWS::SQS::Queue }
  LiveOnly: { Type: AWS::SQS::Queue, Condition: IsLive }
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/work
      Environment:
        Variables:
          STAGE: !Sub "${Stage}-${Jobs.QueueName}-${!kept}"
          LIVE: !If [IsLive, !Ref LiveOnly, !Ref AWS::NoValue]
          ARN: !GetAtt [Jobs, Arn]
          LONG: { "Fn::Join": ["/", [{ Ref: "AWS::Region" }, { "Fn::GetAtt": Things.Arn }]] }
          ZONES: !Join [" ", !Ref Zones]
          GIVEN: !Sub ["${x}!", { x: !Ref Many }]
      Events:
        Get: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: "/things/{id}", Method: get } }
        Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /things, Method: ANY } }
        Rest: { Type: HttpApi }
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 100
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: !Ref Many }
Outputs:
  Url: { Value: !Ref Jobs }
"#;

fn read(text: &str, parameters: &[(&str, &str)]) -> Result<Template, TemplateError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("template.yaml");
    std::fs::write(&path, text).unwrap();
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&path, &parameters, "http://127.0.0.1:4310/")
}

/// The base with one change, which must be found on `line` with a message that contains `part`.
#[track_caller]
fn refused(from: &str, to: &str, line: usize, part: &str) {
    assert!(BASE.contains(from), "the base has no {from}");
    let changed = BASE.replacen(from, to, 1);
    match read(&changed, &[]) {
        Err(TemplateError::Wrong { line: found, problem, .. }) => {
            assert!(problem.contains(part), "line {found}: {problem}");
            assert_eq!(found, line, "{problem}");
        }
        other => panic!("expected a refusal with {part:?}, got {other:?}"),
    }
}

#[test]
fn the_repository_s_template_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let template = load(&path, &BTreeMap::new(), "http://127.0.0.1:4310").unwrap();
    let names = template.functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>();
    assert!(names.contains(&"tenday-Deliver"), "{names:?}");
    assert!(template.routes.iter().any(|route| route.path == "$default" && route.method.is_none()));
    assert!(template.tables.iter().all(|table| table.ttl_attribute.is_some()));
    let deliver = template.functions.iter().find(|function| function.logical_id == "Deliver").unwrap();
    assert_eq!(deliver.environment["RETRIES_QUEUE_URL"], "http://127.0.0.1:4310/000000000000/tenday-RetriesQueue");
    assert_eq!(deliver.environment["SCHEDULE_GROUP"], "tenday-retries");
    assert_eq!(deliver.environment["SETTINGS_TABLE"], "tenday-SettingsTable");
    assert_eq!(deliver.environment["KEYRING_KEY"], template.keys[0].arn);
    assert_eq!(template.schedule_groups, ["tenday-retries"]);
    assert!(template.mappings.iter().all(|mapping| mapping.report_batch_item_failures));
    let retries = template.queues.iter().find(|queue| queue.logical_id == "RetriesQueue").unwrap();
    assert_eq!(
        retries.redrive.as_ref().unwrap().dead_letter_arn,
        "arn:aws:sqs:us-east-1:000000000000:tenday-RetriesDeadLetters"
    );
    assert_eq!(template.outputs["DeliveriesQueueUrl"], "http://127.0.0.1:4310/000000000000/tenday-DeliveriesQueue");
    assert_eq!(template.roles["SchedulerRole"], "arn:aws:iam::000000000000:role/tenday-SchedulerRole");
}

#[test]
fn the_repository_s_template_loads_with_all_that_is_off_by_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let parameters = ["IngestIsOn", "StaticEgress", "DashboardIsOn", "KeepTables"].map(|name| (name, "true"));
    let parameters = parameters.into_iter().chain([("AlarmEmail", "a@example.com")]);
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let template = load(&path, &parameters, "http://127.0.0.1:4310").unwrap();
    let ingest = template.mappings.iter().find(|mapping| mapping.function == "Ingest").unwrap();
    assert_eq!(ingest.queue_arn, "arn:aws:sqs:us-east-1:000000000000:tenday-IngestQueue");
    assert!(template.outputs.contains_key("IngestQueueUrl") && template.outputs.contains_key("EgressAddresses"));
    let without = load(&path, &BTreeMap::new(), "http://127.0.0.1:4310").unwrap();
    assert!(without.functions.iter().all(|function| function.logical_id != "Ingest"));
}

#[test]
fn everything_is_resolved() {
    let template = read(BASE, &[]).unwrap();
    let work = &template.functions[0];
    assert_eq!(work.timeout, Duration::from_secs(10), "from Globals");
    assert_eq!(work.environment["EVERYWHERE"], "yes");
    assert_eq!(work.environment["STAGE"], "dev-tenday-Jobs-${kept}", "the function's own wins");
    assert!(!work.environment.contains_key("LIVE"), "NoValue leaves it out");
    assert_eq!(work.environment["ARN"], "arn:aws:sqs:us-east-1:000000000000:tenday-Jobs");
    assert_eq!(work.environment["LONG"], "us-east-1/arn:aws:dynamodb:us-east-1:000000000000:table/tenday-Things");
    assert_eq!(work.environment["ZONES"], "a b");
    assert_eq!(work.environment["GIVEN"], "5!");
    let queue = template.queues.iter().find(|queue| queue.logical_id == "Jobs").unwrap();
    assert_eq!((queue.visibility_timeout, queue.delay), (Duration::from_secs(60), Duration::from_secs(5)));
    assert_eq!(queue.redrive.as_ref().unwrap().max_receive_count, 3);
    assert_eq!(queue.retention, Duration::from_secs(345_600), "AWS's default");
    let routes = template.routes.iter().map(|route| (route.method.as_deref(), route.path.as_str())).collect::<Vec<_>>();
    assert_eq!(routes, [(Some("GET"), "/things/{id}"), (None, "/things"), (None, "$default")]);
    let mapping = &template.mappings[0];
    assert_eq!((mapping.batch_size, mapping.window), (100, Duration::from_secs(2)));
    assert_eq!((mapping.maximum_concurrency, mapping.report_batch_item_failures), (Some(5), true));
    assert_eq!(template.tables[0].create_table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(template.outputs["Url"], "http://127.0.0.1:4310/000000000000/tenday-Jobs");
    assert!(template.queues.iter().all(|queue| queue.logical_id != "LiveOnly"));
}

#[test]
fn parameters_decide_and_are_checked() {
    let template = read(BASE, &[("Stage", "live"), ("Many", "10")]).unwrap();
    assert_eq!(template.functions[0].environment["LIVE"], "http://127.0.0.1:4310/000000000000/tenday-LiveOnly");
    assert_eq!(template.mappings[0].maximum_concurrency, Some(10));
    let told = |parameters: &[(&str, &str)]| read(BASE, parameters).unwrap_err().to_string();
    assert!(told(&[("Stage", "test")]).contains("must be one of dev, live"));
    assert!(told(&[("Many", "11")]).contains("must be from 2 to 10"));
    assert!(told(&[("Many", "x")]).contains("must be a number"));
    assert!(told(&[("Stag", "dev")]).contains("it has Stage, Many, Zones"));
    refused("Default: dev", "Default: test", 4, "must be one of dev, live");
    refused("Default: dev, ", "", 4, "no Default");
    refused("Type: Number", "Type: Integer", 5, "the type `Integer`");
}

#[test]
fn wrong_references_are_found() {
    refused("!GetAtt Dead.Arn", "!GetAtt Deat.Arn", 28, "Queue `Jobs` refers to `Deat`, which is not a resource");
    refused("!GetAtt Dead.Arn", "!GetAtt Deat.Arn", 28, "did you mean `Dead`?");
    refused("!GetAtt [Jobs, Arn]", "!GetAtt [Jobs, Name]", 45, "has the attributes Arn, QueueName, QueueUrl");
    refused("!Ref AWS::NoValue", "!Ref Nowhere", 44, "`Nowhere`, which is not a resource");
    refused("${!kept}", "${kept}", 43, "`kept`, which is not a resource");
    let told = |from: &str, to: &str| read(&BASE.replacen(from, to, 1), &[]).unwrap_err().to_string();
    assert!(told("!Ref LiveOnly", "!Ref LiveOny").contains("template.yaml:44: Function `Work` refers to `LiveOny`"));
    assert!(told("[IsLive, ", "[IsAlive, ").contains(":44: Function `Work` uses the condition `IsAlive`"));
    assert!(told("ARN: !GetAtt [Jobs, Arn]", "ARN: !Ref LiveOnly").contains("the condition `IsLive` leaves out"));
    assert!(told("!Ref Jobs", "!Ref Job").contains(":62: Output `Url` refers to `Job`"));
    assert!(told("!Ref Jobs", "!Sub '${Jobs'").contains("not closed"));
    assert!(told("!Ref Jobs", "!Ref AWS::Nothing").contains("`AWS::Nothing`, which the local run does not have"));
}

#[test]
fn unknown_things_are_named() {
    refused("!Join [\" \", !Ref Zones]", "!Select [0, !Ref Zones]", 47, "the function `Select`");
    refused("{ Type: AWS::SQS::Queue }", "{ Type: AWS::SQS::Queu }", 29, "did you mean `AWS::SQS::Queue`?");
    refused("VisibilityTimeout: 60", "VisibilityTimout: 60", 26, "did you mean `VisibilityTimeout`?");
    refused("CodeUri: ", "CodeUrl: ", 40, "did you mean `CodeUri`?");
    refused("Type: SQS", "Type: Kinesis", 54, "the local run has HttpApi and SQS");
    refused(
        "  Api: { Type: AWS::Serverless::HttpApi }",
        "  Api: { Type: AWS::Serverless::HttpApi, Proprties: {} }",
        22,
        "Proprties",
    );
    refused("Outputs:", "Output:", 61, "did you mean `Outputs`?");
    refused("Outputs:", "Mappings: {}\nOutputs:", 61, "`Mappings`");
    refused("Globals:\n", "Globals:\n  Api: {}\n", 13, "Globals for Function only");
    refused("Transform: AWS::Serverless-2016-10-31\n", "", 1, "Transform");
}

#[test]
fn conditions_are_checked() {
    refused("!Not [!Condition IsLive]", "!Not [!Condition IsLife]", 9, "did you mean `IsLive`?");
    refused("!Not [!Condition IsLive]", "!Not [!Condition IsDev]", 9, "depends on itself");
    refused("!Equals [!Ref Stage, live]", "!Equals [!Ref Jobs, live]", 8, "Condition `IsLive` refers to `Jobs`");
    refused("!Equals [!Ref Stage, live]", "!Equals [live]", 8, "two values");
    refused("Condition: IsLive }\n  Things", "Condition: IsLife }\n  Things", 30, "not under Conditions");
}

#[test]
fn routes_are_checked() {
    refused("/things, Method: ANY", "'/things/{other}', Method: GET", 51, "which `Work` has already on line 50");
    refused("Path: /things,", "Path: things,", 51, "must begin with `/`");
    refused("Method: ANY", "Method: FETCH", 51, "must be one of GET, POST");
    refused(", Method: ANY", "", 51, "both Path and Method");
    refused("/things/{id}", "/things/{id", 50, "as a whole");
    refused("/things/{id}", "/things/{id}/{id}", 50, "twice");
    refused("/things/{id}", "/things/{id+}/x", 50, "last part");
    refused("ApiId: !Ref Api,", "ApiId: other,", 50, "not an AWS::Serverless::HttpApi");
}

#[test]
fn mappings_are_checked() {
    refused("Queue: !GetAtt Jobs.Arn", "Queue: !Ref Jobs", 56, "`!GetAtt Jobs.Arn`");
    refused(
        "Queue: !GetAtt Jobs.Arn",
        "Queue: arn:aws:sqs:us-east-1:000000000000:x",
        56,
        "not a queue of this template",
    );
    refused("            MaximumBatchingWindowInSeconds: 2\n", "", 57, "needs MaximumBatchingWindowInSeconds");
    refused("BatchSize: 100", "BatchSize: 10001", 57, "from 1 to 10000");
    refused("BatchSize: 100", "BatchSize: 0", 57, "from 1 to 10000");
    refused("[ReportBatchItemFailures]", "[ReportBatchItemFailure]", 59, "[ReportBatchItemFailures]");
    refused("MaximumConcurrency: !Ref Many", "MaximumConcurrency: 1", 60, "from 2 to 1000");
    refused("Timeout: 10\n", "Timeout: 61\n", 53, "VisibilityTimeout is 60 s");
}

#[test]
fn functions_are_checked() {
    refused("Runtime: provided.al2023", "Runtime: provided.al2", 14, "must be provided.al2023");
    refused("Timeout: 10\n", "Timeout: 901\n", 16, "from 1 to 900");
    refused("      CodeUri: functions/work\n", "      MemorySize: 256\n", 40, "needs `CodeUri`");
    refused("ARN: !GetAtt", "AWS_REGION: !GetAtt", 45, "which Lambda sets itself");
    refused("ARN: !GetAtt", "A-B: !GetAtt", 45, "letters, digits");
}

#[test]
fn names_are_given_once() {
    let queue = "  Other: { Type: AWS::SQS::Queue, Properties: { QueueName: tenday-Jobs } }\nOutputs:";
    refused("Outputs:", queue, 61, "has the name of `Jobs`");
    let table = "  Other:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: tenday-Things\n      BillingMode: \
                 PAY_PER_REQUEST\n      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]\n      KeySchema: \
                 [{ AttributeName: pk, KeyType: HASH }]\nOutputs:";
    refused("Outputs:", table, 61, "has the name of `Things`");
    let function = "  Other:\n    Type: AWS::Serverless::Function\n    Properties: { CodeUri: x, FunctionName: tenday-Work, \
                    Environment: !Ref AWS::NoValue }\nOutputs:";
    refused("Outputs:", function, 61, "has the name of `Work` on line 37");
    refused("  Api: {", "  Stage: {", 4, "is a parameter and a resource");
}

#[test]
fn queues_and_tables_are_checked() {
    refused("maxReceiveCount: 3", "maxReceiveCount: 0", 28, "from 1 to 1000");
    refused("maxReceiveCount: 3", "maxReceiveCount: 1001", 28, "from 1 to 1000");
    refused("DelaySeconds: 5", "DelaySeconds: 901", 27, "from 0 to 900");
    refused("!GetAtt Dead.Arn", "!GetAtt Jobs.Arn", 28, "its own dead-letter queue");
    refused("!GetAtt Dead.Arn", "!GetAtt Things.Arn", 28, "not the ARN of a queue");
    refused("VisibilityTimeout: 60", "FifoQueue: true", 26, "FIFO");
    refused("KeyType: HASH", "KeyType: RANGE", 36, "needs the KeyType HASH");
    refused("AttributeName: pk, KeyType", "AttributeName: id, KeyType", 36, "not under AttributeDefinitions");
    refused("AttributeType: S }]", "AttributeType: S }, { AttributeName: x, AttributeType: S }]", 35, "no key uses");
    refused("      BillingMode: PAY_PER_REQUEST\n", "", 34, "needs ProvisionedThroughput");
}

#[test]
fn yaml_s_own_mistakes_have_a_line() {
    refused("  Jobs:\n", "  Jobs: [\n", 25, "not YAML");
    refused("  Dead: {", "  Jobs: {", 29, "first one is on line 23");
    refused("DelaySeconds: 5", "DelaySeconds: &x 5", 27, "anchors");
    refused("DelaySeconds: 5", "DelaySeconds:", 27, "without a value");
    assert!(read("", &[]).unwrap_err().to_string().contains("empty"));
    let missing = load(Path::new("/nowhere/template.yaml"), &BTreeMap::new(), "http://x").unwrap_err().to_string();
    assert!(missing.contains("/nowhere/template.yaml") && missing.contains("name the file"), "{missing}");
}

#[test]
fn what_has_no_effect_here_is_accepted() {
    let more = "  Alarm: { Type: AWS::CloudWatch::Alarm, Properties: { Anything: !GetAtt Jobs.QueueName } }\n  \
                Watch: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: x.yaml, Parameters: { A: !GetAtt \
                Alarm.Arn, R: !GetAtt WorkRole.Arn } } }\nOutputs:";
    read(&BASE.replace("Outputs:", more), &[]).unwrap();
    refused("Outputs:", &more.replace("Jobs.", "Jops."), 61, "Resource `Alarm` refers to `Jops`");
}
