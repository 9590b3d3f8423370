//! How a diagnosis looks on a terminal: like a compiler's error.

use keywright_core::diagnosis::Confidence;
use keywright_core::inspect::{Finding, Severity};
use keywright_core::{Diagnosis, Fix, Verdict, Witness};

use crate::terminal::{Role, Terminal, paint};

/// Tells a person what happened to the thing at `place`, why we think so, and what mends it.
pub(crate) fn tell(diagnosis: &Diagnosis, place: &str, terminal: &Terminal) {
    for line in lines(diagnosis, place, terminal.verbose > 0) {
        terminal.tell(line);
    }
}

/// The same as lines: short, or with everything.
pub(crate) fn lines(diagnosis: &Diagnosis, place: &str, everything: bool) -> Vec<String> {
    let word = match diagnosis.verdict {
        Verdict::Unrecognised => "unrecognised:".to_owned(),
        Verdict::Auth | Verdict::NotAuth => format!("error[{}]:", diagnosis.cause.slug()),
    };
    let head = paint(Role::Error, word);
    let mut lines = vec![format!("{head} {}{}", diagnosis.title(), doubt(diagnosis.confidence))];
    lines.push(format!("  {} {place}", paint(Role::Pointer, "-->")));
    for evidence in &diagnosis.evidence {
        let witness = match evidence.witness {
            Witness::Text => "text",
            Witness::Environment => "environment",
            Witness::Probe => "probe",
            Witness::History => "history",
        };
        let note = paint(Role::Faint, format_args!("= {witness}:"));
        lines.push(format!("  {note} {}", evidence.says));
    }
    if diagnosis.verdict == Verdict::NotAuth {
        lines.push(format!("  {} the key is not to blame", paint(Role::Faint, "= note:")));
    }
    lines.extend(also_possible(diagnosis, everything));
    // The rest is on the page; one fix mends most.
    let shown = if everything { usize::MAX } else { 1 };
    let fixes = diagnosis.fixes.iter().take(shown).flat_map(fix_lines);
    lines.extend(fixes.map(|line| format!("  {line}")));
    lines
}

/// The other causes, the first few by name.
fn also_possible(diagnosis: &Diagnosis, everything: bool) -> Option<String> {
    let causes: Vec<&str> = diagnosis.alternatives.iter().map(|other| other.cause.slug()).collect();
    let shown = if everything { causes.len() } else { causes.len().min(MOST_ALTERNATIVES) };
    let more = match causes.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more (-v)"),
    };
    let note = paint(Role::Faint, "= also possible:");
    (!causes.is_empty()).then(|| format!("  {note} {}{more}", causes[..shown].join(", ")))
}

/// Where the long form of a diagnosis is read.
pub(crate) fn page_line(diagnosis: &Diagnosis) -> String {
    format!("  {} keywright explain {}", paint(Role::Faint, "= more:"), diagnosis.page)
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

/// What was found: where it stands, and what mends it.
pub(crate) fn finding_lines(finding: &Finding) -> Vec<String> {
    let mut lines = vec![finding_head(finding)];
    if let Some(place) = &finding.place {
        let at = finding.at.filter(|_| place.column.is_none()).map(|at| format!(", position {at}")).unwrap_or_default();
        lines.push(format!("  {} {place}{at}", paint(Role::Pointer, "-->")));
    }
    if let Some(code_point) = &finding.code_point {
        lines.push(format!("  {} {code_point}", paint(Role::Faint, "= note:")));
    }
    lines.extend(finding.fix.iter().flat_map(fix_lines).map(|line| format!("  {line}")));
    lines
}

const fn doubt(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "",
        Confidence::Likely => " (likely)",
        Confidence::Possible => " (possible)",
    }
}

/// How many other causes are named when nobody asks for all.
const MOST_ALTERNATIVES: usize = 4;
