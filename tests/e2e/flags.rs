//! Every flag is given to the program by some test, in a command line that the program takes: noted when it is
//! run, and compared with the flags that there are when all tests have ended.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _};
use libtest_mimic::{Arguments, Failed, Trial};
use nfs_mount_guard::cli::Cli;
use tempfile::TempDir;

use crate::component::{is_complete_run, launch_by, program_file};

/// Tests of the flags.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("flags::every_flag_has_a_variable", every_flag_has_a_variable),
        Trial::test("flags::a_flag_counts_in_a_command_line_that_is_taken", counts_what_is_taken),
    ]
}

/// A flag of a command: `check --policy`.
type Flag = String;

/// The notes of all runs of the program.
pub struct Runs(TempDir);

impl Runs {
    /// Begins to note them, if all tests run and have all that they need.
    pub fn note(arguments: &Arguments) -> Option<Self> {
        let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list;
        if !is_whole || !is_complete_run() {
            return None;
        }
        let folder = TempDir::new().expect("a directory");
        let notes = folder.path().join("notes");
        fs::create_dir(&notes).expect("a directory");
        // Programs of other users write here as well.
        for open in [folder.path(), &notes] {
            fs::set_permissions(open, fs::Permissions::from_mode(0o777)).expect("permissions");
        }
        let script = format!(
            "#!/bin/sh\n{{ for a; do printf '%s\\037' \"$a\"; done >>'{}/'$$; }} 2>/dev/null\n\
             echo >>'{}/'$$ 2>/dev/null\nexec '{}' \"$@\"\n",
            notes.display(),
            notes.display(),
            program_file().display()
        );
        let launcher = folder.path().join("nfs-mount-guard");
        fs::write(&launcher, script).expect("a script");
        fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755)).expect("permissions");
        launch_by(launcher);
        Some(Self(folder))
    }

    /// The flags that no test gave.
    pub fn untested(&self) -> Vec<Flag> {
        let mut given = BTreeSet::new();
        for entry in fs::read_dir(self.0.path().join("notes")).expect("notes") {
            let text = fs::read(entry.expect("an entry").path()).expect("a note");
            let text = String::from_utf8_lossy(&text).into_owned();
            for line in text.lines() {
                given.extend(flags_of(line.split_terminator('\u{1f}')));
            }
        }
        all().into_iter().map(|(flag, _)| flag).filter(|flag| !given.contains(flag)).collect()
    }
}

/// The flags of a command line; none if it is not taken.
fn flags_of<'a>(arguments: impl Iterator<Item = &'a str>) -> BTreeSet<Flag> {
    fn walk(matches: &ArgMatches, command: &Command, path: &str, found: &mut BTreeSet<Flag>) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let is_given = matches.try_contains_id(id).unwrap_or_default()
                && matches.value_source(id) == Some(ValueSource::CommandLine);
            if let Some(long) = argument.get_long().filter(|_| is_given) {
                found.insert(format!("{path} --{long}").trim_start().to_owned());
            }
        }
        if let Some((name, inner)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            walk(inner, command, &format!("{path} {name}"), found);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut found = BTreeSet::new();
    if let Ok(matches) =
        command.clone().try_get_matches_from(std::iter::once("nfs-mount-guard").chain(arguments))
    {
        walk(&matches, &command, "", &mut found);
    }
    found
}

/// Every flag, and the name of its environment variable.
fn all() -> Vec<(Flag, Option<String>)> {
    fn walk(command: &Command, path: &str, found: &mut Vec<(Flag, Option<String>)>) {
        for argument in command.get_arguments() {
            if let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) {
                let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                found.push((format!("{path} --{long}").trim_start().to_owned(), variable));
            }
        }
        for subcommand in command.get_subcommands() {
            walk(subcommand, &format!("{path} {}", subcommand.get_name()), found);
        }
    }
    let mut found = Vec::new();
    walk(&Cli::command(), "", &mut found);
    found
}

fn every_flag_has_a_variable() -> Result<(), Failed> {
    let flags = all();
    assert!(flags.len() > 50, "{flags:?}");
    let without: Vec<_> = flags
        .iter()
        .filter(|(_, variable)| !variable.as_ref().is_some_and(|name| name.starts_with("NFS_MOUNT_GUARD_")))
        .collect();
    assert!(without.is_empty(), "{without:?}");
    Ok(())
}

fn counts_what_is_taken() -> Result<(), Failed> {
    for (line, flags) in [
        ("check --no-policy a.yaml --format json", &["check --format", "check --no-policy"][..]),
        ("check --no-such-flag a.yaml", &[]),
        ("check a.yaml", &[]),
        ("fix --diff a.yaml", &["fix --diff"]),
    ] {
        let found = flags_of(line.split(' '));
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), flags, "{line}");
    }
    Ok(())
}
