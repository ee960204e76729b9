//! The page's own lines, run as a newcomer would.

use std::time::Duration;

use tests::{Receiver, System};

use super::desk::program;
use crate::readme::Shell;

#[tokio::test]
async fn the_main_path_by_the_command_alone_does_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let section = page.split("<!-- main path -->").nth(1).expect("the page marks its main path");
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let blocks: Vec<String> = section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap_or_default())
        .map(|block| block.replace("http://127.0.0.1:4310", system.run.base_url()))
        .map(|block| block.replace("http://127.0.0.1:8080/hook", &receiver.url()))
        .collect();
    let [begin, see, lose, dropped, fetch] = blocks.as_slice() else { panic!("the page has other blocks by now") };
    let home = tempfile::tempdir().unwrap();
    let mut shell = Shell::start();
    let folder = program().await.parent().unwrap().display().to_string();
    shell.run(&format!("export PATH={folder}:$PATH TENDAY_CONFIG_DIR={}", home.path().display())).await;

    let printed = shell.run(begin).await;
    assert!(printed.contains("whsec_") && printed.contains("UPD-"), "{printed}");
    let received = receiver.wait_for(1).await[0].json();
    assert_eq!(received["new_transactions"], 3);
    system.settle().await;
    let printed = shell.run(see).await;
    assert!(printed.contains("active") && printed.contains("delivered"), "{printed}");

    receiver.down().await;
    shell.run(lose).await;
    for _ in 0..3 {
        system.advance(Duration::from_secs(5)).await;
    }
    let printed = shell.run(dropped).await;
    assert!(printed.contains("attempts_spent"), "{printed}");

    receiver.up().await;
    let printed = shell.run(fetch).await;
    assert!(printed.contains("1 of 1 taken") && printed.contains("Nothing was dropped"), "{printed}");
    assert_eq!(receiver.received()[1].json()["webhook_code"], "ERROR");
}
