//! `serve --manage-certificates`: the flags of the built-in authority.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::ca;
use crate::ca::rotation::Rotation;
use crate::cli::duration;
use crate::cluster::Error;
use crate::cluster::certificates::{CertificateSettings, Certificates, Served};
use crate::cluster::service_account::{self, ServiceAccount};
use crate::server::Server;

/// The arguments of the built-in CA.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "With --manage-certificates")]
pub(super) struct ManagedArgs {
    /// Service that the API server calls; the certificate is for NAME.NAMESPACE.svc
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_SERVICE", default_value = "nfs-mount-guard")]
    service: String,

    /// Namespace of Service, Secret and Lease [default: that of the Pod]
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NAMESPACE")]
    namespace: Option<String>,

    /// Name of the Secret (CA and certificate) and of the Lease between replicas
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_CERTIFICATE_SECRET",
        default_value = "nfs-mount-guard-tls"
    )]
    certificate_secret: String,

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

/// The running authority of one replica.
#[derive(Debug)]
pub(super) struct Managed {
    task: JoinHandle<()>,
    /// Dropped to stop it.
    stop: oneshot::Sender<()>,
}

impl Managed {
    /// Ends it, after it has given its Lease back.
    pub(super) async fn end(self) {
        drop(self.stop);
        // A panic in it has been told by its own hook.
        let _ = self.task.await;
    }
}

impl ManagedArgs {
    /// Checks that this is a Pod, which knows its API server, before requests are served.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn check(&self) -> Result<(), Error> {
        ServiceAccount::of_this_pod(self.service_account_dir.clone()).map(drop)
    }

    /// Starts to manage the certificates of `server`.
    ///
    /// # Errors
    ///
    /// When no API server is known, or the names make no host name.
    pub(super) fn start(self, server: &Server) -> Result<Managed, Error> {
        let (client, home) = ServiceAccount::of_this_pod(self.service_account_dir)?.connect()?;
        let namespace = self.namespace.unwrap_or(home);
        let name = format!("{}.{namespace}.svc", self.service);
        ca::check_name(&name)?;
        let settings = CertificateSettings {
            namespace,
            secret: self.certificate_secret,
            webhooks: self.webhook_configuration,
            holder: format!("{}_{}", host_name(), std::process::id()),
            rotation: Rotation {
                names: vec![name],
                wait: self.rotation_wait.try_into().unwrap_or(time::Duration::MAX),
            },
        };
        let replica = Served { store: server.certificates().clone(), shared: server.shared().clone() };
        let (stop, asked_to_stop) = oneshot::channel();
        let keeper = Certificates::new(&client, settings, replica);
        Ok(Managed { task: tokio::spawn(keeper.keep(asked_to_stop)), stop })
    }
}

/// The Pod's name, in a Pod.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
