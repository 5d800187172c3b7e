//! One question, one bounded answer.

use std::time::Duration;

use axum::http::header::{CONNECTION, CONTENT_TYPE, DATE, WARNING};
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::{Instant, sleep, timeout};

use super::super::connect::Server;
use super::super::explain;
use super::super::pages::encoded;
use crate::doctor::facts::Seen;
use crate::doctor::probe::ProbeResponse;

/// Longest wait for what the API server has itself.
const OWN: Duration = Duration::from_secs(10);

/// Longest wait for what it requests from a Pod.
const PROXIED: Duration = Duration::from_secs(5);

/// Tries of a question that no API server answers, and the time between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);

/// Objects of a page, and most pages of a list.
// Of a list that never ends 50,000 objects are enough to see what is wrong.
const PAGE: (u32, u32) = (500, 100);

/// The API server, and whether it still answers.
pub(super) struct Asker {
    client: Client,
    server: Server,
    gone: Option<String>,
    clock: Option<OffsetDateTime>,
}

/// An answer of whatever code.
struct Raw {
    code: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Asker {
    pub(super) const fn new(client: Client, server: Server) -> Self {
        Self { client, server, gone: None, clock: None }
    }

    /// Returns the reason why it cannot be called any more.
    pub(super) fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Calls it no more.
    pub(super) fn give_up(&mut self, reason: &str) {
        self.gone.get_or_insert_with(|| reason.to_owned());
    }

    /// Returns the API server's clock, from the head of its last answer.
    pub(super) const fn clock(&self) -> Option<OffsetDateTime> {
        self.clock
    }

    /// Returns an object. `what` is the question as RBAC names it.
    pub(super) async fn get(&mut self, what: &str, path: &str) -> Seen<Value> {
        let raw = self.ask(what, path, None).await;
        parsed(what, raw)
    }

    /// Gets what [`Self::get`] gets, as text.
    pub(super) async fn text(&mut self, what: &str, path: &str) -> Seen<String> {
        self.ask(what, path, None).await.map(|raw| String::from_utf8_lossy(&raw.body).into_owned())
    }

    /// Creates an object that is answered and not stored.
    pub(super) async fn post(&mut self, what: &str, path: &str, object: &Value) -> Seen<Value> {
        let raw = self.ask(what, path, Some(object)).await;
        parsed(what, raw)
    }

    /// Returns all objects of a list. `selector` is the query's text.
    pub(super) async fn list(&mut self, what: &str, path: &str, selector: &str) -> Seen<Vec<Value>> {
        let (limit, most) = PAGE;
        let (mut items, mut token) = (Vec::new(), String::new());
        for _ in 0..most {
            let next =
                if token.is_empty() { String::new() } else { format!("&continue={}", encoded(&token)) };
            let uri = format!("{path}?limit={limit}{selector}{next}");
            let mut page = match self.get(what, &uri).await {
                Seen::Found(page) => page,
                other => return other.map(|_| Vec::new()),
            };
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(mut found)) => items.append(&mut found),
                // Go writes an empty list as null.
                Some(Value::Null) => {}
                _ => {
                    return Seen::Failed {
                        what: what.to_owned(),
                        message: "the answer is no list".to_owned(),
                    };
                }
            }
            let next = page.pointer("/metadata/continue").and_then(Value::as_str);
            next.unwrap_or_default().clone_into(&mut token);
            if token.is_empty() {
                break;
            }
        }
        Seen::Found(items)
    }

    /// Returns the response of a Pod through the API server. A missing response is no fault of the
    /// API server.
    pub(super) async fn proxied(&mut self, what: &str, path: &str) -> Seen<String> {
        if self.gone.is_some() {
            return self.silent(what);
        }
        let request = Request::get(path).body(Body::empty());
        let raw = send(&self.client, request, PROXIED).await;
        seen(what, raw).map(|raw| String::from_utf8_lossy(&raw.body).into_owned())
    }

    /// Creates a StorageClass as a dry run, over a connection of its own: a load
    /// balancer may give each to another API server.
    pub(super) fn probe(&self, class: &Value, most: Duration) -> impl Future<Output = ProbeResponse> + use<> {
        let client = self.client.clone();
        // A dry run goes through admission and is not stored.
        let path = "/apis/storage.k8s.io/v1/storageclasses?dryRun=All&fieldManager=nfs-mount-guard-doctor";
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/json")
            // A new connection each time, so that a load balancer may choose another API server.
            .header(CONNECTION, "close")
            .body(Body::from(class.to_string().into_bytes()));
        async move {
            let begun = Instant::now();
            let sent = send(&client, request, most).await;
            let took = begun.elapsed();
            match sent {
                Ok(raw) => ProbeResponse {
                    code: raw.code,
                    warnings: warnings(&raw.headers),
                    body: serde_json::from_slice(&raw.body).unwrap_or_default(),
                    silence: String::new(),
                    took,
                },
                Err(silence) => ProbeResponse { silence, took, ..ProbeResponse::default() },
            }
        }
    }

    async fn ask(&mut self, what: &str, path: &str, object: Option<&Value>) -> Seen<Raw> {
        if self.gone.is_some() {
            return self.silent(what);
        }
        let begun = Instant::now();
        let mut tries = 1;
        let raw = loop {
            let request = match object {
                None => Request::get(path).body(Body::empty()),
                Some(object) => Request::post(path)
                    .header(CONTENT_TYPE, "application/json")
                    .body(Body::from(object.to_string().into_bytes())),
            };
            let raw = send(&self.client, request, OWN).await;
            // One API server of several may be gone: a load balancer gives another one.
            if raw.is_ok() || tries == TRIES || begun.elapsed() >= OWN {
                break raw;
            }
            tries += 1;
            sleep(PAUSE).await;
        };
        match &raw {
            Ok(raw) if raw.code == 401 => {
                self.give_up(
                    "it does not accept the credentials (401); log in again, or use another context",
                );
            }
            // Certificates are checked by the clock of the API server, which is the one that counts.
            Ok(raw) => self.clock = date(&raw.headers).or(self.clock),
            Err(reason) => {
                let advice = self.server.advice(reason);
                self.give_up(&format!("{reason}; {advice}"));
            }
        }
        seen(what, raw)
    }

    fn silent<T>(&self, what: &str) -> Seen<T> {
        Seen::Failed { what: what.to_owned(), message: self.gone.clone().unwrap_or_default() }
    }
}

async fn send(
    client: &Client,
    request: Result<Request<Body>, axum::http::Error>,
    most: Duration,
) -> Result<Raw, String> {
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let response = client.send(request).await.map_err(|error| explain(&error))?;
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.map_err(|error| explain(&error))?;
        Ok(Raw { code, headers, body: body.to_bytes().to_vec() })
    };
    match timeout(most, exchange).await {
        Ok(exchanged) => exchanged,
        Err(_) => Err(format!("no answer in {} s", most.as_secs())),
    }
}

fn seen(what: &str, raw: Result<Raw, String>) -> Seen<Raw> {
    let what = what.to_owned();
    match raw {
        Ok(raw) if (200..300).contains(&raw.code) => Seen::Found(raw),
        Ok(raw) => {
            let status: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
            let message = status.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
            match raw.code {
                403 => Seen::Forbidden { what, message },
                404 => Seen::Absent,
                code => Seen::Failed { what, message: format!("{code} {message}").trim_end().to_owned() },
            }
        }
        Err(message) => Seen::Failed { what, message },
    }
}

fn parsed(what: &str, raw: Seen<Raw>) -> Seen<Value> {
    match raw {
        Seen::Found(raw) => match serde_json::from_slice(&raw.body) {
            Ok(value) => Seen::Found(value),
            Err(_) => Seen::Failed { what: what.to_owned(), message: "the answer is no JSON".to_owned() },
        },
        other => other.map(|_| Value::Null),
    }
}

fn date(headers: &HeaderMap) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(headers.get(DATE)?.to_str().ok()?, &Rfc2822).ok()
}

/// Reads warnings of the form `299 - "text"`, with its escapes (RFC 9111 §5.5, as apimachinery writes it).
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &axum::http::HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let (_, quoted) = value.split_once('"')?;
        let quoted = quoted.strip_suffix('"').unwrap_or(quoted);
        Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    headers.get_all(WARNING).iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn heads_are_read_as_the_api_server_writes_them() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 29 Nov 2026 02:30:09 GMT"));
        headers.append(WARNING, HeaderValue::from_static("299 - \"nfs-mount-guard wrote \\\"fg\\\"\""));
        headers.append(WARNING, HeaderValue::from_static("299 - \"two\""));
        assert_eq!(date(&headers).map(OffsetDateTime::unix_timestamp), Some(1_795_919_409));
        assert_eq!(warnings(&headers), ["nfs-mount-guard wrote \"fg\"", "two"]);
    }
}
