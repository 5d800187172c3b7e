//! Callers that say nothing, or a byte a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio_rustls::TlsConnector;

use super::{Figure, Problems, Row, Run, Size, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Load, connect_from, connector, tls};

pub const ROW: Row = Row {
    name: "silent",
    what: "1,000 silent connections, half of them behind a finished handshake, and 200 that send a byte a second of a handshake, a head or a body",
    reach: "p99 of honest calls at most twice the quiet one; all of them are closed",
    run: Run::Alone(run),
};

/// The behavior of a slow caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowness {
    /// Opens a connection, and no more.
    Silent,
    /// Finishes the handshake, and no more.
    SilentInTls,
    /// A byte a second of a handshake.
    Handshake,
    /// A byte a second of a request's head.
    Head,
    /// A byte a second of a request's body.
    Body,
}

fn run(size: Size) -> Figure {
    let (silent, slow) = size.pick((100, 24), (1000, 200));
    let (rate, during) = size.pick((200, Duration::from_secs(2)), (300, Duration::from_secs(7)));
    // The longest of their clocks is that of a body.
    let closed_within = Duration::from_secs(35);
    let guard = Guard::start(&[]);
    let mut problems = Problems::default();
    let (quiet, loud, tally) = block_on(async {
        let caller = Caller::of(&guard, true);
        let measure = async || {
            let load = Load::start(&caller, &usual_calls(), 8, Some(rate));
            tokio::time::sleep(during).await;
            load.end().await
        };
        measure().await;
        let before = measure().await;
        let open = Arc::new(AtomicUsize::new(0));
        let connector = connector(&guard.certs, "http/1.1");
        let begun = Instant::now();
        for index in 0..silent + slow {
            let slowness = match index {
                _ if index < silent / 2 => Slowness::Silent,
                _ if index < silent => Slowness::SilentInTls,
                _ if index % 3 == 0 => Slowness::Handshake,
                _ if index % 3 == 1 => Slowness::Head,
                _ => Slowness::Body,
            };
            let source = [127, 0, 0, 2];
            tokio::spawn(be_slow(slowness, source, guard.address, connector.clone(), open.clone()));
        }
        while open.load(Ordering::SeqCst) < silent + slow {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let loud = measure().await;
        let still = open.load(Ordering::SeqCst);
        problems
            .unless(still > slow / 4, || format!("only {still} of them were there while it was measured"));
        while open.load(Ordering::SeqCst) > 0 && begun.elapsed() < closed_within {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let left = open.load(Ordering::SeqCst);
        problems.unless(left == 0, || format!("{left} are open after {closed_within:?}"));
        let after = measure().await;
        let quiet = (before.quantile(990) + after.quantile(990)) / 2;
        (quiet, loud.quantile(990), loud)
    });
    problems.of_calls(&tally, 100);
    let ratio = loud.as_secs_f64() / quiet.as_secs_f64();
    // In seconds on a machine that does other things, a p99 says little.
    let most = size.pick(20.0, 2.0);
    problems.unless(ratio <= most, || format!("p99 is {ratio:.1} times the quiet one"));
    Figure {
        seen: format!(
            "p99 {:.2} ms, quiet {:.2} ms: {ratio:.2} times; {} of {} calls failed; all closed",
            loud.as_secs_f64() * 1e3,
            quiet.as_secs_f64() * 1e3,
            tally.failures.len(),
            tally.calls
        ),
        problems: problems.0,
    }
}

/// Connects and is slow until the server closes the connection; counted in
/// `open` while it does.
pub async fn be_slow(
    slowness: Slowness,
    source: [u8; 4],
    address: SocketAddr,
    connector: TlsConnector,
    open: Arc<AtomicUsize>,
) {
    let Ok(stream) = connect_from(source, address).await else { return };
    match slowness {
        Slowness::Silent => trickle(stream, b"", b"", open).await,
        // A record of a handshake, as long as it can be.
        Slowness::Handshake => {
            trickle(stream, b"\x16\x03\x01\x40\x00", b"\x01\x00\x3f\xfc\x03\x03", open).await;
        }
        Slowness::SilentInTls | Slowness::Head | Slowness::Body => {
            let Ok(stream) = tls(&connector, stream).await else { return };
            match slowness {
                Slowness::Head => {
                    trickle(stream, b"POST /validate HTTP/1.1\r\n", b"x-slow: and slower", open).await;
                }
                Slowness::Body => {
                    let head = b"POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
                    trickle(stream, head, b" ", open).await;
                }
                _ => trickle(stream, b"", b"", open).await,
            }
        }
    }
}

/// Sends `first`, then one byte of `then` a second, over and over.
async fn trickle<S: AsyncRead + AsyncWrite>(stream: S, first: &[u8], then: &[u8], open: Arc<AtomicUsize>) {
    let (mut reader, mut writer) = split(stream);
    if writer.write_all(first).await.is_err() || writer.flush().await.is_err() {
        return;
    }
    open.fetch_add(1, Ordering::SeqCst);
    let closed = async {
        let mut answer = [0; 1024];
        while matches!(reader.read(&mut answer).await, Ok(1..)) {}
    };
    let sends = async {
        for byte in then.iter().cycle() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = closed => {}
        () = sends => {}
    }
    open.fetch_sub(1, Ordering::SeqCst);
}
