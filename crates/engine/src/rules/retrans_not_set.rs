//! NMG004: no `retrans`.

use super::timeo_not_set::check_missing;
use super::{About, Actions, Example, Rule, RuleContext, Setting};
use crate::finding::{Action, Applicability, Code};
use crate::nfs::catalog::OptionId;

pub(super) static RULE: Rule = Rule {
    code: Code(4),
    name: "retrans-not-set",
    title: "Number of retries not set (no retrans)",
    summary: "retrans is not set: nfsmount.conf of the node or the kernel decides how often a request is repeated",
    why: "`retrans` is how often a request is sent again before the major timeout. Then a soft mount gives up, \
and a hard one logs \"server not responding\". Without `retrans` the node's `/etc/nfsmount.conf` or the kernel decides. \
With UDP nothing is filled in.",
    remedy: "Add `retrans=2`, the kernel's own value over TCP: the behavior stays, unless nfsmount.conf has another.",
    actions: Actions::all(Action::Deny).relaxed(Action::Warn),
    lesser: None,
    fix: Some(Applicability::Apply),
    settings: &[Setting {
        name: "value",
        default: 2,
        min: 1,
        max: 100,
        meaning: "the retrans that is filled in, a number of tries",
    }],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600]
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
        "nfs(5), retrans",
        "xprt_calc_majortimeo: https://github.com/torvalds/linux/blob/v6.12/net/sunrpc/xprt.c",
    ],
    since: 1,
    preview: false,
    about: About::Absence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let value = check
        .subject
        .driver_setting
        .and_then(|setting| setting.retrans)
        .unwrap_or_else(|| check.setting("value"));
    check_missing(
        check,
        OptionId::Retrans,
        "retrans",
        value,
        "retrans is not set: the node's nfsmount.conf or kernel default applies",
    );
}
