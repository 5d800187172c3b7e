//! `lock`, `nolock` and `local_lock=`, which say together where the locks of NFSv3 are kept.

use super::super::{RuleContext, offer, remove};
use super::group;
use crate::finding::{Edit, Severity};
use crate::nfs::catalog::{Group, OptionId};
use crate::nfs::option::MountOption;
use crate::nfs::settings::Settings;
use crate::nfs::version::Versions;
use crate::subject::effective::Token;

fn is_nolock(token: &Token<'_>) -> bool {
    token.id() == Some(OptionId::Lock) && token.entry().is_some_and(|entry| entry.negated)
}

/// Reports each `local_lock=` beside a `nolock` that keeps all locks on the node; returns that
/// `nolock`, which then decides, and the other options of the group. `None` where none decides: a
/// later `lock` or `local_lock=none` undoes it.
pub(super) fn report_covered<'t, 'm>(
    check: &mut RuleContext<'t, 'm>,
    written: &[&'t Token<'m>],
) -> Option<(&'t Token<'m>, Vec<&'t Token<'m>>)> {
    let options = &check.subject.options;
    let locking = || options.effective().filter(|token| group(token) == Some(Group::LOCKING));
    let locks = options.settings().local_locks;
    let nolock = locking().rfind(|token| is_nolock(token))?;
    // The bits of local_lock= are only added to those of nolock, which are all.
    if !(locks.nolock && locks.flock && locks.posix)
        || kernels_disagree(check, &locking().collect::<Vec<_>>())
    {
        return None;
    }
    let adds =
        |token: &Token<'_>| token.id() == Some(OptionId::LocalLock) && token.option.value() != Some("none");
    let (covered, others): (Vec<_>, Vec<_>) = written.iter().copied().partition(|token| adds(token));
    if let Some(first) = covered.first() {
        let message = check.about(first, &format!("adds nothing to {:?}", nolock.option.text()));
        let fix = covered.iter().filter_map(|token| remove(token)).collect();
        check.report(first, Severity::Lesser, message, Some(offer(fix)));
    }
    Some((nolock, others))
}

/// Drops what loses, but never `nolock` where NFSv3 is possible: without it the
/// mount needs rpc.statd, and fails where that does not run (measured: exit 32).
/// There `local_lock` goes, if `nolock` alone amounts to the same.
pub(super) fn keep_nolock(
    check: &RuleContext<'_, '_>,
    written: &[&Token<'_>],
    losers: &[&Token<'_>],
) -> Option<Vec<Edit>> {
    let settings = check.subject.options.settings();
    let is_v3_possible = !settings.versions.and(Versions::V3).is_empty();
    if !is_v3_possible || !written.iter().any(|token| is_nolock(token)) {
        return Some(losers.iter().filter_map(|token| remove(token)).collect());
    }
    let locks = settings.local_locks;
    let others = written.iter().filter(|token| !is_nolock(token));
    (locks.flock && locks.posix).then(|| others.filter_map(|token| remove(token)).collect())
}

/// Returns true if kernels differ: 6.1 lets the last of `lock` and `local_lock=` win; newer ones let `lock`
/// and `nolock` win in either order (measured). With `NFSv4` neither does anything.
pub(super) fn kernels_disagree(check: &RuleContext<'_, '_>, effective: &[&Token<'_>]) -> bool {
    if check.subject.options.settings().versions.and(Versions::V3).is_empty() {
        return false;
    }
    let locks = |tokens: &[&Token<'_>]| {
        let options: Vec<&MountOption<'_>> = tokens.iter().map(|token| &token.option).collect();
        let locks = Settings::of(options).local_locks;
        (locks.flock, locks.posix)
    };
    let mut lock_last = effective.to_vec();
    lock_last.sort_by_key(|token| token.id() == Some(OptionId::Lock));
    locks(effective) != locks(&lock_last)
}
