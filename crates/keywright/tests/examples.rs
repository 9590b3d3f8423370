//! The examples, as the programs that they are, against the emulated providers.

use std::process::{Command, Output};

use keywright_emulator::{Emulator, KeyState, sample_keys};

/// Each example with the variables of its provider.
const EXAMPLES: [(&str, &str, &str, &str); 3] = [
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    ("fireworks", "FIREWORKS_API_KEY", "FIREWORKS_BASE_URL", ""),
    ("together", "TOGETHER_API_KEY", "TOGETHER_BASE_URL", "/v1"),
];

/// Runs an example with these variables and no others.
fn run(name: &str, variables: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().expect("a folder");
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    let variables = variables.iter().copied();
    Command::new(path)
        .env_clear()
        .envs(variables)
        .env("KEYWRIGHT_STATE_DIR", home.path().join("state"))
        .current_dir(home.path())
        .output()
        .expect("built with the tests")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_runs_and_says_why_it_cannot() {
    let emulator = Emulator::builder().with_sample_keys().start().await.expect("an emulator");
    for (name, variable, base, end) in EXAMPLES {
        let url = emulator.base_url(name);
        let url = format!("{}{end}", url.trim_end_matches("/v1").trim_end_matches("/inference"));
        let key = sample_keys(name, 1).remove(0);
        let good = run(name, &[(variable, &key), (base, &url)]);
        assert!(good.status.success(), "{name}: {good:?}");
        assert!(String::from_utf8_lossy(&good.stdout).lines().count() >= 2, "{name}: {good:?}");
        emulator.set_key(name, &key, KeyState::Revoked).expect("a key");
        // With the error of a program's `main` or with words of its own: the cause is there, and never the key.
        let cases = [
            (vec![(base, url.as_str())], "missing_key"),
            (vec![(variable, key.as_str()), (base, &url)], "invalid_key"),
        ];
        for (variables, cause) in cases {
            let ended = run(name, &variables);
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains(cause) && !said.contains(&key), "{name}: {said}");
        }
    }
}
