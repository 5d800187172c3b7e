//! Adds the exempt findings of an object, with the reason, so that reports have them, and what a running
//! cluster says of it.

use super::{Places, finding};
use crate::engine::{Evaluation, Exempt, Judged};
use crate::finding::Action;
use crate::kind::Holds;
use crate::policy::Policy;
use crate::report::Reported;
use crate::report::tie::{Binding, Exempted, Tie};
use crate::rules::RULES;
use crate::source::Problem;
use crate::source::object::Object;
use crate::subject::Subject;
use crate::subject::binding::{BoundVolume, Claimed};

/// Adds the claim of a volume, and the identity of any object of a cluster.
pub(super) fn bind(tie: &mut Tie, object: &Object<'_>, is_live: bool) {
    let is_volume = object.kind.row().holds == Holds::Volume;
    let read = if is_volume || is_live { object.bound_volume() } else { None };
    tie.uid = read.as_ref().and_then(BoundVolume::uid);
    if is_volume {
        let is_unclaimed = read.as_ref().is_some_and(BoundVolume::is_unclaimed);
        tie.binding = match read.map(|volume| volume.claim()) {
            Some(Claimed::Bound(claim)) => Binding::Bound(Box::new(claim)),
            Some(Claimed::Former(claim)) => Binding::Former(Box::new(claim)),
            Some(Claimed::Nothing) => Binding::Free,
            Some(Claimed::Incomplete) | None => Binding::Unreadable,
        };
        tie.is_unclaimed = is_unclaimed;
    }
}

/// Returns the problem of a volume whose claim cannot be read, so that its Pods are not known.
pub(super) fn unreadable(object: &Object<'_>) -> Problem {
    let (field, form) = object.unbound_field();
    let unknown = "the claim and the Pods of the volume are not known";
    let name = object.kind.name_object(None, object.name());
    Problem::at(object.span.start, format!("{name}: {field} is not {form}: {unknown}; correct it"))
        .of_one_object()
}

/// Returns the findings that an exemption passes over and that would be more than counted.
pub(super) fn exempted(
    policy: &Policy,
    subject: &Subject<'_>,
    evaluation: &Evaluation,
    places: &Places<'_, '_>,
    object: &Object<'_>,
) -> Vec<Exempted> {
    let of = |(found, why): &(crate::finding::Finding, Exempt)| {
        let rule = RULES.iter().copied().find(|rule| rule.code == found.code)?;
        let action = policy.action(rule, found.severity);
        let reported = match action {
            Action::Deny => Reported::Deny,
            Action::Warn => Reported::Warn,
            Action::Audit | Action::Off => return None,
        };
        let judged = Judged { rule, finding: found.clone(), action, demanded: action };
        let (reason, expires) = match why {
            Exempt::ByPolicy(index) => {
                let exemption = policy.exemptions().get(*index)?;
                (exemption.reason.clone(), exemption.expires.map(|day| day.to_string()))
            }
            Exempt::ByAnnotation => ("annotation of the object".to_owned(), None),
        };
        Some(Exempted { finding: finding(subject, &judged, reported, places, &[], object), reason, expires })
    };
    evaluation.exempted.iter().filter_map(of).collect()
}
