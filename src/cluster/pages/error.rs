//! The reasons why a list is not read.

use super::STARTS;

/// The reason why a list was not read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server has no such resource.
    #[error("{server} has no {resource} (404): it is not a Kubernetes API server, or the path is wrong")]
    Unknown {
        /// The resource that was to be listed.
        resource: &'static str,
        /// The server.
        server: String,
    },
    /// It does not know the caller.
    #[error(
        "the API server does not accept the credentials (401): {0}; log in again, or use another context"
    )]
    Unauthorized(String),
    /// It refuses.
    #[error("not allowed to list {resource} (403): {message}; grant \"list\" on {resource}{group}")]
    Forbidden {
        /// The resource that was to be listed.
        resource: &'static str,
        /// ` in GROUP`; empty for the core group.
        group: String,
        /// The message of the API server.
        message: String,
    },
    /// Tokens expired again and again.
    #[error(
        "cannot list {0}: its pages expired {STARTS} times before the last one was read; set a larger --page-size or --qps"
    )]
    Expired(&'static str),
    /// It does not answer, or not as it should.
    #[error("cannot list {resource} at {server}: {reason}{seen}")]
    Gone {
        /// The resource that was to be listed.
        resource: &'static str,
        /// The server.
        server: String,
        /// The reason.
        reason: String,
        /// The position that was reached.
        seen: String,
    },
}
