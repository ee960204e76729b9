//! CSV: a row is a line of JSON lines, with a column for each field. A header names the columns, in any order; an empty cell
//! is a field that is left out.
//!
//! A row is one line: nothing that a cell may hold has a line break, and a quote that is never closed would else swallow all
//! rows after it.

use serde_json::{Map, Value};

use crate::import::record::{self, Problem, Record};

/// How a cell is read.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    /// Words with spaces between them.
    Words,
    /// Whole numbers with spaces between them.
    Numbers,
    Number,
    Flag,
    /// A JSON object.
    Object,
}

/// Every column that a file may have: the field that it stands for, and how its cells are read.
const COLUMNS: [(&str, Kind); 15] = [
    ("developerId", Kind::Text),
    ("configuration.type", Kind::Text),
    ("configuration.dateFormat", Kind::Text),
    ("configuration.name", Kind::Text),
    ("configuration.ipAllowlist", Kind::Words),
    ("configuration.retrySchedule", Kind::Numbers),
    ("webhook.callbackURL", Kind::Text),
    ("webhook.eventName", Kind::Text),
    ("webhook.eventNames", Kind::Words),
    ("webhook.linkIds", Kind::Words),
    ("webhook.secret", Kind::Text),
    ("webhook.retrySchedule", Kind::Numbers),
    ("webhook.rateLimit", Kind::Number),
    ("webhook.headers", Kind::Object),
    ("disabled", Kind::Flag),
];

/// Why a file's first line is no header. Its words are not repeated: without a header they are the first row's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the first line has to name the columns: {0}")]
    Line(String),
    #[error("column {0} of the header is none of {known}, with commas between them", known = known())]
    Unknown(usize),
    #[error("the header has the column {0} twice")]
    Twice(&'static str),
    #[error("the header has no column developerId")]
    NoDeveloper,
}

fn known() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

/// A file's columns, in its order.
#[derive(Debug)]
pub(super) struct Columns(Vec<(&'static str, Kind)>);

impl Columns {
    pub(super) fn of(header: &str) -> Result<Self, HeaderError> {
        let cells = cells(header).map_err(HeaderError::Line)?;
        let mut columns: Vec<(&'static str, Kind)> = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            let column = COLUMNS.into_iter().find(|(name, _)| *name == cell.trim());
            let column = column.ok_or(HeaderError::Unknown(index + 1))?;
            if columns.iter().any(|(name, _)| *name == column.0) {
                return Err(HeaderError::Twice(column.0));
            }
            columns.push(column);
        }
        if !columns.iter().any(|(name, _)| *name == "developerId") {
            return Err(HeaderError::NoDeveloper);
        }
        Ok(Self(columns))
    }

    pub(super) fn record(&self, row: &str) -> Result<Record, Vec<Problem>> {
        let cells = cells(row).map_err(|problem| vec![Problem::new("", problem)])?;
        if cells.len() != self.0.len() {
            let message = format!("the row has {} cells, and the header {} columns", cells.len(), self.0.len());
            return Err(vec![Problem::new("", message)]);
        }
        let mut line = Map::new();
        let mut problems = Vec::new();
        for ((name, kind), cell) in self.0.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty()) {
            match kind.read(cell) {
                Ok(value) => put(&mut line, name, value),
                Err(expected) => problems.push(Problem::new(name, expected)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        record::of_value(Value::Object(line)).map_err(|problem| vec![problem])
    }
}

fn put(line: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((object, field)) = name.split_once('.') else {
        line.insert(name.to_owned(), value);
        return;
    };
    let object = line.entry(object).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value);
    }
}

impl Kind {
    /// What a cell says, or what it should have said.
    fn read(self, cell: &str) -> Result<Value, &'static str> {
        let number = |text: &str| text.parse::<u32>().map(Value::from);
        match self {
            Self::Text => Ok(cell.into()),
            Self::Words => Ok(cell.split_whitespace().collect()),
            Self::Numbers => {
                let numbers = cell.split_whitespace().map(number).collect::<Result<Vec<_>, _>>();
                numbers.map(Value::from).map_err(|_| "must be whole numbers with spaces between them")
            }
            Self::Number => number(cell).map_err(|_| "must be a whole number"),
            Self::Flag => cell.parse::<bool>().map(Value::from).map_err(|_| "must be true or false"),
            Self::Object => {
                let object = serde_json::from_str::<Value>(cell).ok().filter(Value::is_object);
                object.ok_or("must be a JSON object")
            }
        }
    }
}

fn cells(line: &str) -> Result<csv::StringRecord, String> {
    if let Some(problem) = misquoted(line) {
        return Err(problem.to_owned());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let mut cells = csv::StringRecord::new();
    reader.read_record(&mut cells).map_err(|error| error.to_string())?;
    Ok(cells)
}

/// What is wrong with the quotes of a row. The reader would make the best of them, which may not be what was meant.
fn misquoted(row: &str) -> Option<&'static str> {
    let mut rest = row;
    loop {
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let after = loop {
                let Some((_, after)) = quoted.split_once('"') else {
                    return Some("a quote is opened and not closed in its line");
                };
                match after.strip_prefix('"') {
                    Some(more) => quoted = more,
                    None => break after,
                }
            };
            rest = after;
            if !rest.is_empty() && !rest.starts_with(',') {
                return Some("text stands behind a closing quote: a quote within quotes is written twice");
            }
        }
        let end = rest.find(',').unwrap_or(rest.len());
        if rest[..end].contains('"') {
            return Some("a quote stands within a cell that does not begin with one");
        }
        match rest.get(end + 1..) {
            Some(next) => rest = next,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "developerId,configuration.ipAllowlist,webhook.callbackURL,webhook.headers,webhook.rateLimit";

    fn row(row: &str) -> Result<Record, Vec<Problem>> {
        Columns::of(HEADER).unwrap().record(row)
    }

    fn problem(text: &str) -> Problem {
        row(text).err().unwrap_or_else(|| panic!("{text} is taken")).remove(0)
    }

    #[test]
    fn a_row_says_what_a_line_would() {
        let record = row(r#"DEV-a,"203.0.113.7 203.0.113.8",https://e.com/?a=1,"{""x-key"": ""a, b""}",5"#).unwrap();
        assert_eq!(record.developer.as_str(), "DEV-a");
        assert!(record.configuration.is_some() && record.webhook.is_some() && !record.disabled);
        // Empty cells are left out.
        let record = row("DEV-a,,https://e.com/,,").unwrap();
        assert!(record.configuration.is_none() && record.webhook.is_some());
        assert_eq!(problem("DEV-a,,,,").message, "give a configuration, a webhook, or both");
    }

    #[test]
    fn every_column_can_be_read() {
        let header = COLUMNS.map(|(name, _)| name).join(",");
        let row = "DEV-a,plaid,ISO,n,203.0.113.7,1 2,https://e.com/,,A B,l1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,3,4,{},true";
        assert!(Columns::of(&header).unwrap().record(row).unwrap().disabled);
    }

    #[test]
    fn broken_rows_are_told_apart() {
        assert!(problem("DEV-a,,https://e.com/").message.contains("3 cells, and the header 5 columns"));
        assert!(problem(r#"DEV-a,"203.0.113.7,https://e.com/,,"#).message.contains("not closed in its line"));
        assert!(problem(r#"DEV-a,"a"b,https://e.com/,,"#).message.contains("behind a closing quote"));
        assert!(problem(r#"DEV-a,a"b",https://e.com/,,"#).message.contains("does not begin with one"));
        let number = problem("DEV-a,,https://e.com/,,many");
        assert_eq!((number.at.as_str(), number.message.as_str()), ("webhook.rateLimit", "must be a whole number"));
        assert_eq!(problem("DEV-a,,https://e.com/,x-key: s3cr3t,").message, "must be a JSON object");
        assert_eq!(problem("acme,,https://e.com/,,").at, "developerId");
        assert_eq!(problem("DEV-a,203.0.113.7,,,5").message, "missing field `callbackURL`");
    }

    #[test]
    fn a_file_without_a_header_is_told_and_not_repeated() {
        let refused = |header: &str| Columns::of(header).unwrap_err().to_string();
        let first = refused("DEV-a,203.0.113.7,https://e.com/,whsec_s3cr3t,5");
        assert!(first.starts_with("column 1 of the header is none of developerId, ") && !first.contains("s3cr3t"));
        assert_eq!(refused("webhook.callbackURL"), "the header has no column developerId");
        assert_eq!(refused("developerId,developerId"), "the header has the column developerId twice");
        assert!(refused("developerId;webhook.callbackURL").starts_with("column 1"));
        assert!(refused("\"developerId").contains("not closed"));
    }
}
