//! Builds the functions with the cargo that runs this, and finds their binaries.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use tokio::{process::Command, sync::Mutex};

/// How the functions are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    #[default]
    Dev,
    Release,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("cannot run cargo: {0}")]
    Cargo(#[from] io::Error),
    #[error("the functions do not compile; see above")]
    Failed,
    #[error("cargo metadata fails: {0}")]
    Metadata(String),
    #[error("function {function}: {} is not a package of this workspace", .directory.display())]
    NoPackage { function: String, directory: PathBuf },
    #[error("function {function}: package {package} has no binary; one binary of the same name is expected")]
    NoBinary { function: String, package: String },
    #[error("function {function}: {} does not exist; build it first", .binary.display())]
    NotBuilt { function: String, binary: PathBuf },
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// One line of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

/// What was asked for before, and what came of it: a test binary starts many runs, and cargo would look at the whole
/// workspace for each.
type Known = Vec<((PathBuf, BTreeMap<String, PathBuf>, Profile, bool), BTreeMap<String, PathBuf>)>;
static KNOWN: Mutex<Known> = Mutex::const_new(Vec::new());

/// [`find`], once per process.
pub(crate) async fn binaries(
    root: &Path,
    functions: &BTreeMap<String, PathBuf>,
    profile: Profile,
    build: bool,
) -> Result<BTreeMap<String, PathBuf>, CompileError> {
    let question = (root.to_owned(), functions.clone(), profile, build);
    // Held while cargo runs: whoever asks the same waits for the same answer.
    let mut known = KNOWN.lock().await;
    if let Some((_, answer)) = known.iter().find(|(asked, _)| *asked == question) {
        return Ok(answer.clone());
    }
    let answer = find(root, functions, profile, build).await?;
    known.push((question, answer.clone()));
    Ok(answer)
}

/// The binary of each function: by name, from the directory of its crate. With `build`, compiled first, with cargo's
/// own progress on standard error.
async fn find(
    root: &Path,
    functions: &BTreeMap<String, PathBuf>,
    profile: Profile,
    build: bool,
) -> Result<BTreeMap<String, PathBuf>, CompileError> {
    if functions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let metadata = metadata(root).await?;
    let mut wanted = BTreeMap::new();
    for (function, directory) in functions {
        let manifest = root.join(directory).join("Cargo.toml");
        let package = metadata.packages.iter().find(|package| same(&package.manifest_path, &manifest));
        let Some(package) = package else {
            return Err(CompileError::NoPackage { function: function.clone(), directory: directory.clone() });
        };
        wanted.insert(function, package);
    }
    let built = if build { self::build(root, &wanted, profile).await? } else { BTreeMap::new() };
    let mut binaries = BTreeMap::new();
    for (function, package) in wanted {
        // The one of the package's name, or the only one.
        let bins = || package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        let Some(bin) = bins().find(|bin| bin.name == package.name).or_else(|| bins().next()) else {
            return Err(CompileError::NoBinary { function: function.clone(), package: package.name.clone() });
        };
        let binary = match built.get(&(package.manifest_path.clone(), bin.name.clone())) {
            Some(binary) => binary.clone(),
            None => {
                let triple = std::env::var_os("CARGO_BUILD_TARGET").unwrap_or_default();
                metadata.target_directory.join(triple).join(profile.directory()).join(&bin.name)
            }
        };
        if !binary.is_file() {
            return Err(CompileError::NotBuilt { function: function.clone(), binary });
        }
        binaries.insert(function.clone(), binary);
    }
    Ok(binaries)
}

async fn metadata(root: &Path) -> Result<Metadata, CompileError> {
    let output = cargo(root).args(["metadata", "--no-deps", "--format-version", "1"]).output().await?;
    if !output.status.success() {
        return Err(CompileError::Metadata(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| CompileError::Metadata(error.to_string()))
}

/// By manifest and name of the binary.
async fn build(
    root: &Path,
    functions: &BTreeMap<&String, &Package>,
    profile: Profile,
) -> Result<BTreeMap<(PathBuf, String), PathBuf>, CompileError> {
    let mut cargo = cargo(root);
    cargo.args(["build", "--message-format=json-render-diagnostics"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    // The whole workspace, of which only the functions' binaries are built: the features of what they depend on are
    // then the same as in the other builds of the workspace, and nothing is compiled twice.
    cargo.arg("--workspace");
    for package in functions.values() {
        cargo.args(["--bin", &package.name]);
    }
    let output = cargo.stderr(Stdio::inherit()).stdout(Stdio::piped()).spawn()?.wait_with_output().await?;
    if !output.status.success() {
        return Err(CompileError::Failed);
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let artifacts = messages.filter_map(|line| {
        let message: Message = serde_json::from_slice(line).ok()?;
        let (manifest, target, executable) = (message.manifest_path?, message.target?, message.executable?);
        (message.reason == "compiler-artifact").then_some(((manifest, target.name), executable))
    });
    Ok(artifacts.collect())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::from(cargo_in(root));
    command.kill_on_drop(true);
    command
}

/// The cargo that runs this, in a workspace, without what it told this process about this package: some build scripts
/// would take that for a change.
pub fn cargo_in(root: &Path) -> std::process::Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from(env!("CARGO")));
    let mut command = std::process::Command::new(program);
    command.current_dir(root).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let about_this = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.starts_with(prefix))
                || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&name)
        });
        if about_this {
            command.env_remove(name);
        }
    }
    command
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
