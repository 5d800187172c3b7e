//! Writes options that stand in a form that the schema does not take, as it takes them: what is not
//! an option, such as a comment, stays.

use std::fmt;
use std::ops::Range;

use super::NodeDeserializer;
use super::hint::{Wanted, of, pair};
use crate::source::rewrite::{Replacement, element, line_end, line_start, newline};
use crate::source::scalar::BLANKS;
use crate::source::tree::{Content, NodeId, Style, Tree};

/// The reason why options are not written in another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// They may mean several things.
    Uncertain,
    /// A soft mount would come of it, which loses writes.
    Soft,
    /// The list would name two versions.
    Versions,
    /// An anchor, an alias or a tag is in them.
    Shared,
    /// A comment stands in the place of them.
    Comment,
    /// Something else is on their lines.
    Layout,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uncertain => "what is meant is not certain",
            Self::Soft => "a soft mount may lose data",
            Self::Versions => "the list would have two versions",
            Self::Shared => "an anchor, an alias or a tag is in it",
            Self::Comment => "a comment would go away with it",
            Self::Layout => "its lines contain something else",
        })
    }
}

type Respelt = Result<Replacement, Obstacle>;

/// Returns the text that gives a value the form that the schema takes: `node`, which is the value of
/// a key, or the `item` of it. `all` are its options.
///
/// # Errors
///
/// When that would take more away than the form.
pub(super) fn respelt(
    value: NodeDeserializer<'_>,
    node: NodeId,
    item: Option<usize>,
    wanted: Wanted,
    all: &[String],
) -> Respelt {
    let tree = value.tree;
    let written = tree.written(node).ok_or(Obstacle::Layout)?;
    let span = written.span.clone();
    let style = if is_json(tree, node) { Style::DoubleQuoted } else { Style::Plain };
    let elements: Vec<String> =
        all.iter().map(|option| element(option, true, style == Style::DoubleQuoted)).collect();
    match (&written.content, wanted, item) {
        (Content::Alias(_), ..) => Err(Obstacle::Shared),
        (Content::Scalar { style: Style::Literal | Style::Folded, .. }, Wanted::Texts, None) => {
            let block = tree.source.get(span.clone()).unwrap_or_default().trim_end_matches(BLANKS);
            let start = block_header(tree.source, span.start)?;
            begins_value(tree.source, start)?;
            Ok(at(start..span.start + block.len(), format!("[{}]", elements.join(", "))))
        }
        (Content::Scalar { .. }, Wanted::Texts, None) => {
            begins_value(tree.source, span.start)?;
            Ok(at(span, format!("[{}]", elements.join(", "))))
        }
        (Content::Map { flow: true, .. }, Wanted::Texts, None) => {
            is_plain_flow(tree.source, &span)?;
            Ok(at(span, format!("[{}]", elements.join(", "))))
        }
        (Content::Map { flow: false, entries }, Wanted::Texts, None) => {
            begins_value(tree.source, span.start)?;
            in_lines(value, entries, "- ")
        }
        (_, Wanted::Text, Some(_)) => in_list(value, node, &elements),
        _ => Err(Obstacle::Uncertain),
    }
}

fn at(range: Range<usize>, with: String) -> Replacement {
    Replacement { start: range.start, end: range.end, with }
}

/// Returns the text for an item that is a map or a list: its options become items.
fn in_list(value: NodeDeserializer<'_>, node: NodeId, elements: &[String]) -> Respelt {
    let tree = value.tree;
    let written = tree.written(node).ok_or(Obstacle::Layout)?;
    // Brackets begin before the first item.
    let first = tree.items(value.id).and_then(|items| tree.written(*items.first()?));
    let in_brackets = first.is_some_and(|first| {
        tree.source
            .get(value.offset()..)
            .is_some_and(|list| list.starts_with('[') && value.offset() < first.span.start)
    });
    match &written.content {
        Content::Map { flow: true, .. } | Content::List { flow: true, .. } => {
            is_plain_flow(tree.source, &written.span)?;
            let between = if in_brackets || elements.len() < 2 {
                ", ".to_owned()
            } else {
                next_line(tree.source, written.span.start)?
            };
            Ok(at(written.span.clone(), elements.join(&between)))
        }
        // One pair without braces, in brackets.
        Content::Map { flow: false, entries } if in_brackets => {
            let [(key, last)] = entries.as_slice() else { return Err(Obstacle::Layout) };
            let range = entry(tree, *key, *last)?;
            begins_value(tree.source, range.start)?;
            let written = tree.source.get(range.clone()).unwrap_or_default();
            if written.contains(['\n', '#']) {
                return Err(Obstacle::Layout);
            }
            Ok(at(range, elements.join(", ")))
        }
        Content::Map { flow: false, entries } => {
            let lead = lead(tree.source, written.span.start)?;
            in_lines(value, entries, lead)
        }
        Content::List { flow: false, items } => {
            let lead = lead(tree.source, written.span.start)?;
            let mut rows = Vec::new();
            for item in items {
                let written = tree.written(*item).ok_or(Obstacle::Layout)?;
                let is_one = matches!(
                    written.content,
                    Content::Scalar { style: Style::Plain | Style::SingleQuoted | Style::DoubleQuoted, .. }
                );
                if !is_one {
                    return Err(Obstacle::Layout);
                }
                rows.push((written.span.clone(), of(value, *item).ok_or(Obstacle::Uncertain)?));
            }
            rewritten(tree.source, written.span.start, &rows, lead)
        }
        _ => Err(Obstacle::Uncertain),
    }
}

/// Returns the entries of a map as items of a list in the same lines, each after `lead`.
fn in_lines(value: NodeDeserializer<'_>, entries: &[(NodeId, NodeId)], lead: &str) -> Respelt {
    let tree = value.tree;
    let mut rows = Vec::new();
    for (key, last) in entries {
        let option = pair(value, *key, *last).ok_or(Obstacle::Uncertain)?;
        rows.push((entry(tree, *key, *last)?, vec![option]));
    }
    let start = rows.first().map(|(range, _)| range.start).ok_or(Obstacle::Layout)?;
    rewritten(tree.source, start, &rows, lead)
}

/// Returns the text from `start` to the end of the last of `rows`, in which the options of each row
/// are items: what is between two rows stays, but for the beginning of the next line. The first item is
/// preceded by the text before `start` where `lead` is that, else by `lead`.
fn rewritten(source: &str, start: usize, rows: &[(Range<usize>, Vec<String>)], lead: &str) -> Respelt {
    let line = line_start(source, start);
    let before = source.get(line..start).unwrap_or_default();
    let (bullet, first) = if before == lead {
        (lead.to_owned(), "")
    } else if before.trim().is_empty() {
        (format!("{before}{lead}"), lead)
    } else {
        return Err(Obstacle::Layout);
    };
    let break_ = newline(source, start);
    let mut with = first.to_owned();
    let mut end = start;
    for (index, (range, options)) in rows.iter().enumerate() {
        let gap = source.get(end..range.start).ok_or(Obstacle::Layout)?;
        if index > 0 {
            let (kept, indent) = gap.rsplit_once('\n').ok_or(Obstacle::Layout)?;
            if !is_dash(indent) || !is_remark(kept) {
                return Err(Obstacle::Layout);
            }
            with.extend([kept, "\n", &bullet]);
        } else if !is_dash(gap) {
            return Err(Obstacle::Layout);
        }
        let elements: Vec<String> = options.iter().map(|option| element(option, false, false)).collect();
        with.push_str(&elements.join(&format!("{break_}{bullet}")));
        end = range.end;
    }
    // Another value may follow the last one on its line.
    let rest = source.get(end..line_end(source, end)).unwrap_or_default().trim();
    if rest.is_empty() || rest.starts_with('#') { Ok(at(start..end, with)) } else { Err(Obstacle::Layout) }
}

fn is_dash(text: &str) -> bool {
    text.chars().all(|letter| matches!(letter, ' ' | '-'))
}

/// Returns true if a text is nothing but comments and the white space around them.
fn is_remark(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// Returns the bytes of an entry of a map, both of whose parts are plain values.
fn entry(tree: &Tree<'_>, key: NodeId, value: NodeId) -> Result<Range<usize>, Obstacle> {
    let part = |node: NodeId| {
        let node = tree.written(node)?;
        let is_one = matches!(
            node.content,
            Content::Scalar { style: Style::Plain | Style::SingleQuoted | Style::DoubleQuoted, .. }
        );
        Some(node.span.clone()).filter(|_| is_one)
    };
    let (key, value) = part(key).zip(part(value)).ok_or(Obstacle::Shared)?;
    let rest = tree.source.get(key.end..).unwrap_or_default();
    let colon = key.end + rest.find(':').ok_or(Obstacle::Layout)? + 1;
    if tree.source.get(key.end..colon).is_none_or(|before| before.trim() != ":") {
        return Err(Obstacle::Layout);
    }
    if value.is_empty() {
        // An anchor or a tag may stand there without a value.
        let after = tree.source.get(colon..line_end(tree.source, colon)).unwrap_or_default().trim_start();
        let is_nothing = after.is_empty() || after.starts_with(['#', ',', '}', ']']);
        return if is_nothing { Ok(key.start..colon) } else { Err(Obstacle::Shared) };
    }
    match tree.source.get(colon..value.start) {
        Some(between) if between.trim().is_empty() => Ok(key.start..value.end),
        Some(between) if between.contains('#') => Err(Obstacle::Comment),
        _ => Err(Obstacle::Shared),
    }
}

/// Returns the line break and the text before an item that begins at `start`, for the next one.
fn next_line(source: &str, start: usize) -> Result<String, Obstacle> {
    Ok(format!("{}{}", newline(source, start), lead(source, start)?))
}

/// Returns the text before an item in its line, where that is a dash.
fn lead(source: &str, start: usize) -> Result<&str, Obstacle> {
    let lead = source.get(line_start(source, start)..start).unwrap_or_default();
    let dashes = lead.matches('-').count();
    if is_dash(lead) && dashes == 1 && lead.ends_with(' ') { Ok(lead) } else { Err(Obstacle::Layout) }
}

/// Returns the beginning of the sign before a block of text that begins at `start`.
fn block_header(source: &str, start: usize) -> Result<usize, Obstacle> {
    let above = source.get(..line_start(source, start)).unwrap_or_default().trim_end();
    let line = line_start(source, above.len());
    let header = source.get(line..above.len()).unwrap_or_default();
    // The new text takes the place of the header, with the comment after the sign.
    if header.contains(" #") {
        return Err(Obstacle::Comment);
    }
    let sign = header.trim_end_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '-' | '+'));
    let at = sign.len().checked_sub(1).filter(|_| sign.ends_with(['|', '>']));
    at.map(|at| line + at).ok_or(Obstacle::Layout)
}

/// Checks that brackets hold values alone: a comment, an anchor or a tag would go away with them.
pub(super) fn is_plain_flow(source: &str, span: &Range<usize>) -> Result<(), Obstacle> {
    let written = source.get(span.clone()).unwrap_or_default();
    if written.contains('#') {
        return Err(Obstacle::Comment);
    }
    // A complex key, an anchor, an alias, a tag or a block scalar: more than a list of options.
    if written.is_empty() || written.contains(['?', '&', '*', '!', '|', '>']) {
        return Err(Obstacle::Shared);
    }
    begins_value(source, span.start)
}

/// Checks that nothing but the sign before a value, and comments, precedes it.
fn begins_value(source: &str, start: usize) -> Result<(), Obstacle> {
    // On the value's own line no comment is before it; on those above one may follow the key.
    let without_remark = |line: &str| -> usize {
        let mut signs = line.match_indices('#').map(|(at, _)| at);
        let is_remark =
            |at: &usize| line.get(..*at).is_some_and(|code| code.is_empty() || code.ends_with([' ', '\t']));
        signs.find(is_remark).unwrap_or(line.len())
    };
    let mut lines = source.get(..start).unwrap_or_default().rsplit('\n');
    let own = lines.next().unwrap_or_default();
    let above = lines.filter_map(|line| line.get(..without_remark(line)));
    let code = std::iter::once(own).chain(above).map(str::trim_end).find(|code| !code.is_empty());
    let code = code.unwrap_or_default();
    let is_property = code.split_whitespace().next_back().is_some_and(|word| word.starts_with(['&', '!']));
    if code.ends_with(['-', ':', '[', ',', '{']) && !is_property { Ok(()) } else { Err(Obstacle::Shared) }
}

/// Returns true if the first text in a value stands in double quotes, as in JSON.
fn is_json(tree: &Tree<'_>, node: NodeId) -> bool {
    match tree.written(node).map(|written| &written.content) {
        Some(Content::Scalar { style, .. }) => *style == Style::DoubleQuoted,
        Some(Content::List { items, .. }) => items.first().is_some_and(|item| is_json(tree, *item)),
        Some(Content::Map { entries, .. }) => entries.first().is_some_and(|(key, _)| is_json(tree, *key)),
        Some(Content::Alias(_)) | None => false,
    }
}
