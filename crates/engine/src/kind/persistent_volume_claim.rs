//! A claim: it has no place for mount options (kubernetes
//! `pkg/apis/core`, `PersistentVolumeClaimSpec`). One that holds some all the same
//! is a subject, so that they are not lost without a word.

use super::{Holds, Reach, Refuses, Row};

pub(super) static ROW: Row = Row {
    name: "PersistentVolumeClaim",
    group: "",
    plural: "persistentvolumeclaims",
    holds: Holds::Claim,
    list: &[],
    sub_resources: &[],
    may_be_silent: true,
    refuses: Refuses::Background,
    reach: Reach::Warns,
};
