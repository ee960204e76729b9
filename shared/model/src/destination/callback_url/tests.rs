//! Tables of URLs that are callback URLs, and of those that only look like one.

use std::sync::LazyLock;

use super::*;
use proptest::prelude::*;

static OWN_HOSTS: LazyLock<[String; 2]> =
    LazyLock::new(|| ["api.tenday.example.com".to_owned(), "a1b2.execute-api.us-east-1.amazonaws.com".to_owned()]);
const LOCAL: UrlRules<'_> = UrlRules { policy: AddressPolicy::Local, own_hosts: &[] };

fn deployed() -> UrlRules<'static> {
    UrlRules { policy: AddressPolicy::Deployed, own_hosts: &*OWN_HOSTS }
}

fn problem(text: &str) -> UrlProblem {
    match CallbackUrl::parse(text, &deployed()) {
        Err(problem) => problem,
        Ok(url) => panic!("{text:?} was taken as {}", url.url()),
    }
}

#[test]
fn callback_urls_are_kept_as_given_and_sent_in_normal_form() {
    for (given, sent) in [
        ("https://hooks.example.com/a?b=c", "https://hooks.example.com/a?b=c"),
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("HTTPS://Hooks.Example.COM:443/A", "https://hooks.example.com/A"),
        ("https://hooks.example.com:8443/", "https://hooks.example.com:8443/"),
        ("https://hooks.example.com:80/", "https://hooks.example.com:80/"),
        ("https://bücher.example/straße", "https://xn--bcher-kva.example/stra%C3%9Fe"),
        ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
        ("https://123.40.21.1/x", "https://123.40.21.1/x"),
        ("https://0x7b.050.5377/x", "https://123.40.21.1/x"),
        ("https://2066224385/x", "https://123.40.21.1/x"),
        ("https://１２３.４０.２１.１/x", "https://123.40.21.1/x"),
        ("https://123。40．21｡1/x", "https://123.40.21.1/x"),
        ("https://[2606:4700::1]/", "https://[2606:4700::1]/"),
        ("https://hooks.example.com/@user?at=@", "https://hooks.example.com/@user?at=@"),
        ("https://notapi.tenday.example.com.example.org/", "https://notapi.tenday.example.com.example.org/"),
        ("https://xapi.tenday.example.com/", "https://xapi.tenday.example.com/"),
    ] {
        let url = CallbackUrl::parse(given, &deployed()).unwrap_or_else(|problem| panic!("{given}: {problem}"));
        assert_eq!((url.as_given(), url.url().as_str()), (given, sent));
        assert_eq!(url.as_given().parse::<CallbackUrl>(), Ok(url.clone()), "as it is stored");
        assert_eq!(serde_json::to_value(&url).unwrap(), given, "and shown");
    }
}

#[test]
fn special_addresses_are_refused_in_every_spelling() {
    for spelling in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0x0.0.0x1",
        "0177.0.0.1",
        "017700000001",
        "0177.1",
        "00000177.0.0.1",
        "127.0.0.1.",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127．0．0．1",
        "127｡0｡0｡1",
        "%31%32%37.0.0.1",
        "127.0.0.0x1",
        "0",
        "0x0",
        "00",
        "0.0.0.0",
        "10.0.0.1",
        "0xa000001",
        "167772161",
        "012.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "172.16.0.1",
        "192.168.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "4294967295",
        "0xffffffff",
        "240.0.0.1",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7f00:1]",
        "[0:0:0:0:0:ffff:7F00:0001]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2001::1]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[2001:db8::1]",
        "[2001:10::1]",
        "[2001:20::1]",
        "[3fff::1]",
        "[100::1]",
        "[5f00::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[FE80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2606:4700::5efe:10.0.0.1]",
        "[2606:4700::200:5efe:a00:1]",
    ] {
        for url in [format!("https://{spelling}/"), format!("https://{spelling}:8443/a?b")] {
            assert!(matches!(problem(&url), UrlProblem::SpecialAddress { .. }), "{url}: {:?}", problem(&url));
            assert_eq!(problem(&url).blocked(), Blocked::SpecialAddress);
        }
    }
}

#[test]
fn what_browsers_repair_is_refused() {
    for hidden in [
        " https://example.com",
        "https://example.com ",
        "https://example.com/a b",
        "https://exam\tple.com",
        "ht\ntps://example.com",
        "https://example.com/\r\nx: y",
        "https:\\\\example.com",
        "https://example.com\\@a.com",
        "https://example.com/\0",
        "https://exam\u{ad}ple.com",
        "https://exam\u{200b}ple.com",
        "https://127.0.0.1\u{2060}",
        "https://example.com/\u{202e}",
        "\u{feff}https://example.com",
        "https://example.com/\u{7f}",
        "https://example\u{3000}.com",
    ] {
        assert_eq!(problem(hidden), UrlProblem::Character, "{hidden:?}");
    }
    for incomplete in [
        "",
        "example.com",
        "/a",
        "//example.com",
        "https:example.com",
        "https:/example.com",
        "https:///example.com",
        "https://",
        "https://?x",
        "https://#x",
        "https:",
    ] {
        assert_eq!(problem(incomplete), UrlProblem::NotAUrl, "{incomplete:?}");
    }
    for scheme in [
        "http://example.com/",
        "ftp://example.com",
        "file:///etc/passwd",
        "gopher://example.com",
        "ws://example.com",
        "javascript:alert(1)",
        "data:,x",
        "localhost:8080",
        "httpss://example.com",
        "unix:/run/x",
        "://example.com",
    ] {
        assert_eq!(problem(scheme), UrlProblem::Scheme, "{scheme:?}");
    }
    for user in [
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://example.com:443@127.0.0.1/",
        "https://a@b@example.com",
        "https://%40@example.com/",
    ] {
        assert_eq!(problem(user), UrlProblem::UserInfo, "{user:?}");
    }
    for fragment in ["https://example.com/#", "https://example.com/#a", "https://example.com#@127.0.0.1/"] {
        assert_eq!(problem(fragment), UrlProblem::Fragment, "{fragment:?}");
    }
    let long = |count: usize| format!("https://example.com/{}", "a".repeat(count - "https://example.com/".len()));
    assert!(CallbackUrl::parse(&long(2_048), &deployed()).is_ok());
    assert_eq!(problem(&long(2_049)), UrlProblem::TooLong);
}

#[test]
fn hosts_must_be_names_on_the_internet() {
    let label = "a".repeat(64);
    let name = format!("{}com", "abcdefg.".repeat(32));
    for bad in [
        "a..example.com",
        ".example.com",
        "example.com..",
        "exa$mple.com",
        "exa,mple.com",
        "exa%00mple.com",
        "exa%2fmple.com",
        "[::1",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1%251]",
        "[127.0.0.1]",
        "[::g]",
        "256.256.256.256",
        "1.2.3.4.5",
        "example.0x",
        "127.0.0.1.1",
        "xn--\u{0}",
        "xn--a.example",
        "-.*",
        &format!("{label}.example.com"),
        &name,
        "4294967296",
    ] {
        let found = problem(&format!("https://{bad}/"));
        assert!(matches!(found, UrlProblem::HostName | UrlProblem::Character), "{bad}: {found:?}");
    }
    for local in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "a.LocalHost.",
        "ｌｏｃａｌｈｏｓｔ",
        "intranet",
        "intranet.",
        "db.internal",
        "ip-10-0-0-1.eu-west-1.compute.internal",
        "printer.local",
        "printer。local",
        "a.home.arpa",
        "localhost.localdomain",
        "com",
    ] {
        assert_eq!(problem(&format!("https://{local}/")), UrlProblem::LocalName, "{local}");
    }
    assert_eq!(problem("https://example.com./"), UrlProblem::TrailingDot);
    for own in [
        "api.tenday.example.com",
        "API.Tenday.Example.com",
        "api.tenday.example.com.",
        "x.api.tenday.example.com",
        "A1B2.execute-api.us-east-1.amazonaws.com",
        "api。tenday.example.com",
    ] {
        assert_eq!(problem(&format!("https://{own}/")), UrlProblem::OwnHost, "{own}");
    }
}

#[test]
fn ports_are_443_80_or_1024_and_above() {
    for port in [443, 80, 1024, 8443, 65535] {
        assert!(CallbackUrl::parse(&format!("https://example.com:{port}/"), &deployed()).is_ok(), "{port}");
    }
    for port in ["0", "1", "22", "25", "79", "81", "442", "444", "1023", "65536", "99999", "-1", "x", "0x50"] {
        assert_eq!(problem(&format!("https://example.com:{port}/")), UrlProblem::Port, "{port}");
    }
}

#[test]
fn local_rules_open_this_machine_and_nothing_else() {
    for url in [
        "http://localhost:8080/a",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
        "https://receiver:8443/",
        "http://host.docker.internal:9000/",
        "http://127.1:8080/",
        "http://example.com/",
    ] {
        let stored = CallbackUrl::parse(url, &LOCAL).unwrap();
        assert!(stored.judge(&deployed()).is_err(), "{url}: what was stored here is not sent to there");
    }
    for url in ["http://10.0.0.1/", "http://169.254.169.254/latest", "http://0.0.0.0:8080/", "http://[fe80::1]/"] {
        assert!(matches!(CallbackUrl::parse(url, &LOCAL), Err(UrlProblem::SpecialAddress { .. })), "{url}");
    }
    assert_eq!(CallbackUrl::parse("http://localhost:22/", &LOCAL), Err(UrlProblem::Port));
    assert_eq!(CallbackUrl::parse("ftp://localhost/", &LOCAL), Err(UrlProblem::Scheme));
}

#[test]
fn neither_path_nor_query_is_in_what_is_logged() {
    let url = CallbackUrl::parse("https://example.com:8443/s3cret?token=s3cret", &deployed()).unwrap();
    assert_eq!(format!("{url:?}"), "CallbackUrl(https://example.com:8443/…)");
    assert_eq!(url.origin(), "https://example.com:8443");
}

#[test]
fn stored_text_that_is_no_url_is_an_error_and_not_a_panic() {
    for text in ["", "https://", "https://a b", "1", "null"] {
        assert!(text.parse::<CallbackUrl>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_what_it_takes_it_takes_again(
        text in ".{0,120}", near in "(https?:/?/?)?[a-z0-9x.:@/\\\\?#%\\[\\]。１ -]{0,60}",
    ) {
        for text in [format!("https://{near}"), near, text] {
            for rules in [deployed(), LOCAL] {
                let Ok(url) = CallbackUrl::parse(&text, &rules) else { continue };
                let again = CallbackUrl::parse(url.url().as_str(), &rules);
                prop_assert_eq!(again.as_ref().map(CallbackUrl::url), Ok(url.url()));
            }
        }
    }

    #[test]
    fn an_ipv4_address_is_judged_alike_in_every_spelling(bits: u32) {
        let address = std::net::Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let expected = special_range(address.into()).is_some();
        for spelling in [
            format!("{address}"),
            format!("{bits}"),
            format!("{bits:#x}"),
            format!("0{bits:o}"),
            format!("{a}.{}", bits & 0xff_ffff),
            format!("{a}.{b}.{}", bits & 0xffff),
            format!("0{a:o}.{b:#x}.{c}.0{d:o}"),
            format!("[{}]", address.to_ipv6_mapped()),
        ] {
            let found = CallbackUrl::parse(&format!("https://{spelling}/"), &deployed());
            prop_assert_eq!(matches!(found, Err(UrlProblem::SpecialAddress { .. })), expected, "{} {:?}", spelling, found);
        }
    }
}
