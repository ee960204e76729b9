//! Nothing that a document or a comment points to is missing: no page, no heading, no row of docs/sources.md, and no
//! command line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::built;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What is built, installed or kept beside the sources.
const NOT_OURS: &[&str] = &["target", "node_modules"];

/// The files whose names end in one of `endings`, by their paths from the root.
fn files(endings: &[&str]) -> Vec<(String, String)> {
    fn walk(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let name = name.to_string_lossy();
            let hidden = name.starts_with('.') && !matches!(&*name, ".ci" | ".cargo" | ".github");
            if path.is_dir() && !hidden && !NOT_OURS.contains(&&*name) {
                walk(&path, endings, found);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(ROOT), endings, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned(), text)
    };
    found.into_iter().map(read).collect()
}

fn documents() -> Vec<(String, String)> {
    files(&[".md"])
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What GitHub makes of a heading, to lead there.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut problems = Vec::new();
    for (path, text) in documents() {
        let folder = Path::new(ROOT).join(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://") && !target.contains(' ')) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = if file.is_empty() { folder.clone() } else { folder.with_file_name("").join(file) };
            let leads = match fs::read_to_string(&place) {
                Ok(page) => {
                    heading.is_empty()
                        || page
                            .lines()
                            .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading)
                }
                // A folder, or a picture.
                Err(_) => place.exists(),
            };
            if !leads {
                problems.push(format!("{path}: {target} leads nowhere"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn every_page_that_is_spoken_of_is_there() {
    let pages: Vec<String> = documents().into_iter().map(|(path, _)| format!("/{path}")).collect();
    let mut problems = Vec::new();
    for (path, text) in files(&[".md", ".rs", ".py", ".sh", ".toml", ".yaml", ".yml"]) {
        let words = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/')));
        for word in words.filter_map(|word| word.trim_end_matches('.').strip_suffix(".md")) {
            let named = word.trim_start_matches(['.', '/']);
            if !named.is_empty() && !pages.iter().any(|page| page.ends_with(&format!("/{named}.md"))) {
                problems.push(format!("{path} speaks of {word}.md"));
            }
        }
    }
    assert_none(&problems);
}

/// `S1.4` or `L.3`, if a word is one: letters of a section of docs/sources.md, and a number.
fn row(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let (section, number) = word.split_once('.')?;
    let is_section = matches!(section, "S0" | "S1" | "S2" | "S3" | "F" | "L" | "M" | "O" | "P" | "T" | "X" | "Y");
    // X.509 is no row.
    (is_section && number.len() < 3 && number.parse::<u8>().is_ok()).then_some(word)
}

#[test]
fn every_row_of_the_sources_that_is_spoken_of_is_there() {
    let sources = fs::read_to_string(Path::new(ROOT).join("docs/sources.md")).unwrap();
    let first_cells = sources.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let cells: Vec<&str> = first_cells.filter_map(row).collect();
    let rows: BTreeSet<&str> = cells.iter().copied().collect();
    assert_eq!(rows.len(), cells.len(), "each row has a name of its own");
    let mut spoken_of = 0;
    let mut problems = Vec::new();
    for (path, text) in files(&[".md", ".rs", ".py"]) {
        for found in text.split_whitespace().filter_map(row) {
            spoken_of += 1;
            if !rows.contains(found) {
                problems.push(format!("{path}: docs/sources.md has no row {found}"));
            }
        }
    }
    assert!(spoken_of > rows.len(), "the rows are spoken of");
    assert_none(&problems);
}

/// The command lines of a document: those of its blocks, and those within its text.
fn command_lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 1 {
            found.extend(part.lines().skip(1).map(|line| line.split(" #").next().unwrap_or_default().to_owned()));
        } else {
            found.extend(part.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")));
        }
    }
    let parts = found.iter().flat_map(|line| line.split("&&")).flat_map(|line| line.split([';', '|']));
    parts.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Why a command line of cargo's, or of one of our programs, cannot be run as it stands.
fn problem_of(words: &[&str], sources: &str) -> Option<String> {
    let mut words = words.to_vec();
    while let Some((name, _)) = words.first().and_then(|word| word.split_once('=')) {
        // Whoever reads the variable names it in a string.
        if name.starts_with("TENDAY_") && !sources.contains(&format!("\"{name}\"")) {
            return Some(format!("nothing reads {name}"));
        }
        words.remove(0);
    }
    match words.as_slice() {
        [program @ ("tenday" | "tenday-local"), rest @ ..] if !rest.is_empty() => refused(&built(program), rest),
        // Each has to be installed, and asks for more than the workspace.
        ["cargo", "lambda" | "fuzz" | "deny" | "install" | "+nightly", ..] => None,
        // Through cargo, each would have it look at the whole workspace.
        ["cargo", alias @ ("local" | "bench-tenday"), rest @ ..] => refused(&built(&meant_by(alias)), rest),
        ["cargo", rest @ ..] => named_targets(rest).or_else(|| refused(Path::new(env!("CARGO")), rest)),
        _ => None,
    }
}

/// The program that an alias of cargo's runs.
fn meant_by(alias: &str) -> String {
    let aliases = fs::read_to_string(Path::new(ROOT).join(".cargo/config.toml")).unwrap();
    let meaning = aliases.lines().find_map(|line| line.strip_prefix(&format!("{alias} = \"run --bin "))).unwrap();
    meaning.strip_suffix(" --\"").unwrap().to_owned()
}

/// A program or a test that `--bin` or `--test` names, and that is not there.
fn named_targets(words: &[&str]) -> Option<String> {
    let missing = |pair: &[&str]| {
        let manifests = files(&["Cargo.toml"]);
        match pair {
            ["--bin", name] => !manifests.iter().any(|(_, text)| text.contains(&format!("name = \"{name}\""))),
            ["--test" | "--bench", name] => !manifests.iter().any(|(path, _)| {
                let package = Path::new(ROOT).join(path);
                ["tests", "benches"].iter().any(|folder| {
                    let place = package.with_file_name(folder).join(name);
                    place.is_dir() || place.with_extension("rs").is_file()
                })
            }),
            _ => false,
        }
    };
    words.windows(2).find(|pair| missing(pair)).map(|pair| format!("there is no {}", pair.join(" ")))
}

/// What cargo or another program says of its arguments if it is asked for help at their end: whoever does not understand what
/// comes before says that first. Nothing is run.
fn refused(program: &Path, words: &[&str]) -> Option<String> {
    // A made-up id for an id that the document leaves out. An event's looks otherwise than all others.
    let event = "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410";
    let words = words.iter().map(|word| word.replace("EVT-…", event));
    let words = words.map(|word| word.replace("-…", "-01a2004e-6267-7204-b19f-06bf867f094d"));
    let mut command = Command::new(program);
    let answer =
        command.args(words).arg("--help").env("MANPAGER", "cat").env("PAGER", "cat").current_dir(ROOT).output();
    let answer = answer.unwrap();
    (!answer.status.success()).then(|| String::from_utf8_lossy(&answer.stderr).into_owned())
}

#[test]
fn every_command_line_of_a_document_is_understood() {
    let sources: String = files(&[".rs", ".py", ".sh", ".yaml"]).into_iter().map(|(_, text)| text).collect();
    let lines: BTreeSet<(String, String)> = documents()
        .into_iter()
        .flat_map(|(path, text)| command_lines(&text).into_iter().map(move |line| (line, path.clone())))
        .collect();
    let mut tried = BTreeSet::new();
    let mut problems = Vec::new();
    for (line, path) in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !tried.insert(line.clone()) {
            continue;
        }
        if let Some(problem) = problem_of(&words, &sources) {
            problems.push(format!("{path}: `{line}`: {problem}"));
        }
    }
    assert!(tried.iter().any(|line| line.starts_with("cargo local ")), "the documents' command lines are found");
    assert_none(&problems);
}

#[test]
fn a_command_line_that_is_wrong_is_seen() {
    for line in [
        "cargo local --nonsense",
        "cargo local --parameter NoValue",
        "cargo local receive --port many",
        "cargo bench-tenday nothing",
        "cargo test --workspce",
        "cargo test --workspace --test nothing",
        "cargo run --bin tenday-nothing",
        "cargo nonsense",
        "tenday operator clients forget",
        "tenday webhooks forget",
        "TENDAY_NONSENSE=1 cargo test",
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(problem_of(&words, "\"TENDAY_SEED\"").is_some(), "{line}");
    }
}
