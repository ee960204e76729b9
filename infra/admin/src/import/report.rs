//! What came of an import: how much was made, and what was refused, by its line.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::json;
use tenday_model::ids::DeveloperId;

use crate::import::record::Problem;
use crate::import::settle::{Came, Verdict};

/// How many refusals are printed; all of them are in the report.
const SHOWN: usize = 20;

/// A line that was refused.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    developer_id: Option<DeveloperId>,
    problems: Vec<Problem>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Count {
    made: u64,
    there: u64,
}

impl Count {
    fn add(&mut self, came: Option<Came>) {
        match came {
            Some(Came::Made) => self.made += 1,
            Some(Came::There) => self.there += 1,
            None => {}
        }
    }
}

/// What came of an import, so far.
#[derive(Debug)]
pub(super) struct Report {
    dry_run: bool,
    configurations: Count,
    webhooks: Count,
    refused: u64,
    /// The first of them.
    shown: Vec<Refusal>,
    file: Option<BufWriter<File>>,
    /// Why the file could not be written.
    failed: Option<io::Error>,
}

impl Report {
    pub(super) fn new(dry_run: bool, file: Option<File>) -> Self {
        Self {
            dry_run,
            configurations: Count::default(),
            webhooks: Count::default(),
            refused: 0,
            shown: Vec::new(),
            file: file.map(BufWriter::new),
            failed: None,
        }
    }

    pub(super) fn add(&mut self, line: u64, developer: Option<DeveloperId>, verdict: Verdict) {
        match verdict {
            Verdict::Taken { configuration, webhook } => {
                self.configurations.add(configuration);
                self.webhooks.add(webhook);
            }
            Verdict::Refused(problems) => self.refuse(Refusal { line, developer_id: developer, problems }),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused += 1;
        if let Some(file) = &mut self.file {
            let written = serde_json::to_writer(&mut *file, &refusal).map_err(io::Error::from);
            if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
                self.failed.get_or_insert(error);
            }
        }
        if self.shown.len() < SHOWN {
            self.shown.push(refusal);
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Writes out what is left of the file, and prints the rest.
    ///
    /// # Errors
    /// When either cannot be written.
    pub(super) fn finish(&mut self, lines: u64, as_json: bool, output: &mut impl Write) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        self.shown.sort_by_key(|refusal| refusal.line);
        if as_json {
            let summary = json!({
                "dryRun": self.dry_run,
                "lines": lines,
                "configurations": self.configurations,
                "webhooks": self.webhooks,
                "refused": self.refused,
                "refusals": self.shown,
            });
            return writeln!(output, "{summary:#}");
        }
        for Refusal { line, developer_id, problems } in &self.shown {
            let whose = developer_id.as_ref().map(|developer| format!(" ({developer})")).unwrap_or_default();
            for Problem { at, message } in problems {
                let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
                writeln!(output, "line {line}{whose}: {at}{message}")?;
            }
        }
        let more = self.refused - self.shown.len() as u64;
        if more > 0 {
            writeln!(output, "… and {more} more; --report FILE keeps them all")?;
        }
        let made = if self.dry_run { "would be made" } else { "made" };
        let Count { made: configurations, there: configurations_there } = self.configurations;
        let Count { made: webhooks, there: webhooks_there } = self.webhooks;
        writeln!(output, "lines           {lines}")?;
        writeln!(output, "configurations  {configurations} {made}, {configurations_there} there already")?;
        writeln!(output, "webhooks        {webhooks} {made}, {webhooks_there} there already")?;
        writeln!(output, "refused         {}", self.refused)
    }
}
