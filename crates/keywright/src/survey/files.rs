//! The dotenv files of this folder, of the folders above, and files that people take for one.

use std::path::{Path, PathBuf};

use keywright_core::inspect::files::{FileFacts, FileStanding, inspect};
use keywright_core::inspect::{Finding, Holder, Place, Setting};
use keywright_core::{Cause, Dotenv};

use super::{credential, git, shortened};
use crate::sources::{Resolver, SourceError};

/// A dotenv file, and what is strange about it.
#[derive(Debug)]
pub struct SurveyedFile {
    /// As it was named, or looked for; from the directory of the survey.
    pub path: PathBuf,
    /// What the world tells about it.
    pub facts: FileFacts,
    /// What it holds.
    pub contents: Result<Dotenv, SourceError>,
    /// What is strange about it.
    pub findings: Vec<Finding>,
}

impl SurveyedFile {
    /// The variables in it that concern a provider; of one name the last counts.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let Ok(file) = &self.contents else {
            return Vec::new();
        };
        let last =
            file.entries.iter().filter(|entry| file.last(&entry.name).is_some_and(|last| last.line == entry.line));
        let relevant = last.filter(|entry| credential::is_relevant(&entry.name, entry.value.expose()));
        relevant
            .map(|entry| Setting {
                name: entry.name.clone(),
                value: entry.value.clone(),
                place: Place { source: self.facts.path.clone(), line: Some(entry.line), column: Some(entry.column) },
                holder: Holder::Dotenv,
            })
            .collect()
    }
}

/// Reads the files that were named, or looks for them.
pub(super) async fn read(resolver: &Resolver, named: &[PathBuf]) -> Vec<SurveyedFile> {
    let mut wanted: Vec<(PathBuf, FileStanding)> = Vec::new();
    if named.is_empty() {
        wanted.push((PathBuf::from(".env"), FileStanding::Read));
        wanted.extend(above(resolver).into_iter().map(|path| (path, FileStanding::Above)));
        wanted.extend(OTHER_NAMES.iter().map(|name| (PathBuf::from(name), FileStanding::OtherName)));
    } else {
        wanted.extend(named.iter().map(|path| (path.clone(), FileStanding::Read)));
    }
    let mut files = Vec::new();
    for (path, standing) in wanted {
        match resolver.dotenv(&path).await {
            // A folder called `env` is a Python environment, not a mistake.
            Err(SourceError::NoFile) if named.is_empty() => {}
            Err(_) if standing != FileStanding::Read => {}
            contents => files.push(surveyed(resolver, &path, standing, contents).await),
        }
    }
    files
}

async fn surveyed(
    resolver: &Resolver,
    path: &Path,
    standing: FileStanding,
    contents: Result<Dotenv, SourceError>,
) -> SurveyedFile {
    let place = resolver.directory().join(path);
    let committed =
        if standing == FileStanding::Read { git::commits(&place, resolver.environment()).await } else { None };
    let facts = FileFacts { path: shortened(path, resolver.environment()), standing, mode: mode(&place), committed };
    let findings = match &contents {
        Ok(file) => inspect(&facts, Ok(file)),
        Err(SourceError::Dotenv(error)) => inspect(&facts, Err(*error)),
        Err(why) => vec![unreadable(*why, &facts.path)],
    };
    SurveyedFile { path: path.to_owned(), facts, contents, findings }
}

fn unreadable(why: SourceError, path: &str) -> Finding {
    let command = (why == SourceError::Denied).then(|| format!("chmod u+r '{path}'"));
    let says = match why {
        SourceError::Denied => "Let yourself read it.",
        _ => "Put a text file of lines NAME=value in its place.",
    };
    let finding = Finding::error(Cause::EnvNotLoaded, format!("the file cannot be used: {why}"));
    Finding { fix: Some(keywright_core::Fix { says: says.to_owned(), command }), ..finding }
        .in_place(&Place::file(path))
}

/// `.env` of each folder above, up to the home folder.
fn above(resolver: &Resolver) -> Vec<PathBuf> {
    let written = resolver.directory();
    let written = if written.as_os_str().is_empty() { Path::new(".") } else { written };
    let home = resolver.environment().text("HOME").map(PathBuf::from);
    let Ok(mut folder) = written.canonicalize() else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    let mut prefix = PathBuf::new();
    while paths.len() < MOST_FOLDERS_ABOVE && Some(&folder) != home.as_ref() && folder.pop() {
        prefix.push("..");
        paths.push(prefix.join(".env"));
    }
    paths
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

/// Names that people give to such a file and that most programs do not load.
const OTHER_NAMES: &[&str] =
    &["env", "env.txt", ".env.txt", ".env.local", ".env.development", ".env.production", ".env.example", ".envrc"];
/// A project that lies deeper is not looked at from its depth.
const MOST_FOLDERS_ABOVE: usize = 8;
