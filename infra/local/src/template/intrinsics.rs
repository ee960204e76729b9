//! CloudFormation's functions, resolved to the values that the local run gives: account 000000000000, region
//! us-east-1, stack `tenday`.
//!
//! What CloudFormation does that this does not: `FindInMap`, `Select`, `Split`, `ImportValue`, `Base64`, `Cidr`,
//! `GetAZs`, `Transform` and the language extensions (an error names them); circular dependencies between resources
//! are not found, because names here do not depend on the order of creation.

use std::collections::BTreeMap;

use super::parse::{Content, Entry, Node};
use super::{Problem, did_you_mean};

pub(super) const ACCOUNT: &str = "000000000000";
pub(super) const REGION: &str = "us-east-1";
pub(super) const STACK: &str = "tenday";
const PARTITION: &str = "aws";

/// What other parts of a template can ask of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What `Ref` gives.
    pub(super) reference: String,
    /// What `GetAtt` gives.
    pub(super) attributes: BTreeMap<&'static str, String>,
    /// The local run does not act on this type: whatever attribute is asked for, some text is answered.
    pub(super) any_attribute: bool,
    /// The condition that leaves it out.
    pub(super) left_out_by: Option<String>,
}

/// Every name that a template's values can refer to.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// A text, or a list of texts.
    pub(super) parameters: BTreeMap<String, Node>,
    pub(super) conditions: BTreeMap<String, bool>,
    pub(super) resources: BTreeMap<String, Known>,
}

impl Scope {
    /// `node` without functions; None where it is `AWS::NoValue`. `whom` begins the messages ("Function `Deliver`").
    pub(super) fn resolve(&self, whom: &str, node: &Node) -> Result<Option<Node>, Problem> {
        let content = match &node.content {
            Content::Null => {
                let problem = format!("{whom} has a name without a value here; CloudFormation refuses that");
                return Err(Problem::new(node.line, problem));
            }
            Content::Text(_) => return Ok(Some(node.clone())),
            Content::List(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.resolve(whom, item)?);
                }
                Content::List(resolved)
            }
            Content::Map(entries) => {
                let mut resolved = Vec::with_capacity(entries.len());
                for entry in entries {
                    if let Some(value) = self.resolve(whom, &entry.value)? {
                        resolved.push(Entry { key: entry.key.clone(), line: entry.line, value });
                    }
                }
                Content::Map(resolved)
            }
            Content::Call(name, argument) => return self.call(whom, node.line, name, argument),
        };
        Ok(Some(Node { line: node.line, content }))
    }

    fn call(&self, whom: &str, line: usize, name: &str, argument: &Node) -> Result<Option<Node>, Problem> {
        match name {
            "Ref" => self.reference(whom, line, argument.as_text("Ref's name")?),
            "GetAtt" => {
                let (resource, attribute) = self.attribute_path(whom, argument)?;
                Ok(Some(Node::text(line, self.attribute(whom, line, &resource, &attribute)?)))
            }
            "Sub" => Ok(Some(Node::text(line, self.substitute(whom, argument)?))),
            "If" => {
                let [condition, yes, no] = argument.items("If")? else {
                    return Err(Problem::new(line, format!("{whom}: If takes a condition and two values")));
                };
                let (taken, other) = if self.condition(whom, condition)? { (yes, no) } else { (no, yes) };
                self.check_names(whom, other)?;
                self.resolve(whom, taken)
            }
            "Join" => {
                let [separator, values] = argument.items("Join")? else {
                    return Err(Problem::new(line, format!("{whom}: Join takes a separator and a list")));
                };
                let values = self.value(whom, values)?;
                let mut texts = Vec::new();
                for value in values.items("Join's second value")? {
                    texts.push(value.as_text("a value to join")?);
                }
                Ok(Some(Node::text(line, texts.join(separator.as_text("Join's separator")?))))
            }
            "Equals" | "Not" | "And" | "Or" | "Condition" => {
                let problem = format!("{whom} uses `{name}`, which belongs under Conditions; use `If` here");
                Err(Problem::new(line, problem))
            }
            _ => {
                let known = "Ref, GetAtt, Sub, If and Join, and in conditions Equals, Not, And and Or";
                let problem =
                    format!("{whom} uses the function `{name}`, which the local run does not have; it has {known}");
                Err(Problem::new(line, problem))
            }
        }
    }

    /// Like [`Scope::resolve`] where there must be a value.
    pub(super) fn value(&self, whom: &str, node: &Node) -> Result<Node, Problem> {
        self.resolve(whom, node)?
            .ok_or_else(|| Problem::new(node.line, format!("{whom} needs a value here, not NoValue")))
    }

    fn reference(&self, whom: &str, line: usize, name: &str) -> Result<Option<Node>, Problem> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = pseudo(name) {
            return Ok(Some(Node::text(line, value)));
        }
        if let Some(parameter) = self.parameters.get(name) {
            return Ok(Some(Node { line, content: parameter.content.clone() }));
        }
        Ok(Some(Node::text(line, self.resource(whom, line, name)?.reference.clone())))
    }

    fn resource(&self, whom: &str, line: usize, name: &str) -> Result<&Known, Problem> {
        let Some(known) = self.resources.get(name) else {
            let what = if name.starts_with("AWS::") {
                "which the local run does not have"
            } else if self.parameters.contains_key(name) {
                "which is a parameter and has no attributes"
            } else {
                "which is not a resource or parameter"
            };
            let names = self.resources.keys().chain(self.parameters.keys()).map(String::as_str);
            let hint = did_you_mean(name, names);
            return Err(Problem::new(line, format!("{whom} refers to `{name}`, {what}{hint}")));
        };
        match &known.left_out_by {
            None => Ok(known),
            Some(condition) => {
                let problem = format!(
                    "{whom} refers to `{name}`, which the condition `{condition}` leaves out; use `If` with the same condition"
                );
                Err(Problem::new(line, problem))
            }
        }
    }

    fn attribute_path(&self, whom: &str, argument: &Node) -> Result<(String, String), Problem> {
        if let Content::List(parts) = &argument.content {
            let [resource, attribute] = parts.as_slice() else {
                return Err(Problem::new(argument.line, format!("{whom}: GetAtt takes a resource and an attribute")));
            };
            let attribute = self.value(whom, attribute)?;
            let resource = resource.as_text("GetAtt's resource")?.to_owned();
            return Ok((resource, attribute.as_text("GetAtt's attribute")?.to_owned()));
        }
        let path = argument.as_text("GetAtt")?;
        let Some((resource, attribute)) = path.split_once('.') else {
            let problem = format!("{whom}: GetAtt takes `Resource.Attribute`, not `{path}`");
            return Err(Problem::new(argument.line, problem));
        };
        Ok((resource.to_owned(), attribute.to_owned()))
    }

    fn attribute(&self, whom: &str, line: usize, resource: &str, attribute: &str) -> Result<String, Problem> {
        let known = self.resource(whom, line, resource)?;
        if let Some(value) = known.attributes.get(attribute) {
            return Ok(value.clone());
        }
        if known.any_attribute {
            return Ok(format!("{}.{attribute}", known.reference));
        }
        let has = known.attributes.keys().copied().collect::<Vec<_>>().join(", ");
        let problem = format!("{whom} asks for `{resource}.{attribute}`; `{resource}` has the attributes {has}");
        Err(Problem::new(line, problem))
    }

    fn substitute(&self, whom: &str, argument: &Node) -> Result<String, Problem> {
        let (text, own) = match &argument.content {
            Content::List(parts) => match parts.as_slice() {
                [text, names] => (text, names.entries("Sub's second value")?),
                _ => return Err(Problem::new(argument.line, format!("{whom}: Sub takes a text and a mapping"))),
            },
            _ => (argument, &[][..]),
        };
        let line = text.line;
        let mut out = String::new();
        for piece in pieces(text.as_text("Sub's text")?) {
            match piece {
                Ok(Piece::Literal(literal)) => out.push_str(literal),
                Ok(Piece::Escaped(literal)) => {
                    out.push_str("${");
                    out.push_str(literal);
                    out.push('}');
                }
                Ok(Piece::Name(name)) => {
                    if let Some(entry) = own.iter().find(|entry| entry.key == name) {
                        out.push_str(self.value(whom, &entry.value)?.as_text("a value for Sub")?);
                    } else if let Some((resource, attribute)) = name.split_once('.') {
                        out.push_str(&self.attribute(whom, line, resource, attribute)?);
                    } else if let Some(value) = self.reference(whom, line, name)? {
                        out.push_str(value.as_text("a value for Sub")?);
                    } else {
                        return Err(Problem::new(line, format!("{whom}: NoValue is not a text")));
                    }
                }
                Err(rest) => return Err(Problem::new(line, format!("{whom}: `{rest}` is not closed with a brace"))),
            }
        }
        Ok(out)
    }

    fn condition(&self, whom: &str, node: &Node) -> Result<bool, Problem> {
        let name = node.as_text("If's condition")?;
        self.conditions.get(name).copied().ok_or_else(|| {
            let hint = did_you_mean(name, self.conditions.keys().map(String::as_str));
            Problem::new(node.line, format!("{whom} uses the condition `{name}`, which is not under Conditions{hint}"))
        })
    }

    /// The branch of an `If` that is not taken may name what its condition leaves out, but not what is nowhere.
    fn check_names(&self, whom: &str, node: &Node) -> Result<(), Problem> {
        match &node.content {
            Content::Null | Content::Text(_) => Ok(()),
            Content::List(items) => items.iter().try_for_each(|item| self.check_names(whom, item)),
            Content::Map(entries) => entries.iter().try_for_each(|entry| self.check_names(whom, &entry.value)),
            Content::Call(name, argument) => match (name.as_str(), &argument.content) {
                ("Ref", Content::Text(name)) => self.check_name(whom, node.line, name),
                ("GetAtt", Content::Text(path)) => {
                    self.check_name(whom, node.line, path.split('.').next().unwrap_or_default())
                }
                ("Sub", Content::Text(text)) => pieces(text).try_for_each(|piece| match piece {
                    Ok(Piece::Name(name)) => {
                        self.check_name(whom, node.line, name.split('.').next().unwrap_or_default())
                    }
                    _ => Ok(()),
                }),
                _ => self.check_names(whom, argument),
            },
        }
    }

    fn check_name(&self, whom: &str, line: usize, name: &str) -> Result<(), Problem> {
        let there = name == "AWS::NoValue"
            || pseudo(name).is_some()
            || self.parameters.contains_key(name)
            || self.resources.contains_key(name);
        if there { Ok(()) } else { self.resource(whom, line, name).map(|_| ()) }
    }
}

fn pseudo(name: &str) -> Option<String> {
    Some(match name {
        "AWS::AccountId" => ACCOUNT.to_owned(),
        "AWS::Region" => REGION.to_owned(),
        "AWS::StackName" => STACK.to_owned(),
        "AWS::Partition" => PARTITION.to_owned(),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        "AWS::StackId" => arn("cloudformation", &format!("stack/{STACK}/00000000-0000-0000-0000-000000000000")),
        _ => return None,
    })
}

/// An ARN of the local account and region.
pub(super) fn arn(service: &str, resource: &str) -> String {
    format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{resource}")
}

enum Piece<'a> {
    Literal(&'a str),
    /// `${!name}`, which Sub writes as `${name}`.
    Escaped(&'a str),
    Name(&'a str),
}

/// The parts of a Sub text; an error is what follows a brace that is not closed.
fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, &str>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(start) = rest.find("${") else {
            return Some(Ok(Piece::Literal(std::mem::take(&mut rest))));
        };
        if start > 0 {
            let (literal, tail) = rest.split_at(start);
            rest = tail;
            return Some(Ok(Piece::Literal(literal)));
        }
        let Some(end) = rest.find('}') else {
            return Some(Err(std::mem::take(&mut rest)));
        };
        let name = &rest[2..end];
        rest = &rest[end + 1..];
        Some(Ok(name.strip_prefix('!').map_or_else(|| Piece::Name(name.trim()), Piece::Escaped)))
    })
}

/// The template's conditions, decided from the parameters alone.
pub(super) fn conditions(scope: &Scope, section: &[Entry]) -> Result<BTreeMap<String, bool>, Problem> {
    let mut decided = BTreeMap::new();
    for entry in section {
        decide(scope, section, entry, &mut decided, &mut Vec::new())?;
    }
    Ok(decided)
}

fn decide<'a>(
    scope: &Scope,
    section: &'a [Entry],
    entry: &'a Entry,
    decided: &mut BTreeMap<String, bool>,
    path: &mut Vec<&'a str>,
) -> Result<bool, Problem> {
    if let Some(known) = decided.get(&entry.key) {
        return Ok(*known);
    }
    if path.contains(&entry.key.as_str()) {
        return Err(Problem::new(entry.line, format!("the condition `{}` depends on itself", entry.key)));
    }
    path.push(&entry.key);
    let value = evaluate(scope, section, &entry.key, &entry.value, decided, path)?;
    path.pop();
    decided.insert(entry.key.clone(), value);
    Ok(value)
}

fn evaluate<'a>(
    scope: &Scope,
    section: &'a [Entry],
    of: &str,
    node: &'a Node,
    decided: &mut BTreeMap<String, bool>,
    path: &mut Vec<&'a str>,
) -> Result<bool, Problem> {
    let whom = format!("Condition `{of}`");
    let wrong = |problem: &str| Problem::new(node.line, format!("{whom}: {problem}"));
    let (name, argument) = match &node.content {
        Content::Call(name, argument) => (name.as_str(), &**argument),
        Content::Map(entries) => match entries.as_slice() {
            [only] if only.key == "Condition" => ("Condition", &only.value),
            _ => return Err(wrong("one of Equals, Not, And, Or or Condition is needed")),
        },
        Content::Null | Content::Text(_) | Content::List(_) => {
            return Err(wrong("one of Equals, Not, And, Or or Condition is needed"));
        }
    };
    match name {
        "Equals" => match argument.items("Equals")? {
            [left, right] => Ok(scope.value(&whom, left)?.content == scope.value(&whom, right)?.content),
            _ => Err(wrong("Equals takes two values")),
        },
        "Not" => match argument.items("Not")? {
            [one] => Ok(!evaluate(scope, section, of, one, decided, path)?),
            _ => Err(wrong("Not takes a list of one condition")),
        },
        "And" | "Or" => {
            let parts = argument.items(name)?;
            if !(2..=10).contains(&parts.len()) {
                return Err(wrong(&format!("{name} takes two to ten conditions")));
            }
            // All of them, so that a mistake in the last is found whatever the first one says.
            let mut values = Vec::with_capacity(parts.len());
            for part in parts {
                values.push(evaluate(scope, section, of, part, decided, path)?);
            }
            Ok(if name == "And" { values.iter().all(|value| *value) } else { values.iter().any(|value| *value) })
        }
        "Condition" => {
            let other = argument.as_text("Condition")?;
            match section.iter().find(|entry| entry.key == other) {
                Some(entry) => decide(scope, section, entry, decided, path),
                None => {
                    let hint = did_you_mean(other, section.iter().map(|entry| entry.key.as_str()));
                    Err(Problem::new(argument.line, format!("{whom} uses `{other}`, which is not a condition{hint}")))
                }
            }
        }
        _ => Err(wrong(&format!("`{name}` is not for conditions; use Equals, Not, And, Or or Condition"))),
    }
}
