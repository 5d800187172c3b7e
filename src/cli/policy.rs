//! `policy`: checks, shows and describes policy files.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use time::{Date, OffsetDateTime};

use super::exit::{Exit, InputError};
use crate::admission_policy;
use crate::count::counted;
use crate::kind::Reach;
use crate::policy::Policy;
use crate::policy_file::{self, Error, schema, write};
use crate::rules::{Profile, RULES};

/// Check, show and describe policy files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard policy check nfs-mount-guard.yaml
  nfs-mount-guard policy show --profile strict > nfs-mount-guard.yaml
  nfs-mount-guard policy schema > policy.schema.json")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report every mistake in a policy file
    #[command(after_help = "\
Example:
  nfs-mount-guard policy check nfs-mount-guard.yaml

Exit codes:
  0  the policy is valid
  2  it is not
  3  it cannot be read")]
    Check(FileArgs),
    /// Print a policy, with the defaults as comments
    #[command(after_help = "\
Examples:
  nfs-mount-guard policy show
  nfs-mount-guard policy show --profile strict > nfs-mount-guard.yaml")]
    Show(ShowArgs),
    /// Print the JSON Schema of a policy file
    Schema,
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// Policy file [default: nfs-mount-guard.yaml here or above, up to the Git root]
    #[arg(value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Show a profile instead of a file
    #[arg(
        long,
        env = "NFS_MOUNT_GUARD_PROFILE",
        value_parser = PossibleValuesParser::new(Profile::spellings())
    )]
    profile: Option<String>,
}

impl Args {
    /// Does what the subcommand says.
    ///
    /// # Errors
    ///
    /// When a policy cannot be read or used.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Check(args) => check(args),
            Command::Show(args) => show(args),
            Command::Schema => {
                writeln!(io::stdout().lock(), "{:#}", schema::schema())?;
                Ok(Exit::Success)
            }
        }
    }
}

fn check(args: FileArgs) -> anyhow::Result<Exit> {
    // A directory that cannot be read has no policy: the message says what to give.
    let Some(file) = args.file.or_else(|| discover().ok().flatten()) else {
        anyhow::bail!(
            "no {} in this directory or above; give a FILE, or create one: nfs-mount-guard policy show --profile standard > {0}",
            policy_file::FILE_NAME
        );
    };
    let policy = load(&file)?;
    let mut out = io::stdout().lock();
    for warning in warnings(&policy, OffsetDateTime::now_utc().date()) {
        writeln!(out, "{}: warning: {warning}", file.display())?;
    }
    let set = RULES.iter().filter(|rule| policy.own_action(rule).is_some()).count();
    writeln!(
        out,
        "{}: good: profile {}, mode {}, {} set, {}, {}, fingerprint {}",
        file.display(),
        policy.profile(),
        policy.mode().as_str(),
        counted(set, "action"),
        counted(policy.drivers().len(), "driver"),
        counted(policy.exemptions().len(), "exemption"),
        policy.fingerprint()
    )?;
    Ok(Exit::Success)
}

fn show(args: ShowArgs) -> anyhow::Result<Exit> {
    let policy = match (args.profile.as_deref().and_then(|name| Profile::parse(name).ok()), args.file.file) {
        // A profile is shown as it is, although a file may be found.
        (Some(profile), _) => Policy::of_profile(profile),
        (None, Some(file)) => load(&file)?,
        (None, None) => match discover()? {
            Some(file) => load(&file)?,
            None => Policy::default(),
        },
    };
    write!(io::stdout().lock(), "{}", write::yaml(&policy))?;
    Ok(Exit::Success)
}

/// Returns the policy file that holds in the working directory.
///
/// # Errors
///
/// When there is no working directory.
pub fn discover() -> anyhow::Result<Option<PathBuf>> {
    let folder = std::env::current_dir().context("cannot determine the working directory")?;
    Ok(policy_file::discover(&folder))
}

/// Reads a policy file; an unreadable file and a wrong policy have exit codes
/// of their own.
///
/// # Errors
///
/// When the file cannot be read, or holds no policy.
pub fn load(file: &Path) -> anyhow::Result<Policy> {
    policy_file::load(file).map_err(|error| match error {
        Error::Read { .. } | Error::Text { .. } => anyhow::Error::new(InputError(error.to_string())),
        error => anyhow::Error::new(error),
    })
}

/// Returns the warnings about a policy that is valid.
pub fn warnings(policy: &Policy, today: Date) -> Vec<String> {
    let mut warnings = Vec::new();
    for exemption in policy.exemptions() {
        let rules: Vec<String> = exemption.rules.iter().map(ToString::to_string).collect();
        let which = format!("the exemption from {} ({:?})", rules.join(", "), exemption.reason);
        match exemption.days_left(today) {
            Some(days) if days < 0 => warnings.push(format!("{which} expired {} ago", counted(-days, "day"))),
            Some(days) => warnings.push(format!("{which} expires in {}", counted(days, "day"))),
            None => {}
        }
        let is_idle = exemption
            .rules
            .iter()
            .all(|code| RULES.iter().find(|rule| rule.code == *code).is_some_and(|rule| !policy.runs(rule)));
        if is_idle {
            warnings.push(format!("{which} has no effect: its rules are off"));
        }
        let template = exemption.kind.filter(|kind| kind.row().reach == Reach::Warns);
        if let Some(kind) = template {
            // An exact name is not that of the Pods.
            let exact = exemption.name.as_ref().filter(|name| !name.contains('*'));
            let names = exact.map(|name| format!(", name: {name}-*")).unwrap_or_default();
            warnings.push(format!(
                "{which} covers the {kind} alone, not the Pods that it creates; for both set kind: Pod{names}"
            ));
        }
        if let Some(cause) = exemption.contradiction() {
            warnings.push(format!("{which} matches no object: {cause}"));
        }
    }
    for rule in
        RULES.iter().filter(|rule| rule.preview && !policy.preview() && policy.own_action(rule).is_some())
    {
        warnings.push(format!(
            "the action of {} has no effect: the rule is in preview; set preview: true",
            rule.name
        ));
    }
    for name in admission_policy::drivers_to_generate_for(policy) {
        warnings.push(format!(
            "driver {name:?} is filtered out by the default matchConditions, so the API server does not call the webhook for it; \
             set it in the chart's policy.drivers, or run nfs-mount-guard generate match-conditions --policy FILE"
        ));
    }
    warnings
}
