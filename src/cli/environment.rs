//! Environment variables of flags: an empty one counts as unset, and an error about a value
//! names the variable that has it.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error};

/// The beginning of every variable's name.
const PREFIX: &str = "NFS_MOUNT_GUARD_";

/// Values that leave a flag without a value off, as clap's `BoolishValueParser` takes them.
const NO: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

/// Removes variables that set nothing from a command: empty ones, and `false` for a flag
/// without a value. A script that passes on an unset variable sets nothing with it, and
/// such a flag must not contradict another one.
pub(super) fn without_unset(command: Command) -> Command {
    let may_be_unset = |(name, value): (OsString, OsString)| {
        name.to_str().is_some_and(|name| name.starts_with(PREFIX)) && (value.is_empty() || is_no(&value))
    };
    // Nearly always there is none, and a copy of all commands takes longer than to look.
    if env::vars_os().any(may_be_unset) { cleared(command) } else { command }
}

fn cleared(command: Command) -> Command {
    command
        .mut_args(|arg| if is_unset(&arg) { arg.env(Resettable::Reset) } else { arg })
        .mut_subcommands(cleared)
}

fn is_unset(arg: &Arg) -> bool {
    let value = arg.get_env().and_then(env::var_os);
    value.is_some_and(|value| {
        value.is_empty() || matches!(arg.get_action(), ArgAction::SetTrue) && is_no(&value)
    })
}

fn is_no(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| NO.contains(&value.to_ascii_lowercase().as_str()))
}

/// Names variables instead of flags in an error of the parser, if the flag is not among the
/// words. `command` is the whole program.
pub(super) fn naming_variables(mut error: Error, mut command: Command, words: &[OsString]) -> Error {
    command.build();
    let called =
        words.iter().fold(&command, |command, word| command.find_subcommand(word).unwrap_or(command));
    let variable = |shown: &String| {
        let arg = called.get_arguments().find(|arg| arg.to_string() == *shown)?;
        let name = arg.get_env()?;
        env::var_os(name).filter(|_| !is_written(arg, words))?;
        Some(name.to_string_lossy().into_owned())
    };
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let named = match error.get(kind) {
            Some(ContextValue::String(shown)) => variable(shown).map(ContextValue::String),
            Some(ContextValue::Strings(all)) => Some(ContextValue::Strings(
                all.iter().map(|shown| variable(shown).unwrap_or_else(|| shown.clone())).collect(),
            )),
            _ => None,
        };
        if let Some(named) = named {
            error.insert(kind, named);
        }
    }
    error
}

/// Returns true if a flag is on the command line. A PATH or FILE without a flag always is.
fn is_written(arg: &Arg, words: &[OsString]) -> bool {
    let is_its = |word: &str| {
        let long = word.strip_prefix("--").and_then(|flag| flag.split('=').next());
        let is_long = long.is_some_and(|flag| {
            arg.get_long() == Some(flag) || arg.get_all_aliases().is_some_and(|all| all.contains(&flag))
        });
        let short = word.strip_prefix('-').and_then(|flag| flag.chars().next());
        is_long || short.is_some_and(|flag| arg.get_short() == Some(flag))
    };
    let mut before_end = words.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str());
    arg.is_positional() || before_end.any(is_its)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_written_in_any_of_its_forms() {
        let arg = Arg::new("file").long("file").alias("path").short('f').action(ArgAction::Set);
        for (words, wanted) in [
            (&["explain", "--file", "a"][..], true),
            (&["explain", "--file=a"], true),
            (&["explain", "--path=a"], true),
            (&["explain", "-fa"], true),
            (&["explain", "--files", "a"], false),
            (&["explain", "--", "--file"], false),
            (&["explain", "file"], false),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(is_written(&arg, &words), wanted, "{words:?}");
        }
    }

    #[test]
    fn what_is_no_is_read_as_clap_reads_it() {
        use clap::builder::{BoolishValueParser, TypedValueParser as _};
        let command = Command::new("a");
        for value in ["n", "No", "f", "FALSE", "off", "0", "1", "yes", "true", "on"] {
            let read =
                BoolishValueParser::new().parse_ref(&command, None, OsStr::new(value)).expect("a value");
            assert_eq!(is_no(OsStr::new(value)), !read, "{value}");
        }
    }
}
