//! Whether the output has colors.

use std::io::{self, IsTerminal as _};

/// Whether standard output gets colors: only a terminal does.
pub fn wanted() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
