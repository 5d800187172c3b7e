//! Fields that the API server lets no update change: an object that exists has to be
//! deleted and created again (kubernetes `pkg/apis/{storage,core}/validation`).

use crate::engine::fix::Traced;
use crate::kind::Kind;
use crate::site::Place;
use crate::subject::Subject;

/// Returns true if an update of the subject's object cannot change a place. A template can be
/// changed, its Pods are made again; but for that of a Job.
pub(in crate::check) fn is_immutable(subject: &Subject<'_>, place: &Place) -> bool {
    let is_fixed =
        matches!(subject.kind, Kind::StorageClass | Kind::PersistentVolume | Kind::Pod | Kind::Job);
    is_fixed && matches!(place, Place::Parameter(_) | Place::VolumeAttribute(_) | Place::InlineAttribute(..))
}

/// Returns true if a fix writes into such a place.
pub(in crate::check) fn writes_immutable(subject: &Subject<'_>, fixed: &Traced<'_>) -> bool {
    let mut carriers = subject.carriers.iter().zip(&fixed.elements);
    carriers.any(|(carrier, new)| carrier.elements != *new && is_immutable(subject, &carrier.place))
        || fixed.renamed.iter().any(|renaming| is_immutable(subject, &renaming.to))
}

/// Returns true if what a fix changes or moves away is such a place.
pub(super) fn is_any(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>) -> bool {
    writes_immutable(subject, fixed) || moved.iter().any(|place| is_immutable(subject, place))
}
