//! The webhook server: its own accept loop on TLS, a plain status port beside
//! it, and an orderly stop.

pub mod activity;
mod asked;
pub mod body;
pub mod buffer;
pub mod client_auth;
mod complaints;
pub mod concurrency;
pub mod connection;
pub mod connections;
pub mod limits;
mod plaintext;
pub mod port;
mod reload;
pub mod routes;
pub mod status;
pub mod tls;
pub mod watch;
pub mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::io::Errno;
use rustls::{ServerConfig, ServerConnection};
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::Level;

use crate::policy::Policy;
use crate::telemetry::log::Dropped;
use crate::telemetry::metrics::Reload;
use client_auth::Clients;
use complaints::Complaints;
use connection::{End, Protocol};
use connections::{Caller, Connections};
use limits::Limits;
use routes::{Shared, Webhook};
use tls::{Certificate, CertificateStore};
use workers::Workers;

/// The source of the serving certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A directory with `tls.crt` and `tls.key`, watched.
    Folder(PathBuf),
    /// Another task puts it into [`Server::certificates`]; until then the
    /// server is not ready.
    Managed,
    /// Made in memory, for a first try.
    SelfSigned,
}

/// The configuration of a server.
#[derive(Debug)]
pub struct Config {
    /// The address that the API server calls.
    pub listen: SocketAddr,
    /// The address that probes and Prometheus call.
    pub status_listen: SocketAddr,
    /// The source of the certificate.
    pub certificate: CertificateSource,
    /// The allowed callers; `None` allows all.
    pub clients: Option<Clients>,
    /// The policy to begin with.
    pub policy: Arc<Policy>,
    /// The file it comes from, watched.
    pub policy_file: Option<PathBuf>,
    /// The limits.
    pub limits: Limits,
    /// Threads that answer, at least the one that runs the server.
    pub threads: usize,
    /// The time for which it continues to serve once a signal stops it, so that callers learn of
    /// it first.
    pub shutdown_delay: Duration,
    /// Counts log lines that were dropped.
    pub log_dropped: Option<Dropped>,
}

/// The reason why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port cannot be opened.
    #[error("cannot listen on {address} ({flag}){}", hint(source))]
    Listen {
        /// The port.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] tls::Error),
    /// The threads cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has this port, choose another one",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root",
        _ => "",
    }
}

/// A server whose ports are open and whose certificate is good.
#[derive(Debug)]
pub struct Server {
    config: Config,
    listener: TcpListener,
    status_listener: TcpListener,
    store: Arc<CertificateStore>,
    /// The directory's state before the certificate was loaded.
    certificate_files: tls::FileState,
    tls: Arc<ArcSwap<ServerConfig>>,
    shared: Arc<Shared>,
    workers: Workers,
}

/// The request to stop a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// After a delay in which the status port is not ready: SIGTERM.
    AfterDelay,
    /// At once, after the requests in flight: Ctrl-C.
    Now,
}

impl Server {
    /// Loads the certificate, opens both ports and starts the threads. Called
    /// inside a runtime of tokio.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be used, a port cannot be opened or a thread
    /// cannot be started.
    pub fn bind(config: Config) -> Result<Self, Error> {
        let now = OffsetDateTime::now_utc();
        let mut certificate_files = Vec::new();
        let certificate = match &config.certificate {
            CertificateSource::Folder(folder) => {
                // Taken before the files are read: a change in between is then seen as one.
                certificate_files = tls::file_state(folder);
                Some(Certificate::load(folder, now)?)
            }
            CertificateSource::SelfSigned => Some(Certificate::self_signed(now)?),
            CertificateSource::Managed => None,
        };
        // Before the ports are opened, so that no connection is taken that could not be kept.
        let limits = config.limits.within_open_files();
        let shared = Arc::new(Shared::new(Arc::clone(&config.policy), limits));
        let store = match certificate {
            Some(certificate) => {
                let not_after = certificate.not_after().unix_timestamp();
                shared.metrics.certificate(Reload::Loaded, Some(not_after));
                CertificateStore::new(certificate)
            }
            None => CertificateStore::default(),
        };
        let store = Arc::new(store);
        let clients = config.clients.as_ref().map(Clients::verifier).transpose()?;
        let tls = tls::server_config(Arc::clone(&store), clients)?;
        let listener = port::listen(config.listen, "--listen")?;
        let status_listener = port::listen(config.status_listen, "--status-listen")?;
        let workers = Workers::start(config.threads).map_err(Error::Thread)?;
        Ok(Self {
            tls: Arc::new(ArcSwap::from_pointee(tls)),
            store,
            certificate_files,
            config,
            listener,
            status_listener,
            shared,
            workers,
        })
    }

    /// Returns the store of the certificate for the next handshake.
    pub const fn certificates(&self) -> &Arc<CertificateStore> {
        &self.store
    }

    /// Returns the state that the requests share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the port that was opened; of use when port 0 was requested.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns the status port that was opened.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn status_address(&self) -> io::Result<SocketAddr> {
        self.status_listener.local_addr()
    }

    /// Serves until `stop` says how to end, then ends in order.
    pub async fn run(self, stop: impl Future<Output = Stop>) {
        let status = status::Status {
            shared: Arc::clone(&self.shared),
            certificates: Arc::clone(&self.store),
            log_dropped: self.config.log_dropped,
        };
        // First, so that probes find the port while the rest starts.
        let status_task = tokio::spawn(status::serve(self.status_listener, status));
        let reload_task = tokio::spawn(reload::certificate(
            self.config.certificate.clone(),
            self.certificate_files,
            Arc::clone(&self.store),
            Arc::clone(&self.shared),
        ));
        let policy_task =
            tokio::spawn(reload::policy(self.config.policy_file.clone(), Arc::clone(&self.shared)));
        let clients_task = tokio::spawn(reload::clients(
            self.config.clients.clone(),
            Arc::clone(&self.store),
            Arc::clone(&self.tls),
        ));
        let stopping = Sender::new(());
        {
            let accept = accept_loop(
                &self.listener,
                &self.tls,
                self.config.clients.clone().map(Arc::new),
                &self.shared,
                &self.workers,
                &stopping,
            );
            tokio::pin!(accept);
            let stop = tokio::select! {
                stop = stop => stop,
                // The loop has no end of its own.
                () = &mut accept => Stop::Now,
            };
            // The Pod leaves the EndpointSlices when its termination begins, and API servers learn of
            // that later:
            // https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
            self.shared.draining.store(true, Ordering::Relaxed);
            let delay = match stop {
                Stop::AfterDelay => self.config.shutdown_delay,
                Stop::Now => Duration::ZERO,
            };
            tracing::info!(delay_seconds = delay.as_secs_f64(), "stopping: not ready, still serving");
            // Until the callers have heard that this replica goes, it serves on.
            let _ = timeout(delay, &mut accept).await;
        }
        // The kernel now refuses new connections, and the API server tries another replica.
        drop(self.listener);
        self.shared.callers.dismiss_the_silent();
        // Each connection sends GOAWAY or `connection: close`, and finishes what it has.
        stopping.send_replace(());
        let drained = timeout(self.config.limits.drain, stopping.closed()).await;
        if drained.is_err() {
            tracing::warn!("stopped with requests in flight");
        }
        // Last, so that a certificate that is renewed while draining is still served.
        reload_task.abort();
        policy_task.abort();
        clients_task.abort();
        status_task.abort();
        tracing::info!("stopped");
    }
}

/// Bytes of answers that TLS keeps for a connection; no place is held for them.
const TLS_BUFFER: usize = 8 * 1024;

/// Accepts connections until the server ends. When there are too many, or no file descriptor
/// is left, one that can be missed is closed.
async fn accept_loop(
    listener: &TcpListener,
    tls: &ArcSwap<ServerConfig>,
    clients: Option<Arc<Clients>>,
    shared: &Arc<Shared>,
    workers: &Workers,
    stopping: &Sender<()>,
) {
    let webhook = Webhook::new(Arc::clone(shared));
    let complaints = Arc::new(Complaints::default());
    loop {
        let (stream, caller) = accept(listener, &shared.callers).await;
        let connection = Connection {
            acceptor: TlsAcceptor::from(tls.load_full()),
            clients: clients.clone(),
            webhook: webhook.clone(),
            shared: Arc::clone(shared),
            complaints: Arc::clone(&complaints),
        };
        let Some(caller) = caller else {
            connection.refuse("crowded", "connection limit reached: every connection is in use");
            continue;
        };
        let stop = stopping.subscribe();
        workers.serve(stream, |stream| connection.serve(stream, caller, stop));
    }
}

/// Waits for a connection, and has room made for it; `None` where there is no
/// room.
async fn accept(listener: &TcpListener, callers: &Arc<Connections>) -> (TcpStream, Option<Caller>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are small, and a request in the API server waits for them.
                let _ = stream.set_nodelay(true);
                return (stream, callers.enter(address.ip()));
            }
            Err(error) => {
                if [Errno::MFILE, Errno::NFILE]
                    .iter()
                    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
                {
                    callers.make_room();
                }
                // accept(2) fails at once while no file descriptor is free: without a pause this
                // would take a core.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    clients: Option<Arc<Clients>>,
    webhook: Webhook,
    shared: Arc<Shared>,
    complaints: Arc<Complaints>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, caller: Caller, stop: Receiver<()>) {
        let limits = self.shared.limits;
        let handshake = timeout(limits.handshake, async {
            // Looks at the first bytes without taking them, so TLS still finds them.
            if plaintext::is_http(&stream).await {
                plaintext::answer(stream).await;
                return Err(("plain_http", "plain HTTP on the port that speaks TLS".to_owned()));
            }
            let limit = |session: &mut ServerConnection| session.set_buffer_limit(Some(TLS_BUFFER));
            self.acceptor
                .accept_with(stream, limit)
                .await
                .map_err(|error| (client_auth::refusal(&error), error.to_string()))
        });
        let handshake = tokio::select! {
            done = handshake => done,
            () = caller.asked_to_leave() => return self.made_room(),
        };
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err((reason, error))) => return self.refuse(reason, &error),
            Err(_) => return self.refuse("handshake_timeout", "no TLS handshake in time"),
        };
        // After the handshake: rustls has checked the chain, but not the name.
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let is_admitted = self.clients.as_ref().is_none_or(|clients| clients.admits(certificate));
        let mut webhook = self.webhook.clone().of_source(caller.source());
        if !is_admitted {
            self.complaints.complain("client_name", "client certificate name not in --allowed-client");
            webhook = webhook.forbidden();
        }
        // Without ALPN the protocol is HTTP/1.1, which API servers use for webhooks.
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        let peer = tracing::enabled!(Level::DEBUG).then(|| stream.get_ref().0.peer_addr().ok()).flatten();
        tracing::debug!(?peer, ?protocol, is_admitted, "connection accepted");
        let end = connection::serve(stream, protocol, webhook, limits, &caller, stop).await;
        tracing::debug!(?peer, ?end, "connection ended");
        match end {
            // Nothing to report: clients close and idle in order.
            End::Closed | End::Idle => {}
            End::HeadTimeout => self.refuse("head_timeout", "no request in time"),
            End::Unread => self.refuse("answer_unread", "the answer was not read in time"),
            End::MadeRoom => self.made_room(),
        }
    }

    fn made_room(&self) {
        self.refuse("crowded", "connection limit reached: closed, so that others can connect");
    }

    fn refuse(&self, reason: &'static str, error: &str) {
        self.shared.metrics.client_refused(reason);
        self.complaints.complain(reason, error);
    }
}
