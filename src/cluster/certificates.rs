//! The built-in authority at work: every replica serves with what the Secret
//! holds; the one with the Lease renews it, and tells the API servers.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use kube::Client;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::Error;
use super::lease::Lease;
use super::secret::{self, Store};
use super::webhooks::{Configurations, Trust};
use crate::ca::Pair;
use crate::ca::rotation::{Rotation, Stored};
use crate::ca::state::{CaState, CertificateFacts};
use crate::server::routes::Shared;
use crate::server::tls::{Certificate, CertificateStore};
use crate::telemetry::metrics::Reload;

/// The longest time between two checks of the Secret by a replica; shorter if the steps of a change
/// of CA follow each other more quickly.
const INTERVAL: Duration = Duration::from_secs(10);

/// The names and places of the objects.
#[derive(Debug, Clone)]
pub struct CertificateSettings {
    /// The namespace of Secret, Lease and Service.
    pub namespace: String,
    /// The Secret, and the Lease beside it.
    pub secret: String,
    /// The name of both webhook configurations.
    pub webhooks: String,
    /// The identity of this replica, unlike any other.
    pub holder: String,
    /// When certificate and authority are replaced.
    pub rotation: Rotation,
}

/// The running server that the certificates are for.
#[derive(Debug, Clone)]
pub struct Served {
    /// The store that serves the certificate.
    pub store: Arc<CertificateStore>,
    /// Its metrics.
    pub shared: Arc<Shared>,
}

/// Looks after the certificates of one replica.
pub struct Certificates {
    store: Store,
    webhooks: Configurations,
    lease: Lease,
    rotation: Rotation,
    served: Served,
    /// The last certificate and key that the Secret had, good or bad.
    seen: Option<Pair>,
    /// The bundle that all webhook configurations have, and since when.
    trusted: Option<(String, OffsetDateTime)>,
    has_missed_webhooks: bool,
}

impl Certificates {
    /// Begins to look after `served`.
    pub fn new(client: &Client, settings: CertificateSettings, served: Served) -> Self {
        let CertificateSettings { namespace, secret, webhooks, holder, rotation } = settings;
        Self {
            store: Store::new(client.clone(), &namespace, &secret),
            webhooks: Configurations::new(client.clone(), &webhooks),
            lease: Lease::new(client.clone(), &namespace, &secret, &holder),
            rotation,
            served,
            seen: None,
            trusted: None,
            has_missed_webhooks: false,
        }
    }

    /// Looks at everything every few seconds, until `stop` says so or is
    /// dropped. While the API server does not answer, the server continues with
    /// what it has, and tries come less and less often.
    pub async fn keep(mut self, mut stop: oneshot::Receiver<()>) {
        let interval = INTERVAL.min(self.rotation.wait.unsigned_abs() / 4);
        let mut last_error = String::new();
        let mut backoff = retries();
        loop {
            let wait = match self.tick(OffsetDateTime::now_utc()).await {
                Ok(()) => {
                    if !last_error.is_empty() {
                        tracing::info!("certificate renewal recovered");
                    }
                    last_error.clear();
                    backoff = retries();
                    interval
                }
                Err(error) => {
                    self.served.shared.metrics.certificate_management_failed();
                    let error = error.to_string();
                    if error != last_error {
                        tracing::error!(error, "certificate renewal failed, keeping the current certificate");
                    }
                    last_error = error;
                    backoff.next().unwrap_or(interval)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut stop => break,
            }
        }
        // A replica that cannot give its Lease back ends all the same.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.lease.release()).await;
    }

    /// One look: serves with what the Secret holds, and, with the Lease, does
    /// every step that is due as of `now`.
    ///
    /// # Errors
    ///
    /// When the API server does not do what it is asked to; all that was
    /// reached before stays.
    pub async fn tick(&mut self, now: OffsetDateTime) -> Result<(), Error> {
        let secret = self.store.read().await?;
        let found = secret::found(secret.as_ref());
        // One that cannot be served is for the holder of the Lease to replace.
        let served = self.serve(&found, now);
        if !self.lease.hold(now).await? {
            self.trusted = None;
            return served;
        }
        let trusted_since = self.trusted.as_ref().map(|(_, since)| *since);
        let (chain, step) = self.rotation.advance(&found, trusted_since, now)?;
        if let Some(step) = step {
            if !self.store.write(secret, &chain).await? {
                // The next look reads what another replica wrote.
                return Ok(());
            }
            tracing::info!(secret = self.store.name, "{}", step.as_str());
        }
        self.trust(&chain, now).await?;
        self.serve(&Stored::from(chain), now)
    }

    /// Tells the API servers whom to trust.
    async fn trust(&mut self, chain: &CaState, now: OffsetDateTime) -> Result<(), Error> {
        let bundle = chain.bundle();
        let trust = self.webhooks.trust(&bundle).await?;
        let since = match (&self.trusted, trust) {
            (_, Trust::Missing) => None,
            (Some((known, since)), Trust::Had) if *known == bundle => Some(*since),
            _ => Some(now),
        };
        self.trusted = since.map(|since| (bundle, since));
        let misses = trust == Trust::Missing;
        if misses && !self.has_missed_webhooks {
            tracing::warn!("no webhook configuration found yet: the API server does not call this server");
        }
        self.has_missed_webhooks = misses;
        if let Ok(facts) = CertificateFacts::read(&chain.authority.certificate) {
            self.served.shared.metrics.authority(facts.not_after.unix_timestamp());
        }
        Ok(())
    }

    /// Serves with the certificate that was found, where it is another one.
    fn serve(&mut self, found: &Stored, now: OffsetDateTime) -> Result<(), Error> {
        let Some(leaf) = found.leaf.as_ref().filter(|leaf| self.seen.as_ref() != Some(leaf)) else {
            return Ok(());
        };
        self.seen = Some(leaf.clone());
        let place = format!("Secret {}", self.store.name);
        match Certificate::parse(&place, leaf.certificate.as_bytes(), leaf.key.as_bytes(), now) {
            Ok(certificate) => {
                let not_after = certificate.not_after();
                self.served.shared.metrics.certificate(Reload::Loaded, Some(not_after.unix_timestamp()));
                tracing::info!(%not_after, secret = self.store.name, "a new certificate is in use");
                self.served.store.replace(certificate);
                Ok(())
            }
            Err(error) => {
                self.served.shared.metrics.certificate(Reload::Refused, None);
                Err(error.into())
            }
        }
    }
}

/// Waits between tries: from one second to half a minute, each with a random
/// part, so that replicas do not come in step.
fn retries() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times()
        .with_jitter()
        .build()
}
