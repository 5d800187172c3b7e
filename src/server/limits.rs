//! Limits the work that the server takes on at once, and its time.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::admission::LONGEST_BODY;

/// Limits of the server. Times bound what a caller may keep waiting; numbers
/// bound memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests that may be in flight at once; further ones get 503.
    pub in_flight: usize,
    /// Connections that may be open at once; for a further one, the one that
    /// can be missed most is closed.
    pub connections: usize,
    /// The same of the status port.
    pub status_connections: usize,
    /// Longest body in bytes.
    pub body: usize,
    /// Bytes that all large bodies together may hold.
    pub bodies: usize,
    /// A body up to this length is taken without requesting a share of
    /// [`Self::bodies`].
    pub small_body: usize,
    /// A body beyond this length is evaluated beside the event loop.
    pub quick_body: usize,
    /// Bodies of that kind that are evaluated at once.
    pub heavy: usize,
    /// Longest TLS handshake.
    pub handshake: Duration,
    /// Longest wait for a connection's first request, and for the head of a
    /// request from its first byte on.
    pub head: Duration,
    /// Longest wait for a further request. Longer than the 90 s after which the
    /// API server's client drops an idle connection, so that it is always the
    /// client who closes.
    pub idle: Duration,
    /// Longest wait for a body, where the caller does not say less.
    pub request: Duration,
    /// Longest wait for a large body once it has its share of the budget: those
    /// after it wait too.
    pub large_body: Duration,
    /// Longest time from when an answer is made to when all of it is written;
    /// looked at twice in that time, so that an answer that is not read is gone within
    /// one and a half of it.
    pub answer: Duration,
    /// Longest time that a body without use is read, counted from the request's
    /// head on.
    pub discard: Duration,
    /// Longest wait for requests in flight when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An API server allows itself 600 requests at once, 200 of them mutating
            // (--max-requests-inflight, --max-mutating-requests-inflight):
            // https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
            in_flight: 1024,
            connections: 4096,
            status_connections: 64,
            body: LONGEST_BODY,
            // Two of the longest bodies; the chart's memory limit has room for them.
            bodies: 96 * 1024 * 1024,
            // A usual review has a few KiB.
            small_body: 64 * 1024,
            quick_body: 512 * 1024,
            // One core stays for the small ones, also on a node of two.
            heavy: 1,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Above the 90 s of Go's http.Transport, for which the client closes first.
            idle: Duration::from_secs(130),
            // The longest timeoutSeconds of a webhook:
            // https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
            request: Duration::from_secs(30),
            large_body: Duration::from_secs(5),
            answer: Duration::from_secs(2),
            discard: Duration::from_secs(10),
            // The chart's terminationGracePeriodSeconds of 60 has room for it after
            // --shutdown-delay.
            drain: Duration::from_secs(30),
        }
    }
}

/// Open files beside the connections: ports, log, policy, watches and the
/// status port.
const OTHER_FILES: u64 = 256;

impl Limits {
    /// Limits connections to the number of files that the system allows. The soft limit, which a
    /// container may have from its runtime at 1024, is raised first.
    #[must_use]
    pub fn within_open_files(mut self) -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        let wanted = self.connections as u64 + OTHER_FILES;
        if limit.current.is_some_and(|current| current < wanted) {
            let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
            let asked = Rlimit { current: Some(raised), maximum: limit.maximum };
            if setrlimit(Resource::Nofile, asked).is_ok() {
                limit = asked;
            }
        }
        if let Some(files) =
            limit.current.and_then(|files| usize::try_from(files.saturating_sub(OTHER_FILES)).ok())
        {
            // A few connections even where the limit is too low for the rest: better slow than
            // closed.
            self.connections = self.connections.min(files.max(16));
        }
        self
    }
}
