//! A VolumeSnapshotClass: csi-driver-nfs mounts with its `mountOptions` to copy
//! the volume (`CreateSnapshot`,
//! <https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/controllerserver.go>).
//! Of other drivers it has a place for options only where it names one.

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
