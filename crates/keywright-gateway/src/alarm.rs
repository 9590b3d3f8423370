//! A timer that costs next to nothing while nobody is late.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// Rings when a moment has passed that may move on all the time.
///
/// A timer of tokio's is entered into a list when it is set and taken out when it is dropped; with several of them for each
/// request that is a good part of a request's cost. This one is made when it is first waited for, stays set when the moment moves
/// on, and looks at the moment again when it rings.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `due` has passed; else the task is woken when it may have.
    pub(crate) fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_the_moment_has_passed_wherever_it_moved() {
        let mut alarm = Alarm::default();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        // Set, and not waited for to the end: the moment moves on, then back.
        for seconds in [3, 9, 2] {
            assert!(poll_fn(|cx| Poll::Ready(alarm.poll(began + second * seconds, cx))).await.is_pending());
        }
        poll_fn(|cx| alarm.poll(began + second * 2, cx)).await;
        assert_eq!(began.elapsed(), second * 2);
        poll_fn(|cx| alarm.poll(began + second * 7, cx)).await;
        assert_eq!(began.elapsed(), second * 7);
        poll_fn(|cx| alarm.poll(began, cx)).await;
        assert_eq!(began.elapsed(), second * 7, "what has passed rings at once");
    }
}
