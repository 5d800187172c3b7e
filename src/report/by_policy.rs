//! The policy of a report, as it is named.

use serde::Serialize;

use crate::finding::Code;

/// The policy that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyOrigin {
    /// The policy file; `None` for a profile as it is.
    pub file: Option<String>,
    /// The profile, with its version.
    pub profile: String,
    /// `enforce` or `observe`.
    pub mode: &'static str,
    /// The policy's fingerprint.
    pub hash: String,
    /// The fingerprint of the webhook's policy, where it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_hash: Option<String>,
    /// Rules of the policy that `--select` or `--ignore` kept from running.
    #[serde(skip)]
    pub not_run: Vec<Code>,
}
