//! Who gets in, and for how long.

use tenday_local::seed::{DEVELOPER, PLATFORM};

use super::driver::start;

#[tokio::test]
async fn a_developer_signs_in_with_a_client_and_out_again() {
    let Some((_system, browser)) = start("signing in").await else { return };
    browser.go("", "sign-in").await;
    browser.inspect("the page to sign in").await;
    browser.give("client_id", DEVELOPER.id).await;
    browser.give("client_secret", "wrong").await;
    browser.click("[data-action=sign-in]").await;
    browser.wait(".error[data-code=invalid_client]").await;
    browser.sign_in(&DEVELOPER).await;
    browser.view("overview").await;
    assert_eq!(browser.text("#who").await, DEVELOPER.developer.unwrap());
    // The token is the tab's, and in no address.
    assert!(!browser.address().await.contains("eyJ"));
    browser.reload().await;
    browser.view("overview").await;
    browser.click("[data-action=sign-out]").await;
    browser.view("sign-in").await;
    assert_eq!(browser.script("return sessionStorage.length").await, 0);
    browser.leave(&[401, 404]).await;
}

#[tokio::test]
async fn the_platforms_client_is_no_developers() {
    let Some((_system, browser)) = start("the platform's client").await else { return };
    browser.go("", "sign-in").await;
    browser.give("client_id", PLATFORM.id).await;
    browser.give("client_secret", PLATFORM.secret).await;
    browser.click("[data-action=sign-in]").await;
    browser.wait_text(".error", "platform").await;
    browser.leave(&[]).await;
}
