//! The API server as a person's kubeconfig or a Pod's service account names it.

mod faults;
mod plugin;
mod proxy;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, Uri};
use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, InClusterError, KubeConfigOptions, Kubeconfig};

use faults::Fault;
pub(super) use faults::{authentication, unauthenticated};
pub use server::Server;

/// Longest time until a connection is there: TCP, a proxy, and TLS.
pub(super) const CONNECTING: Duration = Duration::from_secs(30);

/// Longest wait for an answer to begin. The API server itself ends a request after this time
/// (`--request-timeout`).
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Longest wait for the next bytes of an answer that has begun. Longer than [`SILENCE`], which is
/// then the one that ends a wait for the first.
const PAUSE: Duration = Duration::from_secs(65);

/// The reason why there is no service account where no variable names an API server.
const NO_POD: &str = "this is not a Pod";

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
    /// Nothing names a cluster; why a service account does not.
    #[error(
        "no cluster: give --kubeconfig FILE, or set KUBECONFIG (a Pod uses its service account, and {0})"
    )]
    Nowhere(String),
    /// The kubeconfig cannot be used.
    #[error("{place}: {reason}")]
    Kubeconfig {
        /// The file or place.
        place: String,
        /// The error and its remedy.
        reason: String,
    },
    /// The user of the context has no credentials that can be used.
    #[error("{place}: {reason}")]
    User {
        /// The file that they are read from, and their user.
        place: String,
        /// The fault and the remedy.
        reason: String,
    },
}

/// The cluster and the user that a context names.
#[derive(Default)]
struct Chosen {
    /// The kubeconfig, or what else has the credentials.
    place: String,
    /// The name of the user; empty for none.
    user: String,
    /// The proxy, and what names it.
    proxy: Option<(Uri, &'static str)>,
    /// True if a CA is given for the API server.
    has_authority: bool,
}

/// Returns a client of the API server, and how it is called. Nothing is sent yet, but an exec
/// plugin is run, for a bounded time.
///
/// # Errors
///
/// When nothing names a cluster, the kubeconfig cannot be used, or the user of its
/// context has no credentials that can be used.
pub async fn connect(at: &Where) -> Result<(Client, Server), Error> {
    let (mut config, chosen) = config(at).await?;
    let agent = concat!("nfs-mount-guard/", env!("CARGO_PKG_VERSION"));
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    config.connect_timeout = Some(CONNECTING);
    config.read_timeout = Some(PAUSE);
    // Else the clock of a connection that was idle for long would end its next request.
    config.reset_reader_on_write = true;
    // The pager tries again by itself, and says so.
    config.default_retry = false;
    let proxy = chosen.proxy.as_ref().map(|(url, origin)| (url, *origin));
    let server = Server::new(&config.cluster_url, proxy).with_authority(chosen.has_authority);
    let client = plugin::client(config, plugin::has_terminal()).await.map_err(|fault| match fault {
        Fault::Cluster(reason) => Error::Kubeconfig { place: chosen.place, reason },
        Fault::User(reason) if chosen.user.is_empty() => Error::User { place: chosen.place, reason },
        Fault::User(reason) => {
            Error::User { place: format!("{}: user {:?}", chosen.place, chosen.user), reason }
        }
    })?;
    Ok((client, server))
}

/// Returns the reason why there is no service account of a Pod.
fn of_no_pod(error: &InClusterError) -> String {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return NO_POD.to_owned();
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("that of this Pod cannot be used: {error}{cause}; is automountServiceAccountToken false?")
}

async fn config(at: &Where) -> Result<(Config, Chosen), Error> {
    let has_default = || {
        std::env::var_os("KUBECONFIG").is_some_and(|list| !list.is_empty())
            || std::env::home_dir().is_some_and(|home| home.join(".kube/config").exists())
    };
    // kubectl decides so: a kubeconfig comes before the service account of a Pod.
    if at.kubeconfig.is_none() && at.context.is_none() && !has_default() {
        let config = Config::incluster().map_err(|error| Error::Nowhere(of_no_pod(&error)))?;
        let place = "service account".to_owned();
        return Ok((config, Chosen { place, has_authority: true, ..Chosen::default() }));
    }
    let (place, read) = match &at.kubeconfig {
        Some(file) => (format!("--kubeconfig: {}", file.display()), faults::read(file)),
        None if has_default() => (default_place(), faults::read_default()),
        None => return Err(Error::Nowhere(NO_POD.to_owned())),
    };
    let bad = |reason: String| Error::Kubeconfig { place: place.clone(), reason };
    let kubeconfig = read.map_err(&bad)?;
    let (user, cluster) = chosen(&kubeconfig, at.context.as_deref()).map_err(&bad)?;
    let options = KubeConfigOptions { context: at.context.clone(), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| bad(faults::unreadable(&error)))?;
    if config.cluster_url.scheme().is_none() {
        let server = &config.cluster_url;
        return Err(bad(format!("the server {server} of the cluster has no scheme; write https://{server}")));
    }
    // An empty list would be taken for no CA at all, and every handshake would fail without a
    // reason.
    if config.root_cert.as_ref().is_some_and(Vec::is_empty) {
        return Err(bad(faults::NO_AUTHORITY.to_owned()));
    }
    let proxy = proxy::of(&config.cluster_url, &cluster).map_err(&bad)?;
    config.proxy_url = proxy.clone().map(|(url, _)| url);
    let has_authority = config.root_cert.is_some();
    Ok((config, Chosen { place, user, proxy, has_authority }))
}

/// Returns the files that a connection is read from first: what else is read is named in them.
pub fn kubeconfigs(at: &Where) -> Vec<PathBuf> {
    at.kubeconfig.clone().map_or_else(faults::default_files, |file| vec![file])
}

/// Returns the files that the kubeconfigs name, as far as these can be read.
pub fn files_of_kubeconfigs(at: &Where) -> Vec<PathBuf> {
    let read = kubeconfigs(at).into_iter().filter_map(|file| Kubeconfig::read_from(file).ok());
    read.flat_map(|config| {
        let clusters = config.clusters.into_iter().filter_map(|named| named.cluster?.certificate_authority);
        let users = config.auth_infos.into_iter().filter_map(|named| named.auth_info);
        let users = users.flat_map(|user| {
            [user.client_certificate, user.client_key, user.token_file].into_iter().flatten()
        });
        clusters.chain(users).map(PathBuf::from).collect::<Vec<_>>()
    })
    .collect()
}

/// Returns the user and the cluster of a context; the client would take a user that does not
/// exist for one without credentials.
fn chosen(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<(String, Cluster), String> {
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let known =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    // `current-context: ""` is what kubectl writes after its context was deleted.
    let wanted = context.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty());
    let Some(wanted) = wanted else {
        return Err(format!(
            "has no current context; give --context NAME, or set current-context in it ({known})"
        ));
    };
    let Some(context) = kubeconfig.contexts.iter().find(|context| context.name == wanted) else {
        return Err(format!("has no context {wanted:?}; {known}"));
    };
    let context = context.context.clone().unwrap_or_default();
    let missing = |what: &str, name: &str| {
        format!(
            "the context {wanted:?} names the {what} {name:?}, which is not in it; add it under {what}s, or give another --context NAME"
        )
    };
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let Some(cluster) = cluster.and_then(|cluster| cluster.cluster.clone()) else {
        return Err(missing("cluster", &context.cluster));
    };
    let user = context.user.unwrap_or_default();
    let entry = kubeconfig.auth_infos.iter().find(|entry| entry.name == user);
    if entry.is_none() && !user.is_empty() {
        return Err(missing("user", &user));
    }
    let credentials = entry.and_then(|entry| entry.auth_info.as_ref());
    faults::removed(credentials.unwrap_or(&AuthInfo::default()))
        .map_or(Ok(()), |reason| Err(format!("user {user:?}: {reason}")))?;
    Ok((user, cluster))
}

fn default_place() -> String {
    match std::env::var("KUBECONFIG") {
        Ok(list) if !list.is_empty() => format!("KUBECONFIG: {list}"),
        _ => "~/.kube/config".to_owned(),
    }
}
