//! What callers do wrong, in the log.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use time::OffsetDateTime;

/// Logs what callers do wrong, at most one line a second: a port scan must not
/// fill the log.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// The second since 1970 of the last line.
    last: AtomicI64,
    /// Those of which no line told since.
    untold: AtomicU64,
}

impl Complaints {
    /// Logs one, or counts it for the next line.
    pub(super) fn complain(&self, reason: &'static str, error: &str) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if self.last.fetch_max(now, Ordering::Relaxed) < now {
            let untold = self.untold.swap(0, Ordering::Relaxed);
            tracing::warn!(reason, error, untold, "a connection was refused");
        } else {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }
}
