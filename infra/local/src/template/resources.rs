//! Which resource types there are, what `Ref` and `GetAtt` give for each, and the order in which they are built.

use std::collections::BTreeMap;

use aws_lc_rs::digest;

use super::intrinsics::{ACCOUNT, Known, REGION, STACK, Scope, arn};
use super::parse::{Entry, Node};
use super::{KmsKey, Problem, Sections, Template, check_names, did_you_mean, functions, stores};

/// The types that the local run acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Function,
    HttpApi,
    Table,
    Queue,
    ScheduleGroup,
    Role,
    Key,
    /// Deployed on AWS, without meaning here.
    WithoutEffect,
}

const KINDS: [(&str, Kind); 7] = [
    ("AWS::Serverless::Function", Kind::Function),
    ("AWS::Serverless::HttpApi", Kind::HttpApi),
    ("AWS::DynamoDB::Table", Kind::Table),
    ("AWS::SQS::Queue", Kind::Queue),
    ("AWS::Scheduler::ScheduleGroup", Kind::ScheduleGroup),
    ("AWS::IAM::Role", Kind::Role),
    ("AWS::KMS::Key", Kind::Key),
];

const WITHOUT_EFFECT: [&str; 25] = [
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::Budgets::Budget",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFormation::Stack",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::Logs::ResourcePolicy",
    "AWS::ResourceGroups::Group",
    "AWS::Route53::RecordSet",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Application",
    "AWS::WAFv2::WebACL",
];

/// One resource that is there: its condition, if any, holds.
struct Resource<'a> {
    id: &'a str,
    line: usize,
    kind: Kind,
    name: String,
    properties: Option<&'a Node>,
}

pub(super) fn build(scope: &mut Scope, sections: &Sections<'_>, endpoint: &str) -> Result<Template, Problem> {
    let resources = declare(scope, sections, endpoint)?;
    let scope = &*scope;
    let mut template = Template::default();
    for (name, value) in &scope.parameters {
        // A list is no setting that anybody reckons with.
        if let Ok(text) = value.as_text(name) {
            template.parameters.insert(name.clone(), text.to_owned());
        }
    }
    for (id, known) in &scope.resources {
        if let Some(role) = known.attributes.get("Arn").filter(|arn| arn.contains(":role/")) {
            template.roles.insert(id.clone(), role.clone());
        }
    }
    let api_ids = resources.iter().filter(|resource| resource.kind == Kind::HttpApi).map(|api| api.name.clone());
    let mut events = functions::Events::new(api_ids.collect());
    // Queues before functions, whose mappings are checked against them.
    let (functions, others): (Vec<_>, Vec<_>) = resources.iter().partition(|resource| resource.kind == Kind::Function);
    for resource in others.into_iter().chain(functions) {
        if let Some(known) = scope.resources.get(resource.id) {
            template.resources.insert(resource.id.to_owned(), known.reference.clone());
        }
        let whom = format!("{} `{}`", word(resource.kind), resource.id);
        let context = Context { scope, whom, id: resource.id, name: &resource.name, line: resource.line };
        match resource.kind {
            Kind::Function => {
                let merged = match (sections.function_globals, resource.properties) {
                    (Some(globals), Some(own)) => functions::merge(globals, own),
                    (Some(only), None) | (None, Some(only)) => only.clone(),
                    (None, None) => {
                        return Err(Problem::new(resource.line, format!("{} needs Properties", context.whom)));
                    }
                };
                let function = functions::function(&context, &merged)?;
                if let Some(first) = template.functions.iter().find(|known| known.arn == function.arn) {
                    let problem = format!("has the name of `{}` on line {}", first.logical_id, first.line);
                    return Err(context.wrong(context.line, problem));
                }
                events.add(&context, &merged, &function, &template.queues)?;
                template.functions.push(function);
            }
            Kind::HttpApi => functions::check_api(&context, &context.properties(resource.properties)?)?,
            Kind::Table => {
                let table = stores::table(&context, &context.properties(resource.properties)?)?;
                if let Some(first) = template.tables.iter().find(|known| known.arn == table.arn) {
                    return Err(context.wrong(context.line, format!("has the name of `{}`", first.logical_id)));
                }
                template.tables.push(table);
            }
            Kind::Queue => {
                let queue = stores::queue(&context, &context.properties(resource.properties)?)?;
                if let Some(first) = template.queues.iter().find(|known| known.arn == queue.arn) {
                    return Err(context.wrong(context.line, format!("has the name of `{}`", first.logical_id)));
                }
                template.queues.push(queue);
            }
            Kind::ScheduleGroup => {
                let properties = context.properties(resource.properties)?;
                context.check(&properties, "AWS::Scheduler::ScheduleGroup", &["Name"], &["Tags"])?;
                template.schedule_groups.push(resource.name.clone());
            }
            Kind::Role | Kind::WithoutEffect => {
                // The references must hold on AWS too.
                context.properties(resource.properties)?;
            }
            Kind::Key => template.keys.push(key(&context, &context.properties(resource.properties)?)?),
        }
    }
    (template.routes, template.mappings) = events.finish();
    for entry in sections.outputs {
        if let Some((name, value)) = output(scope, entry)? {
            template.outputs.insert(name, value);
        }
    }
    Ok(template)
}

/// A resource while it is built: who it is, for messages, and what its values can refer to.
pub(super) struct Context<'a> {
    pub(super) scope: &'a Scope,
    pub(super) whom: String,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) line: usize,
}

impl Context<'_> {
    pub(super) fn wrong(&self, line: usize, text: impl std::fmt::Display) -> Problem {
        Problem::new(line, format!("{} {text}", self.whom))
    }

    /// The properties without functions.
    fn properties(&self, properties: Option<&Node>) -> Result<Node, Problem> {
        match properties {
            Some(node) => self.scope.value(&self.whom, node),
            None => Ok(Node { line: self.line, content: super::Content::Map(Vec::new()) }),
        }
    }

    pub(super) fn check(
        &self,
        node: &Node,
        what: &str,
        acted_on: &[&str],
        without_effect: &[&str],
    ) -> Result<(), Problem> {
        check_names(&self.whom, what, node.entries(&format!("{what} of {}", self.whom))?, acted_on, without_effect)
    }

    pub(super) fn required<'n>(&self, node: &'n Node, name: &str) -> Result<&'n Node, Problem> {
        node.get(name).ok_or_else(|| self.wrong(node.line, format!("needs `{name}`")))
    }

    /// A whole number, or `default` where it is not written.
    pub(super) fn number(&self, node: &Node, name: &str, least: u32, most: u32, default: u32) -> Result<u32, Problem> {
        node.get(name).map_or(Ok(default), |value| value.as_number(&format!("{name} of {}", self.whom), least, most))
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Function => "Function",
        Kind::HttpApi => "HttpApi",
        Kind::Table => "Table",
        Kind::Queue => "Queue",
        Kind::ScheduleGroup => "ScheduleGroup",
        Kind::Role => "Role",
        Kind::Key => "Key",
        Kind::WithoutEffect => "Resource",
    }
}

/// Names every resource, so that values can refer to them in any order.
fn declare<'a>(scope: &mut Scope, sections: &Sections<'a>, endpoint: &str) -> Result<Vec<Resource<'a>>, Problem> {
    let mut resources = Vec::new();
    let mut known = BTreeMap::new();
    for entry in sections.resources {
        let whom = format!("Resource `{}`", entry.key);
        let attributes = entry.value.entries(&whom)?;
        let attribute_names = ["Type", "Properties", "Condition", "DependsOn"];
        let without_effect = ["Metadata", "DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy", "CreationPolicy"];
        check_names(&whom, "a resource", attributes, &attribute_names, &without_effect)?;
        let Some(kind) = entry.value.get("Type") else {
            return Err(Problem::new(entry.line, format!("{whom} needs a Type")));
        };
        let kind = kind_of(&whom, kind)?;
        let left_out_by = match entry.value.get("Condition") {
            None => None,
            Some(condition) => {
                let name = condition.as_text("Condition")?;
                match scope.conditions.get(name) {
                    Some(true) => None,
                    Some(false) => Some(name.to_owned()),
                    None => {
                        let problem = format!("{whom} has the condition `{name}`, which is not under Conditions");
                        return Err(Problem::new(condition.line, problem));
                    }
                }
            }
        };
        let properties = entry.value.get("Properties");
        let name = physical_name(scope, &entry.key, kind, properties)?;
        let here = left_out_by.is_none();
        let described = describe(kind, &name, endpoint, left_out_by);
        if kind == Kind::Function {
            // SAM makes a role for each function, and templates may name it.
            let role = format!("{}Role", entry.key);
            let described = describe(Kind::Role, &format!("{STACK}-{role}"), endpoint, described.left_out_by.clone());
            known.entry(role).or_insert(described);
        }
        known.insert(entry.key.clone(), described);
        if here {
            resources.push(Resource { id: &entry.key, line: entry.line, kind, name, properties });
        }
    }
    for entry in sections.resources {
        let Some(on) = entry.value.get("DependsOn") else { continue };
        let one = std::slice::from_ref(on);
        for name in on.items("DependsOn").unwrap_or(one) {
            let text = name.as_text("DependsOn")?;
            // SAM makes a stage for each HTTP API, under this name.
            let api = text.strip_suffix("ApiGatewayDefaultStage");
            let is_stage =
                api.is_some_and(|api| resources.iter().any(|one| one.kind == Kind::HttpApi && one.id == api));
            if !is_stage && !known.contains_key(text) {
                let hint = did_you_mean(text, known.keys().map(String::as_str));
                let problem = format!("Resource `{}` depends on `{text}`, which is not a resource{hint}", entry.key);
                return Err(Problem::new(name.line, problem));
            }
        }
    }
    if let Some(clash) = sections.parameters.iter().find(|parameter| known.contains_key(&parameter.key)) {
        return Err(Problem::new(clash.line, format!("`{}` is a parameter and a resource", clash.key)));
    }
    scope.resources = known;
    Ok(resources)
}

fn kind_of(whom: &str, node: &Node) -> Result<Kind, Problem> {
    let name = node.as_text("Type")?;
    if let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) {
        return Ok(*kind);
    }
    if WITHOUT_EFFECT.contains(&name) {
        return Ok(Kind::WithoutEffect);
    }
    let hint = did_you_mean(name, KINDS.iter().map(|(known, _)| *known).chain(WITHOUT_EFFECT));
    let problem = format!("{whom} has the type `{name}`, which the local run does not know{hint}");
    Err(Problem::new(node.line, problem))
}

fn physical_name(scope: &Scope, id: &str, kind: Kind, properties: Option<&Node>) -> Result<String, Problem> {
    let property = match kind {
        Kind::Function => Some("FunctionName"),
        Kind::Table => Some("TableName"),
        Kind::Queue => Some("QueueName"),
        Kind::ScheduleGroup => Some("Name"),
        Kind::Role => Some("RoleName"),
        Kind::HttpApi => return Ok(id.to_ascii_lowercase()),
        Kind::Key => return Ok(key_id(id)),
        Kind::WithoutEffect => None,
    };
    let whom = format!("{} `{id}`", word(kind));
    if let Some(node) = property.and_then(|name| properties.and_then(|properties| properties.get(name)))
        && let Some(value) = scope.resolve(&whom, node)?
    {
        return Ok(value.as_text("a name")?.to_owned());
    }
    Ok(format!("{STACK}-{id}"))
}

fn describe(kind: Kind, name: &str, endpoint: &str, left_out_by: Option<String>) -> Known {
    let mut attributes = BTreeMap::new();
    let mut reference = name.to_owned();
    match kind {
        Kind::Function => {
            attributes.insert("Arn", arn("lambda", &format!("function:{name}")));
        }
        Kind::HttpApi => {
            attributes.insert("ApiEndpoint", format!("https://{name}.execute-api.{REGION}.amazonaws.com"));
            attributes.insert("ApiId", name.to_owned());
        }
        Kind::Table => {
            attributes.insert("Arn", arn("dynamodb", &format!("table/{name}")));
        }
        Kind::Queue => {
            reference = format!("{endpoint}/{ACCOUNT}/{name}");
            attributes.insert("Arn", arn("sqs", name));
            attributes.insert("QueueName", name.to_owned());
            attributes.insert("QueueUrl", reference.clone());
        }
        Kind::ScheduleGroup => {
            attributes.insert("Arn", arn("scheduler", &format!("schedule-group/{name}")));
        }
        Kind::Role => {
            attributes.insert("Arn", format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
            attributes.insert("RoleId", name.to_owned());
        }
        Kind::Key => {
            attributes.insert("Arn", arn("kms", &format!("key/{name}")));
            attributes.insert("KeyId", name.to_owned());
        }
        Kind::WithoutEffect => {}
    }
    Known { reference, attributes, any_attribute: kind == Kind::WithoutEffect, left_out_by }
}

/// A key's id, in the form of KMS's, always the same for the same logical id: what is sealed under it outlives a restart.
fn key_id(id: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{STACK}/{id}").as_bytes());
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *byte = *from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn key(context: &Context<'_>, properties: &Node) -> Result<KmsKey, Problem> {
    let without_effect = [
        "KeyPolicy",
        "Description",
        "EnableKeyRotation",
        "RotationPeriodInDays",
        "PendingWindowInDays",
        "Tags",
        "MultiRegion",
    ];
    context.check(properties, "AWS::KMS::Key", &["KeySpec", "KeyUsage"], &without_effect)?;
    for (name, only) in [("KeySpec", "SYMMETRIC_DEFAULT"), ("KeyUsage", "ENCRYPT_DECRYPT")] {
        if let Some(node) = properties.get(name)
            && node.as_text(name)? != only
        {
            return Err(
                context.wrong(node.line, format!("has another {name} than {only}, which the local run does not have"))
            );
        }
    }
    let id = context.name.to_owned();
    Ok(KmsKey { logical_id: context.id.to_owned(), arn: arn("kms", &format!("key/{id}")), id })
}

fn output(scope: &Scope, entry: &Entry) -> Result<Option<(String, String)>, Problem> {
    let whom = format!("Output `{}`", entry.key);
    let entries = entry.value.entries(&whom)?;
    check_names(&whom, "an output", entries, &["Value", "Condition"], &["Description", "Export"])?;
    if let Some(condition) = entry.value.get("Condition") {
        let name = condition.as_text("Condition")?;
        match scope.conditions.get(name) {
            Some(true) => {}
            Some(false) => return Ok(None),
            None => {
                let problem = format!("{whom} has the condition `{name}`, which is not under Conditions");
                return Err(Problem::new(condition.line, problem));
            }
        }
    }
    let Some(value) = entry.value.get("Value") else {
        return Err(Problem::new(entry.line, format!("{whom} needs a Value")));
    };
    let value = scope.value(&whom, value)?;
    Ok(Some((entry.key.clone(), value.as_text("an output's Value")?.to_owned())))
}
