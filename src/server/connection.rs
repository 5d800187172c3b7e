//! One connection from its first byte to its last, with a clock for each of
//! its states.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

use super::callers::Caller;
use super::clock::{Clock, State};
use super::limits::Limits;

/// The two that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, which API servers speak to webhooks.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order, or by the caller's doing.
    Closed,
    /// The head of a request did not come in time.
    HeadTimeout,
    /// Nothing was asked for a long time.
    Idle,
    /// Somebody else needed the room.
    MadeRoom,
}

/// Who answers the requests of a connection.
pub trait Respond: Send + Sync + 'static {
    /// Answers one. The count of owners is the connection's own, so that workers
    /// do not take it from each other with every request.
    fn respond(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send;
}

impl Respond for Router {
    async fn respond(self: Arc<Self>, request: Request) -> Response {
        Self::clone(&self).oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Serves the requests of one connection until it ends, is too slow or idle,
/// has to leave, or `stop` says that the server ends: then no further request is
/// read. Whoever tells it so may wait until all receivers are gone.
pub async fn serve<S>(
    stream: S,
    protocol: Protocol,
    responder: impl Respond,
    limits: Limits,
    caller: &Caller,
    stop: watch::Receiver<()>,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let clock = caller.clock();
    let io = TokioIo::new(Watched { stream, protocol, clock: Arc::clone(clock) });
    let service = Counted { responder: Arc::new(responder), clock: Arc::clone(clock) };
    let events = Events { clock, limits, caller, stop };
    match protocol {
        Protocol::Http2 => {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(HTTP2_STREAMS)
                .max_header_list_size(16 * 1024)
                .initial_stream_window_size(HTTP2_WINDOW)
                .initial_connection_window_size(HTTP2_WINDOW)
                .max_send_buf_size(64 * 1024)
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10))
                .serve_connection(io, service);
            until(connection, events).await
        }
        Protocol::Http1 => {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(None)
                .max_buf_size(64 * 1024)
                .serve_connection(io, service);
            until(connection, events).await
        }
    }
}

/// Requests that one HTTP/2 connection may have under way.
const HTTP2_STREAMS: u32 = 128;

/// Bytes that an HTTP/2 caller may send before they are asked for.
const HTTP2_WINDOW: u32 = 256 * 1024;

/// Runs `connection` until it ends or an event ends it. Its own errors are the
/// caller's doing: a connection reset or garbage instead of HTTP.
async fn until(connection: impl GracefulConnection, mut events: Events<'_>) -> End {
    let mut connection = pin!(connection);
    {
        // Events are rare: like this they are asked for when one has come, and not
        // whenever the connection has something to do.
        let mut next = FuturesUnordered::from_iter([events.next()]);
        tokio::select! {
            biased;
            _ = connection.as_mut() => return End::Closed,
            event = next.next() => match event {
                Some(Event::End(end)) => return end,
                Some(Event::Stop) | None => {}
            },
        }
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection => End::Closed,
        end = events.end() => end,
    }
}

/// What may happen to a connection from outside.
enum Event {
    End(End),
    Stop,
}

struct Events<'c> {
    clock: &'c Clock,
    limits: Limits,
    caller: &'c Caller,
    stop: watch::Receiver<()>,
}

impl Events<'_> {
    async fn next(&mut self) -> Event {
        tokio::select! {
            biased;
            _ = self.stop.changed() => Event::Stop,
            () = self.caller.asked_to_leave() => Event::End(End::MadeRoom),
            end = overdue(self.clock, &self.limits) => Event::End(end),
        }
    }

    /// The end of a connection that was told to stop.
    async fn end(&self) -> End {
        tokio::select! {
            biased;
            () = self.caller.asked_to_leave() => End::MadeRoom,
            end = overdue(self.clock, &self.limits) => end,
        }
    }
}

/// Ends when the connection has been too long in its present state.
async fn overdue(clock: &Clock, limits: &Limits) -> End {
    loop {
        let Some(deadline) = clock.deadline(limits) else {
            tokio::time::sleep(limits.head).await;
            continue;
        };
        if deadline <= Instant::now() {
            let is_idle = clock.get().0 == State::Idle;
            return if is_idle { End::Idle } else { End::HeadTimeout };
        }
        // A head may begin at any time, and its clock is the shorter one.
        sleep_until(deadline.min(Instant::now() + limits.head)).await;
    }
}

/// Who answers, with the connection's clock.
struct Counted<R> {
    responder: Arc<R>,
    clock: Arc<Clock>,
}

impl<R: Respond> Service<hyper::Request<Incoming>> for Counted<R> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let answering = self.clock.answering();
        let responder = Arc::clone(&self.responder);
        Box::pin(async move {
            let response = responder.respond(request.map(Body::new)).await;
            drop(answering);
            Ok(response)
        })
    }
}

/// A stream that tells its clock when bytes come in.
struct Watched<S> {
    stream: S,
    protocol: Protocol,
    clock: Arc<Clock>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        // Those of HTTP/2 may be of anything.
        if buf.filled().len() > before && self.protocol == Protocol::Http1 {
            self.clock.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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
