//! Shares the parts of a repeated `scan` and `node-check`: a status port, and an orderly end.

use std::net::SocketAddr;

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::interrupt::await_signals;
use crate::server::limits::Limits;
use crate::server::port;
use crate::server::status::serve_router;

/// Runs `work` until it fails or a signal requests the end of the process, and serves the port
/// meanwhile if there is an address.
///
/// # Errors
///
/// The error of `work`, or that of an address that cannot be had.
pub(super) async fn repeat(
    address: Option<SocketAddr>,
    router: Router,
    work: impl Future<Output = anyhow::Error>,
) -> anyhow::Result<Exit> {
    await_signals();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    if let Some(address) = address {
        let listener = port::listen(address, "--status-listen")?;
        tokio::spawn(serve_router(listener, Limits::default(), router));
    }
    tokio::select! {
        error = work => Err(error),
        _ = terminate.recv() => Ok(Exit::Success),
        _ = interrupt.recv() => Ok(Exit::Success),
    }
}
