//! NMG013: NFS over UDP.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Severity};
use crate::nfs::acceptance::{Transport, transport};
use crate::nfs::catalog::{OptionId, OptionSet};

pub(super) static RULE: Rule = Rule {
    code: Code(13),
    name: "udp-transport",
    title: "NFS over UDP",
    summary: "udp, proto=udp or proto=udp6",
    why: "A large request over UDP is cut into fragments with a 16-bit identity. On a fast link the identities \
repeat while a fragment may still live. Then fragments of different requests are put together, and data is \
corrupted without an error. Kernels since 5.6 are built without it and refuse the mount. `mountproto=udp` is \
another thing and harmless.",
    remedy: "Use TCP, which is the default.",
    actions: Actions::all(Action::Deny),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, proto=udp]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, proto=tcp, timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), Using NFS over UDP on high-speed links",
        "NFS_DISABLE_UDP_SUPPORT: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/Kconfig",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    if !check.speaks_of(OptionSet::of(&[OptionId::Udp, OptionId::Proto])) {
        return;
    }
    // A later tcp wins, and kernels mount it (measured); NMG008 speaks of the two.
    let is_beaten = check.subject.options.settings().transport != Some(Transport::Udp);
    for token in check.options() {
        if transport(&token.option) == Some(Transport::Udp) && !(token.in_force && is_beaten) {
            let message = check.about(token, "corrupts data on fast links, and kernels since 5.6 reject it");
            check.report(token, Severity::Proper, message, None);
        }
    }
}
