//! `keywright emulate`: OpenAI, Fireworks and Together on this machine, with keys that can be broken.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keywright_emulator::{Assistants, Emulator, EmulatorBuilder, KeyState, Provider, sample_admin_key, sample_keys};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Run faithful local copies of OpenAI, Fireworks and Together, to see how an app takes a bad key.
///
/// No network and no account is needed. The answers to bad keys are byte for byte those of the real
/// providers, where those are known. Keys change while it runs: revoke one with the control door, and
/// watch what your app does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright emulate                          on 127.0.0.1:4200, with sample keys
  keywright emulate --assistants live        with the Assistants API as before 2026-08-26
  keywright emulate --json --listen 127.0.0.1:0 > emulator.json

While it runs (KEY is one of its keys):
  curl -X PUT http://127.0.0.1:4200/_control/keys/openai/KEY -d '{\"state\": \"revoked\"}'
  curl http://127.0.0.1:4200/_control/calls
  curl http://127.0.0.1:4200/_control/states")]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4200")]
    listen: SocketAddr,
    /// Makes ids and numbers repeat from run to run.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// The OpenAI Assistants API: `gone`, as since 2026-08-26, or `live`, as before.
    #[arg(long, value_name = "HOW", value_enum, default_value_t, hide_possible_values = true)]
    assistants: AssistantsMode,
    /// How many sample keys each provider knows.
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=9999))]
    keys: u16,
    /// A file of further valid keys, one `PROVIDER=KEY` a line; they are never printed.
    #[arg(long, value_name = "FILE")]
    keys_from: Option<PathBuf>,
    /// Print one JSON object with the address, the base URLs and the sample keys.
    #[arg(long)]
    json: bool,
}

/// Whether the Assistants API exists.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum AssistantsMode {
    /// As before 2026-08-26.
    Live,
    /// As since 2026-08-26.
    #[default]
    Gone,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    super::runtime()?.block_on(emulate(args, terminal))
}

async fn emulate(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let builder = match with_keys(args) {
        Ok(builder) => builder,
        Err(why) => {
            complain(terminal, &why, "each line is `openai=KEY`, `fireworks=KEY` or `together=KEY`");
            return Ok(Exit::Usage);
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let emulator = match builder.start().await {
        Ok(emulator) => emulator,
        Err(error) => {
            let what = format!("the emulator cannot listen on {}: {error}", args.listen);
            complain(terminal, &what, "name another address with `--listen`; port 0 takes a free one");
            return Ok(Exit::Unhealthy);
        }
    };
    if !emulator.addr().ip().is_loopback() {
        let warning = paint(Role::Warning, "warning:");
        terminal.tell(format_args!(
            "{warning} others can reach this address, and the control door asks nobody who they are"
        ));
    }
    let text = if args.json { as_json(&emulator, args.keys) } else { as_text(&emulator, args.keys) };
    // Only made-up keys are in it, and those are there to be copied.
    terminal.out_bytes(text.as_bytes())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Exit::Healthy)
}

fn complain(terminal: &Terminal, what: &str, help: &str) {
    terminal.tell(format_args!("{} {what}", paint(Role::Error, "error:")));
    terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
}

fn with_keys(args: &Args) -> Result<EmulatorBuilder, String> {
    let assistants = match args.assistants {
        AssistantsMode::Live => Assistants::Live,
        AssistantsMode::Gone => Assistants::Gone,
    };
    let mut builder = Emulator::builder().listen(args.listen).seed(args.seed).assistants(assistants);
    for provider in Provider::ALL {
        for key in sample_keys(provider.id(), args.keys.into()) {
            builder = builder.key(provider, &key, KeyState::Valid);
        }
    }
    if args.keys > 0 {
        builder = builder.key(Provider::OpenAi, &sample_admin_key(), KeyState::Valid);
    }
    let Some(path) = &args.keys_from else {
        return Ok(builder);
    };
    for (provider, key) in read_keys(path)? {
        builder = builder.key(provider, &key, KeyState::Valid);
    }
    Ok(builder)
}

/// Reads `PROVIDER=KEY` lines. A complaint names the line and never its content.
fn read_keys(path: &Path) -> Result<Vec<(Provider, String)>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|(at, line)| {
            let (provider, key) =
                line.split_once('=').ok_or_else(|| format!("`{shown}`, line {}: there is no `=`", at + 1))?;
            let provider =
                provider.trim().parse().map_err(|_| format!("`{shown}`, line {}: no such provider", at + 1))?;
            match key.trim() {
                "" => Err(format!("`{shown}`, line {}: the key is empty", at + 1)),
                key => Ok((provider, key.to_owned())),
            }
        })
        .collect()
}

fn as_json(emulator: &Emulator, keys: u16) -> String {
    let urls: Map<String, Value> = Provider::ALL
        .iter()
        .map(|provider| (provider.id().to_owned(), emulator.base_url(provider.id()).into()))
        .collect();
    let samples: Map<String, Value> = Provider::ALL
        .iter()
        .map(|provider| (provider.id().to_owned(), sample_keys(provider.id(), keys.into()).into()))
        .collect();
    let control = format!("http://{}/_control", emulator.addr());
    let admin_key = (keys > 0).then(sample_admin_key);
    let object = json!({"schema": 1, "listen": emulator.addr().to_string(), "base_urls": urls,
        "keys": samples, "openai_admin_key": admin_key, "control": control});
    format!("{object}\n")
}

fn as_text(emulator: &Emulator, keys: u16) -> String {
    let root = format!("http://{}", emulator.addr());
    let key = |provider| sample_keys(provider, 1).pop().unwrap_or_default();
    let mut out = format!("listening on {root}\n");
    if keys == 0 {
        let _ = writeln!(out, "Base URLs: {root}/openai/v1  {root}/fireworks  {root}/together/v1");
    } else {
        let _ = write!(
            out,
            "
Point a program at it. The keys are made up, and nothing leaves this machine:

  export OPENAI_BASE_URL={root}/openai/v1
  export OPENAI_API_KEY={openai}
  export FIREWORKS_BASE_URL={root}/fireworks
  export FIREWORKS_API_BASE={root}/fireworks/inference/v1
  export FIREWORKS_ACCOUNT_ID=keywright-emulator
  export FIREWORKS_API_KEY={fireworks}
  export TOGETHER_BASE_URL={root}/together/v1   # Python SDK 3.x: without /v1
  export TOGETHER_API_KEY={together}
",
            openai = key("openai"),
            fireworks = key("fireworks"),
            together = key("together"),
        );
        if keys > 1 {
            let _ = writeln!(out, "\n{keys} keys a provider work; they end in 0001 to {keys:04}.");
        }
    }
    let _ = write!(
        out,
        "
Break a key while the program runs, mend it with \"valid\", and see who called:

  curl -X PUT {root}/_control/keys/openai/$OPENAI_API_KEY -d '{{\"state\": \"revoked\"}}'
  curl {root}/_control/calls

States: {states}.
Ctrl-C stops it.
",
        states = KeyState::names().join(", "),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(text: &str) -> Result<Vec<(Provider, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, text).unwrap();
        read_keys(&path)
    }

    #[test]
    fn keys_are_read_line_by_line() {
        let keys = keys_of("# mine\n\nopenai = sk-a=b\ntogether=tgp\r\n").unwrap();
        let wanted = [(Provider::OpenAi, "sk-a=b".to_owned()), (Provider::Together, "tgp".to_owned())];
        assert_eq!(keys, wanted);
    }

    #[test]
    fn a_complaint_names_the_line_and_not_the_key() {
        for (text, what) in [
            ("openai=x\nsecret-secret", "line 2: there is no `=`"),
            ("acme=secret-secret", "line 1: no such provider"),
            ("openai=  ", "line 1: the key is empty"),
        ] {
            let complaint = keys_of(text).unwrap_err();
            assert!(complaint.ends_with(what), "{complaint}");
            assert!(!complaint.contains("secret-secret"));
        }
    }
}
