//! Reloads the certificate and the policy while requests run: a good one
//! replaces the old one, a bad one is logged once, and the last good one stays
//! in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use time::OffsetDateTime;

use super::CertificateSource;
use super::client_auth::Clients;
use super::routes::Shared;
use super::tls::{self, Certificate, CertificateStore};
use super::watch::FolderWatch;
use crate::policy_file::{self, Error};
use crate::telemetry::metrics::Reload;

/// Reloads the certificate until the server ends: from a directory that changes, or
/// a self-signed one that grows old.
/// `last` is the directory's state before the one in use was loaded.
pub(super) async fn certificate(
    source: CertificateSource,
    mut last: tls::FileState,
    store: Arc<CertificateStore>,
    shared: Arc<Shared>,
) {
    let CertificateSource::Folder(folder) = source else {
        // A self-signed one lives longer than a first try; a managed one has its own task.
        return;
    };
    let mut watch = FolderWatch::new(&folder);
    let mut last_error = String::new();
    loop {
        watch.changed().await;
        let state = tls::file_state(&folder);
        if let Some(not_after) = store.not_after().filter(|end| *end <= OffsetDateTime::now_utc()) {
            tracing::error!(%not_after, folder = %folder.display(), "the serving certificate has expired; API servers will reject it");
        }
        // After an error it is loaded again even if nothing changed: the pair may have been half written.
        if state == last && last_error.is_empty() {
            continue;
        }
        last = state;
        let Some(loaded) = load_settled(&folder).await else { continue };
        match loaded {
            Ok(certificate) => {
                let not_after = certificate.not_after();
                shared.metrics.certificate(Reload::Loaded, Some(not_after.unix_timestamp()));
                tracing::info!(%not_after, folder = %folder.display(), "a new certificate is in use");
                store.replace(certificate);
                last_error.clear();
            }
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
                    shared.metrics.certificate(Reload::Refused, None);
                    tracing::error!(error, folder = %folder.display(), "certificate reload failed, keeping the previous certificate");
                }
                last_error = error;
            }
        }
    }
}

/// Loads a pair; once more when the first try may have caught one file of the
/// old pair and one of the new.
async fn load_settled(folder: &Path) -> Option<Result<Certificate, tls::Error>> {
    let load = || {
        let folder = folder.to_owned();
        beside(move || Certificate::load(&folder, OffsetDateTime::now_utc()))
    };
    match load().await {
        Some(Err(tls::Error::Mismatch { .. } | tls::Error::Read { .. })) => {
            // The kubelet swaps one link for both files, but who copies them may be between the two.
            tokio::time::sleep(Duration::from_millis(200)).await;
            load().await
        }
        loaded => loaded,
    }
}

/// Reads files beside the event loop, for a volume may hang. `None` is a panic,
/// which has been told.
async fn beside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(read).await.ok()
}

/// Reloads the callers' CAs until the server ends: a good file applies
/// from the next handshake on.
pub(super) async fn clients(
    clients: Option<Clients>,
    store: Arc<CertificateStore>,
    config: Arc<ArcSwap<ServerConfig>>,
) {
    let Some(clients) = clients else { return };
    let mut watch = FolderWatch::new(clients.folder());
    let read = || std::fs::read(&clients.authorities).unwrap_or_default();
    let mut last = read();
    loop {
        watch.changed().await;
        let now = read();
        if now == last {
            continue;
        }
        last = now;
        let renewed =
            clients.verifier().and_then(|roots| tls::server_config(Arc::clone(&store), Some(roots)));
        match renewed {
            Ok(renewed) => {
                config.store(Arc::new(renewed));
                tracing::info!(file = %clients.authorities.display(), "a new client CA is in use");
            }
            Err(error) => {
                tracing::error!(%error, "client CA reload failed, keeping the previous CA");
            }
        }
    }
}

/// Reloads the policy until the server ends. Its directory is watched, because a
/// volume made from a `ConfigMap` never changes the file itself.
pub(super) async fn policy(file: Option<PathBuf>, shared: Arc<Shared>) {
    let Some(file) = file else { return };
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut watch = FolderWatch::new(parent.unwrap_or(Path::new(".")));
    let mut last_error = String::new();
    loop {
        watch.changed().await;
        let Some(loaded) = load_policy(&file).await else { continue };
        match loaded {
            Ok(policy) => {
                last_error.clear();
                let fingerprint = policy.fingerprint();
                if fingerprint == shared.policy.load().fingerprint() {
                    // Another key of the ConfigMap changes the link of the files, too.
                    tracing::debug!(policy = %fingerprint, file = %file.display(), "the policy was read, and is the same");
                    continue;
                }
                shared.metrics.policy(Reload::Loaded, Some(&policy));
                tracing::info!(policy = %fingerprint, profile = %policy.profile(), mode = policy.mode().as_str(), file = %file.display(), "a new policy is in use");
                shared.policy.store(Arc::new(policy));
            }
            Err(error) => {
                let error = match error {
                    Error::Mistakes(mistakes) => mistakes.in_one_line(),
                    error => error.to_string(),
                };
                if error != last_error {
                    shared.metrics.policy(Reload::Refused, None);
                    tracing::error!(error, file = %file.display(), "policy reload failed, keeping the previous policy");
                }
                last_error = error;
            }
        }
    }
}

/// Loads the policy; once more when the first try may have caught a file that
/// is still being written.
async fn load_policy(file: &Path) -> Option<Result<crate::policy::Policy, Error>> {
    let load = || {
        let file = file.to_owned();
        beside(move || policy_file::load(&file))
    };
    match load().await {
        Some(Err(_)) => {
            // A copy in place, without a rename, may be half written.
            tokio::time::sleep(Duration::from_millis(200)).await;
            load().await
        }
        loaded => loaded,
    }
}
