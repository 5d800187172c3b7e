//! `certs`: certificates for a first installation and for tests, and the built-in CA.

mod serve;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use time::OffsetDateTime;

use super::exit::{Exit, InputError};
use crate::ca::{Authority, Pair};
use crate::called;
use crate::server::tls::{CERTIFICATE_FILE, KEY_FILE};
use crate::source::io_fault;
use serve::ServeArgs;

const AUTHORITY_FILE: &str = "ca.crt";
const AUTHORITY_KEY_FILE: &str = "ca.key";

/// Create certificates, and manage those of a cluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a certificate authority (CA) and a certificate
    Generate(GenerateArgs),
    /// Manage the certificates of a cluster: CA, renewal, caBundle
    Serve(ServeArgs),
}

/// Returns the usage in one line, or in two under the longer name of the plugin.
fn usage() -> String {
    let name = called::name();
    let between = if name == called::OWN_NAME { " " } else { "\n           " };
    format!("{name} certs generate [OPTIONS]{between}--dir <DIR> --dns <NAME>...")
}

/// Create a certificate authority (CA) and a certificate.
///
/// If the directory has a CA, it signs the new certificate, so that the caBundle stays valid.
#[derive(Debug, clap::Args)]
#[command(override_usage = usage(), after_help = "\
Examples:
  nfs-mount-guard certs generate --dir certs \\
      --dns nfs-mount-guard.nfs-mount-guard.svc
  nfs-mount-guard certs generate --dir certs --dns localhost --dns 127.0.0.1")]
struct GenerateArgs {
    /// Directory for ca.crt, ca.key, tls.crt and tls.key
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_DIR")]
    dir: PathBuf,

    /// Name or address that the API server calls, such as SERVICE.NAMESPACE.svc
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_DNS", required = true, num_args = 1.., value_delimiter = ',')]
    dns: Vec<String>,
}

impl Args {
    /// Makes what is requested.
    ///
    /// # Errors
    ///
    /// When a name is none or a file cannot be read or written.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Generate(args) => args.run(),
            Command::Serve(args) => args.run(),
        }
    }
}

impl GenerateArgs {
    fn run(self) -> anyhow::Result<Exit> {
        let Self { dir, dns } = self;
        let now = OffsetDateTime::now_utc();
        fs::create_dir_all(&dir).with_context(|| format!("cannot create the directory {}", dir.display()))?;
        let (authority, is_new) = authority(&dir, now)?;
        let leaf = authority.sign(&dns, now)?;
        if is_new {
            write(&dir.join(AUTHORITY_FILE), &authority.pair().certificate, 0o644)?;
            write(&dir.join(AUTHORITY_KEY_FILE), &authority.pair().key, 0o600)?;
        }
        write(&dir.join(KEY_FILE), &leaf.key, 0o600)?;
        write(&dir.join(CERTIFICATE_FILE), &leaf.certificate, 0o644)?;
        let whose = if is_new { "made" } else { "kept" };
        let dir = dir.display();
        let mut out = io::stdout().lock();
        writeln!(out, "{dir}/{AUTHORITY_FILE}   {whose}: the caBundle of the webhook configurations")?;
        writeln!(out, "{dir}/{AUTHORITY_KEY_FILE}   {whose}: keep it secret, or delete it")?;
        writeln!(out, "{dir}/{CERTIFICATE_FILE}  made, for {}, good for 90 days", dns.join(", "))?;
        writeln!(out, "{dir}/{KEY_FILE}  made: keep it secret")?;
        writeln!(out, "next: {} serve --cert-dir {dir}", called::name())?;
        Ok(Exit::Success)
    }
}

/// Returns the CA in the directory, or a new one where there is none.
fn authority(dir: &Path, now: OffsetDateTime) -> anyhow::Result<(Authority, bool)> {
    let (certificate, key) = (dir.join(AUTHORITY_FILE), dir.join(AUTHORITY_KEY_FILE));
    match (certificate.exists(), key.exists()) {
        (false, false) => Ok((Authority::generate(now)?, true)),
        (true, true) => {
            let read = |path: &Path| {
                fs::read_to_string(path).map_err(|error| {
                    InputError(format!("cannot read {}: {}", path.display(), io_fault::reason(&error)))
                })
            };
            let pair = Pair { certificate: read(&certificate)?, key: read(&key)? };
            let authority = Authority::load(pair).map_err(|error| {
                InputError(format!("{}: {error}; delete both to create a new CA", certificate.display()))
            })?;
            Ok((authority, false))
        }
        (true, false) => anyhow::bail!("{} has no key; delete it to create a new CA", certificate.display()),
        (false, true) => anyhow::bail!("{} has no certificate; delete it to create a new CA", key.display()),
    }
}

/// Writes a file whole or not at all, with the given permissions from the
/// beginning.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // In the same directory, because a rename does not cross file systems.
    let temporary = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // At creation: a key that is closed afterwards could be read for a moment.
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}
