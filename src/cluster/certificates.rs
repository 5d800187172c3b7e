//! The built-in CA at work. In a process of its own it publishes the certificate in a
//! Secret, which the servers mount. In the servers' own process every replica serves
//! with what the Secret holds. Either way the one with the Lease renews it, and tells
//! the API servers.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use kube::Client;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::Error;
use super::lease::Lease;
use super::secret::{Kept, Store};
use super::webhooks::{Configurations, Trust};
use crate::ca::Pair;
use crate::ca::rotation::{Rotation, Stored};
use crate::ca::state::{CaState, CertificateFacts};
use crate::server::routes::Shared;
use crate::server::status::LastRun;
use crate::server::tls::{Certificate, CertificateStore};
use crate::telemetry::metrics::Reload;
use crate::telemetry::renewal::RenewalMetrics;

/// The time after which a replica looks at the Secrets and the caBundle, at least; more often where
/// the steps of a change of CA follow each other more quickly.
const INTERVAL: Duration = Duration::from_secs(10);

/// The names and places of the objects.
#[derive(Debug, Clone)]
pub struct CertificateSettings {
    /// The namespace of Secrets, Lease and Service.
    pub namespace: String,
    /// The Secret with the certificate, and the Lease beside it.
    pub secret: String,
    /// The name of both webhook configurations.
    pub webhooks: String,
    /// The identity of this replica, unlike any other.
    pub holder: String,
    /// When certificate and CA are replaced.
    pub rotation: Rotation,
}

/// The names and the objects that the certificates are for.
#[derive(Debug)]
pub enum Purpose {
    /// A server in this process. One Secret has everything.
    Serve(Served),
    /// Servers that mount the Secret with the certificate.
    Publish(Published),
}

/// A running server.
#[derive(Debug, Clone)]
pub struct Served {
    /// The store that serves the certificate.
    pub store: Arc<CertificateStore>,
    /// Its metrics.
    pub shared: Arc<Shared>,
}

/// A CA in a process of its own.
#[derive(Debug)]
pub struct Published {
    /// The Secret with the CA, which no other Pod reads.
    pub authority_secret: String,
    /// Its status port: ready once a certificate is published.
    pub status: LastRun,
}

/// Manages the certificates of one replica.
pub struct Certificates {
    store: Store,
    webhooks: Configurations,
    lease: Lease,
    rotation: Rotation,
    metrics: RenewalMetrics,
    purpose: Purpose,
    /// The last certificate and key that the Secret had, good or bad.
    seen: Option<Pair>,
    /// The bundle that all webhook configurations have, and since when.
    trusted: Option<(String, OffsetDateTime)>,
    has_missed_webhooks: bool,
    /// True if this replica has published a certificate, or found it published.
    has_published: bool,
}

impl Certificates {
    /// Begins to manage certificates.
    pub fn new(client: &Client, settings: CertificateSettings, purpose: Purpose) -> Self {
        let CertificateSettings { namespace, secret, webhooks, holder, rotation } = settings;
        let (authority, metrics) = match &purpose {
            Purpose::Serve(served) => (None, served.shared.metrics.renewal.clone()),
            Purpose::Publish(published) => {
                (Some(published.authority_secret.as_str()), RenewalMetrics::default())
            }
        };
        Self {
            store: Store::new(client.clone(), &namespace, &secret, authority, &holder),
            webhooks: Configurations::new(client.clone(), &webhooks),
            lease: Lease::new(client.clone(), &namespace, &secret, &holder),
            rotation,
            metrics,
            purpose,
            seen: None,
            trusted: None,
            has_missed_webhooks: false,
            has_published: false,
        }
    }

    /// Looks at everything every few seconds, until `stop` says so or is
    /// dropped. While the API server does not answer, the server continues with
    /// what it has, and tries come less and less often.
    pub async fn keep(mut self, mut stop: oneshot::Receiver<()>) {
        // Four looks in a step, so that a step is late by a quarter of its length at most.
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
                    self.metrics.failed();
                    let error = error.to_string();
                    // The same error every few seconds would fill the log; the metric counts each.
                    if error != last_error {
                        tracing::error!(error, "certificate renewal failed, keeping the current certificate");
                    }
                    last_error = error;
                    backoff.next().unwrap_or(interval)
                }
            };
            self.show();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // A dropped sender ends it as well.
                _ = &mut stop => break,
            }
        }
        // A replica that cannot give its Lease back ends all the same.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.lease.release()).await;
    }

    /// Updates the status port of a process of its own.
    fn show(&self) {
        let Purpose::Publish(published) = &self.purpose else { return };
        if self.has_published {
            published.status.show(self.metrics.text());
        } else {
            published.status.show_failed(self.metrics.text());
        }
    }

    /// Looks once: serves with what the Secret contains, and, with the Lease, does every step that is due
    /// as of `now`.
    ///
    /// # Errors
    ///
    /// When the API server does not do what is requested; all that was
    /// reached before stays.
    pub async fn tick(&mut self, now: OffsetDateTime) -> Result<(), Error> {
        let kept = self.store.read().await?;
        let mut found = kept.found();
        // One that cannot be served is for the holder of the Lease to replace.
        let served = self.serve(&found, now);
        if !self.lease.hold(now).await? {
            // Another replica may write the bundle from now on.
            self.trusted = None;
            return served;
        }
        let is_taken_over = kept.is_taken_over() && self.takes_over(&mut found).await?;
        if found.authority.is_none() && found.previous.is_none() {
            // Both Secrets are lost, and servers still present what they have loaded.
            found.previous = self.webhooks.current().await?;
        }
        let is_adopted = self.adopt(&kept, &mut found).await?;
        let trusted_since = self.trusted.as_ref().map(|(_, since)| *since);
        let (chain, step) = self.rotation.advance(&found, trusted_since, now)?;
        // The Secret is written before the bundle: a CA that was announced and then lost could
        // never sign.
        if step.is_some() || is_adopted || !kept.is_whole() {
            if !self.store.write(&kept, &chain).await? {
                // The next look reads what another replica wrote.
                return Ok(());
            }
            if is_taken_over {
                tracing::info!(
                    from = self.store.leaf,
                    secret = self.store.name(),
                    "the CA of an earlier version was taken over"
                );
            }
            if let Some(step) = step {
                tracing::info!(secret = self.store.name(), "{}", step.as_str());
            }
        }
        // API servers trust a CA before a server presents what it signed.
        let trusted = self.trust(&chain, now).await;
        // A renewal by the CA that is trusted already needs no new bundle.
        let is_signer_known =
            kept.serving_authority().is_some_and(|serving| serving == chain.authority.certificate);
        if trusted.is_ok() || is_signer_known {
            self.has_published |= self.store.publish(&kept, &chain).await?;
        }
        trusted?;
        self.serve(&Stored::from(chain), now)
    }

    /// Takes over the CA of the published Secret only if the API servers trust it
    /// now, as they do after 0.1.0: else a client that may write that Secret, or a backup of it,
    /// would decide which CA they trust.
    async fn takes_over(&self, found: &mut Stored) -> Result<bool, Error> {
        if let Some(authority) = &found.authority
            && self.webhooks.trusts(&authority.certificate).await?
        {
            return Ok(true);
        }
        tracing::warn!(secret = self.store.leaf, "its CA is in no caBundle, and a new CA replaces it");
        *found = Stored { rotate: found.rotate, ..Stored::default() };
        Ok(false)
    }

    /// Keeps a CA trusted that is not among those that were found, where servers
    /// present what it signed and the API servers trust it now: the Secret with the
    /// CA was restored from a backup, or 0.1.0 ran again in between. A CA
    /// that only the published Secret names is not trusted by that.
    async fn adopt(&self, kept: &Kept, found: &mut Stored) -> Result<bool, Error> {
        let Some(serving) = kept.serving_authority().filter(|serving| !found.knows(serving)) else {
            return Ok(false);
        };
        if !self.webhooks.trusts(&serving).await? {
            return Ok(false);
        }
        tracing::warn!(
            secret = self.store.leaf,
            "the served certificate is of another CA, which stays trusted while it is replaced"
        );
        found.previous = Some(serving);
        Ok(true)
    }

    /// Tells the API servers whom to trust.
    async fn trust(&mut self, chain: &CaState, now: OffsetDateTime) -> Result<(), Error> {
        let bundle = chain.bundle();
        let trust = self.webhooks.trust(&bundle).await?;
        let is_known = self.trusted.as_ref().is_some_and(|(known, _)| *known == bundle);
        let since = match (&self.trusted, trust) {
            // No API server calls yet, so nothing has been waited for.
            (_, Trust::Missing) => None,
            // Only a bundle that stayed as it was counts: after a change every API server needs the
            // whole wait again.
            (Some((_, since)), Trust::Had) if is_known => Some(*since),
            _ => Some(now),
        };
        if is_known && trust == Trust::Given {
            tracing::warn!(
                "another client changed or reverted the caBundle, and it was written again; exclude the field there"
            );
        }
        self.trusted = since.map(|since| (bundle, since));
        let misses = trust == Trust::Missing;
        if misses && !self.has_missed_webhooks {
            tracing::warn!("no webhook configuration found yet: the API server does not call this server");
        }
        self.has_missed_webhooks = misses;
        if let Ok(facts) = CertificateFacts::read(&chain.authority.certificate) {
            self.metrics.authority(facts.not_after.unix_timestamp());
        }
        Ok(())
    }

    /// Serves with the certificate that was found, where it is another one.
    fn serve(&mut self, found: &Stored, now: OffsetDateTime) -> Result<(), Error> {
        let Purpose::Serve(served) = &self.purpose else { return Ok(()) };
        let Some(leaf) = found.leaf.as_ref().filter(|leaf| self.seen.as_ref() != Some(leaf)) else {
            return Ok(());
        };
        self.seen = Some(leaf.clone());
        let place = format!("Secret {}", self.store.leaf);
        match Certificate::parse(&place, leaf.certificate.as_bytes(), leaf.key.as_bytes(), now) {
            Ok(certificate) => {
                let not_after = certificate.not_after();
                served.shared.metrics.certificate(Reload::Loaded, Some(not_after.unix_timestamp()));
                tracing::info!(%not_after, secret = self.store.leaf, "a new certificate is in use");
                served.store.replace(certificate);
                Ok(())
            }
            Err(error) => {
                served.shared.metrics.certificate(Reload::Refused, None);
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
        // Never gives up: an API server may be away for hours.
        .without_max_times()
        .with_jitter()
        .build()
}
