//! Places that go away because their options move to the list.

use crate::engine::fix::Traced;
use crate::site::Place;
use crate::source::object::{Layout, Object};
use crate::source::rewrite::{self, Plan, Relocation, RewriteRefusal};
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// The place that goes away when its list moves, and the plan for it.
pub(in crate::check) type Moved = (Place, Result<Plan, RewriteRefusal>);

/// A list that moves with its style and its comments: in its place it gets the name under which it is
/// read, or its text moves there.
pub(in crate::check) struct Carried {
    /// The place of the list.
    place: Place,
    /// The place that goes away with it, and the plan for both.
    moved: Moved,
    /// The elements of the list then: first those that it had itself.
    pub(in crate::check) elements: Vec<String>,
}

impl Carried {
    /// Returns the plan.
    pub(in crate::check) fn into_plan(self) -> Result<Plan, RewriteRefusal> {
        self.moved.1
    }
}

/// Returns the list among the places that move which becomes the one that is read; what stands at the
/// others is added to it.
pub(super) fn carried<'o>(
    subject: &Subject<'_>,
    moved: &[Place],
    fixed: &Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Option<Carried> {
    let is_field = |place: &&Place| texts_at(subject, place).is_some();
    moved.iter().find(is_field)?;
    carried_list(subject, moved, fixed, layout.get_or_insert_with(|| object.layout()))
}

/// Returns the texts of a misplaced field.
fn texts_at<'m>(subject: &Subject<'m>, place: &Place) -> Option<&'m [String]> {
    let Place::Field(path) = place else { return None };
    let field = subject.misplaced.iter().find(|field| field.path == *path)?;
    Some(&field.texts)
}

/// Returns what [`carried`] returns, with the layout of the object.
pub(in crate::check) fn carried_list(
    subject: &Subject<'_>,
    moved: &[Place],
    fixed: &Traced<'_>,
    layout: &Layout<'_>,
) -> Option<Carried> {
    let list = subject.carriers.first().filter(|carrier| carrier.form == Form::List)?;
    let new: Vec<&str> = fixed.elements.first()?.iter().map(|element| &**element).collect();
    let mut ways = Vec::new();
    for (place, texts) in moved.iter().filter_map(|place| Some((place, texts_at(subject, place)?))) {
        let new = rewrite::with_own_first(texts, &new);
        if let Some(plan) = rewrite::rename(layout, place, &list.place, texts, &new) {
            ways.push((place, place.clone(), new, plan));
        }
    }
    // The list that stays where it is keeps most of its text.
    let others = if ways.is_empty() { moved } else { &[] };
    for (place, texts) in others.iter().filter_map(|place| Some((place, texts_at(subject, place)?))) {
        let Some(whole) = whole(subject, place, layout).filter(|whole| whole != place) else { continue };
        let new = rewrite::with_own_first(texts, &new);
        let relocation = Relocation { from: place, whole: &whole, to: &list.place, old: texts, new: &new };
        if let Some(plan) = rewrite::relocate(layout, relocation) {
            ways.push((place, whole, new, plan));
        }
    }
    let best = ways.iter().position(|(.., plan)| plan.is_ok()).unwrap_or_default();
    let (place, whole, new, plan) = ways.into_iter().nth(best)?;
    let elements = new.into_iter().map(str::to_owned).collect();
    Some(Carried { place: place.clone(), moved: (whole, plan), elements })
}

/// Returns the places that shall go away and cannot, each with the reason: the rest of the
/// repair does not wait for them.
pub(super) fn stuck<'o>(
    subject: &Subject<'_>,
    fixed: &Traced<'_>,
    layout: &mut Option<Layout<'o>>,
    object: &'o Object<'_>,
) -> Vec<(Place, RewriteRefusal)> {
    let moved = &fixed.emptied;
    let carried = carried(subject, moved, fixed, layout, object);
    let mut stuck = Vec::new();
    for place in moved {
        let layout = layout.get_or_insert_with(|| object.layout());
        if let (_, Err(refusal)) = removal_plan(subject, place, moved, carried.as_ref(), layout) {
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

/// Returns the place that goes away with `place`, and the plan for it: the mapping around it too, where
/// it holds nothing else and no object has such a field.
pub(in crate::check) fn removal_plan(
    subject: &Subject<'_>,
    place: &Place,
    moved: &[Place],
    carried: Option<&Carried>,
    layout: &Layout<'_>,
) -> Moved {
    if let Some(carried) = carried.filter(|carried| carried.place == *place) {
        return carried.moved.clone();
    }
    let whole = whole(subject, place, layout).unwrap_or_else(|| place.clone());
    // A field that only gets another name stays in its mapping.
    let stays = |place: &Place| carried.is_some_and(|carried| carried.moved.0 == *place);
    let gone: Vec<Place> = moved.iter().filter(|place| !stays(place)).cloned().collect();
    // A comment in the mapping speaks of what moves.
    let plan = rewrite::remove(layout, &whole, &gone);
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
