//! References go there and back; a key in the place of one is refused and not shown.

use proptest::prelude::*;

use super::*;

fn error(text: &str) -> ReferenceError {
    text.parse::<Reference>().expect_err("not a reference")
}

#[test]
fn references_go_there_and_back() {
    for text in [
        "env://OPENAI_API_KEY",
        "dotenv://.env#OPENAI_API_KEY",
        "dotenv:///srv/app#1/.env#KEY",
        "file:///run/secrets/openai",
        "file://secrets.json#openai",
        "systemd://openai",
        "systemd://llm#openai",
        "age://keys.age#openai",
        "keyring://openai/default",
        "vault://secret/team/llm#openai",
        "op://Private/OpenAI/credential",
        "op://Private/OpenAI/keys/second",
        "cmd://openai",
    ] {
        assert_eq!(text.parse::<Reference>().expect(text).to_string(), text);
    }
    let accepted: Reference = "ref+file:///run/x#/key".parse().expect("accepted");
    assert_eq!(accepted.to_string(), "file:///run/x#key");
    for (text, same) in [
        ("openbao://secret/llm#openai", "vault://secret/llm#openai"),
        ("ref+vault://secret/llm#/openai", "vault://secret/llm#openai"),
        ("vault://secret/llm?field=openai", "vault://secret/llm#openai"),
        ("ref+keychain://openai/default", "keyring://openai/default"),
    ] {
        assert_eq!(text.parse::<Reference>().expect(text).to_string(), same);
    }
}

#[test]
fn a_pasted_key_is_refused_and_not_shown() {
    for key in [
        "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
        "env://sk-proj-abcdefghijklmnopqrstuvwxyz123456",
        "env://sk-kwt-abcdefghijklmnop",
        "abcdefghijklmnopqrstuvwxyz://x",
        "hunter2",
    ] {
        let error = error(key);
        let shown = format!("{error} {error:?} {}", error.help());
        assert!(!shown.contains("abcdefgh") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn each_mistake_has_its_own_words() {
    let variable = |name: &str| ReferenceError::Variable { name: name.to_owned() };
    assert_eq!(error(""), ReferenceError::Empty);
    assert_eq!(error("$OPENAI_API_KEY"), variable("OPENAI_API_KEY"));
    assert_eq!(error("${MY_KEY_2}"), variable("MY_KEY_2"));
    assert_eq!(error("OPENAI_API_KEY"), variable("OPENAI_API_KEY"));
    let near = ReferenceError::UnknownScheme { scheme: "evn".to_owned(), near: Some("env") };
    assert_eq!(error("evn://A"), near);
    assert_eq!(near.help(), "did you mean `env://`?");
    assert_eq!(error("dotenv://.env").to_string(), "`dotenv` reference lacks `#NAME`");
    assert_eq!(error("env://").to_string(), "`env` reference lacks the variable's name");
    assert_eq!(error("file://").to_string(), "`file` reference lacks the file's path");
    assert_eq!(error("vault://secret/llm").to_string(), "`vault` reference lacks `#FIELD`");
    assert_eq!(error("vault://llm#openai").to_string(), "`vault` reference lacks the path after the mount");
    assert_eq!(error("keyring://openai").to_string(), "`keyring` reference lacks `/ACCOUNT`");
    assert_eq!(error("op://Private/OpenAI").to_string(), "`op` reference lacks VAULT/ITEM/FIELD");
    assert_eq!(error("cmd://pass show openai"), ReferenceError::BadName { scheme: "cmd" });
    assert_eq!(error("systemd://../x"), ReferenceError::BadName { scheme: "systemd" });
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in ".{0,60}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference));
        }
    }
}
