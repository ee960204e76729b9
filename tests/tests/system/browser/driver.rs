//! A browser under a test's hands: Chromium by its driver, over a whole system. What every page must keep to, whatever it
//! shows, is looked at when the test leaves: no request leaves the origin, and nothing is written to the console.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenday_local::seed::SeededClient;
use tests::System;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Set where a machine must have a browser: without one the tests fail then.
const REQUIRED: &str = "TENDAY_BROWSER";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/node-dashboard/node_modules/axe-core/axe.min.js");

pub(super) struct Browser {
    client: Client,
    origin: String,
    _profile: TempDir,
    process: Option<rustix::process::Pid>,
    driver: Child,
}

/// A page's look: how wide, and on which ground.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) width: u32,
    pub(super) dark: bool,
}

pub(super) const WIDE: Look = Look { width: 1280, dark: false };
pub(super) const LOOKS: [Look; 4] =
    [WIDE, Look { width: 1280, dark: true }, Look { width: 360, dark: false }, Look { width: 360, dark: true }];

/// A system and a browser, or none where the machine has no browser; then the test's name and why are told.
pub(super) async fn start(test: &str) -> Option<(System, Browser)> {
    let missing: Vec<_> = ["chromium", "chromedriver"].into_iter().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        let why = format!(
            "this machine has no {} (Debian's packages chromium and chromium-driver)",
            missing.join(" and no ")
        );
        assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
        tell(&format!("LEFT OUT, since {why}: {test}"));
        return None;
    }
    let system = System::start().await;
    let browser = Browser::start(system.run.base_url()).await;
    Some((system, browser))
}

/// Past the harness, which keeps what a test that passes has printed.
pub(super) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

impl Browser {
    async fn start(origin: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = drive().await;
        let arguments = [
            "--headless=new".to_owned(),
            // A container's root may not make a sandbox of Chromium's own, and its shared memory is small.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--lang=en".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "perfLoggingPrefs": { "enableNetwork": true } },
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("no session with the browser: {error}"));
        let process = client.capabilities().and_then(|known| known.get("goog:processID")?.as_i64());
        let process = process.and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        let browser = Self { client, origin: origin.to_owned(), _profile: profile, process, driver };
        browser.look(WIDE).await;
        // Whatever it shows by itself at its start is none of ours.
        browser.client.goto("about:blank").await.unwrap();
        browser.requests().await;
        browser
    }

    /// The dashboard at a fragment.
    pub(super) async fn open(&self, fragment: &str) {
        let went = self.client.goto(&format!("{}/dashboard{fragment}", self.origin)).await;
        // A page that puts something else into its address at once has been reached, too.
        if let Err(error) = went.map_err(|error| error.to_string()) {
            assert!(error.contains("aborted by navigation"), "{fragment}: {error}");
        }
    }

    pub(super) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Waits until a view is drawn.
    pub(super) async fn view(&self, name: &str) {
        self.wait(&format!("main[data-view=\"{name}\"]:not([aria-busy])")).await;
    }

    pub(super) async fn go(&self, fragment: &str, view: &str) {
        self.open(fragment).await;
        self.view(view).await;
    }

    /// Signs in by the form, with a client's id and secret.
    pub(super) async fn sign_in(&self, client: &SeededClient) {
        self.wait("#sign-in").await;
        self.give("client_id", client.id).await;
        self.give("client_secret", client.secret).await;
        self.click("[data-action=sign-in]").await;
        self.wait("main:not([data-view=sign-in]):not([aria-busy])").await;
    }

    /// Waits until something is there.
    pub(super) async fn wait(&self, css: &str) {
        let wait = self.client.wait().at_most(PATIENCE).every(Duration::from_millis(30));
        if let Err(error) = wait.for_element(Locator::Css(css)).await {
            let page = self.script("return document.body.innerText").await;
            panic!("{css} does not come ({error}); the page says:\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// Waits until a script answers true.
    pub(super) async fn until(&self, script: &str) {
        self.until_within(PATIENCE, script).await;
    }

    /// The same for what itself takes long.
    pub(super) async fn until_within(&self, patience: Duration, script: &str) {
        let waited = tokio::time::timeout(patience, async {
            while self.script(&format!("return Boolean({script})")).await != true {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        });
        if waited.await.is_err() {
            let page = self.script("return document.body.innerText").await;
            panic!("{script} does not come about; the page says:\n{}", page.as_str().unwrap_or_default());
        }
    }

    pub(super) async fn wait_text(&self, css: &str, text: &str) {
        self.until(&format!("[...document.querySelectorAll({css:?})].some((e) => e.textContent.includes({text:?}))"))
            .await;
    }

    pub(super) async fn is_there(&self, css: &str) -> bool {
        let shown = format!("return [...document.querySelectorAll({css:?})].some((e) => e.checkVisibility())");
        self.script(&shown).await == true
    }

    pub(super) async fn click(&self, css: &str) {
        self.wait(css).await;
        // Not by the pointer: what is above it for a moment, a message that goes away, would be hit in its place.
        let clicked = format!(
            "const e = [...document.querySelectorAll({css:?})].find((e) => e.checkVisibility()); e?.scrollIntoView(); e?.click(); return Boolean(e)"
        );
        assert_eq!(self.script(&clicked).await, true, "{css} cannot be seen");
    }

    /// Fills a field as somebody does who types, or chooses an option of it.
    pub(super) async fn give(&self, field: &str, value: &str) {
        self.wait(&format!("[name={field}]")).await;
        let script = "const [field, value] = arguments; \
             const e = [...document.querySelectorAll(`[name=${field}]`)].filter((e) => e.checkVisibility()).at(-1); \
             e.focus(); e.value = value; \
             for (const type of ['input', 'change']) e.dispatchEvent(new Event(type, { bubbles: true })); \
             return e.value";
        let given = self.client.execute(script, vec![field.into(), value.into()]).await.unwrap();
        assert!(given.is_string(), "{field} takes no {value:?}: {given}");
    }

    /// The keys of a keyboard, where the focus is.
    pub(super) async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// What stands in the first of these, as somebody reads it.
    pub(super) async fn text(&self, css: &str) -> String {
        self.wait(css).await;
        let text = self.script(&format!("return document.querySelector({css:?}).innerText")).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The whole page as text.
    pub(super) async fn page(&self) -> String {
        self.script("return document.documentElement.textContent").await.as_str().unwrap_or_default().to_owned()
    }

    pub(super) async fn count(&self, css: &str) -> u64 {
        self.script(&format!("return document.querySelectorAll({css:?}).length")).await.as_u64().unwrap_or_default()
    }

    /// The ids of the rows of a table, in its order.
    pub(super) async fn rows(&self, table: &str) -> Vec<String> {
        let script = format!("return [...document.querySelectorAll('{table} [data-row]')].map((e) => e.dataset.row)");
        serde_json::from_value(self.script(&script).await).unwrap()
    }

    pub(super) async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    pub(super) async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    pub(super) async fn look(&self, look: Look) {
        let height = if look.width < 600 { 780 } else { 860 };
        let metrics = json!({ "width": look.width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Looks at the page with axe-core, in both widths and on both grounds, and whether it is wider than the window.
    pub(super) async fn inspect(&self, what: &str) {
        let Ok(axe) = std::fs::read_to_string(AXE) else {
            assert!(std::env::var_os(REQUIRED).is_none(), "{AXE} is not there: .ci/run installs it");
            tell(&format!(
                "LEFT OUT, since axe-core is not installed (bash .ci/run does it): whether {what} is accessible"
            ));
            return;
        };
        for look in LOOKS {
            self.look(look).await;
            let wider = self.script("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(wider.as_i64() <= Some(0), "{what}, {look:?}: the page is {wider} pixels wider than the window");
            // Given by the driver, which the page's policy does not hold back.
            self.script(&format!("if (!window.axe) {{ {axe}; window.axe = axe; }}")).await;
            let done = "const done = arguments[arguments.length - 1]; \
                 axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map(({ id, nodes }) => \
                 `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 3).join('; ')}`)), (error) => done([String(error)]))";
            let violations = self.client.execute_async(done, Vec::new()).await.unwrap();
            assert_eq!(violations, json!([]), "{what}, {look:?}");
        }
        self.look(WIDE).await;
    }

    /// A picture for the documentation, where it is asked for: small enough for a repository.
    pub(super) async fn picture(&self, name: &str, dark: bool, width: u32) {
        if std::env::var_os("TENDAY_PICTURES").is_none() {
            return;
        }
        self.look(Look { width, dark }).await;
        let area = json!({ "width": width, "height": 500, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", area).await;
        let picture = self.client.screenshot().await.unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dashboard");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        self.look(WIDE).await;
    }

    /// What was asked for over the network since this was asked last, as `METHOD URL`.
    pub(super) async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages = entries.iter().filter_map(|entry| serde_json::from_str(entry["message"].as_str()?).ok());
        let sent = messages.filter(|event: &Value| event["message"]["method"] == "Network.requestWillBeSent");
        let requests = sent.map(|event| {
            let request = &event["message"]["params"]["request"];
            format!(
                "{} {}",
                request["method"].as_str().unwrap_or_default(),
                request["url"].as_str().unwrap_or_default()
            )
        });
        requests.collect()
    }

    /// Ends the session, after a look at what no page may ever do. `refused` are the statuses that the test has provoked:
    /// a browser writes each to its console.
    pub(super) async fn leave(self, refused: &[u16]) {
        let own = |url: &str| url.starts_with(&format!("{}/", self.origin)) || url.starts_with("data:");
        let away: BTreeSet<_> = self.requests().await.into_iter().collect();
        let away: Vec<_> =
            away.iter().filter(|request| request.split_once(' ').is_none_or(|(_, url)| !own(url))).take(10).collect();
        assert!(away.is_empty(), "requests leave the origin: {away:?}");
        let expected = |text: &str| refused.iter().any(|status| text.contains(&format!("status of {status} ")));
        let lines: Vec<_> = self.log("browser").await.iter().map(|entry| entry["message"].to_string()).collect();
        let lines: Vec<_> = lines.iter().filter(|line| !expected(line)).collect();
        assert!(lines.is_empty(), "the console has {lines:#?}");
        let _ = self.client.clone().close().await;
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.client.issue_cmd(Extension { path: "se/log", body: json!({ "type": kind }) }).await.unwrap();
        entries.as_array().cloned().unwrap_or_default()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Extension { path: "goog/cdp/execute", body }).await.unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver, killed, would leave it behind.
        if let Some(process) = self.process {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        let _ = self.driver.start_kill();
    }
}

/// The driver, on a free port of its own choice. It wants the same one of IPv4 and of IPv6, and ends where another has that.
async fn drive() -> (Child, u16) {
    for _ in 0..10 {
        if let Some(started) = try_to_drive().await {
            return started;
        }
    }
    panic!("chromedriver does not start");
}

async fn try_to_drive() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let port = line.split_once("started successfully on port ");
        if let Some(port) = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok()) {
            // What else it says is for nobody, but it must be able to say it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some((driver, port));
        }
    }
    None
}

/// A command of Chromium's own driver.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
