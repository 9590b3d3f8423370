//! WebSockets: after the upgrade two streams are joined, and nothing fails over any more.

use std::sync::Arc;

use http::Response;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::relay::Down;
use crate::shared::Shared;

/// Joins the caller's stream with the provider's, once both sides have switched.
pub(crate) fn join(shared: &Arc<Shared>, mut response: Response<Down>, caller: OnUpgrade) -> Response<Down> {
    let provider = hyper::upgrade::on(&mut response);
    let mut draining = shared.draining.subscribe();
    tokio::spawn(async move {
        let (caller, provider) = match tokio::try_join!(caller, provider) {
            Ok(streams) => streams,
            Err(error) => {
                tracing::debug!(%error, "the upgrade broke off");
                return;
            }
        };
        let (mut caller, mut provider) = (TokioIo::new(caller), TokioIo::new(provider));
        tokio::select! {
            ended = tokio::io::copy_bidirectional(&mut caller, &mut provider) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "the WebSocket broke off");
                }
            }
            _ = draining.wait_for(|draining| *draining) => {}
        }
    });
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    Response::from_parts(parts, Down::empty())
}
