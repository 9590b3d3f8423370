//! The story: what is shown, in what order, and what it all came to.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use keywright_core::Diagnosis;
use keywright_core::ring::Health;
use keywright_emulator::{KeyState, sample_keys};
use keywright_gateway::KeyReport;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Args;
use super::client::{Client, Form};
use super::load::{self, News, Outcome, blows};
use super::stage::{APPS, KEYS, Stage};
use crate::diagnosis;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// Everything that the demo showed, for programs.
#[derive(Debug, Serialize)]
struct Summary {
    schema: u32,
    /// One call a provider, before the load.
    first_calls: Vec<FirstCall>,
    load: Outcome,
    /// Calls that were sent to a key after it was known to be dead.
    useless_calls: u64,
    /// Calls that were under way when their key's first refusal came back.
    in_flight_refusals: u64,
    /// Free questions that confirmed refusals.
    probes: u64,
    dead_keys: Vec<DeadKey>,
    all_out: AllOut,
}

#[derive(Debug, Serialize)]
struct FirstCall {
    provider: &'static str,
    status: u16,
    says: String,
}

#[derive(Debug, Serialize)]
struct DeadKey {
    provider: String,
    key: String,
    place: String,
    diagnosis: Diagnosis,
}

#[derive(Debug, Serialize)]
struct AllOut {
    status: u16,
    message: String,
}

/// Tells it.
pub(super) async fn tell(args: &Args, terminal: &Terminal) -> Result<Exit, CliError> {
    let stage = Arc::new(Stage::set(args.seed).await?);
    let voice = Voice { terminal, silent: args.json };
    voice.say("Keywright demo: OpenAI, Fireworks AI and Together AI, emulated on this machine, three keys each.");
    voice.say(format_args!("The gateway at {} holds the keys; the apps hold only a token.", stage.gateway.addr()));
    let first_calls = first_calls(&stage, &voice).await;
    let load = under_load(&stage, args, &voice).await;
    let dead_keys = why(&stage, &voice).await;
    let all_out = last_key(&stage, &voice).await?;
    let report = stage.gateway.report();
    let keys = || report.providers.iter().flat_map(|provider| &provider.keys);
    let summary = Summary {
        schema: 1,
        in_flight_refusals: keys().map(|key| key.in_flight).sum(),
        useless_calls: keys().map(|key| key.useless).sum(),
        probes: keys().map(|key| key.probes).sum(),
        first_calls,
        load,
        dead_keys,
        all_out,
    };
    let good = summary.is_good();
    voice.end(&summary);
    if args.json {
        terminal.out_json(&summary)?;
    }
    Ok(if good { Exit::Healthy } else { Exit::Unhealthy })
}

impl Summary {
    /// No request was lost, every dead key has its reason, and the last answer is the one it should be.
    fn is_good(&self) -> bool {
        self.load.lost == 0
            && self.first_calls.iter().all(|call| call.status == 200)
            && self.dead_keys.len() == blows().len()
            && self.all_out.status == 503
    }
}

async fn first_calls(stage: &Stage, voice: &Voice<'_>) -> Vec<FirstCall> {
    voice.head("1. One call to each provider");
    let mut calls = Vec::new();
    for app in APPS {
        let mut client = Client::new(stage.gateway.addr(), stage.token.clone());
        let call = match client.chat(app, Form::Json).await {
            Ok(reply) => FirstCall {
                provider: app.provider,
                status: reply.status,
                says: reply.text().or_else(|| reply.error()).unwrap_or_default(),
            },
            Err(lost) => FirstCall { provider: app.provider, status: 0, says: lost.to_string() },
        };
        voice.say(format_args!("  {:<10} {}  {}  \"{}\"", call.provider, call.status, app.model, call.says));
        calls.push(call);
    }
    calls
}

async fn under_load(stage: &Arc<Stage>, args: &Args, voice: &Voice<'_>) -> Outcome {
    let requests = args.requests.get();
    voice.head(format_args!(
        "2. {requests} requests from {} clients, half of them streams, while keys die",
        args.clients
    ));
    let (sender, mut news) = mpsc::channel(64);
    let load = load::run(stage, requests, args.clients, sender);
    let hear = async {
        while let Some(news) = news.recv().await {
            voice.hear(&news, requests);
        }
    };
    let (outcome, ()) = tokio::join!(load, hear);
    voice.clear_counter();
    let lost = format!("{} lost", outcome.lost);
    let lost = paint(if outcome.lost == 0 { Role::Good } else { Role::Error }, lost);
    voice.say(format_args!(
        "  {} requests in {:.1} s: {lost}; {} met a dead key and were served by the next one",
        outcome.requests, outcome.seconds, outcome.failed_over
    ));
    voice.say(format_args!(
        "  whole answer: p50 {:.1} ms, p99 {:.1} ms (emulator, gateway and clients share this machine)",
        outcome.p50_ms, outcome.p99_ms
    ));
    for why in &outcome.losses {
        voice.say(format_args!("  {} {why}", paint(Role::Error, "lost:")));
    }
    outcome
}

async fn why(stage: &Stage, voice: &Voice<'_>) -> Vec<DeadKey> {
    voice.head("3. Why each key died");
    let expected = blows().len();
    let decided = |key: &&KeyReport| matches!(key.health, Health::Quarantined { .. });
    // The confirming looks take a few milliseconds; the load may have ended just before one.
    for _ in 0..200 {
        let report = stage.gateway.report();
        if report.providers.iter().flat_map(|provider| &provider.keys).filter(decided).count() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut dead = Vec::new();
    for provider in stage.gateway.report().providers {
        for key in provider.keys {
            let Some(diagnosis) = key.diagnosis else {
                continue;
            };
            if !voice.silent {
                diagnosis::tell(
                    &diagnosis,
                    &format!("{}: {} in {}", provider.id, key.masked, key.place),
                    voice.terminal,
                );
            }
            dead.push(DeadKey { provider: provider.id.clone(), key: key.masked, place: key.place, diagnosis });
        }
    }
    dead
}

async fn last_key(stage: &Stage, voice: &Voice<'_>) -> Result<AllOut, CliError> {
    voice.head("4. The last key of OpenAI goes too: what an app gets");
    stage.set_key("openai", KEYS - 1, KeyState::Revoked)?;
    let mut client = Client::new(stage.gateway.addr(), stage.token.clone());
    let all_out = match client.chat(APPS[0], Form::Json).await {
        Ok(reply) => AllOut { status: reply.status, message: reply.error().unwrap_or_default() },
        Err(lost) => AllOut { status: 0, message: lost.to_string() },
    };
    voice.say(format_args!("  {}  {}", all_out.status, all_out.message));
    Ok(all_out)
}

/// What a person sees; nothing with `--json`.
struct Voice<'a> {
    terminal: &'a Terminal,
    silent: bool,
}

impl Voice<'_> {
    fn say(&self, line: impl std::fmt::Display) {
        if !self.silent {
            self.terminal.tell(line);
        }
    }

    fn head(&self, line: impl std::fmt::Display) {
        self.say(format_args!("\n{}", paint(Role::Pointer, line)));
    }

    /// Live counters on a terminal; elsewhere only what happens to keys.
    fn hear(&self, news: &News, requests: u32) {
        match news {
            News::Done(done) if !self.silent && std::io::stderr().is_terminal() => {
                // The counter is for the eye only; a closed stderr is nobody's failure.
                let _ = write!(std::io::stderr().lock(), "\r  {done:>7} of {requests}");
            }
            News::Done(_) => {}
            News::Blow(index, turn) => {
                let Some(blow) = blows().into_iter().nth(*index) else {
                    return;
                };
                let key = sample_keys(blow.provider, KEYS).swap_remove(blow.key);
                self.clear_counter();
                self.say(format_args!(
                    "  {turn:>7}  {:<10} {} {}",
                    blow.provider,
                    keywright_core::mask(&key),
                    paint(Role::Warning, blow.says)
                ));
            }
        }
    }

    fn clear_counter(&self) {
        if !self.silent && std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn end(&self, summary: &Summary) {
        let verdict = if summary.is_good() {
            paint(Role::Good, "No request was lost.")
        } else {
            paint(Role::Error, "Something went wrong: see above.")
        };
        self.say(format_args!(
            "\n{verdict} {} keys died; {} calls were under way to them, {} were sent after the death was known; {} free questions confirmed the deaths.",
            summary.dead_keys.len(),
            summary.in_flight_refusals,
            summary.useless_calls,
            summary.probes
        ));
        self.say("Try it with your own app: keywright run -- python app.py");
    }
}
