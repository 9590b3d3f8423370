//! `keywright doctor --fix`: shows what would be changed, asks, writes.

use std::io::{BufRead, IsTerminal};

use keywright::mending::Plan;
use keywright::sources::Resolver;
use keywright::survey::Survey;
use serde::Serialize;

use crate::error::CliError;
use crate::terminal::{Role, Terminal, paint};

/// What was mended, or would be.
#[derive(Debug, Serialize)]
pub(super) struct Mends {
    /// Whether it was written.
    pub(super) applied: bool,
    /// A unified diff; every value is masked.
    pub(super) diff: String,
    /// The files that were written.
    pub(super) files: Vec<MendedFile>,
    /// What could not be done, and why.
    pub(super) problems: Vec<String>,
    /// Whether something could be written and nobody said that it should be.
    #[serde(skip)]
    pub(super) is_unanswered: bool,
}

/// One file that was written.
#[derive(Debug, Serialize)]
pub(super) struct MendedFile {
    path: String,
    /// Where the text before is kept.
    backup: Option<String>,
}

impl Mends {
    /// Whether all that could be mended is mended.
    pub(super) const fn is_done(&self) -> bool {
        !self.is_unanswered && self.problems.is_empty()
    }
}

/// Mends what is sure, after `yes` or a person said so.
pub(super) async fn run(
    survey: &Survey,
    resolver: &Resolver,
    yes: bool,
    json: bool,
    terminal: &Terminal,
) -> Result<Mends, CliError> {
    let plan = Plan::make(survey, resolver).await;
    let mut mends =
        Mends { applied: false, diff: plan.diff(), files: Vec::new(), problems: Vec::new(), is_unanswered: false };
    if !json && plan.is_empty() {
        terminal.tell("nothing here can be mended without you");
    } else if !json {
        terminal.out(mends.diff.trim_end())?;
    }
    if plan.is_writable() && !(yes || !json && agreed(terminal)) {
        return Ok(Mends { is_unanswered: true, ..mends });
    }
    mends.applied = plan.is_writable();
    for file in &plan.files {
        match file.apply() {
            Ok(done) => mends.files.push(MendedFile { path: done.path, backup: done.backup }),
            Err(why) => mends.problems.push(format!("`{}` is not mended: {why}", file.path)),
        }
    }
    if !json {
        tell(&mends, terminal);
    }
    Ok(mends)
}

fn tell(mends: &Mends, terminal: &Terminal) {
    for file in &mends.files {
        let kept = file.backup.as_ref().map(|backup| format!("; the text before is in `{backup}`"));
        let done = paint(Role::Good, "mended:");
        terminal.tell(format_args!("{done} `{}`{}", file.path, kept.unwrap_or_default()));
    }
    for problem in &mends.problems {
        terminal.tell(format_args!("{} {problem}", paint(Role::Error, "error:")));
    }
}

/// Asks whoever sits at the terminal; where nobody does, nothing is changed.
fn agreed(terminal: &Terminal) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        terminal.tell("nothing is changed: there is no terminal to ask on");
        let help = paint(Role::Pointer, "= help:");
        terminal.tell(format_args!("  {help} write these changes\n        $ keywright doctor --fix --yes"));
        return false;
    }
    terminal.tell("Write these changes? Type `yes`; anything else changes nothing.");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let agreed = read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !agreed {
        terminal.tell("nothing is changed");
    }
    agreed
}
