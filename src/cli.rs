//! The command line: flags, and what each command does with them.

#[cfg(feature = "serve")]
pub mod certs;
pub mod check;
pub mod color;
pub mod completions;
#[cfg(feature = "serve")]
pub mod doctor;
pub mod duration;
mod environment;
pub mod exit;
pub mod explain;
mod file;
pub mod fix;
pub mod generate;
pub mod input;
mod interrupt;
#[cfg(feature = "lsp")]
pub mod lsp;
pub mod man;
#[cfg(feature = "serve")]
mod managed;
#[cfg(unix)]
pub mod node_check;
#[cfg(feature = "serve")]
mod number;
mod offered;
mod output;
mod plugin;
pub mod policy;
pub mod policy_flags;
pub mod progress;
mod reporting;
pub mod review;
pub mod rules;
#[cfg(feature = "serve")]
pub mod scan;
#[cfg(feature = "serve")]
pub mod serve;
pub mod source_root;
#[cfg(feature = "serve")]
mod status_port;
pub mod terminal;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::called::{self, Role};
use color::Color;
use exit::Exit;

/// Finds, repairs and rejects NFS mount options that lose data in Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "nfs-mount-guard",
    version,
    about,
    propagate_version = true,
    max_term_width = 79,
    after_help = "\
Exit codes:
  0  no finding is denied
  1  a finding is denied
  2  wrong use, or an invalid policy
  3  an input could not be read
  4  no NFS volume in the input (check --require-match)

Every flag has an environment variable: NFS_MOUNT_GUARD_SHUTDOWN_DELAY sets
--shutdown-delay. An empty variable counts as unset."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the admission webhook server
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Check manifests as the webhook would
    Check(check::Args),
    /// Evaluate what is in a cluster, and name the Pods that are exposed
    #[cfg(feature = "serve")]
    Scan(scan::Args),
    /// Find out why the API server does not call the webhook, or not as it should
    #[cfg(feature = "serve")]
    Doctor(doctor::Args),
    /// Repair manifests; comments, order and quotes stay
    Fix(fix::Args),
    /// Explain a rule, or the mount options of a file
    Explain(explain::Args),
    /// Evaluate a recorded AdmissionReview as the webhook does
    Review(review::Args),
    /// Serve an editor: diagnostics, hover and fixes in YAML and JSON
    #[cfg(feature = "lsp")]
    Lsp(lsp::Args),
    /// Check, show and describe policy files
    Policy(policy::Args),
    /// List the rules
    Rules(rules::Args),
    /// Generate admission policies and matchConditions for the API server
    Generate(generate::Args),
    /// Create certificates, and manage those of a cluster
    #[cfg(feature = "serve")]
    Certs(certs::Args),
    /// Find Pod volumes on this node whose NFS mount is missing
    #[cfg(unix)]
    NodeCheck(node_check::Args),
    /// Print a shell's completions
    Completions(completions::Args),
    /// Print the manual page
    Man(man::Args),
    /// Complete a command line for kubectl, which passes the words as they are
    #[command(skip)]
    Complete(Vec<OsString>),
}

impl Cli {
    /// Reads the process's command line, and ends the process where it requests
    /// help or cannot be read.
    pub fn read() -> Self {
        let mut words: Vec<OsString> = std::env::args_os().collect();
        let role = called::start(words.first().map(OsString::as_os_str));
        // A caller may pass no words at all, not even the name of the program.
        words.drain(..1.min(words.len()));
        if role == Role::Completion || words.first().is_some_and(|word| word == plugin::COMPLETE) {
            let begin = usize::from(role == Role::Command);
            let words = words.split_off(begin);
            let command = Command::Complete(words);
            return Self { command, color: Color::default() };
        }
        #[cfg_attr(
            not(feature = "serve"),
            expect(unused_variables, reason = "serve is read before the rest")
        )]
        let color = Color::read(&words);
        #[cfg(feature = "serve")]
        // First `serve`: a container starts it, and the description of all commands takes longer to build.
        if let Some((color, args)) = color.zip(serve::Args::read_alone(words.iter().cloned())) {
            return Self { command: Command::Serve(args), color };
        }
        let read = environment::without_unset(plugin::named(Self::command())).try_get_matches();
        let read = read.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        read.unwrap_or_else(|error| {
            let error = environment::naming_variables(error, Self::command(), &words);
            with_better_tip(error, &words).exit()
        })
    }

    /// Runs the command. Errors go to standard error.
    pub fn run(self) -> Exit {
        self.color.apply();
        let result = match self.command {
            #[cfg(feature = "serve")]
            Command::Serve(args) => args.run(),
            Command::Check(args) => args.run(),
            #[cfg(feature = "serve")]
            Command::Scan(args) => args.run(),
            #[cfg(feature = "serve")]
            Command::Doctor(args) => args.run(),
            Command::Fix(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Review(args) => args.run(),
            #[cfg(feature = "lsp")]
            Command::Lsp(args) => args.run(),
            #[cfg(unix)]
            Command::NodeCheck(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::Complete(words) => Ok(plugin::print_completions(plugin::named(Self::command()), words)),
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

/// Flags of kubectl for a file, which is an argument here.
const FILE_FLAGS: [&str; 3] = ["-f", "--filename", "--file"];

/// Returns an error of the parser with a tip that helps: no flag is ever meant as a PATH, which is
/// what clap supposes.
fn with_better_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    // clap suggests `-- --flag`, which would take the flag for a path.
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg).cloned() else { return error };
    let known = FOREIGN_FLAGS.iter().find(|(foreign, _)| *foreign == flag.as_str()).map(|(_, known)| *known);
    let command = Cli::command();
    let named = |word: &OsString| command.find_subcommand(word);
    let has = |flag: &str| {
        let mut flags = words.iter().find_map(named).into_iter().flat_map(clap::Command::get_arguments);
        flags.any(|argument| argument.get_long() == flag.strip_prefix("--"))
    };
    if let Some(known) = known.filter(|known| has(known)) {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(known.to_owned()));
    }
    let takes_paths = |command: &clap::Command| {
        command.get_positionals().any(|argument| argument.get_id().as_str() == "paths")
    };
    if let Some(command) = words.iter().find_map(named).filter(|command| takes_paths(command))
        && FILE_FLAGS.contains(&flag.as_str())
    {
        let tip = format!("give the PATH without '{flag}': {} {} PATH", called::name(), command.get_name());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
