//! The command line under the name that its user typed, and completions for kubectl, which
//! runs the program as a plugin.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::Command;
use clap_complete::engine::complete;

use super::exit::{self, Exit};
use crate::called;

/// Columns of a terminal that every example fits.
const COLUMNS: usize = 79;

/// Returns a command that names itself, in its usage and its examples, as it is called.
pub(super) fn named(command: Command) -> Command {
    let name = called::name();
    if name == called::OWN_NAME {
        return command;
    }
    renamed(command.bin_name(name), name)
}

fn renamed(command: Command, name: &str) -> Command {
    let text =
        |text: Option<&clap::builder::StyledStr>| text.map(|text| examples(&text.to_string()).into_owned());
    let (long_about, after) = (text(command.get_long_about()), text(command.get_after_help()));
    let mut command = command.display_name(name.to_owned());
    if let Some(about) = long_about {
        command = command.long_about(about);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    command.mut_subcommands(|inner| {
        let name = format!("{name} {}", inner.get_name());
        renamed(inner, &name)
    })
}

/// Examples with the name of the program; what then is too wide for a terminal is continued.
fn examples(text: &str) -> Cow<'_, str> {
    let named = called::by_name(text);
    if named == text {
        return named;
    }
    Cow::Owned(named.lines().map(continued).collect::<Vec<_>>().join("\n"))
}

/// Returns an example on two lines, where it is wider than a terminal. The name of the program
/// stays in one piece.
fn continued(line: &str) -> String {
    let begin = line.get(..COLUMNS - 2).filter(|_| line.starts_with("  ") && line.len() > COLUMNS);
    let begin = begin.and_then(|begin| begin.rsplit_once(' '));
    let begin = begin.map(|(begin, _)| begin.strip_suffix(" kubectl").unwrap_or(begin));
    match begin.and_then(|begin| Some((begin, line.get(begin.len() + 1..)?))) {
        Some((begin, rest)) => format!("{begin} \\\n      {rest}"),
        None => line.to_owned(),
    }
}

/// Returns the script that kubectl runs for completions.
pub(super) fn script() -> String {
    let (file, name) = match called::file() {
        called::OWN_NAME => ("kubectl-nfs_mount_guard", "kubectl nfs-mount-guard"),
        file => (file, called::name()),
    };
    format!("#!/bin/sh\n# kubectl runs it for: {name} <TAB>\nexec {file} {COMPLETE} \"$@\"\n")
}

/// Returns the command as its manual pages name it: `kubectl-nfs-mount-guard(1)` for the plugin.
pub(super) fn paged(command: Command) -> Command {
    if called::name() == called::OWN_NAME {
        return command;
    }
    dashed(named(command)).name(called::page())
}

/// Writes the names of pages with dashes, as those of Git's have.
fn dashed(command: Command) -> Command {
    let name = command.get_display_name().unwrap_or_default().replace(' ', "-");
    command.display_name(name).mut_subcommands(dashed)
}

/// The word before those that are to be completed.
pub(super) const COMPLETE: &str = "__complete";

/// Prints what can be in the place of the last of the words, one a line, and what a shell
/// does about it (cobra `ShellCompDirective`): it completes no files of its own, and adds no
/// space after a directory.
pub(super) fn print_completions(command: Command, words: Vec<OsString>) -> Exit {
    const NO_BLANK: u8 = 2;
    const NO_FILES: u8 = 4;
    let mut command = command;
    let args: Vec<OsString> = std::iter::once(called::OWN_NAME.into()).chain(words).collect();
    let last = args.len() - 1;
    let folder = std::env::current_dir().ok();
    // Words that lead nowhere have no completion.
    let found = complete(&mut command, args, last, folder.as_deref()).unwrap_or_default();
    let mut text = String::new();
    let mut directive = NO_FILES;
    for candidate in found.iter().filter(|candidate| !candidate.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().map(|help| format!("\t{help}")).unwrap_or_default();
        if value.ends_with('/') {
            directive |= NO_BLANK;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{value}{help}");
    }
    let mut out = io::stdout().lock();
    match exit::written(writeln!(out, "{text}:{directive}")) {
        Ok(()) => Exit::Success,
        Err(error) => exit::report(&error.into()),
    }
}
