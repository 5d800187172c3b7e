//! Logs the faults of callers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use time::OffsetDateTime;

/// Logs what callers do wrong, at most one line a second: a port scan must not
/// fill the log.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// The second since 1970 of the last line.
    last: AtomicI64,
    /// Rejections since then without a line.
    suppressed: AtomicU64,
}

impl Complaints {
    /// Logs one, or counts it for the next line.
    pub(super) fn complain(&self, reason: &'static str, error: &str) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if self.last.fetch_max(now, Ordering::Relaxed) < now {
            let suppressed = self.suppressed.swap(0, Ordering::Relaxed);
            tracing::warn!(reason, error, suppressed, "connection rejected");
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(reason, error, "connection rejected, within the same second");
        }
    }
}
