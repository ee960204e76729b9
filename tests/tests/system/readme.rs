//! The README's own lines, run as a newcomer would.

use std::process::Stdio;

use tests::{Receiver, System};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A shell that is given block after block.
pub(crate) struct Shell {
    process: tokio::process::Child,
    stdin: tokio::process::ChildStdin,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let mut process = tokio::process::Command::new("bash")
            .args(["-euo", "pipefail"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, stdin, lines }
    }

    /// Runs a block to its end, and answers what it printed.
    pub(crate) async fn run(&mut self, block: &str) -> String {
        self.stdin.write_all(format!("{block}\necho; echo the-block-ends\n").as_bytes()).await.unwrap();
        let mut printed = String::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if line == "the-block-ends" {
                return printed;
            }
            printed.push_str(&line);
            printed.push('\n');
        }
        panic!("the shell ended ({:?}) in\n{block}\nwhich printed\n{printed}", self.process.try_wait());
    }
}

/// The blocks of a page's main path, at this system and its receiver.
pub(crate) fn main_path(page: &str, system: &System, receiver: &Receiver) -> Vec<String> {
    let page = std::fs::read_to_string(format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let section = page.split("<!-- main path -->").nth(1).expect("the page marks its main path");
    section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap_or_default())
        .map(|block| block.replace("http://127.0.0.1:4310", system.run.base_url()))
        .map(|block| block.replace("http://127.0.0.1:8080/hook", &receiver.url()))
        .collect()
}

#[tokio::test]
async fn the_readmes_main_path_does_what_it_says() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let blocks = main_path("README.md", &system, &receiver);
    let [subscribe, view, wait, fetch] = blocks.as_slice() else { panic!("the README has other blocks by now") };
    let mut shell = Shell::start();

    let printed = shell.run(subscribe).await;
    assert!(printed.contains("whsec_") && printed.contains("updateId"), "{printed}");
    let received = receiver.wait_for(1).await[0].json();
    assert_eq!(
        (received["webhook_type"].as_str(), received["new_transactions"].as_i64()),
        (Some("TRANSACTIONS"), Some(3))
    );
    system.settle().await;
    assert!(shell.run(view).await.contains("\"lastEvent\":\"EVT-"));

    receiver.down().await;
    let printed = shell.run(wait).await;
    assert!(printed.contains("\"dropReason\":\"attempts_spent\""), "{printed}");

    receiver.up().await;
    let printed = shell.run(fetch).await;
    assert!(printed.contains("\"success\":true"), "{printed}");
    assert!(printed.contains("\"events\":[]"), "{printed}");
    assert_eq!(receiver.received()[1].json()["webhook_code"], "ERROR");
}
