//! Names whose answers are forbidden, mixed, late, missing, or change between look-ups.

use super::dns_server::{DnsServer, Reply, fleeting};
use super::receiver::{OK, Receiver};
use super::*;

fn asking(dns: &DnsServer, timeout: Duration) -> Sender {
    Sender::new(SenderSettings { name_servers: vec![dns.address], ..local(timeout) })
}

#[tokio::test]
async fn an_answer_that_changes_between_look_ups_never_leads_to_a_forbidden_address() {
    let [good, bad] = Receiver::answering_at_both(["127.0.0.2", "127.0.0.1"], OK).await;
    let dns = DnsServer::with(&["127.0.0.2"]).await;
    let sender = asking(&dns, LONG);
    let to = format!("http://rebind.example.test:{}/", good.port());
    let attempt = || async { send(&sender, &to, &["127.0.0.2", "10.0.0.0/8"]).await.outcome };
    assert_eq!(attempt().await, answered(200));
    assert_eq!(dns.questions(), (1, 1), "one look-up for check and connection together");
    for (changed, outcome) in [
        (&["127.0.0.1"][..], blocked(Blocked::NotInAllowlist)),
        (&["127.0.0.2", "127.0.0.1"], blocked(Blocked::NotInAllowlist)),
        (&["10.0.0.1"], blocked(Blocked::SpecialAddress)),
        (&["169.254.169.254", "127.0.0.2"], blocked(Blocked::SpecialAddress)),
        (&["127.0.0.2", "fd00:ec2::254"], blocked(Blocked::SpecialAddress)),
        (&["127.0.0.2", "::ffff:127.0.0.1"], blocked(Blocked::NotInAllowlist)),
        (&["127.0.0.2", "::1"], blocked(Blocked::NotInAllowlist)),
        (&["127.0.0.2"], answered(200)),
    ] {
        dns.change(fleeting(changed));
        assert_eq!(attempt().await, outcome, "{changed:?}");
    }
    assert_eq!((bad.connections(), good.requests()), (0, 2));
    assert!(dns.names().iter().all(|name| name == "rebind.example.test"), "no search domain: {:?}", dns.names());
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_to_live() {
    let receiver = Receiver::answering("127.0.0.2", OK).await;
    let dns = DnsServer::start(Reply::Addresses(vec![ip("127.0.0.2")], 60)).await;
    let sender = asking(&dns, LONG);
    for _ in 0..3 {
        let to = format!("http://kept.example.test:{}/", receiver.port());
        assert_eq!(send(&sender, &to, &["127.0.0.2"]).await.outcome, answered(200));
    }
    assert_eq!(dns.questions().0, 1);
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_of_dns_within_its_budget() {
    for (reply, timeout) in [(Reply::NoSuchName, LONG), (fleeting(&[]), LONG), (Reply::Silence, SHORT)] {
        let dns = DnsServer::start(reply.clone()).await;
        let attempted = send(&asking(&dns, timeout), "https://nowhere.example.test/", &["127.0.0.1"]).await;
        assert_eq!(attempted.outcome, Outcome::Dns, "{reply:?}");
    }
}

#[tokio::test]
async fn a_literal_is_judged_without_asking_anyone() {
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let dns = DnsServer::with(&["127.0.0.2"]).await;
    let sender = asking(&dns, LONG);
    for spelling in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let to = format!("http://{spelling}:{}/", receiver.port());
        assert_eq!(send(&sender, &to, &["127.0.0.2"]).await.outcome, blocked(Blocked::NotInAllowlist));
        assert_eq!(receiver.connections(), 0);
    }
    for spelling in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let to = format!("http://{spelling}:{}/", receiver.port());
        assert_eq!(send(&sender, &to, &["127.0.0.1"]).await.outcome, answered(200), "{spelling}");
    }
    assert_eq!(dns.questions(), (0, 0));
}

#[tokio::test]
async fn localhost_means_what_the_allowlist_lets_it_mean() {
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let to = format!("http://localhost:{}/", receiver.port());
    let sender = Sender::new(local(LONG));
    assert_eq!(send(&sender, &to, &["127.0.0.1"]).await.outcome, answered(200));
    assert_eq!(send(&sender, &to, &["127.0.0.0/8", "::1"]).await.outcome, answered(200));
    assert_eq!(send(&sender, &to, &["123.40.21.1"]).await.outcome, blocked(Blocked::NotInAllowlist));
}

#[tokio::test]
async fn deployed_rules_hold_whatever_was_stored() {
    let receiver = Receiver::answering("127.0.0.1", OK).await;
    let dns = DnsServer::with(&["127.0.0.1"]).await;
    let mut settings = SenderSettings::new(AddressPolicy::Deployed, vec!["api.example.com".to_owned()]);
    settings.name_servers = vec![dns.address];
    let sender = Sender::new(settings);
    let port = receiver.port();
    for (to, reason) in [
        (format!("http://hooks.example.test:{port}/"), Blocked::Scheme),
        (format!("https://127.0.0.1:{port}/"), Blocked::SpecialAddress),
        (format!("https://localhost:{port}/"), Blocked::SpecialAddress),
        (format!("https://hooks.example.test:{port}/"), Blocked::SpecialAddress),
        (format!("https://api.example.com:{port}/"), Blocked::OwnHost),
    ] {
        assert_eq!(send(&sender, &to, &["127.0.0.0/8"]).await.outcome, blocked(reason), "{to}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn who_is_blocked_reads_which_address_of_which_host() {
    let dns = DnsServer::with(&["127.0.0.2", "127.0.0.1"]).await;
    let sender = asking(&dns, LONG);
    let told = async |to: &str| send(&sender, to, &["127.0.0.2"]).await.answer;
    let unlisted = "hooks.example.test resolves to 127.0.0.1, which is not in your allowlist";
    assert_eq!(told("http://hooks.example.test:4000/").await, unlisted);
    assert_eq!(told("http://127.0.0.1:4000/").await, "127.0.0.1 is not in your allowlist");
    dns.change(fleeting(&["127.0.0.2", "10.0.0.1"]));
    let special = "hooks.example.test resolves to 10.0.0.1, which is never connected to (private, RFC 1918)";
    assert_eq!(told("http://hooks.example.test:4000/").await, special);
    dns.change(Reply::NoSuchName);
    assert_eq!(told("http://gone.example.test/").await, "gone.example.test does not resolve to an address");
}

#[tokio::test]
async fn a_name_with_very_many_addresses_is_too_much() {
    let many: Vec<String> = (1..=65).map(|n| format!("127.0.1.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let dns = DnsServer::with(&many).await;
    let attempted = send(&asking(&dns, LONG), "http://many.example.test:4000/", &["127.0.0.0/8"]).await;
    assert_eq!(attempted.outcome, Outcome::Excessive(Excess::Addresses));
    assert_eq!(attempted.answer, "the callback URL's host resolves to more than 64 addresses");
}
