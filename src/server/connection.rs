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
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

use super::activity::{Activity, Answering, Clock};
use super::connections::Caller;
use super::limits::Limits;

/// The two that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, which API servers speak to webhooks.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The reason why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order, or by the caller's doing.
    Closed,
    /// The head of a request did not come in time.
    HeadTimeout,
    /// Nothing was requested for a long time.
    Idle,
    /// An answer was not read in time.
    Unread,
    /// Another connection needed the room.
    MadeRoom,
}

/// The service that responds to the requests of a connection.
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
/// read. The sender of `stop` may wait until all receivers are gone.
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
                // Without it one connection could take all the places of its address.
                .max_concurrent_streams(HTTP2_STREAMS)
                // Headers are kept in memory before the request holds a place.
                .max_header_list_size(16 * 1024)
                // Bytes of a body that waits for its share of the budget stay with the caller.
                .initial_stream_window_size(HTTP2_WINDOW)
                .initial_connection_window_size(HTTP2_WINDOW)
                // A caller that does not read its answers fills this, once a stream.
                .max_send_buf_size(64 * 1024)
                // A node that vanished sends no FIN: without a ping its connections would stay for
                // the idle limit.
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10))
                .serve_connection(io, service);
            until(connection, events).await
        }
        Protocol::Http1 => {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                // The clock of the connection counts the time of a head, and of idling, too.
                .header_read_timeout(None)
                .max_buf_size(HTTP1_BUFFER)
                .serve_connection(io, service);
            until(connection, events).await
        }
    }
}

/// Requests that one HTTP/2 connection may have in flight: about as many as
/// HTTP/1.1 answers ahead where a caller sends them at once.
const HTTP2_STREAMS: u32 = 16;

/// Bytes that are read ahead on an HTTP/1.1 connection, of a head or of requests
/// after the one that is being answered.
const HTTP1_BUFFER: usize = 16 * 1024;

/// Bytes that an HTTP/2 caller may send before they are requested.
const HTTP2_WINDOW: u32 = 256 * 1024;

/// Runs `connection` until it ends or an event ends it. Its own errors are the
/// caller's doing: a connection reset or garbage instead of HTTP.
async fn until(connection: impl GracefulConnection, mut events: Events<'_>) -> End {
    let clock = events.clock;
    let mut connection = pin!(connection);
    {
        // Events are rare: like this they are polled when one has come, and not
        // whenever the connection has something to do.
        let mut next = FuturesUnordered::from_iter([events.next()]);
        tokio::select! {
            biased;
            _ = connection.as_mut() => return closed(clock),
            event = next.next() => match event {
                Some(Event::End(end)) => return end,
                Some(Event::Stop) | None => {}
            },
        }
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = connection => closed(clock),
        end = events.end() => end,
    }
}

/// Returns the end of a connection that nothing here ended.
fn closed(clock: &Clock) -> End {
    if clock.has_timed_out() { End::Unread } else { End::Closed }
}

/// An event for a connection from outside.
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
            // The first one, so that a server that ends does not report its own stop as a timeout.
            _ = self.stop.changed() => Event::Stop,
            () = self.caller.asked_to_leave() => Event::End(End::MadeRoom),
            end = overdue(self.clock, &self.limits) => Event::End(end),
        }
    }

    /// Returns the end of a connection that was told to stop.
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
        let now = Instant::now();
        if clock.unread_since().is_some_and(|since| since + limits.answer <= now) {
            return End::Unread;
        }
        let deadline = clock.deadline(limits);
        if deadline.is_some_and(|deadline| deadline <= now) {
            let is_idle = clock.get().0 == Activity::Idle;
            return if is_idle { End::Idle } else { End::HeadTimeout };
        }
        // An answer may be made at any time, and its clock is the shortest one.
        let next = now + limits.answer / 2;
        sleep_until(deadline.map_or(next, |deadline| deadline.min(next))).await;
    }
}

/// The service, with the connection's clock.
struct Counted<R> {
    responder: Arc<R>,
    clock: Arc<Clock>,
}

impl<R: Respond> Service<hyper::Request<Incoming>> for Counted<R> {
    type Response = hyper::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut answering = self.clock.answering();
        let responder = Arc::clone(&self.responder);
        Box::pin(async move {
            let response = responder.respond(request.map(Body::new)).await;
            let (head, body) = response.into_parts();
            let bytes = whole(body).await;
            // hyper drops an empty body at once, so there is nothing to wait for.
            if bytes.is_empty() {
                return Ok(hyper::Response::from_parts(head, Full::default()));
            }
            // From here on the caller is waited for, not the evaluation.
            answering.made();
            let bytes = Bytes::from_owner(Unread { bytes, _answering: answering });
            Ok(hyper::Response::from_parts(head, Full::new(bytes)))
        })
    }
}

/// Returns all of a body that is there. Answers are one frame each.
async fn whole(mut body: Body) -> Bytes {
    let frame = body.frame().await.and_then(Result::ok);
    let first = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    if body.is_end_stream() {
        return first;
    }
    let rest = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    // Never reached by the answers of this server.
    [first, rest].concat().into()
}

/// The bytes of an answer. They are dropped when the last of them has been
/// written, or when the connection ends: until then the request is in flight.
struct Unread {
    bytes: Bytes,
    _answering: Answering,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A stream that tells its clock when bytes come in, and when none go out.
struct Watched<S> {
    stream: S,
    protocol: Protocol,
    clock: Arc<Clock>,
}

impl<S> Watched<S> {
    /// Notes that the system ended a connection whose caller takes nothing of what was written
    /// ([`super::listen`]).
    fn note_time_out<T>(&self, polled: &Poll<io::Result<T>>) {
        if matches!(polled, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut) {
            self.clock.timed_out();
        }
    }

    /// Notes whether bytes wait here that the stream does not take.
    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            self.clock.blocked();
        }
        self.note_time_out(&polled);
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.note_time_out(&polled);
        // Those of HTTP/2 may be of anything.
        if buf.filled().len() > before && self.protocol == Protocol::Http1 {
            self.clock.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // hyper flushes after the last byte of an answer: now all of it is in the system's buffer.
        if polled.is_ready() {
            self.clock.flushed();
        }
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(polled)
    }
}
