//! The report as one JSON object; its schema is docs/check.schema.json.

use std::fmt::Write as _;

use super::Report;
use super::plain::{ends_as_command, is_unseen};

/// Returns the report, with a line break after it.
pub fn write(report: &Report) -> String {
    // Strings, numbers and lists of them always serialise.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    plain(&text)
}

/// JSON text in which everything is escaped that is not seen as itself, or that
/// a runner of jobs would take for a command (`##[error]`). Such characters
/// stand in strings only, and mean the same with an escape.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        let is_command = character == '[' && ends_as_command(&plain);
        if is_command || is_unseen(character) && !matches!(character, '\n' | '\t') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(plain, "\\u{unit:04x}");
            }
        } else {
            plain.push(character);
        }
    }
    plain
}
