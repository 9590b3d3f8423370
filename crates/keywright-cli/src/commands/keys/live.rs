//! One free question about each key, all at the same time.

use std::path::PathBuf;
use std::time::Duration;

use keywright::http::{Connector, Origin, Versions};
use keywright::probe::{Probed, probe};
use keywright::sources::Resolver;
use keywright_core::ring::Look;
use keywright_core::{ProviderSpec, Secret};
use tokio::task::JoinSet;

use crate::commands::run::doors::Door;
use crate::error::CliError;
use crate::terminal::{Role, Terminal, paint};

/// Where providers are, as the programs here see it: a base URL that is set counts.
pub(super) struct Asker {
    connector: Connector,
    resolver: Resolver,
    files: Vec<(PathBuf, Result<keywright::sources::Dotenv, keywright::sources::SourceError>)>,
}

impl Asker {
    pub(super) async fn new(resolver: &Resolver) -> Result<Self, CliError> {
        let connector = Connector::new(PATIENCE, Versions::default())
            .map_err(|error| CliError::Unmet { message: error.to_string(), help: None })?;
        let path = PathBuf::from(".env");
        let file = resolver.dotenv(&path).await;
        Ok(Self { connector, resolver: resolver.clone(), files: vec![(path, file)] })
    }

    /// Where the keys of a provider are sent.
    pub(super) fn origin(&self, provider: &ProviderSpec) -> Result<Origin, CliError> {
        let door = Door::of(provider, self.resolver.environment(), &self.files);
        let place = door.base_url.filter(|_| door.leads_to == provider.id);
        let place = place.as_deref().unwrap_or(&provider.http.origin);
        Origin::parse(place, &provider.http.sdk_base).map_err(|error| CliError::Unmet {
            message: format!("{}: {error}", provider.name),
            help: Some("look at its base URL variable: `keywright doctor`".to_owned()),
        })
    }

    /// What the providers say of these keys, in their order. Without a verdict the person is told why.
    pub(super) async fn ask(&self, keys: &[(&'static ProviderSpec, Secret)], terminal: &Terminal) -> Vec<Probed> {
        let mut heard: Vec<Probed> = keys.iter().map(|_| Probed::unanswered()).collect();
        let mut questions = JoinSet::new();
        for (at, (provider, key)) in keys.iter().enumerate() {
            let (connector, provider, key) = (self.connector.clone(), *provider, key.clone());
            match self.origin(provider) {
                Ok(origin) => {
                    questions.spawn(async move { (at, probe(&connector, provider, &origin, &key, PATIENCE).await) });
                }
                Err(error) => warn(&error, terminal),
            }
        }
        while let Some(Ok((at, probed))) = questions.join_next().await {
            if let (Look::Unknown, Some(error)) = (probed.look, &probed.error) {
                warn(&format_args!("{}: {error}", keys[at].0.name), terminal);
            }
            heard[at] = probed;
        }
        heard
    }
}

fn warn(problem: &impl std::fmt::Display, terminal: &Terminal) {
    terminal.tell(format_args!("{} a key could not be checked live: {problem}", paint(Role::Warning, "warning:")));
}

/// For each question; they run side by side.
const PATIENCE: Duration = Duration::from_secs(10);
