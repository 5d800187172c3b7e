//! `certs serve`: the built-in CA in a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

use crate::cli::exit::Exit;
use crate::cli::managed::ManagedArgs;
use crate::cli::serve::{LogFormat, address, stop_signal};
use crate::cluster::certificates::{Certificates, Published, Purpose};
use crate::server::limits::Limits;
use crate::server::port;
use crate::server::status::{LastRun, serve_router};
use crate::server::workers::event_loop;
use crate::telemetry::log::{self, Log};

/// Manage the certificates of a cluster: CA, renewal, caBundle.
///
/// The webhook servers mount the Secret with the certificate (serve --cert-dir) and need no
/// rights. Only this process reads the CA's key and writes webhook configurations.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard certs serve --status-listen 0.0.0.0:8080
      in a Pod of its own, with the rights of the chart
  nfs-mount-guard certs serve --service guard --certificate-secret guard-tls \\
      --ca-secret guard-built-in-ca --webhook-configuration guard
      for objects of other names")]
pub(super) struct ServeArgs {
    /// Address and port of /healthz, /readyz and /metrics
    #[arg(
        long,
        value_name = "ADDR",
        env = "NFS_MOUNT_GUARD_STATUS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    status_listen: SocketAddr,

    /// Secret for the certificate (tls.crt, tls.key), which servers mount; name of the Lease
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_CERTIFICATE_SECRET",
        default_value = "nfs-mount-guard-tls"
    )]
    certificate_secret: String,

    /// Secret for the CA with its key, which no other Pod reads
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_CA_SECRET",
        default_value = "nfs-mount-guard-built-in-ca"
    )]
    ca_secret: String,

    #[command(flatten)]
    managed: ManagedArgs,

    /// Log format, on standard output
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "NFS_MOUNT_GUARD_LOG_FORMAT",
        default_value = "auto"
    )]
    log_format: LogFormat,

    /// Least level of log events: off, error, warn, info or debug; for a library CRATE=LEVEL
    #[arg(long, value_name = "LEVEL", env = "NFS_MOUNT_GUARD_LOG_LEVEL", default_value = "info")]
    log_level: log::Filter,
}

impl ServeArgs {
    /// Manages certificates until SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// When it cannot start.
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.certificate_secret == self.ca_secret {
            anyhow::bail!("--certificate-secret and --ca-secret must differ: both are {:?}", self.ca_secret);
        }
        self.managed.check("certs serve")?;
        let event_loop = event_loop().context("cannot start the event loop")?;
        let log =
            Log::start(self.log_format.format(), self.log_level.clone()).context("cannot start the log")?;
        let ended = event_loop.block_on(self.manage());
        event_loop.shutdown_timeout(Duration::from_secs(1));
        drop(log);
        ended.map(|()| Exit::Success)
    }

    async fn manage(self) -> anyhow::Result<()> {
        let stop = stop_signal().context("cannot catch signals")?;
        let (client, settings) = self.managed.connect(self.certificate_secret)?;
        let listener = port::listen(self.status_listen, "--status-listen")?;
        tracing::info!(
            status = %listener.local_addr()?,
            secret = settings.secret,
            ca_secret = self.ca_secret,
            version = env!("CARGO_PKG_VERSION"),
            "listening"
        );
        let status = LastRun::new("no certificate published yet\n");
        tokio::spawn(serve_router(listener, Limits::default(), status.clone().router()));
        let purpose = Purpose::Publish(Published { authority_secret: self.ca_secret, status });
        let (end, asked_to_end) = oneshot::channel();
        let mut keeper = tokio::spawn(Certificates::new(&client, settings, purpose).keep(asked_to_end));
        tokio::select! {
            _ = stop => {}
            // It ends by itself in a panic only, which its own hook has logged.
            _ = &mut keeper => anyhow::bail!("the renewal of certificates has stopped"),
        }
        drop(end);
        let _ = keeper.await;
        tracing::info!("stopped");
        Ok(())
    }
}
