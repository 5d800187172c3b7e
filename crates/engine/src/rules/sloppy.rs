//! NMG014: `sloppy`.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Severity};
use crate::nfs::catalog::{OptionId, OptionSet};

pub(super) static RULE: Rule = Rule {
    code: Code(14),
    name: "sloppy",
    title: "Unknown options ignored (sloppy)",
    summary: "sloppy, which makes the kernel ignore unknown options",
    why: "With `sloppy` a misspelled option is silently ignored: `hrad,sloppy` is not hard, and a quoted string \
can smuggle options past mount.nfs. The mount works and is not what the list says.",
    remedy: "Drop it, and correct the options that are then refused.",
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
mountOptions: [sloppy, nfsvers=4.1, hard, fg, timeo=600, retrans=2]
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
        "nfs(5), sloppy",
        "nfs_fs_context_parse_param: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    if !check.speaks_of(OptionSet::of(&[OptionId::Sloppy])) {
        return;
    }
    for token in check.options() {
        if token.id() == Some(OptionId::Sloppy) {
            let message = check.about(token, "hides every misspelled option");
            check.report(token, Severity::Proper, message, None);
        }
    }
}
