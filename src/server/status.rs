//! The status port: plain HTTP for probes and Prometheus, nothing else.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::connection::{self, Protocol};
use super::connections::Connections;
use super::limits::Limits;
use super::routes::Shared;
use super::tls::CertificateStore;
use crate::telemetry::log::Dropped;

/// The state that the status port shows.
#[derive(Debug, Clone)]
pub struct Status {
    /// The state that the requests share.
    pub shared: Arc<Shared>,
    /// The certificates for the next handshake.
    pub certificates: Arc<CertificateStore>,
    /// Log lines that were dropped.
    pub log_dropped: Option<Dropped>,
}

/// Serves the status port until the server ends, under the same limits of time as the other
/// one and a smaller one of connections.
pub(super) async fn serve(listener: TcpListener, status: Status) {
    let limits = status.shared.limits;
    serve_router(listener, limits, router(status)).await;
}

/// Serves a router of the status port indefinitely, under limits of time and of
/// connections.
pub async fn serve_router(listener: TcpListener, limits: Limits, router: Router) {
    let callers = Connections::new(limits.status_connections, limits.in_flight).where_busy_may_go();
    let callers = Arc::new(callers);
    // Probes are answered until the process ends.
    let never = watch::Sender::new(());
    loop {
        let (stream, caller) = super::accept(&listener, &callers).await;
        let Some(caller) = caller else { continue };
        let (router, stop) = (router.clone(), never.subscribe());
        tokio::spawn(async move {
            // Whatever a prober does wrong is no concern of the server's.
            connection::serve(stream, Protocol::Http1, router, limits, &caller, stop).await;
        });
    }
}

/// The state that the status port of a repeated command shows: ready once a first run has ended,
/// and the metrics of the last one.
#[derive(Debug, Clone)]
pub struct LastRun(Arc<Mutex<Published>>);

#[derive(Debug)]
struct Published {
    /// The response of `/readyz` before a run has ended.
    not_ready: &'static str,
    /// True if a run has ended.
    is_ready: bool,
    /// The metrics of the last run.
    text: String,
}

impl LastRun {
    /// Shows no run yet; `not_ready` is the response of `/readyz` until then.
    pub fn new(not_ready: &'static str) -> Self {
        // Without its last line a text is no OpenMetrics, and the scrape fails.
        let text = "# EOF\n".to_owned();
        Self(Arc::new(Mutex::new(Published { not_ready, is_ready: false, text })))
    }

    /// Shows the metrics of a run that has ended, in the `OpenMetrics` text format.
    pub fn show(&self, text: String) {
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        published.text = text;
        published.is_ready = true;
    }

    /// Shows the metrics of a run that has failed; what was ready stays so.
    pub fn show_failed(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text = text;
    }

    /// Returns the router of the port.
    pub fn router(self) -> Router {
        paths(
            get(async |State(last): State<Self>| last.ready()),
            get(async |State(last): State<Self>| last.metrics()),
        )
        .with_state(self)
    }

    fn ready(&self) -> Response {
        let published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if published.is_ready {
            return "ok\n".into_response();
        }
        (StatusCode::SERVICE_UNAVAILABLE, published.not_ready).into_response()
    }

    fn metrics(&self) -> Response {
        open_metrics(self.0.lock().unwrap_or_else(PoisonError::into_inner).text.clone())
    }
}

/// Returns the three paths of every status port.
fn paths<S: Clone + Send + Sync + 'static>(ready: MethodRouter<S>, metrics: MethodRouter<S>) -> Router<S> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", ready)
        .route("/metrics", metrics)
        .fallback(async || (StatusCode::NOT_FOUND, "not found: use /healthz, /readyz or /metrics\n"))
}

fn open_metrics(text: String) -> Response {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// Returns the router of the status port.
pub fn router(status: Status) -> Router {
    paths(get(ready), get(metrics)).with_state(status)
}

/// Responds whether the server is ready: a certificate was loaded, a policy is in use, the port is open,
/// and the server is not about to stop. The middle two are true before this port opens.
async fn ready(State(status): State<Status>) -> Response {
    if status.shared.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if status.certificates.not_after().is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no certificate yet\n").into_response();
    }
    "ok\n".into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    // Yield first: a client that requests metrics in a loop must let probes pass.
    tokio::task::yield_now().await;
    let dropped = status.log_dropped.as_ref().map_or(0, Dropped::lines);
    open_metrics(status.shared.metrics.text(dropped))
}
