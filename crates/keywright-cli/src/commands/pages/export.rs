//! `keywright pages export`: a static site, or Markdown files.

use std::io;
use std::path::{Path, PathBuf};

use keywright::state::notes::Note;
use keywright_core::page::{Page, pages};

use super::show::as_markdown;
use super::{note, site};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Write all pages into a folder: a site that needs no server and asks no other host for anything.
///
/// The site has a search, is readable without JavaScript, and is light or dark as the reader's system
/// is. The same pages make the same bytes. A folder that was not made by this command is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keywright pages export --html site && xdg-open site/index.html
  keywright pages export --markdown docs/errors")]
pub(super) struct Export {
    /// Write a site of HTML pages into this folder.
    #[arg(long, value_name = "DIR", required_unless_present = "markdown", conflicts_with = "markdown")]
    html: Option<PathBuf>,
    /// Write Markdown files into this folder.
    #[arg(long, value_name = "DIR")]
    markdown: Option<PathBuf>,
    /// Leave out the notes that people of this machine added.
    #[arg(long)]
    no_notes: bool,
}

pub(super) fn run(args: &Export, terminal: &Terminal) -> Result<Exit, CliError> {
    let notes = if args.no_notes { Vec::new() } else { note::kept_or_none(None, terminal) };
    let (folder, files) = match (&args.html, &args.markdown) {
        (Some(folder), _) => (folder, site::files(&notes)?),
        (None, Some(folder)) => (folder, markdown_files(&notes)),
        (None, None) => return Ok(Exit::Usage),
    };
    write_folder(folder, &files)?;
    terminal.tell(format_args!("wrote {} to {}", count(files.len(), "file"), folder.display()));
    Ok(Exit::Healthy)
}

/// A file of the export: its name, without folders, and its bytes.
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

fn markdown_files(notes: &[Note]) -> Vec<File> {
    let file = |page: &Page| File { name: format!("{}.md", page.name), bytes: as_markdown(page, notes).into_bytes() };
    pages().map(file).collect()
}

/// Puts the files where the folder was: all of them, or none.
fn write_folder(folder: &Path, files: &[File]) -> Result<(), CliError> {
    let failed = |source| CliError::Write { path: folder.to_owned(), source };
    let replaces = is_ours(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&parent).map_err(failed)?;
    let name = folder.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?.to_string_lossy();
    let fresh = parent.join(format!(".{name}.new-{}", std::process::id()));
    let old = parent.join(format!(".{name}.old-{}", std::process::id()));
    let written = fill(&fresh, files).and_then(|()| {
        if replaces {
            std::fs::rename(folder, &old)?;
        }
        std::fs::rename(&fresh, folder).inspect_err(|_| {
            // What was there comes back.
            let _ = std::fs::rename(&old, folder);
        })
    });
    // Leftovers are worth no failure: the new folder stands, or the old one does.
    let _ = std::fs::remove_dir_all(&fresh);
    if written.is_ok() && replaces {
        let _ = std::fs::remove_dir_all(&old);
    }
    written.map_err(failed)
}

fn fill(folder: &Path, files: &[File]) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join(MARK), MARK_TEXT)?;
    files.iter().try_for_each(|file| std::fs::write(folder.join(&file.name), &file.bytes))
}

/// Whether there is a folder to replace. One that somebody else made, with something in it, is in the way.
fn is_ours(folder: &Path) -> Result<bool, CliError> {
    let in_the_way = || CliError::NotOurs { path: folder.to_owned() };
    match std::fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CliError::Read { path: folder.to_owned(), source, absent: None }),
        Ok(there) if !there.is_dir() => Err(in_the_way()),
        Ok(_) => {
            let read = |source| CliError::Read { path: folder.to_owned(), source, absent: None };
            let empty = std::fs::read_dir(folder).map_err(read)?.next().is_none();
            let marked = std::fs::read(folder.join(MARK)).is_ok_and(|mark| mark == MARK_TEXT.as_bytes());
            if empty || marked { Ok(true) } else { Err(in_the_way()) }
        }
    }
}

/// By this file a folder is known as made by us.
const MARK: &str = ".keywright-pages";
const MARK_TEXT: &str = "Made by `keywright pages export`, which replaces this folder as a whole.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Vec<File> {
        vec![File { name: name.to_owned(), bytes: b"x".to_vec() }]
    }

    #[test]
    fn a_folder_of_ours_is_replaced_as_a_whole() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("deep/site");
        write_folder(&folder, &file("a.html")).expect("a new folder");
        write_folder(&folder, &file("b.html")).expect("the same folder");
        assert!(folder.join("b.html").exists() && !folder.join("a.html").exists());
        let left = std::fs::read_dir(folder.parent().expect("a parent")).expect("readable").count();
        assert_eq!(left, 1, "nothing else is left beside it");
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("theirs"), "x").expect("writable");
        assert!(matches!(write_folder(home.path(), &file("a")), Err(CliError::NotOurs { .. })));
        let theirs = home.path().join("theirs");
        assert!(matches!(write_folder(&theirs, &file("a")), Err(CliError::NotOurs { .. })), "a file is no folder");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).expect("a link");
        assert!(matches!(write_folder(&link, &file("a")), Err(CliError::NotOurs { .. })), "a link is not followed");
        assert!(theirs.exists());
    }

    #[test]
    fn the_same_pages_make_the_same_bytes() {
        let bytes = || site::files(&[]).expect("a site").into_iter().map(|file| file.bytes).collect::<Vec<_>>();
        assert_eq!(bytes(), bytes());
    }
}
