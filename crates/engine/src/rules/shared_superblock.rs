//! NMG025: options that the first mount of a server or a share decides for all.

use super::{About, Actions, Example, Rule};
use crate::finding::{Action, Code};

pub(super) static RULE: Rule = Rule {
    code: Code(25),
    name: "shared-superblock",
    title: "Options overruled by an earlier mount",
    summary: "an option that another mount of the same server or share sets otherwise, and the first mount decides",
    why: "On a node, mounts of one server with the same version and transport use the same connections. So the \
`nconnect` of the first mount counts for all of them, with `nosharecache`, too. Mounts of one share whose other \
options are equal use the same superblock, unless `nosharecache` is set. With it they get the `timeo` and \
`retrans` of the first mount. The kernel says nothing about it. So the options that a Pod gets depend on which \
Pod was started first on its node. A corrected volume gets its new options only after every mount that it shares \
with is gone. Mounts that differ in version, `sec`, `rsize`, `wsize`, cache times or `hard` and `soft` share \
nothing.",
    remedy: "Set the same values in every StorageClass and PersistentVolume of the server. For `timeo` and `retrans` \
`nosharecache` is the other way, which keeps a cache for each mount.",
    actions: Actions::all(Action::Warn),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /fast}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, nconnect=8]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /shared}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /fast}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, nconnect=8]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /shared}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, nconnect=8]
",
    },
    references: &[
        "nfs_match_client: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c",
        "nfs_compare_mount_options: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/super.c",
        "https://man7.org/linux/man-pages/man5/nfs.5.html",
        "https://github.com/kubernetes-csi/csi-driver-nfs/pull/373",
    ],
    since: 2,
    preview: false,
    about: About::Together,
    where_uncertain: false,
    check: |_| {},
};
