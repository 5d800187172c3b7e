//! Callers that ask and do not read the answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Method;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use super::{Figure, Problems, Row, Run, Size, call, usual_calls};
use crate::client::{block_on, request};
use crate::guard::Guard;
use crate::load::{Caller, Load, connect_from, connector, tls};
use crate::objects::class;

pub const ROW: Row = Row {
    name: "unread",
    what: "24 HTTP/2 connections with a window of 0 that try 128 streams each, and 800 HTTP/1.1 connections that send one request after the other, all of the longest answer and none read; opened again 2 s after they are closed; honest calls from another address, each on a new connection",
    reach: "memory under 128 MiB; 0 failed, p99 under 1 s; each that reads nothing is closed within 8 s of its first request, the wait for the answer included",
    run: Run::Alone(run),
};

/// Streams that each HTTP/2 connection tries.
const STREAMS: usize = 128;

/// The observations of the callers.
#[derive(Debug, Default)]
struct Seen {
    opened: AtomicUsize,
    closed: AtomicUsize,
    /// Milliseconds from a connection's first request to its end.
    longest: AtomicUsize,
}

fn run(size: Size) -> Figure {
    let (http2, http1) = size.pick((6, 100), (24, 800));
    let during = size.pick(Duration::from_secs(6), Duration::from_secs(30));
    let guard = Guard::start(&[]);
    let body = longest_answer();
    let seen = Arc::new(Seen::default());
    let (tally, in_flight) = block_on(async {
        let (h1, h2) = (connector(&guard.certs, "http/1.1"), connector(&guard.certs, "h2"));
        let mut flood = Vec::new();
        for index in 0..http1 + http2 {
            let (seen, body, address) = (seen.clone(), body.clone(), guard.address);
            let (is_http2, connector) = (index < http2, if index < http2 { h2.clone() } else { h1.clone() });
            flood.push(tokio::spawn(async move {
                loop {
                    let ended = if is_http2 {
                        windowless(&connector, address, &body, &seen).await
                    } else {
                        deaf(&connector, address, &body, &seen).await
                    };
                    if let Some(began) = ended {
                        let lasted = usize::try_from(began.elapsed().as_millis()).unwrap_or(usize::MAX);
                        seen.longest.fetch_max(lasted, Ordering::Relaxed);
                        seen.closed.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }));
        }
        let begun = Instant::now();
        while seen.opened.load(Ordering::Relaxed) < http1 + http2 && begun.elapsed() < Duration::from_secs(20)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let caller = Caller::of(&guard, false);
        let load = Load::start(&caller, &usual_calls(), 8, Some(100));
        let begun = Instant::now();
        let mut in_flight = 0.0_f64;
        while begun.elapsed() < during {
            let now = guard.metric("nfs_mount_guard_in_flight").await;
            in_flight = in_flight.max(now.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let tally = load.end().await;
        for task in flood {
            task.abort();
        }
        (tally, in_flight)
    });
    let counted = block_on(guard.metric("nfs_mount_guard_clients_refused_total{reason=\"answer_unread\"}"));
    let peak = guard.memory("VmHWM") / 1024;
    let closed = seen.closed.load(Ordering::Relaxed);
    let longest =
        Duration::from_millis(u64::try_from(seen.longest.load(Ordering::Relaxed)).unwrap_or(u64::MAX));
    let mut problems = Problems::default();
    problems.of_calls(&tally, 100);
    problems.unless(counted.is_some_and(|counted| counted >= 1.0), || "none was counted".to_owned());
    problems.unless(closed >= http1 + http2, || format!("only {closed} were closed"));
    let patience = size.pick(Duration::from_secs(15), Duration::from_secs(8));
    problems.unless(longest < patience, || format!("one was kept for {longest:?}"));
    // Half of the places, and the eight honest callers.
    problems.unless(in_flight <= 520.0, || format!("one address held {in_flight} places"));
    problems.unless(peak < 128, || format!("memory reached {peak} MiB"));
    let p99 = tally.quantile(990);
    let most = size.pick(Duration::from_secs(3), Duration::from_secs(1));
    problems.unless(p99 < most, || format!("p99 is {p99:?}"));
    Figure {
        seen: format!(
            "peak memory {peak} MiB; {} failed of {}, p99 {:.0} ms; {closed} closed, the last of them {:.1} s after its first request; up to {in_flight} requests in flight",
            tally.failures.len(),
            tally.calls,
            p99.as_secs_f64() * 1e3,
            longest.as_secs_f64(),
        ),
        problems: problems.0,
    }
}

/// A review whose answer is about as long as one gets: a patch of options that
/// grow sixfold in JSON.
fn longest_answer() -> Bytes {
    let options = ["bg", &"\u{1}".repeat(4_000)];
    let call = call("/mutate", &class("unread", "nfs.csi.k8s.io", &options), "");
    [&call.body.0[..], b"unread", &call.body.1].concat().into()
}

/// Asks over HTTP/2 with a window of 0; says when it asked first, once the
/// connection is closed.
async fn windowless(
    connector: &TlsConnector,
    address: SocketAddr,
    body: &Bytes,
    seen: &Seen,
) -> Option<Instant> {
    let stream = tls(connector, connect_from([127, 0, 0, 2], address).await.ok()?).await.ok()?;
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .initial_max_send_streams(STREAMS)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .ok()?;
    seen.opened.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..STREAMS {
        let (mut sender, body) = (sender.clone(), body.clone());
        asked.push(tokio::spawn(async move {
            let request = request(Method::POST, "/mutate", Some("application/json"), body);
            // The head comes, and is kept with its body that does not.
            let response = sender.send_request(request).await;
            std::future::pending::<()>().await;
            drop(response);
        }));
    }
    let _ = connection.await;
    for task in asked {
        task.abort();
    }
    Some(begun)
}

/// Asks over HTTP/1.1 again and again; says when it asked first, once the
/// connection is closed.
async fn deaf(connector: &TlsConnector, address: SocketAddr, body: &Bytes, seen: &Seen) -> Option<Instant> {
    let socket = TcpSocket::new_v4().ok()?;
    // Bytes that the caller's own system buffers are no waiting response.
    socket.set_recv_buffer_size(4096).ok()?;
    socket.bind(([127, 0, 0, 2], 0).into()).ok()?;
    let mut stream = tls(connector, socket.connect(address).await.ok()?).await.ok()?;
    seen.opened.fetch_add(1, Ordering::Relaxed);
    let begun = Instant::now();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    while stream.write_all(&request).await.is_ok() && stream.flush().await.is_ok() {}
    Some(begun)
}
