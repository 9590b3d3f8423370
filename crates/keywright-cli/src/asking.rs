//! Asks the person at the terminal for a key, when a provider has none left and requests wait for one, or when a
//! command wants one; what is typed stays hidden. A key that works can be kept.

mod editor;
mod hidden;
mod keep;

use std::convert::Infallible;

use keywright::sources::{Environment, Resolver};
use keywright_core::{Catalogue, Diagnosis, Secret};
use keywright_gateway::{Gateway, Need, Offered};
use tokio::sync::watch;

pub(crate) use self::editor::Line;
pub(crate) use self::hidden::{Console, Question};
use crate::diagnosis;
use crate::error::count;
use crate::terminal::{Role, Terminal, paint};

/// Whether there is somebody to ask: a controlling terminal, and not that of a build server.
pub(crate) fn somebody_is_there(environment: &Environment) -> bool {
    let in_ci = environment.text("CI").is_some_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    !in_ci && Console::open().is_some()
}

/// Who sees to the needs of a gateway, at this terminal.
pub(crate) struct Attendant<'a> {
    gateway: &'a Gateway,
    terminal: &'a Terminal,
    resolver: &'a Resolver,
    /// Whether a person is deciding what becomes of a key that joined.
    deciding: watch::Sender<bool>,
}

impl<'a> Attendant<'a> {
    pub(crate) fn new(gateway: &'a Gateway, terminal: &'a Terminal, resolver: &'a Resolver) -> Self {
        Self { gateway, terminal, resolver, deciding: watch::Sender::new(false) }
    }

    /// Sees to every need. Dropping it takes an open question back and restores the terminal.
    pub(crate) async fn attend(&self) -> Infallible {
        loop {
            let need = self.gateway.need().await;
            // A program may have moved us to the background meanwhile; there a question would stop us.
            match Console::open().filter(Console::is_ours) {
                Some(console) => Asking { attendant: self, console, need: &need }.ask().await,
                None => self.gateway.release(&need.provider.id),
            }
        }
    }

    /// Waits until nobody is deciding any more.
    pub(crate) async fn decided(&self) {
        let mut deciding = self.deciding.subscribe();
        let _ = deciding.wait_for(|deciding| !deciding).await;
    }
}

/// One need, at one terminal.
struct Asking<'a> {
    attendant: &'a Attendant<'a>,
    console: Console,
    need: &'a Need,
}

impl Asking<'_> {
    /// Asks until a key joins, the person gives up, or nothing waits any more.
    async fn ask(&self) {
        self.explain();
        loop {
            let offered = match self.hidden_line().await {
                Some(Line::Entered(secret)) => self.offer(&secret).await,
                Some(Line::TooLong) => {
                    self.say(format_args!("{} that is far longer than any key", paint(Role::Error, "error:")));
                    false
                }
                Some(Line::GivenUp) => {
                    self.attendant.gateway.decline(self.provider());
                    let says = "the requests are answered without a key; you are asked again when a key has changed";
                    return self.say(format_args!("keywright: {says}"));
                }
                None => return self.say("keywright: nothing waits for a key any more"),
            };
            if offered {
                return;
            }
        }
    }

    /// What the person types; `None` when nothing waits any more.
    async fn hidden_line(&self) -> Option<Line> {
        let prompt = format!("Paste a key for {} (it stays hidden; Enter alone gives up): ", self.name());
        // Without a terminal that can be read there is nobody to ask.
        let Ok(question) = Question::ask(&self.console, prompt) else {
            return Some(Line::GivenUp);
        };
        tokio::select! {
            line = question.answer() => Some(line),
            () = self.attendant.gateway.need_ended(self.provider()) => None,
        }
    }

    /// Why nothing works, in the words of the diagnosis.
    fn explain(&self) {
        let Need { provider, waiting, same_moment } = self.need;
        let waits = if *waiting == 1 { "waits" } else { "wait" };
        let requests = count(*waiting, "request");
        self.say(format_args!("keywright: no usable key for {}; {requests} {waits} for one", self.name()));
        for key in &provider.keys {
            if let Some(diagnosis) = &key.diagnosis {
                self.tell(diagnosis, &format!("{} ({})", key.place, key.masked));
            }
        }
        if *same_moment {
            let says = "all keys were refused in the same moment: look at the provider, the clock or the way out first";
            self.say(format_args!("  {} {says}", paint(Role::Faint, "= note:")));
        }
    }

    /// Offers what was typed; whether it joined.
    async fn offer(&self, secret: &Secret) -> bool {
        self.attendant.terminal.guard(&[secret]);
        match self.attendant.gateway.offer(self.provider(), secret).await {
            Offered::Joined { masked, proven, findings } => {
                for finding in &findings {
                    self.say(diagnosis::finding_head(finding));
                }
                let verdict = if proven { "works" } else { "could not be checked and is tried" };
                self.say(format_args!("keywright: {masked} {verdict}; the requests go on"));
                if proven {
                    self.keep(secret).await;
                }
                return true;
            }
            Offered::Unusable(finding) => self.say(diagnosis::finding_head(&finding)),
            Offered::Known(known) => self.tell(&known, "this key is one of those that are out"),
            Offered::Refused(refused) => self.tell(&refused, "the key that you gave"),
            _ => return true,
        }
        false
    }

    fn tell(&self, diagnosis: &Diagnosis, place: &str) {
        for line in diagnosis::lines(diagnosis, place, self.attendant.terminal.verbose > 0) {
            self.say(line);
        }
    }

    fn say(&self, line: impl std::fmt::Display) {
        self.attendant.terminal.tell_at(self.console.file(), line);
    }

    fn provider(&self) -> &str {
        &self.need.provider.id
    }

    fn name(&self) -> &str {
        Catalogue::builtin().provider(self.provider()).map_or(self.provider(), |spec| &spec.name)
    }
}
