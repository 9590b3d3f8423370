//! The live check of stored and found keys: they go where programs here send them.

use std::path::{Path, PathBuf};

use keywright::http::Origin;
use keywright::sources::{Dotenv, Resolver, SourceError};
use keywright_core::inspect::Finding;
use keywright_core::{ProviderSpec, Secret};

use crate::commands::run::doors::{Door, EnvFiles};
use crate::live_check::{self, Answered, PATIENCE, Planned, Question};
use crate::terminal::Terminal;

/// A key, and what was found about it offline.
pub(super) struct Candidate<'a> {
    pub(super) provider: &'static ProviderSpec,
    pub(super) key: &'a Secret,
    pub(super) known: &'a [Finding],
}

/// What the providers say of these keys, in their order. Without a verdict the person is told why.
pub(super) async fn ask(keys: &[Candidate<'_>], resolver: &Resolver, terminal: &Terminal) -> Vec<Answered> {
    let files = files(resolver).await;
    let planned: Vec<Planned> = keys.iter().map(|candidate| candidate.question(resolver, &files)).collect();
    let answers = live_check::ask(&planned, PATIENCE, resolver, terminal).await;
    live_check::tell_unanswered(&answers, terminal);
    answers
}

/// The question about one key, and so the way to its provider.
pub(super) async fn question(key: &Candidate<'_>, resolver: &Resolver) -> Planned {
    key.question(resolver, &files(resolver).await)
}

async fn files(resolver: &Resolver) -> [(PathBuf, Result<Dotenv, SourceError>); 1] {
    let path = PathBuf::from(".env");
    let file = resolver.dotenv(Path::new(&path)).await;
    [(path, file)]
}

impl Candidate<'_> {
    /// A base URL that is set counts, unless it leads to another provider.
    fn question(&self, resolver: &Resolver, files: &EnvFiles) -> Planned {
        let Self { provider, key, known } = *self;
        let door = Door::of(provider, resolver.environment(), files);
        let place = door.base_url.filter(|_| door.leads_to == provider.id);
        let place = place.as_deref().unwrap_or(&provider.http.origin);
        let origin = Origin::parse(place, &provider.http.sdk_base)
            .map_err(|_| format!("the base URL of {} leads nowhere", provider.name))?;
        Ok(Question::new(provider, origin, key, resolver.environment())?.knowing(known))
    }
}
