//! What the tests need beyond the machine's own: Python environments and Node packages, at pinned versions.
//!
//! Each is installed once into `target/test-env` and carries a copy of the list it was made from; a list that changed
//! makes it anew. When all lists match, nothing touches the network.

use crate::Failure;
use crate::process::{ROOT, TARGET, must, program, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// Installs the named Python environments, two at a time, and tells each one that is ready.
pub(crate) fn python(names: &[&'static str]) -> Result<(), Failure> {
    let missing: Vec<_> = names.iter().filter(|name| !is_current(&python_list(name), &python_home(name))).collect();
    if missing.is_empty() {
        println!("Python environments are current");
        return Ok(());
    }
    have_venv()?;
    let (queue, jobs) = mpsc::sync_channel(missing.len());
    for name in missing {
        queue.send(*name)?;
    }
    drop(queue);
    let jobs = std::sync::Mutex::new(jobs);
    let next = || jobs.lock().expect("no worker panics while it holds the queue").recv().ok();
    thread::scope(|scope| {
        let work = || -> Result<(), String> {
            while let Some(name) = next() {
                install_python(name).map_err(|failure| failure.to_string())?;
                println!("installed Python environment {name}");
            }
            Ok(())
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        for worker in workers {
            worker.join().expect("a worker returns its failure")?;
        }
        Ok(())
    })
}

/// The interpreter of an environment.
pub(crate) fn interpreter(name: &str) -> PathBuf {
    python_home(name).join("bin/python")
}

/// Installs the Node packages.
pub(crate) fn node() -> Result<(), Failure> {
    let lists = ROOT.join("tests/node");
    let home = node_home();
    if is_current(&lists.join("package-lock.json"), &home) {
        println!("Node packages are current");
        return Ok(());
    }
    remove(&home)?;
    fs::create_dir_all(&home)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(lists.join(name), home.join(name))?;
    }
    must(program("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&home))?;
    println!("installed Node packages");
    mark_current(&lists.join("package-lock.json"), &home)
}

/// The folder whose `node_modules` holds the packages.
pub(crate) fn node_home() -> PathBuf {
    home().join("node")
}

/// The Node that the packages ask for; the machine's own where there is no build of it.
pub(crate) fn node_program() -> PathBuf {
    let pinned = node_home().join("node_modules/.bin/node");
    if pinned.exists() { pinned } else { PathBuf::from("node") }
}

/// Installs mdBook, which builds the book.
pub(crate) fn mdbook() -> Result<(), Failure> {
    let version = program(mdbook_program(), &["--version"]).output();
    if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(MDBOOK)) {
        println!("mdBook is current");
        return Ok(());
    }
    let home = home().join("mdbook");
    let arguments =
        ["install", "--quiet", "mdbook", "--locked", "--no-default-features", "--version", MDBOOK, "--root"];
    must(crate::process::cargo(&arguments).arg(home))?;
    println!("installed mdBook {MDBOOK}");
    Ok(())
}

pub(crate) fn mdbook_program() -> PathBuf {
    home().join("mdbook/bin/mdbook")
}

/// Everything that chores download or install.
pub(crate) fn home() -> PathBuf {
    TARGET.join("test-env")
}

fn install_python(name: &str) -> Result<(), Failure> {
    let (list, home) = (python_list(name), python_home(name));
    remove(&home)?;
    let folder = home.to_string_lossy();
    must(&mut program("python3", &["-m", "venv", &folder]))?;
    let list_path = list.to_string_lossy();
    // The lists are complete, so nothing is left to resolve; one package asks for a release that does not exist.
    let arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "-r", &list_path];
    must(&mut program(home.join("bin/python"), &arguments))?;
    mark_current(&list, &home)
}

/// Debian's Python comes without the module that makes environments.
fn have_venv() -> Result<(), Failure> {
    if succeeds(&mut program("python3", &["-c", "import ensurepip, venv"])) {
        return Ok(());
    }
    debian(&["python3-venv"])
}

/// The programs and daemons that hold keys in the tests of the sources.
pub(crate) fn key_places() -> Result<(), Failure> {
    let needed = ["age", "dbus-daemon", "gnome-keyring-daemon", "secret-tool", "ssh-keygen"];
    if needed.iter().all(|name| succeeds(&mut program("which", &[name]))) {
        return Ok(());
    }
    debian(&["age", "dbus-daemon", "gnome-keyring", "libsecret-tools", "openssh-client"])
}

/// The browser that reads the exported pages, and fonts, without which it shows boxes.
pub(crate) fn browser() -> Result<(), Failure> {
    if succeeds(&mut program("which", &["chromium"])) {
        return Ok(());
    }
    debian(&["chromium", "fonts-dejavu-core", "fonts-liberation"])
}

/// Installs packages of the operating system.
fn debian(packages: &[&str]) -> Result<(), Failure> {
    println!("installing {}", packages.join(", "));
    must(&mut program("apt-get", &["update", "-qq"]))?;
    must(program("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

fn python_list(name: &str) -> PathBuf {
    ROOT.join(format!("tests/python/requirements-{name}.txt"))
}

fn python_home(name: &str) -> PathBuf {
    home().join("python").join(name)
}

fn is_current(list: &Path, home: &Path) -> bool {
    let made_from = fs::read(home.join(STAMP)).ok();
    made_from.is_some() && made_from == fs::read(list).ok()
}

fn mark_current(list: &Path, home: &Path) -> Result<(), Failure> {
    fs::copy(list, home.join(STAMP))?;
    Ok(())
}

fn remove(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// The release of mdBook. Its `search` and `serve` are left out: the book needs neither server nor script.
const MDBOOK: &str = "0.5.2";
const STAMP: &str = "made-from";
