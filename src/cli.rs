//! The command line: flags, and what each command does with them.

#[cfg(feature = "serve")]
pub mod certs;
pub mod check;
pub mod color;
pub mod completions;
pub mod duration;
pub mod exit;
pub mod explain;
pub mod fix;
pub mod generate;
pub mod input;
pub mod judgement;
pub mod man;
#[cfg(unix)]
pub mod node_check;
mod output;
pub mod policy;
pub mod progress;
pub mod review;
pub mod rules;
#[cfg(feature = "serve")]
pub mod scan;
#[cfg(feature = "serve")]
pub mod serve;
pub mod source_root;
pub mod terminal;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};

use color::Color;
use exit::Exit;

/// Knows what NFS mount options really do, and keeps the dangerous ones out of
/// Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "nfs-mount-guard",
    version,
    about,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 nothing is refused, 1 something is, 2 wrong use or a bad policy, 3 an input could not be read,
4 nothing to judge with --require-match.

Every flag can be given as an environment variable: --shutdown-delay is NFS_MOUNT_GUARD_SHUTDOWN_DELAY."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the API server's admission reviews
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Judge manifests as the webhook would
    Check(check::Args),
    /// Judge what is in a cluster, and name the Pods that are exposed
    #[cfg(feature = "serve")]
    Scan(scan::Args),
    /// Repair manifests, touching nothing but the options concerned
    Fix(fix::Args),
    /// Explain a rule, or what the options of a file do
    Explain(explain::Args),
    /// Answer a recorded AdmissionReview as the webhook does
    Review(review::Args),
    /// Check, show and describe policy files
    Policy(policy::Args),
    /// List the rules
    Rules(rules::Args),
    /// Generate what the API server itself can decide
    Generate(generate::Args),
    /// Make certificates for a first installation and for tests
    #[cfg(feature = "serve")]
    Certs(certs::Args),
    /// Find volumes on this node that only look mounted
    #[cfg(unix)]
    NodeCheck(node_check::Args),
    /// Print a shell's completions
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
}

impl Cli {
    /// Reads the process's command line, and ends the process where it asks for
    /// help or cannot be read.
    pub fn read() -> Self {
        let words: Vec<OsString> = std::env::args_os().skip(1).collect();
        #[cfg_attr(
            not(feature = "serve"),
            expect(unused_variables, reason = "serve is read before the rest")
        )]
        let color = Color::read(&words);
        #[cfg(feature = "serve")]
        if let Some((color, args)) = color.zip(serve::Args::read_alone(words.iter().cloned())) {
            return Self { command: Command::Serve(args), color };
        }
        Self::try_parse().unwrap_or_else(|error| with_better_tip(error, &words).exit())
    }

    /// Does what the command line says. Errors are told on standard error.
    pub fn run(self) -> Exit {
        self.color.apply();
        let result = match self.command {
            #[cfg(feature = "serve")]
            Command::Serve(args) => args.run(),
            Command::Check(args) => args.run(),
            #[cfg(feature = "serve")]
            Command::Scan(args) => args.run(),
            Command::Fix(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Review(args) => args.run(),
            #[cfg(unix)]
            Command::NodeCheck(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::Policy(args) => args.run(),
            Command::Rules(args) => args.run(),
            Command::Generate(args) => args.run(),
            #[cfg(feature = "serve")]
            Command::Certs(args) => args.run(),
        };
        result.unwrap_or_else(|error| exit::report(&error))
    }
}

/// Flags of other programs, and what they are here.
const FOREIGN_FLAGS: [(&str, &str); 2] = [("--output", "--format"), ("-o", "--format")];

/// An error of the parser with a tip that helps: no flag is ever meant as a PATH,
/// which is what clap supposes.
fn with_better_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let known = FOREIGN_FLAGS.iter().find(|(foreign, _)| *foreign == flag).map(|(_, known)| *known);
    let command = Cli::command();
    let named = |word: &OsString| command.find_subcommand(word);
    let has = |flag: &str| {
        let mut flags = words.iter().find_map(named).into_iter().flat_map(clap::Command::get_arguments);
        flags.any(|argument| argument.get_long() == flag.strip_prefix("--"))
    };
    if let Some(known) = known.filter(|known| has(known)) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(known.to_owned()));
    }
    error
}
