//! The rights that each command needs, and no others. The tests of the whole system hold this list against the calls that
//! the commands made.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::error::AdminError;
use crate::place::{Deployment, Place};

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    Settings,
    Events,
    /// A sparse index of the events table.
    Index(&'static str),
    Key,
    /// A queue, by its name in the template.
    Queue(&'static str),
    Schedules,
    Stack,
    Functions,
    Logs,
    /// What has no resource that a policy could name.
    Everything,
}

/// Actions on one thing.
type Grant = (&'static [&'static str], On);

/// What finding a deployment by its stack takes, whatever is done then.
const FIND: [Grant; 1] = [(&["cloudformation:DescribeStacks", "cloudformation:ListStackResources"], On::Stack)];

/// All of a developer's dropped events.
const DROPPED: On = On::Index("dropped-by-developer");

const DEAD_LETTERS: [&str; 3] = ["DeliveriesDeadLetters", "RetriesDeadLetters", "IngestDeadLetters"];

/// Each command, as it is written, with the name that a local run counts its calls by.
pub(crate) const COMMANDS: &[(&str, &str, &[Grant])] = &[
    ("clients create", "operator-clients-create", &[(&["dynamodb:GetItem", "dynamodb:PutItem"], On::Settings)]),
    ("clients list", "operator-clients-list", &[(&["dynamodb:Query", "dynamodb:GetItem"], On::Settings)]),
    (
        "clients revoke",
        "operator-clients-revoke",
        &[(&["dynamodb:GetItem", "dynamodb:DeleteItem", "dynamodb:PutItem"], On::Settings)],
    ),
    (
        "clients revoke-tokens",
        "operator-clients-revoke-tokens",
        &[(&["dynamodb:GetItem", "dynamodb:PutItem"], On::Settings)],
    ),
    (
        "import",
        "operator-import",
        &[
            (&["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"], On::Settings),
            (&["kms:Decrypt"], On::Key),
        ],
    ),
    (
        "developers list",
        "operator-developers-list",
        &[(
            &["dynamodb:Query", "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:BatchWriteItem"],
            On::Settings,
        )],
    ),
    (
        "developers show",
        "operator-developers-show",
        &[
            (&["dynamodb:Query", "dynamodb:GetItem"], On::Settings),
            (&["dynamodb:Query"], On::Events),
            (&["dynamodb:Query"], DROPPED),
        ],
    ),
    ("developers pause", "operator-developers-pause", CONTROL),
    (
        "developers resume",
        "operator-developers-resume",
        &[CONTROL[0], (&["sqs:SendMessage"], On::Queue("RetriesQueue"))],
    ),
    ("developers limit", "operator-developers-limit", CONTROL),
    (
        "developers export",
        "operator-developers-export",
        &[(&["dynamodb:Scan", "dynamodb:PutItem"], On::Settings), (&["dynamodb:Scan"], On::Events)],
    ),
    (
        "developers erase",
        "operator-developers-erase",
        &[
            (
                &[
                    "dynamodb:GetItem",
                    "dynamodb:Query",
                    "dynamodb:Scan",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:BatchWriteItem",
                ],
                On::Settings,
            ),
            (
                &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:BatchWriteItem"],
                On::Events,
            ),
            (&["dynamodb:Query"], DROPPED),
            (&["scheduler:ListSchedules"], On::Everything),
            (&["scheduler:DeleteSchedule"], On::Schedules),
        ],
    ),
    ("developers erase --receipts", "operator-developers-erase-receipts", &[(&["dynamodb:Query"], On::Settings)]),
    (
        "events why",
        "operator-events-why",
        &[
            (&["dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:GetItem"], On::Events),
            (&["dynamodb:BatchGetItem"], On::Settings),
            (&["sqs:GetQueueAttributes"], On::Queue("DeliveriesQueue")),
            (&["sqs:GetQueueAttributes"], On::Queue("RetriesQueue")),
            (&["sqs:GetQueueAttributes"], On::Queue("DeliveriesDeadLetters")),
            (&["sqs:GetQueueAttributes"], On::Queue("RetriesDeadLetters")),
            (&["scheduler:GetSchedule"], On::Schedules),
        ],
    ),
    (
        "webhooks list",
        "operator-webhooks-list",
        &[(&["dynamodb:Query", "dynamodb:GetItem"], On::Settings), (&["dynamodb:Query"], On::Events)],
    ),
    (
        "dropped list",
        "operator-dropped-list",
        &[(&["dynamodb:Query"], DROPPED), (&["dynamodb:Query"], On::Index("dropped-by-webhook"))],
    ),
    (
        "dropped reattempt",
        "operator-dropped-reattempt",
        &[
            (&["dynamodb:Query"], DROPPED),
            (&["dynamodb:Query"], On::Index("dropped-by-webhook")),
            (&["dynamodb:PutItem"], On::Events),
            (&["sqs:SendMessage"], On::Queue("RetriesQueue")),
        ],
    ),
    (
        "dead-letters show",
        "operator-dead-letters-show",
        &[(LOOK, On::Queue(DEAD_LETTERS[0])), (LOOK, On::Queue(DEAD_LETTERS[1])), (LOOK, On::Queue(DEAD_LETTERS[2]))],
    ),
    (
        "dead-letters replay",
        "operator-dead-letters-replay",
        &[
            (MOVE, On::Queue(DEAD_LETTERS[0])),
            (MOVE, On::Queue(DEAD_LETTERS[1])),
            (MOVE, On::Queue(DEAD_LETTERS[2])),
            (&["sqs:SendMessage"], On::Queue("DeliveriesQueue")),
            (&["sqs:SendMessage"], On::Queue("RetriesQueue")),
            (&["sqs:SendMessage"], On::Queue("IngestQueue")),
        ],
    ),
    ("usage", "operator-usage", &[(&["logs:StartQuery"], On::Logs), (&["logs:GetQueryResults"], On::Everything)]),
    (
        "keys status",
        "operator-keys-status",
        &[(&["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"], On::Settings), (&["kms:DescribeKey"], On::Key)],
    ),
    (
        "keys rotate",
        "operator-keys-rotate",
        &[
            (
                &[
                    "dynamodb:GetItem",
                    "dynamodb:Query",
                    "dynamodb:Scan",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                    "dynamodb:DeleteItem",
                ],
                On::Settings,
            ),
            (&["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"], On::Key),
        ],
    ),
    (
        "doctor",
        "operator-doctor",
        &[
            (
                &[
                    "dynamodb:DescribeTable",
                    "dynamodb:DescribeTimeToLive",
                    "dynamodb:DescribeContinuousBackups",
                    "dynamodb:GetItem",
                    "dynamodb:Query",
                    "dynamodb:Scan",
                ],
                On::Settings,
            ),
            (&["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"], On::Events),
            (&["kms:DescribeKey", "kms:Decrypt"], On::Key),
            (&["sqs:GetQueueAttributes"], On::Queue("DeliveriesQueue")),
            (&["sqs:GetQueueAttributes"], On::Queue("RetriesQueue")),
            (&["sqs:GetQueueAttributes"], On::Queue(DEAD_LETTERS[0])),
            (&["sqs:GetQueueAttributes"], On::Queue(DEAD_LETTERS[1])),
            (&["sqs:GetQueueAttributes"], On::Queue(DEAD_LETTERS[2])),
            (&["lambda:GetFunctionConfiguration"], On::Functions),
            (
                &["lambda:ListEventSourceMappings", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics"],
                On::Everything,
            ),
        ],
    ),
    ("audit", "operator-audit", &[(&["dynamodb:Query"], On::Settings)]),
    ("policy", "operator-policy", &[]),
];

const CONTROL: &[Grant] =
    &[(&["dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], On::Settings)];
const LOOK: &[&str] = &["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"];
const MOVE: &[&str] = &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

pub(crate) async fn run(place: Place, words: Vec<String>, output: &mut impl Write) -> Result<(), AdminError> {
    let asked = words.join(" ");
    let Some((_, _, grants)) = COMMANDS.iter().find(|(name, ..)| *name == asked) else {
        let names: Vec<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
        return Err(AdminError::NoPolicy(asked, names.join(", ")));
    };
    let found = place.find("operator-policy").await?;
    writeln!(output, "{:#}", document(&found, grants)?)?;
    Ok(())
}

/// The policy as IAM takes it, with the ARNs of this deployment.
fn document(found: &Deployment, grants: &[Grant]) -> Result<Value, AdminError> {
    let mut statements: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    for (actions, on) in FIND.iter().chain(grants) {
        let resources = arns(found, *on)?;
        if !resources.is_empty() {
            statements.entry(actions.to_vec()).or_default().extend(resources);
        }
    }
    let key = found.key()?;
    let statements = statements.into_iter().map(|(actions, resources)| {
        let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        // What else is wrapped by the key is nobody's business.
        if resources.contains(&key) && !actions.contains(&"kms:DescribeKey") {
            statement["Condition"] = json!({ "StringEquals": { "kms:EncryptionContext:tenday": "keyring" } });
        }
        statement
    });
    Ok(json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() }))
}

/// What a grant is on, in this deployment; nothing if it is switched off there.
fn arns(found: &Deployment, on: On) -> Result<Vec<String>, AdminError> {
    let stack = &found.stack;
    let partition = if stack.region.starts_with("cn-") { "aws-cn" } else { "aws" };
    let arn =
        |service: &str, rest: String| format!("arn:{partition}:{service}:{}:{}:{rest}", stack.region, stack.account);
    Ok(match on {
        On::Settings => vec![arn("dynamodb", format!("table/{}", found.settings_table()?))],
        On::Events => vec![arn("dynamodb", format!("table/{}", found.events_table()?))],
        On::Index(name) => vec![arn("dynamodb", format!("table/{}/index/{name}", found.events_table()?))],
        On::Key => vec![found.key()?],
        On::Queue(name) => {
            let url = stack.resources.get(name);
            url.and_then(|url| url.rsplit('/').next()).map(|queue| arn("sqs", queue.to_owned())).into_iter().collect()
        }
        On::Schedules => vec![arn("scheduler", format!("schedule/{}/*", found.resource("Schedules")?))],
        On::Stack => vec![arn("cloudformation", format!("stack/{}*/*", stack.name))],
        On::Functions => vec![arn("lambda", format!("function:{}-*", stack.name))],
        On::Logs => vec![arn("logs", format!("log-group:/aws/lambda/{}-*:*", stack.name))],
        On::Everything => vec!["*".to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        _operator: crate::Operator,
    }

    fn walk(command: &Command, before: &str, found: &mut Vec<String>) {
        let inner: Vec<_> = command.get_subcommands().filter(|inner| inner.get_name() != "help").collect();
        if inner.is_empty() {
            found.push(before.to_owned());
        }
        for inner in inner {
            walk(inner, format!("{before} {}", inner.get_name()).trim(), found);
        }
    }

    #[test]
    fn every_command_has_a_policy() {
        let mut commands = Vec::new();
        walk(&Arguments::command(), "", &mut commands);
        for command in commands {
            assert!(COMMANDS.iter().any(|(name, ..)| *name == command), "{command}");
        }
    }
}
