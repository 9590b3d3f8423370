//! Broken set-ups: `doctor` names what is wrong and where, what it prints mends it, and then it is content.
//!
//! `cargo test -p keywright-cli --test doctor_setups -- --nocapture` prints the table.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::openai_key;
use serde_json::Value;
use tempfile::TempDir;

/// A folder and an environment in which something is wrong.
struct Setup {
    /// What happened.
    story: &'static str,
    /// `<K>` stands for a good key, `<L>` for another one.
    variables: &'static [(&'static str, &'static str)],
    /// Written as they are; `.env` readable by its owner alone.
    files: Vec<(&'static str, Vec<u8>)>,
    /// A command that makes it worse.
    prepare: &'static str,
    /// Where everything is started.
    folder: &'static str,
    /// What `doctor` is to say: the cause, and the place as source, line, column and position in the value.
    finds: (&'static str, &'static str),
    mend: Mend,
    /// A warning is a failure only for those who ask.
    strict: bool,
}

/// What mends it.
#[derive(Clone, Copy, PartialEq)]
enum Mend {
    /// `keywright doctor --fix --yes`, which the finding names.
    Fix,
    /// The same, which the finding does not name: another command of the shell would do it too.
    FixToo,
    /// The command that the finding prints, in the same shell.
    Printed,
}

fn setup(story: &'static str, finds: (&'static str, &'static str), mend: Mend) -> Setup {
    Setup { story, variables: &[], files: Vec::new(), prepare: "true", folder: ".", finds, mend, strict: false }
}

impl Setup {
    fn env(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }

    fn dotenv(self, text: &str) -> Self {
        self.file(".env", filled(text).into_bytes())
    }

    fn file(mut self, name: &'static str, bytes: Vec<u8>) -> Self {
        self.files.push((name, bytes));
        self
    }

    fn prepare(self, prepare: &'static str) -> Self {
        Self { prepare, ..self }
    }

    fn inside(self, folder: &'static str) -> Self {
        Self { folder, ..self }
    }

    fn strict(self) -> Self {
        Self { strict: true, ..self }
    }
}

fn filled(text: &str) -> String {
    text.replace("<K>", &openai_key(1)).replace("<L>", &openai_key(2))
}

/// What is wrong is in a file, and `--fix` mends it.
fn in_files() -> Vec<Setup> {
    use Mend::{Fix, FixToo};
    let key = openai_key(1);
    let split = format!("OPENAI_API_KEY={}\u{200b}{}\n", &key[..12], &key[12..]);
    let utf16: Vec<u8> =
        format!("\u{feff}OPENAI_API_KEY={key}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let twice = format!("OPENAI_API_KEY={}\n", STANDARD.encode(&key));
    vec![
        setup("a hidden character came with the key", ("hidden_or_non_ascii_character", ".env:1:28"), Fix)
            .dotenv(&split),
        setup("`Bearer ` was pasted with the key", ("header_malformed", ".env:2:17"), Fix)
            .dotenv("# mine\nOPENAI_API_KEY='Bearer <K>'\n"),
        setup("curly quotes from a document", ("quotes_in_key", ".env:1:16"), Fix)
            .dotenv("OPENAI_API_KEY=\u{201c}<K>\u{201d}\n"),
        setup("PowerShell wrote UTF-16", ("env_not_loaded", ".env"), Fix).file(".env", utf16),
        setup("a name that nothing reads", ("wrong_env_var_name", ".env:1:23"), Fix)
            .dotenv("export OPENAI_APIKEY='<K>'\n"),
        setup("base64 of a Kubernetes secret, once too often", ("not_a_key_value", ".env:1:16"), Fix).dotenv(&twice),
        setup("a line break inside the quotes", ("whitespace_or_newline", ".env:1:181"), Fix)
            .dotenv("OPENAI_API_KEY=\"<K>\n\"\n"),
        setup("spaces around `=`", ("whitespace_or_newline", ".env:1:15"), Fix)
            .dotenv("OPENAI_API_KEY = <K>\n")
            .strict(),
        setup("a comment behind the value", ("whitespace_or_newline", ".env:1:181"), Fix)
            .dotenv("OPENAI_API_KEY=<K> # mine\n")
            .strict(),
        setup("Windows line ends", ("whitespace_or_newline", ".env:1"), Fix)
            .dotenv("OPENAI_API_KEY=<K>\r\nA=1\r\n")
            .strict(),
        setup("the same line twice", ("stale_value_overrides", ".env:3"), Fix)
            .dotenv("OPENAI_API_KEY=<K>\nA=1\nOPENAI_API_KEY=<K>\n")
            .strict(),
        setup("git would commit it", ("leaked_and_auto_disabled", ".env"), FixToo)
            .dotenv("OPENAI_API_KEY=<K>\n")
            .prepare("git init -q")
            .strict(),
        setup("everybody can read it", ("leaked_and_auto_disabled", ".env"), FixToo)
            .dotenv("OPENAI_API_KEY=<K>\n")
            .prepare("chmod 644 .env")
            .strict(),
    ]
}

/// What is wrong is in the shell, or in a value that only a person may change.
fn elsewhere() -> Vec<Setup> {
    use Mend::Printed;
    vec![
        setup("docker --env-file kept the quotes", ("quotes_in_key", "environment variable OPENAI_API_KEY@0"), Printed)
            .env(&[("OPENAI_API_KEY", "\"<K>\"")]),
        setup("a newline from a file", ("whitespace_or_newline", "environment variable OPENAI_API_KEY@164"), Printed)
            .env(&[("OPENAI_API_KEY", "<K>\n")]),
        setup("`Bearer` and quotes in the shell", ("quotes_in_key", "environment variable OPENAI_API_KEY@0"), Printed)
            .env(&[("OPENAI_API_KEY", "\"Bearer <K>\"")]),
        setup("a key under another name", ("wrong_env_var_name", "environment variable OPENAI_KEY"), Printed)
            .env(&[("OPENAI_KEY", "<K>")]),
        setup("the version twice in the base URL", ("wrong_base_url", ".env:2:46"), Printed)
            .dotenv("OPENAI_API_KEY=<K>\nexport OPENAI_BASE_URL=https://api.openai.com/v1/v1\n"),
        setup("a call in the base URL", ("wrong_base_url", "environment variable OPENAI_BASE_URL@22"), Printed)
            .env(&[("OPENAI_API_KEY", "<K>"), ("OPENAI_BASE_URL", "https://api.openai.com/v1/chat/completions")]),
        setup(
            "a second Authorization header",
            ("header_malformed", "environment variable OPENAI_CUSTOM_HEADERS"),
            Printed,
        )
        .env(&[("OPENAI_API_KEY", "<K>"), ("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer <L>")]),
        setup(
            "an organisation with its quotes",
            ("wrong_organization_or_project", "environment variable OPENAI_ORG_ID@0"),
            Printed,
        )
        .env(&[("OPENAI_API_KEY", "<K>"), ("OPENAI_ORG_ID", "\"org-abc\"")]),
        setup("a proxy with a line break", ("proxy", "environment variable HTTPS_PROXY@20"), Printed)
            .env(&[("OPENAI_API_KEY", "<K>"), ("HTTPS_PROXY", "http://10.0.0.1:8080\n")]),
        setup("an old key in the shell", ("stale_value_overrides", ".env:1:16"), Printed)
            .dotenv("OPENAI_API_KEY=<K>\n")
            .env(&[("OPENAI_API_KEY", "<L>")])
            .strict(),
        setup("started in a folder below", ("env_not_loaded", "../.env:1"), Printed)
            .dotenv("OPENAI_API_KEY=<K>\n")
            .prepare("mkdir app")
            .inside("app"),
    ]
}

/// A folder with a setup in it.
struct Scene<'a> {
    setup: &'a Setup,
    folder: TempDir,
}

impl<'a> Scene<'a> {
    fn new(setup: &'a Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in &setup.files {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        }
        let status = Command::new("sh").args(["-c", setup.prepare]).current_dir(folder.path()).status();
        assert!(status.expect("a shell starts").success(), "{}", setup.story);
        Self { setup, folder }
    }

    /// The exit code and the output of commands of one shell.
    fn shell(&self, commands: &str) -> (i32, String) {
        let mut command = Command::new("sh");
        command.args(["-c", commands]).stdin(Stdio::null()).env_clear();
        command.current_dir(self.folder.path().join(self.setup.folder));
        command.env("PATH", env!("PATH")).env("keywright", env!("CARGO_BIN_EXE_keywright"));
        command.envs(self.setup.variables.iter().map(|(name, value)| (*name, filled(value))));
        let output = command.output().expect("a shell starts");
        let both = [&output.stdout[..], &output.stderr].concat();
        (output.status.code().expect("no signal"), String::from_utf8_lossy(&both).into_owned())
    }

    fn doctor(&self) -> &'static str {
        if self.setup.strict { "\"$keywright\" doctor --strict" } else { "\"$keywright\" doctor" }
    }

    /// The finding of this cause at this place.
    fn finding(&self) -> Value {
        let (_, json) = self.shell("\"$keywright\" doctor --json");
        let report: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        let checks = report["checks"].as_array().expect("checks").clone();
        let findings: Vec<Value> =
            checks.iter().flat_map(|check| check["findings"].as_array().expect("findings").clone()).collect();
        let (cause, place) = self.setup.finds;
        let found = findings.iter().find(|finding| finding["cause"] == cause && place_of(finding) == place);
        found.unwrap_or_else(|| panic!("{}: no {cause} at {place} in {findings:#?}", self.setup.story)).clone()
    }
}

/// `.env:1:16`; where there is no line, `source@position`.
fn place_of(finding: &Value) -> String {
    let place = &finding["place"];
    let mut text = place["source"].as_str().unwrap_or_default().to_owned();
    text.extend(
        [&place["line"], &place["column"]].into_iter().filter_map(Value::as_u64).map(|number| format!(":{number}")),
    );
    if let (Some(at), Value::Null) = (finding["at"].as_u64(), &place["line"]) {
        text = format!("{text}@{at}");
    }
    text
}

#[test]
fn each_set_up_is_named_mended_and_then_healthy() {
    println!("| set-up | finding | place | mended by |\n|---|---|---|---|");
    for setup in in_files().into_iter().chain(elsewhere()) {
        let scene = Scene::new(&setup);
        let (code, report) = scene.shell(scene.doctor());
        assert_eq!(code, 1, "{}: {report}", setup.story);
        let finding = scene.finding();
        let printed = finding["fix"]["command"].as_str().unwrap_or_default().to_owned();
        assert!(setup.mend == Mend::FixToo || report.contains(&printed), "{}: {report}", setup.story);
        let command = match setup.mend {
            Mend::Fix => {
                assert_eq!(printed, "keywright doctor --fix", "{}", setup.story);
                "keywright doctor --fix --yes"
            }
            Mend::FixToo => "keywright doctor --fix --yes",
            Mend::Printed => &printed,
        };
        println!("| {} | {} | {} | `{}` |", setup.story, setup.finds.0, setup.finds.1, command.replace('|', "\\|"));
        let mended = command.replacen("keywright doctor --fix", "\"$keywright\" doctor --fix", 1);
        let (code, report) = scene.shell(&format!("{mended}; {}", scene.doctor()));
        assert_eq!(code, 0, "{} after `{command}`: {report}", setup.story);
        for key in [openai_key(1), openai_key(2)] {
            assert!(!report.contains(&key), "{}: a key is shown", setup.story);
        }
    }
}
