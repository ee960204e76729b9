//! What a part found: tables and plots, as text, as JSON and in `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::problem::{Problem, Result};
use crate::svg::Plot;

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Text(String),
    /// A figure, and how many digits after the point are worth showing.
    Number(f64, usize),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Cell {
    pub(crate) fn show(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number, digits) => {
                let shown = format!("{number:.digits$}");
                let (whole, rest) = shown.split_once('.').map_or((shown.as_str(), ""), |(whole, rest)| (whole, rest));
                let mut grouped = String::new();
                for (place, digit) in whole.chars().enumerate() {
                    if place > 0 && (whole.len() - place).is_multiple_of(3) && digit != '-' && !grouped.ends_with('-') {
                        grouped.push(',');
                    }
                    grouped.push(digit);
                }
                if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number, _) => json!(number),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Markdown with even columns, which reads well on a terminal too.
    fn markdown(&self) -> String {
        let head: Vec<String> = self.columns.iter().map(|column| (*column).to_owned()).collect();
        let body: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(Cell::show).collect()).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                let cells = body.iter().filter_map(|row| row.get(column)).chain(head.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let numeric = |column: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.any(|cell| matches!(cell, Cell::Number(..)))
        };
        let line = |cells: &[String]| {
            let mut line = String::from("|");
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let _ =
                    if numeric(column) { write!(line, " {cell:>width$} |") } else { write!(line, " {cell:<width$} |") };
            }
            line
        };
        let rule = widths.iter().enumerate().map(|(column, width)| {
            let dashes = "-".repeat(*width);
            if numeric(column) { format!(" {dashes}:|") } else { format!(" {dashes} |") }
        });
        let mut text = format!("**{}**\n\n{}\n|{}\n", self.title, line(&head), rule.collect::<String>());
        for row in &body {
            let _ = writeln!(text, "{}", line(row));
        }
        text
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let members = self.columns.iter().zip(row).map(|(column, cell)| ((*column).to_owned(), cell.json()));
            Value::Object(members.collect::<Map<_, _>>())
        });
        json!({ "title": self.title, "rows": rows.collect::<Vec<_>>() })
    }
}

/// All that a part has to say.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The part's name on the command line, and of its files.
    pub(crate) part: &'static str,
    pub(crate) title: &'static str,
    /// How it was measured, in a few sentences.
    pub(crate) method: String,
    pub(crate) tables: Vec<Table>,
    pub(crate) plot: Option<Plot>,
}

/// Where and of what it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) machine: String,
    pub(crate) commit: String,
    pub(crate) compiler: String,
    pub(crate) date: String,
    pub(crate) functions: String,
    /// Whether these figures may stand in the documentation.
    pub(crate) publishable: bool,
}

impl Circumstances {
    fn line(&self, load: &str) -> String {
        format!(
            "{}, commit {}, {}, {}; functions: {}; load of the machine at the end: {load}.",
            self.date, self.commit, self.machine, self.compiler, self.functions
        )
    }
}

impl Report {
    pub(crate) fn text(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::markdown).collect();
        format!("## {}\n\n{}\n\n{}", self.title, self.method, tables.join("\n"))
    }

    pub(crate) fn json(&self, at: &Circumstances) -> Value {
        json!({
            "part": self.part,
            "machine": at.machine,
            "commit": at.commit,
            "compiler": at.compiler,
            "date": at.date,
            "functions": at.functions,
            "method": self.method,
            "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>(),
        })
    }

    /// Writes JSON and plot into `directory`, named after the part.
    pub(crate) fn write_files(&self, directory: &Path, at: &Circumstances) -> Result<()> {
        fs::create_dir_all(directory).map_err(Problem::io(directory.display().to_string()))?;
        let write = |ending: &str, text: String| {
            let path = directory.join(format!("{}.{ending}", self.part));
            fs::write(&path, text).map_err(Problem::io(path.display().to_string()))
        };
        write("json", format!("{:#}\n", self.json(at)))?;
        match &self.plot {
            Some(plot) => write("svg", plot.svg()),
            None => Ok(()),
        }
    }

    /// Puts the part in place of its last result in `docs/benchmarks.md`.
    pub(crate) fn write_docs(&self, path: &Path, at: &Circumstances, load: &str) -> Result<()> {
        let page = fs::read_to_string(path).map_err(Problem::io(path.display().to_string()))?;
        let mut text = format!("\n{}\n\n*{}*\n", self.text().trim_end(), at.line(load));
        if self.plot.is_some() {
            let _ = write!(text, "\n![{}](benchmarks/{}.svg)\n", self.title, self.part);
        }
        let page = replaced(&page, self.part, &text)
            .ok_or_else(|| Problem::not_measured(format!("{} has no place for {}", path.display(), self.part)))?;
        fs::write(path, page).map_err(Problem::io(path.display().to_string()))
    }
}

/// The page with `text` between the marks of a part; none if it does not have them.
pub(crate) fn replaced(page: &str, part: &str, text: &str) -> Option<String> {
    let (open, close) = (format!("<!-- {part} -->"), format!("<!-- /{part} -->"));
    let start = page.find(&open)? + open.len();
    let end = start + page.get(start..)?.find(&close)?;
    Some(format!("{}{text}{}", page.get(..start)?, page.get(end..)?))
}

/// The value below which a share of the values lies. They need not be in order; NaN if there are none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parts_place_is_found_and_filled_again() {
        let page = "head\n<!-- cpu -->\nold\n<!-- /cpu -->\ntail\n";
        let once = replaced(page, "cpu", "\nnew\n").unwrap();
        assert_eq!(once, "head\n<!-- cpu -->\nnew\n<!-- /cpu -->\ntail\n");
        assert_eq!(replaced(&once, "cpu", "\nnew\n").unwrap(), once);
        assert!(replaced(page, "work", "").is_none());
    }

    #[test]
    fn figures_are_shown_with_their_digits() {
        assert_eq!(Cell::Number(1_234_567.891, 1).show(), "1,234,567.9");
        assert_eq!(Cell::Number(-123.0, 0).show(), "-123");
        assert_eq!(Cell::Number(0.5, 2).show(), "0.50");
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| percentile(&values, share)), [50.0, 99.0, 100.0]);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
