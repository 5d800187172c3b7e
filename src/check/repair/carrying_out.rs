//! Carries out the wishes of the objects of a text, as long as nothing else changes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};

use serde_json::{Map, Value};

use super::change::Changed;
use super::is_part;
use super::planner::Intended;
use super::wish::Wish;
use crate::source::rewrite::{self, Replacement, RewriteRefusal};
use crate::source::text::Lines;
use crate::source::{Item, is_unread_field, visit_each};

/// A text, and what its objects shall become.
pub(super) struct CarryingOut<'c> {
    pub(super) text: &'c str,
    pub(super) objects: &'c [Intended],
    pub(super) lines: &'c Lines<'c>,
}

impl CarryingOut<'_> {
    /// Carries wishes out and reads the new text again. Where it does not mean
    /// what it should, those that spoil it are found by halves and left out: the
    /// second list.
    pub(super) fn all(&self, wishes: Vec<Wish>) -> (Vec<Wish>, Vec<Wish>) {
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

    /// Returns the changes of the subjects whose wishes are done.
    pub(super) fn changed(&self, done: &[Wish]) -> Vec<Changed> {
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
            Some(changed.clone().without_comments(self.text, replacements))
        })
        .collect()
    }

    pub(super) fn apply(&self, wishes: &[Wish]) -> Result<String, RewriteRefusal> {
        rewrite::apply(self.text, replacements(wishes))
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

/// Returns the replacements of wishes.
pub(super) fn replacements(wishes: &[Wish]) -> Vec<&Replacement> {
    // The same change requested twice, through an alias, is one.
    let mut seen = HashSet::new();
    let once =
        wishes.iter().filter(|wish| !wish.is_shared() || seen.insert((wish.document, &wish.plan.steps)));
    once.flat_map(|wish| &wish.plan.steps).map(|step| &step.replacement).collect()
}

/// Returns a hash of each object of a text once `alter` has changed it: the values of a large text
/// would take too much memory.
pub(super) fn meanings(text: &str, lines: &Lines<'_>, alter: &dyn Fn(usize, &mut Value)) -> Vec<Option<u64>> {
    let mut meanings = Vec::new();
    let mut count = 0;
    // An anchor changes with its aliases, also where nothing reads it.
    let has_aliases = text.contains('*');
    visit_each(text, lines, &mut |item| {
        let Item::Object(object) = item else {
            if is_part(&item) {
                meanings.push(None);
            }
            return;
        };
        let mut value = object.value();
        if let Some(value) = &mut value {
            alter(count, value);
            if has_aliases {
                drop_unread(value);
            }
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

/// Takes the fields out of an object that nothing reads.
fn drop_unread(object: &mut Value) {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|field, _| !is_unread_field(&kind, field));
    }
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
