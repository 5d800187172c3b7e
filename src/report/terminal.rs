//! Text for a terminal: lines as wide as it is, and no Markdown.

mod markdown;

use std::fmt::Write as _;

use anstyle::Style;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

pub use markdown::{page, with_headings};

use super::palette::Palette;

/// Breaks a text between words into lines of so many columns. `head` is in front of
/// the first line and `indent` in front of the others. A longer word stays whole, so
/// that it can be copied.
pub fn wrap(text: &str, head: &str, indent: &str, width: usize) -> String {
    if text.is_empty() {
        return head.trim_end().to_owned();
    }
    let options = Options::new(width)
        .initial_indent(head)
        .subsequent_indent(indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

/// Columns of the labels of an explanation, with the white space around them.
const LABEL: usize = 13;

/// Fewest columns beside the labels; with less, text goes below them.
const FEWEST_BESIDE: usize = 30;

/// Returns an explanation in lines as wide as the terminal: what follows a label stays to the right
/// of it. A pipe or a file, `None`, gets them as long as they are.
pub fn explanation(text: &str, width: Option<usize>, colour: bool) -> String {
    let Palette { strong, faint, .. } = Palette::new(colour);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        let wrapped = width.map_or_else(|| line.to_owned(), |width| in_columns(line, width));
        let (styled, rest) = match wrapped.split_at_checked(LABEL) {
            _ if !line.starts_with(' ') => (strong, wrapped.as_str()),
            Some(_) if !has_label(line) => (Style::new(), wrapped.as_str()),
            Some((label, rest)) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{faint}{label}{faint:#}");
                (Style::new(), rest)
            }
            None => (Style::new(), wrapped.as_str()),
        };
        let _ = writeln!(out, "{styled}{rest}{styled:#}");
    }
    out
}

/// Returns a line of an explanation in lines of so many columns.
fn in_columns(line: &str, width: usize) -> String {
    let hanging = if has_label(line) && width >= LABEL + FEWEST_BESIDE { LABEL } else { 4 };
    let begins = if line.starts_with("  ") { hanging.min(LABEL) } else { 0 };
    let (head, rest) = if begins == LABEL {
        line.split_at_checked(LABEL).unwrap_or(("", line))
    } else {
        let blanks = line.len() - line.trim_start().len();
        line.split_at_checked(blanks).unwrap_or(("", line))
    };
    wrap(rest, head, &" ".repeat(hanging), width)
}

/// Returns true if a line begins with a label in the column of labels.
fn has_label(line: &str) -> bool {
    let bytes = line.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    line.starts_with("  ") && at(LABEL - 1) == Some(b' ') && at(LABEL).is_some_and(|byte| byte != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_between_words_and_a_long_word_stays_whole() {
        assert_eq!(wrap("one two three", "a: ", "   ", 10), "a: one two\n   three");
        assert_eq!(
            wrap("rw,hard,vers=4.1,timeo=600", "mount -o ", "  ", 20),
            "mount -o rw,hard,vers=4.1,timeo=600"
        );
        assert_eq!(wrap("日本 日本", "", "", 5), "日本\n日本");
        assert_eq!(wrap("", "  x ", "", 10), "  x");
    }

    #[test]
    fn what_follows_a_label_stays_beside_it() {
        let text = "a.yaml:1: StorageClass/a\n  driver     nfs.csi.k8s.io (csi-driver-nfs), NFS and nothing else\n  \
dead server, at the mount: mount fails after about 2 min\n";
        assert_eq!(
            explanation(text, Some(44), false),
            "a.yaml:1: StorageClass/a\n  driver     nfs.csi.k8s.io\n             (csi-driver-nfs), NFS and\n             \
nothing else\n  dead server, at the mount: mount fails\n    after about 2 min\n"
        );
        assert_eq!(explanation(text, None, false), text);
        let colored = explanation(text, None, true);
        let begins =
            "\u{1b}[1ma.yaml:1: StorageClass/a\u{1b}[0m\n\u{1b}[2m  driver     \u{1b}[0mnfs.csi.k8s.io (csi";
        assert!(colored.starts_with(begins), "{colored:?}");
        for line in explanation(text, Some(30), false).lines() {
            assert!(line.chars().count() <= 30, "{line}");
        }
    }
}
