//! The files that a walk passes over.

use std::path::Path;

use crate::source::object::Object;
use crate::source::suspect::speaks_of_volumes;
use crate::source::{Fault, Problem, Skip, walk};

/// Returns true if a file of a walk is a Helm template: it lies among those of a chart, and Helm
/// has something to do in it.
pub fn is_in_templates(path: &Path, text: &str) -> bool {
    text.contains("{{") && walk::is_in_chart(path)
}

/// Returns true if a file of a walk, of which not all can be read, is something else than
/// manifests.
pub fn is_foreign(text: &str, problems: &[Problem]) -> bool {
    !problems.is_empty()
        && problems.iter().all(|problem| problem.fault == Fault::Unread)
        && !speaks_of_volumes(text.as_bytes())
}

/// Returns the reason why an object is not evaluated in a walk.
pub fn passed_over(object: &Object<'_>) -> Option<Skip> {
    if object.is_template() {
        Some(Skip::Template)
    } else if object.is_partial() {
        Some(Skip::Partial)
    } else {
        None
    }
}
