//! NMG015: an option that does nothing.

use super::{About, Actions, Example, Rule, RuleContext, offer, remove};
use crate::finding::{Action, Applicability, Code, Severity};
use crate::nfs::acceptance::version_request;
use crate::nfs::catalog::{Effect, OptionId};
use crate::nfs::disguised::rest_of_remark;
use crate::nfs::option::{self, MountOption};
use crate::nfs::version::Versions;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(15),
    name: "no-effect",
    title: "Option without effect",
    summary: "an option without effect in its place",
    why: "`intr` has done nothing since Linux 2.6.25. `nofail`, `noauto`, `_netdev` and `x-` are for /etc/fstab \
processing, and a volume has no such file. `nolock` and `local_lock=` do nothing with NFSv4. They are harmless, \
but suggest an effect that they do not have.",
    remedy: "Drop it, or use the option with the intended effect: `retry=` for the time at the mount, the claim's access \
mode for write access.",
    actions: Actions::all(Action::Audit),
    lesser: None,
    fix: Some(Applicability::Offer),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, intr, fg, timeo=600, retrans=2]
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
        "nfs(5), intr / nointr and lock / nolock",
        "the flags of libmount: https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/optmap.c",
        "measured with Linux 6.1, row retry=0,_netdev,nofail: https://github.com/nfs-mount-guard/nfs-mount-guard/blob/main/tests/kernel-truth/6.1.tsv",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let versions = check.subject.options.settings().versions;
    let options = &check.subject.options;
    // Of two versions, which mount.nfs refuses, either may be the one that stays.
    let may_be_v3 = options.effective().any(|token| {
        version_request(&token.option).is_some_and(|request| !request.versions.and(Versions::V3).is_empty())
    });
    let only_v4 = versions.and(Versions::V3).is_empty() && !may_be_v3;
    let asks_for_v4 = || {
        options.effective().any(|token| {
            version_request(&token.option).is_some_and(|request| request.versions == Versions::V4)
        })
    };
    // A placeholder may become a version with which it counts.
    let is_open = options.unrendered().next().is_some();
    for token in check.options() {
        let Some(entry) = token.entry().filter(|_| token.acceptance.refusal.is_none()) else {
            continue;
        };
        let why = match (ineffective(&token.option, only_v4 && !is_open), entry.id) {
            (Some(why), _) => why,
            // Beside another version it is refused, unless it is 0.
            (_, OptionId::Minorversion)
                if !is_open && !asks_for_v4() && !versions.and(token.acceptance.versions).is_empty() =>
            {
                "it counts only with vers=4"
            }
            (_, OptionId::MaxConnect)
                // Session trunking is of NFSv4.1 and newer: nfs(5), max_connect.
                if !is_open
                    && versions.and(Versions::V41).is_empty()
                    && versions.and(Versions::V42).is_empty() =>
            {
                "only NFSv4.1 has several connections of a session"
            }
            _ => continue,
        };
        let message = format!("{} has no effect: {why}", check.quote(token));
        // Without it, its rest would stay: NMG011 drops both.
        let is_cut = is_cut_remark(check, token);
        let fix = remove(token).filter(|_| !is_cut).map(|edit| offer(vec![edit]));
        check.report(token, Severity::Proper, message, fix);
    }
}

/// Returns the reason why an option does nothing, whatever stands next to it but a version; `only_v4` is
/// true if NFSv3 is not requested.
pub(super) fn ineffective(option: &MountOption<'_>, only_v4: bool) -> Option<&'static str> {
    let entry = option.entry()?;
    match (entry.effect, entry.id) {
        (Effect::None(why), _) => Some(why),
        (Effect::NoneOnV4(why), _) if only_v4 => Some(why),
        (_, OptionId::Propagation) if option.value().is_some_and(|value| !value.is_empty()) => {
            Some("mount(8) ignores it with a value")
        }
        _ => None,
    }
}

/// Returns true if a comma in its element cuts the rest of a remark off.
fn is_cut_remark(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    let site = token.site.as_ref();
    let text = site.and_then(|site| check.element(token)?.get(site.range.start..)).unwrap_or_default();
    let texts: Vec<&str> = option::pieces(text).take(2).collect();
    rest_of_remark(&texts) > 0
}
