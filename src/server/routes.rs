//! The two endpoints that the API server calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Body as _;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::Level;

use super::asked::{Asked, asked_timeout, is_json};
use super::body::{Begun, Budget, Lack, Received, Share, Times, discard, receive, receive_at_once};
use super::buffer::Buffer;
use super::concurrency::{ConcurrencyLimit, Permit, Source};
use super::connection::Respond;
use super::connections::Connections;
use super::limits::Limits;
use crate::admission::{self, Answer, Endpoint, Question, Record};
use crate::policy::Policy;
use crate::telemetry::log;
use crate::telemetry::metrics::{InFlight, Metrics};

/// The state that all requests share.
#[derive(Debug)]
pub struct Shared {
    /// The policy that the next request gets.
    pub policy: ArcSwap<Policy>,
    /// Counts.
    pub metrics: Metrics,
    /// Limits.
    pub limits: Limits,
    /// True if the server is about to stop.
    pub draining: AtomicBool,
    /// The connections to the TLS port.
    pub callers: Arc<Connections>,
    places: Arc<ConcurrencyLimit>,
    budget: Budget,
    /// Large bodies that may be evaluated at once, so that small ones find a core.
    heavy: Arc<Semaphore>,
    /// A test-only fault, injected before a body is evaluated.
    #[cfg(test)]
    pub(super) fault: Option<fn(&[u8])>,
}

impl Shared {
    /// Begins with `policy`.
    pub fn new(policy: Arc<Policy>, limits: Limits) -> Self {
        let metrics = Metrics::new();
        metrics.policy(crate::telemetry::metrics::Reload::Loaded, Some(&policy));
        Self {
            policy: ArcSwap::new(policy),
            metrics,
            limits,
            draining: AtomicBool::new(false),
            callers: Arc::new(Connections::new(limits.connections, limits.in_flight)),
            places: Arc::new(ConcurrencyLimit::new(limits.in_flight)),
            budget: Budget::new(limits.bodies),
            heavy: Arc::new(Semaphore::new(limits.heavy)),
            #[cfg(test)]
            fault: None,
        }
    }
}

/// The service on the TLS port. Its paths are too few to pay a router for each request.
#[derive(Debug, Clone)]
pub struct Webhook {
    shared: Arc<Shared>,
    /// The places of the caller's address.
    source: Arc<Source>,
    is_admitted: bool,
}

impl Webhook {
    /// Makes the routes for a caller who may send requests, and whose address holds no place.
    pub fn new(shared: Arc<Shared>) -> Self {
        let source = Arc::new(Source::new(shared.limits.in_flight));
        Self { shared, source, is_admitted: true }
    }

    /// Serves a caller whose address has places already.
    #[must_use]
    pub fn of_source(mut self, source: &Arc<Source>) -> Self {
        self.source = Arc::clone(source);
        self
    }

    /// Serves a caller whose names are not allowed.
    #[must_use]
    pub fn forbidden(mut self) -> Self {
        self.is_admitted = false;
        self
    }
}

impl Respond for Webhook {
    fn respond(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send {
        let begun = Instant::now();
        let (head, body) = request.into_parts();
        // HTTP/2 has no such header (RFC 9113, section 8.2.2): GOAWAY ends its connections.
        let is_closed_by_header = head.version < Version::HTTP_2;
        let is_without_body = head.method == Method::HEAD;
        let asked = self.asked(&head, begun);
        // A path may be long, and is of interest to a person who looks for a fault alone.
        let path = tracing::enabled!(Level::DEBUG).then(|| head.uri.path().to_owned());
        // The future keeps little while the body arrives: it is moved more than once.
        drop(head);
        async move {
            let mut response = self.answer(asked, body, begun).await;
            if is_without_body {
                response = head_only(response);
            }
            if let Some(path) = path {
                let (status, duration) = (response.status().as_u16(), begun.elapsed().as_micros());
                tracing::debug!(path, status, duration_us = %duration, "response sent");
            }
            if is_closed_by_header && self.shared.draining.load(Ordering::Relaxed) {
                // The caller opens its next connection to a replica that stays.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// A request that has no answer but an HTTP status.
#[derive(Debug, Clone, Copy)]
enum Unasked {
    Name,
    Path,
    Method,
    MediaType,
}

impl Unasked {
    fn answer(self) -> Response {
        let (status, text) = match self {
            Self::Name => (
                StatusCode::FORBIDDEN,
                "client certificate not allowed: its name is not an --allowed-client\n",
            ),
            Self::Path => (StatusCode::NOT_FOUND, "not found: use /mutate or /validate\n"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed: use POST\n"),
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported media type: use Content-Type: application/json\n",
            ),
        };
        let mut response = plain(status, text);
        if matches!(self, Self::Method) {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

impl Webhook {
    fn asked(&self, head: &Parts, begun: Instant) -> Result<Asked, Unasked> {
        // Before the path: a caller without the right learns nothing of the server.
        if !self.is_admitted {
            self.shared.metrics.client_refused("client_name");
            return Err(Unasked::Name);
        }
        let endpoint = match head.uri.path() {
            "/mutate" => Endpoint::Mutate,
            "/validate" => Endpoint::Validate,
            _ => return Err(Unasked::Path),
        };
        if head.method != Method::POST {
            return Err(Unasked::Method);
        }
        if !is_json(&head.headers) {
            return Err(Unasked::MediaType);
        }
        let longest = self.shared.limits.request;
        // The API server sends its timeout along, and hangs up after it.
        let patience = asked_timeout(head.uri.query()).map_or(longest, |asked| asked.min(longest));
        Ok(Asked { endpoint, times: Times::new(begun, patience) })
    }

    async fn answer(&self, asked: Result<Asked, Unasked>, mut body: Body, begun: Instant) -> Response {
        let response = match asked {
            Ok(asked) => match judge(&self.shared, &self.source, asked, &mut body).await {
                Ok(answered) => respond_with(answered),
                Err(response) => response,
            },
            Err(unasked) => unasked.answer(),
        };
        // A caller that is not admitted is cut off, however much it still sends.
        if !body.is_end_stream() && self.is_admitted {
            // The answer overtakes the body, which is still being read.
            tokio::spawn(discard(body, begun + self.shared.limits.discard));
        }
        response
    }
}

/// An answer with what its request holds until it is written: a caller that
/// reads nothing keeps its place.
struct Answered {
    body: Vec<u8>,
    _held: (Permit, InFlight),
}

impl AsRef<[u8]> for Answered {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn respond_with((status, answered): (u16, Answered)) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let media_type = if status == StatusCode::OK { "application/json" } else { "text/plain; charset=utf-8" };
    let mut response = Response::new(Body::from(Bytes::from_owner(answered)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Evaluates what is in the body; an error is the response to one of which too
/// little came.
async fn judge(
    shared: &Arc<Shared>,
    source: &Arc<Source>,
    asked: Asked,
    body: &mut Body,
) -> Result<(u16, Answered), Response> {
    // Most requests get a place at once, and need no future for the wait on the heap.
    let mut place = shared.places.try_take(source);
    if place.is_none() {
        place = Box::pin(shared.places.take(source, |of| shared.callers.dismiss_unread(of))).await;
    }
    let Some(place) = place else {
        shared.metrics.answered(asked.times.begun.elapsed());
        return Err(shed(shared));
    };
    let in_flight = shared.metrics.enter();
    let answer = judge_in_place(shared, asked, body, &place).await?;
    Ok((answer.status, Answered { body: answer.body, _held: (place, in_flight) }))
}

async fn judge_in_place(
    shared: &Arc<Shared>,
    asked: Asked,
    body: &mut Body,
    place: &Permit,
) -> Result<Answer, Response> {
    let begun = Begun::new(body, &shared.budget, &shared.limits);
    let received = match receive_at_once(body, begun, &shared.limits).await {
        Ok(received) => received,
        Err(begun) => {
            Box::pin(receive(body, begun, &shared.budget, &shared.limits, asked.times, place)).await
        }
    };
    match received {
        Received::Broken => {
            shared.metrics.answered(asked.times.begun.elapsed());
            Err(plain(StatusCode::BAD_REQUEST, "the request body is incomplete\n"))
        }
        Received::Beginning(beginning, lack) => {
            let answer = judge_beginning(shared, asked, &beginning, lack.as_str());
            match (answer.status, lack) {
                (200, _) | (_, Lack::TooLong | Lack::NoBudget) => Ok(answer),
                (_, Lack::NoPlace) => Err(shed(shared)),
                (_, Lack::TooSlow) => Err(plain(
                    StatusCode::REQUEST_TIMEOUT,
                    "request timeout: the body did not arrive in time\n",
                )),
            }
        }
        Received::Whole(whole, share) => {
            // A body that takes microseconds is evaluated here.
            if whole.len() <= shared.limits.quick_body {
                let policy = shared.policy.load();
                if let Some(answer) = try_ask(shared, &policy, asked, &whole, admission::review_quickly) {
                    return Ok(answer);
                }
            }
            Box::pin(judge_apart(shared, asked, place, whole, share)).await
        }
    }
}

/// Sends a request away, quickly: the caller can turn to another replica.
fn shed(shared: &Shared) -> Response {
    shared.metrics.shed();
    let mut response =
        plain(StatusCode::SERVICE_UNAVAILABLE, "overloaded: too many requests are in flight; try again\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Evaluates a large body, or a long list, on a thread of its own, in turn. A request that waits for
/// its turn gives up its permit if others need it.
async fn judge_apart(
    shared: &Arc<Shared>,
    asked: Asked,
    place: &Permit,
    body: Buffer,
    share: Share,
) -> Result<Answer, Response> {
    // The body may wait for its turn, and room that it does not need would wait with it.
    let (body, policy) = (body.fit(), shared.policy.load_full());
    let turn = timeout_at(asked.times.due, Arc::clone(&shared.heavy).acquire_owned());
    let Some(turn) = place.wait(turn).await else {
        shared.metrics.answered(asked.times.begun.elapsed());
        return Err(shed(shared));
    };
    let Ok(Ok(turn)) = turn else {
        return Ok(judge_beginning(shared, asked, &body, Lack::NoBudget.as_str()));
    };
    let on_thread = Arc::clone(shared);
    let judged = tokio::task::spawn_blocking(move || {
        let answer = ask(&on_thread, &policy, asked, &body, admission::review);
        // The turn ends with the work, also if the caller is gone.
        drop((body, share, turn));
        answer
    });
    Ok(judged.await.unwrap_or_else(|_| admission::without_uid()))
}

/// Answers for a body of which only the beginning is looked at.
fn judge_beginning(shared: &Shared, asked: Asked, beginning: &[u8], reason: &str) -> Answer {
    ask(shared, &shared.policy.load(), asked, beginning, |question, observe| {
        admission::review_truncated(question, reason, observe)
    })
}

/// Evaluates by the engine, and notes it in log and metrics. A panic costs this request
/// only: it is answered as one that cannot be read.
fn ask(
    shared: &Shared,
    policy: &Policy,
    asked: Asked,
    body: &[u8],
    review: impl Fn(&Question<'_>, &mut dyn FnMut(&Record<'_>)) -> Answer,
) -> Answer {
    let answer = try_ask(shared, policy, asked, body, |question, observe| Some(review(question, observe)));
    answer.unwrap_or_else(admission::without_uid)
}

/// Evaluates as [`ask`] does; `None` where `review` leaves it to another time.
fn try_ask(
    shared: &Shared,
    policy: &Policy,
    asked: Asked,
    body: &[u8],
    review: impl Fn(&Question<'_>, &mut dyn FnMut(&Record<'_>)) -> Option<Answer>,
) -> Option<Answer> {
    let now = OffsetDateTime::now_utc();
    let question = Question { endpoint: asked.endpoint, body, policy, today: now.date() };
    let mut duration = None;
    let mut observe = |record: &Record<'_>| {
        let elapsed = asked.times.begun.elapsed();
        duration = Some(elapsed);
        shared.metrics.decided(record);
        log::decision(record, policy.fingerprint(), now, elapsed);
    };
    // A fault in the evaluation of one object must not end the requests of others.
    let answered = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        if let Some(fault) = shared.fault {
            fault(body);
        }
        review(&question, &mut observe)
    }));
    let answer = match answered {
        Ok(answer) => answer?,
        Err(_) => admission::review_truncated(
            &question,
            "internal error; report it with the Pod's log",
            &mut observe,
        ),
    };
    shared.metrics.answered(duration.unwrap_or_else(|| asked.times.begun.elapsed()));
    Some(answer)
}

/// Returns the response to HEAD: the length of the body, and none of it.
fn head_only(mut response: Response) -> Response {
    // A HEAD has the length of the body that it leaves out (RFC 9110, section 9.3.2).
    let length = std::mem::take(response.body_mut()).size_hint().exact();
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
