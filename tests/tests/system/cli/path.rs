//! The page's own lines, run as a newcomer would.

use std::time::Duration;

use tests::{Receiver, System, built};

use crate::readme::{Shell, main_path};

#[tokio::test]
async fn the_main_path_by_the_command_alone_does_what_it_says() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let blocks = main_path("docs/cli.md", &system, &receiver);
    let [begin, see, lose, dropped, fetch] = blocks.as_slice() else { panic!("the page has other blocks by now") };
    let home = tempfile::tempdir().unwrap();
    let mut shell = Shell::start();
    let folder = built("tenday").parent().unwrap().display().to_string();
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
