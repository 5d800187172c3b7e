//! `serve`: the webhook.

mod welcome;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use clap::{ArgGroup, Args as _, Command, FromArgMatches as _, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::color;
use super::duration;
use super::environment;
use super::exit::{self, Exit, InputError};
use super::interrupt::await_signals;
use super::managed::ManagedArgs;
use super::number;
use super::policy;

use crate::called;
use crate::cluster::certificates::{Certificates, Purpose, Served};
use crate::policy::Policy;
use crate::server::client_auth::Clients;
use crate::server::limits::Limits;
use crate::server::workers::event_loop;
use crate::server::{CertificateSource, Config, Error, Server, Stop};
use crate::telemetry::log::{self, Format, Log};

/// Most threads that answer requests; one answers tens of thousands a second, and
/// each may hold a whole evaluation.
const THREADS: usize = 4;

/// Most large bodies that are evaluated at once, however many cores there are: the
/// memory of each is many times its length.
const HEAVY: usize = 2;

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// One line for people.
    Text,
}

impl LogFormat {
    /// Resolves it: `auto` looks at standard output.
    pub(super) fn format(self) -> Format {
        match self {
            Self::Auto if !io::stdout().is_terminal() => Format::Json,
            Self::Json => Format::Json,
            Self::Auto | Self::Text => Format::Text { colour: color::wanted() },
        }
    }
}

/// Returns one line for each source of the certificate: clap's own line is wider than a terminal.
fn usage() -> String {
    let sources = ["--cert-dir <DIR>", "--manage-certificates", "--self-signed"];
    let name = called::name();
    sources.map(|source| format!("{name} serve {source} [OPTIONS]")).join("\n       ")
}

/// Run the admission webhook server.
#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("certificate").required(true),
    override_usage = usage(),
    after_help = "\
Examples:
  nfs-mount-guard serve --self-signed
      a first try on 127.0.0.1:8443, with a certificate that no client trusts
  nfs-mount-guard serve --listen 0.0.0.0:10250 --cert-dir /certs
      in a cluster, with a kubernetes.io/tls Secret mounted at /certs
  nfs-mount-guard serve --listen 0.0.0.0:10250 --manage-certificates
      in a single Pod, with a built-in CA: the Pod may then write webhook
      configurations; \"certs serve\" in a Pod of its own avoids that"
)]
pub struct Args {
    /// Address and port of the webhook
    #[arg(long, value_name = "ADDR", env = "NFS_MOUNT_GUARD_LISTEN", default_value = "127.0.0.1:8443", value_parser = address)]
    listen: SocketAddr,

    /// Address and port of /healthz, /readyz and /metrics
    #[arg(
        long,
        value_name = "ADDR",
        env = "NFS_MOUNT_GUARD_STATUS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    status_listen: SocketAddr,

    /// Directory with tls.crt and tls.key, such as a mounted Secret; reloaded on change
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_CERT_DIR", group = "certificate")]
    cert_dir: Option<PathBuf>,

    /// Manage a built-in CA in this process, which needs the rights for it: see certs serve
    #[arg(long, env = "NFS_MOUNT_GUARD_MANAGE_CERTIFICATES", value_parser = BoolishValueParser::new(), group = "certificate")]
    manage_certificates: bool,

    /// Create a self-signed certificate in memory, for a first try
    #[arg(long, env = "NFS_MOUNT_GUARD_SELF_SIGNED", value_parser = BoolishValueParser::new(), group = "certificate")]
    self_signed: bool,

    /// Policy file, such as one of a mounted config map; reloaded on change
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy: Option<PathBuf>,

    /// PEM file with the CA of the API server's client certificate; other callers are rejected.
    /// Reloaded on change
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_CLIENT_CA")]
    client_ca: Option<PathBuf>,

    /// Common name or subjectAltName that the client certificate must have; repeatable
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_ALLOWED_CLIENT",
        value_delimiter = ',',
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        requires = "client_ca"
    )]
    allowed_client: Vec<String>,

    /// Time to keep serving after SIGTERM, until the endpoints are updated; at most 1h
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_SHUTDOWN_DELAY", default_value = "10s", value_parser = duration::at_most_an_hour)]
    shutdown_delay: Duration,

    /// Most requests in flight, half of them for one address; others are rejected with 503
    #[arg(long, value_name = "N", env = "NFS_MOUNT_GUARD_MAX_IN_FLIGHT", default_value_t = Limits::default().in_flight, value_parser = number::within::<usize, 1, 1_000_000>)]
    max_in_flight: usize,

    /// Log format, on standard output
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        env = "NFS_MOUNT_GUARD_LOG_FORMAT",
        default_value = "auto"
    )]
    log_format: LogFormat,

    /// Least level of log events, decisions aside: off, error, warn, info or debug; for a library CRATE=LEVEL
    #[arg(long, value_name = "LEVEL", env = "NFS_MOUNT_GUARD_LOG_LEVEL", default_value = "info")]
    log_level: log::Filter,

    /// Name of the Secret (CA and certificate) and of the Lease between replicas
    #[arg(
        long,
        value_name = "NAME",
        env = "NFS_MOUNT_GUARD_CERTIFICATE_SECRET",
        default_value = "nfs-mount-guard-tls",
        help_heading = "With --manage-certificates"
    )]
    certificate_secret: String,

    #[command(flatten, next_help_heading = "With --manage-certificates")]
    managed: ManagedArgs,
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP ADDRESS:PORT, for example 0.0.0.0:8443".to_owned())
}

impl Args {
    /// Reads `serve` and its flags without a description of all other commands,
    /// which takes longer than to read them. `None` where that is not what is
    /// written, or not all of it can be read: to say so takes the whole.
    pub(super) fn read_alone(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        if words.next()? != "serve" {
            return None;
        }
        let command = Self::augment_args(Command::new("serve").no_binary_name(true));
        let mut matches = environment::without_unset(command).try_get_matches_from(words).ok()?;
        Self::from_arg_matches_mut(&mut matches).ok()
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// When it cannot start.
    pub fn run(self) -> anyhow::Result<Exit> {
        let Self {
            listen,
            status_listen,
            cert_dir,
            manage_certificates,
            self_signed,
            policy: policy_file,
            client_ca,
            allowed_client,
            shutdown_delay,
            max_in_flight,
            log_format,
            log_level,
            certificate_secret,
            managed,
        } = self;
        // Port 0 lets the system choose two different ones.
        if listen == status_listen && listen.port() != 0 {
            anyhow::bail!("--listen and --status-listen must differ: both are {listen}");
        }
        if manage_certificates {
            managed.check("--manage-certificates")?;
        }
        let certificate = if let Some(folder) = cert_dir {
            CertificateSource::Folder(folder)
        } else if manage_certificates {
            CertificateSource::Managed
        } else {
            debug_assert!(self_signed);
            CertificateSource::SelfSigned
        };
        let names: BTreeSet<String> = allowed_client.into_iter().collect();
        let policy = match &policy_file {
            Some(file) => policy::load(file)?,
            None => Policy::default(),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let event_loop = event_loop().context("cannot start the event loop")?;
        let log = Log::start(log_format.format(), log_level).context("cannot start the log")?;
        let config = Config {
            listen,
            status_listen,
            certificate,
            clients: client_ca.map(|authorities| Clients { authorities, names }),
            policy: Arc::new(policy),
            policy_file,
            limits: Limits {
                in_flight: max_in_flight,
                heavy: cores.div_ceil(2).min(HEAVY),
                ..Limits::default()
            },
            threads: cores.min(THREADS),
            shutdown_delay,
            log_dropped: Some(log.dropped()),
        };
        let served = event_loop.block_on(serve(config, (certificate_secret, managed)));
        // A task that hangs, such as a review in evaluation, must not keep the process.
        event_loop.shutdown_timeout(Duration::from_secs(1));
        // Waits until all lines are written.
        drop(log);
        served.map(|()| Exit::Success)
    }
}

async fn serve(config: Config, managed: (String, ManagedArgs)) -> anyhow::Result<()> {
    let policy = Arc::clone(&config.policy);
    let self_signed = config.certificate == CertificateSource::SelfSigned;
    let is_managed = config.certificate == CertificateSource::Managed;
    // Signals are caught before the ports open, because an open port looks like a
    // started server to a supervisor, which may then stop it.
    let stop = stop_signal().context("cannot catch signals")?;
    let folder = match &config.certificate {
        CertificateSource::Folder(folder) => Some(folder.clone()),
        CertificateSource::Managed | CertificateSource::SelfSigned => None,
    };
    let server = Server::bind(config).map_err(|error| start_error(error, folder.as_deref()))?;
    let address = server.address()?;
    let status = server.status_address()?;
    if io::stdout().is_terminal() {
        welcome::print(address, status, &policy, self_signed)?;
    }
    for warning in policy::warnings(&policy, time::OffsetDateTime::now_utc().date()) {
        tracing::warn!(warning, "policy warning");
    }
    tracing::info!(
        %address,
        %status,
        policy = %policy.fingerprint(),
        profile = %policy.profile(),
        mode = policy.mode().as_str(),
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    let managed = if is_managed { Some(Managed::start(managed, &server)?) } else { None };
    server.run(stop).await;
    if let Some(managed) = managed {
        managed.end().await;
    }
    Ok(())
}

/// The built-in CA of one replica.
struct Managed {
    task: JoinHandle<()>,
    /// Dropped to stop it.
    stop: oneshot::Sender<()>,
}

impl Managed {
    /// Starts to manage the certificates of `server`.
    fn start((secret, args): (String, ManagedArgs), server: &Server) -> anyhow::Result<Self> {
        let (client, settings) = args.connect(secret)?;
        tracing::warn!(
            "this process evaluates requests and may write webhook configurations; run \"certs serve\" in a Pod of its own instead"
        );
        let replica = Served { store: server.certificates().clone(), shared: server.shared().clone() };
        let (stop, asked_to_stop) = oneshot::channel();
        let keeper = Certificates::new(&client, settings, Purpose::Serve(replica));
        Ok(Self { task: tokio::spawn(keeper.keep(asked_to_stop)), stop })
    }

    /// Ends it, after it has given its Lease back.
    async fn end(self) {
        drop(self.stop);
        // A panic in it has been told by its own hook.
        let _ = self.task.await;
    }
}

/// Returns the error of a server that did not start: that of a certificate names the flag of
/// its file. `folder` is that of --cert-dir.
fn start_error(error: Error, folder: Option<&Path>) -> anyhow::Error {
    let error = match error {
        Error::Certificate(error) => error,
        error => return anyhow::Error::new(error),
    };
    // Both flags may name a file, and the error has its path only.
    let is_below = |place: &str| folder.is_some_and(|folder| Path::new(place).starts_with(folder));
    let flag = match error.place() {
        Some(place) if is_below(place) => "--cert-dir: ",
        Some(_) => "--client-ca: ",
        None => "",
    };
    let remedy = match folder {
        Some(folder) if flag == "--cert-dir: " && error.is_missing_file() => format!(
            "; create a certificate with nfs-mount-guard certs generate --dir {} --dns localhost, or use --self-signed",
            folder.display()
        ),
        _ => String::new(),
    };
    anyhow::Error::new(InputError(format!("{flag}{error}{remedy}")))
}

/// Ends at the first SIGTERM or Ctrl-C; a second Ctrl-C ends the process.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = Stop>> {
    await_signals();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let stop = tokio::select! {
            _ = terminate.recv() => Stop::AfterDelay,
            _ = interrupt.recv() => Stop::Now,
        };
        tokio::spawn(async move {
            interrupt.recv().await;
            let _ = exit::say("stopped at once");
            #[allow(clippy::exit, reason = "the user insists, although requests are in flight")]
            std::process::exit(130);
        });
        stop
    })
}
