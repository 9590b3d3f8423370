//! A source that gives nothing that can be used, while its key may serve on.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Key, Unreadable};

/// Why the source gave nothing when it was read last; nothing while it gives a value.
#[derive(Default)]
pub(super) struct Trouble(ArcSwapOption<Unreadable>);

impl Trouble {
    /// Notes it; true when the source gave a value before.
    fn begin(&self, why: &Unreadable) -> bool {
        self.0.swap(Some(Arc::new(why.clone()))).is_none()
    }

    /// The same trouble as that of the key in the snapshot before.
    pub(super) fn continue_from(&self, old: &Self) {
        self.0.store(old.0.load_full());
    }
}

impl Key {
    /// Notes that the source gave nothing that can be used.
    pub(crate) fn note_source_down(&self, why: &Unreadable) {
        self.trouble.begin(why);
    }

    /// The same, and tells it in the log when it begins while a value serves.
    pub(crate) fn source_fails(&self, provider: &str, why: &Unreadable) {
        if self.trouble.begin(why)
            && let Some(value) = self.value()
        {
            let (key, says) = (&value.masked, &why.says);
            let help = why.fix.as_ref().map(|fix| fix.says.as_str());
            tracing::warn!(provider, key, why = says, help, "the source gives no key now; this one serves on");
        }
    }

    /// Notes that the source gives a value, and tells it in the log when it did not before.
    pub(crate) fn source_works(&self, provider: &str) {
        if self.trouble.0.swap(None).is_some() {
            tracing::info!(provider, key = self.masked(), source = self.source(), "the source gives a key again");
        }
    }

    /// Why the source gives nothing that can be used, while it does not.
    pub(crate) fn source_down(&self) -> Option<Arc<Unreadable>> {
        self.trouble.0.load_full()
    }
}
