//! Determines the width of lines on standard output and standard error.

use std::io::{self, IsTerminal as _};

use terminal_size::{Height, Width, terminal_size_of};

/// Fewer columns than this are not believed: nothing fits into them.
const FEWEST: usize = 20;

/// Columns of a terminal that does not say how many it has.
const USUAL: usize = 80;

/// Returns the columns of the terminal that standard output is; `None` for a pipe or a file, which
/// get lines as long as they are.
pub fn width() -> Option<usize> {
    io::stdout().is_terminal().then(|| columns(terminal_size_of(io::stdout())))
}

/// Returns the same of standard error.
pub fn width_of_errors() -> Option<usize> {
    io::stderr().is_terminal().then(|| columns(terminal_size_of(io::stderr())))
}

fn columns(size: Option<(Width, Height)>) -> usize {
    let columns = match size {
        // A serial console says 0 (TIOCGWINSZ).
        Some((Width(columns), _)) if columns > 0 => usize::from(columns),
        _ => std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(USUAL),
    };
    columns.max(FEWEST)
}
