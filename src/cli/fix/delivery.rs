//! Writes what `fix` repaired, and continues after a file that cannot be written.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Fixed, Read};
use crate::check::Checker;
use crate::cli::color;
use crate::cli::exit::Exit;
use crate::cli::file;
use crate::cli::interrupt::{Held, Signal};
use crate::count::counted;
use crate::engine::fix::Scope;
use crate::report::diff;
use crate::source::text;

/// The writing of the inputs, one after the other.
pub(super) struct Delivery<'d> {
    check: &'d Checker<'d>,
    scope: Scope,
    is_diff: bool,
    /// From the first file on, a signal waits until the file at hand is written and all are reported.
    held: Option<Held>,
    /// The files that a signal left.
    unreached: usize,
}

/// A signal that came between two files.
pub(super) struct Stop {
    signal: Signal,
    unreached: usize,
}

impl Stop {
    /// Ends the program.
    pub(super) fn exit(&self) -> Exit {
        self.signal.end()
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "stopped by {}", self.signal.name())?;
        match self.unreached {
            0 => Ok(()),
            count => write!(out, " before {} to change; run fix again", counted(count, "file")),
        }
    }
}

impl<'d> Delivery<'d> {
    pub(super) const fn new(check: &'d Checker<'d>, scope: Scope, is_diff: bool) -> Self {
        Self { check, scope, is_diff, held: None, unreached: 0 }
    }

    /// Writes one input, and returns it as it is then; `None` if a signal came before.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub(super) fn deliver(&mut self, fixed: Fixed) -> anyhow::Result<Option<Fixed>> {
        let Read { path, name, old, has_mark, .. } = &fixed.read;
        let is_stdin = path == Path::new("-");
        // The reader of the text took it off.
        let mark = if *has_mark { text::MARK.to_string() } else { String::new() };
        let new = fixed.repaired.text.as_deref();
        let mut out = io::stdout().lock();
        if self.is_diff {
            if let Some(new) = new {
                write!(out, "{}", diff::write(name, old, new, color::wanted()))?;
            }
        } else if is_stdin {
            write!(out, "{mark}{}", new.unwrap_or(old))?;
        } else if let Some(new) = new {
            // From the first write on a signal ends the program between two files, and never within one.
            if self.held.get_or_insert_with(Held::begin).signal().is_some() {
                self.unreached += 1;
                return Ok(None);
            }
            if let Err(reason) = file::replace(path, &format!("{mark}{new}")) {
                return Ok(Some(fixed.undone(self.check, self.scope, &reason.to_string())));
            }
        }
        out.flush()?;
        Ok(Some(fixed))
    }

    /// Ends the writing, and returns the signal that came meanwhile.
    pub(super) fn end(self) -> Option<Stop> {
        let signal = self.held.and_then(Held::end)?;
        Some(Stop { signal, unreached: self.unreached })
    }
}
