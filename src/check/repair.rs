//! Repairs the options in a text, and makes sure that nothing else changed.

use std::hash::{Hash as _, Hasher as _};

use serde_json::{Map, Value};
use time::Date;

use crate::engine::fix::{Scope, fix_all};
use crate::policy::Policy;
use crate::site::Place;
use crate::source::object::Object;
use crate::source::rewrite::{self, Change, Refusal, Replacement};
use crate::source::text::Lines;
use crate::source::{Item, Problem, visit};
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// What was done to a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// The new text; `None` where nothing changes.
    pub text: Option<String>,
    /// Objects that change.
    pub objects: usize,
    /// Places that should change and cannot.
    pub refusals: Vec<Problem>,
}

/// What an object shall become: one entry a place that changes.
type Intention = Vec<(Place, Value)>;

/// Repairs the objects of a text. Those that `wants` declines stay as they are.
///
/// # Errors
///
/// What cannot be read, and then nothing is changed; or, without a place, why
/// the whole text cannot be changed.
pub fn repair(
    policy: &Policy,
    today: Date,
    scope: Scope,
    text: &str,
    wants: &dyn Fn(&Object<'_>) -> bool,
) -> Result<Repaired, Problem> {
    let lines = Lines::new(text);
    let mut repaired = Repaired::default();
    let mut intentions: Vec<Intention> = Vec::new();
    let mut replacements: Vec<Replacement> = Vec::new();
    let mut unreadable = None;
    visit(text, &lines, &mut |item| match item {
        Item::Unreadable(problem) => {
            unreadable.get_or_insert(problem);
        }
        Item::Skipped(_) => {}
        Item::Object(object) => {
            let mut intention = Intention::new();
            if wants(&object) {
                let subject = Subject::of_kind(object.kind, &object.manifest, policy.drivers());
                match object_replacements(policy, today, scope, &subject, &object, &mut intention) {
                    Ok(found) => replacements.extend(found),
                    Err(refusal) => {
                        intention.clear();
                        repaired.refusals.push(refused(&object, refusal));
                    }
                }
            }
            intentions.push(intention);
        }
    });
    if let Some(problem) = unreadable {
        return Err(problem);
    }
    if replacements.is_empty() {
        return Ok(repaired);
    }
    let whole = |refusal: Refusal| Problem { offset: None, message: format!("is left as it is: {refusal}") };
    let new = rewrite::apply(text, replacements).map_err(whole)?;
    if meanings(text, &lines, &intentions) != meanings(&new, &Lines::new(&new), &[]) {
        return Err(whole(Refusal::Misread));
    }
    repaired.objects = intentions.iter().filter(|intention| !intention.is_empty()).count();
    repaired.text = Some(new);
    Ok(repaired)
}

fn object_replacements(
    policy: &Policy,
    today: Date,
    scope: Scope,
    subject: &Subject<'_>,
    object: &Object<'_>,
    intention: &mut Intention,
) -> Result<Vec<Replacement>, Refusal> {
    let fixed = fix_all(policy, subject, today, scope);
    let mut replacements = Vec::new();
    let mut layout = None;
    for (carrier, elements) in subject.carriers.iter().zip(&fixed) {
        let new: Vec<&str> = elements.iter().map(|element| &**element).collect();
        if new == carrier.elements {
            continue;
        }
        let layout = layout.get_or_insert_with(|| object.layout());
        let change = Change { place: &carrier.place, old: &carrier.elements, new: &new };
        replacements.extend(rewrite::rewrite(layout, change)?);
        let value = match carrier.form {
            Form::List => Value::from(new),
            _ => Value::from(new.first().copied().unwrap_or_default()),
        };
        intention.push((carrier.place.clone(), value));
    }
    Ok(replacements)
}

fn refused(object: &Object<'_>, refusal: Refusal) -> Problem {
    let name = object.manifest.metadata.as_ref().and_then(|metadata| metadata.name.as_deref());
    Problem::at(
        object.span.start,
        format!("{}/{} is left as it is: {refusal}", object.kind, name.unwrap_or_default()),
    )
}

/// What the objects of a text say, after what they shall become: one number an
/// object, for a large text is not to be held in memory as values.
fn meanings(text: &str, lines: &Lines<'_>, intentions: &[Intention]) -> Vec<Option<u64>> {
    let mut meanings = Vec::new();
    visit(text, lines, &mut |item| match item {
        Item::Object(object) => {
            let mut value = object.value();
            for (place, new) in intentions.get(meanings.len()).into_iter().flatten() {
                if let Some(value) = &mut value {
                    set(value, &place.path(), new);
                }
            }
            meanings.push(value.map(|value| {
                let mut hasher = fnv::FnvHasher::default();
                value.hash(&mut hasher);
                hasher.finish()
            }));
        }
        Item::Unreadable(_) => meanings.push(None),
        Item::Skipped(_) => {}
    });
    meanings
}

fn set(object: &mut Value, path: &[&str], new: &Value) {
    let Some((step, rest)) = path.split_first() else {
        *object = new.clone();
        return;
    };
    if let Value::Object(map) = object {
        let next = map.entry(*step).or_insert_with(|| Value::Object(Map::new()));
        set(next, rest, new);
    }
}
