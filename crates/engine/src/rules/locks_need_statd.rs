//! NMG022: locks that need rpc.statd beside mount.nfs.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Finding, Severity};
use crate::nfs::acceptance;
use crate::nfs::option::MountOption;
use crate::nfs::version::Versions;
use crate::subject::Subject;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(22),
    name: "locks-need-statd",
    title: "File locks that need rpc.statd",
    summary: "NFSv3, or no version, without nolock: the mount needs rpc.statd",
    why: "With NFSv3 and without `nolock`, mount.nfs starts rpc.statd before it mounts. If rpc.statd does not \
run and cannot be started, every mount fails with \"rpc.statd is not running but is required for remote \
locking\". It must run where mount.nfs runs: on the node for an in-tree volume, in the driver's container for a \
CSI driver. `local_lock=` does not change that. Without a version mount.nfs tries NFSv4 first, which has locks \
of its own, and needs rpc.statd if the server offers NFSv3 only. The opposite is \
[NMG016](NMG016.md): with `nolock` rpc.statd is not needed, and locks are seen by one node only.",
    remedy: "Pin a version of NFSv4. If the server has NFSv3 only, run rpc.statd and rpcbind next to mount.nfs; \
`nolock` is right only where one node uses the volume.",
    actions: Actions::all(Action::Audit),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, timeo=600, retrans=2]
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
        "nfs(5), lock / nolock",
        "nfs_verify_lock_option: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=refs/tags/nfs-utils-2-8-3",
        "https://github.com/kubernetes-csi/csi-driver-nfs/issues/113",
    ],
    since: 2,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    let settings = subject.options.settings();
    let is_v3_possible = !settings.versions.and(Versions::V3).is_empty();
    // mount.nfs looks for rpc.statd unless nolock is given; local_lock alone does not spare it
    // (nfs_verify_lock_option, https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=nfs-utils-2-6-2).
    if !is_v3_possible || settings.local_locks.nolock || subject.options.has_unrendered() {
        return;
    }
    // An option that is refused for its spelling of a version has one.
    let is_without_v3 = |option: &MountOption<'_>| {
        acceptance::version_request(option)
            .is_some_and(|request| request.versions.and(Versions::V3).is_empty())
    };
    // A refused option negotiates nothing.
    let is_refused = |token: &Token<'_>| {
        token.entry().is_some_and(acceptance::names_version) && token.acceptance.refusal.is_some()
    };
    if subject.options.means(is_without_v3) || subject.options.effective().any(is_refused) {
        return;
    }
    let place = place_of_mount_nfs(subject);
    if settings.versions != Versions::V3 {
        let message = format!("if the server has NFSv3 only, locks need rpc.statd {place}");
        missing(check, message);
        return;
    }
    // A driver may mount another version than the list says.
    let version = check.subject.options.effective().find(|token| {
        token.is_written()
            && acceptance::version_request(&token.option)
                .is_some_and(|request| request.versions == Versions::V3)
    });
    let what = format!("needs rpc.statd {place} for locks, else no mount succeeds");
    match version {
        Some(token) => {
            let message = check.about(token, &what);
            check.report(token, Severity::Proper, message, None);
        }
        None => missing(check, format!("NFSv3 {what}")),
    }
}

/// Reports something about the whole list that reaches the mount.
fn missing(check: &mut RuleContext<'_, '_>, message: String) {
    let (carrier, place) = check.whole_list();
    check.findings.push(Finding {
        code: check.rule.code,
        severity: Severity::Proper,
        carrier,
        place,
        site: None,
        keyword: "lock".into(),
        message: message.into(),
        fix: None,
    });
}

/// Returns the place where mount.nfs runs, and so rpc.statd must: a CSI driver mounts in its own
/// container, the kubelet on the node.
// mount.nfs looks for the pid file of rpc.statd in its own file system.
pub(super) fn place_of_mount_nfs(subject: &Subject<'_>) -> &'static str {
    if subject.mounts_on_node() { "on the node" } else { "in the driver's container" }
}
