//! The line of the file that a finding shows.

use std::ops::Range;

use crate::report::Snippet;
use crate::report::plain::{ends_as_command, is_unseen};

/// Marks the end at which a line is cut.
const CUT: &str = "…";

/// Returns the part of a line around an option. The line may be as long as the file.
pub(super) fn snippet((before, rest): (&str, &str), width: usize) -> Snippet {
    const MOST: usize = 160;
    const BEFORE: usize = 60;
    let width = width.min(MOST - BEFORE);
    let is_long = before.chars().take(MOST).count() + width > MOST;
    let most = if is_long { BEFORE } else { MOST };
    let start = before.char_indices().rev().take(most).last().map_or(before.len(), |(start, _)| start);
    let shown = before.get(start..).unwrap_or_default();
    let indent = shown.chars().count();
    let is_cut = rest.chars().nth(MOST - indent).is_some();
    let mut text = shown
        .chars()
        .chain(rest.chars().take(MOST - indent))
        // One for one, so that the caret stays where it is.
        .fold(String::new(), |mut text, character| {
            let is_obeyed = is_unseen(character) || character == '[' && ends_as_command(&text);
            text.push(if is_obeyed { ' ' } else { character });
            text
        });
    if start > 0
        && let Some(first) = text.chars().next()
    {
        // In the place of a character, so that the caret stays where it is.
        text.replace_range(..first.len_utf8(), CUT);
    }
    if is_cut {
        text.push_str(CUT);
    }
    Snippet { text, indent, width }
}

/// Returns the text from its first letter on, where a line break that is folded stands before
/// that: to YAML it is white space of the option, and no place to show.
pub(super) fn behind_break(text: &str, range: Range<usize>) -> Range<usize> {
    let written = text.get(range.clone()).unwrap_or_default();
    let behind = written.trim_start();
    let blank = written.get(..written.len() - behind.len()).unwrap_or_default();
    if behind.is_empty() || !blank.contains(['\n', '\r']) {
        return range;
    }
    range.start + blank.len()..range.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_cut_says_so_and_keeps_its_caret() {
        let (before, rest) = ("a".repeat(500), format!("bg{}", "z".repeat(500)));
        let cut = snippet((&before, &rest), 2);
        assert_eq!(cut.text, format!("…{}bg{}…", "a".repeat(59), "z".repeat(98)));
        assert_eq!(cut.text.chars().skip(cut.indent).take(cut.width).collect::<String>(), "bg");
        let whole = snippet(("options: ", "bg"), 2);
        assert_eq!((whole.text.as_str(), whole.indent), ("options: bg", 9));
        let exact = format!("bg{}", "z".repeat(158));
        assert_eq!(snippet(("", &exact), 2).text, exact);
        assert_eq!(snippet(("", &format!("{exact}z")), 2).text, format!("{exact}…"));
    }
}
