//! Carrying out fixes. Conflicts between the fixes of different rules are
//! resolved here and nowhere else: findings are taken in the order of their
//! codes, and a fix that touches an option another fix has touched waits for
//! the next round.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use time::Date;

use super::{Evaluation, evaluate};
use crate::finding::{Action, Applicability, Edit, Finding, Fix};
use crate::nfs::option;
use crate::policy::Policy;
use crate::site::{Place, Site};
use crate::subject::Subject;
use crate::subject::carrier::{Carrier, Form};

/// The text of every carrier, one list of elements each.
pub type Elements<'m> = Vec<Vec<Cow<'m, str>>>;

/// Which fixes are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The boldest fix that is.
    pub applicability: Applicability,
    /// The places that are touched.
    pub reach: Reach,
    /// The mildest finding that is fixed.
    pub least: Action,
    /// Whether that is asked of what the policy demands, before caps.
    pub as_demanded: bool,
}

/// The places that fixes touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Everywhere,
    /// Those that an update may change, and elsewhere only what needs no second
    /// look.
    PatchableFirst,
    /// Those that an update may change.
    Patchable,
    /// Those in the object's metadata: a request on `/status` changes nothing
    /// else.
    Metadata,
}

impl Reach {
    const fn includes(self, place: &Place, applicability: Applicability) -> bool {
        match self {
            Self::Everywhere => true,
            Self::PatchableFirst => place.is_patchable() || matches!(applicability, Applicability::Apply),
            Self::Patchable => place.is_patchable(),
            Self::Metadata => matches!(place, Place::Annotation),
        }
    }
}

impl Scope {
    /// What the mutating webhook does.
    pub const WEBHOOK: Self = Self {
        applicability: Applicability::Apply,
        reach: Reach::Patchable,
        least: Action::Deny,
        as_demanded: true,
    };

    /// What the mutating webhook does on `/status`.
    pub const STATUS: Self = Self { reach: Reach::Metadata, ..Self::WEBHOOK };

    /// What `fix` does to a file.
    pub const FILE: Self = Self {
        applicability: Applicability::Offer,
        reach: Reach::PatchableFirst,
        least: Action::Audit,
        as_demanded: false,
    };

    /// What `fix --unsafe-fixes` does to a file: it writes into
    /// parameters and attributes, too, though an object that exists has to be made
    /// anew for it.
    pub const FILE_UNSAFE: Self =
        Self { applicability: Applicability::Unsafe, reach: Reach::Everywhere, ..Self::FILE };

    /// What a denial proposes: no more than it takes to pass.
    pub const PROPOSAL: Self = Self {
        applicability: Applicability::Offer,
        reach: Reach::Everywhere,
        least: Action::Deny,
        as_demanded: false,
    };
}

/// The carriers as they are.
pub fn unchanged<'m>(subject: &Subject<'m>) -> Elements<'m> {
    subject
        .carriers
        .iter()
        .map(|carrier| carrier.elements.iter().map(|element| Cow::Borrowed(*element)).collect())
        .collect()
}

/// Fixes round by round until nothing is left to fix. Doing it again changes
/// nothing.
pub fn fix_all<'m>(policy: &Policy, subject: &Subject<'m>, today: Date, scope: Scope) -> Elements<'m> {
    // Each round carries out at least one fix or is the last; the longest
    // chain known is three (split, correct, drop what then loses), and a list
    // may hold as many chains as options. What all rounds look at together is
    // bounded, for lists that nobody means; a denial waits for what it proposes.
    const ROUNDS: usize = 16;
    let options = if scope == Scope::PROPOSAL { 500 } else { 20_000 };
    let mut elements = unchanged(subject);
    let written = subject.options.tokens().len();
    let least = if scope == Scope::PROPOSAL { ROUNDS / 2 } else { ROUNDS };
    let rounds = (ROUNDS + 3 * written).min(least.max(options / written.max(1)));
    for _ in 0..rounds {
        let fixed = {
            let current = subject.with_elements(&elements);
            let evaluation = evaluate(policy, &current, today);
            changed_once(&current, &evaluation, scope).map(into_owned)
        };
        let Some(fixed) = fixed else { break };
        elements = fixed;
    }
    elements
}

fn into_owned<'m>(elements: Elements<'_>) -> Elements<'m> {
    elements
        .into_iter()
        .map(|list| list.into_iter().map(|element| Cow::Owned(element.into_owned())).collect())
        .collect()
}

/// Carries out the fixes of one evaluation, each wholly or not at all.
pub fn fix_once<'e>(subject: &Subject<'e>, evaluation: &'e Evaluation, scope: Scope) -> Elements<'e> {
    changed_once(subject, evaluation, scope).unwrap_or_else(|| unchanged(subject))
}

/// As [`fix_once`]; `None` where that changes nothing.
pub fn changed_once<'e>(
    subject: &Subject<'e>,
    evaluation: &'e Evaluation,
    scope: Scope,
) -> Option<Elements<'e>> {
    let mut fixes: Vec<(&Finding, &Fix)> = evaluation
        .findings
        .iter()
        .filter(|judged| if scope.as_demanded { judged.demanded } else { judged.action } >= scope.least)
        .filter_map(|judged| Some((&judged.finding, judged.finding.fix.as_ref()?)))
        .filter(|(_, fix)| is_in_reach(subject, fix, scope))
        .collect();
    if fixes.is_empty() {
        return None;
    }
    fixes.sort_by_key(|(finding, _)| finding.code);
    let mut plan = Plan::default();
    for (_, fix) in fixes {
        if !fix.edits.iter().any(|edit| plan.conflicts(edit)) {
            for edit in &fix.edits {
                plan.add(edit);
            }
        }
    }
    let carriers = subject.carriers.iter().enumerate();
    let elements: Elements<'e> =
        carriers.map(|(index, carrier)| plan.carry_out(index, carrier, subject.defaults)).collect();
    let is_same = elements
        .iter()
        .zip(&subject.carriers)
        .all(|(fixed, carrier)| fixed.iter().map(|element| &**element).eq(carrier.elements.iter().copied()));
    (!is_same).then_some(elements)
}

fn is_in_reach(subject: &Subject<'_>, fix: &Fix, scope: Scope) -> bool {
    fix.applicability <= scope.applicability
        && fix.edits.iter().all(|edit| {
            let carrier = subject.carriers.get(carrier_of(edit));
            carrier.is_some_and(|carrier| scope.reach.includes(&carrier.place, fix.applicability))
        })
}

const fn carrier_of(edit: &Edit) -> usize {
    match edit {
        Edit::Replace { site, .. } | Edit::Remove { site } => site.carrier,
        Edit::Split { carrier, .. } | Edit::Append { carrier, .. } => *carrier,
    }
}

/// The edits of one round, by place.
#[derive(Default)]
struct Plan<'f> {
    /// By carrier, element and first byte: the new text, or none to remove.
    options: BTreeMap<(usize, usize, usize), (&'f Site, Option<&'f str>)>,
    splits: BTreeSet<(usize, usize)>,
    appends: Vec<(usize, &'f str)>,
}

impl<'f> Plan<'f> {
    fn conflicts(&self, edit: &Edit) -> bool {
        match edit {
            Edit::Replace { site, .. } | Edit::Remove { site } => self.overlaps(site),
            Edit::Split { .. } | Edit::Append { .. } => false,
        }
    }

    /// Whether something else is done to a part of the site. What is planned
    /// overlaps nothing, so its neighbours are enough.
    fn overlaps(&self, site: &Site) -> bool {
        let (carrier, element, start) = site.order();
        let before = self.options.range((carrier, element, 0)..=(carrier, element, start)).next_back();
        let behind = self.options.range((carrier, element, start)..=(carrier, element, usize::MAX)).next();
        before.is_some_and(|(_, (found, _))| found.range.end > start || found.range.start == start)
            || behind.is_some_and(|(_, (found, _))| found.range.start < site.range.end)
    }

    fn add(&mut self, edit: &'f Edit) {
        match edit {
            Edit::Replace { site, with } => {
                self.options.insert(site.order(), (site, Some(with)));
            }
            Edit::Remove { site } => {
                self.options.insert(site.order(), (site, None));
            }
            Edit::Split { carrier, element } => {
                self.splits.insert((*carrier, *element));
            }
            Edit::Append { carrier, option } => self.appends.push((*carrier, option)),
        }
    }

    fn carry_out(
        &self,
        index: usize,
        carrier: &Carrier<'f>,
        defaults: &'static [&'static str],
    ) -> Vec<Cow<'f, str>> {
        let mut elements = Vec::with_capacity(carrier.elements.len() + self.appends.len());
        for (element_index, element) in carrier.elements.iter().copied().enumerate() {
            let edited = self.edit_element(index, element_index, carrier, element);
            let Some(edited) = edited else { continue };
            if !self.splits.contains(&(index, element_index)) {
                elements.push(edited);
                continue;
            }
            let pieces: Vec<String> = option::split(&edited)
                .filter(|piece| !piece.text.is_empty())
                .map(|piece| piece.text.to_owned())
                .collect();
            if carrier.form == Form::List {
                elements.extend(pieces.into_iter().map(Cow::Owned));
            } else {
                elements.push(Cow::Owned(pieces.join(",")));
            }
        }
        let additions =
            self.appends.iter().filter(|(carrier, _)| *carrier == index).map(|(_, option)| *option);
        if additions.clone().next().is_none() {
            return elements;
        }
        // A list of one's own takes the place of the driver's: what the driver
        // would have done has to stay.
        let additions = defaults.iter().copied().chain(additions);
        if carrier.form == Form::List {
            elements.extend(additions.map(Cow::Borrowed));
        } else {
            let old = elements.pop().filter(|_| !carrier.is_empty());
            let mut text = old.unwrap_or_default().into_owned();
            for option in additions {
                text.push_str(if text.is_empty() { "" } else { "," });
                text.push_str(option);
            }
            elements.push(Cow::Owned(text));
        }
        elements
    }

    /// The element with its options changed; `None` when none is left of it
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
            Some((site, Some(with))) if site.range == (0..element.len()) => {
                return Some(Cow::Borrowed(with));
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
        if edited.is_empty() && carrier.form == Form::List {
            return None;
        }
        Some(Cow::Owned(edited))
    }
}
