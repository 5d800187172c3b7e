//! Options that are a list: elements change, go and come, each in the style of
//! its neighbours.

use std::ops::Range;

use super::{Change, Refusal, Replacement, column, hunks, line_end, line_start, newline, render, string};
use crate::source::object::Layout;
use crate::source::tree::{Content, NodeId, Style};

/// The replacements that carry out `change` in the list `value`.
pub(super) fn rewrite(
    layout: &Layout<'_>,
    value: NodeId,
    change: Change<'_>,
) -> Result<Vec<Replacement>, Refusal> {
    let node = layout.tree.node(value).ok_or(Refusal::NoPlace)?;
    let Content::List { items, flow } = &node.content else {
        return Err(Refusal::Unwieldy);
    };
    if items.len() != change.old.len() {
        return Err(Refusal::Unwieldy);
    }
    let list = List { layout, items, flow: *flow, span: node.span.clone() };
    let mut replacements = Vec::new();
    for hunk in hunks(change.old, change.new) {
        let paired = hunk.old.len().min(hunk.new.len());
        for (index, new) in (hunk.old.start..).zip(hunk.new.clone()).take(paired) {
            let (Some(item), Some(old), Some(new)) =
                (items.get(index), change.old.get(index), change.new.get(new))
            else {
                return Err(Refusal::Unwieldy);
            };
            replacements.extend(string::rewrite(layout, *item, old, new)?);
        }
        let (gone, come) = (hunk.old.start + paired..hunk.old.end, hunk.new.start + paired..hunk.new.end);
        if !gone.is_empty() {
            if change.new.is_empty() {
                return Err(Refusal::NothingLeft);
            }
            list.remove(gone, &mut replacements)?;
        } else if !come.is_empty() {
            let come = change.new.get(come).unwrap_or_default();
            list.insert(hunk.old.end, come, &mut replacements)?;
        }
    }
    Ok(replacements)
}

struct List<'l, 'o> {
    layout: &'l Layout<'o>,
    items: &'l [NodeId],
    flow: bool,
    span: Range<usize>,
}

impl List<'_, '_> {
    /// An item as it stands in the text, an alias as an alias.
    fn span(&self, index: usize) -> Option<Range<usize>> {
        Some(self.layout.tree.written(*self.items.get(index)?)?.span.clone())
    }

    fn text(&self, range: Range<usize>) -> &str {
        self.layout.text.get(range).unwrap_or_default()
    }

    fn style(&self, near: usize) -> Style {
        let index = near.min(self.items.len().saturating_sub(1));
        match self.items.get(index).and_then(|item| self.layout.tree.node(*item)).map(|node| &node.content) {
            Some(Content::Scalar { style, .. }) => *style,
            _ => Style::Plain,
        }
    }

    fn remove(&self, gone: Range<usize>, replacements: &mut Vec<Replacement>) -> Result<(), Refusal> {
        if !self.flow {
            for index in gone {
                replacements.push(self.remove_line(index)?);
            }
            return Ok(());
        }
        let first = self.span(gone.start).ok_or(Refusal::Unwieldy)?;
        let last = self.span(gone.end - 1).ok_or(Refusal::Unwieldy)?;
        let range =
            match (self.span(gone.end), gone.start.checked_sub(1).and_then(|before| self.span(before))) {
                (Some(next), _) => first.start..next.start,
                (None, Some(before)) => before.end..last.end,
                (None, None) => first.start..last.end,
            };
        if self.text(range.clone()).contains('#') {
            return Err(Refusal::Unwieldy);
        }
        replacements.push(Replacement::new(range, ""));
        Ok(())
    }

    /// Takes out the line of an item; a comment behind it stays.
    fn remove_line(&self, index: usize) -> Result<Replacement, Refusal> {
        let span = self.span(index).ok_or(Refusal::Unwieldy)?;
        let start = line_start(self.layout.text, span.start);
        let before = self.text(start..span.start);
        let (Some(dash), true) = (before.find('-'), before.trim() == "-") else {
            return Err(Refusal::Unwieldy);
        };
        let end = line_end(self.layout.text, span.end);
        let comment = self.text(span.end..end).trim_start();
        if comment.is_empty() {
            let rest = self.text(end..self.layout.text.len());
            let line_break = if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
            // The last line of a file without a final line break.
            let start =
                if line_break == 0 { start.saturating_sub(newline(self.layout.text).len()) } else { start };
            return Ok(Replacement::new(start..end + line_break, ""));
        }
        Ok(Replacement::new(start + dash..end - comment.len(), ""))
    }

    /// Adds elements before the item `index`, or at the end.
    fn insert(&self, index: usize, new: &[&str], replacements: &mut Vec<Replacement>) -> Result<(), Refusal> {
        let style = self.style(index.saturating_sub(1));
        let rendered: Vec<String> = new.iter().map(|element| render(element, style, self.flow)).collect();
        if self.flow {
            self.insert_in_flow(index, &rendered, replacements);
            return Ok(());
        }
        let indent = " ".repeat(column(self.layout.text, self.span.start));
        let newline = newline(self.layout.text);
        let item = self.span(index.saturating_sub(1)).ok_or(Refusal::Unwieldy)?;
        let gap = self.text(line_start(self.layout.text, item.start)..item.start);
        let gap = gap.trim_start().strip_prefix('-').filter(|gap| gap.trim().is_empty() && !gap.is_empty());
        let bullet = format!("{indent}-{}", gap.unwrap_or(" "));
        let replacement = if index == 0 {
            let lines = framed(&rendered, &bullet, newline);
            Replacement::insert(line_start(self.layout.text, item.start), lines)
        } else if self.text(0..item.end).ends_with('\n') {
            let lines = framed(&rendered, &bullet, newline);
            Replacement::insert(item.end, lines)
        } else {
            let lines = framed(&rendered, &format!("{newline}{bullet}"), "");
            Replacement::insert(line_end(self.layout.text, item.end), lines)
        };
        replacements.push(replacement);
        Ok(())
    }

    fn insert_in_flow(&self, index: usize, rendered: &[String], replacements: &mut Vec<Replacement>) {
        let Some(first) = self.span(0) else {
            replacements.push(Replacement::insert(self.span.start + 1, rendered.join(", ")));
            return;
        };
        let between = match self.span(1) {
            Some(second) => self.text(first.end..second.start).trim_start().strip_prefix(','),
            None => Some(self.text(self.span.start + 1..first.start)).filter(|lead| lead.contains('\n')),
        };
        let blank = between.filter(|blank| blank.trim().is_empty()).map_or_else(
            || if self.span(1).is_some() { self.own_line(first.start) } else { " ".to_owned() },
            ToOwned::to_owned,
        );
        let Some(before) = index.checked_sub(1).and_then(|before| self.span(before)) else {
            let lines = framed(rendered, "", &format!(",{blank}"));
            replacements.push(Replacement::insert(first.start, lines));
            return;
        };
        let end = line_end(self.layout.text, before.end);
        let rest = self.text(before.end..end).trim_start();
        let has_comma = rest.starts_with(',');
        let is_commented = rest.trim_start_matches(',').trim_start().starts_with('#');
        if is_commented && blank.contains('\n') {
            let lines = rendered.join(&format!(",{blank}"));
            if !has_comma {
                replacements.push(Replacement::insert(before.end, ","));
            }
            let comma = if has_comma { "," } else { "" };
            replacements.push(Replacement::insert(end, format!("{blank}{lines}{comma}")));
            return;
        }
        let lines = framed(rendered, &format!(",{blank}"), "");
        replacements.push(Replacement::insert(before.end, lines));
    }

    /// The white space that puts an element on a line of its own, where the
    /// first one stands on its own.
    fn own_line(&self, first: usize) -> String {
        let start = line_start(self.layout.text, first);
        let before = self.text(start..first);
        if before.trim().is_empty() {
            format!("{}{before}", newline(self.layout.text))
        } else {
            " ".to_owned()
        }
    }
}

/// The elements in a row, each with `before` before it and `after` behind it.
fn framed(elements: &[String], before: &str, after: &str) -> String {
    elements.iter().flat_map(|element| [before, element, after]).collect()
}
