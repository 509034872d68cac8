//! A small HTTP/1.0 POST: the clients' control ports want no more.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most that an answer may hold.
const MAX_ANSWER: u64 = 8 << 20;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    head: String,
    body: String,
}

impl Answer {
    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        let wrong = || format!("this is no JSON: {:.100}", self.body);
        serde_json::from_str(&self.body).with_context(wrong)
    }
}

/// POST on a fresh connection, which the server closes.
///
/// # Errors
/// The connection's, or that the answer is not whole.
pub async fn post(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
    let body = body.to_string();
    let mut request = format!(
        "POST {path} HTTP/1.0\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    let mut stream = TcpStream::connect(to).await.with_context(|| format!("http://{to}{path}"))?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) =
        answer.split_once("\r\n\r\n").with_context(|| format!("http://{to}{path} gave no whole answer"))?;
    Ok(Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case() {
        let answer = Answer {
            head: "HTTP/1.1 409 Conflict\r\nX-Transmission-Session-Id: abc".to_owned(),
            body: "<h1>409</h1>".to_owned(),
        };
        assert_eq!(answer.header("x-transmission-session-id"), Some("abc"));
        assert_eq!(answer.header("Date"), None);
        assert!(answer.json().unwrap_err().to_string().contains("409"));
    }
}
