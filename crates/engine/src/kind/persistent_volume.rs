//! A PersistentVolume, made by a provisioner or by hand.

use super::{Holds, Reach, Refuses, Row};

pub(super) static ROW: Row = Row {
    name: "PersistentVolume",
    group: "",
    plural: "persistentvolumes",
    holds: Holds::Volume,
    list: &["spec", "mountOptions"],
    // `/status` sets annotations, of which kubelet reads one (kubernetes
    // `pkg/registry/core/persistentvolume`, `persistentvolumeStatusStrategy`).
    sub_resources: &["status"],
    may_be_silent: false,
    refuses: Refuses::All,
    reach: Reach::Decides,
};
