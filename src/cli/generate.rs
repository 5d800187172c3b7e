//! `generate`: what the API server itself can be given, out of the table of
//! drivers.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::BoolishValueParser;
use time::OffsetDateTime;

use super::exit::{self, Exit};
use super::policy;
use crate::admission_policy::{self, Generated};
use crate::policy::Policy;
use crate::policy::exemption::Exemption;

/// Generate admission policies and matchConditions for the API server.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print an admission policy for background-mount (NMG001)
    #[command(long_about = "\
Print an admission policy for background-mount (NMG001).

A ValidatingAdmissionPolicy rejects bg in the API server itself, also while no webhook responds; it needs no Pod. \
With --mutating, a MutatingAdmissionPolicy replaces bg by fg. With --pods, a ValidatingAdmissionPolicy does the \
same for the inline volumes of Pods. Limits: docs/admission-policy.md.")]
    #[command(after_help = "\
Examples:
  nfs-mount-guard generate policy | kubectl apply -f -
  nfs-mount-guard generate policy --policy policy.yaml | kubectl apply -f -
  nfs-mount-guard generate policy --mutating > background-mount-mutation.yaml
  nfs-mount-guard generate policy --pods | kubectl apply -f -")]
    Policy(PolicyArgs),
    /// Print the matchConditions of the webhooks
    #[command(long_about = "\
Print the matchConditions of the webhooks, under the keys \"validate\", \"mutate\" and \"inline\" (volumes of Pods).

With them the API server calls no webhook for updates that change no mount option, and for volumes that are never \
NFS, so that these requests pass while no webhook responds.")]
    #[command(after_help = "\
Examples:
  nfs-mount-guard generate match-conditions
  nfs-mount-guard generate match-conditions --policy nfs-mount-guard.yaml")]
    MatchConditions(FileArgs),
}

#[derive(Debug, clap::Args)]
struct PolicyArgs {
    #[command(flatten)]
    file: FileArgs,

    /// Print a MutatingAdmissionPolicy that replaces bg (Kubernetes 1.36)
    #[arg(long, env = "NFS_MOUNT_GUARD_MUTATING", value_parser = BoolishValueParser::new())]
    mutating: bool,

    /// Print a ValidatingAdmissionPolicy for inline volumes of Pods; templates get warnings
    #[arg(long, env = "NFS_MOUNT_GUARD_PODS", value_parser = BoolishValueParser::new(), conflicts_with = "mutating")]
    pods: bool,
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// Policy file with drivers, action and exemptions [default: none, the built-in policy]
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy: Option<PathBuf>,
}

impl FileArgs {
    fn load(&self) -> anyhow::Result<Policy> {
        self.policy.as_deref().map_or_else(|| Ok(Policy::default()), policy::load)
    }
}

impl Args {
    /// Prints what is requested.
    ///
    /// # Errors
    ///
    /// When the policy cannot be read or used, or leaves nothing to generate.
    pub fn run(self) -> anyhow::Result<Exit> {
        let text = match self.command {
            Command::MatchConditions(file) => admission_policy::webhook_match_conditions(&file.load()?),
            Command::Policy(PolicyArgs { file, pods: true, .. }) => {
                let policy = file.load()?;
                if !policy.exemptions().is_empty() {
                    // The manifest on standard output is not spoiled by this.
                    let _ = exit::say(
                        "warning: the policy's exemptions do not reach the admission policy for Pods",
                    );
                }
                admission_policy::inline(&policy)?
            }
            Command::Policy(PolicyArgs { file, mutating, .. }) => {
                let policy = file.load()?;
                let today = OffsetDateTime::now_utc().date();
                let generated = if mutating {
                    admission_policy::mutating(&policy, today)?
                } else {
                    admission_policy::validating(&policy, today)?
                };
                warn(&generated);
                generated.manifest
            }
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Exit::Success)
    }
}

/// Tells what of the policy the API server will not know.
fn warn(generated: &Generated<'_>) {
    let tell = |exemption: &Exemption, what: &str| {
        // The manifest on standard output is not spoiled by this.
        let _ = exit::say(&format!("warning: the exemption ({}) {what}", exemption.reason));
    };
    for exemption in &generated.left_out {
        tell(exemption, "names options, which an admission policy cannot tell apart: it is left out");
    }
    for exemption in &generated.ending {
        tell(exemption, "expires, and the API server does not know the date: generate again then");
    }
}
