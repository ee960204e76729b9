//! Functions, and the events that invoke them: HTTP routes and queues.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::intrinsics::arn;
use super::parse::{Content, Entry, Node};
use super::resources::Context;
use super::{Function, Mapping, Problem, Queue, Route, check_names, did_you_mean};

const FUNCTION: &str = "AWS::Serverless::Function";
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY"];

/// Lambda sets these itself, and refuses a function that declares one.
const RESERVED_VARIABLES: [&str; 16] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// SAM's rule for Globals: mappings are merged, lists are put one after the other, single values are replaced.
pub(super) fn merge(global: &Node, own: &Node) -> Node {
    let content = match (&global.content, &own.content) {
        (Content::Map(globals), Content::Map(owns)) => {
            let mut entries: Vec<Entry> = Vec::new();
            for entry in globals {
                entries.push(match owns.iter().find(|own| own.key == entry.key) {
                    Some(own) => Entry { key: own.key.clone(), line: own.line, value: merge(&entry.value, &own.value) },
                    None => entry.clone(),
                });
            }
            entries.extend(owns.iter().filter(|own| globals.iter().all(|entry| entry.key != own.key)).cloned());
            Content::Map(entries)
        }
        (Content::List(globals), Content::List(owns)) => Content::List([globals.as_slice(), owns].concat()),
        (_, own) => own.clone(),
    };
    Node { line: own.line, content }
}

pub(super) fn function(context: &Context<'_>, merged: &Node) -> Result<Function, Problem> {
    let properties = context.scope.value(&context.whom, merged)?;
    let acted_on = [
        "CodeUri",
        "Runtime",
        "Handler",
        "Architectures",
        "MemorySize",
        "Timeout",
        "Environment",
        "Events",
        "ReservedConcurrentExecutions",
        "FunctionName",
    ];
    let without_effect = [
        "Description",
        "Policies",
        "Role",
        "Tags",
        "Tracing",
        "LoggingConfig",
        "VpcConfig",
        "KmsKeyArn",
        "PermissionsBoundary",
        "RolePath",
        "EphemeralStorage",
        "PropagateTags",
        // Whoever calls a function calls what it is now: a local run has no versions.
        "AutoPublishAlias",
        "AutoPublishAliasAllProperties",
        "VersionDescription",
        "DeploymentPreference",
        "ProvisionedConcurrencyConfig",
        "RecursiveLoop",
        "RuntimeManagementConfig",
    ];
    context.check(&properties, FUNCTION, &acted_on, &without_effect)?;
    let runtime = context.required(&properties, "Runtime")?;
    if runtime.as_text("Runtime")? != "provided.al2023" {
        let given = runtime.as_text("Runtime")?;
        return Err(context.wrong(runtime.line, format!("has the runtime `{given}`; it must be provided.al2023")));
    }
    context.required(&properties, "Handler")?.as_text("Handler")?;
    if let Some(architectures) = properties.get("Architectures") {
        match architectures.items("Architectures")? {
            [one] if matches!(one.as_text("an architecture")?, "arm64" | "x86_64") => {}
            _ => return Err(context.wrong(architectures.line, "must have one architecture, arm64 or x86_64")),
        }
    }
    let reserved = match properties.get("ReservedConcurrentExecutions") {
        Some(node) => Some(node.as_number("ReservedConcurrentExecutions", 0, u32::MAX)?),
        None => None,
    };
    Ok(Function {
        logical_id: context.id.to_owned(),
        name: context.name.to_owned(),
        arn: arn("lambda", &format!("function:{}", context.name)),
        crate_dir: PathBuf::from(context.required(&properties, "CodeUri")?.as_text("CodeUri")?),
        memory_mb: context.number(&properties, "MemorySize", 128, 10_240, 128)?,
        timeout: Duration::from_secs(context.number(&properties, "Timeout", 1, 900, 3)?.into()),
        environment: environment(context, &properties)?,
        reserved_concurrency: reserved,
        line: context.line,
    })
}

fn environment(context: &Context<'_>, properties: &Node) -> Result<BTreeMap<String, String>, Problem> {
    let mut environment = BTreeMap::new();
    let Some(node) = properties.get("Environment") else { return Ok(environment) };
    context.check(node, "Environment", &["Variables"], &[])?;
    let Some(variables) = node.get("Variables") else { return Ok(environment) };
    let mut size = 0;
    for entry in variables.entries("Variables")? {
        let name = &entry.key;
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if name.len() < 2 || !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let problem =
                format!("has the variable `{name}`; a name has letters, digits and `_` and begins with a letter");
            return Err(context.wrong(entry.line, problem));
        }
        if RESERVED_VARIABLES.contains(&name.as_str()) {
            return Err(context.wrong(entry.line, format!("sets `{name}`, which Lambda sets itself")));
        }
        let value = entry.value.as_text(&format!("the variable `{name}` of {}", context.whom))?;
        size += name.len() + value.len();
        environment.insert(name.clone(), value.to_owned());
    }
    if size > 4096 {
        return Err(context.wrong(variables.line, format!("has {size} bytes of variables; Lambda takes 4096")));
    }
    Ok(environment)
}

pub(super) fn check_api(context: &Context<'_>, properties: &Node) -> Result<(), Problem> {
    let without_effect = [
        "AccessLogSettings",
        "DefaultRouteSettings",
        "Description",
        "DisableExecuteApiEndpoint",
        "Domain",
        "FailOnWarnings",
        "Name",
        "PropagateTags",
        "RouteSettings",
        "Tags",
    ];
    context.check(properties, "AWS::Serverless::HttpApi", &["StageName"], &without_effect)?;
    match properties.get("StageName") {
        Some(stage) if stage.as_text("StageName")? != "$default" => {
            // Another stage's name would stand before every path.
            Err(context.wrong(stage.line, "has a stage that the local run does not have; it has $default"))
        }
        _ => Ok(()),
    }
}

/// What invokes the functions, collected over all of them.
pub(super) struct Events {
    api_ids: Vec<String>,
    routes: Vec<Route>,
    mappings: Vec<Mapping>,
}

impl Events {
    pub(super) fn new(api_ids: Vec<String>) -> Events {
        Events { api_ids, routes: Vec::new(), mappings: Vec::new() }
    }

    pub(super) fn finish(self) -> (Vec<Route>, Vec<Mapping>) {
        (self.routes, self.mappings)
    }

    pub(super) fn add(
        &mut self,
        context: &Context<'_>,
        merged: &Node,
        function: &Function,
        queues: &[Queue],
    ) -> Result<(), Problem> {
        let Some(events) = merged.get("Events") else { return Ok(()) };
        let events = context.scope.value(&context.whom, events)?;
        for entry in events.entries("Events")? {
            let whom = format!("Event `{}` of {}", entry.key, context.whom);
            let context = Context { whom, line: entry.line, ..*context };
            context.check(&entry.value, "an event", &["Type", "Properties"], &[])?;
            let kind = context.required(&entry.value, "Type")?;
            let nothing = Node { line: entry.line, content: Content::Map(Vec::new()) };
            let properties = entry.value.get("Properties").unwrap_or(&nothing);
            match kind.as_text("Type")? {
                "HttpApi" => self.route(&context, properties)?,
                "SQS" => self.mapping(&context, properties, function, queues)?,
                other => {
                    let hint = did_you_mean(other, ["HttpApi", "SQS"]);
                    let problem = format!("has the type `{other}`; the local run has HttpApi and SQS{hint}");
                    return Err(context.wrong(kind.line, problem));
                }
            }
        }
        Ok(())
    }

    fn route(&mut self, context: &Context<'_>, properties: &Node) -> Result<(), Problem> {
        let acted_on = ["ApiId", "Path", "Method", "PayloadFormatVersion"];
        check_names(
            &context.whom,
            "an HttpApi event",
            properties.entries(&context.whom)?,
            &acted_on,
            &["RouteSettings"],
        )?;
        if let Some(api) = properties.get("ApiId") {
            let id = api.as_text("ApiId")?;
            if !self.api_ids.iter().any(|known| known == id) {
                return Err(
                    context.wrong(api.line, format!("has the ApiId `{id}`, which is not an AWS::Serverless::HttpApi"))
                );
            }
        }
        if let Some(version) = properties.get("PayloadFormatVersion")
            && version.as_text("PayloadFormatVersion")? != "2.0"
        {
            return Err(context.wrong(version.line, "needs the PayloadFormatVersion \"2.0\", the only one here"));
        }
        let (path, method) = match (properties.get("Path"), properties.get("Method")) {
            (None, None) => ("$default", "ANY"),
            (Some(path), Some(method)) => {
                let text = method.as_text("Method")?;
                let known = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(text));
                let Some(known) = known.or((text == "x-amazon-apigateway-any-method").then_some("ANY")) else {
                    let problem = format!("has the method `{text}`; it must be one of {}", METHODS.join(", "));
                    return Err(context.wrong(method.line, problem));
                };
                let text = path.as_text("Path")?;
                check_path(text)
                    .map_err(|problem| context.wrong(path.line, format!("has the path `{text}`; {problem}")))?;
                (text, known)
            }
            _ => return Err(context.wrong(context.line, "needs both Path and Method, or neither")),
        };
        let method = Some(method.to_owned()).filter(|method| method != "ANY" && path != "$default");
        let same = |route: &&Route| route.method == method && anonymous(&route.path) == anonymous(path);
        if let Some(first) = self.routes.iter().find(same) {
            let shown = method.as_deref().unwrap_or("ANY");
            let problem = format!(
                "has the route `{shown} {path}`, which `{}` has already on line {}",
                first.function, first.line
            );
            return Err(context.wrong(context.line, problem));
        }
        self.routes.push(Route { method, path: path.to_owned(), function: context.id.to_owned(), line: context.line });
        Ok(())
    }

    fn mapping(
        &mut self,
        context: &Context<'_>,
        properties: &Node,
        function: &Function,
        queues: &[Queue],
    ) -> Result<(), Problem> {
        let acted_on = [
            "Queue",
            "BatchSize",
            "MaximumBatchingWindowInSeconds",
            "FunctionResponseTypes",
            "ScalingConfig",
            "Enabled",
        ];
        context.check(properties, "an SQS event", &acted_on, &["MetricsConfig"])?;
        let source = context.required(properties, "Queue")?;
        let queue_arn = source.as_text("Queue")?;
        let Some(queue) = queues.iter().find(|queue| queue.arn == queue_arn) else {
            let problem = match queues.iter().find(|queue| queue.url == queue_arn) {
                Some(queue) => format!("needs the queue's ARN: `!GetAtt {}.Arn`", queue.logical_id),
                None => format!("is mapped to `{queue_arn}`, which is not a queue of this template"),
            };
            return Err(context.wrong(source.line, problem));
        };
        if function.timeout > queue.visibility_timeout {
            let problem = format!(
                "maps a function with a timeout of {} s to `{}`, whose VisibilityTimeout is {} s; it must not be less \
                 (AWS advises six times the timeout)",
                function.timeout.as_secs(),
                queue.logical_id,
                queue.visibility_timeout.as_secs(),
            );
            return Err(context.wrong(context.line, problem));
        }
        let batch_size = context.number(properties, "BatchSize", 1, 10_000, 10)?;
        let window = context.number(properties, "MaximumBatchingWindowInSeconds", 0, 300, 0)?;
        if batch_size > 10 && window == 0 {
            let line = properties.get("BatchSize").map_or(context.line, |node| node.line);
            let problem = format!(
                "has a BatchSize of {batch_size}; above 10 it needs MaximumBatchingWindowInSeconds of 1 or more"
            );
            return Err(context.wrong(line, problem));
        }
        if let Some(first) =
            self.mappings.iter().find(|known| known.function == context.id && known.queue_arn == queue_arn)
        {
            let problem =
                format!("maps `{}` to the function again; line {} does already", queue.logical_id, first.line);
            return Err(context.wrong(context.line, problem));
        }
        let mapping = Mapping {
            function: context.id.to_owned(),
            queue_arn: queue_arn.to_owned(),
            batch_size: batch_size as usize,
            window: Duration::from_secs(window.into()),
            report_batch_item_failures: reports_failures(context, properties)?,
            maximum_concurrency: maximum_concurrency(context, properties)?,
            enabled: properties.get("Enabled").map_or(Ok(true), |node| node.as_bool("Enabled"))?,
            line: context.line,
        };
        self.mappings.push(mapping);
        Ok(())
    }
}

fn reports_failures(context: &Context<'_>, properties: &Node) -> Result<bool, Problem> {
    let Some(types) = properties.get("FunctionResponseTypes") else { return Ok(false) };
    match types.items("FunctionResponseTypes")? {
        [] => Ok(false),
        [one] if one.as_text("a response type")? == "ReportBatchItemFailures" => Ok(true),
        [first, ..] => {
            let problem = "has other FunctionResponseTypes than [ReportBatchItemFailures], the only one there is";
            Err(context.wrong(first.line, problem))
        }
    }
}

fn maximum_concurrency(context: &Context<'_>, properties: &Node) -> Result<Option<u32>, Problem> {
    let Some(scaling) = properties.get("ScalingConfig") else { return Ok(None) };
    context.check(scaling, "ScalingConfig", &["MaximumConcurrency"], &[])?;
    match scaling.get("MaximumConcurrency") {
        Some(node) => node.as_number(&format!("MaximumConcurrency of {}", context.whom), 2, 1000).map(Some),
        None => Ok(None),
    }
}

/// The path with its parameters' names left out: routes that differ in those alone cannot be told apart.
fn anonymous(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(name) if name.ends_with("+}") => "{+}",
        Some(_) => "{}",
        None => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn check_path(path: &str) -> Result<(), String> {
    if path == "$default" {
        return Ok(());
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err("it must begin with `/`, or be `$default`".to_owned());
    };
    let mut names = Vec::new();
    let segments: Vec<&str> = rest.split('/').collect();
    for (index, segment) in segments.iter().enumerate() {
        let Some(inner) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
            if segment.contains(['{', '}']) {
                return Err(format!("`{segment}` must be a parameter as a whole, `{{name}}`"));
            }
            continue;
        };
        let name = match inner.strip_suffix('+') {
            Some(_) if index + 1 < segments.len() => return Err(format!("`{segment}` must be its last part")),
            Some(name) => name,
            None => inner,
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c)) {
            return Err(format!("`{segment}` is not a parameter"));
        }
        if names.contains(&name) {
            return Err(format!("`{{{name}}}` is in it twice"));
        }
        names.push(name);
    }
    Ok(())
}
