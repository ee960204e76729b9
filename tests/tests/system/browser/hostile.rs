//! Text that others wrote, meant to become something else: it stays text, and the page stays whole.

use std::time::Duration;

use serde_json::json;
use tests::Receiver;

use super::driver::start;
use super::{DEVELOPER, id, own_link};

const SCRIPT: &str = "<script>window.owned=1</script><img src=x onerror='window.owned=2'>";
/// It turns the text around it, where it is let.
const TURNED: &str = "\u{202e}gnp.exe \u{2067}\u{200f}\u{202d}";

#[tokio::test]
async fn hostile_text_stays_text_wherever_it_is_shown() {
    let Some((system, browser)) = start("hostile text").await else { return };
    let receiver = Receiver::start().await;
    receiver.answer(500);
    receiver.say(format!("{SCRIPT} javascript:alert(1) {TURNED} {{{{constructor}}}} {}", "x".repeat(10_000)));
    let developer = system.developer();
    let name = format!("{SCRIPT}{TURNED}javascript:alert(1)");
    let configuration = json!({ "name": name, "ipAllowlist": ["127.0.0.1"], "retrySchedule": [60] });
    developer.post("/configuration", configuration).await.expect(201);
    let url = format!("{}?q=<script>window.owned=3</script>&{}", receiver.url(), "y".repeat(1_500));
    let webhook = developer.post("/configuration/webhooks", json!({ "callbackURL": url })).await.expect(201);
    let webhook = webhook["webhook"].clone();
    let data = json!({ "linkId": format!("{SCRIPT}{TURNED}{}", "z".repeat(900)) });
    let update = system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    let event = update["events"][0]["eventId"].as_str().unwrap().to_owned();
    system.advance(Duration::from_secs(120)).await;

    browser.go(&own_link(&system).await, "overview").await;
    for (fragment, view, shown) in [
        ("#/".to_owned(), "overview", "javascript:alert(1)"),
        (format!("#/webhooks/{}", id(&webhook)), "webhook", "window.owned=3"),
        (format!("#/webhooks/{}/change", id(&webhook)), "change-webhook", ""),
        (format!("#/events/{event}"), "event", "window.owned=1"),
        ("#/dropped".to_owned(), "dropped", "window.owned=3"),
        ("#/configuration".to_owned(), "configuration", "javascript:alert(1)"),
        ("#/configuration/change".to_owned(), "change-configuration", ""),
    ] {
        browser.go(&fragment, view).await;
        assert!(browser.page().await.contains(shown), "{view} does not show it");
        assert_eq!(browser.script("return window.owned ?? null").await, serde_json::Value::Null, "{view}");
        assert_eq!(browser.count("main script, main img, main [onerror], main iframe").await, 0, "{view}");
        assert_eq!(browser.count("a[href^='javascript:'], a[href^='http']").await, 0, "{view}");
        // Each in a room of its own, from which no mark of direction reaches what is beside it.
        let loose = "return [...document.querySelectorAll('main *')].filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && \
             n.data.includes('\\u202e')) && !e.closest('bdi, pre, textarea, [dir=auto]')).map((e) => e.outerHTML.slice(0, 200))";
        assert_eq!(browser.script(loose).await, json!([]), "{view}");
        browser.inspect(&format!("{view} with hostile text")).await;
    }
    assert!(!browser.script("return document.title").await.to_string().contains('\u{202e}'));
    // In the address, too.
    for fragment in [
        "#/<script>window.owned=4</script>",
        "#/catalogue/<img src=x onerror=window.owned=5>",
        "#/events/..%2f..%2fdocs",
    ] {
        browser.open(fragment).await;
        browser.wait("main:not([aria-busy])").await;
        assert_eq!(browser.script("return window.owned ?? null").await, serde_json::Value::Null, "{fragment}");
    }
    browser.leave(&[404]).await;
}
