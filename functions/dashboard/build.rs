//! Makes what the function serves: every file of the site, the catalogue and the reference, each as it is, in brotli and
//! in gzip. What is compressed is written in base64, which is how Lambda takes bytes: nothing is left to do for a request.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a browser takes, by the end of a file's name: text, all of it. Whatever else lies in the site (types, notes) is
/// for people and checks.
const KINDS: [(&str, &str); 5] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
];
const INDEX: &str = "index.html";
const CATALOGUE: &str = "catalogue.json";
/// What stands in the index for where the other files are.
const PLACE: &str = "@@/";

fn main() -> Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (site, docs) = (here.join("site"), here.join("../../docs"));
    let (reference, catalogue) = (docs.join("api.html"), here.join(CATALOGUE));
    for path in [&site, &reference, &catalogue] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let mut files = BTreeMap::new();
    collect(&site, "", &mut files)?;
    // Without the spaces that are there for people.
    let mut catalogue: serde_json::Value = serde_json::from_slice(&fs::read(&catalogue)?)?;
    // The pages have an error's status and message from the API, and look up only what to do about it.
    for error in catalogue["errors"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(error) = error.as_object_mut() {
            error.retain(|field, _| field == "do");
        }
    }
    if files.insert(CATALOGUE.to_owned(), serde_json::to_vec(&catalogue)?).is_some() {
        return Err(format!("site/{CATALOGUE} would be in the way of the one that is made").into());
    }
    let index = files.get(INDEX).ok_or("the site has no index.html")?;
    let index = String::from_utf8(index.clone())?;
    if !index.contains(PLACE) {
        return Err(format!("index.html names no file by {PLACE}").into());
    }
    let hash = hash_of_all(&files);
    let index = index.replace(PLACE, &format!("/dashboard/{hash}/"));
    files.remove(INDEX);

    let reference = fs::read(reference)?;
    let mut code = String::new();
    writeln!(code, "pub(crate) const HASH: &str = {hash:?};")?;
    writeln!(code, "/// The one style of the reference, as a policy names it.")?;
    writeln!(code, "pub(crate) const REFERENCE_STYLE: &str = {:?};", style_of(&reference)?)?;
    let index = file(&out, INDEX, index.as_bytes())?;
    writeln!(code, "pub(crate) static INDEX: File = {index};")?;
    let reference = file(&out, "reference.html", &reference)?;
    writeln!(code, "pub(crate) static REFERENCE: File = {reference};")?;
    writeln!(code, "pub(crate) static FILES: &[(&str, File)] = &[")?;
    for (name, bytes) in &files {
        writeln!(code, "({name:?}, {}),", file(&out, name, bytes)?)?;
    }
    writeln!(code, "];")?;
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

/// The files of a folder and below that a browser takes, by their path.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind(&path).is_some() {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn kind(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    KINDS.into_iter().find(|(known, _)| *known == end).map(|(_, content_type)| content_type)
}

/// One name for all of them: whichever changes, each is fetched anew, and none is ever met beside those of another build.
fn hash_of_all(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    short(&hasher.finalize())
}

fn short(digest: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or(digest))
}

/// `'sha256-…'` of what is in the page's one style element.
fn style_of(page: &[u8]) -> Result<String> {
    let page = std::str::from_utf8(page)?;
    let (_, rest) = page.split_once("<style>").ok_or("the reference has no style")?;
    let (style, rest) = rest.split_once("</style>").ok_or("the reference's style does not end")?;
    if rest.contains("<style") {
        return Err("the reference has two styles, and the policy allows one".into());
    }
    Ok(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style))))
}

/// The file as an expression, its contents beside it.
fn file(out: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let content_type = kind(name).ok_or_else(|| format!("{name} is of no known kind"))?;
    let etag = short(&Sha256::digest(bytes));
    let place = name.replace('/', "+");
    let include = |end: &str, text: &str| -> Result<String> {
        let path = out.join(format!("{place}{end}"));
        fs::write(&path, text)?;
        Ok(format!("include_str!({path:?})"))
    };
    let text = include("", std::str::from_utf8(bytes)?)?;
    let brotli = include(".br", &STANDARD.encode(brotli(bytes)?))?;
    let gzip = include(".gz", &STANDARD.encode(gzip(bytes)?))?;
    Ok(format!(
        "File {{ content_type: {content_type:?}, etag: {etag:?}, text: {text}, brotli: {brotli}, gzip: {gzip} }}"
    ))
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    // Quality and window are the highest: it is done once.
    brotli::CompressorReader::new(bytes, 4096, 11, 22).read_to_end(&mut compressed)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
