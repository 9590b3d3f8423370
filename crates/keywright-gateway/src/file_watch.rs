//! One file that is looked at twice a second, such as the configuration.

use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

use tokio::time::MissedTickBehavior;

use crate::watch::{Stamp, TICK};

/// A file, and what it held when it was last looked at.
///
/// What counts is what it holds: a file that was only touched, or written with the same text, has not changed.
#[derive(Clone, Debug)]
pub struct FileWatch {
    path: PathBuf,
    /// The state of the file that was read last; `None` when a later change might not show.
    settled: Option<Stamp>,
    held: Option<Vec<u8>>,
}

impl FileWatch {
    /// Begins with what the file holds now.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { held: read(&path), settled: None, path }
    }

    /// What the file holds now is known from here on.
    pub fn look(&mut self) {
        *self = Self::new(std::mem::take(&mut self.path));
    }

    /// Waits until the file holds something else, and nobody has written to it since the look before. A file that is
    /// gone has changed too. This may be dropped and called again.
    pub async fn changed(&mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<Stamp> = None;
        loop {
            tick.tick().await;
            let (path, last, settled) = (self.path.clone(), before.take(), self.settled.clone());
            // A network folder may hang, which must not hold up anything else.
            let looked = tokio::task::spawn_blocking(move || {
                let stamp = Stamp::of(&path);
                let worth_reading = stamp == last && (stamp.is_none() || stamp != settled);
                let held = worth_reading.then(|| read(&path));
                (stamp, held)
            });
            let Ok((stamp, held)) = looked.await else {
                continue;
            };
            before.clone_from(&stamp);
            if let Some(held) = held {
                self.settled = stamp.filter(|stamp| stamp.is_settled(SystemTime::now()));
                if self.held != held {
                    self.held = held;
                    return;
                }
            }
        }
    }
}

fn read(path: &std::path::Path) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut held).ok()?;
    Some(held)
}

/// Far more than a configuration has.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a change shows, on a clock that runs as fast as the test.
    async fn changes(watch: &mut FileWatch) -> bool {
        tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn each_other_content_shows_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, next) = (directory.path().join("keywright.toml"), directory.path().join("next"));
        std::fs::write(&path, "one").expect("written");
        let mut watch = FileWatch::new(&path);
        assert!(!changes(&mut watch).await);
        std::fs::write(&path, "one").expect("written");
        assert!(!changes(&mut watch).await, "written, and the same");
        std::fs::write(&path, "two").expect("written");
        assert!(changes(&mut watch).await);
        assert!(!changes(&mut watch).await, "told once");
        std::fs::write(&next, "six").expect("written");
        std::fs::rename(&next, &path).expect("renamed");
        assert!(changes(&mut watch).await);
        std::fs::remove_file(&path).expect("removed");
        assert!(changes(&mut watch).await);
        assert!(!changes(&mut watch).await);
        std::fs::write(&path, "six").expect("written");
        assert!(changes(&mut watch).await, "it is back");
        std::fs::write(&path, "ten").expect("written");
        watch.look();
        assert!(!changes(&mut watch).await, "somebody has read that already");
    }
}
