//! A VolumeSnapshotClass: csi-driver-nfs mounts with its `mountOptions` to copy
//! the volume (`pkg/nfs/controllerserver.go`, `CreateSnapshot`). Of
//! other drivers it has a place for options only where it names one.

use super::{Holds, Reach, Refuses, Row};

pub(super) static ROW: Row = Row {
    name: "VolumeSnapshotClass",
    group: "snapshot.storage.k8s.io",
    plural: "volumesnapshotclasses",
    holds: Holds::Snapshots,
    list: &[],
    sub_resources: &[],
    may_be_silent: true,
    refuses: Refuses::Background,
    reach: Reach::Decides,
};
