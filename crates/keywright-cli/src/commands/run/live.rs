//! `--live`: one free question about each key, all at the same time.

use std::time::Duration;

use keywright::http::{Connector, Origin, Versions};
use keywright::probe::{Probed, probe};
use keywright_core::ring::Look;
use tokio::task::JoinSet;

use super::rings::Rings;
use crate::terminal::{Role, Terminal, paint};

/// Asks each provider about each of its usable keys. A refused key is left out; no answer is no verdict.
pub(super) async fn ask(rings: &mut Rings, terminal: &Terminal) {
    let connector = match Connector::new(PATIENCE, Versions::default()) {
        Ok(connector) => connector,
        Err(error) => return told(&error, terminal),
    };
    let mut questions = JoinSet::new();
    for (at, key) in rings.keys.iter().enumerate().filter(|(_, key)| key.seen.usable()) {
        let (spec, secret) = (key.spec, key.found.secret.clone());
        let place = rings.base_url(&spec.id).unwrap_or_else(|| spec.http.origin.clone());
        let origin = match Origin::parse(&place, &spec.http.sdk_base) {
            Ok(origin) => origin,
            Err(error) => {
                told(&error, terminal);
                continue;
            }
        };
        let connector = connector.clone();
        questions.spawn(async move { (at, probe(&connector, spec, &origin, &secret, PATIENCE).await) });
    }
    while let Some(Ok((at, probed))) = questions.join_next().await {
        judge(rings, at, &probed, terminal);
    }
}

fn judge(rings: &mut Rings, at: usize, probed: &Probed, terminal: &Terminal) {
    let Some(key) = rings.keys.get_mut(at) else {
        return;
    };
    key.seen.heard(key.spec, probed);
    if let (Look::Unknown, Some(error)) = (probed.look, &probed.error) {
        told(&format_args!("{}: {error}", key.spec.name), terminal);
    }
}

fn told(problem: &impl std::fmt::Display, terminal: &Terminal) {
    let head = paint(Role::Warning, "warning:");
    terminal.tell(format_args!("{head} a key could not be checked live: {problem}"));
}

/// For each question; they run side by side.
const PATIENCE: Duration = Duration::from_secs(10);
