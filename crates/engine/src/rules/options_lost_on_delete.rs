//! NMG021: options without which the driver cannot delete a volume.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Sentence, Severity};
use crate::kind::Kind;
use crate::nfs::acceptance::{Transport, transport};
use crate::nfs::catalog::{Entry, OptionId};
use crate::nfs::value::kernel_number;
use crate::nfs::version::Versions;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(21),
    name: "options-lost-on-delete",
    title: "Options missing when a volume is deleted",
    summary: "an option without which the driver cannot mount the share to delete a volume",
    why: "csi-driver-nfs mounts the share to delete a volume, and the request to delete carries no mount options: \
the driver mounts with its defaults. Client and server negotiate most options. They do not negotiate another \
`port=`, `xprtsec=tls`, `proto=rdma`, or `nolock` where the server offers NFSv3 only. The mount fails, the \
provisioner retries, and the PersistentVolume stays Released with its data. Only the class can be at fault: a \
volume that exists is deleted with what its class said.",
    remedy: "Name a Secret with the key `mountOptions` in `csi.storage.k8s.io/provisioner-secret-name` and \
`-namespace`. Or set `onDelete: retain` or `reclaimPolicy: Retain` if the data is to stay.",
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
parameters: {server: nas.example.com, share: /export}
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, port=12049]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters:
  server: nas.example.com
  share: /export
  csi.storage.k8s.io/provisioner-secret-name: nas-mount-options
  csi.storage.k8s.io/provisioner-secret-namespace: kube-system
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, port=12049]
",
    },
    references: &[
        "https://github.com/kubernetes-csi/csi-driver-nfs/issues/1143",
        "https://github.com/kubernetes-csi/csi-driver-nfs/pull/262",
        "DeleteVolume and internalMount: https://github.com/kubernetes-csi/csi-driver-nfs/blob/v4.13.0/pkg/nfs/controllerserver.go",
    ],
    since: 2,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    if subject.kind != Kind::StorageClass || !subject.loses_options_on_delete() {
        return;
    }
    let versions = subject.options.settings().versions;
    // One fault, one finding: it is the deletion that lacks them all.
    let needed = subject
        .options
        .effective()
        .filter(|token| token.is_written() && token.acceptance.refusal.is_none())
        .find(|token| is_winner(check, token) && is_not_negotiated(token, versions));
    if let Some(token) = needed {
        let message = Sentence::with_remedy(
            check.about(token, "is missing when the driver mounts to delete, so volumes stay Released"),
            "name a provisioner secret",
        );
        check.report(token, Severity::Proper, message, None);
    }
}

/// Returns true if no later option of the same group overrides it. A `local_lock` sets bits beside those
/// of `nolock`, and mount.nfs requires rpc.statd by the last of `lock` and `nolock` alone
/// (`nfs_verify_lock_option`, <https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=nfs-utils-2-6-2>).
fn is_winner(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    if token.id() == Some(OptionId::Lock) {
        let last = check.subject.options.effective().rfind(|other| other.id() == Some(OptionId::Lock));
        return last.is_some_and(|last| std::ptr::eq(last, token));
    }
    let group = token.entry().and_then(Entry::group);
    let last = check.subject.options.effective().rfind(|other| other.entry().and_then(Entry::group) == group);
    group.is_none() || last.is_some_and(|last| std::ptr::eq(last, token))
}

/// Returns true if a mount without the option fails where one with it succeeds.
fn is_not_negotiated(token: &Token<'_>, versions: Versions) -> bool {
    /// Without `port=` the client connects to this one, or queries the server's rpcbind.
    // 0 queries rpcbind, and servers listen on 2049.
    const DEFAULT_PORTS: [u32; 2] = [0, 2049];
    let Some(entry) = token.entry() else { return false };
    let value = token.option.value();
    match entry.id {
        OptionId::Port => value.and_then(kernel_number).is_some_and(|port| !DEFAULT_PORTS.contains(&port)),
        // A server that wants TLS refuses a mount without it; versions and sizes are negotiated
        // instead.
        OptionId::Xprtsec => value.is_some_and(|value| value != "none"),
        OptionId::Proto | OptionId::Rdma => transport(&token.option) == Some(Transport::Rdma),
        // Without nolock the controller's mount needs rpc.statd, which its container does not have.
        OptionId::Lock => entry.negated && versions == Versions::V3,
        _ => false,
    }
}
