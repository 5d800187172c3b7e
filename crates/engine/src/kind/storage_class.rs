//! A StorageClass: its `mountOptions` become those of every volume made by it.

use super::{Holds, Reach, Refuses, Row};

pub(super) static ROW: Row = Row {
    name: "StorageClass",
    group: "storage.k8s.io",
    plural: "storageclasses",
    holds: Holds::Class,
    list: &["mountOptions"],
    sub_resources: &[],
    may_be_silent: false,
    refuses: Refuses::All,
    reach: Reach::Decides,
};
