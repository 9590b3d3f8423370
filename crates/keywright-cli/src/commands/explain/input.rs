//! Reads files and standard input in pieces, with progress where somebody waits.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::CliError;

/// Hands an input over piece by piece, and says what to call it: its name, without anything a terminal would obey.
pub(super) fn each_chunk(path: &Path, take: impl FnMut(&[u8])) -> Result<String, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source, absent: Some(ABSENT) };
    if path.as_os_str() == "-" {
        copy(io::stdin().lock(), None, take).map_err(failed)?;
        return Ok("stdin".to_owned());
    }
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory; name the files in it")));
    }
    copy(File::open(path).map_err(failed)?, about.is_file().then_some(about.len()), take).map_err(failed)?;
    Ok(path.display().to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect())
}

fn copy(mut from: impl Read, length: Option<u64>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut progress = Progress::new(length);
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                take(&chunk[..count]);
                progress.add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    progress.clear();
    Ok(())
}

/// How far we are, on a terminal, once it takes longer than anyone wants to wonder.
struct Progress {
    length: Option<u64>,
    done: u64,
    started: Instant,
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    fn new(length: Option<u64>) -> Self {
        Self { length, done: 0, started: Instant::now(), shown: None, wanted: io::stderr().is_terminal() }
    }

    fn add(&mut self, count: u64) {
        self.done += count;
        let due = self.shown.map_or_else(|| self.started.elapsed() > PATIENCE, |shown| shown.elapsed() > BEAT);
        if !self.wanted || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let megabytes = self.done / 1_000_000;
        let share = self.length.filter(|length| *length > 0).map(|length| self.done * 100 / length);
        let share = share.map_or_else(String::new, |share| format!(" ({share} %)"));
        // Progress is for whoever looks; nobody misses it.
        let _ = write!(io::stderr(), "\rkeywright: {megabytes} MB read{share} ");
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r{:40}\r", "");
        }
    }
}

const ABSENT: &str = "check the path; `-` reads standard input, and `keywright pages list` has the names of all causes";
const CHUNK: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_millis(500);
const BEAT: Duration = Duration::from_millis(100);
