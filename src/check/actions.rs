//! Says what is done about each finding of a verdict.

use crate::engine::judge::{Treatment, Verdict};
use crate::report::Reported;

/// Returns the reported treatment of each finding. Where the mutating webhook's patch leaves an object that the
/// validating one rejects for something else, nothing is repaired.
pub(super) fn actions(verdict: &Verdict) -> Vec<Reported> {
    let all = verdict.treatments.iter().map(|treatment| reported(*treatment, verdict.is_enforced));
    let is_rejected = verdict.is_enforced && !verdict.left.is_empty();
    if !is_rejected || all.clone().any(|action| action == Reported::Deny) {
        return all.collect();
    }
    let denied = |action| if action == Reported::Patch { Reported::Deny } else { action };
    all.map(denied).collect()
}

/// Returns the reported treatment of a finding: a denial that the old object had already, or that
/// is only observed, is a warning.
const fn reported(treatment: Treatment, is_enforced: bool) -> Reported {
    match treatment {
        Treatment::Denied if is_enforced => Reported::Deny,
        Treatment::Repaired if is_enforced => Reported::Patch,
        Treatment::Denied | Treatment::Repaired | Treatment::AlreadyPresent | Treatment::Warned => {
            Reported::Warn
        }
        Treatment::Audited => Reported::Audit,
    }
}
