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
    let plan = |place: &Place, layout: &Layout<'_>| {
        renamed.clone().unwrap_or_else(|| rewrite::remove(layout, place, moved))
    };
    let mut stuck = Vec::new();
    for place in moved {
        let layout = layout.get_or_insert_with(|| object.layout());
        if let Err(refusal) = plan(place, layout) {
            stuck.push((place.clone(), refusal));
        }
    }
    stuck
}
