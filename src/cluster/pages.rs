//! Lists of the API server, page by page.
//!
//! `limit` without `resourceVersion` is a consistent list, of which Kubernetes 1.34
//! and newer serve every page from the watch cache; `resourceVersion=0` would ignore
//! the limit. A token expires with the revision that it is of, after five minutes or
//! more: the answer 410 then has another token, which continues with the objects as they
//! are now ([`handleCompactedErrorForPaging`]).
//!
//! [`handleCompactedErrorForPaging`]: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/storage/etcd3/errors.go

mod error;
mod exchange;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use kube::core::Status;
use serde::Deserialize;
use tokio::task::{JoinError, JoinHandle, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connect::Server;
pub use error::Error;
pub(super) use exchange::{Answer, Ask};
use exchange::{Late, exchange};

/// Tries of one page at an API server that does not answer.
const TRIES: u32 = 4;

/// The same where it answers that it cannot do it now: overload passes.
const BUSY_TRIES: u32 = 6;

/// The longest wait that an API server may request before the next try.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A wait for an answer as long as this is reported, and each further one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first wait between tries; each later one is twice as long.
const WAIT: Duration = Duration::from_millis(250);

/// Turns of the other tasks until a request is on its way: through the client's layers,
/// its pool and its connection.
const TURNS: usize = 16;

/// The user of a call without credentials.
const ANONYMOUS: &str = "system:anonymous";

/// The number of times that a list begins again when its tokens expire.
const STARTS: u32 = 3;

/// The rate of requests for pages, and the length of a page.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Objects of a page.
    pub page_size: u32,
    /// Requests a second.
    pub qps: u32,
}

/// The resource to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The name in RBAC.
    pub resource: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// `/apis/storage.k8s.io/v1/storageclasses`
    pub path: &'static str,
    /// The form of the answer: objects whole, or their metadata only.
    pub form: &'static str,
}

/// A reader of the pages of one list.
pub trait PageReader {
    /// Takes one page. `remaining` is how many objects come after it, where the API
    /// server says so.
    fn page(&mut self, bytes: Vec<u8>, remaining: Option<u64>);

    /// Forgets all pages so far: the list begins again.
    fn forget(&mut self);
}

/// The API server with the pace of its use.
pub struct Pager {
    client: Client,
    /// The name in errors.
    server: Server,
    pace: Pace,
    notice: fn(&str),
    next: Instant,
    /// True if every list so far was read as it was at one moment.
    pub is_consistent: bool,
    /// Requests so far, by what was listed and the answer's code; 0 for none.
    pub requests: BTreeMap<(&'static str, u16), u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    kind: String,
    metadata: HeadMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HeadMetadata {
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

/// Objects as they are.
pub(super) const JSON: &str = "application/json";

/// Objects without all but their metadata.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Pager {
    /// Calls through `client` at this pace.
    pub fn new(client: Client, server: Server, pace: Pace) -> Self {
        Self {
            client,
            server,
            pace,
            notice: |_| {},
            next: Instant::now(),
            is_consistent: true,
            requests: BTreeMap::new(),
        }
    }

    /// Tells a person of long waits by `notice`, while they last.
    #[must_use]
    pub fn with_notice(mut self, notice: fn(&str)) -> Self {
        self.notice = notice;
        self
    }

    /// Reads a list to its end. `selector` is the query's text beside limit and token.
    ///
    /// # Errors
    ///
    /// When the API server refuses, does not answer, or its tokens expire again and
    /// again. `reader` keeps the part of the list that it has by then.
    pub async fn list(
        &mut self,
        listed: Listed,
        path: &str,
        selector: &str,
        reader: &mut dyn PageReader,
    ) -> Result<(), Error> {
        let (mut starts, mut renewed, mut pages) = (1, false, 0_u64);
        let limit = self.pace.page_size;
        let uri_of = |token: &str| {
            let token =
                if token.is_empty() { String::new() } else { format!("&continue={}", encoded(token)) };
            format!("{path}?limit={limit}{selector}{token}")
        };
        let mut uri = uri_of("");
        let mut begun = self.begin(&Ask::list(listed, &uri)).await;
        loop {
            let (next, page) = match self.finish(begun, &Ask::list(listed, &uri)).await {
                Answer::Page(bytes) => {
                    let head = nfs_mount_guard_json::from_slice::<Head>(&bytes).ok();
                    // A proxy or a login page may answer 200 as well.
                    let Some(head) = head.filter(|head| head.kind.ends_with("List")) else {
                        return Err(self.gone(listed, "the response is not a JSON list".to_owned(), pages));
                    };
                    pages += 1;
                    let remaining = head.metadata.remaining_item_count;
                    let Some(token) = head.metadata.r#continue.filter(|token| !token.is_empty()) else {
                        reader.page(bytes, remaining);
                        return Ok(());
                    };
                    let next = uri_of(&token);
                    // A server that repeats itself would be read without end.
                    if next == uri {
                        let reason = "it returned the same continue token twice".to_owned();
                        return Err(self.gone(listed, reason, pages));
                    }
                    (next, Some((bytes, remaining)))
                }
                // The revision was compacted, by default after 5 min.
                Answer::Refused(status) if status.code == 410 => {
                    // With this token the rest is of another moment (Continue of ListOptions:
                    // https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go).
                    let fresh = status.metadata.as_ref().and_then(|metadata| metadata.continue_.clone());
                    match fresh.filter(|fresh| !fresh.is_empty() && !renewed) {
                        Some(fresh) => {
                            renewed = true;
                            self.is_consistent = false;
                            (uri_of(&fresh), None)
                        }
                        None if starts < STARTS => {
                            starts += 1;
                            (renewed, pages) = (false, 0);
                            reader.forget();
                            (uri_of(""), None)
                        }
                        None => return Err(Error::Expired(listed.resource)),
                    }
                }
                Answer::Refused(status) => return Err(self.refused(listed, &status, pages)),
                Answer::Silence(reason) => return Err(self.gone(listed, reason, pages)),
            };
            uri = next;
            begun = self.begin(&Ask::list(listed, &uri)).await;
            // The API server makes the next page while this one is read.
            if let Some((bytes, remaining)) = page {
                reader.page(bytes, remaining);
            }
        }
    }

    /// Returns one answer, after some tries where none comes. The request must be idempotent.
    pub(super) async fn ask(&mut self, ask: &Ask<'_>) -> Answer {
        let begun = self.begin(ask).await;
        self.finish(begun, ask).await
    }

    /// Sends a request at its time, and lets the API server work on it.
    async fn begin(&mut self, ask: &Ask<'_>) -> JoinHandle<Result<Answer, Late>> {
        let at = self.next;
        self.next = at.max(Instant::now()) + Duration::from_secs(1) / self.pace.qps.max(1);
        let (client, request) = (self.client.clone(), ask.request());
        let begun = tokio::spawn(async move {
            sleep_until(at).await;
            match request {
                Ok(request) => exchange(client, request).await,
                Err(reason) => Ok(Answer::Silence(reason)),
            }
        });
        // It is one thread: the request is sent while nothing else is done.
        for _ in 0..TURNS {
            yield_now().await;
        }
        begun
    }

    /// Returns the answer to what was begun, or to a later try.
    async fn finish(&mut self, begun: JoinHandle<Result<Answer, Late>>, ask: &Ask<'_>) -> Answer {
        let mut begun = begun;
        let mut wait = WAIT;
        let mut tries = 1;
        loop {
            let (answer, most) = match self.awaited(&mut begun, ask).await {
                Ok(Ok(answer)) => (answer, TRIES),
                Ok(Err(late)) => (Answer::Silence(late.to_string()), late.tries()),
                Err(error) => (Answer::Silence(error.to_string()), TRIES),
            };
            let code = match &answer {
                Answer::Page(_) => 200,
                Answer::Refused(status) => status.code,
                Answer::Silence(_) => 0,
            };
            *self.requests.entry((ask.resource, code)).or_default() += 1;
            match answer {
                Answer::Silence(_) if tries < most => {}
                Answer::Refused(status) if tries < BUSY_TRIES && is_busy(status.code) => {
                    let asked = status.details.map_or(0, |details| details.retry_after_seconds);
                    wait = wait.max(Duration::from_secs(asked.into()).min(LONGEST_WAIT));
                }
                answer => return answer,
            }
            tries += 1;
            sleep(wait).await;
            wait *= 2;
            begun = self.begin(ask).await;
        }
    }

    /// Waits for what was begun, and tells of it while that takes long.
    async fn awaited(
        &self,
        begun: &mut JoinHandle<Result<Answer, Late>>,
        ask: &Ask<'_>,
    ) -> Result<Result<Answer, Late>, JoinError> {
        let since = Instant::now();
        loop {
            match timeout(PATIENCE, &mut *begun).await {
                Ok(ended) => return ended,
                Err(_) => (self.notice)(&format!(
                    "{} has not answered for {} s ({}); still waiting",
                    self.server,
                    since.elapsed().as_secs(),
                    ask.resource
                )),
            }
        }
    }

    fn refused(&self, listed: Listed, status: &Status, pages: u64) -> Error {
        let message = status.message.clone();
        match status.code {
            401 => Error::Unauthorized(message),
            // Everyone is this user, who must get no rights.
            403 if message.contains(ANONYMOUS) => {
                Error::Unauthorized(format!("there are none, so the user is {ANONYMOUS}"))
            }
            403 => Error::Forbidden {
                resource: listed.resource,
                group: if listed.group.is_empty() { String::new() } else { format!(" in {}", listed.group) },
                message,
            },
            404 => Error::Unknown { resource: listed.resource, server: self.server.to_string() },
            // A proxy may say so of a server that does not run.
            code if is_busy(code) && (code == 429 || status.status.is_some()) => Error::Gone {
                resource: listed.resource,
                server: self.server.to_string(),
                reason: format!("it answered {code} {message} at {BUSY_TRIES} tries"),
                seen: "; it cannot serve the list now: run scan again later, or with a smaller --qps"
                    .to_owned(),
            },
            code => self.gone(listed, format!("it answered {code} {message}").trim_end().to_owned(), pages),
        }
    }

    fn gone(&self, listed: Listed, reason: String, pages: u64) -> Error {
        let seen = match pages {
            0 => format!("; {}", self.server.advice(&reason)),
            1 => " (after 1 page); run scan again".to_owned(),
            pages => format!(" (after {pages} pages); run scan again"),
        };
        Error::Gone { resource: listed.resource, server: self.server.to_string(), reason, seen }
    }
}

/// Returns true if the server can do nothing now, and may later.
const fn is_busy(code: u16) -> bool {
    matches!(code, 429 | 500..=599)
}

/// Returns a token as a query has it: all but letters and digits written as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
