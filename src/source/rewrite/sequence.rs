//! Options that are a list: elements change, go and come, each in the style of
//! its neighbours, and each with the comments that speak of it.

use std::ops::Range;

use super::gaps::{self, Item};
use super::lines::{column, line_end, line_start, newline};
use super::{Change, Plan, Replacement, RewriteRefusal, RewriteStep, Way, render, string};
use crate::source::object::Layout;
use crate::source::scalar::BLANKS;
use crate::source::tree::{Content, NodeId, Style};

/// Returns the plan that carries out `change` in the list `value`.
pub(super) fn rewrite(
    layout: &Layout<'_>,
    value: NodeId,
    change: Change<'_>,
    way: Way,
) -> Result<Plan, RewriteRefusal> {
    let id = layout.tree.target(value);
    let node = layout.tree.node(id).ok_or(RewriteRefusal::NoPlace)?;
    let Content::List { items: ids, flow } = &node.content else {
        return Err(RewriteRefusal::Unwieldy);
    };
    // With other elements than those of the engine an index would point at the wrong one.
    if ids.len() != change.old.len() || change.new.len() != change.origins.len() {
        return Err(RewriteRefusal::Unwieldy);
    }
    if change.new.is_empty() {
        return Err(RewriteRefusal::NothingLeft);
    }
    let spans: Option<Vec<Range<usize>>> =
        ids.iter().map(|item| Some(layout.tree.written(*item)?.span.clone())).collect();
    let spans = spans.ok_or(RewriteRefusal::Unwieldy)?;
    let items = gaps::items(layout.text, &node.span, &spans, *flow);
    let mut list = List { layout, ids, items, flow: *flow, span: node.span.clone(), plan: Plan::default() };
    let mut fates: Vec<Vec<&str>> = vec![Vec::new(); ids.len()];
    let mut added: Vec<&str> = Vec::new();
    for (text, origin) in change.new.iter().zip(change.origins) {
        match origin.and_then(|origin| fates.get_mut(origin)) {
            Some(fate) => fate.push(text),
            None => added.push(text),
        }
    }
    for (index, fate) in fates.iter().enumerate() {
        let (Some(old), Some(first)) = (change.old.get(index), fate.first()) else { continue };
        list.edit(index, old, first, fate.len() == 1, way)?;
    }
    list.reshape(&fates, &added)?;
    if list.plan.steps.iter().any(|step| step.element.is_none()) {
        list.plan.touched.push(id);
        list.plan.steps = joined(list.plan.steps);
    }
    Ok(list.plan)
}

/// Joins steps that touch, but for those that are about one element alone: the order of two at one place
/// would count.
fn joined(mut steps: Vec<RewriteStep>) -> Vec<RewriteStep> {
    // Edits are applied from one end of the text to the other, and must not overlap.
    steps.sort_by_key(|step| (step.replacement.start, step.replacement.end));
    let mut joined: Vec<RewriteStep> = Vec::with_capacity(steps.len());
    for step in steps {
        let is_next = |last: &&mut RewriteStep| {
            last.element.is_none() && step.element.is_none() && last.replacement.end == step.replacement.start
        };
        match joined.last_mut().filter(is_next) {
            Some(last) => {
                last.replacement.end = step.replacement.end;
                last.replacement.with.push_str(&step.replacement.with);
            }
            None => joined.push(step),
        }
    }
    joined
}

struct List<'l, 'o> {
    layout: &'l Layout<'o>,
    ids: &'l [NodeId],
    items: Vec<Item>,
    flow: bool,
    span: Range<usize>,
    plan: Plan,
}

impl List<'_, '_> {
    fn text(&self, range: Range<usize>) -> &str {
        self.layout.text.get(range).unwrap_or_default()
    }

    fn shape(&mut self, replacement: Replacement) {
        self.plan.steps.push(RewriteStep { element: None, replacement });
    }

    /// Gives an element other text.
    fn edit(
        &mut self,
        index: usize,
        old: &str,
        new: &str,
        alone: bool,
        way: Way,
    ) -> Result<(), RewriteRefusal> {
        if old == new {
            return Ok(());
        }
        let id = self.ids.get(index).copied().ok_or(RewriteRefusal::Unwieldy)?;
        let written = self.layout.tree.written(id).ok_or(RewriteRefusal::Unwieldy)?;
        let element = alone.then_some(index);
        // The anchor serves other places, too: this one gets the text of its own.
        if matches!(written.content, Content::Alias(_)) && way == Way::Apart {
            self.plan.left.push(self.layout.tree.target(id));
            let text = render(new, Style::Plain, self.flow);
            self.plan
                .steps
                .push(RewriteStep { element, replacement: Replacement::new(written.span.clone(), text) });
            return Ok(());
        }
        self.plan.touched.push(self.layout.tree.target(id));
        let replacements = string::rewrite(self.layout, id, old, new)?;
        // An anchor of this list and its aliases are one text.
        let is_done =
            |replacement: &Replacement| self.plan.steps.iter().any(|step| step.replacement == *replacement);
        let new: Vec<Replacement> =
            replacements.into_iter().filter(|replacement| !is_done(replacement)).collect();
        self.plan.steps.extend(new.into_iter().map(|replacement| RewriteStep { element, replacement }));
        Ok(())
    }

    fn style(&self, near: usize) -> Style {
        match self.ids.get(near).and_then(|item| self.layout.tree.node(*item)).map(|node| &node.content) {
            Some(Content::Scalar { style, .. }) => *style,
            // An empty list shows no style, and JSON has only this one.
            _ if self.is_json() => Style::DoubleQuoted,
            _ => Style::Plain,
        }
    }

    /// Returns true if the list's key is in double quotes, as JSON has it.
    fn is_json(&self) -> bool {
        let before = self.text(0..self.span.start).trim_end();
        self.flow && before.strip_suffix(':').is_some_and(|key| key.trim_end().ends_with('"'))
    }

    fn rendered(&self, near: usize, new: &[&str]) -> Vec<String> {
        let style = self.style(near);
        new.iter().map(|element| render(element, style, self.flow)).collect()
    }

    /// Takes out the elements of which nothing is left, and puts in the others:
    /// parts of one after it, and what is added after the last that stays.
    fn reshape(&mut self, fates: &[Vec<&str>], added: &[&str]) -> Result<(), RewriteRefusal> {
        let gone: Vec<bool> = fates.iter().map(Vec::is_empty).collect();
        let last = gone.iter().rposition(|gone| !gone);
        let has_parts = last.and_then(|last| fates.get(last)).is_some_and(|fate| fate.len() > 1);
        self.remove(&gone, last.is_none(), has_parts || !added.is_empty())?;
        for (index, fate) in fates.iter().enumerate() {
            let mut come: Vec<&str> = fate.get(1..).unwrap_or_default().to_vec();
            if Some(index) == last {
                come.extend(added);
            }
            if !come.is_empty() {
                let has_next = Some(index) != last;
                self.insert_behind(index, &come, has_next);
            }
        }
        if last.is_none() {
            self.insert_instead(added);
        }
        Ok(())
    }

    fn remove(&mut self, gone: &[bool], all: bool, comes: bool) -> Result<(), RewriteRefusal> {
        if !gone.contains(&true) {
            return Ok(());
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (index, item) in
            self.items.iter().enumerate().filter(|(index, _)| gone.get(*index) == Some(&true))
        {
            ranges.push(item.begin..item.end);
            ranges.extend(item.comments.iter().cloned());
            let id = self.ids.get(index).copied().ok_or(RewriteRefusal::Unwieldy)?;
            match self.layout.tree.target(id) {
                target if target == id => self.plan.touched.push(id),
                // An alias that goes together with its anchor leaves no reader.
                target if self.plan.touched.contains(&target) => self.plan.touched.push(target),
                target => self.plan.left.push(target),
            }
        }
        ranges.extend(self.commas_too_many(gone, comes));
        let start = self.items.first().map(|item| item.begin).filter(|_| all && comes);
        for range in gaps::tidied(self.layout.text, ranges, start) {
            self.shape(Replacement::new(range, ""));
        }
        Ok(())
    }

    /// Returns the commas that are too many: between two elements that stay, one does; the last one has one
    /// where the last of all has one.
    fn commas_too_many(&self, gone: &[bool], comes: bool) -> Vec<Range<usize>> {
        let stays: Vec<usize> =
            (0..self.items.len()).filter(|index| gone.get(*index) == Some(&false)).collect();
        let comma = |index: usize| self.items.get(index).and_then(|item| item.comma.clone());
        let ends_with_one = self.items.last().is_some_and(|item| item.comma.is_some());
        let leads = self.comma_lead().is_some();
        let mut kept: Vec<usize> = stays
            .iter()
            .zip(stays.iter().skip(1))
            .map(|(one, next)| if leads { next.saturating_sub(1) } else { *one })
            .collect();
        let last = stays.last().copied();
        kept.extend(last.filter(|last| {
            let has_room = *last + 1 < self.items.len();
            ends_with_one || comes && has_room && !leads && self.own_line(*last)
        }));
        let all = (0..self.items.len()).filter(|index| kept.binary_search(index).is_err());
        all.filter_map(comma).collect()
    }

    /// Returns the text before an element in its line, if lines begin with commas.
    fn comma_lead(&self) -> Option<&str> {
        let (first, second) = (self.items.first()?, self.items.get(1)?);
        let lead = self.text(line_start(self.layout.text, second.begin)..second.begin);
        let is_below = self.text(first.end..second.begin).contains('\n');
        Some(lead).filter(|lead| is_below && lead.trim() == ",")
    }

    /// Returns true if what comes after an element gets a line of its own.
    fn own_line(&self, index: usize) -> bool {
        let Some(item) = self.items.get(index) else { return false };
        let next = self.items.get(index + 1);
        let is_alone = next.is_none_or(|next| self.text(item.end..next.begin).contains('\n'));
        item.is_commented() || item.begins_line && is_alone && !self.is_remarked(item)
    }

    /// Returns true if a comment stands after the bracket that closes the list, in the line of
    /// this element: it would move to another one.
    fn is_remarked(&self, item: &Item) -> bool {
        let end = self.span.end;
        let behind = self.text(end..line_end(self.layout.text, end));
        !self.text(item.end..end).contains('\n') && behind.trim_start().starts_with('#')
    }

    fn insert_behind(&mut self, index: usize, new: &[&str], has_next: bool) {
        let Some(item) = self.items.get(index).cloned() else { return };
        let rendered = self.rendered(index, new);
        if self.flow {
            self.insert_in_flow(index, &item, &rendered, has_next);
            return;
        }
        let bullet = self.bullet(&item);
        let last = item.last();
        let newline = newline(self.layout.text, last);
        let replacement = if self.text(0..last).ends_with('\n') {
            Replacement::insert(last, framed(&rendered, &bullet, newline))
        } else {
            let lines = framed(&rendered, &format!("{newline}{bullet}"), "");
            Replacement::insert(line_end(self.layout.text, last), lines)
        };
        self.shape(replacement);
    }

    /// Returns the text before an element in its line.
    fn bullet(&self, item: &Item) -> String {
        let indent = " ".repeat(column(self.layout.text, self.span.start));
        let line = self.text(item.begin..line_end(self.layout.text, item.begin));
        let line = line.strip_prefix('-').unwrap_or_default();
        // Some files have two spaces after the dash.
        let gap = line.get(..line.len() - line.trim_start_matches(BLANKS).len()).filter(|gap| *gap != line);
        format!("{indent}-{}", gap.filter(|gap| !gap.is_empty()).unwrap_or(" "))
    }

    fn insert_in_flow(&mut self, index: usize, item: &Item, rendered: &[String], has_next: bool) {
        if !self.own_line(index) {
            let lines = framed(rendered, &format!(",{}", self.blank()), "");
            self.shape(Replacement::insert(item.end, lines));
            return;
        }
        let text = self.layout.text;
        let newline = newline(text, item.end);
        let comma = item.comma.clone();
        let behind = item.last().max(comma.as_ref().map_or(0, |comma| {
            let is_in_line = !self.text(item.end..comma.start).contains('\n');
            if is_in_line { comma.end } else { 0 }
        }));
        if let Some(lead) = self.comma_lead() {
            let lines = framed(rendered, &format!("{newline}{lead}"), "");
            self.shape(Replacement::insert(behind, lines));
            return;
        }
        let lead = self.text(line_start(text, item.begin)..item.begin);
        let indent = if lead.trim().is_empty() { lead.to_owned() } else { self.indent(item) };
        match comma {
            Some(comma) if comma.end > behind => {
                let lines = framed(rendered, &format!("{newline}{indent}, "), "");
                self.shape(Replacement::insert(behind, lines));
            }
            Some(_) if has_next || self.items.last().is_some_and(|item| item.comma.is_some()) => {
                let lines = framed(rendered, &format!("{newline}{indent}"), ",");
                self.shape(Replacement::insert(behind, lines));
            }
            comma => {
                if comma.is_none() {
                    self.shape(Replacement::insert(item.end, ","));
                }
                let between = format!(",{newline}{indent}");
                let lines = format!("{newline}{indent}{}", rendered.join(&between));
                self.shape(Replacement::insert(behind, lines));
            }
        }
    }

    /// Returns the white space that puts an element below the first one of the line.
    fn indent(&self, item: &Item) -> String {
        let start = line_start(self.layout.text, item.begin);
        // Of several elements in one line the first one has the indent.
        let first = self.items.iter().map(|item| item.begin).find(|begin| *begin >= start);
        " ".repeat(column(self.layout.text, first.unwrap_or(item.begin)))
    }

    /// Returns the white space after a comma.
    fn blank(&self) -> String {
        let (first, second) = (self.items.first(), self.items.get(1));
        let gap = first.zip(second).and_then(|(first, second)| {
            let comma = first.comma.as_ref()?;
            self.layout.text.get(comma.end..second.begin)
        });
        gap.filter(|gap| gap.bytes().all(|byte| byte == b' ')).unwrap_or(" ").to_owned()
    }

    /// Puts elements where none was, or where none of the others stays.
    fn insert_instead(&mut self, new: &[&str]) {
        let rendered = self.rendered(0, new);
        let Some(first) = self.items.first().cloned() else {
            let inside = self.span.start + 1..self.span.end.saturating_sub(1);
            let elements = rendered.join(", ");
            // A comment in the brackets speaks of the empty list, and ends with its line.
            if self.text(inside.clone()).contains('#') {
                let line = line_start(self.layout.text, inside.end);
                let lead = self.text(line..inside.end);
                let lines = format!("{lead}  {elements}{}", newline(self.layout.text, self.span.start));
                self.shape(Replacement::insert(line, lines));
            } else {
                self.shape(Replacement::insert(inside.start, elements));
            }
            return;
        };
        let newline = newline(self.layout.text, first.end);
        let between = match (self.flow, first.begins_line) {
            (true, true) => {
                let start = line_start(self.layout.text, first.begin);
                format!(",{newline}{}", self.text(start..first.begin))
            }
            (true, false) => format!(",{}", self.blank()),
            (false, _) => format!("{newline}{}", self.bullet(&first)),
        };
        let mut lines = rendered.join(&between);
        if !self.flow {
            let bullet = self.bullet(&first);
            lines.insert_str(0, bullet.trim_start());
            if self.text(0..first.end).ends_with('\n') {
                lines.push_str(newline);
            }
        }
        self.shape(Replacement::insert(first.begin, lines));
    }
}

/// Returns the elements in a row, each with `before` before it and `after` after it.
fn framed(elements: &[String], before: &str, after: &str) -> String {
    elements.iter().flat_map(|element| [before, element, after]).collect()
}
