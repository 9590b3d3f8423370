//! The load: clients that send without a pause, and what happens to keys meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use keywright_emulator::{KeyState, SuspendReason};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{Client, Form};
use super::stage::{APPS, Stage};

/// Something that happens to a key under load.
pub(super) struct Blow {
    /// After which share of the requests, in hundredths.
    pub(super) percent: u32,
    pub(super) provider: &'static str,
    /// Which of the provider's keys.
    pub(super) key: usize,
    pub(super) state: KeyState,
    /// In words.
    pub(super) says: &'static str,
}

/// What happens, in order. One key of each provider is left.
pub(super) fn blows() -> Vec<Blow> {
    let blow = |percent, provider, key, state, says| Blow { percent, provider, key, state, says };
    vec![
        blow(15, "openai", 0, KeyState::Revoked, "revoked"),
        blow(30, "fireworks", 0, KeyState::Revoked, "revoked"),
        blow(45, "together", 0, KeyState::Revoked, "revoked"),
        blow(55, "openai", 1, KeyState::OutOfCredit, "out of credit"),
        blow(70, "fireworks", 1, KeyState::Suspended(SuspendReason::FailedPayments), "account suspended"),
        blow(85, "together", 1, KeyState::Expired, "expired"),
    ]
}

/// What the load came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// Requests sent.
    pub(super) requests: u32,
    /// Of these, streams.
    pub(super) streams: u32,
    /// Requests without a whole good answer.
    pub(super) lost: u32,
    /// Requests that needed more than one attempt.
    pub(super) failed_over: u32,
    /// How long the load took, in seconds.
    pub(super) seconds: f64,
    /// Time until the whole answer, in milliseconds: median, and of the slowest hundredth.
    pub(super) p50_ms: f64,
    /// See `p50_ms`.
    pub(super) p99_ms: f64,
    /// Why requests were lost, a few of them.
    pub(super) losses: Vec<String>,
}

/// What the story hears while the load runs.
pub(super) enum News {
    /// So many requests are done.
    Done(u32),
    /// Something happened to a key, after so many requests.
    Blow(usize, u32),
}

/// One request's result.
struct Sample {
    form: Form,
    took: Duration,
    result: Result<u32, String>,
}

/// Runs the load to its end.
pub(super) async fn run(stage: &Arc<Stage>, requests: u32, clients: u16, news: mpsc::Sender<News>) -> Outcome {
    let began = Instant::now();
    let next = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..usize::from(clients) {
        tasks.spawn(client(Arc::clone(stage), number, requests, Arc::clone(&next), news.clone()));
    }
    let mut samples = Vec::with_capacity(requests as usize);
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(done) => samples.extend(done),
            Err(error) => {
                samples.push(Sample { form: Form::Json, took: Duration::ZERO, result: Err(error.to_string()) });
            }
        }
    }
    outcome(samples, began.elapsed())
}

async fn client(
    stage: Arc<Stage>,
    number: usize,
    requests: u32,
    next: Arc<AtomicU32>,
    news: mpsc::Sender<News>,
) -> Vec<Sample> {
    let app = APPS[number % APPS.len()];
    let form = if (number / APPS.len()).is_multiple_of(2) { Form::Json } else { Form::Events };
    let mut client = Client::new(stage.gateway.addr(), stage.token.clone());
    let blows = blows();
    let mut samples = Vec::new();
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if turn >= requests {
            return samples;
        }
        for (index, blow) in blows.iter().enumerate() {
            // Whoever draws this number strikes; the other clients are in the middle of their requests.
            if turn == requests / 100 * blow.percent + 1 {
                let struck = stage.set_key(blow.provider, blow.key, blow.state.clone());
                if struck.is_ok() {
                    let _ = news.send(News::Blow(index, turn)).await;
                }
            }
        }
        let began = Instant::now();
        let result = client.served(app, form).await;
        samples.push(Sample {
            form,
            took: began.elapsed(),
            result: result.map(|reply| reply.attempts).map_err(|lost| format!("{}: {lost}", app.provider)),
        });
        if turn.is_multiple_of(NEWS_EVERY) {
            // A count that nobody has time to show is not worth waiting for.
            let _ = news.try_send(News::Done(turn));
        }
    }
}

fn outcome(samples: Vec<Sample>, took: Duration) -> Outcome {
    let mut outcome = Outcome { seconds: took.as_secs_f64(), ..Outcome::default() };
    let mut times: Vec<Duration> = Vec::with_capacity(samples.len());
    for sample in samples {
        outcome.requests += 1;
        outcome.streams += u32::from(sample.form == Form::Events);
        times.push(sample.took);
        match sample.result {
            Ok(attempts) => outcome.failed_over += u32::from(attempts > 1),
            Err(why) => {
                outcome.lost += 1;
                if outcome.losses.len() < MOST_LOSSES {
                    outcome.losses.push(why);
                }
            }
        }
    }
    times.sort_unstable();
    outcome.p50_ms = at_share(&times, 50);
    outcome.p99_ms = at_share(&times, 99);
    outcome
}

/// The time, in milliseconds, within which so many hundredths of the answers came.
fn at_share(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
}

/// How many requests pass between two counts.
const NEWS_EVERY: u32 = 50;
/// How many lost requests are told in words.
const MOST_LOSSES: usize = 5;
