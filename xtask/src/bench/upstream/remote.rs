//! Steers an upstream that runs in another process.

use std::net::SocketAddr;

use bytes::Bytes;

use super::keys::Calls;
use crate::bench::error::{Error, Result};
use crate::bench::load::{Call, Connection};

/// The control door of a running upstream.
#[derive(Debug)]
pub(crate) struct Remote {
    address: SocketAddr,
    connection: Connection,
}

impl Remote {
    /// The upstream at `address`.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: Connection::new(address) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Revokes a key; every call that arrives after this returns is refused.
    pub(crate) async fn revoke(&mut self, key: &str) -> Result<()> {
        self.send("PUT", &format!("keys/{key}/revoked")).await.map(drop)
    }

    /// Forgets calls and revocations.
    pub(crate) async fn reset(&mut self) -> Result<()> {
        self.send("POST", "reset").await.map(drop)
    }

    /// What was counted since the last reset.
    pub(crate) async fn calls(&mut self) -> Result<Calls> {
        let body = self.send("GET", "calls").await?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::program("upstream", format!("tells calls that are none: {error}")))
    }

    async fn send(&mut self, method: &str, path: &str) -> Result<Vec<u8>> {
        let request = format!("{method} /_bench/{path} HTTP/1.1\r\nHost: upstream\r\nContent-Length: 0\r\n\r\n");
        let call = Call { target: self.address, request: Bytes::from(request), answer: None };
        let seen = self.connection.exchange(&call).await;
        seen.map(|seen| seen.body)
            .map_err(|fault| Error::program("upstream", format!("refuses `{method} {path}`: {fault}")))
    }
}
