use std::os::unix::fs::PermissionsExt;

use super::*;

const KEY: &str = "sk-proj-canary-abcdefghijklmnop";

fn helper(directory: &Path, argv: &[&str], limit: Duration) -> Helper {
    let commands = BTreeMap::from([("openai".to_owned(), argv.iter().map(|&part| part.to_owned()).collect())]);
    Helper {
        name: "openai".to_owned(),
        helpers: Helpers { commands, file: Some("keywright.toml".into()), allowed: true },
        environment: Environment::process(),
        directory: directory.into(),
        limit,
    }
}

fn shell(script: &str) -> Vec<&str> {
    vec!["sh", "-c", script]
}

async fn read(argv: &[&str]) -> Result<String, SourceError> {
    let folder = tempfile::tempdir().expect("a folder");
    let read = helper(folder.path(), argv, Duration::from_secs(20)).fetch().await?;
    Ok(read.expect("a key").expose().to_owned())
}

#[tokio::test]
async fn it_prints_a_key() {
    for script in ["printf %s", "printf '%s\\n'", "printf '%s\\r\\n'", "echo noise >&2; printf %s"] {
        assert_eq!(read(&shell(&format!("{script} {KEY}"))).await.as_deref(), Ok(KEY), "{script}");
    }
    assert_eq!(read(&["printf", "%s", "$HOME `id`"]).await.as_deref(), Ok("$HOME `id`"), "no shell reads it");
}

#[tokio::test]
async fn each_trouble_has_its_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        path.to_str().expect("UTF-8").to_owned()
    };
    let plain = make("plain", "#!/bin/sh\n", 0o600);
    let no_program = make("no-program", "\u{7f}not ELF", 0o700);
    let too_much = "head -c 100000 /dev/zero | tr '\\0' k";
    let leaky = format!("echo {KEY} >&2; exit 1");
    let cases: [(Vec<&str>, SourceError); 11] = [
        (shell("true"), SourceError::HelperSilent),
        (shell("echo; echo"), SourceError::HelperSilent),
        (shell("echo one; echo two"), SourceError::HelperTwoLines),
        (shell("exit 3"), SourceError::HelperFailed { status: 3 }),
        (shell(&leaky), SourceError::HelperFailed { status: 1 }),
        (shell("kill -9 $$"), SourceError::HelperKilled),
        (shell("printf '\\377'"), SourceError::NotUtf8),
        (shell(too_much), SourceError::TooLarge { limit_bytes: 65_536 }),
        (vec!["keywright-no-such-program"], SourceError::HelperNotFound),
        (vec![&plain], SourceError::HelperNotExecutable),
        (vec![&no_program], SourceError::HelperNotExecutable),
    ];
    for (argv, expected) in cases {
        assert_eq!(read(&argv).await, Err(expected), "{argv:?}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipe, script) = (folder.path().join("pipe"), "mkfifo pipe; sleep 1000 > pipe & wait");
    let hangs = helper(folder.path(), &shell(script), Duration::from_millis(500));
    let reading = hangs.fetch();
    let held = tokio::task::spawn_blocking(move || {
        while !pipe.exists() {
            std::thread::yield_now();
        }
        // Opens when `sleep` has it open, and ends when `sleep` has ended.
        std::fs::read(pipe)
    });
    assert_eq!(reading.await.map(drop), Err(SourceError::TimedOut { seconds: 0 }));
    assert_eq!(held.await.expect("no panic").expect("read"), b"");
}

#[tokio::test]
async fn nothing_runs_before_it_is_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut helper = helper(folder.path(), &shell("touch ran"), Duration::from_secs(20));
    helper.helpers.allowed = false;
    assert_eq!(helper.fetch().await.map(drop), Err(SourceError::HelperNotAllowed));
    assert!(!folder.path().join("ran").exists());
    assert_eq!(helper.place(), "helper openai of keywright.toml");
    helper.name = "other".to_owned();
    assert_eq!(helper.fetch().await.map(drop), Err(SourceError::NoHelper));
}
