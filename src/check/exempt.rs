//! Names in the annotation of an object that exempt nothing.

use super::Reading;
use crate::policy::{Policy, exemption};
use crate::report::plain::plain;
use crate::source::object::Object;

/// Returns a warning for each, with its place. The annotation is that of the object, so the first of its
/// parts has it.
pub(super) fn unknown_names(policy: &Policy, object: &Object<'_>, reading: &Reading<'_>) -> Vec<String> {
    let Some(part) = object.parts.first().filter(|_| policy.annotation_exemptions()) else {
        return Vec::new();
    };
    let line = reading.lines.position(object.span.start).line;
    let place = format!("{}:{line}: {}/{}", reading.name, object.kind, object.name());
    let unknown = exemption::unknown_names(policy, &part.subject(object, policy));
    unknown.iter().map(|text| plain(&format!("{place}: {text}")).into_owned()).collect()
}
