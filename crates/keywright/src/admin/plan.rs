//! What a rotation would do, before anything is done.

use std::fmt;

use serde_json::{Value, json};

use super::{service_accounts, user_keys};

/// What a person adds to what the provider tells.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Look in this project or account only.
    pub project: Option<String>,
    /// The old key's name at the provider, where what it shows of its keys is not enough.
    pub old_key_id: Option<String>,
}

/// What a rotation would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The old key, as the provider lists it.
    pub old: Listed,
    /// How the new one is made.
    pub make: Make,
    /// How the old one ends.
    pub end: End,
}

/// A key as its provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in paths.
    pub id: String,
    /// What people called it.
    pub name: String,
    /// Who has it, in words.
    pub owner: String,
}

/// How a new key is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Make {
    /// With a service account of its own.
    ServiceAccount {
        /// In this project.
        project: String,
        /// The account's name.
        name: String,
        /// How long the key lives, in seconds; `None` for ever.
        lifetime_seconds: Option<u64>,
    },
    /// As one more key of a service account.
    AccountKey {
        /// In this project.
        project: String,
        /// The account.
        account: String,
        /// The key's name.
        name: String,
        /// How long the key lives, in seconds; `None` for ever.
        lifetime_seconds: Option<u64>,
    },
    /// As one more key of a user.
    UserKey {
        /// The user's account.
        account: String,
        /// The user.
        user: String,
        /// The key's name.
        name: String,
    },
}

/// How an old key ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is deleted.
    Key {
        /// In this project.
        project: String,
        /// The key.
        id: String,
    },
    /// The service account that has this key alone is deleted, and the key with it.
    ServiceAccount {
        /// In this project.
        project: String,
        /// The account.
        id: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// It is deleted.
    UserKey {
        /// The user's account.
        account: String,
        /// The user.
        user: String,
        /// The key.
        id: String,
    },
    /// No program can end it alone.
    ByHand {
        /// Why.
        why: &'static str,
    },
}

impl Make {
    /// Where to ask for it, and with which words.
    pub(super) fn request(&self) -> (String, Value) {
        let named = |name: &str, lifetime: Option<u64>| match lifetime {
            Some(seconds) => json!({ "name": name, "expires_in_seconds": seconds }),
            None => json!({ "name": name }),
        };
        match self {
            Self::ServiceAccount { project, name, lifetime_seconds } => {
                (service_accounts::accounts_path(project), named(name, *lifetime_seconds))
            }
            Self::AccountKey { project, account, name, lifetime_seconds } => {
                let path = format!("{}/api_keys", service_accounts::account_path(project, account));
                (path, named(name, *lifetime_seconds))
            }
            Self::UserKey { account, user, name } => {
                (user_keys::path(account, user), json!({ "apiKey": { "displayName": name } }))
            }
        }
    }

    const fn lifetime_seconds(&self) -> Option<u64> {
        match self {
            Self::ServiceAccount { lifetime_seconds, .. } | Self::AccountKey { lifetime_seconds, .. } => {
                *lifetime_seconds
            }
            Self::UserKey { .. } => None,
        }
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount { project, name, .. } => {
                write!(f, "a service account `{name}` with a key, in project {project}")?;
            }
            Self::AccountKey { project, account, name, .. } => {
                write!(f, "a key `{name}` of service account {account}, in project {project}")?;
            }
            Self::UserKey { account, user, name } => write!(f, "a key `{name}` of user {user}, in account {account}")?,
        }
        match self.lifetime_seconds() {
            Some(seconds) => write!(f, ", for {} days as the old one", seconds.div_ceil(24 * 60 * 60)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { project, id } => write!(f, "key {id}, in project {project}"),
            Self::ServiceAccount { project, id, name, .. } => {
                write!(f, "service account `{name}` ({id}) with this one key, in project {project}")
            }
            Self::UserKey { account, user, id } => write!(f, "key {id} of user {user}, in account {account}"),
            Self::ByHand { why } => write!(f, "by hand: {why}"),
        }
    }
}
