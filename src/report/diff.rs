//! Writes the diff of `fix --diff`.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::Style;
use similar::{ChangeTag, TextDiff};

use super::palette::Palette;
use super::plain::{ends_as_command, escape, is_unseen};

/// Returns the change of a file as a unified diff, which `git apply` takes. A line that a terminal
/// or a runner of jobs would obey is written out as in the other reports, and does not apply then;
/// neither does one with colors.
pub fn write(name: &str, old: &str, new: &str, colour: bool) -> String {
    let diff = TextDiff::from_lines(old, new);
    let Palette { strong, faint, removed, added, .. } = Palette::new(colour);
    let mut out = String::new();
    // Writing to a string cannot fail.
    for (sign, prefix) in [("---", "a/"), ("+++", "b/")] {
        let _ = writeln!(out, "{strong}{sign} {}{strong:#}", path(prefix, name));
    }
    for hunk in diff.unified_diff().iter_hunks() {
        let _ = writeln!(out, "{faint}{}{faint:#}", hunk.header());
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', removed),
                ChangeTag::Insert => ('+', added),
                ChangeTag::Equal => (' ', Style::new()),
            };
            let shown = line(change.value());
            let text = shown.trim_end_matches(['\n', '\r']);
            let line_break = shown.get(text.len()..).unwrap_or_default();
            let _ = write!(out, "{style}{sign}{text}{style:#}{line_break}");
            // As diff(1) and git write it, so that patch(1) can read it.
            if change.missing_newline() {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Returns a line of a file, its line break as it is.
fn line(line: &str) -> Cow<'_, str> {
    let text = line.trim_end_matches(['\n', '\r']);
    let is_command = text.trim_start().starts_with("::") || text.contains("##");
    if !is_command && !text.chars().any(|character| is_unseen(character) && character != '\t') {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len() + 16);
    let mut is_indented = true;
    for character in text.chars() {
        let begins_command = is_indented && character == ':';
        is_indented &= character.is_whitespace();
        if character == '\t' {
            shown.push(character);
        } else if is_unseen(character) || begins_command && is_command {
            escape(&mut shown, character);
        } else {
            if character == '[' && ends_as_command(&shown) {
                shown.push('\\');
            }
            shown.push(character);
        }
    }
    shown.push_str(line.get(text.len()..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns a path of the header, in quotes as git writes it where something is odd.
fn path(prefix: &str, name: &str) -> String {
    let is_odd = |character: char| is_unseen(character) || matches!(character, '"' | '\\');
    if !name.chars().any(is_odd) && !name.contains("##") {
        return format!("{prefix}{name}");
    }
    let mut quoted = format!("\"{prefix}");
    for character in name.chars() {
        match character {
            '\n' | '\r' | '\t' => escape(&mut quoted, character),
            '"' | '\\' => quoted.extend(['\\', character]),
            // git quotes a path by the octal value of its bytes, and git apply reads it so.
            other if is_unseen(other) || other == '#' => {
                let mut bytes = [0; 4];
                for byte in other.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_diff_is_exact() {
        let seen = write("x.yaml", "a\nb\tc\n::d e\n", "a\nB\tc\n::d e\n", false);
        assert_eq!(seen, "--- a/x.yaml\n+++ b/x.yaml\n@@ -1,3 +1,3 @@\n a\n-b\tc\n+B\tc\n \\u{3a}:d e\n");
        assert_eq!(
            write("x", "a", "b", false),
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn a_color_ends_before_its_line_does() {
        let seen = write("x", "a\nb\r\n", "a\nc\r\n", true);
        assert!(seen.contains("\u{1b}[31m-b\u{1b}[0m\r\n\u{1b}[32m+c\u{1b}[0m\r\n"), "{seen:?}");
        assert!(seen.contains("\n a\n"), "{seen:?}");
    }

    #[test]
    fn nothing_in_it_is_obeyed() {
        assert!(write("##[a]", "", "b\n", false).starts_with("--- \"a/\\043\\043[a]\"\n"));
        let seen = write("a\n\u{1b}\"", "x\u{1b}\r\n", "y ##[error]\u{202e}\r\n", false);
        assert_eq!(
            seen,
            "--- \"a/a\\n\\033\\\"\"\n+++ \"b/a\\n\\033\\\"\"\n@@ -1 +1 @@\n-x\\u{1b}\r\n+y ##\\[error]\\u{202e}\r\n"
        );
    }
}
