//! Determines the width of lines on standard output.

use std::io::{self, IsTerminal as _};

/// Fewer columns than this are not believed: nothing fits into them.
const FEWEST: usize = 20;

/// Columns of a terminal that does not say how many it has.
const USUAL: usize = 80;

/// The columns of the terminal that standard output is; `None` for a pipe or a
/// file, which get lines as long as they are.
pub fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let columns = match terminal_size::terminal_size_of(io::stdout()) {
        Some((terminal_size::Width(columns), _)) if columns > 0 => usize::from(columns),
        _ => std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(USUAL),
    };
    Some(columns.max(FEWEST))
}
