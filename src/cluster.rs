//! The cluster as the guard itself uses it: where its own certificates live,
//! who of the replicas looks after them, and how API servers learn of them.

pub mod certificates;
mod lease;
mod secret;
pub mod service_account;
mod webhooks;

/// What the guard is called as the owner of the fields that it writes.
pub const FIELD_MANAGER: &str = "nfs-mount-guard";

/// Why the cluster does not do what is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing says where the API server is.
    #[error("no API server is known, for this is no Pod with a service account token: {0}")]
    Nowhere(String),
    /// The API server refuses, or cannot be reached.
    #[error("cannot {task}: {}", explain(source))]
    Api {
        /// What was tried.
        task: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The authority cannot do its work.
    #[error(transparent)]
    Authority(#[from] crate::authority::Error),
    /// The certificate in the Secret cannot be served with.
    #[error(transparent)]
    Certificate(#[from] crate::server::tls::Error),
}

impl Error {
    fn api(task: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let task = task.into();
        |source| Self::Api { task, source: Box::new(source) }
    }
}

/// The error with its causes, and with what a person can do about it.
fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let advice = if status.code == 403 { "; is the chart's RBAC applied?" } else { "" };
        return format!("{} ({}){advice}", status.message, status.code);
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Whether the API server says that there is no such object.
fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether somebody else was faster.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
