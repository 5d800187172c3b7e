//! Foreign text for terminals and logs: names, options and lines of files come
//! from anybody, and a terminal or a runner of jobs would obey what is in them.

use std::borrow::Cow;
use std::fmt::Write as _;

pub use crate::source::columns::is_unseen;

/// Returns the text with everything written out that is not seen as itself: control characters,
/// line breaks, marks that turn the direction of writing, and characters without width. Text that a
/// runner of jobs would take for a command inside a line (`##[error]`, `##vso[...]`) is broken with
/// a backslash.
pub fn plain(text: &str) -> Cow<'_, str> {
    let has_commands = text.contains("##");
    if !has_commands && !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unseen(character) {
            escape(&mut shown, character);
            continue;
        }
        if character == '[' && has_commands && ends_as_command(&shown) {
            shown.push('\\');
        }
        shown.push(character);
    }
    Cow::Owned(shown)
}

/// Returns the name of a file at the beginning of a line, where `::error::` would be a command of
/// GitHub's runner.
pub fn place(file: &str) -> Cow<'_, str> {
    let shown = plain(file);
    if file.trim_start().starts_with(':') { Cow::Owned(format!("./{shown}")) } else { shown }
}

/// Shows lines, each as [`plain`] shows it, and none of them a command of GitHub's runner.
pub fn lines(text: &str) -> String {
    let shown: Vec<_> = text
        .lines()
        .map(|line| {
            let shown = plain(line);
            match shown.trim_start().strip_prefix("::") {
                Some(rest) => Cow::Owned(format!("\\u{{3a}}:{rest}")),
                None => shown,
            }
        })
        .collect();
    shown.join("\n")
}

/// Writes a character as `\n` or `\u{1b}`.
pub(super) fn escape(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        other => {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
        }
    }
}

/// Returns true if a bracket after this text would make it a command.
pub fn ends_as_command(shown: &str) -> bool {
    shown.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).ends_with("##")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_out() {
        for (text, shown) in [
            ("é 日本 a::b #[c]", "é 日本 a::b #[c]"),
            ("a\u{1b}[31m\n\r\t\u{7f}\u{9b}", "a\\u{1b}[31m\\n\\r\\t\\u{7f}\\u{9b}"),
            ("\u{202e}x\u{2028}\u{feff}", "\\u{202e}x\\u{2028}\\u{feff}"),
            ("a ##[error]b ##vso[task]", "a ##\\[error]b ##vso\\[task]"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(place("::error::a.yaml"), "./::error::a.yaml");
        assert_eq!(place(" ::error::\n"), "./ ::error::\\n");
        assert_eq!(place("a:b"), "a:b");
        assert_eq!(lines("a: b\n  c\r\n ::d\u{1b}"), "a: b\n  c\n\\u{3a}:d\\u{1b}");
    }
}
