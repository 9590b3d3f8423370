//! Every trouble has its words and its mend.

use super::*;
use crate::inspect::proxy;

const NOW: u64 = 1_790_000_000;

fn told(trouble: &Trouble, way: &Way, trust: Option<&str>) -> (Cause, String, String) {
    let to = Destination {
        provider: "OpenAI",
        host: "api.openai.com",
        port: 443,
        encrypted: true,
        way,
        trust,
        now: Some(NOW),
    };
    let finding = explain(trouble, &to);
    let fix = finding.fix.expect("every trouble has a mend");
    (finding.cause, finding.says, fix.command.expect("and its command"))
}

#[test]
fn every_trouble_has_its_cause_its_words_and_its_command() {
    let cases = [
        (Trouble::NoAddress("no such host".to_owned()), Cause::Network, "no address: no such host", "getent hosts"),
        (Trouble::Refused("refused".to_owned()), Cause::Network, "nothing answers at port 443", "curl -sv https://"),
        (Trouble::Silent(Step::Address, 5), Cause::Timeout, "within 5 s", "getent hosts"),
        (Trouble::Silent(Step::Connection, 5), Cause::Timeout, "firewall", "curl -sv"),
        (Trouble::Silent(Step::Tls, 5), Cause::Timeout, "secure connection", "openssl s_client"),
        (Trouble::Silent(Step::Answer, 9), Cause::Timeout, "nothing comes within 9 s", "curl -sv"),
        (Trouble::Untrusted, Cause::Tls, "does not trust", "openssl s_client"),
        (Trouble::Expired(Some(NOW - 7200)), Cause::Tls, "ended 2 h ago", "date -u"),
        (Trouble::Expired(None), Cause::Tls, "ended its time", "date -u"),
        (Trouble::NotYetValid(Some(NOW + 7200)), Cause::Tls, "until 2 h from now", "date -u"),
        (Trouble::WrongName(vec!["portal.example".to_owned()]), Cause::Tls, "it is for portal.example", "openssl"),
        (Trouble::NotEncrypted, Cause::Tls, "speaks no TLS", "curl -sv http://"),
        (Trouble::NoTls("bad record".to_owned()), Cause::Tls, "bad record", "openssl"),
        (Trouble::NothingTrusted("none".to_owned()), Cause::Tls, "no trusted certificates", "ca-certificates"),
        (Trouble::Broken, Cause::Network, "without an answer", "curl -sv"),
    ];
    for (trouble, cause, words, command) in cases {
        let (found, says, run) = told(&trouble, &Way::Direct, None);
        assert_eq!(found, cause, "{trouble:?}");
        assert!(says.contains(words), "{trouble:?}: {says}");
        assert!(run.contains(command), "{trouble:?}: {run}");
    }
}

#[test]
fn a_variable_that_replaces_the_trusted_certificates_is_the_first_suspect() {
    let (_, _, command) = told(&Trouble::Untrusted, &Way::Direct, Some("SSL_CERT_FILE"));
    assert_eq!(command, "unset SSL_CERT_FILE");
}

#[test]
fn a_proxy_is_named_without_its_password() {
    let proxy = proxy::Proxy::parse("HTTPS_PROXY", "http://me:hunter2@proxy:3128").expect("a proxy");
    let way = Way::Through(proxy);
    let cases = [
        (ProxyTrouble::Denied(407), "wants a user name and a password", "USER:PASSWORD@proxy:3128"),
        (ProxyTrouble::Denied(403), "it answered 403", "NO_PROXY"),
        (ProxyTrouble::Unreachable("refused".to_owned()), "cannot be reached: refused", "NO_PROXY"),
        (ProxyTrouble::NoProxy, "does not speak as a proxy", "NO_PROXY"),
        (ProxyTrouble::Foreign, "nothing was sent", "NO_PROXY"),
    ];
    for (trouble, words, mend) in cases {
        let (cause, says, command) = told(&Trouble::Proxy(trouble), &way, None);
        assert_eq!(cause, Cause::Proxy);
        assert!(says.contains(words) && says.contains("the proxy proxy:3128"), "{says}");
        assert!(says.contains("`HTTPS_PROXY`") && command.contains(mend), "{says} {command}");
        assert!(!says.contains("hunter2") && !command.contains("hunter2"));
    }
}

#[test]
fn a_clock_is_a_finding_when_it_is_minutes_off() {
    for (ahead, words) in
        [(0, None), (300, None), (-300, None), (301, Some("5 min ahead of")), (-7200, Some("2 h behind"))]
    {
        let says = clock(ahead, "OpenAI").map(|finding| finding.says);
        assert_eq!(says.is_some(), words.is_some(), "{ahead}");
        assert!(says.is_none_or(|says| says.contains(words.unwrap_or_default())), "{ahead}");
    }
}
