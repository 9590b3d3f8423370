//! How a diagnosis looks on a terminal: like a compiler's error.

use keywright_core::diagnosis::Confidence;
use keywright_core::inspect::{Finding, Severity};
use keywright_core::{Diagnosis, Fix, Witness};

use crate::terminal::{Role, Terminal, paint};

/// Tells a person what happened to the thing at `place`, why we think so, and what mends it.
pub(crate) fn tell(diagnosis: &Diagnosis, place: &str, terminal: &Terminal) {
    let head = paint(Role::Error, format_args!("error[{}]:", diagnosis.cause.slug()));
    terminal.tell(format_args!("{head} {}{}", diagnosis.title(), doubt(diagnosis.confidence)));
    terminal.tell(format_args!("  {} {place}", paint(Role::Pointer, "-->")));
    for evidence in &diagnosis.evidence {
        let witness = match evidence.witness {
            Witness::Text => "text",
            Witness::Environment => "environment",
            Witness::Probe => "probe",
            Witness::History => "history",
        };
        let note = paint(Role::Faint, format_args!("= {witness}:"));
        terminal.tell(format_args!("  {note} {}", evidence.says));
    }
    if !diagnosis.alternatives.is_empty() {
        let causes: Vec<&str> = diagnosis.alternatives.iter().map(|other| other.cause.slug()).collect();
        let note = paint(Role::Faint, "= also possible:");
        terminal.tell(format_args!("  {note} {}", causes.join(", ")));
    }
    // The rest is on the page; one fix mends most.
    let shown = if terminal.verbose > 0 { usize::MAX } else { 1 };
    for fix in diagnosis.fixes.iter().take(shown) {
        tell_fix(fix, "  ", terminal);
    }
}

/// Tells what to do, and the command that does it.
pub(crate) fn tell_fix(fix: &Fix, indent: &str, terminal: &Terminal) {
    for line in fix_lines(fix) {
        terminal.tell(format_args!("{indent}{line}"));
    }
}

/// What to do, and the command that does it, as lines.
pub(crate) fn fix_lines(fix: &Fix) -> impl Iterator<Item = String> {
    let says = format!("{} {}", paint(Role::Pointer, "= help:"), fix.says);
    let command = fix.command.as_ref().map(|command| format!("        $ {command}"));
    std::iter::once(says).chain(command)
}

/// What was found, in one line: `error[empty_key]: the value is empty`.
pub(crate) fn finding_head(finding: &Finding) -> String {
    let (role, word) = match finding.severity {
        Severity::Note => (Role::Faint, "note"),
        Severity::Warning => (Role::Warning, "warning"),
        Severity::Error => (Role::Error, "error"),
    };
    format!("{} {}", paint(role, format_args!("{word}[{}]:", finding.cause.slug())), finding.says)
}

const fn doubt(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "",
        Confidence::Likely => " (likely)",
        Confidence::Possible => " (possible)",
    }
}
