//! kubelet's own order of options against a plain reference.

use std::collections::BTreeSet;

use nfs_mount_guard::policy::Policy;
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::judge;

proptest! {
    /// kubelet keeps the list as a set and hands it over sorted by bytes
    /// (kubernetes pkg/volume/util, `JoinMountOptions`).
    #[test]
    fn an_in_tree_volume_is_mounted_with_the_sorted_set(
        list in prop::collection::vec("(bg|fg|hard|soft|ro|rw|timeo=[0-9]{1,3}|vers=[34]|[ -~&&[^\"\\\\]]{1,6}|[a-zé]{1,3})", 0..12)
    ) {
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
            "spec": {"mountOptions": list, "nfs": {"server": "a", "path": "/"}},
        });
        let reference: BTreeSet<&[u8]> = list.iter().map(String::as_bytes).collect();
        let reference: Vec<&[u8]> = reference.into_iter().collect();
        let effective = judge(&object.to_string(), &Policy::default(), |subject, _| subject.effective());
        prop_assert_eq!(effective.as_bytes(), reference.join(&b','));
    }
}
