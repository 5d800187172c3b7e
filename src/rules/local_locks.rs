//! NMG016: locks that other nodes do not see.

use super::{Actions, Check, Example, Rule};
use crate::finding::{Action, Code, Grade};
use crate::nfs::catalog::{Entry, Group};
use crate::nfs::version::Versions;

pub(super) static RULE: Rule = Rule {
    code: Code(16),
    name: "local-locks",
    summary: "nolock or local_lock on a shared NFSv3 volume",
    why: "With `nolock` or `local_lock=` a lock is known to one node only. Two Pods on two nodes both believe \
that they own it, and both write: databases and mail stores are corrupted that way. It matters with NFSv3, \
where locks are a protocol of their own, and where several nodes may write. Some vendors tell their users to \
do it all the same (Alibaba, Tencent, HPE); their drivers are left alone.",
    remedy: "Drop it, so that the server keeps the locks; or use NFSv4, where locks are built in.",
    actions: Actions::all(Action::Warn),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, nolock, hard, fg, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, timeo=600, retrans=2]
",
    },
    references: &["nfs(5), lock / nolock and local_lock"],
    since: "0.1.0",
    check,
};

fn check(check: &mut Check<'_, '_>) {
    let subject = check.subject;
    let settings = subject.options.settings();
    let is_v3 = settings.versions == Versions::V3;
    if !is_v3
        || !subject.access.shared
        || settings.read_only
        || !settings.local_locks.any()
        || subject.driver.advises_local_locks
    {
        return;
    }
    let token = check
        .options()
        .filter(|token| token.verdict.refusal.is_none())
        .filter(|token| token.entry().and_then(Entry::group) == Some(Group::LOCKING))
        .last();
    if let Some(token) = token {
        let message =
            check.about(token, "keeps locks on one node, so two nodes may both believe they own one");
        check.report(token, Grade::Proper, message, None);
    }
}
