//! One connection from its first byte to its last, with a clock for each of
//! its states.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::server::TlsStream;

use super::limits::Limits;

/// Serves the requests of one connection until it ends, is too slow or idle,
/// or `watcher` asks it to stop.
pub async fn serve(stream: TlsStream<TcpStream>, router: Router, limits: Limits, watcher: Watcher) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let clock = Arc::new(Clock::new(is_http2));
    let io = TokioIo::new(Watched { stream, clock: Arc::clone(&clock) });
    let service = Counted { router: TowerToHyperService::new(router), clock: Arc::clone(&clock) };
    let overdue = overdue(&clock, &limits);
    if is_http2 {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .max_header_list_size(16 * 1024)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .serve_connection(io, service);
        until(watcher.watch(connection), overdue).await;
    } else {
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(64 * 1024)
            .serve_connection(io, service);
        until(watcher.watch(connection), overdue).await;
    }
}

/// Runs `connection` until it ends or `overdue` does. Its own errors are the
/// caller's doing: a connection reset or garbage instead of HTTP.
async fn until<E>(connection: impl Future<Output = Result<(), E>>, overdue: impl Future<Output = ()>) {
    tokio::select! {
        _ = connection => {}
        () = overdue => {}
    }
}

/// Ends when the connection has been too long in its present state.
async fn overdue(clock: &Clock, limits: &Limits) {
    loop {
        let Some(deadline) = clock.deadline(limits) else {
            tokio::time::sleep(limits.head).await;
            continue;
        };
        if deadline <= Instant::now() {
            return;
        }
        sleep_until(deadline).await;
    }
}

/// What a connection is doing, and since when.
struct Clock {
    begun: Instant,
    is_http2: bool,
    /// Milliseconds from `begun` to the last change of state, times 4, plus
    /// the [`State`]: one word, so that both change at once.
    state: AtomicU64,
    /// Requests being answered.
    busy: AtomicU64,
}

/// The states of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request came yet.
    New = 0,
    /// Between requests.
    Idle = 1,
    /// Some bytes of a head are there.
    Head = 2,
    /// A request is being answered.
    Busy = 3,
}

impl Clock {
    fn new(is_http2: bool) -> Self {
        Self {
            begun: Instant::now(),
            is_http2,
            state: AtomicU64::new(State::New as u64),
            busy: AtomicU64::new(0),
        }
    }

    fn set(&self, state: State) {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 4);
        self.state.store(elapsed * 4 + state as u64, Ordering::Relaxed);
    }

    fn get(&self) -> (State, Instant) {
        let word = self.state.load(Ordering::Relaxed);
        let state = match word % 4 {
            0 => State::New,
            1 => State::Idle,
            2 => State::Head,
            _ => State::Busy,
        };
        (state, self.begun + Duration::from_millis(word / 4))
    }

    /// When the present state has lasted too long; `None` while a request is
    /// being answered, which has a clock of its own.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let (state, since) = self.get();
        match state {
            State::New | State::Head => Some(since + limits.head),
            State::Idle => Some(since + limits.idle),
            State::Busy => None,
        }
    }

    /// Bytes came in. Those of HTTP/2 may be of anything.
    fn received(&self) {
        if !self.is_http2 && self.get().0 == State::Idle {
            self.set(State::Head);
        }
    }

    fn enter(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.set(State::Busy);
    }

    fn leave(&self) {
        if self.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.set(State::Idle);
        }
    }
}

/// Leaves the busy state when a request is answered or given up.
struct Busy(Arc<Clock>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The router, with the connection's clock.
struct Counted {
    router: TowerToHyperService<Router>,
    clock: Arc<Clock>,
}

impl Service<Request<Incoming>> for Counted {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.clock.enter();
        let busy = Busy(Arc::clone(&self.clock));
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await;
            drop(busy);
            response
        })
    }
}

/// A stream that tells its clock when bytes come in.
struct Watched {
    stream: TlsStream<TcpStream>,
    clock: Arc<Clock>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.clock.received();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
