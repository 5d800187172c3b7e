//! Plain HTTP on the TLS port: the caller gets 400 with the reason.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TEXT: &str = "this port serves HTTPS (TLS) only: use https://\n";

/// Waits for the caller's first byte, and takes none: a method begins with a
/// letter, TLS does not.
pub(super) async fn is_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    // The record of a handshake begins with the byte 22 (RFC 8446, section 5.1).
    matches!(stream.peek(&mut first).await, Ok(1)) && first.iter().all(u8::is_ascii_uppercase)
}

/// Says what is wrong.
pub(super) async fn answer(mut stream: TcpStream) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Drains the request: closing with unread data sends RST, and the client may never see the
        // response.
        let mut rest = [0; 1024];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // The response is best effort: the caller may be gone.
    let _ = timeout(Duration::from_secs(1), said).await;
}
