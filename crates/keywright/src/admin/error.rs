//! Why an admin API did not do what it was asked for, and what to do about it.

use keywright_core::Cause;

use crate::exchange::ExchangeError;

/// Why an admin API did not do what it was asked for. No message holds a key, or what a provider said in its own words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No answer came. What was asked for may have happened.
    #[error("no answer: {0}")]
    Unanswered(#[from] ExchangeError),
    /// It was refused.
    #[error("the admin API answered {status} [{}]", cause.slug())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the answer means.
        cause: Cause,
    },
    /// The answer is not what it should be.
    #[error("the admin API gave a strange answer: {what}")]
    Strange {
        /// What is strange.
        what: &'static str,
    },
    /// A name that was given or told cannot stand in a path.
    #[error("that is the name of no {what}")]
    BadName {
        /// What it should name.
        what: &'static str,
    },
    /// The provider lists no such key.
    #[error("the provider lists no such key among {looked_at}")]
    NotListed {
        /// How many keys were looked at.
        looked_at: usize,
    },
    /// What the provider shows of its keys fits several of them.
    #[error("what the provider shows of its keys fits {fitting} of them")]
    Ambiguous {
        /// How many.
        fitting: usize,
    },
    /// The key with the id that was given is not the stored one.
    #[error("what the provider shows of the key with that id does not fit the stored key")]
    OtherKey,
    /// The service account got another key since it was looked at, or lost this one.
    #[error("its service account no longer has this key alone")]
    NotAlone,
    /// The key sees several accounts.
    #[error("the key sees {accounts} accounts")]
    SeveralAccounts {
        /// How many.
        accounts: usize,
    },
}

impl AdminError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unanswered(_) => "look at the provider's page of keys before you try again: it may have happened",
            Self::Refused { status: 401 | 403, .. } => {
                "give a key that may manage keys: `--admin-key env://NAME` names where it is"
            }
            Self::Refused { .. } => "try again later, or do it on the provider's page",
            Self::Strange { .. } => "do it on the provider's page; its admin API has changed",
            Self::BadName { .. } => "copy it from the provider's page",
            Self::NotListed { .. } | Self::Ambiguous { .. } => {
                "name it with `--old-key-id ID`, as the provider's page of keys shows it, and where it is with `--project ID`"
            }
            Self::OtherKey => {
                "compare the id with the provider's page of keys, or say with `--name` which stored key is meant"
            }
            Self::NotAlone => "delete the old key alone, on the provider's page",
            Self::SeveralAccounts { .. } => "name one with `--project ACCOUNT`",
        }
    }

    /// Whether it may have happened all the same.
    pub const fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unanswered(_) | Self::Strange { .. } | Self::Refused { status: 500.., .. })
    }
}
