//! The webhook server: its own accept loop on TLS, a plain status port beside
//! it, and an orderly stop.

pub mod body;
pub mod connection;
pub mod limits;
mod reload;
pub mod routes;
pub mod status;
pub mod tls;
pub mod watch;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::policy::Policy;
use crate::telemetry::log::Dropped;
use crate::telemetry::metrics::Reload;
use limits::Limits;
use routes::Shared;
use tls::{Certificate, CertificateStore};

/// Where the serving certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A folder with `tls.crt` and `tls.key`, watched.
    Folder(PathBuf),
    /// Made in memory, for a first try.
    SelfSigned,
}

/// What a server is told.
#[derive(Debug)]
pub struct Options {
    /// Where the API server calls.
    pub listen: SocketAddr,
    /// Where probes and Prometheus call.
    pub status_listen: SocketAddr,
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// The policy to begin with.
    pub policy: Arc<Policy>,
    /// The file it comes from, watched.
    pub policy_file: Option<PathBuf>,
    /// How much it takes on.
    pub limits: Limits,
    /// How long it goes on serving once it is asked to stop, so that callers
    /// learn of it first.
    pub shutdown_delay: Duration,
    /// Counts log lines that were dropped.
    pub log_dropped: Option<Dropped>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port cannot be opened.
    #[error("cannot listen on {address} ({flag}): {source}{}", hint(source))]
    Listen {
        /// The port.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] tls::Error),
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
    options: Options,
    listener: TcpListener,
    status_listener: TcpListener,
    store: Arc<CertificateStore>,
    shared: Arc<Shared>,
}

/// How a server is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its callers are told first: SIGTERM.
    AfterDelay,
    /// At once, but for requests under way: Ctrl-C.
    Now,
}

impl Server {
    /// Loads the certificate and opens both ports.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be used or a port cannot be opened.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let now = OffsetDateTime::now_utc();
        let certificate = match &options.certificate {
            CertificateSource::Folder(folder) => Certificate::load(folder, now)?,
            CertificateSource::SelfSigned => Certificate::self_signed(now)?,
        };
        let shared = Arc::new(Shared::new(Arc::clone(&options.policy), options.limits));
        shared.metrics.certificate(Reload::Loaded, Some(certificate.not_after().unix_timestamp()));
        let listener = listen(options.listen, "--listen").await?;
        let status_listener = listen(options.status_listen, "--status-listen").await?;
        Ok(Self {
            store: Arc::new(CertificateStore::new(certificate)),
            options,
            listener,
            status_listener,
            shared,
        })
    }

    /// The port that was opened; of use when port 0 was asked for.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The status port that was opened.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn status_address(&self) -> io::Result<SocketAddr> {
        self.status_listener.local_addr()
    }

    /// Serves until `stop` says how to end, then ends in order.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub async fn run(self, stop: impl Future<Output = Stop>) -> Result<(), Error> {
        let config = tls::server_config(Arc::clone(&self.store))?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let status = status::Status {
            shared: Arc::clone(&self.shared),
            log_dropped: self.options.log_dropped,
        };
        let status_task = tokio::spawn(serve_status(self.status_listener, status::router(status)));
        let reload_task = tokio::spawn(reload::certificate(
            self.options.certificate.clone(),
            Arc::clone(&self.store),
            Arc::clone(&self.shared),
        ));
        let policy_task =
            tokio::spawn(reload::policy(self.options.policy_file.clone(), Arc::clone(&self.shared)));
        let graceful = GracefulShutdown::new();
        {
            let accept = accept_loop(&self.listener, acceptor, &self.shared, &graceful);
            tokio::pin!(accept);
            let stop = tokio::select! {
                stop = stop => stop,
                () = &mut accept => Stop::Now,
            };
            self.shared.draining.store(true, Ordering::Relaxed);
            let delay = match stop {
                Stop::AfterDelay => self.options.shutdown_delay,
                Stop::Now => Duration::ZERO,
            };
            tracing::info!(
                delay_seconds = delay.as_secs_f64(),
                "stopping: not ready any more, still serving"
            );
            // Until the callers have heard that this replica goes, it serves on.
            let _ = timeout(delay, &mut accept).await;
        }
        drop(self.listener);
        let drained = timeout(self.options.limits.drain, graceful.shutdown()).await;
        if drained.is_err() {
            tracing::warn!("stopped with requests still under way");
        }
        reload_task.abort();
        policy_task.abort();
        status_task.abort();
        tracing::info!("stopped");
        Ok(())
    }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, flag, source })
}

/// Accepts connections for ever. At the limit of connections it waits for one
/// to end; out of file descriptors it waits a moment.
async fn accept_loop(
    listener: &TcpListener,
    acceptor: TlsAcceptor,
    shared: &Arc<Shared>,
    graceful: &GracefulShutdown,
) {
    let router = routes::router(Arc::clone(shared));
    let places = Arc::new(Semaphore::new(shared.limits.connections));
    let complaints = Arc::new(Complaints::default());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                complaints.complain("accept", &error.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = Connection {
            acceptor: acceptor.clone(),
            router: router.clone(),
            shared: Arc::clone(shared),
            complaints: Arc::clone(&complaints),
        };
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            connection.serve(stream, watcher).await;
            drop(place);
        });
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    router: axum::Router,
    shared: Arc<Shared>,
    complaints: Arc<Complaints>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, watcher: hyper_util::server::graceful::Watcher) {
        // Answers are small and somebody waits for them.
        let _ = stream.set_nodelay(true);
        let limits = self.shared.limits;
        let handshake = timeout(limits.handshake, self.acceptor.accept(stream));
        match handshake.await {
            Ok(Ok(stream)) => connection::serve(stream, self.router, limits, watcher).await,
            Ok(Err(error)) => self.refuse("handshake", &error.to_string()),
            Err(_) => self.refuse("handshake_timeout", "no TLS handshake in time"),
        }
    }

    fn refuse(&self, reason: &'static str, error: &str) {
        self.shared.metrics.client_refused(reason);
        self.complaints.complain(reason, error);
    }
}

/// Logs what callers do wrong, at most one line a second: a port scan must not
/// fill the log.
#[derive(Debug, Default)]
struct Complaints {
    /// The second since 1970 of the last line.
    last: AtomicI64,
}

impl Complaints {
    fn complain(&self, reason: &'static str, error: &str) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if self.last.swap(now, Ordering::Relaxed) != now {
            tracing::warn!(reason, error, "a connection was refused");
        }
    }
}

/// Serves the status port for ever.
async fn serve_status(listener: TcpListener, router: axum::Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(60))
                .serve_connection(TokioIo::new(stream), service);
            // Whatever a prober does wrong is no concern of the server's.
            let _ = connection.await;
        });
    }
}
