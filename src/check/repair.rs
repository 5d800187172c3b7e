//! Repairs the options in a text, and makes sure that nothing else changed.

use std::borrow::Cow;
use std::hash::{Hash as _, Hasher as _};

use serde_json::{Map, Value};
use time::Date;

use crate::engine::fix::{Scope, fix_all};
use crate::policy::Policy;
use crate::site::Place;
use crate::source::object::Object;
use crate::source::rewrite::{self, Change, Refusal, Replacement};
use crate::source::text::Lines;
use crate::source::{Fault, Item, Problem, visit};
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
        // A template counts only where nothing else is wrong.
        Item::Unreadable(problem) => {
            if unreadable.as_ref().is_none_or(|first: &Problem| first.fault == Fault::Template) {
                unreadable = Some(problem);
            }
        }
        Item::Skipped(_) | Item::Unjudged(_) => {}
        Item::Object(object) => {
            let mut intention = Intention::new();
            if wants(&object) {
                let found = object.parts.iter().try_fold(Vec::new(), |mut found, part| {
                    let subject = part.subject(&object, policy);
                    found.extend(object_replacements(
                        policy, today, scope, &subject, &object, &mut intention,
                    )?);
                    Ok(found)
                });
                match found {
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
    let whole = |refusal: Refusal| Problem::whole(format!("is left as it is: {refusal}"));
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
    Problem::at(object.span.start, format!("{}/{} is left as it is: {refusal}", object.kind, object.name()))
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
        Item::Skipped(_) | Item::Unjudged(_) => {}
    });
    meanings
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{As, Check};
    use crate::engine::fix::unchanged;
    use std::path::Path;

    const TODAY: Date = time::macros::date!(2026 - 11 - 24);

    /// Pieces of which texts are made that come close to manifests.
    const PIECES: [&str; 46] = [
        "apiVersion: v1\nkind: PersistentVolume\nspec:\n",
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nprovisioner: nfs.csi.k8s.io\n",
        "{\"kind\":\"StorageClass\",\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"bg\"]}",
        "{\"kind\":\"List\",\"items\":[",
        "  nfs: {server: a, path: /}\n",
        "mountOptions:",
        "  mountOptions: ",
        "  mountOptions:\n  - ",
        "metadata: {annotations: {volume.beta.kubernetes.io/mount-options: ",
        "parameters: {mountOptions: ",
        "bg",
        "hard,bg",
        "soft,hard",
        "timeo=7",
        "\"bg\"",
        "'b''g,bg'",
        "\"\\x62g\\\n  ,\\u00e9\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "- ",
        "\n",
        "\n- ",
        "\n  - ",
        "\r\n",
        "\r",
        "\t",
        " ",
        " # é😀\n",
        ">-\n    ",
        "|+\n  ",
        "\n---\n",
        "\n...\n",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "? ",
        "~",
        "\u{feff}",
        "\u{85}",
        "é",
        "%YAML 1.2\n",
    ];

    fn text() -> impl Strategy<Value = String> {
        let piece =
            prop_oneof![4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,3}"];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// Repairs a text twice, and looks at the findings of both.
    fn stands(text: &str) -> Result<(), TestCaseError> {
        let policy = Policy::default();
        let check = Check { policy: &policy, judged_as: As::Validate, today: TODAY };
        let report = check.bytes(Path::new("t"), "t", text.as_bytes().to_vec(), true);
        for finding in report.subjects.iter().flat_map(|subject| &subject.findings) {
            prop_assert!(finding.line >= 1 && finding.column >= 1);
            prop_assert!(finding.end_column >= finding.column);
        }
        let Ok(repaired) = repair(&policy, TODAY, Scope::FILE, text, &|_| true) else {
            return Ok(());
        };
        if let Some(new) = repaired.text {
            let again = repair(&policy, TODAY, Scope::FILE, &new, &|_| true);
            prop_assert!(again.is_ok_and(|again| again.text.is_none()), "{:?}", new);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_text_panics_and_a_second_repair_changes_nothing(text in text()) {
            stands(&text)?;
        }
    }

    #[test]
    fn every_option_is_found_where_it_stands() {
        let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  annotations:\n    \
                    volume.beta.kubernetes.io/mount-options: 'é,bg'\nspec:\n  mountOptions: [hard, \"soft,bg\"]\n  \
                    nfs: {server: a, path: /}\n";
        let mut found = Vec::new();
        visit(text, &Lines::new(text), &mut |item| {
            let Item::Object(object) = item else { panic!("an object") };
            let subject = Subject::of_kind(object.kind, &object.parts[0].manifest, &[]);
            let layout = object.layout();
            assert_eq!(unchanged(&subject).len(), subject.carriers.len());
            for token in subject.options.tokens() {
                let Some(site) = &token.site else { continue };
                let place = &subject.carriers[site.carrier].place;
                let range = layout.option(place, site.element, &site.range).expect("a place");
                assert_eq!(text.get(range), Some(token.option.text()));
                found.push(token.option.text().to_owned());
            }
        });
        assert_eq!(found, ["hard", "soft", "bg", "é", "bg"]);
    }
}
