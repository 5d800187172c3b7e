//! NMG002: nothing says `fg`.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Applicability, Code};
use crate::nfs::reading::{background_word, foreground_instead, is_mark};
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(2),
    name: "foreground-not-explicit",
    title: "Foreground mount not requested (no fg)",
    summary: "fg is not set: nfsmount.conf of the node decides whether a failed mount is reported",
    why: "Leaving `bg` out is not enough. mount.nfs also reads the node's `/etc/nfsmount.conf`. A line \
`Background=True` there makes every mount without `fg` a background mount. The Kubernetes API does not show that \
file. `fg=1` is not `fg`: the kernel refuses it.",
    remedy: "Add `fg`. It is the default of mount.nfs, so nothing else changes.",
    actions: Actions::all(Action::Deny).relaxed(Action::Warn),
    lesser: None,
    fix: Some(Applicability::Apply),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, timeo=600, retrans=2, fg]
",
    },
    references: &[
        "nfsmount.conf(5)",
        "conf_parse_mntopts: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/configfile.c;hb=refs/tags/nfs-utils-2-8-3",
    ],
    since: 1,
    preview: false,
    about: About::Absence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    let fold = subject.may_fold();
    // An option read as bg becomes fg, but for one that a quote ties to other text.
    let becomes_fg = |token: &Token<'_>| {
        let text = token.option.text();
        let carrier = token.site.as_ref().and_then(|site| subject.carriers.get(site.carrier));
        let is_disguised = || carrier.is_some_and(|it| background_word(text, subject.latitude(it)).is_some());
        let is_bg = token.is_background(fold) || text.bytes().any(is_mark) && is_disguised();
        // One fault, one finding: the repair of NMG001 writes the fg.
        let element = token.site.as_ref().and_then(|site| check.element_at(site));
        is_bg && !text.contains(',') && foreground_instead(text, element.unwrap_or(text)) == "fg"
    };
    // An element that the driver drops takes its options with it.
    let mut mounted = subject.options.effective().filter(|token| !token.is_drivers_own);
    let settled = mounted.any(|token| token.option.text() == "fg" || becomes_fg(token));
    if !settled {
        check.report_missing(
            "fg",
            Some("fg".into()),
            "fg is not set: Background=True in nfsmount.conf would apply",
        );
    }
}
