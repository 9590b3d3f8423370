//! A key that was pasted and works can be kept: the person is asked once, while the requests go on already.

use std::time::Duration;

use keywright_core::{Catalogue, Secret};

use super::{Asking, disturbed};
use crate::commands::keys::{self, Place};
use crate::terminal::{Role, paint};

impl Asking<'_> {
    /// Asks whether to keep a key. Without an answer it is not kept; requests that wait for another key come first.
    pub(super) async fn keep(&mut self, key: &Secret) {
        self.attendant.deciding.send_replace(true);
        self.decide(key).await;
        self.attendant.deciding.send_replace(false);
    }

    async fn decide(&mut self, key: &Secret) {
        let (resolver, terminal) = (self.attendant.resolver, self.attendant.terminal);
        let Some(provider) = Catalogue::builtin().provider(self.provider()) else {
            return;
        };
        let Some(place) = Place::of(provider, resolver).await else {
            return;
        };
        let question = format!("Keep it in {} for next time?", place.kind.place());
        let gateway = self.attendant.gateway;
        // A program that reads the terminal would take the answer for its own: it is paused still.
        let agreed = self.hold().await.is_ok()
            && tokio::select! {
                answer = keys::yes(&question) => matches!(answer, Ok(Some(true))),
                _ = gateway.need() => false,
                _ = disturbed(&mut self.pause) => false,
                () = tokio::time::sleep(LONGEST_THOUGHT) => false,
            };
        if !agreed {
            return self.say("keywright: it is not kept");
        }
        match place.put(provider, key, resolver, terminal).await {
            Ok(before) => {
                self.say(format_args!("keywright: {} is kept: {}", key.masked(), place.reference));
                if let Some(before) = before {
                    self.say(format_args!(
                        "keywright: {}, which was there, is kept as `previous`",
                        before.secret.masked()
                    ));
                }
                self.tell_what_comes_first();
            }
            Err(error) => {
                error.report(terminal);
                self.say("keywright: it is not kept");
            }
        }
    }

    /// `run` looks into the environment and `.env` first, and the dead key may still be there.
    fn tell_what_comes_first(&self) {
        let first = |reference: &str| reference.starts_with("env://") || reference.starts_with("dotenv://");
        for key in self.need.provider.keys.iter().filter(|key| key.diagnosis.is_some() && first(&key.reference)) {
            let help = paint(Role::Pointer, "= help:");
            self.say(format_args!(
                "  {help} take {} out of {}: what is there comes before what is kept",
                key.masked, key.place
            ));
        }
    }
}

/// After that the answer is no: nobody is there, or nobody wants to decide.
const LONGEST_THOUGHT: Duration = Duration::from_secs(60);
