//! Which provider, and which place of which store, the command line names. What is wrong is never repeated: it may be a key.

use std::ffi::OsString;

use keywright::sources::{Reference, near};
use keywright::store::{KeyName, KeyStore, Kind};
use keywright_core::{Catalogue, ProviderSpec};

use crate::error::CliError;

/// The provider of this name.
pub(super) fn provider(text: &str) -> Result<&'static ProviderSpec, CliError> {
    if let Some(provider) = Catalogue::builtin().provider(text) {
        return Ok(provider);
    }
    let ids: Vec<&str> = Catalogue::builtin().providers().iter().map(|provider| provider.id.as_str()).collect();
    let help = match near(text, ids.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", ids.join(", ")),
    };
    Err(CliError::Usage { message: "that is the name of no provider".to_owned(), help: Some(help) })
}

/// The providers that are meant: the one that was named, or all.
pub(super) fn providers(named: Option<&str>) -> Result<Vec<&'static ProviderSpec>, CliError> {
    match named {
        Some(text) => Ok(vec![provider(text)?]),
        None => Ok(Catalogue::builtin().providers().iter().collect()),
    }
}

/// `PROVIDER`, `--store` and `--name`: whose key, and which place.
#[derive(Debug, clap::Args)]
pub(super) struct Where {
    /// Whose key it is: `openai`, `fireworks`, `together` …
    #[arg(value_name = "PROVIDER")]
    provider: String,
    /// `keyring`, `age` (the vault), or a reference such as `age://team.age#openai`; by default the keyring if there is one.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Its name, when a provider has several keys.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where a key would stand that must not be there.
    #[arg(hide = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

impl Where {
    /// The provider that was named; a key beside it is refused.
    pub(super) fn provider(&self) -> Result<&'static ProviderSpec, CliError> {
        if self.rest.is_empty() {
            return provider(&self.provider);
        }
        Err(CliError::Usage {
            message: "a key is not taken from the command line: the shell's history and every process list would have it"
                .to_owned(),
            help: Some(
                "run it without the key and paste it when asked, or send it to standard input; if that was a real key, \
                 remove it from the history and make a new one"
                    .to_owned(),
            ),
        })
    }

    /// The name that was given, or the default one.
    pub(super) fn name(&self) -> Result<KeyName, CliError> {
        let Some(text) = &self.name else {
            return Ok(KeyName::default());
        };
        text.parse().map_err(|error: keywright::store::NameError| CliError::Usage {
            message: error.to_string(),
            help: Some("`--name` takes a short word such as `team-b`; the key itself is asked for".to_owned()),
        })
    }

    /// The store that was named; `None` for whichever has it.
    pub(super) fn kind(&self) -> Option<Kind> {
        [Kind::Keyring, Kind::Age].into_iter().find(|kind| self.store.as_deref() == Some(kind.id()))
    }

    /// The reference that was named, if it was one.
    pub(super) fn reference(&self) -> Result<Option<Reference>, CliError> {
        match &self.store {
            Some(text) if self.kind().is_none() => {
                if self.name.is_some() {
                    let help = Some("the reference names the place by itself; leave `--name` out".to_owned());
                    return Err(CliError::Usage {
                        message: "a reference and a name exclude each other".to_owned(),
                        help,
                    });
                }
                reference(text).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Every place that the key may be in: the one that was named, or that name in every store.
    pub(super) fn all(&self, provider: &ProviderSpec, store: &KeyStore) -> Result<Vec<Reference>, CliError> {
        if let Some(reference) = self.reference()? {
            return Ok(vec![reference]);
        }
        let name = self.name()?;
        let kinds = self.kind().map_or_else(|| vec![Kind::Keyring, Kind::Age], |kind| vec![kind]);
        Ok(kinds.into_iter().map(|kind| store.reference(kind, provider, &name)).collect::<Result<_, _>>()?)
    }

    /// The place for a key that is to be stored.
    pub(super) async fn new_place(&self, provider: &ProviderSpec, store: &KeyStore) -> Result<Reference, CliError> {
        if let Some(reference) = self.reference()? {
            store.takes(&reference)?;
            return Ok(reference);
        }
        let name = self.name()?;
        if name.is_previous() {
            let help = Some("`keywright keys rotate` uses it; take another name".to_owned());
            return Err(CliError::Usage { message: "that name is kept for a key that was replaced".to_owned(), help });
        }
        let kind = match self.kind() {
            Some(kind) => kind,
            None => store.preferred().await,
        };
        Ok(store.reference(kind, provider, &name)?)
    }
}

/// A reference as the command line writes it.
pub(super) fn reference(text: &str) -> Result<Reference, CliError> {
    text.parse().map_err(|error: keywright::sources::ReferenceError| CliError::Usage {
        message: error.to_string(),
        help: Some(error.help()),
    })
}
