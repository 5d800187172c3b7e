//! The API server spoken to directly: hundreds of requests in a second, over
//! one connection, where kubectl would take minutes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nfs_mount_guard::kind::Kind;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::client_config::trusting;

/// The number of requests in flight at once.
const AT_ONCE: usize = 16;

/// A connection to the API server.
pub struct Api {
    runtime: tokio::runtime::Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub body: Value,
}

/// The response of the API server.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub body: Value,
    pub warnings: Vec<String>,
}

impl Said {
    /// Returns true if the request passed.
    pub fn passed(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The message of a refusal.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Call {
    /// Creates an object, without storing it.
    pub fn try_create(object: &Value) -> Self {
        Self {
            method: Method::POST,
            path: format!("{}?dryRun=All", collection(object)),
            body: object.clone(),
        }
    }

    /// Creates an object.
    pub fn create(object: &Value) -> Self {
        Self { method: Method::POST, path: collection(object), body: object.clone() }
    }

    /// Puts an object in the place of the stored one of its name, without
    /// storing it.
    pub fn try_replace(object: &Value) -> Self {
        Self {
            method: Method::PUT,
            path: format!("{}/{}?dryRun=All", collection(object), crate::objects::name(object)),
            body: object.clone(),
        }
    }
}

/// Returns the collection of an object: of those that have one, in the namespace default.
fn collection(object: &Value) -> String {
    let kind = object["kind"].as_str().and_then(Kind::parse).expect("a kind that is judged");
    let group =
        if kind.group().is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", kind.group()) };
    let namespace = match kind {
        Kind::StorageClass | Kind::PersistentVolume | Kind::VolumeSnapshotClass => "",
        _ => "/namespaces/default",
    };
    format!("{group}{namespace}/{}", kind.plural())
}

impl Api {
    /// Connects as the administrator, trusting the authority that stands last
    /// in the API server's own certificate file.
    pub fn connect(address: SocketAddr, certificate: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .expect("a certificate")
            .collect::<Result<_, _>>()
            .expect("certificates");
        let config = trusting(chain.last().expect("an authority").clone(), "h2");
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            // Else every request waits 40 ms for the acknowledgement of its head.
            stream.set_nodelay(true).expect("a socket");
            let name = ServerName::try_from(address.ip().to_string()).expect("a name");
            let stream =
                TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .expect("HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// Sends all of them and gives the answers in the same order.
    pub fn send_all(&self, calls: Vec<Call>) -> Vec<Said> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        self.runtime.block_on(async {
            let tasks: Vec<_> = calls
                .into_iter()
                .map(|call| {
                    let (sender, places) = (self.sender.clone(), Arc::clone(&places));
                    tokio::spawn(async move {
                        let _place = places.acquire().await.expect("a place");
                        send(sender, call).await
                    })
                })
                .collect();
            let mut answers = Vec::with_capacity(tasks.len());
            for task in tasks {
                answers.push(task.await.expect("an answer"));
            }
            answers
        })
    }

    /// The bytes at a path.
    pub fn read(&self, path: &str) -> Bytes {
        let mut sender = self.sender.clone();
        let request = Request::builder()
            .uri(format!("https://localhost{path}"))
            .header("authorization", "Bearer admin-token")
            .header("accept", "application/json")
            .body(Full::new(Bytes::new()))
            .expect("a request");
        self.runtime.block_on(async {
            let response = sender.send_request(request).await.expect("a response");
            assert!(response.status().is_success(), "{path}: {}", response.status());
            response.into_body().collect().await.expect("a body").to_bytes()
        })
    }

    /// Sends one.
    pub fn send(&self, call: Call) -> Said {
        self.send_all(vec![call]).remove(0)
    }
}

async fn send(mut sender: SendRequest<Full<Bytes>>, call: Call) -> Said {
    let request = Request::builder()
        .method(call.method)
        .uri(format!("https://localhost{}", call.path))
        .header("authorization", "Bearer admin-token")
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(Full::new(Bytes::from(call.body.to_string())))
        .expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let status = response.status().as_u16();
    let warnings = response
        .headers()
        .get_all("warning")
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Said { status, body, warnings }
}
