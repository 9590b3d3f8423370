//! What an answer brings piece by piece.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{Stream, StreamExt};

use super::error::Error;

/// The pieces of an answer, as they come. It ends after an error. Dropping it cancels the call.
pub struct Streamed<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T> Streamed<T> {
    pub(super) fn new(pieces: impl Stream<Item = Result<T, Error>> + Send + 'static) -> Self {
        Self(Box::pin(pieces))
    }

    /// The next piece.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        self.0.next().await
    }
}

impl Streamed<String> {
    /// All of the text.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn text(mut self) -> Result<String, Error> {
        let mut all = String::new();
        while let Some(piece) = self.next().await {
            all.push_str(&piece?);
        }
        Ok(all)
    }
}

impl<T> Stream for Streamed<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T> fmt::Debug for Streamed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").finish_non_exhaustive()
    }
}
