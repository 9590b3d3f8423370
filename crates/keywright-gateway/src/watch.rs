//! The watch: files that hold keys are looked at twice a second, so that a rotation is found before the old key is refused.
//!
//! It compares what the system tells about each file, from its path on: a file that is written anew, renamed into
//! place or reached through a symlink that was swapped is another file. File events would come a little earlier, but
//! not at all from network and shared folders, and they watch a folder, not where a chain of symlinks ends.
//!
//! The keeper reads what changed. A new value is probed before it takes over; about one that is refused it asks again later,
//! while the old one serves.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::keeper::{self, Needed};
use crate::key::Key;
use crate::live::Upstream;
use crate::shared::Shared;

/// The keys of each file.
type Watched = BTreeMap<PathBuf, Vec<(Arc<Upstream>, Arc<Key>)>>;

/// Runs until the gateway stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut looks = JoinSet::new();
    let mut settled: HashMap<PathBuf, Option<Stamp>> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while looks.try_join_next().is_some() {}
        let watched = watched(&shared);
        let paths: Vec<PathBuf> = watched.keys().cloned().collect();
        // A network folder may hang, which must not hold up anything else.
        let stamped = tokio::task::spawn_blocking(move || paths.iter().map(|path| Stamp::of(path)).collect());
        let Ok::<Vec<Option<Stamp>>, _>(stamps) = stamped.await else {
            continue;
        };
        let now = SystemTime::now();
        let mut seen = HashMap::new();
        for ((path, keys), stamp) in watched.into_iter().zip(stamps) {
            if settled.get(&path) == Some(&stamp) {
                seen.insert(path, stamp);
                continue;
            }
            let mut looked = true;
            for (upstream, key) in keys {
                match key.begin_look() {
                    Some(right) => {
                        looks.spawn(keeper::look(Arc::clone(&shared), upstream, key, Needed::Source, right));
                    }
                    None => looked = false,
                }
            }
            if looked && stamp.as_ref().is_none_or(|stamp| stamp.is_settled(now)) {
                seen.insert(path, stamp);
            }
        }
        settled = seen;
    }
}

fn watched(shared: &Shared) -> Watched {
    let mut watched = Watched::new();
    for (upstream, key) in shared.live.load().keys() {
        if let Some(path) = key.reference.as_ref().and_then(|reference| shared.resolver.file_of(reference)) {
            watched.entry(path).or_default().push((Arc::clone(upstream), key));
        }
    }
    watched
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let identity = identity(&metadata);
        Some(Self { bytes: metadata.len(), modified: metadata.modified().ok(), identity })
    }

    /// Whether a later change would show. Within one tick of the file system's clock two writes look alike, and
    /// keys have the same length: a file that was written just now is read once more.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let age = self.modified.and_then(|modified| now.duration_since(modified).ok());
        age.is_none_or(|age| age >= COARSEST_CLOCK)
    }
}

/// Device, file number, and when the file's entry was last touched.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

/// How often a file is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// FAT keeps times of two seconds, and no file system that is mounted today is coarser.
const COARSEST_CLOCK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_changing_a_file_shows() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("written");
        assert_eq!(Stamp::of(&at("key")), None);
        write("key", "one");
        let first = Stamp::of(&at("key"));
        assert_eq!(Stamp::of(&at("key")), first);
        write("key", "longer");
        let second = Stamp::of(&at("key"));
        assert_ne!(second, first);
        write("next", "middle");
        std::fs::rename(at("next"), at("key")).expect("renamed");
        let third = Stamp::of(&at("key"));
        assert_ne!(third, second);
        #[cfg(unix)]
        {
            write("other", "middle");
            std::fs::remove_file(at("key")).expect("removed");
            std::os::unix::fs::symlink(at("other"), at("key")).expect("a symlink");
            assert_ne!(Stamp::of(&at("key")), third);
        }
    }

    #[test]
    fn a_fresh_file_is_not_settled() {
        let stamp = Stamp { bytes: 1, modified: Some(SystemTime::UNIX_EPOCH), identity: Identity::default() };
        let after = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(!stamp.is_settled(after(0)) && !stamp.is_settled(after(1)) && stamp.is_settled(after(2)));
    }
}
