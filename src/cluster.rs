//! The cluster as the guard itself uses it: where its own certificates live,
//! who of the replicas looks after them, and how API servers learn of them.

pub mod certificates;
mod lease;
mod secret;
mod webhooks;

use std::time::Duration;

use kube::Client;

/// What the guard is called as the owner of the fields that it writes.
pub const FIELD_MANAGER: &str = "nfs-mount-guard";

/// Why the cluster does not do what is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing says where the API server is.
    #[error(
        "no API server is known: this is no Pod with a service account token, and there is no kubeconfig that can be used: {0}"
    )]
    Nowhere(String),
    /// The client cannot be set up.
    #[error("cannot set up the client of the API server: {0}")]
    Client(Box<kube::Error>),
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

/// Connects: as the Pod's service account, or as `KUBECONFIG` says. Gives the
/// client and the namespace that it is at home in.
///
/// # Errors
///
/// When nothing says where the API server is, or what says it cannot be used.
pub async fn connect() -> Result<(Client, String), Error> {
    let mut config = kube::Config::infer().await.map_err(|error| Error::Nowhere(error.to_string()))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(15));
    config.write_timeout = Some(Duration::from_secs(15));
    // A connection that was idle for a while is no slow answer.
    config.reset_reader_on_write = true;
    // Failures are retried where it is known how long they may last.
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?;
    Ok((client, namespace))
}
