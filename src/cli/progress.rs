//! Shows the progress of a long run to a person at a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::count::counted;

/// Runs shorter than this say nothing.
const SILENT: Duration = Duration::from_secs(1);

/// The shortest time between two writes of the line.
const EVERY: Duration = Duration::from_millis(100);

/// Counts files, and shows the count once the run is a long one.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: AtomicUsize,
    ended: AtomicBool,
}

impl Progress {
    /// Makes the progress of `total` files.
    pub const fn new(total: usize) -> Self {
        Self { total, done: AtomicUsize::new(0), ended: AtomicBool::new(false) }
    }

    /// Counts one more file as done.
    pub fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the run: [`Self::show`] ends once its thread is woken.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Shows the count on standard error until the run ends, where that is a
    /// terminal; then takes the line away again.
    pub fn show(&self) {
        if !io::stderr().is_terminal() {
            return;
        }
        let begun = Instant::now();
        let mut shown = 0;
        while !self.ended.load(Ordering::Relaxed) {
            thread::park_timeout(EVERY);
            if begun.elapsed() >= SILENT && !self.ended.load(Ordering::Relaxed) {
                let done = self.done.load(Ordering::Relaxed);
                let line = format!("{done} of {}", counted(self.total, "file"));
                let _ = write!(io::stderr(), "\r{line}");
                shown = line.len();
            }
        }
        if shown > 0 {
            // Spaces and no escape sequence: every terminal knows them.
            let _ = write!(io::stderr(), "\r{:shown$}\r", "");
        }
    }
}
