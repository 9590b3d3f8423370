//! Dotenv files: what is strange about a file as a whole, and about its lines.

use super::{Finding, Place, Severity};
use crate::cause::Cause;
use crate::dotenv::{Dotenv, DotenvError, LineFinding};

/// What the world tells about one dotenv file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As a person writes it: `.env`, `../.env`.
    pub path: String,
    /// Where it lies, seen from the working directory.
    pub standing: FileStanding,
    /// Its permission bits, where there are some.
    pub mode: Option<u32>,
    /// Whether git would commit it; `None` without a repository, or without an answer.
    pub committed: Option<bool>,
}

/// Whether loaders read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileStanding {
    /// `.env` in the working directory, or a file that was named.
    Read,
    /// `.env` of a folder above.
    Above,
    /// A name that most loaders leave alone: `.env.local`, `env.txt`.
    OtherName,
}

/// What is strange about a file that was read, or could not be.
pub fn inspect(facts: &FileFacts, file: Result<&Dotenv, DotenvError>) -> Vec<Finding> {
    let place = Place::file(&facts.path);
    let mut findings = match file {
        Ok(file) => lines(facts, file),
        Err(error) => vec![unreadable(error).in_place(&place)],
    };
    let holds_values = file.is_ok_and(|file| file.entries.iter().any(|entry| !entry.value.expose().is_empty()));
    if holds_values && facts.standing != FileStanding::OtherName {
        findings.extend(exposure(facts).into_iter().map(|finding| finding.in_place(&place)));
    }
    findings
}

fn unreadable(error: DotenvError) -> Finding {
    match error {
        DotenvError::Utf16 => Finding::error(Cause::EnvNotLoaded, "the file is UTF-16 text, which no loader reads")
            .fixed_by("Let Keywright save it as UTF-8.", Some(super::mend::COMMAND.to_owned())),
        DotenvError::Binary => Finding::error(Cause::EnvNotLoaded, "the file is no text, so nothing in it is read")
            .fixed_by("Put a text file of lines NAME=value in its place.", None),
    }
}

/// The findings about lines; of one kind the first few, and how many more there are.
fn lines(facts: &FileFacts, file: &Dotenv) -> Vec<Finding> {
    let mut kinds: Vec<(String, Vec<&LineFinding>)> = Vec::new();
    for found in &file.findings {
        let kind = kind(&found.finding);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, all)) => all.push(found),
            None => kinds.push((kind, vec![found])),
        }
    }
    let mut findings = Vec::new();
    for (_, all) in kinds {
        findings.extend(all.iter().take(MOST_OF_A_KIND).map(|found| located(facts, found)));
        if let [_, .., last] = all.get(MOST_OF_A_KIND - 1..).unwrap_or_default() {
            findings.push(more(facts, all.len() - MOST_OF_A_KIND, last));
        }
    }
    findings
}

/// Findings that differ in names and numbers alone are of one kind.
fn kind(finding: &Finding) -> String {
    let without_names: String = finding.says.split('`').step_by(2).collect();
    without_names.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn located(facts: &FileFacts, found: &LineFinding) -> Finding {
    let place = Place { source: facts.path.clone(), line: Some(found.line), column: found.column };
    let finding = found.finding.clone();
    let mendable = super::mend::is_mendable(&finding) && facts.standing == FileStanding::Read;
    let finding = if finding.fix.is_none() && finding.severity > Severity::Note && mendable {
        finding
            .fixed_by("Let Keywright write the line as every loader reads it.", Some(super::mend::COMMAND.to_owned()))
    } else {
        finding
    };
    finding.in_place(&place)
}

/// What stands for the findings that are not listed.
fn more(facts: &FileFacts, count: usize, last: &LineFinding) -> Finding {
    let says = format!("and {count} more lines like this, down to line {}", last.line);
    let place = Place { source: facts.path.clone(), line: Some(last.line), column: last.column };
    Finding { severity: last.finding.severity, ..Finding::warning(last.finding.cause, says) }.in_place(&place)
}

/// Who else can read it.
fn exposure(facts: &FileFacts) -> Vec<Finding> {
    let path = &facts.path;
    let mut findings = Vec::new();
    if facts.mode.is_some_and(|mode| mode & 0o077 != 0) {
        let says =
            format!("other users of this machine can read it (mode {:o})", facts.mode.unwrap_or_default() & 0o777);
        findings.push(
            Finding::warning(Cause::LeakedAndAutoDisabled, says)
                .fixed_by("Let its owner alone read it.", Some(format!("chmod 600 '{path}'"))),
        );
    }
    if facts.committed == Some(true) {
        let name = path.rsplit('/').next().unwrap_or(path);
        findings.push(
            Finding::warning(
                Cause::LeakedAndAutoDisabled,
                "git does not ignore it: the next commit may publish the keys",
            )
            .fixed_by(
                "Tell git to leave it out.",
                Some(format!("echo '{name}' >> .gitignore && git rm -q --cached --ignore-unmatch '{path}'")),
            ),
        );
    }
    findings
}

/// A file that holds a key which nothing loads: the finding, when no other place has it.
pub fn not_loaded(facts: &FileFacts, line: usize, name: &str) -> Finding {
    let path = &facts.path;
    let says = match facts.standing {
        FileStanding::Read => format!("`{name}` stands here; a program has it only after it loaded the file"),
        FileStanding::Above => {
            format!("`{name}` stands in a folder above; a program that starts here does not load it")
        }
        FileStanding::OtherName => format!("`{name}` stands here; most programs load `.env` alone"),
    };
    let place = Place { source: path.clone(), line: Some(line), column: None };
    let from = if path.starts_with(['/', '.', '~']) && path.contains('/') { path.clone() } else { format!("./{path}") };
    Finding::error(Cause::EnvNotLoaded, says)
        .fixed_by(
            "Load the file into this shell, or start the program where the file is.",
            Some(format!("set -a; . '{from}'; set +a")),
        )
        .in_place(&place)
}

/// More findings of one kind are counted, not listed.
const MOST_OF_A_KIND: usize = 3;
