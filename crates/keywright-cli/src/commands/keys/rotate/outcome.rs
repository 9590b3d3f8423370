//! What a rotation through the admin API shows before and after.

use keywright::admin::{End, Made, Plan};
use keywright::sources::Found;
use keywright_core::ProviderSpec;
use serde_json::{Value, json};

use super::Args;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Role, Terminal, paint};

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) args: &'a Args,
    pub(super) provider: &'static ProviderSpec,
    pub(super) old: &'a Found,
    pub(super) plan: &'a Plan,
}

/// What was done, and what is left for a person.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    made: Option<(String, Option<String>)>,
    pub(super) stored: bool,
    pub(super) ended: bool,
    unproved: bool,
    failed: Option<(String, String)>,
    here: Vec<String>,
    remains: Vec<String>,
}

impl Outcome {
    pub(super) fn made(&mut self, made: &Made) {
        self.made = Some((made.key.masked(), made.id.clone()));
    }

    pub(super) fn unproved(&mut self) {
        self.unproved = true;
    }

    pub(super) fn failed(&mut self, why: String, help: &str) {
        self.failed = Some((why, help.to_owned()));
    }

    /// What is left to do on this machine.
    pub(super) fn remains_here(&mut self, what: String) {
        self.here.push(what);
    }

    /// What is left to do at the provider.
    pub(super) fn remains(&mut self, what: String) {
        self.remains.push(what);
    }

    /// All that is left, in the order in which it is done.
    fn by_hand(&self) -> impl Iterator<Item = &String> {
        self.here.iter().chain(&self.remains)
    }

    fn exit(&self) -> Exit {
        match (&self.failed, self.unproved) {
            (Some(_), _) => Exit::Unhealthy,
            (None, true) => Exit::Unknown,
            (None, false) => Exit::Healthy,
        }
    }
}

impl Work<'_> {
    /// The plan, before anything is done.
    pub(super) fn show(&self, asked: &str, terminal: &Terminal) -> Result<(), CliError> {
        if self.args.json {
            return Ok(());
        }
        let (name, plan) = (&self.provider.name, self.plan);
        let known = if plan.old.name.is_empty() { String::new() } else { format!(" `{}`", plan.old.name) };
        let steps = [
            ("old", format!("{}: key {}{known} of {}", self.old.secret.masked(), plan.old.id, plan.old.owner)),
            ("make", plan.make.to_string()),
            ("check", format!("one free question to {name}")),
            ("store", self.old.reference.to_string()),
            ("delete", self.end()),
            ("asking", asked.to_owned()),
        ];
        terminal
            .out(format_args!("{} a new key of {name} in the place of the old one", paint(Role::Pointer, "plan:")))?;
        for (step, says) in steps {
            terminal.out(format_args!("  {step:<8}{says}"))?;
        }
        Ok(())
    }

    fn end(&self) -> String {
        if self.args.admin.keep_old {
            return "nothing: the old key stays (`--keep-old`)".to_owned();
        }
        self.plan.end.to_string()
    }

    /// What was done, and what remains.
    pub(super) fn tell(&self, outcome: &Outcome, terminal: &Terminal) -> Result<Exit, CliError> {
        if self.args.json {
            terminal.out_json(&self.json(outcome))?;
        } else if !self.args.admin.dry_run {
            self.say(outcome, terminal)?;
        }
        if let Some((why, help)) = &outcome.failed {
            terminal.tell(format_args!("{} {why}", paint(Role::Error, "error:")));
            terminal.tell(format_args!("  {} {help}", paint(Role::Pointer, "= help:")));
        }
        for what in outcome.by_hand() {
            terminal.tell(format_args!("  by hand: {what}"));
        }
        if let Some(page) = self.provider.keys_url.as_ref().filter(|_| !outcome.remains.is_empty()) {
            terminal.tell(format_args!("  at {page}"));
        }
        Ok(outcome.exit())
    }

    fn say(&self, outcome: &Outcome, terminal: &Terminal) -> Result<(), CliError> {
        let old = self.old.secret.masked();
        let Some((new, _)) = &outcome.made else {
            return Ok(terminal.out(format_args!("{} nothing was changed", paint(Role::Warning, "[warn]")))?);
        };
        let head = match (outcome.stored, outcome.unproved || outcome.failed.is_some()) {
            (true, false) => paint(Role::Good, "[ok]"),
            _ => paint(Role::Warning, "[warn]"),
        };
        if !outcome.stored {
            return Ok(terminal.out(format_args!("{head} {new} was made; {old} serves on as before"))?);
        }
        terminal.out(format_args!("{head} {new} took the place of {old} ({})", self.old.reference))?;
        let end = match (outcome.ended, &self.plan.end) {
            (true, end) => format!("the old key was deleted: {end}"),
            (false, _) => "the old key still works".to_owned(),
        };
        Ok(terminal.out(format_args!("     {end}"))?)
    }

    pub(super) fn json(&self, outcome: &Outcome) -> Value {
        let (masked, id) = outcome.made.clone().unzip();
        let plan = self.plan;
        let by_hand = matches!(plan.end, End::ByHand { .. });
        json!({
            "schema": 1, "provider": self.provider.id, "reference": self.old.reference.to_string(),
            "plan": {
                "old_key": plan.old.id, "old_owner": plan.old.owner, "make": plan.make.to_string(),
                "delete": self.end(), "deletes": !by_hand && !self.args.admin.keep_old,
            },
            "dry_run": self.args.admin.dry_run, "replaced": self.old.secret.masked(), "masked": masked,
            "new_key": id.flatten(), "stored": outcome.stored, "proved": outcome.stored && !outcome.unproved,
            "old_deleted": outcome.ended, "error": outcome.failed.as_ref().map(|(why, _)| why),
            "by_hand": outcome.by_hand().collect::<Vec<_>>(),
        })
    }
}
