//! The two endpoints that the API server calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Body as _;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::body::{Budget, Lack, Received, Share, Times, discard, receive};
use super::callers::Callers;
use super::connection::Respond;
use super::limits::Limits;
use super::places::Places;
use crate::admission::{self, Answer, Endpoint, Question, Record};
use crate::policy::Policy;
use crate::telemetry::{log, metrics::Metrics};

/// What all requests share.
#[derive(Debug)]
pub struct Shared {
    /// The policy that the next request gets.
    pub policy: ArcSwap<Policy>,
    /// Counts.
    pub metrics: Metrics,
    /// Limits.
    pub limits: Limits,
    /// Whether the server is about to stop.
    pub draining: AtomicBool,
    /// Who is connected to the TLS port.
    pub callers: Arc<Callers>,
    places: Places,
    budget: Budget,
    /// Large bodies that may be judged at once, so that small ones find a core.
    heavy: Arc<Semaphore>,
    /// What goes wrong before a body is judged; there is no such thing outside
    /// tests.
    #[cfg(test)]
    pub(super) fault: Option<fn(&[u8])>,
}

/// Most large bodies that are judged at once, however many cores there are: the
/// memory of each is many times its length.
const HEAVY: usize = 2;

impl Shared {
    /// Begins with `policy`.
    pub fn new(policy: Arc<Policy>, limits: Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let metrics = Metrics::new();
        metrics.policy(crate::telemetry::metrics::Reload::Loaded, Some(&policy));
        Self {
            policy: ArcSwap::new(policy),
            metrics,
            limits,
            draining: AtomicBool::new(false),
            callers: Arc::new(Callers::new(limits.connections)),
            places: Places::new(limits.in_flight),
            budget: Budget::new(limits.bodies),
            heavy: Arc::new(Semaphore::new(cores.div_ceil(2).min(HEAVY))),
            #[cfg(test)]
            fault: None,
        }
    }
}

/// What answers on the TLS port. Its paths are too few to pay a router for each
/// request.
#[derive(Debug, Clone)]
pub struct Webhook {
    shared: Arc<Shared>,
    is_admitted: bool,
}

impl Webhook {
    /// For a caller who may ask.
    pub const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, is_admitted: true }
    }

    /// For a caller whose names are not allowed.
    #[must_use]
    pub fn forbidden(mut self) -> Self {
        self.is_admitted = false;
        self
    }
}

impl Respond for Webhook {
    async fn respond(self, request: Request) -> Response {
        if self.is_admitted {
            return handle(&self.shared, request).await;
        }
        self.shared.metrics.client_refused("client_name");
        plain(StatusCode::FORBIDDEN, "the client certificate bears no name that is allowed here\n")
    }
}

async fn handle(shared: &Arc<Shared>, request: Request) -> Response {
    let begun = Instant::now();
    let (head, mut body) = request.into_parts();
    let endpoint = match head.uri.path() {
        "/mutate" => Some(Endpoint::Mutate),
        "/validate" => Some(Endpoint::Validate),
        _ => None,
    };
    let refused = refuse(endpoint, &head);
    let mut response = match (refused, endpoint) {
        (None, Some(endpoint)) => {
            let response = answer(shared, endpoint, &head, &mut body, begun).await;
            shared.metrics.answered(begun.elapsed());
            response
        }
        (refused, _) => refused.unwrap_or_else(not_found),
    };
    if !body.is_end_stream() {
        // The answer overtakes the body, which goes on being read.
        tokio::spawn(discard(body, begun + shared.limits.discard));
    }
    if shared.draining.load(Ordering::Relaxed) && head.version < Version::HTTP_2 {
        // The caller opens its next connection to a replica that stays.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The answer to a request that asks nothing that can be answered.
fn refuse(endpoint: Option<Endpoint>, head: &Parts) -> Option<Response> {
    if endpoint.is_none() {
        return Some(not_found());
    }
    if head.method != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "an AdmissionReview comes by POST\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    (!is_json(&head.headers)).then(|| {
        plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "an AdmissionReview comes as Content-Type: application/json\n",
        )
    })
}

fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "the paths are /mutate and /validate\n")
}

async fn answer(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    head: &Parts,
    body: &mut Body,
    begun: Instant,
) -> Response {
    let Some(place) = shared.places.take().await else {
        return shed(shared);
    };
    let _in_flight = shared.metrics.enter();
    let patience = asked_timeout(head.uri.query())
        .map_or(shared.limits.request, |asked| asked.min(shared.limits.request));
    let times = Times::new(begun, patience);
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let received = receive(body, announced, &shared.budget, &shared.limits, times, &place).await;
    let answer = match received {
        Received::Broken => return plain(StatusCode::BAD_REQUEST, "the body broke off\n"),
        Received::Beginning(beginning, lack) => {
            let answer = judge_beginning(shared, endpoint, &beginning, lack.as_str());
            match (answer.status, lack) {
                (200, _) | (_, Lack::TooLong | Lack::NoBudget) => answer,
                (_, Lack::NoPlace) => return shed(shared),
                (_, Lack::TooSlow) => {
                    return plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n");
                }
            }
        }
        Received::Whole(whole, share) => judge(shared, endpoint, whole, share, times.due).await,
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    if status != StatusCode::OK {
        return (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], answer.body).into_response();
    }
    let mut response = Response::new(Body::from(answer.body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sends a request away, quickly: the caller can turn to another replica.
fn shed(shared: &Shared) -> Response {
    shared.metrics.shed();
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way; try again\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Judges a body: here, when that is a matter of microseconds, else on a
/// thread of its own, in turn.
async fn judge(shared: &Arc<Shared>, endpoint: Endpoint, body: Bytes, share: Share, due: Instant) -> Answer {
    if body.len() <= shared.limits.quick_body {
        return ask(shared, &shared.policy.load(), endpoint, &body, admission::review);
    }
    let policy = shared.policy.load_full();
    let Ok(Ok(turn)) = timeout_at(due, Arc::clone(&shared.heavy).acquire_owned()).await else {
        return judge_beginning(shared, endpoint, &body, Lack::NoBudget.as_str());
    };
    let on_thread = Arc::clone(shared);
    let judged = tokio::task::spawn_blocking(move || {
        let answer = ask(&on_thread, &policy, endpoint, &body, admission::review);
        // The turn ends with the work, also where nobody waits for it any more.
        drop((body, share, turn));
        answer
    });
    judged.await.unwrap_or_else(|_| admission::without_uid())
}

/// Answers for a body of which only the beginning is looked at.
fn judge_beginning(shared: &Shared, endpoint: Endpoint, beginning: &[u8], reason: &str) -> Answer {
    ask(shared, &shared.policy.load(), endpoint, beginning, |question, observe| {
        admission::review_truncated(question, reason, observe)
    })
}

/// Asks the engine, and tells log and metrics. A panic costs this request
/// only: it is answered as one that cannot be read.
fn ask(
    shared: &Shared,
    policy: &Policy,
    endpoint: Endpoint,
    body: &[u8],
    review: impl Fn(&Question<'_>, &mut dyn FnMut(&Record<'_>)) -> Answer,
) -> Answer {
    let (begun, now) = (Instant::now(), OffsetDateTime::now_utc());
    let question = Question { endpoint, body, policy, today: now.date() };
    let mut observe = |record: &Record<'_>| {
        shared.metrics.decided(record);
        log::decision(record, policy.fingerprint(), now, begun.elapsed());
    };
    let answered = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        if let Some(fault) = shared.fault {
            fault(body);
        }
        review(&question, &mut observe)
    }));
    answered.unwrap_or_else(|_| {
        admission::review_truncated(&question, "an error in nfs-mount-guard; please report it", &mut observe)
    })
}

/// The time the caller will wait, which the API server puts into the query as
/// `timeout=3s`.
fn asked_timeout(query: Option<&str>) -> Option<Duration> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix("timeout="))?;
    if let Some(seconds) = value.strip_suffix('s').and_then(|seconds| seconds.parse::<u32>().ok()) {
        return Some(Duration::from_secs(seconds.into()));
    }
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().ok()?;
    let seconds = match value.strip_prefix(digits)? {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let has_media_type = || {
        let media_type = value.to_str().ok().and_then(|value| value.split(';').next());
        media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
    };
    value == "application/json" || has_media_type()
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_timeout_the_api_server_sends() {
        for (query, expected) in [
            ("timeout=3s", Some(3000)),
            ("a=b&timeout=500ms", Some(500)),
            ("timeout=1m", Some(60_000)),
            ("timeout=1m30s", None),
            ("timeout=-3s", None),
            ("timeout=", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(asked_timeout(Some(query)), expected, "{query}");
        }
    }
}
