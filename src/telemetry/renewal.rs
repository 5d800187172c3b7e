//! Metrics of the built-in CA, wherever it runs.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// The counters of the built-in CA. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct RenewalMetrics {
    authority_not_after: Gauge,
    errors: Counter,
}

impl RenewalMetrics {
    /// Adds them to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "authority_not_after_seconds",
            "Expiry of the built-in CA, in seconds since 1970; 0 without one, and on replicas that do not manage it",
            self.authority_not_after.clone(),
        );
        registry.register(
            "certificate_management_errors",
            "Failed attempts to renew or publish the certificate",
            self.errors.clone(),
        );
    }

    /// Notes when the built-in CA expires, in seconds since 1970.
    pub fn authority(&self, not_after: i64) {
        self.authority_not_after.set(not_after);
    }

    /// Counts a failed attempt to renew or publish the certificate.
    pub fn failed(&self) {
        self.errors.inc();
    }

    /// Returns these metrics alone, in the `OpenMetrics` text format: those of a process that serves no
    /// requests.
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("nfs_mount_guard");
        self.register(&mut registry);
        registry.register(
            "build",
            "Version of nfs-mount-guard",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}
