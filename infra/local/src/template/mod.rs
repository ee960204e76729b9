//! `template.yaml`, read for the local run: what would be deployed, with the values it would have.
//!
//! - [`parse`]: YAML to nodes with lines.
//! - [`intrinsics`]: CloudFormation's functions and conditions.
//! - [`resources`]: which types there are, and what `Ref` and `GetAtt` give for each.
//! - [`functions`] and [`stores`]: the types that the local run acts on.
//!
//! What AWS does that this does not: transforms other than SAM's, Mappings, Rules, `AllowedPattern`, parameters that
//! are looked up, `Auth` and CORS of an HTTP API, FIFO queues, event filters, streams, and IAM. A part that would
//! change what the local run does is refused with its line; a part that changes nothing here (tags, encryption,
//! alarms, policies) is accepted, and its references are still checked.

mod functions;
mod intrinsics;
mod parse;
mod resources;
mod stores;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use intrinsics::Scope;
use parse::{Content, Entry, Node};

/// What a template declares, resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub(crate) functions: Vec<Function>,
    pub(crate) routes: Vec<Route>,
    pub(crate) tables: Vec<Table>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) schedule_groups: Vec<String>,
    pub(crate) keys: Vec<KmsKey>,
    /// Logical id to ARN, the roles that SAM makes for functions included.
    pub(crate) roles: BTreeMap<String, String>,
    pub(crate) outputs: BTreeMap<String, String>,
    /// As given, else by their defaults.
    pub(crate) parameters: BTreeMap<String, String>,
    /// What `Ref` gives, by logical id: what CloudFormation lists of a stack.
    pub(crate) resources: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) logical_id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// `CodeUri`, as written: relative to the template's directory.
    pub(crate) crate_dir: PathBuf,
    pub(crate) memory_mb: u32,
    pub(crate) timeout: Duration,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) reserved_concurrency: Option<u32>,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// None: any method.
    pub(crate) method: Option<String>,
    /// `/a/{b}`, `/a/{rest+}`, or `$default`.
    pub(crate) path: String,
    /// Logical id.
    pub(crate) function: String,
    pub(crate) line: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) logical_id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// The body of a CreateTable request.
    pub(crate) create_table: Value,
    pub(crate) ttl_attribute: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) dead_letter_arn: String,
    pub(crate) max_receive_count: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) logical_id: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) arn: String,
    pub(crate) visibility_timeout: Duration,
    pub(crate) delay: Duration,
    pub(crate) retention: Duration,
    /// Bytes.
    pub(crate) max_message_size: usize,
    /// The default of WaitTimeSeconds.
    pub(crate) receive_wait: Duration,
    pub(crate) redrive: Option<Redrive>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Logical id of the function.
    pub(crate) function: String,
    pub(crate) queue_arn: String,
    pub(crate) batch_size: usize,
    pub(crate) window: Duration,
    pub(crate) report_batch_item_failures: bool,
    pub(crate) maximum_concurrency: Option<u32>,
    pub(crate) enabled: bool,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KmsKey {
    pub(crate) logical_id: String,
    pub(crate) id: String,
    pub(crate) arn: String,
}

/// What is wrong with a template, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("{file}: {source}; run from the directory of template.yaml, or name the file")]
    Read { file: String, source: std::io::Error },
    #[error("{file}:{line}: {problem}")]
    Wrong { file: String, line: usize, problem: String },
    #[error("there is no parameter `{name}` in {file}; it has {known}")]
    UnknownParameter { file: String, name: String, known: String },
    #[error("the parameter `{name}` of {file} {problem}")]
    WrongParameter { file: String, name: String, problem: String },
}

/// A mistake in the template, before the file's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    line: usize,
    text: String,
}

impl Problem {
    fn new(line: usize, text: impl Into<String>) -> Problem {
        Problem { line, text: text.into() }
    }
}

/// Reads the template at `path`. `endpoint` is the base URL that AWS's services have locally; queue URLs begin with it.
pub(crate) fn load(
    path: &Path,
    parameters: &BTreeMap<String, String>,
    endpoint: &str,
) -> Result<Template, TemplateError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| TemplateError::Read { file: file.clone(), source })?;
    let wrong =
        |problem: Problem| TemplateError::Wrong { file: file.clone(), line: problem.line, problem: problem.text };
    let root = parse::parse(&text).map_err(wrong)?;
    let sections = sections(&root).map_err(wrong)?;
    let mut scope = Scope { parameters: given(&file, &sections, parameters)?, ..Scope::default() };
    for entry in sections.parameters {
        let parameter = declared(entry).map_err(wrong)?;
        if scope.parameters.contains_key(&entry.key) {
            continue;
        }
        let Some(default) = &parameter.default else {
            let problem = format!("the parameter `{}` has no Default and was given no value", entry.key);
            return Err(wrong(Problem::new(entry.line, problem)));
        };
        let value = parameter.value(entry.line, default).map_err(|problem| {
            let text = format!("the Default of the parameter `{}` {problem}", entry.key);
            wrong(Problem::new(entry.line, text))
        })?;
        scope.parameters.insert(entry.key.clone(), value);
    }
    scope.conditions = intrinsics::conditions(&scope, sections.conditions).map_err(wrong)?;
    resources::build(&mut scope, &sections, endpoint.trim_end_matches('/')).map_err(wrong)
}

/// The parts of a template that are read.
struct Sections<'a> {
    parameters: &'a [Entry],
    conditions: &'a [Entry],
    function_globals: Option<&'a Node>,
    resources: &'a [Entry],
    outputs: &'a [Entry],
}

fn sections(root: &Node) -> Result<Sections<'_>, Problem> {
    let mut sections =
        Sections { parameters: &[], conditions: &[], function_globals: None, resources: &[], outputs: &[] };
    let mut transformed = false;
    for entry in root.entries("a template")? {
        match entry.key.as_str() {
            "AWSTemplateFormatVersion" if entry.value.as_text("the version")? == "2010-09-09" => {}
            "AWSTemplateFormatVersion" => {
                return Err(Problem::new(entry.line, "CloudFormation has only the version \"2010-09-09\""));
            }
            // Rules hold where parameters are given; the local run goes by their defaults.
            "Description" | "Metadata" | "Rules" => {}
            "Transform" => {
                let one = std::slice::from_ref(&entry.value);
                let names = entry.value.items("Transform").unwrap_or(one);
                match names {
                    [sam] if sam.as_text("Transform")? == "AWS::Serverless-2016-10-31" => transformed = true,
                    _ => return Err(Problem::new(entry.line, "the only transform here is AWS::Serverless-2016-10-31")),
                }
            }
            "Parameters" => sections.parameters = entry.value.entries("Parameters")?,
            "Conditions" => sections.conditions = entry.value.entries("Conditions")?,
            "Globals" => {
                for global in entry.value.entries("Globals")? {
                    if global.key != "Function" {
                        let problem =
                            format!("the local run reads Globals for Function only, not for `{}`", global.key);
                        return Err(Problem::new(global.line, problem));
                    }
                    sections.function_globals = Some(&global.value);
                }
            }
            "Resources" => sections.resources = entry.value.entries("Resources")?,
            "Outputs" => sections.outputs = entry.value.entries("Outputs")?,
            other => {
                let known =
                    ["Parameters", "Rules", "Conditions", "Globals", "Resources", "Outputs", "Metadata", "Transform"];
                let hint = did_you_mean(other, known);
                let problem = format!("the local run does not know the section `{other}`{hint}");
                return Err(Problem::new(entry.line, problem));
            }
        }
    }
    if sections.resources.is_empty() {
        return Err(Problem::new(root.line, "a template needs `Resources:` with something under it"));
    }
    if !transformed {
        return Err(Problem::new(root.line, "`Transform: AWS::Serverless-2016-10-31` is missing"));
    }
    Ok(sections)
}

/// One parameter's declaration.
#[derive(Debug)]
struct Parameter {
    kind: ParameterKind,
    default: Option<String>,
    allowed: Option<Vec<String>>,
    least: Option<f64>,
    most: Option<f64>,
    shortest: Option<usize>,
    longest: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterKind {
    Text,
    Number,
    List,
}

fn declared(entry: &Entry) -> Result<Parameter, Problem> {
    let mut parameter = Parameter {
        kind: ParameterKind::Text,
        default: None,
        allowed: None,
        least: None,
        most: None,
        shortest: None,
        longest: None,
    };
    let whom = format!("the parameter `{}`", entry.key);
    let mut typed = false;
    for property in entry.value.entries(&whom)? {
        let value = &property.value;
        let number = || {
            let text = value.as_text(&property.key)?;
            text.parse::<f64>().map_err(|_| {
                Problem::new(property.line, format!("{} of {whom} must be a number, not `{text}`", property.key))
            })
        };
        match property.key.as_str() {
            "Type" => {
                typed = true;
                parameter.kind = match value.as_text("Type")? {
                    "String" => ParameterKind::Text,
                    "Number" => ParameterKind::Number,
                    "CommaDelimitedList" => ParameterKind::List,
                    other => {
                        let problem = format!(
                            "{whom} has the type `{other}`; the local run has String, Number and CommaDelimitedList"
                        );
                        return Err(Problem::new(property.line, problem));
                    }
                };
            }
            "Default" => parameter.default = Some(value.as_text("Default")?.to_owned()),
            "AllowedValues" => {
                let values = value.items("AllowedValues")?.iter().map(|item| item.as_text("an allowed value"));
                parameter.allowed = Some(values.map(|text| text.map(str::to_owned)).collect::<Result<_, _>>()?);
            }
            "MinValue" => parameter.least = Some(number()?),
            "MaxValue" => parameter.most = Some(number()?),
            "MinLength" => parameter.shortest = Some(value.as_number("MinLength", 0, u32::MAX)? as usize),
            "MaxLength" => parameter.longest = Some(value.as_number("MaxLength", 0, u32::MAX)? as usize),
            "Description" | "ConstraintDescription" | "NoEcho" | "AllowedPattern" => {}
            other => {
                let problem = format!("{whom} has `{other}`, which CloudFormation does not know for a parameter");
                return Err(Problem::new(property.line, problem));
            }
        }
    }
    if !typed {
        return Err(Problem::new(entry.line, format!("{whom} needs a Type")));
    }
    Ok(parameter)
}

impl Parameter {
    /// The value as the template's functions see it, or how it breaks the declaration.
    fn value(&self, line: usize, text: &str) -> Result<Node, String> {
        let parts: Vec<&str> = match self.kind {
            ParameterKind::List => text.split(',').map(str::trim).collect(),
            ParameterKind::Text | ParameterKind::Number => vec![text],
        };
        for part in &parts {
            if let Some(allowed) = &self.allowed
                && !allowed.iter().any(|value| value == part)
            {
                return Err(format!("is `{part}`, but must be one of {}", allowed.join(", ")));
            }
        }
        if self.kind == ParameterKind::Number {
            let number: f64 = text.parse().map_err(|_| format!("is `{text}`, but must be a number"))?;
            if self.least.is_some_and(|least| number < least) || self.most.is_some_and(|most| number > most) {
                let least = self.least.map_or_else(|| "any".to_owned(), |least| least.to_string());
                let most = self.most.map_or_else(|| "any".to_owned(), |most| most.to_string());
                return Err(format!("is {text}, but must be from {least} to {most}"));
            }
        }
        let length = text.chars().count();
        if self.kind == ParameterKind::Text
            && (self.shortest.is_some_and(|least| length < least) || self.longest.is_some_and(|most| length > most))
        {
            return Err(format!("is {length} characters long, which its MinLength or MaxLength does not allow"));
        }
        Ok(match self.kind {
            ParameterKind::List => {
                let items = parts.into_iter().map(|part| Node::text(line, part)).collect();
                Node { line, content: Content::List(items) }
            }
            ParameterKind::Text | ParameterKind::Number => Node::text(line, text),
        })
    }
}

/// The values given from outside, checked against their declarations.
fn given(
    file: &str,
    sections: &Sections<'_>,
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Node>, TemplateError> {
    let mut given = BTreeMap::new();
    for (name, text) in values {
        let Some(entry) = sections.parameters.iter().find(|entry| entry.key == *name) else {
            let known = sections.parameters.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(TemplateError::UnknownParameter { file: file.to_owned(), name: name.clone(), known });
        };
        let parameter = declared(entry).map_err(|problem| TemplateError::Wrong {
            file: file.to_owned(),
            line: problem.line,
            problem: problem.text,
        })?;
        let value = parameter.value(entry.line, text).map_err(|problem| TemplateError::WrongParameter {
            file: file.to_owned(),
            name: name.clone(),
            problem,
        })?;
        given.insert(name.clone(), value);
    }
    Ok(given)
}

/// Refuses what is in neither list, so that nothing in the template is silently without effect.
fn check_names(
    whom: &str,
    what: &str,
    entries: &[Entry],
    acted_on: &[&str],
    without_effect: &[&str],
) -> Result<(), Problem> {
    let known: BTreeSet<&str> = acted_on.iter().chain(without_effect).copied().collect();
    match entries.iter().find(|entry| !known.contains(entry.key.as_str())) {
        None => Ok(()),
        Some(entry) => {
            let hint = did_you_mean(&entry.key, known);
            let problem = format!("{whom} has `{}`, which the local run does not know for {what}{hint}", entry.key);
            Err(Problem::new(entry.line, problem))
        }
    }
}

/// `; did you mean `x`?`, when something known is close to what was written.
fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = known.into_iter().map(|name| (distance(written, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= written.len().max(6) / 3 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// Levenshtein's, on bytes, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<u8> = right.bytes().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut before = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&right) {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = *cell;
            before = changed.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}
