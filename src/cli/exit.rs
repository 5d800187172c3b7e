//! Exit codes, the same for every command.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::called;
use crate::report::plain::lines;
use crate::source::io_fault;

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing is refused.
    Success,
    /// Something is refused.
    Findings,
    /// The other side of a connection ended without saying so.
    Abrupt,
    /// Wrong use, or a policy that cannot be used.
    Usage,
    /// An input could not be read.
    Unreadable,
    /// Nothing to evaluate, with `--require-match`.
    NothingToJudge,
    /// A signal with this number ended it.
    Stopped(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Findings | Exit::Abrupt => 1,
            Exit::Usage => 2,
            Exit::Unreadable => 3,
            Exit::NothingToJudge => 4,
            // A shell reports a signal so.
            Exit::Stopped(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        })
    }
}

/// An error that decides the exit code. The caller that knows the class of an
/// error wraps it; any other error is wrong use.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(pub String);

/// Returns the result of writing to standard output, where a reader that went away (`| head`) is no
/// error: what was decided is said by the exit code all the same.
///
/// # Errors
///
/// On any other error.
pub fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says something on standard error, after the name of the program; the commands that it
/// names have that name, too.
///
/// # Errors
///
/// When standard error cannot be written.
pub fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{}: {}", called::name(), called::by_name(text))
}

/// Returns the causes of an error, the outermost first. That of the system is in its words, without
/// its number.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| match cause.downcast_ref::<io::Error>() {
        Some(system) => io_fault::reason(system),
        None => cause.to_string(),
    });
    causes.collect::<Vec<_>>().join(": ")
}

/// Tells an error on standard error, and says which exit code it means. A
/// reader that went away (`| head`) is no error.
pub fn report(error: &anyhow::Error) -> Exit {
    let broken_pipe = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
    if broken_pipe {
        return Exit::Success;
    }
    // A closed standard error leaves no place to report it.
    let _ = say(&lines(&told(error)));
    if error.chain().any(<dyn std::error::Error + 'static>::is::<InputError>) {
        Exit::Unreadable
    } else {
        Exit::Usage
    }
}
