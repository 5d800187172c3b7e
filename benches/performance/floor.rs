//! The floor: what any webhook in this language must spend. axum on rustls with
//! the same provider, allocator and settings as the server's, the body collected,
//! a constant answer.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &str = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":\
{\"uid\":\"705ab4f5-6393-11e8-b7cc-42010a800002\",\"allowed\":true}}";

/// The length of a UID.
const UID: usize = 36;

/// The response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The same for each request.
    Constant,
    /// With the UID of the request, without which an API server fails.
    Uid,
}

/// Serves until the process ends, at `address` with the certificate in `certs`.
pub fn run(address: &str, certs: &Path, what: Answer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Err(error) = runtime.block_on(serve(address, certs, what));
    panic!("{error}");
}

async fn serve(address: &str, certs: &Path, what: Answer) -> Result<Infallible, std::io::Error> {
    let chain = CertificateDer::pem_file_iter(certs.join("tls.crt")).expect("tls.crt");
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(certs.join("tls.key")).expect("tls.key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(address).await?;
    println!("{{\"message\":\"listening\",\"address\":\"{}\"}}", listener.local_addr()?);
    let router = match what {
        Answer::Constant => Router::new().route("/validate", post(answer)).route("/mutate", post(answer)),
        Answer::Uid => {
            Router::new().route("/validate", post(answer_with_uid)).route("/mutate", post(answer_with_uid))
        }
    };
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(router));
            let _ = if is_http2 {
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .serve_connection(io, service)
                    .await
            } else {
                hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(io, service)
                    .await
            };
        });
    }
}

async fn answer(body: Bytes) -> ([(HeaderName, &'static str); 1], &'static str) {
    drop(std::hint::black_box(body));
    ([(CONTENT_TYPE, "application/json")], ANSWER)
}

async fn answer_with_uid(body: Bytes) -> ([(HeaderName, &'static str); 1], String) {
    // The API server writes it before the object.
    let key = memchr::memmem::find(&body, b"\"uid\":\"").expect("a UID") + "\"uid\":\"".len();
    let uid = std::str::from_utf8(&body[key..key + UID]).expect("ASCII");
    let (before, after) = ANSWER.split_once("705ab4f5-6393-11e8-b7cc-42010a800002").expect("a UID");
    ([(CONTENT_TYPE, "application/json")], format!("{before}{uid}{after}"))
}
