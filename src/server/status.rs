//! The status port: plain HTTP for probes and Prometheus, nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::routes::Shared;
use crate::telemetry::log::Dropped;

/// What the status port shows.
#[derive(Debug, Clone)]
pub struct Status {
    /// What the requests share.
    pub shared: Arc<Shared>,
    /// Log lines that were dropped.
    pub log_dropped: Option<Dropped>,
}

/// The router of the status port.
pub fn router(status: Status) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(status)
}

/// Ready means: a certificate was loaded, a policy is in use, the port is
/// open, and the server is not about to stop. The first three hold before this
/// port opens.
async fn ready(State(status): State<Status>) -> Response {
    if status.shared.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    "ok\n".into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    let dropped = status.log_dropped.as_ref().map_or(0, Dropped::lines);
    let text = status.shared.metrics.text(dropped);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
