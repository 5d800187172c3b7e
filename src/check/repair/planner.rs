//! Plans the changes of one object.

use serde_json::Value;
use time::Date;

use super::Failed;
use super::change::{self, Changed};
use super::immutable;
use super::moved::{Carried, carried, drop_stuck_renamings, removal_plan, stuck};
use super::stuck::Stuck;
use super::wish::Wishes;
use crate::engine::fix::{Scope, Traced, fix_traced, fix_traced_keeping};
use crate::policy::Policy;
use crate::site::Place;
use crate::source::object::{Layout, Object};
use crate::source::rewrite::{self, Change, RewriteRefusal};
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// One object of a text, as far as it is to change.
#[derive(Default)]
pub(super) struct Intended {
    /// Its parts, as messages name them.
    pub(super) titles: Vec<String>,
    /// The wanted values: the index of a part, and one of its places that changes, without a value
    /// where the field goes away.
    pub(super) values: Vec<(usize, Place, Option<Value>)>,
    /// The index of a part, and what becomes of it.
    pub(super) changed: Vec<(usize, Changed)>,
}

impl Intended {
    /// Returns the parts of which options move, by their index.
    pub(super) fn moves(&self) -> impl Iterator<Item = usize> {
        self.values.iter().filter(|(.., new)| new.is_none()).map(|(part, ..)| *part)
    }
}

/// Plans what an object shall become.
pub(super) struct Planner<'o> {
    pub(super) policy: &'o Policy,
    pub(super) today: Date,
    pub(super) scope: Scope,
    pub(super) object: &'o Object<'o>,
    /// Index of the object.
    pub(super) index: usize,
    /// The subjects of the text whose options do not move.
    pub(super) failed: &'o Failed,
}

impl<'o> Planner<'o> {
    /// Plans all parts of the object; adds the places that should change and cannot to `refusals`.
    pub(super) fn plan(&self, intended: &mut Intended, wishes: &mut Wishes, refusals: &mut Vec<Stuck>) {
        // Most objects need no change, and the layout of a JSON one reads its text once more.
        let mut layout = None;
        for (part, found) in self.object.parts.iter().enumerate() {
            let subject = found.subject(self.object, self.policy);
            intended.titles.push(title(&subject, self.object.name()));
            let fixed = self.fixed(part, &subject, &mut layout, refusals);
            self.plan_part(part, &subject, &fixed, &mut layout, intended, wishes);
        }
    }

    /// Returns the repair of a part, but for what stands at places that cannot go away or be renamed.
    fn fixed<'s>(
        &self,
        part: usize,
        subject: &Subject<'s>,
        layout: &mut Option<Layout<'o>>,
        refusals: &mut Vec<Stuck>,
    ) -> Traced<'s> {
        let title = || title(subject, self.object.name());
        let mut fixed = fix_traced(self.policy, subject, self.today, self.scope);
        let failure = self.failed.get(&(self.index, part)).copied();
        let stuck = match failure {
            Some(refusal) => fixed.emptied.iter().map(|place| (place.clone(), refusal)).collect(),
            None => stuck(subject, &fixed, layout, self.object),
        };
        if !stuck.is_empty() {
            let kept: Vec<Place> = stuck.iter().map(|(place, _)| place.clone()).collect();
            // The fixes that depend on the move must not be carried out without it.
            fixed = fix_traced_keeping(self.policy, subject, self.today, self.scope, &kept);
            let layout = layout.get_or_insert_with(|| self.object.layout());
            refusals.extend(stuck.into_iter().map(|(place, refusal)| {
                let what = format!("{}: {} stays where it is", title(), place.field(None));
                Stuck { at: layout.start(&place), what, refusal }
            }));
        }
        let kept = drop_stuck_renamings(&mut fixed, failure, layout, self.object);
        let keeps = |(at, place, refusal): (usize, Place, _)| {
            let what = match place {
                Place::Field(_) => format!("{}: {} stays where it is", title(), place.field(None)),
                _ => format!("{}: a key keeps its name", title()),
            };
            Stuck { at, what, refusal }
        };
        refusals.extend(kept.into_iter().map(keeps));
        fixed
    }

    fn plan_part(
        &self,
        part: usize,
        subject: &Subject<'_>,
        fixed: &Traced<'_>,
        layout: &mut Option<Layout<'o>>,
        intended: &mut Intended,
        wishes: &mut Wishes,
    ) {
        let (object, at) = (self.object, (self.index, part));
        let moved = &fixed.emptied;
        let carried = carried(subject, moved, fixed, layout, object);
        for place in moved {
            let layout = layout.get_or_insert_with(|| object.layout());
            // An option that cannot be moved is not copied either: the subject stays as it is.
            let (whole, plan) = removal_plan(subject, place, moved, carried.as_ref(), layout);
            if plan.is_ok() {
                intended.values.push((part, whole, None));
            }
            wishes.remove(at, layout, place, plan);
        }
        for renaming in &fixed.renamed {
            let layout = layout.get_or_insert_with(|| object.layout());
            let plan = rewrite::rename_key(layout, renaming);
            intended.values.push((part, renaming.from.clone(), None));
            let new = Value::from(renaming.new.as_str());
            intended.values.push((part, renaming.to.clone(), Some(new)));
            wishes.remove(at, layout, &renaming.from, plan);
        }
        let words = change::words(subject, moved, fixed);
        if !words.is_empty() {
            let is_immutable = immutable::is_any(subject, moved, fixed);
            let (title, codes) = (title(subject, object.name()), fixed.codes.iter().copied().collect());
            let changed = Changed { at: object.span.start, title, codes, words, is_immutable };
            intended.changed.push((part, changed));
        }
        let values = wish(self, part, subject, fixed, (moved, carried.as_ref()), layout, wishes);
        intended.values.extend(values.into_iter().map(|(place, new)| (part, place, Some(new))));
    }
}

/// Returns `Kind/name`, with its namespace and the path of its inline volume where it has them.
fn title(subject: &Subject<'_>, name: &str) -> String {
    let object = subject.kind.name_object(subject.namespace, name);
    match subject.volume {
        Some(volume) => format!("{object} {volume}"),
        None => object,
    }
}

/// Notes the changes of carriers that a part of an object requests, and returns their values.
fn wish<'o>(
    planner: &Planner<'o>,
    part: usize,
    subject: &Subject<'_>,
    fixed: &Traced<'_>,
    (moved, carried): (&[Place], Option<&Carried>),
    layout: &mut Option<Layout<'o>>,
    wishes: &mut Wishes,
) -> Vec<(Place, Value)> {
    let mut values = Vec::new();
    let carriers = subject.carriers.iter().zip(fixed.elements.iter().zip(&fixed.origins)).enumerate();
    for (carrier_index, (carrier, (elements, origins))) in carriers {
        let new: Vec<&str> = elements.iter().map(|element| &**element).collect();
        let is_renamed = fixed.renamed.iter().any(|renaming| renaming.from == carrier.place);
        if new == carrier.elements || moved.contains(&carrier.place) || is_renamed {
            continue;
        }
        // The list that is carried along is the first carrier.
        if let Some(carried) = carried.filter(|_| carrier_index == 0) {
            values.push((carrier.place.clone(), Value::from(carried.elements.clone())));
            continue;
        }
        let value = match carrier.form {
            Form::List => Value::from(new.clone()),
            _ => Value::from(new.first().copied().unwrap_or_default()),
        };
        values.push((carrier.place.clone(), value));
        let layout = layout.get_or_insert_with(|| planner.object.layout());
        if carrier_index == 0 && subject.would_empty_list(&fixed.elements) {
            let at = (planner.index, part, carrier_index);
            wishes.refuse(at, layout, &carrier.place, RewriteRefusal::NothingLeft);
            continue;
        }
        let change = Change { place: &carrier.place, old: &carrier.elements, new: &new, origins };
        wishes.add((planner.index, part, carrier_index), layout, change);
    }
    values
}
