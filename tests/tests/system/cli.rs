//! `tenday` as its users have it: the program itself, with a home of its own, against a running system.

mod desk;
mod listen;
mod path;
mod shapes;

use serde_json::{Value, json};
use tests::System;

use desk::Desk;

#[tokio::test]
async fn a_sign_in_is_kept_for_its_owner_alone() {
    let system = System::start().await;
    let desk = Desk::new(&system);
    let out = desk.run("status").await;
    assert_eq!(out.code, 4, "{out:?}");
    assert!(out.err.contains("profile default is not signed in: tenday login"), "{out:?}");

    let wrong = desk.give("login --client-id CLI-local-developer --secret-stdin", "another-secret\n").await;
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(wrong.err.contains("(invalid_client)") && wrong.err.contains("request_id"), "{wrong:?}");
    assert!(!desk.home.path().join("config.toml").exists(), "nothing is kept of a sign-in that failed");

    let out = desk.give("login --client-id CLI-local-developer --secret-stdin", "local-developer-secret\n").await;
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.out.contains("CLI-local-developer of DEV-local-developer"), "{out:?}");
    assert!(!format!("{out:?}").contains("local-developer-secret"), "{out:?}");
    let file = std::fs::metadata(desk.home.path().join("config.toml")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
    assert_eq!(desk.run("status").await.code, 0);

    // A profile beside it, and the environment before both.
    let out =
        desk.give("login --profile p --client-id CLI-local-platform --secret-stdin", "local-platform-secret").await;
    assert!(out.out.contains("of the platform"), "{out:?}");
    assert_eq!(desk.run("status --profile p").await.code, 4);
    let other = desk.environment("CLI-local-other", "local-other-secret");
    assert_eq!(other.json("status").await["developerId"], "DEV-local-other");
    let half = desk.with(&[("TENDAY_CLIENT_ID", "CLI-local-other")]).run("status").await;
    assert!(half.code == 2 && half.err.contains("TENDAY_CLIENT_SECRET"), "{half:?}");

    // A kept secret is sent nowhere else.
    let elsewhere = desk.with(&[("TENDAY_URL", "http://127.0.0.1:9")]).run("status").await;
    assert_eq!(elsewhere.code, 4, "{elsewhere:?}");

    assert_eq!(desk.run("logout --all").await.code, 0);
    assert!(!std::fs::read_to_string(desk.home.path().join("config.toml")).unwrap().contains("secret ="));
    assert_eq!(desk.run("status").await.code, 4);
}

#[tokio::test]
async fn a_link_to_the_dashboard_signs_in_and_a_platform_opens_one() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_platform().await;
    let opened = desk.json("open --developer DEV-acme --read-only --expires-in 600").await;
    let link = opened["url"].as_str().unwrap();
    let out = desk.with(&[("TENDAY_URL", "")]).give("login --profile acme --link --secret-stdin", link).await;
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.out.contains("of DEV-acme\n  may configuration:read\n"), "{out:?}");
    assert_eq!(desk.json("status --profile acme").await["configuration"], Value::Null);
    let refused = desk.run("config set --type plaid --profile acme").await;
    assert!(refused.code == 4 && refused.err.contains("insufficient_scope"), "{refused:?}");
    let again = desk.give("login --link --secret-stdin", link).await;
    assert!(again.code == 4 && again.err.contains("ask the platform for another link"), "{again:?}");
}

#[tokio::test]
async fn an_error_says_what_the_api_said_and_how_it_ended() {
    let system = System::start().await;
    let desk = Desk::new(&system).of_developer().await;
    let none = desk.run("config get").await;
    assert_eq!(none.code, 5);
    for part in ["(configuration_error.not_found)", "to do: make a configuration first", "/docs#", "request_id: "] {
        assert!(none.err.contains(part), "{part}: {none:?}");
    }
    assert_eq!(none.out, "");
    let none = desk.run("config get --json").await;
    let error: Value = serde_json::from_str(&none.err).unwrap();
    assert_eq!((&error["error"]["status"], &error["error"]["exitCode"]), (&json!(404), &json!(5)));
    assert!(error["error"]["request_id"].is_string(), "{error:#}");

    assert_eq!(desk.run("config set --colour red").await.code, 2);
    let bad = desk.run("config set --type nobody").await;
    assert!(bad.code == 1 && bad.err.contains("api_error.request.validation_failed"), "{bad:?}");
    assert_eq!(desk.run("events show EVT-nonsense").await.code, 2);
    let down = desk.with(&[
        ("TENDAY_URL", "http://127.0.0.1:9"),
        ("TENDAY_CLIENT_ID", "CLI-a"),
        ("TENDAY_CLIENT_SECRET", "s"),
    ]);
    let down = down.run("status").await;
    assert!(down.code == 6 && down.err.contains("http://127.0.0.1:9 cannot be reached: "), "{down:?}");
    let plain = desk.give("login --url http://api.example.com --client-id CLI-a --secret-stdin", "s").await;
    assert!(plain.code == 2 && plain.err.contains("https://"), "{plain:?}");
}
