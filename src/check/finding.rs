//! Places the findings of an object in its text.

use super::snippet::{behind_break, snippet};
use super::way_out::WayOut;
use crate::admission::message::remedy;
use crate::engine::Judged;
use crate::engine::fix::Scope;
use crate::finding::{Applicability, Fix};
use crate::report::{FindingReport, Origin, Reported};
use crate::site::Place;
use crate::source::object::{Layout, Object};
use crate::source::text::Lines;
use crate::subject::Subject;

/// The places of the findings of one object.
pub(super) struct Places<'p, 't> {
    pub(super) layout: Layout<'p>,
    pub(super) text: &'p str,
    pub(super) lines: &'p Lines<'t>,
}

/// Returns a finding as reports have it, with its place in the text.
pub(super) fn finding(
    subject: &Subject<'_>,
    judged: &Judged,
    action: Reported,
    places: &Places<'_, '_>,
    lists: &[WayOut],
    object: &Object<'_>,
) -> FindingReport {
    let found = &judged.finding;
    let place = subject.place(found);
    let carrier = subject.carriers.get(found.carrier);
    let way_out = lists.get(found.carrier).filter(|_| action >= Reported::Patch && found.place.is_none());
    let element = found.site.as_ref().map(|site| site.element);
    let range = place.and_then(|place| match &found.site {
        Some(site) => places.layout.option(place, site.element, &site.range),
        None if found.place.is_some() => places.layout.text_of(place),
        None => places.layout.key(place),
    });
    let range = range.unwrap_or(object.span.start..object.span.start);
    let range = behind_break(places.text, range);
    let start = places.lines.position(range.start);
    let around = places.lines.around(range.start);
    let written = places.text.get(range).unwrap_or_default();
    // An option that a folded line breaks in two is shown up to the break.
    let width = written.lines().next().unwrap_or_default().chars().count();
    FindingReport {
        code: found.code,
        name: judged.rule.name,
        action,
        message: found.message.to_string(),
        carrier: place.map(ToString::to_string).unwrap_or_default(),
        pointer: place.map(|place| place.pointer(element)).unwrap_or_default(),
        element: carrier
            .zip(element)
            .and_then(|(carrier, element)| carrier.elements.get(element))
            .map(|element| (*element).to_owned()),
        line: start.line,
        column: start.column,
        end_column: start.column + width,
        fix: found.fix.as_ref().map(|fix| by_whom(subject, fix, place)),
        way_out: way_out.and_then(|way_out| way_out.list.clone()),
        difference: way_out.and_then(|way_out| way_out.difference.clone()),
        remedy: Some(remedy::advice(subject, judged)),
        origin: Origin::of(object.template),
        snippet: snippet(around, width),
        offered: None,
        is_left: None,
    }
}

/// Returns the one that makes a fix: the webhook patches only what an update may change, and `fix`
/// changes the other places with `--unsafe-fixes` only, but for a `bg`.
fn by_whom(subject: &Subject<'_>, fix: &Fix, place: Option<&Place>) -> Applicability {
    if !Scope::FILE.includes(subject, fix) {
        return Applicability::Unsafe;
    }
    if fix.applicability == Applicability::Apply && place.is_some_and(|place| !place.is_patchable()) {
        return Applicability::Offer;
    }
    fix.applicability
}
