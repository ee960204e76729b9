//! `cargo test` makes no test program of a target that says `test = false`, and tries no example of one that says
//! `doctest = false`: each would compile a crate again, for nothing. So there must be nothing in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The library and the programs of every package, as cargo sees them.
fn targets() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let all = packages.iter().flat_map(|package| package["targets"].as_array().unwrap());
    all.filter(|target| ["lib", "bin"].iter().any(|kind| target["kind"][0] == *kind)).cloned().collect()
}

/// A program's file; all files of a library.
fn sources(target: &Value) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let file = PathBuf::from(target["src_path"].as_str().unwrap());
    if target["kind"][0] == "bin" {
        return vec![file];
    }
    let mut found = Vec::new();
    walk(file.parent().unwrap(), &mut found);
    found
}

fn has_tests(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        line.starts_with("#[") && (line.contains("test]") || line.contains("test(")) || line.starts_with("#[cfg(test")
    })
}

/// An example that rustdoc would compile.
fn has_examples(text: &str) -> bool {
    let comments = text.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    });
    let fences = comments.filter_map(|line| line.trim().strip_prefix("```"));
    // Every second one ends what the one before it began.
    fences.step_by(2).any(|language| {
        let rust = ["", "rust", "no_run", "should_panic", "compile_fail", "ignore"];
        language.split([',', ' ']).all(|word| rust.contains(&word) || word.starts_with("edition"))
    })
}

#[test]
fn what_no_test_program_is_made_of_has_no_tests_and_no_examples() {
    let targets = targets();
    assert!(targets.len() > 30, "{}", targets.len());
    let mut problems = Vec::new();
    for (switch, what, has) in [
        ("test", "tests", has_tests as fn(&str) -> bool),
        // Programs have none.
        ("doctest", "examples", has_examples),
    ] {
        let kinds = |target: &&Value| switch == "test" || target["kind"][0] == "lib";
        for target in targets.iter().filter(|target| target[switch] == false).filter(kinds) {
            for source in sources(target).iter().filter(|source| has(&fs::read_to_string(source).unwrap())) {
                problems.push(format!(
                    "{} has {what}, and {} says `{switch} = false`",
                    source.display(),
                    target["name"]
                ));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn tests_and_examples_are_seen() {
    for text in
        ["#[test]\nfn a() {}", "    #[tokio::test]", "#[tokio::test(flavor = \"multi_thread\")]", "#[cfg(test)]"]
    {
        assert!(has_tests(text), "{text}");
    }
    assert!(!has_tests("//! How `#[test]` works\n#[derive(Debug)]\nstruct Test;"));
    for text in
        ["/// ```\n/// one();\n/// ```", "//! ```rust,no_run\n//! ```", "/// ```text\n/// ```\n/// ```\n/// ```"]
    {
        assert!(has_examples(text), "{text}");
    }
    assert!(!has_examples("/// ```json\n/// {}\n/// ```\nlet text = \"```\";"));
}
