//! Rewriting the options of an object in the text it was read from: only the
//! tokens concerned change, in the style in which they are written.

mod sequence;
mod string;

use std::collections::HashSet;
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff};

use super::object::Layout;
use super::scalar::{Meaning, resolve};
use super::tree::{Content, NodeId, Style};
use crate::kind::Kind;
use crate::site::Place;

/// Text to be put in the place of other text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// First byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// The new text.
    pub with: String,
}

impl Replacement {
    fn new(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { start: range.start, end: range.end, with: with.into() }
    }

    fn insert(at: usize, with: impl Into<String>) -> Self {
        Self::new(at..at, with)
    }
}

/// Why a place is not rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing would be left of the list.
    #[error("nothing would be left of the list; take the field out by hand")]
    NothingLeft,
    /// A comment, a block scalar or an alias stands in the way.
    #[error("it is written in a way that cannot be changed without losing something; change it by hand")]
    Unwieldy,
    /// There is no mapping to which the field could be added.
    #[error("there is no place to add the field to; add it by hand")]
    NoPlace,
    /// Two changes meet in the same text.
    #[error("two changes meet in the same text, as where an anchor is used twice; change it by hand")]
    Overlap,
    /// The new text would mean something else than it should.
    #[error("the new text would not mean what it should; change it by hand")]
    Misread,
}

/// One place, as it is and as it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    /// Which place.
    pub place: &'c Place,
    /// Its elements now.
    pub old: &'c [&'c str],
    /// Its elements then.
    pub new: &'c [&'c str],
}

/// The replacements that carry out a change.
///
/// # Errors
///
/// When it cannot be done without touching more than the options.
pub fn rewrite(layout: &Layout<'_>, change: Change<'_>) -> Result<Vec<Replacement>, Refusal> {
    let is_list = matches!(change.place, Place::MountOptions(_));
    match layout.value(change.place) {
        Some(value) if !is_list => {
            let (Some(old), Some(new)) = (change.old.first(), change.new.first()) else {
                return Err(Refusal::NothingLeft);
            };
            string::rewrite(layout, value, old, new)
        }
        Some(value) if layout.tree.items(value).is_some() => sequence::rewrite(layout, value, change),
        Some(value) => fill(layout, change, value),
        None if is_list => add(layout, change),
        None => Err(Refusal::NoPlace),
    }
}

/// Applies replacements to a text.
///
/// # Errors
///
/// When two of them overlap.
pub fn apply(text: &str, mut replacements: Vec<Replacement>) -> Result<String, Refusal> {
    // The same change asked for twice, through an alias, is one.
    let mut seen = HashSet::new();
    replacements.retain(|replacement| seen.insert(replacement.clone()));
    // A stable sort: what is inserted at one place stays in its order.
    replacements.sort_by_key(|replacement| (replacement.start, replacement.end));
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for replacement in &replacements {
        let kept = text.get(at..replacement.start).ok_or(Refusal::Overlap)?;
        out.push_str(kept);
        out.push_str(&replacement.with);
        at = replacement.end;
    }
    out.push_str(text.get(at..).ok_or(Refusal::Overlap)?);
    Ok(out)
}

/// Puts a list where the field has none: `mountOptions:` with nothing behind it.
fn fill(layout: &Layout<'_>, change: Change<'_>, value: NodeId) -> Result<Vec<Replacement>, Refusal> {
    let path = change.place.path();
    let (name, parents) = path.split_last().ok_or(Refusal::NoPlace)?;
    let parent = parents.iter().try_fold(layout.node, |at, step| layout.tree.get(at, step));
    let key = parent.and_then(|parent| layout.tree.entry(parent, name)).map(|(key, _)| key);
    let key = key.and_then(|key| layout.tree.written(key)).ok_or(Refusal::NoPlace)?;
    let node = layout.tree.written(value).ok_or(Refusal::NoPlace)?;
    if layout.tree.text(value).is_none_or(|text| resolve(text) != Meaning::Null) {
        return Err(Refusal::Unwieldy);
    }
    let list = flow_list(change.new, style_of(layout, key.span.start));
    if !layout.text.get(node.span.clone()).unwrap_or_default().is_empty() {
        return Ok(vec![Replacement::new(node.span.clone(), list)]);
    }
    let rest = layout.text.get(key.span.end..).unwrap_or_default();
    let colon = rest.find(':').ok_or(Refusal::NoPlace)?;
    Ok(vec![Replacement::insert(key.span.end + colon + 1, format!(" {list}"))])
}

/// Adds the field, behind the one that people write it behind.
fn add(layout: &Layout<'_>, change: Change<'_>) -> Result<Vec<Replacement>, Refusal> {
    let (parent, neighbour) = match change.place {
        Place::MountOptions(Kind::StorageClass) => (Some(layout.node), "provisioner"),
        _ => (layout.tree.get(layout.node, "spec"), "accessModes"),
    };
    let parent = parent.and_then(|parent| layout.tree.written(parent)).ok_or(Refusal::NoPlace)?;
    let Content::Map { entries, flow } = &parent.content else {
        return Err(Refusal::NoPlace);
    };
    let last = entries.last().ok_or(Refusal::NoPlace)?;
    let beside = entries.iter().find(|(key, _)| layout.tree.text(*key) == Some(neighbour)).unwrap_or(last);
    let key = layout.tree.written(beside.0).ok_or(Refusal::NoPlace)?.span.clone();
    let value = layout.tree.written(beside.1).ok_or(Refusal::NoPlace)?;
    if *flow {
        return add_to_flow(layout, change, parent.span.start, entries);
    }
    let indent = column(layout.text, key.start);
    let margin = " ".repeat(indent);
    let newline = newline(layout.text);
    let mut lines = format!("{margin}mountOptions:");
    match &value.content {
        Content::List { flow: true, .. } => {
            lines.push(' ');
            lines.push_str(&flow_list(change.new, Style::Plain));
        }
        content => {
            let deeper = match content {
                Content::List { .. } => column(layout.text, value.span.start).saturating_sub(indent),
                _ => 2,
            };
            for element in change.new {
                lines.extend([newline, &margin, &" ".repeat(deeper), "- "]);
                lines.push_str(&render(element, Style::Plain, false));
            }
        }
    }
    let end = if value.span.is_empty() { key.end } else { value.span.end };
    if layout.text.get(..end).is_some_and(|before| before.ends_with('\n')) {
        return Ok(vec![Replacement::insert(end, format!("{lines}{newline}"))]);
    }
    Ok(vec![Replacement::insert(line_end(layout.text, end), format!("{newline}{lines}"))])
}

fn add_to_flow(
    layout: &Layout<'_>,
    change: Change<'_>,
    open: usize,
    entries: &[(NodeId, NodeId)],
) -> Result<Vec<Replacement>, Refusal> {
    let span = |node: NodeId| layout.tree.written(node).map(|node| node.span.clone());
    let (key, value) = entries.last().ok_or(Refusal::NoPlace)?;
    let (key, value) = (span(*key).ok_or(Refusal::NoPlace)?, span(*value).ok_or(Refusal::NoPlace)?);
    let before = entries.len().checked_sub(2).and_then(|index| entries.get(index));
    let from = before.and_then(|(_, value)| span(*value)).map_or(open + 1, |value| value.end);
    let blank = layout.text.get(from..key.start).unwrap_or_default().trim_start_matches(',');
    let blank =
        if blank.trim().is_empty() && (before.is_some() || blank.contains('\n')) { blank } else { " " };
    let style = style_of(layout, key.start);
    let name = if style == Style::DoubleQuoted { "\"mountOptions\"" } else { "mountOptions" };
    let gap = layout.text.get(key.end..value.start).filter(|gap| gap.trim() == ":").unwrap_or(": ");
    let with = format!(",{blank}{name}{gap}{}", flow_list(change.new, style));
    let end = if value.is_empty() { key.end } else { value.end };
    Ok(vec![Replacement::insert(end, with)])
}

/// The style in which a list is written beside a key.
fn style_of(layout: &Layout<'_>, key: usize) -> Style {
    if layout.text.get(key..).is_some_and(|rest| rest.starts_with('"')) {
        Style::DoubleQuoted
    } else {
        Style::Plain
    }
}

fn flow_list(elements: &[&str], style: Style) -> String {
    let elements: Vec<String> = elements.iter().map(|element| render(element, style, true)).collect();
    format!("[{}]", elements.join(", "))
}

/// An element as YAML, in `style` where that can be.
fn render(element: &str, style: Style, in_flow: bool) -> String {
    let is_plain = is_safe(element, in_flow)
        && element.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && !element.ends_with(':')
        && resolve(element) == Meaning::Text;
    match style {
        Style::SingleQuoted if is_safe(element, false) => format!("'{element}'"),
        Style::Plain | Style::Literal | Style::Folded if is_plain => element.to_owned(),
        _ => quoted(element),
    }
}

/// In double quotes, as JSON and YAML both read it.
fn quoted(text: &str) -> String {
    // A string always serialises.
    serde_json::to_string(text).unwrap_or_default()
}

/// Whether text stands for itself in every style.
fn is_safe(text: &str, in_flow: bool) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_=./+-@%:".contains(&byte) || byte == b',' && !in_flow)
}

/// Spaces before the byte in its line, whatever stands there.
fn column(text: &str, at: usize) -> usize {
    let start = line_start(text, at);
    text.get(start..at).map_or(0, |before| before.chars().count())
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// The end of the line in which the byte stands, before its line break.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let end = at + rest.find('\n').unwrap_or(rest.len());
    if text.get(at..end).is_some_and(|line| line.ends_with('\r')) { end - 1 } else { end }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A stretch in which two lists differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

/// Elements of two lists up to which the fewest changes are looked for: the time
/// grows with the elements times the changes.
const MOST_COMPARED: usize = 20_000;

/// Where two lists differ: the fewest changes between them, found with memory
/// for a few lines of the lists' length (Myers, "An O(ND) Difference Algorithm").
fn hunks(old: &[&str], new: &[&str]) -> Vec<Hunk> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let before = old.iter().zip(new).take_while(same).count();
    let (rest, new_rest) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let behind = rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_end, new_end) = (old.len() - behind, new.len() - behind);
    if (old_end - before) + (new_end - before) > MOST_COMPARED {
        return vec![Hunk { old: before..old_end, new: before..new_end }];
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    // Only the lengths count: the places of what was shifted are stale
    // (mitsuhiko/similar, `algorithms/compact.rs`).
    let (mut at, mut new_at) = (before, before);
    for change in capture_diff(Algorithm::Myers, old, before..old_end, new, before..new_end) {
        let (tag, gone, come) = change.as_tag_tuple();
        let gone = if tag == DiffTag::Insert { 0 } else { gone.len() };
        let come = if tag == DiffTag::Delete { 0 } else { come.len() };
        let (start, new_start) = (at, new_at);
        (at, new_at) = (at + gone, new_at + come);
        if tag == DiffTag::Equal {
            continue;
        }
        match hunks.last_mut() {
            // What is taken out and what is put in at one place are one change.
            Some(hunk) if hunk.old.end == start && hunk.new.end == new_start => {
                (hunk.old.end, hunk.new.end) = (at, new_at);
            }
            _ => hunks.push(Hunk { old: start..at, new: new_start..new_at }),
        }
    }
    hunks
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may end by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::hunks;

    proptest! {
        /// Lists of a few words repeat them, which is where differences shift.
        #[test]
        fn carrying_out_the_hunks_gives_the_new_list(
            old in prop::collection::vec(prop::sample::select(vec!["bg", "fg", "hard"]), 0..7),
            new in prop::collection::vec(prop::sample::select(vec!["fg", "hard", "timeo=600"]), 0..7),
        ) {
            let mut made: Vec<&str> = Vec::new();
            let mut at = 0;
            for hunk in hunks(&old, &new) {
                made.extend(&old[at..hunk.old.start]);
                made.extend(&new[hunk.new.clone()]);
                at = hunk.old.end;
            }
            made.extend(&old[at..]);
            prop_assert_eq!(made, new);
        }
    }
}
