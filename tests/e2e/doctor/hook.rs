//! A webhook in this process: one that responds as ours does, or does something wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::ca::Pair;
use nfs_mount_guard::policy::Policy;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The status and body for the call of this number, from 1, of a path.
type Respond = fn(path: &str, body: &[u8], call: u64) -> (u16, Vec<u8>);

/// A running webhook; its end cuts every connection.
pub(super) struct Hook {
    pub(super) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

/// As nfs-mount-guard with the built-in policy.
pub(super) fn ours(path: &str, body: &[u8], _call: u64) -> (u16, Vec<u8>) {
    let endpoint = match path {
        "/mutate" => Endpoint::Mutate,
        "/validate" => Endpoint::Validate,
        _ => return (404, b"404 page not found\n".to_vec()),
    };
    let policy = Policy::default();
    let question = Question { endpoint, body, policy: &policy, today: OffsetDateTime::now_utc().date() };
    let answer = review(&question, &mut |_| {});
    (answer.status, answer.body)
}

/// Allows everything, and takes `fg` out of mountOptions.
pub(super) fn strips_fg(_path: &str, body: &[u8], _call: u64) -> (u16, Vec<u8>) {
    let review: Value = serde_json::from_slice(body).expect("JSON");
    let options = review["request"]["object"]["mountOptions"].as_array().cloned().unwrap_or_default();
    let patch: Vec<Value> = options
        .iter()
        .position(|option| option == "fg")
        .map(|index| json!({"op": "remove", "path": format!("/mountOptions/{index}")}))
        .into_iter()
        .collect();
    let patch = base64::engine::general_purpose::STANDARD.encode(json!(patch).to_string());
    respond(&review, json!({"allowed": true, "patchType": "JSONPatch", "patch": patch}))
}

/// Denies everything.
pub(super) fn denies(_path: &str, body: &[u8], _call: u64) -> (u16, Vec<u8>) {
    let review: Value = serde_json::from_slice(body).expect("JSON");
    respond(
        &review,
        json!({"allowed": false, "status": {"code": 403, "message": "classes are made by Terraform"}}),
    )
}

fn respond(review: &Value, mut response: Value) -> (u16, Vec<u8>) {
    response["uid"] = review["request"]["uid"].clone();
    let answer =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    (200, answer.to_string().into_bytes())
}

impl Hook {
    pub(super) fn start(address: SocketAddr, pair: &Pair, respond: Respond) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pair.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .expect("certificates");
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(TcpListener::bind(address)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let calls = Arc::new(AtomicU64::new(0));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, calls) = (acceptor.clone(), Arc::clone(&calls));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, respond, Arc::clone(&calls)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, runtime: Some(runtime) }
    }
}

async fn answer(
    request: Request<Incoming>,
    respond: Respond,
    calls: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    // Each path is counted by itself.
    let call = if path == "/mutate" { calls.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
    let (status, body) = respond(&path, &body, call);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().expect("a status");
    response.headers_mut().insert("content-type", "application/json".parse().expect("a type"));
    Ok(response)
}

impl Drop for Hook {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The port is free when this is done.
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}
