//! Places that go away because their options move to the list.

use crate::engine::fix::Traced;
use crate::site::Place;
use crate::source::object::{Layout, Object};
use crate::source::rewrite::{self, Plan, Relocation, RewriteRefusal};
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// The place that goes away when its list moves, and the plan for it.
pub(in crate::check) type Moved = (Place, Result<Plan, RewriteRefusal>);

/// The plan that gives the one field that moves the name of the list, where that is
/// enough, or that moves it with its comments.
pub(super) fn renamed<'o>(
    subject: &Subject<'_>,
    moved: &[Place],
    fixed: &Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Option<Moved> {
    let ([place], [_]) = (moved, subject.misplaced) else { return None };
    let layout = layout.get_or_insert_with(|| object.layout());
    moved_list(subject, place, fixed, layout)
}

/// Moves the list of the only misplaced field, `place`.
pub(in crate::check) fn moved_list(
    subject: &Subject<'_>,
    place: &Place,
    fixed: &Traced<'_>,
    layout: &Layout<'_>,
) -> Option<Moved> {
    let [field] = subject.misplaced else { return None };
    let list = subject.carriers.first().filter(|carrier| carrier.form == Form::List)?;
    let new: Vec<&str> = fixed.elements.first()?.iter().map(|element| &**element).collect();
    if let Some(plan) = rewrite::rename(layout, place, &list.place, &field.texts, &new) {
        return Some((place.clone(), plan));
    }
    let whole = whole(subject, place, layout).filter(|whole| whole != place)?;
    let relocation = Relocation { from: place, whole: &whole, to: &list.place, old: &field.texts, new: &new };
    let plan = rewrite::relocate(layout, relocation)?;
    Some((whole, plan))
}

/// The places that shall go away and cannot, each with the reason: the rest of the
/// repair does not wait for them.
pub(super) fn stuck<'o>(
    subject: &Subject<'_>,
    fixed: &Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Vec<(Place, RewriteRefusal)> {
    let moved = &fixed.emptied;
    let renamed = renamed(subject, moved, fixed, layout, object);
    let mut stuck = Vec::new();
    for place in moved {
        let layout = layout.get_or_insert_with(|| object.layout());
        if let (_, Err(refusal)) = removal_plan(subject, place, moved, renamed.as_ref(), layout) {
            stuck.push((place.clone(), refusal));
        }
    }
    stuck
}

/// Takes out the renamings that cannot be carried out, so that the rest of the repair does not wait
/// for them; each with its place and the reason. With a `failure` that is all of them.
pub(super) fn drop_stuck_renamings<'o>(
    fixed: &mut Traced<'_>,
    failure: Option<RewriteRefusal>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Vec<(usize, Place, RewriteRefusal)> {
    let mut stuck = Vec::new();
    fixed.renamed.retain(|renaming| {
        let layout = layout.get_or_insert_with(|| object.layout());
        let plan = failure.map_or_else(|| rewrite::rename_key(layout, renaming), Err);
        let from = &renaming.from;
        stuck.extend(plan.as_ref().err().map(|refusal| (layout.start(from), from.clone(), *refusal)));
        plan.is_ok()
    });
    stuck
}

/// The place that goes away with `place`, and the plan for it: the mapping around it too, where it
/// holds nothing else and no object has such a field.
pub(in crate::check) fn removal_plan(
    subject: &Subject<'_>,
    place: &Place,
    moved: &[Place],
    renamed: Option<&Moved>,
    layout: &Layout<'_>,
) -> Moved {
    if let Some(renamed) = renamed {
        return renamed.clone();
    }
    let whole = whole(subject, place, layout).unwrap_or_else(|| place.clone());
    // A comment in the mapping speaks of what moves.
    let plan = rewrite::remove(layout, &whole, moved);
    (whole, plan)
}

/// Returns the outermost mapping that holds nothing but the field `place` and that no object has; the
/// field itself where there is none.
fn whole(subject: &Subject<'_>, place: &Place, layout: &Layout<'_>) -> Option<Place> {
    let Place::Field(path) = place else { return None };
    let mut whole = path.as_slice();
    while let Some((_, around)) = whole.split_last()
        && !is_field(subject, around)
        && rewrite::is_alone(layout, whole)
    {
        whole = around;
    }
    Some(Place::Field(whole.to_vec()))
}

/// Returns true if objects have such a mapping, also an empty one.
fn is_field(subject: &Subject<'_>, path: &[String]) -> bool {
    const FIELDS: [&[&str]; 4] = [
        &["metadata", "annotations"],
        &["parameters"],
        &["spec", "csi", "volumeAttributes"],
        &["spec", "flexVolume", "options"],
    ];
    // The list comes into one of these.
    let holds_list = subject.kind.row().list.iter().take(path.len()).eq(path.iter());
    holds_list || FIELDS.iter().any(|field| path.iter().eq(field.iter()))
}
