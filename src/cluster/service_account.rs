//! The API server as a Pod sees it: its address in two environment variables,
//! and a directory with the service account's token, the CA and the
//! namespace. A kubeconfig is not read: its plugins and proxies are nothing
//! that a Pod has.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Error;
use crate::source::io_fault;

/// The directory in which the kubelet mounts a service account.
pub const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const HOST_VARIABLE: &str = "KUBERNETES_SERVICE_HOST";
const PORT_VARIABLE: &str = "KUBERNETES_SERVICE_PORT";

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest wait for an answer's head.
const ANSWER: Duration = Duration::from_secs(15);

/// A failure on the way to the API server.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The service account in a directory, as kubelet mounts it, and the API server
/// that knows it.
///
/// The directory's files are read for every connection: the kubelet renews the
/// token, and a CA may be renewed too.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// With `token`, `ca.crt` and `namespace`.
    pub folder: PathBuf,
    /// The API server's name or address, an IPv6 one without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl ServiceAccount {
    /// Returns the store of this Pod, mounted at `folder`.
    ///
    /// # Errors
    ///
    /// When the environment does not say where the API server is.
    pub fn of_this_pod(folder: PathBuf) -> Result<Self, Error> {
        let variable =
            |name: &str| std::env::var(name).map_err(|_| Error::Nowhere(format!("{name} is not set")));
        let (host, port) = (variable(HOST_VARIABLE)?, variable(PORT_VARIABLE)?);
        let port = port
            .parse()
            .map_err(|_| Error::Nowhere(format!("{PORT_VARIABLE} is {port:?}, which is not a port")))?;
        Ok(Self { folder, host, port })
    }

    /// Makes a client of the API server, and tells the namespace of the
    /// service account. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the directory is not as kubelet makes it.
    pub fn connect(self) -> Result<(Client, String), Error> {
        let namespace = self.read("namespace")?;
        // Read at once, so that a missing file is an error at the start, not at the first renewal.
        self.read("token")?;
        self.tls()?;
        let account = Arc::new(self);
        let service = tower::service_fn(move |request| {
            let account = Arc::clone(&account);
            async move { account.send(request).await }
        });
        Ok((Client::new(service, namespace.clone()), namespace))
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(|error| {
            Error::Nowhere(format!("cannot read {}: {}", path.display(), io_fault::reason(&error)))
        })?;
        Ok(text.trim().to_owned())
    }

    fn tls(&self) -> Result<TlsConnector, Error> {
        let bad = |reason: String| Error::Nowhere(format!("{}/ca.crt: {reason}", self.folder.display()));
        let pem = self.read("ca.crt")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(bad("it contains no certificate".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Returns the host as a URL has it.
    fn authority(&self) -> Result<Authority, Failure> {
        let is_v6 = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
        let host = if is_v6 { format!("[{}]", self.host) } else { self.host.clone() };
        Ok(Authority::try_from(format!("{host}:{}", self.port))?)
    }

    /// Sends one request on a connection of its own: there are a few in ten
    /// seconds, and a connection that is new is never stale.
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let (mut head, body) = request.into_parts();
        let authority = self.authority()?;
        head.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
        let mut token = HeaderValue::from_str(&format!("Bearer {}", self.read("token")?))?;
        // So that no log of headers shows it.
        token.set_sensitive(true);
        head.headers.insert(AUTHORIZATION, token);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let connect = async {
            let stream = TcpStream::connect((&*self.host, self.port)).await?;
            let name = ServerName::try_from(self.host.clone())?;
            let stream = self.tls()?.connect(name, stream).await?;
            Ok::<_, Failure>(hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?)
        };
        let place = Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(path).build()?;
        let (mut sender, connection) = timeout(CONNECT, connect)
            .await
            .map_err(|_| format!("no connection to {place} in {} s", CONNECT.as_secs()))?
            .map_err(|error| format!("no connection to {place}: {error}"))?;
        // hyper sends nothing unless its connection is polled.
        tokio::spawn(connection);
        // HTTP/1.1 sends the path alone; the host is in its header.
        head.uri = path.parse()?;
        let answer = timeout(ANSWER, sender.send_request(Request::from_parts(head, body))).await;
        Ok(answer.map_err(|_| format!("no answer from {place} in {} s", ANSWER.as_secs()))??)
    }
}
