//! One HTTP/1.1 connection that sends ready-made requests.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Call;
use super::reader::{Fault, Reader, Seen};

/// A keep-alive connection; it opens itself when needed.
#[derive(Debug)]
pub(crate) struct Connection {
    target: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
}

impl Connection {
    /// A connection that is not open yet.
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self { target, stream: None, buffer: vec![0; BUFFER_BYTES].into_boxed_slice() }
    }

    /// Sends the request and reads the answer to its last byte.
    ///
    /// After a fault the connection is closed; the next exchange opens another one.
    pub(crate) async fn exchange(&mut self, call: &Call) -> Result<Seen, Fault> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open(self.target).await?,
        };
        stream.write_all(&call.request).await.map_err(|error| Fault::Broken(error.to_string()))?;
        let mut reader = Reader::new(call.answer.as_deref());
        let mut filled = 0;
        while !reader.finished() {
            let read = stream.read(&mut self.buffer[filled..]).await;
            let read = read.map_err(|error| Fault::Broken(error.to_string()))?;
            if read == 0 {
                reader.close()?;
                break;
            }
            filled += read;
            let used = reader.advance(&self.buffer[..filled])?;
            self.buffer.copy_within(used..filled, 0);
            filled -= used;
            if filled == self.buffer.len() {
                return Err(Fault::Malformed("a head or chunk line that never ends"));
            }
        }
        if filled > 0 {
            return Err(Fault::Malformed("bytes after the end"));
        }
        let seen = reader.seen()?;
        if !seen.closes {
            self.stream = Some(stream);
        }
        Ok(seen)
    }
}

async fn open(target: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(target).await.map_err(|error| Fault::Broken(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| Fault::Broken(error.to_string()))?;
    Ok(stream)
}

/// Room for one read; larger answers pass through piece by piece.
const BUFFER_BYTES: usize = 32 * 1024;
