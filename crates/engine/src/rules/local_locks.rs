//! NMG016: locks that other nodes do not see.

use super::locks_need_statd::place_of_mount_nfs;
use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Severity};
use crate::nfs::settings::Settings;
use crate::nfs::version::Versions;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(16),
    name: "local-locks",
    title: "File locks local to one node",
    summary: "nolock or local_lock on a shared NFSv3 volume",
    why: "With `nolock` or `local_lock=` locks are local to each node. Two Pods on two nodes can hold the \
same lock, and both write: databases and mail stores are corrupted that way. It matters with NFSv3, \
which has a separate lock protocol, if several nodes may write. Some vendors recommend it (Alibaba, Tencent, \
HPE); for their drivers the rule does not apply.",
    remedy: "Use NFSv4, where locks are built in. Or drop it, so that the server keeps the locks: mount.nfs then needs \
rpc.statd where it runs ([NMG022](NMG022.md)).",
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
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
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
    let (is_nolock, locks) = (settings.local_locks.nolock, settings.local_locks);
    // A later `lock`, or what it clears, keeps no lock on the node.
    let counts = |token: &&Token<'_>| {
        let alone = Settings::of([&token.option]).local_locks;
        token.acceptance.refusal.is_none()
            && if is_nolock { alone.nolock } else { alone.flock && locks.flock || alone.posix && locks.posix }
    };
    // The last one is in effect.
    if let Some(token) = check.options().filter(counts).last() {
        // The sentence about a mount without nolock warns a person about to drop it.
        let what = if is_nolock {
            let place = place_of_mount_nfs(subject);
            format!("hides locks from other nodes; without it rpc.statd must run {place}")
        } else {
            "hides locks from other nodes, so two nodes may hold the same one".to_owned()
        };
        let message = check.about(token, &what);
        check.report(token, Severity::Proper, message, None);
    }
}
