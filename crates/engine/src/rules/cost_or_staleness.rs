//! NMG018: caches switched off, or kept for too long.

use super::{About, Actions, Example, Rule, RuleContext, Setting};
use crate::finding::{Action, Code, Severity};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::value::kernel_number;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(18),
    name: "cost-or-staleness",
    title: "Costly or stale attribute cache",
    summary: "noac, actimeo=0, nocto, or attributes cached for very long",
    why: "`noac` and `actimeo=0` request attributes from the server before every operation, and `noac` makes \
every write synchronous. Both are slow, can overload a server, and do not replace locks. `nocto` and long cache \
times do the opposite: a Pod does not see for minutes what another one wrote.",
    remedy: "Keep the defaults (3 to 60 seconds); use locks where Pods share files.",
    actions: Actions::all(Action::Audit),
    lesser: None,
    fix: None,
    settings: &[Setting {
        name: "seconds",
        default: 600,
        min: 1,
        max: 4_294_967_295,
        meaning: "the longest time attributes may be cached, in seconds",
    }],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, actimeo=0]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2, actimeo=30]
",
    },
    references: &["nfs(5), ac / noac, actimeo, cto / nocto"],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    const WORDS: OptionSet = OptionSet::of(&[
        OptionId::Ac,
        OptionId::Cto,
        OptionId::Actimeo,
        OptionId::Acregmin,
        OptionId::Acregmax,
        OptionId::Acdirmin,
        OptionId::Acdirmax,
    ]);
    if !check.speaks_of(WORDS) {
        return;
    }
    let longest = check.setting("seconds");
    for token in check.options() {
        let Some(entry) = token.entry().filter(|_| token.acceptance.refusal.is_none()) else {
            continue;
        };
        // The last one of a word wins: NMG008 speaks of both.
        let of_word = |found: &&Token<'_>| found.id() == Some(entry.id) && found.acceptance.refusal.is_none();
        let winner = check.subject.options.effective().rfind(of_word);
        let is_undone = winner.and_then(Token::entry).is_some_and(|winner| winner.negated != entry.negated);
        if is_undone {
            continue;
        }
        let seconds = token.option.value().and_then(kernel_number);
        let what = match (entry.id, seconds) {
            (OptionId::Ac, _) if entry.negated => {
                "asks the server before every operation and makes every write synchronous".to_owned()
            }
            (OptionId::Cto, _) if entry.negated => {
                "lets a Pod open a file without seeing what another one wrote".to_owned()
            }
            (OptionId::Actimeo, Some(0)) => {
                "asks the server for attributes before every operation".to_owned()
            }
            (
                OptionId::Actimeo
                | OptionId::Acregmin
                | OptionId::Acregmax
                | OptionId::Acdirmin
                | OptionId::Acdirmax,
                Some(seconds),
            ) if seconds > longest => {
                format!(
                    "caches attributes for {seconds} s; over {longest} s Pods see old files for very long"
                )
            }
            _ => continue,
        };
        let message = check.about(token, &what);
        check.report(token, Severity::Proper, message, None);
    }
}
