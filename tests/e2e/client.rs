//! A client of the server, over TLS and either HTTP version.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client_config::{authority, trusting};

/// The response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A client that trusts one authority.
#[derive(Clone)]
pub struct Client {
    connector: TlsConnector,
    address: SocketAddr,
}

impl Client {
    /// Trusts the authority in `certs`; speaks `protocol`, `h2` or `http/1.1`.
    pub fn new(address: SocketAddr, certs: &Path, protocol: &str) -> Self {
        let config = trusting(authority(certs), protocol);
        Self { connector: TlsConnector::from(Arc::new(config)), address }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(self.address).await.map_err(|e| fail(&e))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.connector.connect(name, stream).await.map_err(|e| fail(&e))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let response = if is_http2 {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(|e| fail(&e))?;
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.map_err(|e| fail(&e))?;
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        let response = response.map_err(|e| fail(&e))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|e| fail(&e))?.to_bytes().to_vec();
        Ok(Reply { status, body })
    }

    /// Sends the head of a request and holds back its body until `held` ends.
    pub async fn hold(&self, path: &str, held: tokio::sync::oneshot::Receiver<()>) -> Result<(), String> {
        let fail = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(self.address).await.map_err(|e| fail(&e))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = self.connector.connect(name, stream).await.map_err(|e| fail(&e))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.map_err(|e| fail(&e))?;
        stream.flush().await.map_err(|e| fail(&e))?;
        let _ = held.await;
        Ok(())
    }

    /// Posts JSON to a path.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Reply, String> {
        self.send(request(Method::POST, path, Some("application/json"), body)).await
    }
}

/// A request for the server.
pub fn request(
    method: Method,
    path: &str,
    content_type: Option<&str>,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut builder =
        Request::builder().method(method).uri(format!("https://localhost{path}")).header("host", "localhost");
    if let Some(content_type) = content_type {
        builder = builder.header("content-type", content_type);
    }
    builder.body(Full::new(body.into())).expect("a request")
}

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Plain HTTP to the status port.
pub async fn status(address: SocketAddr, path: &str) -> Result<Reply, String> {
    let fail = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|e| fail(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| fail(&e))?;
    tokio::spawn(connection);
    let response =
        sender.send_request(request(Method::GET, path, None, Bytes::new())).await.map_err(|e| fail(&e))?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|e| fail(&e))?.to_bytes().to_vec();
    Ok(Reply { status, body })
}
