//! What a request needs of a key, and what it has used up.

use crate::ring::Next;
use crate::secret::Fingerprint;

/// What a request needs of a key, and what it has used up.
#[derive(Clone, Debug, Default)]
pub struct Want {
    /// Only keys of this project can see the object that the request names.
    pub project: Option<String>,
    /// Values that were refused for this request.
    pub tried: Vec<Fingerprint>,
    /// Accounts that were refused for this request.
    pub barred_accounts: Vec<String>,
}

impl Want {
    /// Whether a key of this project and account can serve. A key without a project is taken to be of every one, a key
    /// without an account of one of its own.
    pub fn fits(&self, project: Option<&str>, account: Option<&str>) -> bool {
        self.of_project(project)
            && account.is_none_or(|account| !self.barred_accounts.iter().any(|barred| barred == account))
    }

    /// Whether a key of this project can see what the request names.
    pub fn of_project(&self, project: Option<&str>) -> bool {
        match (&self.project, project) {
            (Some(wanted), Some(project)) => wanted == project,
            _ => true,
        }
    }

    /// Notes what the refusal of a value leaves for the next attempt.
    pub fn after(&mut self, next: Next, value: Fingerprint, account: Option<&str>) {
        match next {
            Next::SameKeyAfter(_) => {}
            Next::OtherAccount => {
                self.barred_accounts.extend(account.map(str::to_owned));
                self.tried.push(value);
            }
            Next::OtherKey | Next::Relay => self.tried.push(value),
        }
    }
}
