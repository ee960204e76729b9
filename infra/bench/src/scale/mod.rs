//! `cargo bench-tenday scale`: a growing system, simulated. Days of one million events and of a thousand times as many are
//! played against the limits that the template and AWS set; it tells which of them comes first, at which size, and what to
//! turn. Nothing is measured but what `--check` does: it plays a small load through the local run, and compares.

mod chance;
mod check;
mod costs;
mod crowd;
mod day;
mod limits;
mod outage;
mod outcome;
mod pollers;
mod setting;
#[cfg(test)]
mod tests;
mod told;
mod verdict;

use std::io::Write as _;

use clap::Args;

use crate::prices::Prices;
use crate::problem::{Problem, Result};
use crate::report::replaced;
use crate::scale::costs::LogBytes;
use crate::scale::limits::{Limit, Values};
use crate::scale::outcome::Day;
use crate::scale::setting::{Knobs, Setting};
use crate::scale::verdict::Turned;
use crate::world::{progress, workspace};

/// Plays days of a growing system against the limits of the template and of AWS
#[derive(Args, Debug)]
#[command(after_help = keys())]
pub(crate) struct Arguments {
    /// Events a day, in millions, each size after the other
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1.0, 10.0, 100.0, 1000.0])]
    millions: Vec<f64>,
    /// Developers: one number for all sizes, or one for each [default: 1,000 at a million, 100,000 at a thousand millions]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    developers: Vec<usize>,
    /// Decides what chance does: the same seed plays the same days
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints JSON
    #[arg(long)]
    json: bool,
    /// Puts the tables into docs/scale.md
    #[arg(long, conflicts_with = "json")]
    write: bool,
    /// Plays a small load through the local run instead, and compares what was counted with what is reckoned
    #[arg(long)]
    check: bool,
    /// What is otherwise than it is by default: a parameter of template.yaml, or one of the names below
    #[arg(value_name = "KEY=VALUE", value_parser = key_value)]
    given: Vec<(String, String)>,
}

fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("is not KEY=VALUE".to_owned()),
    }
}

/// The help's list of names.
fn keys() -> String {
    let mut text = String::from("Of the platform, the receivers and AWS's times:\n");
    for (name, default, what) in Knobs::ALL {
        text.push_str(&format!("  {:<30}{what} [{default}]\n", format!("{name}=")));
    }
    text.push_str("\nLimits, beside those that are parameters of template.yaml:\n");
    for limit in Limit::ALL.iter().filter(|limit| !limit.is_parameter()) {
        text.push_str(&format!("  {:<30}{}\n", format!("{}=", limit.key()), limit.name()));
    }
    text
}

/// One size.
pub(crate) struct Played {
    setting: Setting,
    /// What its day asks of each limit, with none in the way.
    asked: Values,
    day: Day,
    raised: Day,
    turned: Vec<Turned>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let compared = runtime.map_err(Problem::io("a runtime"))?.block_on(Box::pin(check::run()))?;
        say(&check::text(&compared))?;
        return match compared.iter().all(check::Compared::agrees) {
            true => Ok(()),
            false => Err(Problem::not_measured("the simulation does not reckon as the code does; see above")),
        };
    }
    let setting = Setting { seed: arguments.seed, ..Setting::read(&arguments.given)? };
    let mut all = Vec::new();
    for (place, millions) in arguments.millions.iter().enumerate() {
        if !(*millions > 0.0 && *millions <= 1e6) {
            return Err(Problem::not_measured("--millions takes numbers above 0, up to a million"));
        }
        let developers = match (arguments.developers.get(place), arguments.developers.as_slice()) {
            (Some(developers), _) => *developers,
            (None, [one]) => *one,
            (None, []) => developers_of(*millions),
            (None, _) => return Err(Problem::not_measured("--developers takes one number, or one for each size")),
        };
        if !(1..=10_000_000).contains(&developers) {
            return Err(Problem::not_measured("--developers takes numbers from 1 to ten million"));
        }
        progress(format!("{millions} million events a day, {developers} developers"));
        all.push(played(setting.sized(millions * 1e6, developers))?);
    }
    let mut asked: Vec<(f64, Values)> =
        all.iter().map(|played| (played.setting.events, played.asked.clone())).collect();
    if let [one] = all.as_slice() {
        // One size does not tell what grows with it.
        let larger = one.setting.sized(one.setting.events * 10.0, one.setting.developers).unlimited();
        asked.push((larger.events, day::play(&larger, &LogBytes::counted()?, &Prices::load()?).asked));
    }
    asked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let reached = verdict::reached(&setting.limits, &asked);
    if arguments.json {
        return say(&format!("{:#}\n", told::json(&all, &reached)));
    }
    if arguments.write {
        return write(&told::text(&all, &reached, 120));
    }
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    say(&told::text(&all, &reached, width.unwrap_or(100)))
}

/// As many as grow with the events: 1,000 at a million a day, 100,000 at a thousand millions.
fn developers_of(millions: f64) -> usize {
    (1000.0 * millions.powf(2.0 / 3.0)).round().clamp(10.0, 10_000_000.0) as usize
}

fn played(setting: Setting) -> Result<Played> {
    let (prices, log) = (Prices::load()?, LogBytes::counted()?);
    let asked = day::play(&setting.unlimited(), &log, &prices).asked;
    let day = day::play(&setting, &log, &prices);
    let (higher, turned) = verdict::raised(&setting, &asked);
    let raised = day::play(&higher, &log, &prices);
    Ok(Played { setting, asked, day, raised, turned })
}

fn say(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(Problem::io("the standard output"))
}

/// Puts the text, and the limits, in their places on the page.
fn write(text: &str) -> Result<()> {
    let path = workspace("docs/scale.md");
    let page = std::fs::read_to_string(&path).map_err(Problem::io("docs/scale.md"))?;
    let page = replaced(&page, "scale", &format!("\n{text}"));
    let page = page.and_then(|page| replaced(&page, "limits", &format!("\n{}", told::limits())));
    let page = page.ok_or_else(|| Problem::not_measured("docs/scale.md has no place for what was found"))?;
    std::fs::write(&path, page).map_err(Problem::io("docs/scale.md"))
}
