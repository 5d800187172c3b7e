//! Carrying out fixes. Conflicts between the fixes of different rules are
//! resolved here and nowhere else: findings are taken in the order of their
//! codes, and a fix that touches an option another fix has touched waits for
//! the next round.

mod duplicates;
mod foregrounds;
mod length;
mod scope;
pub(super) mod winners;

pub use foregrounds::is_repeated;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use time::Date;

use super::{Evaluation, evaluate};
use crate::finding::{Applicability, Code, Edit, Finding, Fix, Renaming};
use crate::nfs::option;
use crate::policy::Policy;
use crate::rules::UNREAD_OPTIONS;
use crate::site::{Place, Site};
use crate::subject::Subject;
use crate::subject::carrier::{Carrier, Form};
pub use scope::{Reach, Scope};

/// The text of every carrier, one list of elements each.
pub type Elements<'m> = Vec<Vec<Cow<'m, str>>>;

/// Returns the carriers as they are.
pub fn unchanged<'m>(subject: &Subject<'m>) -> Elements<'m> {
    subject
        .carriers
        .iter()
        .map(|carrier| carrier.elements.iter().map(|element| Cow::Borrowed(*element)).collect())
        .collect()
}

/// Returns the origins of elements that stay where they are.
fn unmoved(subject: &Subject<'_>) -> Vec<Vec<Option<usize>>> {
    subject.carriers.iter().map(|carrier| (0..carrier.elements.len()).map(Some).collect()).collect()
}

/// Fixes round by round until nothing is left to fix. Doing it again changes
/// nothing.
pub fn fix_all<'m>(policy: &Policy, subject: &Subject<'m>, today: Date, scope: Scope) -> Elements<'m> {
    fix_traced(policy, subject, today, scope).elements
}

/// The carriers after a repair, and where each of their elements comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced<'m> {
    /// The text of every carrier.
    pub elements: Elements<'m>,
    /// For each of these elements, the index of the one that it was, whole or a
    /// part of it; `None` for one that was added.
    pub origins: Vec<Vec<Option<usize>>>,
    /// The places that go away, because their options move to the list or are there
    /// already.
    pub emptied: Vec<Place>,
    /// The parameters and attributes that get another key.
    pub renamed: Vec<Renaming>,
    /// The rules of which nothing is left that could be fixed.
    pub codes: BTreeSet<Code>,
}

/// Fixes as [`fix_all`] does, with the origin of every element: in a file, a comment stays with its
/// element.
pub fn fix_traced<'m>(policy: &Policy, subject: &Subject<'m>, today: Date, scope: Scope) -> Traced<'m> {
    fix_traced_keeping(policy, subject, today, scope, &[])
}

/// Fixes as [`fix_traced`] does, and does not move what stands at the places `kept`, which cannot go away.
pub fn fix_traced_keeping<'m>(
    policy: &Policy,
    subject: &Subject<'m>,
    today: Date,
    scope: Scope,
    kept: &[Place],
) -> Traced<'m> {
    // Each round carries out at least one fix or is the last; the longest
    // chain known is three (split, correct, drop what then loses), and a list
    // may hold as many chains as options. The work of all rounds together is bounded, because a
    // list may be hostile and a denial waits for its proposal.
    const ROUNDS: usize = 16;
    // A denial waits for its proposal, and the API server for the denial; a file can take longer.
    let options = if scope.is_proposal() { 500 } else { 20_000 };
    let (mut elements, mut origins) = (unchanged(subject), unmoved(subject));
    let written = subject.options.tokens().len();
    let least = if scope.is_proposal() { ROUNDS / 2 } else { ROUNDS };
    let rounds = (ROUNDS + 3 * written).min(least.max(options / written.max(1)));
    let mut places: Vec<Place> = kept.to_vec();
    let (mut codes, mut left, mut renamed) = (BTreeSet::new(), BTreeSet::new(), Vec::<Renaming>::new());
    for _ in 0..rounds {
        let fixed = {
            let current = subject.with_elements(&elements);
            let evaluation = evaluate(policy, &current, today);
            // Owned at once: the next round evaluates what this one made.
            let fixed = round(&current, &evaluation, scope, &places).map(into_owned);
            // A moved option is still at its old place: only the elements are carried along.
            left.clear();
            for (finding, fix) in scope.fixes(&current, &evaluation) {
                left.insert(finding.code);
                for renaming in renames(fix) {
                    // The first one has the value as it is written.
                    if !renamed.iter().any(|known| known.from == renaming.from) {
                        renamed.push(renaming.clone());
                    }
                }
                if let Some(place) = emptied(finding).filter(|place| !places.contains(place)) {
                    places.push(place.clone());
                }
            }
            fixed
        };
        codes.append(&mut left.clone());
        let Some((fixed, steps)) = fixed else { break };
        elements = fixed;
        for (origins, steps) in origins.iter_mut().zip(steps) {
            *origins = steps.into_iter().map(|step| origins.get(step?).copied().flatten()).collect();
        }
    }
    places.retain(|place| !kept.contains(place));
    // A moved option is found at its old place as long as it is there.
    let is_moved = !places.is_empty() || !renamed.is_empty();
    codes.retain(|code| !left.contains(code) || *code == UNREAD_OPTIONS.code && is_moved);
    Traced { elements, origins, emptied: places, renamed, codes }
}

/// Returns the places that a fix gives another key.
fn renames(fix: &Fix) -> impl Iterator<Item = &Renaming> {
    fix.edits.iter().filter_map(|edit| match edit {
        Edit::Rename(renaming) => Some(renaming),
        _ => None,
    })
}

/// Returns the text of every carrier, and for each element the one before the round.
fn into_owned<'m>(carriers: Vec<Vec<Piece<'_>>>) -> (Elements<'m>, Vec<Vec<Option<usize>>>) {
    let owned = |piece: Piece<'_>| (Cow::Owned(piece.text.into_owned()), piece.origin);
    carriers.into_iter().map(|pieces| pieces.into_iter().map(owned).unzip()).unzip()
}

/// An element after a round.
struct Piece<'e> {
    text: Cow<'e, str>,
    /// The element before the round that it is, or is a part of.
    origin: Option<usize>,
}

/// Carries out the fixes of one evaluation, each wholly or not at all.
pub fn fix_once<'e>(subject: &Subject<'e>, evaluation: &'e Evaluation, scope: Scope) -> Elements<'e> {
    changed_once(subject, evaluation, scope).unwrap_or_else(|| unchanged(subject))
}

/// Fixes as [`fix_once`] does; `None` where that changes nothing.
pub fn changed_once<'e>(
    subject: &Subject<'e>,
    evaluation: &'e Evaluation,
    scope: Scope,
) -> Option<Elements<'e>> {
    let carriers = round(subject, evaluation, scope, &[])?;
    Some(carriers.into_iter().map(|pieces| pieces.into_iter().map(|piece| piece.text).collect()).collect())
}

/// Returns the carriers after one round of fixes; what stands at the places `emptied_before` has
/// moved already.
fn round<'e>(
    subject: &Subject<'e>,
    evaluation: &'e Evaluation,
    scope: Scope,
    emptied_before: &[Place],
) -> Option<Vec<Vec<Piece<'e>>>> {
    let mut fixes: Vec<(&Finding, &Fix)> = scope.fixes(subject, evaluation);
    fixes.retain(|(finding, _)| emptied(finding).is_none_or(|place| !emptied_before.contains(place)));
    if fixes.is_empty() {
        return None;
    }
    // Moves into a list come first: another rule may miss just the moved option there.
    let moves = |(finding, fix): &(&Finding, &Fix)| emptied(finding).is_some() && !fix.edits.is_empty();
    if fixes.iter().any(moves) {
        fixes.retain(moves);
    }
    // By code, which never changes, so that the result does not depend on the order of rules.
    fixes.sort_by_key(|(finding, _)| finding.code);
    if scope.applicability > Applicability::Apply {
        foregrounds::wait_for_respelling(&mut fixes);
    }
    let mut plan = Plan::default();
    for (_, fix) in fixes {
        if !fix.edits.iter().any(|edit| plan.conflicts(edit)) {
            for edit in &fix.edits {
                plan.add(edit);
            }
        }
    }
    // The mutating webhook only replaces, and takes no element away.
    if !scope.as_demanded {
        foregrounds::merge(&mut plan, subject);
        duplicates::merge(&mut plan, subject);
    }
    let carried = plan.carry_out_all(subject);
    // Without the missing options the mount takes the list.
    let is_overlong = |pieces: &Vec<Vec<Piece<'_>>>| length::is_overlong(subject, pieces);
    if !plan.appends.is_empty() && carried.as_ref().is_some_and(is_overlong) {
        plan.appends.clear();
        return plan.carry_out_all(subject);
    }
    carried
}

/// Returns the place that the fix of a finding empties, because its options move to the list
/// or are there already.
pub fn emptied(finding: &Finding) -> Option<&Place> {
    let fix = finding.fix.as_ref()?;
    let is_move = fix.edits.iter().all(|edit| matches!(edit, Edit::Append { .. }));
    finding.place.as_ref().filter(|_| is_move)
}

/// Returns the carriers as one fix alone leaves them, and where their elements come from; `None`
/// where it changes nothing, or is beyond the scope.
pub fn fix_alone<'m>(subject: &Subject<'m>, fix: &Fix, scope: Scope) -> Option<Traced<'m>> {
    if !scope.includes(subject, fix) {
        return None;
    }
    let mut plan = Plan::default();
    for edit in &fix.edits {
        plan.add(edit);
    }
    foregrounds::merge(&mut plan, subject);
    duplicates::merge(&mut plan, subject);
    let renamed: Vec<Renaming> = renames(fix).cloned().collect();
    let (elements, origins) = match plan.carry_out_all(subject) {
        Some(pieces) => into_owned(pieces),
        None if renamed.is_empty() => return None,
        None => (unchanged(subject), unmoved(subject)),
    };
    Some(Traced { elements, origins, emptied: Vec::new(), renamed, codes: BTreeSet::new() })
}

/// Returns the carriers as these fixes together leave them.
pub(super) fn with_fixes<'m>(subject: &Subject<'m>, fixes: &[&Fix]) -> Elements<'m> {
    let mut plan = Plan::default();
    for edit in fixes.iter().flat_map(|fix| &fix.edits) {
        plan.add(edit);
    }
    plan.carry_out_all(subject).map_or_else(|| unchanged(subject), |pieces| into_owned(pieces).0)
}

/// A place and its new text, or none to remove it.
type Written<'f> = (&'f Site, Option<Cow<'f, str>>);

/// The edits of one round, by place.
#[derive(Default)]
struct Plan<'f> {
    /// By carrier, element and first byte.
    options: BTreeMap<(usize, usize, usize), Written<'f>>,
    splits: BTreeSet<(usize, usize)>,
    appends: Vec<(usize, &'f str)>,
}

impl<'f> Plan<'f> {
    fn conflicts(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Replace { site, .. } | Edit::Remove { site } => self.overlaps(site),
            Edit::Split { .. } | Edit::Append { .. } | Edit::Rename(_) => false,
        }
    }

    /// Returns true if something else is done to a part of the site. Planned edits do not overlap,
    /// so its neighbours are enough.
    fn overlaps(&self, site: &Site) -> bool {
        let (carrier, element, start) = site.order();
        // The map is ordered by place, so only two neighbors can overlap.
        let before = self.options.range((carrier, element, 0)..=(carrier, element, start)).next_back();
        let behind = self.options.range((carrier, element, start)..=(carrier, element, usize::MAX)).next();
        before.is_some_and(|(_, (found, _))| found.range.end > start || found.range.start == start)
            || behind.is_some_and(|(_, (found, _))| found.range.start < site.range.end)
    }

    fn add(&mut self, edit: &'f Edit) {
        match edit {
            Edit::Replace { site, with } => {
                self.options.insert(site.order(), (site, Some(Cow::Borrowed(with))));
            }
            Edit::Remove { site } => {
                self.options.insert(site.order(), (site, None));
            }
            Edit::Split { carrier, element } => {
                self.splits.insert((*carrier, *element));
            }
            // Two places may have lost the same option.
            Edit::Append { carrier, option } => {
                let append = (*carrier, &**option);
                if !self.appends.contains(&append) {
                    self.appends.push(append);
                }
            }
            // The text stays.
            Edit::Rename(_) => {}
        }
    }

    /// Returns the text of every carrier; `None` where that is what they have.
    fn carry_out_all<'e>(&self, subject: &Subject<'e>) -> Option<Vec<Vec<Piece<'e>>>>
    where
        'f: 'e,
    {
        let carriers = subject.carriers.iter().enumerate();
        let pieces: Vec<Vec<Piece<'e>>> =
            carriers.map(|(index, carrier)| self.carry_out(index, carrier, subject.defaults)).collect();
        let is_same = pieces.iter().zip(&subject.carriers).all(|(fixed, carrier)| {
            fixed.iter().map(|piece| &*piece.text).eq(carrier.elements.iter().copied())
        });
        (!is_same).then_some(pieces)
    }

    fn carry_out(
        &self,
        index: usize,
        carrier: &Carrier<'f>,
        defaults: &'static [&'static str],
    ) -> Vec<Piece<'f>> {
        let mut pieces = Vec::with_capacity(carrier.elements.len() + self.appends.len());
        for (element_index, element) in carrier.elements.iter().copied().enumerate() {
            let edited = self.edit_element(index, element_index, carrier, element);
            let Some(edited) = edited else { continue };
            let origin = Some(element_index);
            if !self.splits.contains(&(index, element_index)) {
                pieces.push(Piece { text: edited, origin });
                continue;
            }
            let parts: Vec<String> = option::split(&edited)
                .filter(|piece| !piece.text.is_empty())
                .map(|piece| piece.text.to_owned())
                .collect();
            if carrier.form == Form::List {
                pieces.extend(parts.into_iter().map(|part| Piece { text: Cow::Owned(part), origin }));
            } else {
                pieces.push(Piece { text: Cow::Owned(parts.join(",")), origin });
            }
        }
        let additions =
            self.appends.iter().filter(|(carrier, _)| *carrier == index).map(|(_, option)| *option);
        if additions.clone().next().is_none() {
            return pieces;
        }
        // A list of one's own takes the place of the driver's: what the driver
        // would have done has to stay.
        let additions = defaults.iter().copied().chain(additions);
        if carrier.form == Form::List {
            pieces.extend(additions.map(|option| Piece { text: Cow::Borrowed(option), origin: None }));
        } else {
            let old = pieces.pop().filter(|_| !carrier.is_empty());
            let mut text = old.map(|piece| piece.text.into_owned()).unwrap_or_default();
            for option in additions {
                text.push_str(if text.is_empty() { "" } else { "," });
                text.push_str(option);
            }
            pieces.push(Piece { text: Cow::Owned(text), origin: Some(0) });
        }
        pieces
    }

    /// Returns the element with its options changed; `None` when none is left of it
    /// and it is one of a list.
    fn edit_element(
        &self,
        carrier_index: usize,
        element_index: usize,
        carrier: &Carrier<'f>,
        element: &'f str,
    ) -> Option<Cow<'f, str>> {
        let from = (carrier_index, element_index, 0);
        let to = (carrier_index, element_index, usize::MAX);
        let mut edits = self.options.range(from..=to).map(|(_, edit)| edit).peekable();
        match edits.peek() {
            None => return Some(Cow::Borrowed(element)),
            // The usual case, an element of one option, needs no new text.
            Some((site, Some(with))) if site.range == (0..element.len()) => {
                return Some(with.clone());
            }
            Some(_) => {}
        }
        let mut edited = String::with_capacity(element.len());
        let mut at = 0;
        for (site, with) in edits {
            edited.push_str(element.get(at..site.range.start).unwrap_or_default());
            at = site.range.end;
            if let Some(with) = with {
                edited.push_str(with);
            } else if element.get(at..).is_some_and(|rest| rest.starts_with(',')) {
                // An option that goes away takes a comma with it.
                at += 1;
            } else if edited.ends_with(',') {
                edited.pop();
            }
        }
        edited.push_str(element.get(at..).unwrap_or_default());
        // An empty element would be a finding of its own; an empty attribute stays as it was
        // written.
        if edited.is_empty() && carrier.form == Form::List {
            return None;
        }
        Some(Cow::Owned(edited))
    }
}
