//! One request to the API server, and its answer.

use axum::http::header::RETRY_AFTER;
use axum::http::{Method, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::response::StatusDetails;
use tokio::time::timeout;

use super::Listed;
use crate::cluster::connect::{CONNECTING, SILENCE};
use crate::cluster::{explain, is_timed_out};

/// Tries of a request where each one is a long wait.
const LATE_TRIES: u32 = 2;

/// Most bytes of one answer: a page of 500 objects of 1 MiB.
const LONGEST_ANSWER: usize = 512 << 20;

/// One request.
#[derive(Debug, Clone)]
pub(in crate::cluster) struct Ask<'a> {
    /// The resource that it is counted as.
    pub(in crate::cluster) resource: &'static str,
    pub(in crate::cluster) method: Method,
    pub(in crate::cluster) uri: &'a str,
    /// The form of the answer.
    pub(in crate::cluster) accept: &'static str,
    /// The body, and its form.
    pub(in crate::cluster) body: Option<(&'static str, &'a str)>,
}

impl<'a> Ask<'a> {
    pub(super) const fn list(listed: Listed, uri: &'a str) -> Self {
        Self { resource: listed.resource, method: Method::GET, uri, accept: listed.form, body: None }
    }

    pub(super) fn request(&self) -> Result<Request<Body>, String> {
        let request = Request::builder().method(&self.method).uri(self.uri).header("accept", self.accept);
        let request = match self.body {
            Some((form, body)) => request.header("content-type", form).body(body.as_bytes().to_vec().into()),
            None => request.body(Body::empty()),
        };
        request.map_err(|error| error.to_string())
    }
}

/// A request that was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Late {
    #[error("no connection within {} s", CONNECTING.as_secs())]
    Connection,
    #[error("it accepts the connection, and does not answer within {} s", SILENCE.as_secs())]
    Answer,
    #[error("its answer is longer than {} MiB; set a smaller --page-size", LONGEST_ANSWER >> 20)]
    Endless,
}

impl Late {
    /// Returns how often it is tried.
    pub(super) const fn tries(&self) -> u32 {
        match self {
            Self::Connection | Self::Answer => LATE_TRIES,
            Self::Endless => 1,
        }
    }
}

/// Sends one request and reads its answer.
pub(super) async fn exchange(client: Client, request: Request<Body>) -> Result<Answer, Late> {
    let response = match timeout(SILENCE, client.send(request)).await {
        Err(_) => return Err(Late::Answer),
        Ok(Ok(response)) => response,
        Ok(Err(error)) if is_timed_out(&error) => return Err(Late::Connection),
        Ok(Err(error)) => return Ok(Answer::Silence(explain(&error))),
    };
    let code = response.status();
    let later = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
    let body = match Limited::new(response.into_body(), LONGEST_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Late::Endless),
        Err(error) => {
            let reason = error.downcast_ref::<kube::Error>().map_or_else(|| error.to_string(), explain);
            return Ok(Answer::Silence(format!("the answer broke off: {reason}")));
        }
    };
    if code.is_success() {
        return Ok(Answer::Page(body.to_vec()));
    }
    let mut status: Status = serde_json::from_slice(&body).unwrap_or_else(|_| foreign(&body));
    // The body of a proxy has no code, or another one.
    status.code = code.as_u16();
    if let Some(later) = later {
        let none = || StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        status.details.get_or_insert_with(none).retry_after_seconds = later;
    }
    Ok(Answer::Refused(Box::new(status)))
}

/// Returns an answer that is none of the API server's: one that some other server, or a proxy, gives
/// in a line of text.
fn foreign(body: &[u8]) -> Status {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let message = line.chars().take(LONGEST_LINE).collect();
    Status { message, ..Status::default() }
}

/// Most characters of a text that is no answer of the API server.
const LONGEST_LINE: usize = 120;

/// The result of one request.
pub(in crate::cluster) enum Answer {
    Page(Vec<u8>),
    Refused(Box<Status>),
    Silence(String),
}
