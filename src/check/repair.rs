//! Repairs the options in a text, and makes sure that nothing else changed.

mod change;
mod form;
mod immutable;
mod moved;
mod planner;
mod removal;
mod wish;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use serde_json::{Map, Value};
use time::Date;

use crate::engine::fix::Scope;
use crate::finding::Code;
use crate::policy::Policy;
use crate::source::object::Object;
use crate::source::rewrite::{self, RewriteRefusal};
use crate::source::text::Lines;
use crate::source::{Item, Problem, visit_each};
pub use change::Changed;
pub(super) use change::{Step, steps};
pub(super) use immutable::{is_immutable, writes_immutable};
pub(super) use moved::removal_plan;
use planner::{Intended, Planner};
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
    pub refusals: Vec<Problem>,
    /// The parts that cannot be read, and stay as they are.
    pub unread: Vec<Problem>,
    /// The subjects that change, in their order.
    pub changed: Vec<Changed>,
    /// The subjects that change: each by the index of its object and of its part, with the rules of
    /// which nothing is left that could be fixed.
    pub subjects: RepairedSubjects,
    /// The text to which places refer, where it is not the old one: what could not be
    /// read is written again in it.
    pub read: Option<String>,
    /// The objects that could not be read before.
    pub remedied: HashSet<usize>,
    /// The objects of which something is left as it is.
    pub refused: HashSet<usize>,
    /// The line on which each object begins, with the name of its first part.
    pub titles: Vec<(usize, String)>,
}

/// Repairs the objects of a text. Those that `wants` declines stay as they are,
/// and so does what cannot be read or be changed.
pub fn repair(
    policy: &Policy,
    today: Date,
    scope: Scope,
    text: &str,
    wants: &dyn Fn(&Object<'_>) -> bool,
) -> Repaired {
    repair_text(policy, today, scope, text, wants, 0)
}

/// Most times that a text is read because what could not be read was written again.
// Each one reads the whole text again.
const MOST_REMEDIES: usize = 64;

fn repair_text(
    policy: &Policy,
    today: Date,
    scope: Scope,
    text: &str,
    wants: &dyn Fn(&Object<'_>) -> bool,
    times: usize,
) -> Repaired {
    let lines = Lines::new(text);
    let mut repaired = Repaired::default();
    let mut objects: Vec<Intended> = Vec::new();
    let mut wishes = Wishes::default();
    visit_each(text, &lines, &mut |item| match item {
        Item::Unreadable(problem) => repaired.unread.push(problem),
        Item::Skipped(_) | Item::Unjudged(_) | Item::Beside(_) | Item::Pod(_) | Item::Claim(_) => {}
        Item::Object(object) => {
            let mut intended = Intended::default();
            if wants(&object) {
                let planner =
                    Planner { policy, today, scope, lines: &lines, object: &object, index: objects.len() };
                planner.plan(&mut intended, &mut wishes, &mut repaired.refusals);
            }
            let line = lines.position(object.span.start).line;
            repaired.titles.extend(intended.titles.first().map(|title| (line, title.clone())));
            objects.push(intended);
        }
    });
    for problem in &mut repaired.unread {
        problem.remedy.take_if(|remedy| !form::is_plainly_written(text, remedy));
    }
    if times < MOST_REMEDIES
        && let Some((new, remedied)) = form::remedied(text, &lines, &repaired.unread)
    {
        let again = repair_text(policy, today, scope, &new, wants, times + 1);
        // An object that is read only in part, or that cannot be repaired wholly, stays as it was
        // written.
        let left = repaired.unread.iter().filter(|problem| problem.remedy.is_none()).count();
        if again.unread.len() == left && again.refused.is_empty() {
            let changed = again.subjects.keys().map(|(object, _)| *object);
            let objects =
                changed.chain(again.remedied.iter().copied()).chain(remedied).collect::<HashSet<_>>();
            let new_text = again.text.clone().or_else(|| Some(new.clone()));
            let read = again.read.clone().or(Some(new));
            let mut repaired_again =
                Repaired { text: new_text, read, objects: objects.len(), remedied: objects, ..again };
            form::announce(&mut repaired_again, text, &repaired.unread);
            return repaired_again;
        }
        if again.read.is_none() {
            form::name_other_faults(&mut repaired.unread, again.unread);
        }
    }
    let (granted, refused) = wishes.settle();
    let message = |wish: &Wish, refusal: RewriteRefusal| {
        let (object, part) = wish.subject();
        let title = objects.get(object).and_then(|object| object.titles.get(part));
        let title = title.map_or("an object", String::as_str);
        Problem::at(wish.at, format!("{title} is left as it is: {}", refusal.message(&lines)))
    };
    repaired.refused.extend(refused.iter().map(|(wish, _)| wish.object));
    repaired.refusals.extend(refused.iter().map(|(wish, refusal)| message(wish, *refusal)));
    if granted.is_empty() {
        return repaired;
    }
    let carrying_out = CarryingOut { text, objects: &objects, lines: &lines };
    let (done, failed) = carrying_out.all(granted);
    repaired.refused.extend(failed.iter().map(|wish| wish.object));
    repaired.refusals.extend(failed.iter().map(|wish| message(wish, RewriteRefusal::Misread)));
    repaired.refusals.sort_by_key(|problem| problem.offset);
    let codes = |(object, part): (usize, usize)| {
        let changed = objects.get(object)?.changed.iter().find(|(of_part, _)| *of_part == part);
        changed.map(|(_, changed)| changed.codes.clone())
    };
    let subjects = done.iter().map(Wish::subject);
    let subjects = subjects.map(|subject| (subject, codes(subject).unwrap_or_default())).collect();
    repaired.changed = carrying_out.changed(&done);
    repaired.objects = done.iter().map(|wish| wish.object).collect::<HashSet<_>>().len();
    repaired.text = carrying_out.apply(&done).ok().filter(|_| !done.is_empty());
    repaired.subjects = subjects;
    repaired
}

/// A text, and what its objects shall become.
struct CarryingOut<'c> {
    text: &'c str,
    objects: &'c [Intended],
    lines: &'c Lines<'c>,
}

impl CarryingOut<'_> {
    /// Carries wishes out and reads the new text again. Where it does not mean
    /// what it should, those that spoil it are found by halves and left out: the
    /// second list.
    fn all(&self, wishes: Vec<Wish>) -> (Vec<Wish>, Vec<Wish>) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut open = vec![wishes];
        while let Some(mut next) = open.pop() {
            let count = done.len();
            done.append(&mut next);
            if self.means_what_it_should(&done) {
                continue;
            }
            let mut tried = done.split_off(count);
            // Halves until the wish that spoils the text is alone: the others are carried out.
            let middle = tried.get(tried.len() / 2).map(Wish::subject);
            let first = tried.first().map(Wish::subject);
            // The wishes of one subject stay together: its carriers are one list for the mount.
            let half = match middle {
                Some(middle) if Some(middle) != first => {
                    tried.partition_point(|wish| wish.subject() < middle)
                }
                _ => tried.partition_point(|wish| Some(wish.subject()) == first),
            };
            let rest = tried.split_off(half);
            if rest.is_empty() {
                failed.append(&mut tried);
            } else {
                open.extend([rest, tried]);
            }
        }
        (done, failed)
    }

    /// The changes of the subjects whose wishes are done.
    fn changed(&self, done: &[Wish]) -> Vec<Changed> {
        let mut wishes: HashMap<(usize, usize), Vec<&Wish>> = HashMap::new();
        for wish in done {
            wishes.entry(wish.subject()).or_default().push(wish);
        }
        let intended = self.objects.iter().enumerate();
        let all = intended.flat_map(|(object, intended)| {
            intended.changed.iter().map(move |(part, changed)| ((object, *part), changed))
        });
        all.filter_map(|(subject, changed)| {
            let steps = wishes.get(&subject)?.iter().flat_map(|wish| &wish.plan.steps);
            let replacements = steps.map(|step| &step.replacement);
            Some(changed.clone().without_comments(self.text, self.lines, replacements))
        })
        .collect()
    }

    fn apply(&self, wishes: &[Wish]) -> Result<String, RewriteRefusal> {
        // The same change asked for twice, through an alias, is one.
        let mut seen = HashSet::new();
        let once =
            wishes.iter().filter(|wish| !wish.is_shared() || seen.insert((wish.document, &wish.plan.steps)));
        let steps = once.flat_map(|wish| &wish.plan.steps);
        rewrite::apply(self.text, steps.map(|step| &step.replacement).collect())
    }

    fn means_what_it_should(&self, wishes: &[Wish]) -> bool {
        let asking: HashSet<(usize, usize)> = wishes.iter().map(Wish::subject).collect();
        let alter = |object: usize, value: &mut Value| {
            let values = self.objects.get(object).map(|object| &object.values).into_iter().flatten();
            for (_, place, new) in values.filter(|(part, ..)| asking.contains(&(object, *part))) {
                match new {
                    Some(new) => set(value, &place.path(), new),
                    None => unset(value, &place.path()),
                }
            }
        };
        // The text is read again: a repair that changes anything but what it should is not done.
        self.apply(wishes).is_ok_and(|new| {
            let found = meanings(&new, &Lines::new(&new), &|_, _| {});
            meanings(self.text, self.lines, &alter) == found
        })
    }
}

/// Returns a hash of each object of a text once `alter` has changed it: the values of a large text
/// would take too much memory.
fn meanings(text: &str, lines: &Lines<'_>, alter: &dyn Fn(usize, &mut Value)) -> Vec<Option<u64>> {
    let mut meanings = Vec::new();
    let mut count = 0;
    visit_each(text, lines, &mut |item| {
        let Item::Object(object) = item else {
            meanings.push(None);
            return;
        };
        let mut value = object.value();
        if let Some(value) = &mut value {
            alter(count, value);
        }
        count += 1;
        meanings.push(value.map(|value| {
            let mut hasher = fnv::FnvHasher::default();
            value.hash(&mut hasher);
            hasher.finish()
        }));
    });
    meanings
}

fn unset(object: &mut Value, path: &[Cow<'_, str>]) {
    match (object, path) {
        (Value::Object(map), [last]) => {
            map.remove(last.as_ref());
        }
        (Value::Object(map), [step, rest @ ..]) => {
            if let Some(next) = map.get_mut(step.as_ref()) {
                unset(next, rest);
            }
        }
        (Value::Array(items), [step, rest @ ..]) => {
            if let Some(next) = step.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                unset(next, rest);
            }
        }
        _ => {}
    }
}

fn set(object: &mut Value, path: &[Cow<'_, str>], new: &Value) {
    let Some((step, rest)) = path.split_first() else {
        *object = new.clone();
        return;
    };
    let next = match object {
        Value::Object(map) => Some(map.entry(step.as_ref()).or_insert_with(|| Value::Object(Map::new()))),
        Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get_mut(index)),
        _ => None,
    };
    if let Some(next) = next {
        set(next, rest, new);
    }
}

#[cfg(test)]
mod tests;
