//! Asks the person at the terminal for a key, when a provider has none left and requests wait for one, or when a
//! command wants one; what is typed stays hidden. A key that works can be kept.

mod editor;
mod hidden;
mod keep;
mod pause;
mod processes;

use std::convert::Infallible;
use std::io;

use keywright::sources::{Environment, Resolver};
use keywright_core::{Catalogue, Diagnosis, Secret};
use keywright_gateway::{Gateway, Need, Offered};
use tokio::sync::watch;

pub(crate) use self::editor::Line;
pub(crate) use self::hidden::{Console, Question};
pub(crate) use self::pause::Program;
use self::pause::{Disturbance, Pause};
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
    /// Who else reads this terminal.
    program: Option<&'a Program>,
    /// Whether a person is deciding what becomes of a key that joined.
    deciding: watch::Sender<bool>,
}

impl<'a> Attendant<'a> {
    /// A `program` that reads the terminal too is paused while somebody is asked.
    pub(crate) fn new(
        gateway: &'a Gateway,
        terminal: &'a Terminal,
        resolver: &'a Resolver,
        program: Option<&'a Program>,
    ) -> Self {
        Self { gateway, terminal, resolver, program, deciding: watch::Sender::new(false) }
    }

    /// Sees to every need. Dropping it takes an open question back, restores the terminal and lets the program go on.
    pub(crate) async fn attend(&self) -> Infallible {
        loop {
            let need = self.gateway.need().await;
            // A program may have moved us to the background meanwhile; there a question would stop us.
            let console = Console::open().filter(Console::is_ours);
            match console.filter(|_| !self.program.is_some_and(Program::is_left_alone)) {
                Some(console) => self.see_to(&need, console).await,
                None => self.gateway.release(&need.provider.id),
            }
        }
    }

    /// One pause for everything that is asked about one need.
    async fn see_to(&self, need: &Need, console: Console) {
        let pause = self.program.map(|program| Pause::new(program, console.clone())).transpose();
        match pause {
            Ok(pause) => Asking { attendant: self, console, need, pause }.ask().await,
            Err(_) => self.gateway.release(&need.provider.id),
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
    /// Where a program reads the terminal too.
    pause: Option<Pause<'a>>,
}

/// What came of a question.
enum Heard {
    Line(Line),
    /// Nothing waits for a key any more.
    NothingWaits,
    /// A signal for the program ended it.
    Signal,
    /// The program cannot be paused, so nobody was asked.
    Unasked(io::Error),
}

impl Asking<'_> {
    /// Asks until a key joins, the person gives up, or nothing waits any more.
    async fn ask(&mut self) {
        // Before anything is told: what the program writes does not mix with it.
        if let Err(why) = self.hold().await {
            return self.cannot_ask(&why);
        }
        self.explain();
        loop {
            let offered = match self.hidden_line().await {
                Heard::Line(Line::Entered(secret)) => self.offer(&secret).await,
                Heard::Line(Line::TooLong) => {
                    self.say(format_args!("{} that is far longer than any key", paint(Role::Error, "error:")));
                    false
                }
                Heard::Line(Line::GivenUp) => {
                    self.attendant.gateway.decline(self.provider());
                    let says = "the requests are answered without a key; you are asked again when a key has changed";
                    return self.say(format_args!("keywright: {says}"));
                }
                Heard::NothingWaits => return self.nothing_waits(),
                Heard::Signal => {
                    self.attendant.gateway.release(self.provider());
                    let says = "a signal came for the program, which goes on; the requests are answered without a key";
                    return self.say(format_args!("keywright: {says}"));
                }
                Heard::Unasked(why) => return self.cannot_ask(&why),
            };
            if offered {
                return;
            }
        }
    }

    /// What the person types.
    async fn hidden_line(&mut self) -> Heard {
        let meanwhile = if self.pause.is_some() { "; the program is paused meanwhile" } else { "" };
        let prompt = format!("Paste a key for {} (it stays hidden; Enter alone gives up{meanwhile}): ", self.name());
        loop {
            if let Err(why) = self.hold().await {
                return Heard::Unasked(why);
            }
            // Without a terminal that can be read there is nobody to ask.
            let Ok(question) = Question::ask(&self.console, prompt.clone()) else {
                return Heard::Line(Line::GivenUp);
            };
            let gateway = self.attendant.gateway;
            return tokio::select! {
                line = question.answer() => Heard::Line(line),
                () = gateway.need_ended(&self.need.provider.id) => Heard::NothingWaits,
                disturbance = disturbed(&mut self.pause) => match disturbance {
                    Disturbance::Signal => Heard::Signal,
                    Disturbance::Continued => continue,
                },
            };
        }
    }

    /// Makes sure that nobody else reads the terminal.
    async fn hold(&mut self) -> io::Result<()> {
        match &mut self.pause {
            Some(pause) => pause.hold().await,
            None => Ok(()),
        }
    }

    /// The program reads the terminal, and is not ours to pause: what is typed would be its own.
    fn cannot_ask(&self, why: &io::Error) {
        self.leave_program_alone();
        self.attendant.gateway.release(self.provider());
        let (name, id) = (self.name(), self.provider());
        self.say(format_args!("keywright: no usable key for {name}; requests are answered without one"));
        let says = "nobody is asked for a key: the program shares this terminal and cannot be paused";
        self.say(format_args!("  {} {says}: {why}", paint(Role::Faint, "= note:")));
        let says = format!(
            "`keywright keys rotate {id}` in another terminal replaces a stored key; `keywright keys add {id}` stores one \
             for the next run"
        );
        self.say(format_args!("  {} {says}", paint(Role::Pointer, "= help:")));
    }

    /// Either a key came from its source, or the requests waited as long as they may. A terminal that nobody looks at
    /// must not pause a program again and again.
    fn nothing_waits(&self) {
        self.say("keywright: nothing waits for a key any more");
        let report = self.attendant.gateway.report();
        let provider = report.providers.iter().find(|provider| provider.id == self.provider());
        let all_out = provider.is_some_and(|provider| provider.keys.iter().all(|key| key.diagnosis.is_some()));
        if self.pause.is_some() && all_out {
            self.leave_program_alone();
            self.say("keywright: nobody answered, and asking pauses the program: you are not asked again in this run");
        }
    }

    fn leave_program_alone(&self) {
        if let Some(program) = self.attendant.program {
            program.leave_alone();
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
    async fn offer(&mut self, secret: &Secret) -> bool {
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

/// Waits for what ends a question before its time; for ever where no program is paused.
async fn disturbed(pause: &mut Option<Pause<'_>>) -> Disturbance {
    match pause {
        Some(pause) => pause.disturbed().await,
        None => std::future::pending().await,
    }
}
