//! Tokens to read places with: how long they last, and when they are renewed or asked for again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keywright_core::Secret;

/// A token, as whoever gave it describes it.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) token: Secret,
    /// How long it lasts from now; zero where that is not known.
    pub(super) lasts: Duration,
    /// Whether it can be made to last longer.
    pub(super) renewable: bool,
}

/// How a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is known about it.
    New,
    /// It need not be renewed now, or cannot be.
    Good,
    /// It is to be renewed.
    Due,
}

/// Tokens that are in use, by who gave them.
#[derive(Clone, Debug, Default)]
pub(super) struct Logins(Arc<Mutex<HashMap<&'static str, Kept>>>);

#[derive(Clone, Debug)]
struct Kept {
    login: Login,
    /// How long it lasted when it was new.
    whole: Duration,
    /// Some time before its end, so that no request meets a token that ends under way.
    until: Instant,
}

impl Kept {
    fn new(login: &Login, whole: Duration) -> Self {
        Self { login: login.clone(), whole, until: Instant::now() + before_the_end(login.lasts) }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// When something that ends is to be renewed or read again.
pub(super) fn before_the_end(lasts: Duration) -> Duration {
    lasts.min(LONGEST_LOGIN) * 2 / 3
}

impl Logins {
    /// The token of a login that is not near its end.
    pub(super) fn current(&self, to: &'static str) -> Option<Secret> {
        self.kept().get(to).filter(|kept| !kept.is_over()).map(|kept| kept.login.token.clone())
    }

    /// The token of a login that can be renewed.
    pub(super) fn renewable(&self, to: &'static str) -> Option<Secret> {
        self.kept().get(to).filter(|kept| kept.login.renewable).map(|kept| kept.login.token.clone())
    }

    /// How a token stands that was made elsewhere.
    pub(super) fn state_of(&self, to: &'static str, token: &Secret) -> Standing {
        match self.kept().get(to).filter(|kept| kept.login.token.matches(token)) {
            None => Standing::New,
            Some(kept) if kept.login.renewable && !kept.login.lasts.is_zero() && kept.is_over() => Standing::Due,
            Some(_) => Standing::Good,
        }
    }

    /// How soon a token is to be renewed or asked for again; `None` where nothing can be done about its end.
    pub(super) fn renewal(&self, to: &'static str) -> Option<Duration> {
        let kept = self.kept();
        let kept = kept.get(to).filter(|kept| kept.login.renewable && !kept.login.lasts.is_zero())?;
        Some(kept.until.saturating_duration_since(Instant::now()))
    }

    /// Keeps the token of a new login.
    pub(super) fn begin(&self, to: &'static str, login: &Login) {
        self.kept().insert(to, Kept::new(login, login.lasts));
    }

    /// The same for a login that cannot be renewed.
    #[cfg(feature = "clouds")]
    pub(super) fn keep(&self, to: &'static str, token: &Secret, lasts: Duration) {
        self.begin(to, &Login { token: token.clone(), lasts, renewable: false });
    }

    /// A token was renewed, if that gave it a good part of the time that it had when it was new; whether it did.
    pub(super) fn renewed(&self, to: &'static str, login: &Login) -> bool {
        let mut all = self.kept();
        let Some(kept) = all.get_mut(to) else {
            return false;
        };
        let whole = kept.whole;
        let worth_it = !login.lasts.is_zero() && login.lasts >= whole / 3;
        *kept = Kept::new(&Login { renewable: login.renewable && worth_it, ..login.clone() }, whole);
        worth_it
    }

    /// Whether there was one to forget.
    pub(super) fn forget(&self, to: &'static str) -> bool {
        self.kept().remove(to).is_some()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<&'static str, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token is asked for again now and then, whatever it claims.
const LONGEST_LOGIN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn login(seconds: u64, renewable: bool) -> Login {
        Login { token: Secret::new("t"), lasts: Duration::from_secs(seconds), renewable }
    }

    #[test]
    fn tokens_end_before_their_end() {
        let logins = Logins::default();
        logins.begin("vault", &login(0, false));
        assert!(logins.current("vault").is_none());
        logins.begin("vault", &login(60, false));
        assert!(logins.current("vault").is_some());
        assert!(logins.forget("vault") && !logins.forget("vault"));
        assert_eq!(before_the_end(Duration::from_secs(60)), Duration::from_secs(40));
        assert_eq!(before_the_end(Duration::from_secs(1_000_000)), Duration::from_secs(57_600));
    }

    #[test]
    fn a_token_is_renewed_while_that_is_worth_it() {
        let logins = Logins::default();
        assert_eq!(logins.state_of("vault", &Secret::new("t")), Standing::New);
        logins.begin("vault", &login(90, true));
        assert_eq!(logins.state_of("vault", &Secret::new("t")), Standing::Good);
        assert_eq!(logins.state_of("vault", &Secret::new("another")), Standing::New);
        assert!(logins.renewal("vault").is_some_and(|soon| soon <= Duration::from_secs(60)));
        assert!(logins.renewed("vault", &login(90, true)));
        // It comes to the longest time that it may have.
        assert!(!logins.renewed("vault", &login(20, true)));
        assert_eq!((logins.renewable("vault").is_some(), logins.renewal("vault")), (false, None));
    }

    #[test]
    fn nothing_is_done_about_the_end_of_a_token_that_cannot_be_renewed() {
        let logins = Logins::default();
        for forlorn in [login(0, true), login(90, false)] {
            logins.begin("vault", &forlorn);
            assert_eq!(logins.renewal("vault"), None);
            assert_eq!(logins.state_of("vault", &Secret::new("t")), Standing::Good);
        }
    }
}
