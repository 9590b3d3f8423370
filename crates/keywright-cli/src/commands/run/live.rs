//! `--live`: what the providers say of the keys, asked the way that requests will go.

use keywright::sources::Resolver;
use keywright_gateway::Config;

use super::rings::Rings;
use crate::live_check::{self, PATIENCE, Planned, Question};
use crate::terminal::Terminal;

/// Asks each provider about each of its usable keys. A refused key is left out; no answer is no verdict. Without a gateway
/// (`direct`) the program takes the proxies that are set; the gateway takes none.
pub(super) async fn ask(rings: &mut Rings, config: &Config, direct: bool, resolver: &Resolver, terminal: &Terminal) {
    let planned: Vec<Planned> = rings
        .usable()
        .map(|key| {
            let written = config.providers.iter().find(|provider| provider.id == key.spec.id);
            let provider = rings.provider(&key.spec.id, written);
            let question = live_check::configured(&provider, &key.found.secret, resolver.environment())?;
            let question = question.knowing(&key.seen.findings);
            Ok(if direct { question } else { Question::past_proxies(question) })
        })
        .collect();
    let answers = live_check::ask(&planned, PATIENCE, resolver, terminal).await;
    for (key, answered) in rings.keys.iter_mut().filter(|key| key.seen.usable()).zip(answers) {
        key.seen.heard(answered);
    }
}
