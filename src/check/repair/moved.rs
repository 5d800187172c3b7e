//! Places that go away because their options move to the list.

use crate::engine::fix::Traced;
use crate::site::Place;
use crate::source::object::{Layout, Object};
use crate::source::rewrite::{self, Plan, RewriteRefusal};
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// The plan that gives the one field that moves the name of the list, where that is
/// enough.
pub(super) fn renamed<'o>(
    subject: &Subject<'_>,
    moved: &[Place],
    fixed: &Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Option<Result<Plan, RewriteRefusal>> {
    let ([place], [field]) = (moved, subject.misplaced) else { return None };
    let list = subject.carriers.first().filter(|carrier| carrier.form == Form::List)?;
    let new: Vec<&str> = fixed.elements.first()?.iter().map(|element| &**element).collect();
    let layout = layout.get_or_insert_with(|| object.layout());
    rewrite::rename(layout, place, &list.place, &field.texts, &new)
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
/// for them; each with its place and the reason.
pub(super) fn drop_stuck_renamings<'o>(
    fixed: &mut Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Vec<(usize, Place, RewriteRefusal)> {
    let mut stuck = Vec::new();
    fixed.renamed.retain(|renaming| {
        let layout = layout.get_or_insert_with(|| object.layout());
        let plan = rewrite::rename_key(layout, renaming);
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
    renamed: Option<&Result<Plan, RewriteRefusal>>,
    layout: &Layout<'_>,
) -> (Place, Result<Plan, RewriteRefusal>) {
    if let Some(renamed) = renamed {
        return (place.clone(), renamed.clone());
    }
    let Place::Field(path) = place else { return (place.clone(), rewrite::remove(layout, place, moved)) };
    let mut whole = path.as_slice();
    while let Some((_, around)) = whole.split_last()
        && !is_field(subject, around)
        && rewrite::is_alone(layout, whole)
    {
        whole = around;
    }
    let whole = Place::Field(whole.to_vec());
    // Comments in the mapping speak of what moves: they go with it, and are named.
    let plan = if whole == *place {
        rewrite::remove(layout, place, moved)
    } else {
        rewrite::remove_with_comments(layout, &whole, moved)
    };
    (whole, plan)
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
