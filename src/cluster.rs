//! The cluster as the guard itself uses it: where its own certificates live,
//! who of the replicas looks after them, and how API servers learn of them.

pub mod certificates;
pub mod connect;
mod create;
pub mod doctor;
mod lease;
pub mod pages;
pub mod reports;
pub mod scan;
pub mod scan_status;
mod secret;
pub mod service_account;
pub mod webhook_policy;
mod webhooks;

/// The field manager: the owner of the fields that nfs-mount-guard writes.
pub const FIELD_MANAGER: &str = "nfs-mount-guard";

/// The reason why the cluster does not do what is requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing says where the API server is.
    #[error("must run in a Pod with a service account ({0})")]
    Nowhere(String),
    /// The API server refuses, or cannot be reached.
    #[error("cannot {task}: {reason}")]
    Api {
        /// The task that failed.
        task: String,
        /// The reason, and the remedy.
        reason: String,
    },
    /// The CA cannot do its work.
    #[error(transparent)]
    Authority(#[from] crate::ca::Error),
    /// The certificate in the Secret cannot be served with.
    #[error(transparent)]
    Certificate(#[from] crate::server::tls::Error),
}

impl Error {
    fn api(task: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let task = task.into();
        |error| Self::Api { task, reason: explain(&error) }
    }
}

/// Returns the error with its causes, and with what a person can do about it.
pub(crate) fn explain(error: &kube::Error) -> String {
    // A plugin of the kubeconfig may fail when its token is renewed.
    if let Some(error) = connect::authentication(error) {
        return connect::unauthenticated(error, None);
    }
    let mut cause: &(dyn std::error::Error + 'static) = match error {
        kube::Error::Api(status) => {
            let advice = if status.code == 403 { "; is the chart's RBAC applied?" } else { "" };
            return format!("{} ({}){advice}", status.message, status.code);
        }
        kube::Error::Service(cause) => &**cause,
        kube::Error::SerdeError(cause) => cause,
        kube::Error::HyperError(cause) => cause,
        // The others are about what is not used here.
        other => return other.to_string(),
    };
    let mut text = cause.to_string();
    while let Some(inner) = cause.source() {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner;
    }
    text
}

/// Returns true if no connection came about, or nothing more was received on one, for as long as
/// the client waits.
pub(crate) fn is_timed_out(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let is_io = error.downcast_ref::<std::io::Error>();
        if is_io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns true if another client wrote the object first.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}
