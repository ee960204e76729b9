//! What is shown: tables for people, JSON for programs, and nothing that could steer a terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value;
use tenday_model::terminal::steers;

/// Where a command shows what it found.
pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    /// The columns of the terminal, if it is one.
    width: Option<u16>,
    colours: bool,
}

impl<'a> Console<'a> {
    /// A file, a pipe, or a test.
    pub(crate) fn plain(out: &'a mut dyn Write) -> Self {
        Self { out, width: None, colours: false }
    }

    pub(crate) fn terminal(out: &'a mut dyn Write, width: u16, colours: bool) -> Self {
        Self { out, width: Some(width), colours }
    }

    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        self.out
    }

    /// The columns of the terminal, if it is one.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width.map(usize::from)
    }

    pub(crate) fn colours(&self) -> bool {
        self.colours
    }

    /// A line, at once. Whatever others said in it has to be [`clean`].
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", text.as_ref())?;
        self.out.flush()
    }

    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(clean_json(&format!("{value:#}")))
    }

    /// Names and what belongs to them, one a line; what has no value is left out.
    pub(crate) fn fields(&mut self, fields: &[(&str, Option<String>)]) -> io::Result<()> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in fields {
            if let Some(value) = value {
                self.line(format!("{name:width$}  {value}"))?;
            }
        }
        Ok(())
    }

    /// A table, or, where the terminal is too narrow for it, a paragraph for each row: ids stay whole, to be copied.
    pub(crate) fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let plain = render(heads, rows, false);
        let needed = plain.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or_default();
        if self.width().is_none_or(|width| needed <= width) {
            let shown = if self.colours { render(heads, rows, true) } else { plain };
            for line in shown.lines() {
                self.line(line.trim_end())?;
            }
            return Ok(());
        }
        let names = heads.iter().skip(1).map(|head| head.len()).max().unwrap_or_default();
        for row in rows {
            let mut cells = heads.iter().zip(row);
            if let Some((_, first)) = cells.next() {
                self.line(first)?;
            }
            for (head, cell) in cells.filter(|(_, cell)| !matches!(cell.as_str(), "" | "-")) {
                let head = head.to_lowercase();
                let cell = self.painted(cell);
                self.line(format!("  {head:names$}  {cell}"))?;
            }
        }
        Ok(())
    }

    /// A word in the colour of what it means, where there are colours.
    pub(crate) fn painted(&self, word: &str) -> String {
        let code = match colour_of(word) {
            Some(Color::Green) => "32",
            Some(Color::Red) => "31",
            Some(_) => "33",
            None => return word.to_owned(),
        };
        if self.colours { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    }
}

fn render(heads: &[&str], rows: &[Vec<String>], colours: bool) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(heads.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.iter().map(|text| match colour_of(text) {
            Some(colour) => Cell::new(text).fg(colour),
            None => Cell::new(text),
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.to_string()
}

/// Statuses speak in colours, whatever table they are in.
fn colour_of(word: &str) -> Option<Color> {
    match word {
        "active" | "delivered" | "done" | "ok" | "taken" => Some(Color::Green),
        "failing" | "dropped" | "failed" | "not taken" | "stopped" => Some(Color::Red),
        "disabled" | "pending" | "running" | "not checked" => Some(Color::Yellow),
        _ => None,
    }
}

/// Text that others said, as it may be shown: what could steer the terminal, or turn the direction of what follows, is
/// written out.
pub(crate) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same for JSON, in which such a character can only be within a string, and is escaped as JSON does.
pub(crate) fn clean_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && steers(c) {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value of an answer, as a word of a line.
pub(crate) fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(word).collect::<Vec<_>>().join(", "),
        other => clean_json(&other.to_string()),
    }
}

/// [`word`], if there is anything to say.
pub(crate) fn some(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| word(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(width: Option<u16>, colours: bool, show: impl FnOnce(&mut Console<'_>)) -> String {
        let mut out = Vec::new();
        let mut console = Console { out: &mut out, width, colours };
        show(&mut console);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_that_others_say_steers_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}c\u{202e}d\u{7f}"), "a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\u{7f}");
        assert_eq!(clean("ökonomisch, 世界"), "ökonomisch, 世界");
        let json = shown(None, false, |console| console.json(&json!({ "a": "\u{1b}\u{9b}\u{202e}" })).unwrap());
        assert_eq!(json, "{\n  \"a\": \"\\u001b\\u009b\\u202e\"\n}\n");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], "\u{1b}\u{9b}\u{202e}");
    }

    #[test]
    fn ids_stay_whole_in_a_narrow_terminal() {
        let id = "EVT-06h00jo4elo359knodggd1e58c0q402ec9jn415hjs3bv1jv156g";
        let rows =
            [vec![id.to_owned(), "dropped".to_owned(), "TRANSACTIONS.DEFAULT_UPDATE".to_owned(), "-".to_owned()]];
        let heads = ["EVENT", "STATUS", "NAME", "NEXT"];
        let show = |width| shown(width, false, |console| console.table(&heads, &rows).unwrap());
        assert_eq!(show(Some(140)).lines().count(), 2);
        assert_eq!(show(None), show(Some(140)));
        let narrow = show(Some(80));
        assert_eq!(narrow, format!("{id}\n  status  dropped\n  name    TRANSACTIONS.DEFAULT_UPDATE\n"));
    }

    #[test]
    fn colours_are_where_they_were_asked_for_alone() {
        let rows = [vec!["a".to_owned(), "dropped".to_owned()]];
        for width in [None, Some(4)] {
            let show = |colours| shown(width, colours, |console| console.table(&["X", "STATUS"], &rows).unwrap());
            assert!(show(true).contains("\u{1b}["), "{:?}", show(true));
            assert!(!show(false).contains('\u{1b}'));
        }
    }
}
