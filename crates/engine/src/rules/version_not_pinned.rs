//! NMG017: the protocol version is left to chance.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code};
use crate::nfs::acceptance::names_version;
use crate::nfs::version::Versions;

pub(super) static RULE: Rule = Rule {
    code: Code(17),
    name: "version-not-pinned",
    title: "NFS version not pinned",
    summary: "no protocol version: every node negotiates its own",
    why: "mount.nfs tries 4.2, 4.1, 4.0 and then 3, and takes the first that the server supports. A server that \
restarts meanwhile, or an option that only NFSv3 takes, leaves some nodes on version 3 and others on 4. Their \
locks and caches do not know of each other.",
    remedy: "Set `nfsvers=4.1`, or the version of the server.",
    actions: Actions::all(Action::Audit).strict(Action::Deny),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [hard, fg, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), nfsvers",
        "nfs_autonegotiate: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=refs/tags/nfs-utils-2-8-3",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let pinned = check.subject.options.effective().any(|token| token.entry().is_some_and(names_version));
    if !pinned {
        let is_v3 = check.subject.options.settings().versions == Versions::V3;
        let message = if is_v3 {
            "no protocol version is named, and an option of NFSv3 makes every node mount that"
        } else {
            "no protocol version is named, so every node negotiates its own"
        };
        check.report_missing("nfsvers", None, message);
    }
}
