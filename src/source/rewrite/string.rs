//! Options that are one string: only the pieces between its commas change.

use std::ops::Range;

use super::super::difference::{Hunk, hunks};
use super::lines::line_end;
use super::{Replacement, RewriteRefusal, is_safe, render};
use crate::source::object::Layout;
use crate::source::scalar::{Meaning, places, resolve};
use crate::source::tree::{Content, Node, NodeId, Style};

/// Returns the replacements that make the scalar `id` say `new` in place of `old`.
pub(super) fn rewrite(
    layout: &Layout<'_>,
    id: NodeId,
    old: &str,
    new: &str,
) -> Result<Vec<Replacement>, RewriteRefusal> {
    if old == new {
        return Ok(Vec::new());
    }
    let node = layout.tree.node(id).ok_or(RewriteRefusal::NoPlace)?;
    let Content::Scalar { text, style, .. } = &node.content else {
        return Err(RewriteRefusal::Unwieldy);
    };
    let written = layout.text.get(node.span.clone()).ok_or(RewriteRefusal::NoPlace)?;
    // The last line break of a block is that of its line, and not of the value alone.
    let is_block = matches!(style, Style::Literal | Style::Folded);
    let places = places(written, *style, text).filter(|_| &**text == old);
    let located = places.and_then(|places| {
        let pieces = pieces(if is_block { old.trim_end_matches('\n') } else { old });
        let located = Located { at: node.span.start, places, pieces };
        let are_all = (0..located.pieces.len()).all(|piece| located.span(piece).is_some());
        are_all.then_some(located)
    });
    let new_pieces: Vec<&str> = new.split(',').collect();
    // In braces or brackets a comma ends a plain scalar. The brackets around one are looked for, so
    // this is tested only if a comma would come in.
    let takes_commas = || *style != Style::Plain || old.contains(',') || !layout.is_in_flow(node.span.start);
    let changed = |hunk: &Hunk| new_pieces.get(hunk.new.clone()).unwrap_or_default();
    // The indicators of the header (`|-`, `|+`) decide how many of them belong to the value.
    let breaks = |text: &str| text.bytes().rev().take_while(|byte| *byte == b'\n').count();
    let loses_break = is_block && breaks(old) > 0 && breaks(new) == 0;
    let old_pieces: Vec<&str> =
        if loses_break { old.trim_end_matches('\n') } else { old }.split(',').collect();
    let hunks = hunks(&old_pieces, &new_pieces);
    // A piece of its own may be a number.
    let stays_text = *style != Style::Plain || resolve(new) == Meaning::Text;
    let can_stay = stays_text
        && (!is_block || loses_break || breaks(old) == breaks(new))
        && hunks.iter().all(|hunk| {
            let is_safe = changed(hunk).iter().all(|piece| is_safe(piece, true));
            (is_safe || letters(hunk, &old_pieces, changed(hunk)).is_some())
                && (hunk.new.len() <= hunk.old.len() || takes_commas())
        });
    // The value's own place is that of its text, after the header.
    let header = || {
        let before = layout.tree.target(id).checked_sub(1).and_then(|before| layout.tree.written(before));
        // Before it stands its key, the element before, or the list that begins with it.
        let from = |before: &Node<'_>| {
            let Range { start, end } = before.span;
            if end <= node.span.start { end } else { start }
        };
        header(layout.text, before.map_or(0, from), node.span.start)
    };
    if let Some(located) = located.filter(|_| can_stay) {
        let mut replacements: Vec<Replacement> = Vec::new();
        for hunk in &hunks {
            match letters(hunk, &old_pieces, changed(hunk)) {
                Some(letters) => replacements.extend(located.spell(&letters)?),
                None => replacements.push(located.replace(hunk, changed(hunk))?),
            }
        }
        if loses_break {
            replacements.push(without_last_break(layout.text, header()));
        }
        return Ok(replacements);
    }
    match style {
        Style::Literal | Style::Folded => {
            Ok(vec![instead_of_block(layout.text, header()..node.span.end, new)])
        }
        _ => {
            let text = render(new, *style, layout.is_in_flow(node.span.start));
            Ok(vec![Replacement::new(node.span.clone(), text)])
        }
    }
}

/// Returns the header at `start`, saying that the last line break is none of the value's: `|-`.
fn without_last_break(text: &str, start: usize) -> Replacement {
    let header = text.get(start..line_end(text, start)).unwrap_or_default();
    let indicators = header.split([' ', '\t', '#']).next().unwrap_or_default();
    // The indent indicator, a digit, stays: the lines are still indented by it.
    let kept: String = indicators.chars().filter(|indicator| !matches!(indicator, '+' | '-')).collect();
    Replacement::new(start..start + indicators.len(), format!("{kept}-"))
}

/// Returns the block scalar of these bytes as one in its line. A comment after its header stays,
/// and so do the line breaks at its end.
fn instead_of_block(text: &str, span: Range<usize>, new: &str) -> Replacement {
    let written = text.get(span.clone()).unwrap_or_default();
    let end = span.start + written.trim_end_matches(['\n', '\r']).len();
    let header = text.get(span.start..line_end(text, span.start)).unwrap_or_default();
    let behind = header.trim_start_matches(['|', '>', '+', '-']);
    let behind = behind.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let comment = behind.trim_start_matches(['+', '-']).trim_end();
    Replacement::new(span.start..end, format!("{}{comment}", render(new, Style::Plain, false)))
}

/// Returns the beginning of the block scalar whose text is at `start`, after everything before
/// `from`: at its `|` or `>`.
fn header(text: &str, from: usize, start: usize) -> usize {
    if text.get(start..).is_some_and(|rest| rest.starts_with(['|', '>'])) {
        return start;
    }
    let mut at = from;
    for line in text.get(from..start).unwrap_or_default().split_inclusive('\n') {
        let comment = if line.starts_with('#') { Some(0) } else { line.find(" #") };
        let plain = line.get(..comment.unwrap_or(line.len())).unwrap_or_default();
        if let Some(header) = plain.find(['|', '>']) {
            return at + header;
        }
        at += line.len();
    }
    start
}

/// Returns the pieces between the commas, each with its first byte.
fn pieces(text: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    text.split(',')
        .map(|piece| {
            let at = start;
            start += piece.len() + 1;
            (at, piece)
        })
        .collect()
}

/// Letters of a piece that others replace.
struct Letters<'n> {
    piece: usize,
    /// Bytes of the piece.
    range: Range<usize>,
    with: &'n str,
}

/// Returns the letters that differ, if each piece becomes another one and only letters between a mark or
/// none at all: what is around them, such as the quotes of an option, stays as it is written. `None` where
/// the pieces are best replaced as a whole.
fn letters<'n>(hunk: &Hunk, old: &[&str], new: &[&'n str]) -> Option<Vec<Letters<'n>>> {
    if hunk.old.len() != new.len() || new.iter().all(|piece| is_safe(piece, true)) {
        return None;
    }
    let of = |(piece, new): (usize, &&'n str)| {
        let old = *old.get(piece)?;
        let same = |(one, other): &(char, char)| one == other;
        let length = |(letter, _): (char, char)| letter.len_utf8();
        let before: usize = old.chars().zip(new.chars()).take_while(same).map(length).sum();
        let (old, new) = (old.get(before..)?, new.get(before..)?);
        let after: usize = old.chars().rev().zip(new.chars().rev()).take_while(same).map(length).sum();
        let (old, with) = (old.get(..old.len() - after)?, new.get(..new.len() - after)?);
        let is_spelled = !old.is_empty() && !with.is_empty() && is_safe(with, true);
        is_spelled.then(|| Letters { piece, range: before..before + old.len(), with })
    };
    let differs = |(piece, new): &(usize, &&'n str)| old.get(*piece) != Some(*new);
    hunk.old.clone().zip(new).filter(differs).map(of).collect()
}

/// The pieces of a string with the places of their bytes.
struct Located<'p> {
    /// The beginning of the scalar in the text.
    at: usize,
    /// The place of each byte of its value in it.
    places: Vec<Range<usize>>,
    /// The first byte of each piece, and its text.
    pieces: Vec<(usize, &'p str)>,
}

impl Located<'_> {
    /// Returns the bytes of the text that are these of the value.
    fn bytes(&self, range: Range<usize>) -> Option<Range<usize>> {
        let first = self.at + self.places.get(range.start)?.start;
        let end = match range.end.checked_sub(1).filter(|last| *last >= range.start) {
            Some(last) => self.at + self.places.get(last)?.end,
            None => first,
        };
        Some(first..end.max(first))
    }

    fn span(&self, piece: usize) -> Option<Range<usize>> {
        let (start, text) = self.pieces.get(piece)?;
        self.bytes(*start..start + text.len())
    }

    fn spell(&self, letters: &[Letters<'_>]) -> Result<Vec<Replacement>, RewriteRefusal> {
        let of = |Letters { piece, range, with }: &Letters<'_>| {
            let (start, _) = self.pieces.get(*piece)?;
            let bytes = self.bytes(start + range.start..start + range.end)?;
            Some(Replacement::new(bytes, *with))
        };
        letters.iter().map(of).collect::<Option<_>>().ok_or(RewriteRefusal::Unwieldy)
    }

    fn replace(&self, hunk: &Hunk, new: &[&str]) -> Result<Replacement, RewriteRefusal> {
        let span = |index: usize| self.span(index).ok_or(RewriteRefusal::Unwieldy);
        let joined = new.join(",");
        if hunk.old.is_empty() {
            return Ok(match hunk.old.start.checked_sub(1) {
                Some(before) => Replacement::insert(span(before)?.end, format!(",{joined}")),
                None => Replacement::insert(span(0)?.start, format!("{joined},")),
            });
        }
        let (first, last) = (span(hunk.old.start)?, span(hunk.old.end - 1)?);
        if !new.is_empty() {
            return Ok(Replacement::new(first.start..last.end, joined));
        }
        Ok(match (self.span(hunk.old.end), hunk.old.start.checked_sub(1)) {
            (Some(next), _) => Replacement::new(first.start..next.start, ""),
            (None, Some(before)) => Replacement::new(span(before)?.end..last.end, ""),
            (None, None) => Replacement::new(first.start..last.end, ""),
        })
    }
}
