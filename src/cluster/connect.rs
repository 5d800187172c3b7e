//! The API server as a person's kubeconfig or a Pod's service account names it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use kube::Client;
use kube::client::AuthError;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::explain;

/// Longest wait for the next bytes of an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// The place of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Where {
    /// The kubeconfig; else `KUBECONFIG`, `~/.kube/config`, or the Pod's own.
    pub kubeconfig: Option<PathBuf>,
    /// The context; else the current one.
    pub context: Option<String>,
}

/// The reason why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing names a cluster.
    #[error(
        "no cluster: give --kubeconfig FILE, or set KUBECONFIG (a Pod uses its service account, and this is not a Pod)"
    )]
    Nowhere,
    /// The kubeconfig cannot be used.
    #[error("{place}: {reason}")]
    Kubeconfig {
        /// The file or place.
        place: String,
        /// The error and its remedy.
        reason: String,
    },
    /// The user of the context cannot be authenticated.
    #[error("{0}")]
    User(String),
}

/// A client of the API server, and how it is called. Nothing is sent yet, but an exec
/// plugin is run.
///
/// # Errors
///
/// When nothing names a cluster, or the kubeconfig cannot be used.
pub async fn connect(at: &Where) -> Result<(Client, String), Error> {
    let mut config = config(at).await?;
    let agent = concat!("nfs-mount-guard/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // The pager tries again by itself, and says so.
    config.default_retry = false;
    let address = config.cluster_url.to_string();
    let address = address.trim_end_matches('/').to_owned();
    let client = Client::try_from(config).map_err(|error| match error {
        kube::Error::Auth(error) => Error::User(unauthenticated(&error)),
        other => Error::User(format!("cannot use the kubeconfig's cluster or user: {}", explain(&other))),
    })?;
    Ok((client, address))
}

async fn config(at: &Where) -> Result<Config, Error> {
    let has_default = || {
        std::env::var_os("KUBECONFIG").is_some_and(|list| !list.is_empty())
            || std::env::home_dir().is_some_and(|home| home.join(".kube/config").exists())
    };
    if at.kubeconfig.is_none() && at.context.is_none() && !has_default() {
        return Config::incluster().map_err(|_| Error::Nowhere);
    }
    let (place, read) = match &at.kubeconfig {
        Some(file) => (format!("--kubeconfig: {}", file.display()), Kubeconfig::read_from(file)),
        None if has_default() => (default_place(), Kubeconfig::read()),
        None => return Err(Error::Nowhere),
    };
    let bad = |reason: String| Error::Kubeconfig { place: place.clone(), reason };
    let kubeconfig = read.map_err(|error| bad(unreadable(&error)))?;
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let known =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    let wanted = at.context.clone().or_else(|| kubeconfig.current_context.clone());
    match wanted.filter(|name| !name.is_empty()) {
        None => return Err(bad(format!("has no current context; give --context NAME ({known})"))),
        Some(name) if !names.contains(&&*name) => {
            return Err(bad(format!("has no context {name:?}; {known}")));
        }
        Some(_) => {}
    }
    let options = KubeConfigOptions { context: at.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad(unreadable(&error)))
}

fn default_place() -> String {
    match std::env::var("KUBECONFIG") {
        Ok(list) if !list.is_empty() => format!("KUBECONFIG: {list}"),
        _ => "~/.kube/config".to_owned(),
    }
}

/// Describes the fault of a kubeconfig, without the names of a library's types.
fn unreadable(error: &KubeconfigError) -> String {
    let missing = |path: &Path| format!("{} cannot be read", path.display());
    match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", missing(path)),
        KubeconfigError::Parse(error) => format!("is not a kubeconfig: {error}"),
        KubeconfigError::LoadClusterOfContext(cluster) => {
            format!("the context names the cluster {cluster:?}, which is not in it")
        }
        KubeconfigError::MissingClusterUrl => "the cluster of the context has no server".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the reason why a user cannot be authenticated. The standard output of a plugin may be a
/// secret, and is not shown.
fn unauthenticated(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => format!(
            "the exec plugin of the kubeconfig's user cannot be started: {error}; install it, or use another context"
        ),
        AuthError::AuthExecRun { cmd, out } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.trim().lines().last().unwrap_or_default();
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let (cmd, status) = (cmd.replace('"', ""), out.status);
            format!(
                "the exec plugin {cmd:?} of the kubeconfig's user failed ({status}){said}; run it to see why"
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the exec plugin of the kubeconfig's user printed no ExecCredential with a status".to_owned()
        }
        AuthError::ReadTokenFile(error, path) => {
            format!("the token file {} cannot be read: {error}", path.display())
        }
        other => format!("the kubeconfig's user cannot be authenticated: {other}"),
    }
}
