//! NMG003: no `timeo`.

use super::{About, Actions, Example, Rule, RuleContext, Setting};
use crate::finding::{Action, Applicability, Code};
use crate::nfs::acceptance::{Transport, transport};
use crate::nfs::catalog::{OptionId, OptionSet};

pub(super) static RULE: Rule = Rule {
    code: Code(3),
    name: "timeo-not-set",
    title: "Request timeout not set (no timeo)",
    summary: "timeo is not set: nfsmount.conf of the node or the kernel decides how long a request waits",
    why: "`timeo` is how long the client waits for the server before it repeats a request, in tenths of a second. \
Without it the node's `/etc/nfsmount.conf` or the kernel decides, and the manifest does not show how long a \
server may be away before Pods notice. With UDP nothing is added: the numbers have another meaning there, \
and UDP is denied anyway.",
    remedy: "Add `timeo=600`, the kernel's own value over TCP: the behavior stays, unless nfsmount.conf has another.",
    actions: Actions::all(Action::Deny).relaxed(Action::Warn),
    lesser: None,
    fix: Some(Applicability::Apply),
    settings: &[Setting {
        name: "value",
        default: 600,
        min: 1,
        max: 6000,
        meaning: "the timeo that is filled in, in tenths of a second",
    }],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, retrans=2, timeo=600]
",
    },
    references: &[
        "nfs(5), timeo",
        "nfs_init_timeout_values: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c",
    ],
    since: 1,
    preview: false,
    about: About::Absence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    // The policy may declare a value for one driver, which the author of the rule cannot know.
    let value = check
        .subject
        .driver_setting
        .and_then(|setting| setting.timeo)
        .unwrap_or_else(|| check.setting("value"));
    check_missing(
        check,
        OptionId::Timeo,
        "timeo",
        value,
        "timeo is not set: the node's nfsmount.conf or kernel default applies",
    );
}

/// Reports that `word` is missing, which is written `keyword`, but for UDP,
/// where the numbers mean something else.
pub(super) fn check_missing(
    check: &mut RuleContext<'_, '_>,
    word: OptionId,
    keyword: &'static str,
    value: u32,
    message: &'static str,
) {
    const TRANSPORTS: OptionSet = OptionSet::of(&[OptionId::Udp, OptionId::Proto]);
    if check.subject.options.has(word) {
        return;
    }
    let udp = check.speaks_of(TRANSPORTS)
        && check.options().any(|token| transport(&token.option) == Some(Transport::Udp));
    if !udp {
        check.report_missing(
            keyword,
            Some([keyword, "=", itoa::Buffer::new().format(value)].concat().into()),
            message,
        );
    }
}
