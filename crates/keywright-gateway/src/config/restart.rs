//! Settings that only a start takes.

use super::GatewaySettings;

impl GatewaySettings {
    /// Keeps what a running gateway cannot change as it was `before`; the names of the settings that differ.
    pub(crate) fn keep_until_restart(&mut self, before: &Self) -> Vec<&'static str> {
        let mut kept = Vec::new();
        keep("listen", &mut self.listen, &before.listen, &mut kept);
        keep("admin", &mut self.admin, &before.admin, &mut kept);
        keep("workers", &mut self.workers, &before.workers, &mut kept);
        keep("tls", &mut self.tls, &before.tls, &mut kept);
        keep("replay_total_bytes", &mut self.replay_total_bytes, &before.replay_total_bytes, &mut kept);
        keep("drain_timeout_ms", &mut self.drain_timeout, &before.drain_timeout, &mut kept);
        keep("history", &mut self.history, &before.history, &mut kept);
        keep("last_known_good", &mut self.last_known_good, &before.last_known_good, &mut kept);
        keep("ask", &mut self.ask, &before.ask, &mut kept);
        kept
    }
}

fn keep<T: Clone + PartialEq>(name: &'static str, value: &mut T, before: &T, kept: &mut Vec<&'static str>) {
    if value != before {
        before.clone_into(value);
        kept.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_alone_takes_stays_and_the_rest_changes() {
        let before = GatewaySettings::default();
        assert!(before.clone().keep_until_restart(&before).is_empty());
        let mut after = GatewaySettings {
            listen: ([0, 0, 0, 0], 1).into(),
            workers: before.workers + 1,
            park_requests: before.park_requests + 1,
            ..before.clone()
        };
        assert_eq!(after.keep_until_restart(&before), ["listen", "workers"]);
        assert_eq!((after.listen, after.workers), (before.listen, before.workers));
        assert_eq!(after.park_requests, before.park_requests + 1);
    }
}
