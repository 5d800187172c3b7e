//! The flags of the built-in CA: `serve --manage-certificates` and `certs serve`.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;

use super::duration;
use crate::ca;
use crate::ca::rotation::Rotation;
use crate::cluster::Error;
use crate::cluster::certificates::CertificateSettings;
use crate::cluster::service_account::{self, ServiceAccount};

/// The objects and files of the built-in CA.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ManagedArgs {
    /// Service that the API server calls; the certificate is for NAME.NAMESPACE.svc
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_SERVICE", default_value = "nfs-mount-guard")]
    service: String,

    /// Namespace of Service, Secrets and Lease [default: that of the Pod]
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NAMESPACE")]
    namespace: Option<String>,

    /// Name of both webhook configurations, whose caBundle is set
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_WEBHOOK_CONFIGURATION",
        default_value = "nfs-mount-guard"
    )]
    webhook_configuration: String,

    /// Directory with token, ca.crt and namespace of the service account
    #[arg(
        long,
        value_name = "DIR",
        env = "NFS_MOUNT_GUARD_SERVICE_ACCOUNT_DIR",
        default_value = service_account::FOLDER
    )]
    service_account_dir: PathBuf,

    // Below a second, steps would follow each other before anybody could look.
    /// Wait after each step of a CA rotation, for API servers and replicas to follow
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_ROTATION_WAIT", default_value = "1h", value_parser = duration::at_least_a_second)]
    rotation_wait: Duration,
}

impl ManagedArgs {
    /// Checks that this is a Pod, which knows its API server, before requests are served.
    ///
    /// # Errors
    ///
    /// When it is none; `command` is what must run in one.
    pub(super) fn check(&self, command: &str) -> anyhow::Result<()> {
        match ServiceAccount::of_this_pod(self.service_account_dir.clone()) {
            Ok(_) => Ok(()),
            Err(error) => Err(anyhow::anyhow!("{command} {error}")),
        }
    }

    /// Returns a client of the API server, and what is where; `secret` has the certificate.
    ///
    /// # Errors
    ///
    /// When no API server is known, or the names make no host name.
    pub(super) fn connect(self, secret: String) -> Result<(Client, CertificateSettings), Error> {
        let (client, home) = ServiceAccount::of_this_pod(self.service_account_dir)?.connect()?;
        let namespace = self.namespace.unwrap_or(home);
        let name = format!("{}.{namespace}.svc", self.service);
        ca::check_name(&name)?;
        let settings = CertificateSettings {
            namespace,
            secret,
            webhooks: self.webhook_configuration,
            holder: format!("{}_{}", host_name(), std::process::id()),
            rotation: Rotation {
                names: vec![name],
                wait: self.rotation_wait.try_into().unwrap_or(time::Duration::MAX),
            },
        };
        Ok((client, settings))
    }
}

/// Returns the Pod's name, in a Pod.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
