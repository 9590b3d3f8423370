//! Takes over another configuration without dropping a request: on a signal, or when its file holds something else. Keys with
//! the same reference and value move over with their state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use crate::config::Config;
use crate::keeper;
use crate::live::{HandedOut, Live};
use crate::shared::Shared;
use crate::start::{Gateway, StartError};

impl Gateway {
    /// Takes over another configuration without dropping a request, except for what only a start takes, such as addresses:
    /// the names of the settings that stay as they are. On an error the configuration before stays in force.
    ///
    /// Every source is read. Another value is probed before it takes over, as at any rotation, and a refused one leaves
    /// the one before serving. This returns when all of them have been asked about.
    pub async fn reload(&self, mut config: Config) -> Result<Vec<&'static str>, StartError> {
        let shared = &self.shared;
        let before = shared.live.load_full();
        let kept = config.gateway.keep_until_restart(&before.settings);
        let built = Live::build(
            &config,
            &shared.resolver,
            shared.memory.as_ref(),
            shared.run_token.as_ref(),
            shared.workers,
            Some(&before),
        )
        .await;
        let (live, handed_out) = match built {
            Ok(built) => built,
            Err(error) => {
                self.reload_failed(&error.to_string());
                return Err(error);
            }
        };
        // A key that is new has its verdict before the first request may take it.
        let mut looks = JoinSet::new();
        for handed_out in handed_out {
            looks.spawn(take(Arc::clone(shared), handed_out));
        }
        while looks.join_next().await.is_some() {}
        shared.live.store(Arc::new(live));
        shared.refresh_redactor();
        before.upstreams.iter().for_each(|upstream| upstream.changed());
        shared.reloads.fetch_add(1, Ordering::Relaxed);
        shared.reload_error.store(None);
        Ok(kept)
    }

    /// Counts a configuration that could not be taken over.
    pub fn reload_failed(&self, why: &str) {
        self.shared.reload_failures.fetch_add(1, Ordering::Relaxed);
        self.shared.reload_error.store(Some(Arc::new(why.to_owned())));
    }
}

/// Takes what a source handed out. One that says that it has no key takes the key away; one that cannot be asked, or
/// holds half of a key, does not.
async fn take(shared: Arc<Shared>, HandedOut { upstream, key, value }: HandedOut) {
    let Some(right) = key.next_look().await else {
        return;
    };
    if let (Err(why), Some(old)) = (&value, key.value())
        && why.is_none()
    {
        let (provider, key_now, says) = (&upstream.id, &old.masked, &why.says);
        tracing::warn!(provider, key = key_now, why = says, "the source has no key any more; this one leaves");
        shared.retire(Some(&old));
        key.lose(why);
    }
    let seen = keeper::take(&shared, &upstream, &key, value).await;
    keeper::end_look(&shared, &upstream, &key, right, seen);
}
