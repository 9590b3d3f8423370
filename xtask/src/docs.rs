//! `cargo xtask docs`: writes the reference of the book from the program and its data, and builds the book.

mod metrics;
mod reference;
mod schema;

use crate::Failure;
use crate::environments;
use crate::process::{ROOT, TARGET, cargo, must, program};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds the program and the book, and says where it is.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask docs".into());
    }
    environments::mdbook()?;
    must(&mut cargo(&["build", "--package", "keywright-cli", "--locked"]))?;
    build()?;
    println!("{}", book().join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the reference and builds the book. What mdBook warns of is a failure.
pub(crate) fn build() -> Result<(), Failure> {
    let reference = ROOT.join("docs/src/reference");
    if reference.exists() {
        fs::remove_dir_all(&reference)?;
    }
    fs::create_dir_all(&reference)?;
    for (name, text) in reference::pages()? {
        let file = reference.join(name);
        fs::create_dir_all(file.parent().expect("a page is in a folder"))?;
        fs::write(file, text)?;
    }
    every_page_is_listed()?;
    let target = book();
    let arguments = ["build", "docs", "--dest-dir", &target.to_string_lossy()];
    let output = program(environments::mdbook_program(), &arguments).output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() || said.contains("WARN") || said.contains("ERROR") {
        return Err(format!("the book does not build without a warning\n{said}").into());
    }
    Ok(())
}

/// The folder that the book is built into.
pub(crate) fn book() -> PathBuf {
    TARGET.join("book")
}

/// mdBook leaves out what `SUMMARY.md` does not list, and says nothing.
fn every_page_is_listed() -> Result<(), Failure> {
    let sources = ROOT.join("docs/src");
    let summary = fs::read_to_string(sources.join("SUMMARY.md"))?;
    let listed: BTreeSet<&str> = summary.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)).collect();
    let mut folders = vec![sources.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(&sources)?.to_string_lossy().into_owned();
            let is_page = path.extension().is_some_and(|end| end == "md") && name != "SUMMARY.md";
            if path.is_dir() {
                folders.push(path);
            } else if is_page && !listed.contains(name.as_str()) {
                return Err(format!("docs/src/SUMMARY.md does not list `{name}`").into());
            }
        }
    }
    Ok(())
}
