use super::*;
use crate::redact::Redactor;
use crate::text::explain;

const KEY: &str = "sk-proj-Qm7vT2xZ9aLk4RtY8bNc3WdE5fGh6JpU";

/// What a provider says of a key, masked as it does.
fn refusal(echo: &str) -> Found {
    let text = format!(
        "openai.AuthenticationError: Error code: 401 - {{'error': {{'message': 'Incorrect API key provided: {echo}. You can \
         find your API key at https://platform.openai.com/account/api-keys.', 'code': 'invalid_api_key'}}}}"
    );
    explain(text.as_bytes(), &Redactor::default()).remove(0)
}

fn unset_key() -> Found {
    let text = "openai.OpenAIError: The api_key client option must be set either by passing api_key to the client or by \
                setting the OPENAI_API_KEY environment variable";
    explain(text.as_bytes(), &Redactor::default()).remove(0)
}

fn key<'a>(secret: &'a Secret, findings: &'a [Finding]) -> KeyHere<'a> {
    KeyHere {
        provider: "openai",
        name: "OPENAI_API_KEY",
        place: ".env:3".to_owned(),
        holder: Holder::Dotenv,
        secret,
        seen: Seen::InForce,
        findings,
    }
}

fn told(mut found: Found, keys: Vec<KeyHere<'_>>) -> Diagnosis {
    testify(&mut found, &Here { keys, ..Here::default() });
    found.diagnosis
}

fn environment(diagnosis: &Diagnosis) -> Vec<&str> {
    let said = diagnosis.evidence.iter().filter(|evidence| evidence.witness == Witness::Environment);
    said.map(|evidence| evidence.says.as_str()).collect()
}

#[test]
fn the_echo_names_the_key_and_its_place() {
    let secret = Secret::new(KEY);
    let told = told(refusal("sk-proj-****************************6JpU"), vec![key(&secret, &[])]);
    assert_eq!(environment(&told), ["the refused key is `OPENAI_API_KEY` of .env:3, sk-proj-…6JpU"]);
    assert_eq!(told.cause, Cause::InvalidKey);
}

#[test]
fn a_key_behind_another_is_a_stale_value() {
    let secret = Secret::new(KEY);
    let behind = KeyHere { seen: Seen::Behind("environment variable OPENAI_API_KEY".to_owned()), ..key(&secret, &[]) };
    let told = told(refusal("sk-proj-****************************6JpU"), vec![behind]);
    assert_eq!((told.cause, told.confidence), (Cause::StaleValueOverrides, Confidence::Likely));
    assert!(told.alternatives.iter().any(|other| other.cause == Cause::InvalidKey));
}

#[test]
fn what_is_wrong_with_the_refused_key_is_the_cause() {
    let secret = Secret::new(format!("{KEY}\n"));
    let provider = crate::Catalogue::builtin().provider("openai").expect("catalogued");
    let findings = crate::inspect::inspect(&KEY[..30], provider);
    let error = Finding {
        severity: Severity::Error,
        ..findings
            .into_iter()
            .next()
            .unwrap_or_else(|| Finding::error(Cause::TruncatedOrMistyped, "characters are missing"))
    };
    let cause = error.cause;
    let told =
        told(refusal("sk-proj-****************************6JpU"), vec![key(&secret, std::slice::from_ref(&error))]);
    assert_eq!(told.cause, cause);
    assert!(environment(&told).iter().any(|says| says.ends_with(&error.says)), "{told:?}");
}

#[test]
fn a_stranger_is_called_one() {
    let secret = Secret::new(KEY);
    let told = told(refusal("sk-proj-****************************zzzz"), vec![key(&secret, &[])]);
    assert_eq!(told.cause, Cause::InvalidKey);
    assert_eq!(told.alternatives[0].cause, Cause::StaleValueOverrides);
    assert!(environment(&told)[0].starts_with("the refused key is none of the keys here"), "{told:?}");
}

#[test]
fn a_missing_key_may_stand_in_a_file_or_in_this_shell() {
    let secret = Secret::new(KEY);
    let file = told(unset_key(), vec![key(&secret, &[])]);
    assert_eq!((file.cause, file.confidence), (Cause::EnvNotLoaded, Confidence::Likely));
    let shell = KeyHere { holder: Holder::Environment, ..key(&secret, &[]) };
    let shell = told(unset_key(), vec![shell]);
    assert_eq!(shell.cause, Cause::MissingKey);
    assert!(environment(&shell)[0].contains("is set in this shell"), "{shell:?}");
}

#[test]
fn a_name_that_nothing_reads_explains_a_missing_key() {
    let finding = Finding::warning(Cause::WrongEnvVarName, "`OPENAI_KEY` is set, and nothing reads it");
    let mut found = unset_key();
    testify(&mut found, &Here { findings: vec![("openai", &finding)], ..Here::default() });
    assert_eq!(found.diagnosis.cause, Cause::WrongEnvVarName);
}

#[test]
fn other_providers_keys_say_nothing() {
    let secret = Secret::new("fw_3ZQm7vT2xZ9aLk4RtY8bNc");
    let other = KeyHere { provider: "fireworks", name: "FIREWORKS_API_KEY", ..key(&secret, &[]) };
    let before = unset_key().diagnosis;
    let after = told(unset_key(), vec![other]);
    assert_eq!((before.cause, before.confidence), (after.cause, after.confidence));
}

/// A header that `requests` could not encode: no provider, no host, no variable.
fn unsendable() -> Found {
    let text = "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u200b' in position 19: ordinal not in range(256)";
    explain(text.as_bytes(), &Redactor::default()).remove(0)
}

#[test]
fn the_character_that_could_not_be_sent_tells_whose_key_it_was() {
    let clean = Secret::new(KEY);
    let hidden = Secret::new("fw_3ZQm7vT2x\u{200b}Z9aLk4RtY8bNc");
    let fireworks = KeyHere { provider: "fireworks", name: "FIREWORKS_API_KEY", ..key(&hidden, &[]) };
    assert!(unsendable().diagnosis.is_unnamed());

    let named = told(unsendable(), vec![key(&clean, &[]), fireworks.clone()]);
    assert_eq!(named.provider, "fireworks");
    assert_eq!(
        environment(&named)[0],
        "`FIREWORKS_API_KEY` of .env:3 has that character as its character 13, and no other provider's key here"
    );
    assert!(named.fixes.iter().all(|fix| !format!("{fix:?}").contains("OPENAI_API_KEY")), "{named:?}");

    let elsewhere = Secret::new("fw_3ZQm7vT2xZ\u{200b}9aLk4RtY8bNc");
    let moved = KeyHere { secret: &elsewhere, ..fireworks.clone() };
    assert!(told(unsendable(), vec![key(&clean, &[]), moved]).is_unnamed());

    let both = Secret::new("sk-proj-Qm7v\u{200b}T2xZ9aLk4RtY8bNc");
    assert!(told(unsendable(), vec![key(&both, &[]), fireworks]).is_unnamed(), "two keys are alike");
}

#[test]
fn what_is_no_matter_of_keys_is_left_alone() {
    let secret = Secret::new(KEY);
    let text = b"openai.RateLimitError: Error code: 429 - {'error': {'code': 'rate_limit_exceeded'}}";
    let found = explain(text, &Redactor::default()).remove(0);
    let before = found.diagnosis.clone();
    assert_eq!(told(found, vec![key(&secret, &[])]), before);
}

#[test]
fn an_echo_of_three_stars_and_one_of_the_length_are_alike() {
    let secret = Secret::new(KEY);
    for echo in ["sk-proj-***6JpU", "sk-proj-********************************6JpU", "sk-proj-…6JpU"] {
        assert!(echo::is_of(echo, &secret) && echo::tells_apart(echo), "{echo}");
    }
    for echo in ["****", "sk-*", "", "*6JpU", "sk-proj-***6Jpx"] {
        assert!(!echo::tells_apart(echo) || !echo::is_of(echo, &secret), "{echo}");
    }
}
