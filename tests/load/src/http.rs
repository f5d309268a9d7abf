//! A lean HTTP/1.1 client over one connection: what it costs is taken from the servers that it measures.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads its whole answer; gives the status. The body is in [`Connection::body`].
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head]).map_err(|_| broken("its head is not text"))?;
        let status =
            text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| broken("it has no status"))?;
        let length = content_length(text)?;
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        self.buffer.drain(..head);
        Ok(status)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.buffer
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One request on a connection of its own, with the answer's JSON (`null` when it is none).
pub async fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<(u16, Value)> {
    let request = request(method, path, "content-type: application/json\r\n", body.as_bytes());
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let status = connection.exchange(&request).await?;
        Ok((status, serde_json::from_slice(connection.body()).unwrap_or_default()))
    };
    timeout(PATIENCE, exchange).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
}

/// A whole request. `headers` are whole lines.
pub fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn content_length(head: &str) -> Result<usize> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match lengths.next() {
        Some((_, length)) => length.trim().parse().map_err(|_| broken("its length is no number")),
        None if head.starts_with("HTTP/1.1 204") => Ok(0),
        None => Err(broken("it does not say how long it is")),
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the answer cannot be read: {what}"))
}
