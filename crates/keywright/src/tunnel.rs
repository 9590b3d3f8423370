//! A way through an HTTP proxy: `CONNECT`, as programs with `HTTPS_PROXY` go it.
//!
//! The proxy sees host and port, never what is said through the tunnel.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keywright_core::Secret;
use keywright_core::inspect::proxy::{Proxy, ProxyKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::{ConnectError, Progress, dial_tcp};

/// A proxy that connections go through.
#[derive(Debug)]
pub struct Tunnel {
    host: String,
    port: u16,
    /// `user:password`, decoded.
    user: Option<Secret>,
}

/// Why a proxy did not pass a connection on.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The proxy itself cannot be reached.
    #[error("the proxy cannot be reached")]
    Unreachable(#[source] Box<ConnectError>),
    /// It answered with this status.
    #[error("the proxy answered {0}")]
    Denied(u16),
    /// It said nothing that a proxy says.
    #[error("the proxy does not speak as one")]
    NotAProxy,
    /// The connection with it broke.
    #[error("the connection with the proxy broke")]
    Broken(#[from] io::Error),
}

impl Tunnel {
    /// The way through this proxy, if it speaks plain HTTP.
    pub fn of(proxy: &Proxy) -> Option<Self> {
        (proxy.kind == ProxyKind::Http).then(|| Self {
            host: proxy.host.clone(),
            port: proxy.port,
            user: proxy.user.as_ref().map(|user| Secret::new(decoded(user.expose()))),
        })
    }

    /// Opens a connection to a host through the proxy.
    pub(crate) async fn open(&self, host: &str, port: u16) -> Result<TcpStream, TunnelError> {
        let dialled = dial_tcp(&self.host, self.port, &Progress::default()).await;
        let mut tcp = dialled.map_err(|error| TunnelError::Unreachable(Box::new(error)))?;
        tcp.write_all(self.request(host, port).as_bytes()).await?;
        match status(&head(&mut tcp).await?) {
            Some(200..300) => Ok(tcp),
            Some(status) => Err(TunnelError::Denied(status)),
            None => Err(TunnelError::NotAProxy),
        }
    }

    fn request(&self, host: &str, port: u16) -> String {
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let user = self.user.as_ref().map(|user| STANDARD.encode(user.expose()));
        let user = user.map(|user| format!("Proxy-Authorization: Basic {user}\r\n")).unwrap_or_default();
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{user}\r\n")
    }
}

/// The head of the proxy's answer. What follows it belongs to the tunnel, so not one byte more is read.
async fn head(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
}

/// User and password stand percent-encoded in a proxy's address.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const LONGEST_HEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A proxy that answers with these bytes; gives what it heard.
    async fn play(user: Option<&str>, answer: &'static str) -> (Result<u8, TunnelError>, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.expect("a caller");
            let heard = head(&mut tcp).await.expect("a head");
            tcp.write_all(answer.as_bytes()).await.expect("written");
            String::from_utf8(heard).expect("text")
        });
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let proxy_at = Proxy::parse("HTTPS_PROXY", &format!("http://{user}127.0.0.1:{port}")).expect("a proxy");
        let opened = Tunnel::of(&proxy_at).expect("plain HTTP").open("api.example.com", 443).await;
        let first = match opened {
            Ok(mut tcp) => Ok(tcp.read_u8().await.expect("the tunnel's first byte")),
            Err(error) => Err(error),
        };
        (first, proxy.await.expect("it ended"))
    }

    #[tokio::test]
    async fn a_proxy_passes_a_connection_on_or_says_why_not() {
        let (first, heard) = play(Some("me:p%40ss%"), "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n!").await;
        assert_eq!(first.expect("a tunnel"), b'!');
        let user = STANDARD.encode("me:p@ss%");
        assert_eq!(
            heard,
            format!(
                "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\
                 Proxy-Authorization: Basic {user}\r\n\r\n"
            )
        );
        let (denied, heard) = play(None, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert!(matches!(denied, Err(TunnelError::Denied(407))) && !heard.contains("Authorization"));
        for nonsense in ["", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert!(matches!(play(None, nonsense).await.0, Err(TunnelError::NotAProxy)), "{nonsense}");
        }
    }
}
