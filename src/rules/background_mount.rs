//! NMG001: a `bg` anywhere.

use super::{Actions, Check, Example, Rule, replace};
use crate::finding::{Action, Applicability, Code, Fix, Grade};

pub(super) static RULE: Rule = Rule {
    code: Code(1),
    name: "background-mount",
    summary: "a bg keyword in any place that holds options",
    why: "With `bg`, a mount that fails goes on in the background while mount.nfs exits 0. Kubernetes trusts \
that exit code and never looks again: the Pod starts on an empty folder of the node's own disk and writes \
there. When the mount succeeds later, perhaps after days, it hides those files. The keyword counts wherever \
it stands, whatever follows its `=`: `hard,bg` in one element, `bg=0`, in the legacy annotation, in \
`volumeAttributes`, and as `BG` where the driver lower-cases its options.",
    remedy: "Write `fg` in its place. Where it stands in parameters or volumeAttributes, which cannot be \
changed later, make the object anew.",
    actions: Actions::all(Action::Deny),
    lesser: None,
    fix: Some(Applicability::Apply),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, \"hard,bg\", timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, \"hard,fg\", timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), bg / fg",
        "nfs-utils utils/mount/stropts.c, nfsmount_parent and nfsmount_child",
        "kubernetes pkg/volume/nfs/nfs.go, SetUpAt",
    ],
    since: "0.1.0",
    check,
};

fn check(check: &mut Check<'_, '_>) {
    let subject = check.subject;
    let fold = subject.may_fold();
    for token in subject.options.tokens() {
        if !token.is_background(fold) {
            continue;
        }
        let message = check.about(
            token,
            "lets mount report success while nothing is mounted, so Pods write to the node's own disk",
        );
        let fix =
            replace(token, "fg").map(|edit| Fix { applicability: Applicability::Apply, edits: vec![edit] });
        check.report(token, Grade::Proper, message, fix);
    }
}
