//! Reads the gaps between the elements of a list: commas, comments and whitespace, and the element
//! that a comment is about.

use std::ops::Range;

use super::lines::{column, line_end, line_start};

/// An element as it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its first byte: of its dash, or of its anchor or tag.
    pub(super) begin: usize,
    /// The byte after its value.
    pub(super) end: usize,
    /// The comma after it.
    pub(super) comma: Option<Range<usize>>,
    /// The comments that speak of it, in the order of the text.
    pub(super) comments: Vec<Range<usize>>,
    /// True if it is the first of its line.
    pub(super) begins_line: bool,
}

impl Item {
    /// Returns the end of what belongs to it, but for its comma.
    pub(super) fn last(&self) -> usize {
        let comment = self.comments.last().filter(|comment| comment.start >= self.end);
        comment.map_or(self.end, |comment| comment.end)
    }

    /// Returns true if a comment stands after it.
    pub(super) fn is_commented(&self) -> bool {
        self.last() > self.end
    }
}

/// Commas and comments of a gap, up to something else.
struct Gap {
    comma: Option<Range<usize>>,
    comments: Vec<Range<usize>>,
    /// The first byte that is neither.
    end: usize,
}

impl Gap {
    fn of(text: &str, range: Range<usize>) -> Self {
        let mut gap = Self { comma: None, comments: Vec::new(), end: range.end };
        let mut at = range.start;
        while let Some(rest) = text.get(at..range.end).filter(|rest| !rest.is_empty()) {
            let blank = rest.len() - rest.trim_start().len();
            at += blank;
            match rest.as_bytes().get(blank) {
                Some(b'#') => {
                    let end = line_end(text, at).min(range.end);
                    gap.comments.push(at..end);
                    at = end;
                }
                // A second one would be an empty element, which YAML does not have.
                Some(b',') if gap.comma.is_none() => {
                    gap.comma = Some(at..at + 1);
                    at += 1;
                }
                Some(_) => {
                    gap.end = at;
                    break;
                }
                None => break,
            }
        }
        gap
    }
}

/// Returns the elements of a list whose values stand at `spans`, and which `flow` says stands in
/// brackets.
pub(super) fn items(text: &str, list: &Range<usize>, spans: &[Range<usize>], flow: bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::with_capacity(spans.len());
    let lead = if flow { list.start + 1 } else { list.start };
    let mut gap = Gap::of(text, lead..spans.first().map_or(lead, |first| first.start));
    for (index, span) in spans.iter().enumerate() {
        let begin = gap.end.min(span.start);
        let start = line_start(text, begin);
        let begins_line = text.get(start..begin).is_some_and(|before| matches!(before.trim(), "" | ","));
        let mut item = Item { begin, end: span.end, comma: None, comments: Vec::new(), begins_line };
        if begins_line {
            let from = items.last().map_or(0, Item::last);
            item.comments = above(text, from, begin);
        }
        let until = match spans.get(index + 1) {
            Some(next) => next.start,
            None if flow => list.end.saturating_sub(1),
            // A comment that continues below the last element belongs to it.
            None => text.len(),
        };
        gap = Gap::of(text, span.end..until.max(span.end));
        item.comma.clone_from(&gap.comma);
        item.comments.extend(behind(text, &item, &gap.comments, flow));
        items.push(item);
    }
    items
}

/// Returns the comments after an element: the one in its line, and those below that continue it,
/// which are indented more than the elements are.
fn behind(text: &str, item: &Item, comments: &[Range<usize>], flow: bool) -> Vec<Range<usize>> {
    let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut owned: Vec<Range<usize>> = Vec::new();
    let mut at = item.end;
    for comment in comments {
        let breaks = between(at, comment.start).matches('\n').count();
        let ends_line = between(0, at).ends_with('\n');
        let goes_on = match owned.first() {
            // An empty line ends what a comment is about.
            _ if breaks > 1 || breaks == 1 && ends_line => false,
            Some(first) if flow => column(text, comment.start) == column(text, first.start),
            Some(_) => column(text, comment.start) > column(text, item.begin),
            None if breaks == 0 && !ends_line => true,
            None => !flow && column(text, comment.start) > column(text, item.begin),
        };
        if !goes_on {
            break;
        }
        owned.push(comment.clone());
        at = comment.end;
    }
    owned
}

/// Returns the comments on lines of their own right above an element. One that is an element
/// itself, put out of use, speaks of nothing else.
fn above(text: &str, from: usize, begin: usize) -> Vec<Range<usize>> {
    let mut owned = Vec::new();
    let mut at = line_start(text, begin);
    while let Some(end) = at.checked_sub(1) {
        let start = line_start(text, end);
        let line = text.get(start..end).unwrap_or_default();
        let Some(words) = line.trim().strip_prefix('#').filter(|_| start >= from) else { break };
        // An element that is commented out is no remark on the next one.
        if words.trim_start().starts_with("- ") {
            break;
        }
        let first = start + (line.len() - line.trim_start().len());
        owned.push(first..first + line.trim().len());
        at = start;
    }
    owned.reverse();
    owned
}

/// Ranges that are taken out, so that no white space is left of them: with a whole
/// line its line break, with a part of one the white space around it. Something else
/// is put `at`, and its line stays.
pub(super) fn tidied(text: &str, gone: Vec<Range<usize>>, at: Option<usize>) -> Vec<Range<usize>> {
    let mut tidied: Vec<Range<usize>> = Vec::with_capacity(gone.len());
    for range in joined(text, gone) {
        let range = if at == Some(range.start) { kept_open(text, range) } else { tidy(text, range) };
        match tidied.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => tidied.push(range),
        }
    }
    // The last line of a file without a final line break goes with the one before it.
    let is_at_end =
        |last: &&mut Range<usize>| last.end == text.len() && !text.ends_with('\n') && at != Some(last.start);
    if let Some(last) = tidied.last_mut().filter(is_at_end) {
        let before = text.get(..last.start).unwrap_or_default();
        let before = before.strip_suffix('\n').unwrap_or(before);
        last.start = before.strip_suffix('\r').unwrap_or(before).len();
    }
    tidied
}

/// Adds the white space after it up to the line's end.
fn kept_open(text: &str, gone: Range<usize>) -> Range<usize> {
    let behind = text.get(gone.end..).unwrap_or_default();
    let rest = behind.trim_start_matches([' ', '\t']);
    let ends_line = rest.is_empty() || rest.starts_with(['\n', '\r']);
    gone.start..if ends_line { text.len() - rest.len() } else { gone.end }
}

fn tidy(text: &str, gone: Range<usize>) -> Range<usize> {
    let before = text.get(..gone.start).unwrap_or_default();
    let behind = text.get(gone.end..).unwrap_or_default();
    let start = before.trim_end_matches([' ', '\t']).len();
    let rest = behind.trim_start_matches([' ', '\t']);
    let end = text.len() - rest.len();
    let line_break = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    let ends_line = line_break > 0 || rest.is_empty();
    let begins_line = start == 0 || text.get(..start).is_some_and(|before| before.ends_with('\n'));
    if begins_line && text.get(gone.clone()).is_some_and(|gone| gone.ends_with('\n')) {
        return start..gone.end;
    }
    match (begins_line, ends_line) {
        (true, true) => start..end + line_break,
        (false, true) => start..end,
        _ if before.is_empty() || before.ends_with(['[', ' ', '\t', '\n']) => gone.start..end,
        _ => gone,
    }
}

/// Ranges with those put together between which there is nothing but white space.
fn joined(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let is_blank = |from: usize| {
            let gap = text.get(from..range.start).unwrap_or_default();
            gap.bytes().all(|byte| b" \t".contains(&byte))
        };
        // A range that ends with its line goes alone.
        let ends_line = |end: usize| text.get(..end).is_some_and(|gone| gone.ends_with('\n'));
        match joined.last_mut().filter(|last| is_blank(last.end) && !ends_line(last.end)) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}
