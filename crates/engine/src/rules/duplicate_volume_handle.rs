//! NMG024: two volumes of one CSI driver with one handle.

use super::{About, Actions, Example, Rule};
use crate::finding::{Action, Code};

pub(super) static RULE: Rule = Rule {
    code: Code(24),
    name: "duplicate-volume-handle",
    title: "Volume handle used twice",
    summary: "a PersistentVolume whose CSI driver and volumeHandle another one has, too",
    why: "The kubelet knows a CSI volume by its driver and its `volumeHandle` alone. Two PersistentVolumes with \
the same handle are one volume to it, also if their attributes are equal. A Pod that mounts both never starts. \
On one node the second Pod may get the server, the share and the options of the first. The API server and the \
drivers accept such volumes.",
    remedy: "Give each PersistentVolume a `volumeHandle` of its own, such as `SERVER#SHARE#NAME`. A handle cannot be \
changed, so the volume has to be deleted and recreated. If several claims need the same share, create a volume for each.",
    actions: Actions::all(Action::Warn),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: images}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  csi: {driver: nfs.csi.k8s.io, volumeHandle: nas, volumeAttributes: {server: nas.example.com, share: /images}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: orders}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  csi: {driver: nfs.csi.k8s.io, volumeHandle: nas, volumeAttributes: {server: nas.example.com, share: /orders}}
",
        good: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: images}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  csi: {driver: nfs.csi.k8s.io, volumeHandle: nas#images, volumeAttributes: {server: nas.example.com, share: /images}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: orders}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
  csi: {driver: nfs.csi.k8s.io, volumeHandle: nas#orders, volumeAttributes: {server: nas.example.com, share: /orders}}
",
    },
    references: &[
        "GetVolumeName: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go",
        "https://github.com/kubernetes/kubernetes/issues/132921",
        "https://github.com/kubernetes-csi/csi-driver-nfs/issues/428",
    ],
    since: 2,
    preview: false,
    about: About::Together,
    where_uncertain: false,
    // A rule sees one object: the pairs are found once all are read.
    check: |_| {},
};
