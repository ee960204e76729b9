//! YAML to nodes that know their line. CloudFormation's short tags (`!Ref x`) and long forms (`Ref: x`,
//! `Fn::Sub: x`) become the same [`Content::Call`]; scalars stay text, because CloudFormation decides by the place
//! where a value stands, not by how it is written, whether it is a number.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::Problem;

/// A value of the template and the line (from 1) where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// An empty value.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// An intrinsic function, without `!` or `Fn::`.
    Call(String, Box<Node>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn text(line: usize, text: impl Into<String>) -> Node {
        Node { line, content: Content::Text(text.into()) }
    }

    /// What the value is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Text(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
            Content::Call(..) => "a function",
        }
    }

    /// The entry of that name, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The entries of a mapping; nothing (`Resources:` with nothing under it) is an empty one.
    pub(super) fn entries(&self, what: &str) -> Result<&[Entry], Problem> {
        match &self.content {
            Content::Map(entries) => Ok(entries),
            Content::Null => Ok(&[]),
            _ => Err(Problem::new(self.line, format!("{what} must be a mapping (`name: value`), not {}", self.kind()))),
        }
    }

    pub(super) fn items(&self, what: &str) -> Result<&[Node], Problem> {
        match &self.content {
            Content::List(items) => Ok(items),
            _ => Err(Problem::new(self.line, format!("{what} must be a list, not {}", self.kind()))),
        }
    }

    pub(super) fn as_text(&self, what: &str) -> Result<&str, Problem> {
        match &self.content {
            Content::Text(text) => Ok(text),
            _ => Err(Problem::new(self.line, format!("{what} must be a single value, not {}", self.kind()))),
        }
    }

    pub(super) fn as_bool(&self, what: &str) -> Result<bool, Problem> {
        match self.as_text(what)? {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => Err(Problem::new(self.line, format!("{what} must be true or false, not `{other}`"))),
        }
    }

    /// A whole number between `least` and `most`.
    pub(super) fn as_number(&self, what: &str, least: u32, most: u32) -> Result<u32, Problem> {
        let text = self.as_text(what)?;
        match text.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => {
                let problem = format!("{what} must be a whole number from {least} to {most}, not `{text}`");
                Err(Problem::new(self.line, problem))
            }
        }
    }
}

/// The template's one document.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    loop {
        let (event, line) = events.next()?;
        match event {
            Event::StreamEnd => return Err(Problem::new(1, "the file is empty; it must have `Resources:`")),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
            first => return events.node(first, line),
        }
    }
}

struct Events<'input> {
    parser: Parser<'input, StrInput<'input>>,
}

impl<'input> Events<'input> {
    fn next(&mut self) -> Result<(Event<'input>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(scan)) => Err(Problem::new(scan.marker().line(), format!("not YAML: {}", scan.info()))),
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn node(&mut self, event: Event<'input>, line: usize) -> Result<Node, Problem> {
        let (content, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let nothing = style == ScalarStyle::Plain && tag.is_none() && matches!(&*text, "" | "~" | "null");
                let content = if nothing { Content::Null } else { Content::Text(text.into_owned()) };
                (content, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (item, line) => items.push(self.node(item, line)?),
                    }
                }
                (Content::List(items), anchor, tag)
            }
            Event::MappingStart(anchor, tag) => (self.mapping()?, anchor, tag),
            Event::Alias(_) => (Content::Null, 1, None),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(Problem::new(line, "not YAML: the value is missing")),
        };
        if anchor != 0 {
            return Err(Problem::new(line, "CloudFormation has no YAML anchors or aliases; write the value out"));
        }
        tagged(Node { line, content }, tag.as_deref())
    }

    fn mapping(&mut self) -> Result<Content, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, _, _, None), line) => (key.into_owned(), line),
                (_, line) => return Err(Problem::new(line, "a key must be a plain name")),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let problem = format!("`{key}` is here twice; the first one is on line {}", first.line);
                return Err(Problem::new(line, problem));
            }
            let (event, value_line) = self.next()?;
            let mut value = self.node(event, value_line)?;
            if value.content == Content::Null {
                // An empty value has no place of its own; the parser puts it at what follows.
                value.line = line;
            }
            entries.push(Entry { key, line, value });
        }
        if let [only] = entries.as_slice()
            && let Some(name) = long_form(&only.key)
        {
            let name = name.to_owned();
            if let Some(only) = entries.pop() {
                return Ok(Content::Call(name, Box::new(only.value)));
            }
        }
        Ok(Content::Map(entries))
    }
}

fn long_form(key: &str) -> Option<&str> {
    if key == "Ref" { Some(key) } else { key.strip_prefix("Fn::") }
}

fn tagged(node: Node, tag: Option<&Tag>) -> Result<Node, Problem> {
    match tag {
        None => Ok(node),
        Some(tag) if tag.handle == "!" && !tag.suffix.is_empty() => {
            Ok(Node { line: node.line, content: Content::Call(tag.suffix.clone(), Box::new(node)) })
        }
        // `!!str 5` and the like only say how YAML itself would read the text.
        Some(tag) if tag.is_yaml_core_schema() => Ok(node),
        Some(tag) => Err(Problem::new(node.line, format!("CloudFormation has no tag `{tag}`"))),
    }
}
