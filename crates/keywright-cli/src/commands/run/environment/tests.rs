//! The whole is tested from outside, in `tests/run.rs`; here is what needs no process.

use super::*;

fn proxies(before: Option<&str>) -> String {
    let mut child = ChildEnvironment::default();
    if let Some(before) = before {
        child.set("NO_PROXY", before);
    }
    child.bypass_proxies("NO_PROXY");
    child.variables[OsStr::new("NO_PROXY")].to_string_lossy().into_owned()
}

#[test]
fn loopback_goes_past_every_proxy() {
    assert_eq!(proxies(None), "127.0.0.1,localhost");
    assert_eq!(proxies(Some(" ")), "127.0.0.1,localhost");
    assert_eq!(proxies(Some("a.example")), "a.example,127.0.0.1,localhost");
    assert_eq!(proxies(Some("*")), "*");
}

#[test]
fn a_header_variable_goes_only_when_it_carries_a_credential() {
    for (value, carries) in [("X-Team: a", false), ("authorization: Bearer x", true), ("X-Api-Key: x", true)] {
        let mut child = ChildEnvironment::default();
        child.set("OPENAI_CUSTOM_HEADERS", value);
        assert_eq!(child.carries_a_credential("OPENAI_CUSTOM_HEADERS"), carries, "{value}");
    }
}

#[test]
fn what_opens_the_vault_stays_here_and_a_login_goes_along() {
    let mut child = ChildEnvironment::default();
    let names = ["KEYWRIGHT_AGE_PASSPHRASE", "KEYWRIGHT_AGE_PASSPHRASE_FILE", "KEYWRIGHT_AGE_IDENTITY", "VAULT_TOKEN"];
    for name in names {
        child.set(name, "x");
    }
    child.drop_what_opens_the_vault();
    assert_eq!(child.variables.into_keys().collect::<Vec<_>>(), ["VAULT_TOKEN"]);
    assert_eq!(child.notes.len(), 3);
}
