//! Repairs the options in a text, and makes sure that nothing else changed.

mod carrying_out;
mod change;
mod form;
mod immutable;
mod moved;
mod planner;
mod removal;
mod shift;
mod stuck;
mod wish;

use std::collections::{BTreeMap, HashMap, HashSet};

use time::Date;

use crate::engine::fix::Scope;
use crate::finding::Code;
use crate::policy::Policy;
use crate::source::object::Object;
use crate::source::rewrite::RewriteRefusal;
use crate::source::text::Lines;
use crate::source::{Item, Problem, visit_each};
use carrying_out::{CarryingOut, replacements};
pub use change::Changed;
pub(super) use change::{Step, steps};
pub(super) use immutable::{is_immutable, writes_immutable};
pub(super) use moved::{carried_list, removal_plan};
use planner::{Intended, Planner};
pub use shift::Shift;
pub use stuck::Stuck;
use wish::{Wish, Wishes};

/// Subjects, each by the index of its object and of its part, with the rules of which nothing is left
/// that could be fixed.
pub type RepairedSubjects = HashMap<(usize, usize), Vec<Code>>;

/// The result of repairing a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// The new text; `None` where nothing changes.
    pub text: Option<String>,
    /// Objects that change.
    pub objects: usize,
    /// Places that should change and cannot.
    pub refusals: Vec<Stuck>,
    /// The parts that cannot be read, and stay as they are.
    pub unread: Vec<Problem>,
    /// The subjects that change, in their order.
    pub changed: Vec<Changed>,
    /// The subjects that change: each by the index of its object and of its part, with the rules of
    /// which nothing is left that could be fixed.
    pub subjects: RepairedSubjects,
    /// The ways from the old text to the one to which places refer: in each, what could not be read
    /// is written again.
    pub forms: Vec<Shift>,
    /// The way from there to the new text.
    pub applied: Shift,
    /// The parts that could not be read, by their index in the text, each with the one in `unread`.
    unread_parts: Vec<usize>,
    /// The part that each object is.
    object_parts: Vec<usize>,
    /// The same in the old text, where fewer can be read.
    old_object_parts: Vec<usize>,
    /// The parts that are written again in a form that can be read.
    remedied: HashSet<usize>,
    /// The objects of which something is left as it is.
    refused: HashSet<usize>,
    /// The offset of each object, with the name of its first part.
    titles: Vec<(usize, String)>,
}

impl Repaired {
    /// Returns where a byte of the text to which places refer is in the old text.
    pub fn before(&self, offset: usize) -> usize {
        self.forms.iter().rev().fold(offset, |offset, form| form.before(offset))
    }

    /// Returns what is said if nothing is repaired after all: what cannot be read, at its places in
    /// the old text.
    #[must_use]
    pub fn undone(mut self) -> Self {
        let mut unread = std::mem::take(&mut self.unread);
        for problem in &mut unread {
            problem.offset = problem.offset.map(|offset| self.before(offset));
        }
        Self { unread, ..Self::default() }
    }

    /// Returns the parts that were written again, and are read only in part or cannot be repaired
    /// wholly; with the fault that is in the way, at its place in the old text.
    fn halves(&self) -> BTreeMap<usize, Option<Problem>> {
        let unread = self.unread_parts.iter().copied().zip(&self.unread).map(|(part, problem)| {
            let offset = problem.offset.map(|offset| self.before(offset));
            (part, Some(Problem { offset, remedy: None, ..problem.clone() }))
        });
        let part_of = |object: &usize| Some((*self.object_parts.get(*object)?, None));
        let refused = self.refused.iter().filter_map(part_of);
        unread.chain(refused).filter(|(part, _)| self.remedied.contains(part)).collect()
    }

    /// Counts the objects and names the subjects as the old text has them.
    fn settled(mut self, barred: Barred) -> Self {
        let part_of = |object: usize| self.object_parts.get(object).copied();
        let changed = self.subjects.keys().filter_map(|(object, _)| part_of(*object));
        self.objects = changed.chain(self.remedied.iter().copied()).collect::<HashSet<_>>().len();
        let renumber = |((object, part), codes): ((usize, usize), Vec<Code>)| {
            let old = self.old_object_parts.binary_search(&part_of(object)?).ok()?;
            Some(((old, part), codes))
        };
        let subjects = std::mem::take(&mut self.subjects);
        let subjects = subjects.into_iter().filter_map(renumber).collect();
        self.subjects = subjects;
        // The fault in the way is said in the place of the one that has a remedy.
        for (part, problem) in barred.0 {
            let Some(problem) = problem else { continue };
            let offset = problem.offset;
            let offset = offset.map(|offset| self.forms.iter().fold(offset, |at, form| form.after(at)));
            let at = self.unread_parts.iter().position(|unread| *unread == part);
            if let Some(unread) = at.and_then(|at| self.unread.get_mut(at)) {
                *unread = Problem { offset, ..problem };
            }
        }
        self
    }
}

/// The parts that are not written in another form, because nothing whole would come of it; with the
/// fault that is in the way.
#[derive(Debug, Default)]
struct Barred(BTreeMap<usize, Option<Problem>>);

/// Repairs the objects of a text. Those that `wants` declines stay as they are,
/// and so does what cannot be read or be changed.
pub fn repair(
    policy: &Policy,
    today: Date,
    scope: Scope,
    text: &str,
    wants: &dyn Fn(&Object<'_>) -> bool,
) -> Repaired {
    let way = Repairer { policy, today, scope, wants };
    let mut barred = Barred::default();
    // Parts do not depend on each other, but for aliases: once those that are not mended are known,
    // the others are.
    for _ in 0..MOST_TRIALS {
        let repaired = way.repair(text, Some(&barred), 0);
        let halves = repaired.halves();
        if halves.is_empty() {
            return repaired.settled(barred);
        }
        barred.0.extend(halves);
    }
    // Some parts are still half mended: then no form changes at all.
    way.repair(text, None, 0).settled(barred)
}

/// Most times that the parts of a text are looked for that cannot be mended wholly.
const MOST_TRIALS: usize = 4;

/// Most times that a text is read because what could not be read was written again.
// Each one reads the whole text again.
const MOST_REMEDIES: usize = 64;

/// The way in which texts are repaired.
struct Repairer<'r> {
    policy: &'r Policy,
    today: Date,
    scope: Scope,
    wants: &'r dyn Fn(&Object<'_>) -> bool,
}

impl Repairer<'_> {
    /// Repairs a text; without `barred` nothing is written in another form.
    fn repair(&self, text: &str, barred: Option<&Barred>, times: usize) -> Repaired {
        self.attempt(text, barred, times, &Failed::new())
    }

    /// Repairs a text as [`Self::repair`] does; nothing moves in the subjects of `failed`.
    fn attempt(&self, text: &str, barred: Option<&Barred>, times: usize, failed: &Failed) -> Repaired {
        let lines = Lines::new(text);
        let mut repaired = Repaired::default();
        let mut objects: Vec<Intended> = Vec::new();
        let mut wishes = Wishes::default();
        let mut count = 0;
        visit_each(text, &lines, &mut |item| {
            if !is_part(&item) {
                return;
            }
            let part = count;
            count += 1;
            match item {
                Item::Unreadable(problem) => {
                    repaired.unread.push(problem);
                    repaired.unread_parts.push(part);
                }
                Item::Object(object) => {
                    let mut intended = Intended::default();
                    if (self.wants)(&object) {
                        let planner = self.planner(&object, objects.len(), failed);
                        planner.plan(&mut intended, &mut wishes, &mut repaired.refusals);
                    }
                    let title = intended.titles.first().cloned();
                    repaired.titles.extend(title.map(|title| (object.span.start, title)));
                    repaired.object_parts.push(part);
                    objects.push(intended);
                }
                _ => {}
            }
        });
        repaired.old_object_parts.clone_from(&repaired.object_parts);
        for (problem, part) in repaired.unread.iter_mut().zip(&repaired.unread_parts) {
            let is_barred = barred.is_none_or(|barred| barred.0.contains_key(part));
            problem.remedy.take_if(|_| is_barred);
        }
        if times < MOST_REMEDIES
            && let Some((new, shift)) = form::remedied(text, &lines, &repaired.unread)
        {
            let mut again = self.repair(&new, barred, times + 1);
            again.text.get_or_insert(new);
            again.forms.insert(0, shift);
            again.old_object_parts = repaired.object_parts;
            let remedied = repaired.unread.iter().zip(repaired.unread_parts);
            again
                .remedied
                .extend(remedied.filter(|(problem, _)| problem.remedy.is_some()).map(|(_, part)| part));
            form::announce(&mut again, text, &repaired.unread);
            return again;
        }
        let now_failed = carry_out(text, &lines, &objects, wishes, &mut repaired);
        if failed.is_empty() && !now_failed.is_empty() {
            // Repairs in place do not wait for options that cannot move.
            return self.attempt(text, barred, times, &now_failed);
        }
        repaired
    }

    const fn planner<'o>(&'o self, object: &'o Object<'o>, index: usize, failed: &'o Failed) -> Planner<'o> {
        Planner { policy: self.policy, today: self.today, scope: self.scope, object, index, failed }
    }
}

/// Returns true for what is a document or an item of a List, and no further word of the object that
/// follows: those come only with objects that are read.
pub(super) const fn is_part(item: &Item<'_>) -> bool {
    !item.is_beside()
}

/// The subjects whose options cannot move, each with the obstacle.
type Failed = HashMap<(usize, usize), RewriteRefusal>;

/// Carries out what the objects of a text wish, as far as that can be. Returns the subjects of which
/// nothing changes although options of theirs were to move.
fn carry_out(
    text: &str,
    lines: &Lines<'_>,
    objects: &[Intended],
    wishes: Wishes,
    repaired: &mut Repaired,
) -> Failed {
    let (granted, refused) = wishes.settle();
    let moves = |(object, part): (usize, usize)| {
        objects.get(object).is_some_and(|object| object.moves().any(|moving| moving == part))
    };
    let mut failures = Failed::new();
    let mut fail = |wish: &Wish, refusal: RewriteRefusal| {
        if moves(wish.subject()) {
            failures.insert(wish.subject(), refusal);
        }
    };
    for (wish, refusal) in &refused {
        fail(wish, *refusal);
    }
    let stuck = |wish: &Wish, refusal: RewriteRefusal| {
        let (object, part) = wish.subject();
        let title = objects.get(object).and_then(|object| object.titles.get(part));
        let title = title.map_or("an object", String::as_str);
        Stuck { at: wish.at, what: format!("{title} is left as it is"), refusal }
    };
    repaired.refused.extend(refused.iter().map(|(wish, _)| wish.object));
    repaired.refusals.extend(refused.iter().map(|(wish, refusal)| stuck(wish, *refusal)));
    if granted.is_empty() {
        return failures;
    }
    let carrying_out = CarryingOut { text, objects, lines };
    let (done, failed) = carrying_out.all(granted);
    for wish in &failed {
        fail(wish, RewriteRefusal::Misread);
    }
    repaired.refused.extend(failed.iter().map(|wish| wish.object));
    repaired.refusals.extend(failed.iter().map(|wish| stuck(wish, RewriteRefusal::Misread)));
    repaired.refusals.sort_by_key(|stuck| stuck.at);
    let codes = |(object, part): (usize, usize)| {
        let changed = objects.get(object)?.changed.iter().find(|(of_part, _)| *of_part == part);
        changed.map(|(_, changed)| changed.codes.clone())
    };
    let subjects = done.iter().map(Wish::subject);
    repaired.subjects = subjects.map(|subject| (subject, codes(subject).unwrap_or_default())).collect();
    repaired.changed = carrying_out.changed(&done);
    repaired.text = carrying_out.apply(&done).ok().filter(|_| !done.is_empty());
    if repaired.text.is_some() {
        repaired.applied = Shift::of(replacements(&done));
    }
    failures
}

#[cfg(test)]
mod tests;
