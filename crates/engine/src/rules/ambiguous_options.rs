//! NMG008: two options of which only one can win.

mod locks;
mod recovery;

use std::collections::BTreeMap;

use super::{About, Actions, Example, Rule, RuleContext, offer, remove, soft_mount};
use crate::finding::{Action, Applicability, Code, Fix, Sentence, Severity};
use crate::nfs::acceptance::Transport;
use crate::nfs::catalog::{Effect, Entry, Group, OptionId, OptionSet};
use crate::nfs::option::{self, MountOption};
use crate::nfs::settings::Settings;
use crate::nfs::version::Versions;
use crate::nfs::{acceptance, disguised, saying};
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::driver::evidence::Evidence;
use crate::subject::effective::Token;
use recovery::Way;

pub(super) static RULE: Rule = Rule {
    code: Code(8),
    name: "ambiguous-options",
    title: "Conflicting options",
    summary: "two options that contradict each other",
    why: "Of `hard` and `soft`, `ro` and `rw`, or two values of `timeo`, the last one in the string wins. The \
last one written need not be that one. The kubelet sorts the list of an in-tree NFS volume, so `[soft, hard]` is \
mounted soft, `timeo=7` beats `timeo=600`, and an `rw` undoes `readOnly: true`. A CSI driver may append options \
of its own. The effect of `lock` with `local_lock=` depends on the kernel. The manifest then shows another \
option than the one in effect.",
    remedy: "Keep the intended one and remove the other.",
    actions: Actions::all(Action::Deny),
    lesser: Some((Actions::all(Action::Warn), "every layer agrees on the one that is written last")),
    fix: Some(Applicability::Offer),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [fg, nfsvers=4.1, soft, hard, timeo=600, retrans=2]
  nfs: {server: nfs.example.com, path: /export}
",
        good: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [fg, nfsvers=4.1, hard, timeo=600, retrans=2]
  nfs: {server: nfs.example.com, path: /export}
",
    },
    references: &[
        "nfs(5), MOUNT OPTIONS",
        "JoinMountOptions: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/util/util.go",
        "nfs_fs_context_parse_param: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let undone = check_implied(check);
    recovery::check_softreval(check);
    if says_everything_once(check) {
        return;
    }
    let mut groups: BTreeMap<Group, Vec<&Token<'_>>> = BTreeMap::new();
    for token in check.options() {
        // bg and fg are NMG001's and NMG002's.
        let is_settled = |group: &Group| *group == Group::BACKGROUND || undone.contains(&group.id());
        if let Some(group) = group(token).filter(|group| !is_settled(group)) {
            groups.entry(group).or_default().push(token);
        }
    }
    for (group, written) in groups {
        check_group(check, group, &written);
    }
    check_cache_times(check);
}

/// Returns `exec`, `suid` and `dev` where they are before a word that implies the contrary, and reports
/// them.
fn check_implied(check: &mut RuleContext<'_, '_>) -> Vec<OptionId> {
    let mut undone = Vec::new();
    if !check.speaks_of(OptionSet::of(&[OptionId::User])) {
        return undone;
    }
    let subject = check.subject;
    let effective: Vec<&Token<'_>> = subject.options.effective().collect();
    // mount(8): user and users imply noexec, nosuid and nodev; owner and group the last two.
    for word in [OptionId::Exec, OptionId::Suid, OptionId::Dev] {
        let of_word = |token: &&&Token<'_>| token.id() == Some(word) && token.acceptance.refusal.is_none();
        let position = |wanted: &Token<'_>| effective.iter().position(|token| std::ptr::eq(*token, wanted));
        let Some(said) = effective.iter().rfind(of_word).copied() else { continue };
        let implies = |token: &&&Token<'_>| acceptance::implied_flags(&token.option).contains(word);
        let Some(undone_by) = effective.iter().rfind(implies).copied() else { continue };
        let is_negated = said.entry().is_none_or(|entry| entry.negated);
        if is_negated || position(said) > position(undone_by) {
            continue;
        }
        let order = |token: &Token<'_>| token.site.as_ref().map(Site::order);
        let is_written_last = order(said) > order(undone_by);
        let severity = if is_written_last { Severity::Proper } else { Severity::Lesser };
        let (said_text, undone_by) = (said.option.text(), undone_by.option.text());
        let message = format!("{undone_by:?} implies no{said_text} and is read after {said_text:?}");
        let without =
            effective.iter().filter(|token| !std::ptr::eq(**token, said)).map(|token| &token.option);
        // A driver may add a default once the option is gone, and the mount would be another one.
        let is_needed = subject.driver.depends_on(&said.option, without);
        let fix = remove(said).filter(|_| !is_needed).map(|edit| offer(vec![edit]));
        check.report(said, severity, message, fix);
        undone.push(word);
    }
    undone
}

/// Returns true if nothing can contradict anything, which is the usual case: one option of each
/// group at most is written, the mount gets no second one, and no `actimeo`.
fn says_everything_once(check: &RuleContext<'_, '_>) -> bool {
    let (mut mounted, mut written) = (OptionSet::default(), OptionSet::default());
    // A driver that passes on one of two leaves the mount no conflict, and its author one.
    !check.speaks_of(OptionSet::of(&[OptionId::Actimeo]))
        && check.subject.options.effective().filter_map(group).all(|group| mounted.insert(group.id()))
        && check.options().filter_map(group).all(|group| written.insert(group.id()))
}

/// Returns the group that an option takes part in.
fn group(token: &Token<'_>) -> Option<Group> {
    let takes_part = token.acceptance.refusal.is_none() && !token.is_drivers_own;
    token.entry().filter(|_| takes_part).and_then(Entry::group)
}

fn check_group<'c, 'm>(check: &mut RuleContext<'c, 'm>, of_group: Group, written: &[&'c Token<'m>]) {
    let effective = check.subject.options.effective().filter(|token| group(token) == Some(of_group));
    // The kernel assigns at each occurrence, so the last one stays.
    let Some(mut winner) = effective.clone().next_back() else {
        return;
    };
    // Of words without effect none wins: NMG015 speaks of them.
    let is_v3_possible = !check.subject.options.settings().versions.and(Versions::V3).is_empty();
    let is_idle = |token: &Token<'_>| match token.entry().map(|entry| entry.effect) {
        Some(Effect::NoneOnV4(_)) => !is_v3_possible,
        Some(Effect::None(_)) => true,
        Some(Effect::Active) | None => false,
    };
    if effective.clone().all(is_idle) {
        return;
    }
    if of_group == Group::ACCESS && check_access_with_value(check, written) {
        return;
    }
    let mut written = written.to_vec();
    if of_group == Group::LOCKING
        && let Some((nolock, others)) = locks::report_covered(check, &written)
    {
        (winner, written) = (nolock, others);
    }
    let is_beaten = |token: &&Token<'_>| {
        !says_the_same(token, winner) && !adds_up(token, winner, effective.clone().rev())
    };
    let losers: Vec<_> = written.iter().copied().filter(is_beaten).collect();
    // kubelet's own ro is one with a written one.
    let is_read_only_source = check.subject.shows(&Evidence::ReadOnlySource);
    let is_meant_read_only = |token: &Token<'_>| {
        let is_written = token.site.is_some() && !is_read_only_source;
        !is_written && token.id() == Some(OptionId::Ro)
    };
    let read_only_undone = of_group == Group::ACCESS
        && winner.id() == Some(OptionId::Rw)
        && effective.clone().any(is_meant_read_only);
    let Some(last) = written.last() else { return };
    if read_only_undone {
        // Only what the object itself says is what its author meant.
        if is_read_only_source {
            let by = if check.subject.is_csi() { "the driver puts" } else { "the kubelet sorts" };
            let message = format!("rw overrides readOnly: true, because {by} it after ro");
            // The fix must not make a writable mount read-only.
            let fix =
                remove(winner).map(|edit| Fix { applicability: Applicability::Unsafe, edits: vec![edit] });
            check.report(winner, Severity::Proper, message, fix);
        } else {
            let message =
                "rw overrides the ro that the driver adds for its access mode: the mount is writable";
            check.report(winner, Severity::Lesser, message.to_owned(), None);
        }
        return;
    }
    let Some(first_loser) = recovery::first_loser(&losers) else {
        return;
    };
    let depends =
        of_group == Group::LOCKING && locks::kernels_disagree(check, &effective.collect::<Vec<_>>());
    // The list says one thing and the mount does another: no reader of the list would see it.
    let reads_otherwise = !says_the_same(last, winner);
    let is_open = check.subject.is_order_open(first_loser, winner);
    let severity = if depends || is_open || reads_otherwise && !is_mild_default(winner) {
        Severity::Proper
    } else {
        Severity::Lesser
    };
    let winner_text = winner.option.text();
    let why = if depends {
        "the kernel version decides which one takes effect".to_owned()
    } else if is_open {
        "the driver reads the two keys in no fixed order".to_owned()
    } else if reads_otherwise {
        format!("{}; {winner_text:?} takes effect", reordered_by(check.subject))
    } else {
        "the last one takes effect".to_owned()
    };
    let message = format!("{} and {winner_text:?} conflict: {why}", check.quote(first_loser));
    // Options that the driver adds once this one is removed could beat the winner.
    let staying = || {
        let stays = |token: &&Token<'_>| !losers.iter().any(|loser| std::ptr::eq(*loser, *token));
        check.subject.options.effective().filter(stays).map(|token| &token.option)
    };
    let is_needed = losers.iter().any(|loser| check.subject.driver.depends_on(&loser.option, staying()));
    let is_kept = is_needed || depends || is_open || is_cut_off(check, winner);
    let all = || Some(losers.iter().filter_map(|token| remove(token)).collect());
    let way = match of_group {
        Group::RECOVERY => recovery::way_out(check, &losers, winner),
        Group::LOCKING if !is_kept => Way { remedy: None, fix: locks::keep_nolock(check, &written, &losers) },
        _ => Way { remedy: transport_remedy(check, of_group, winner), fix: all() },
    };
    let message = Sentence { what: message.into(), remedy: way.remedy.map(Into::into) };
    // Whatever went, some kernel would mount something else than before.
    let fix = way.fix.filter(|_| !is_kept && message.remedy.is_none());
    check.report(first_loser, severity, message, fix.map(offer));
}

/// Returns true for a default of the driver's that it adds beside a written option, and that puts no data
/// at risk: the volume works, with another number or with `hard`.
fn is_mild_default(winner: &Token<'_>) -> bool {
    winner.site.is_none()
        && matches!(
            winner.id(),
            Some(OptionId::Hard | OptionId::Timeo | OptionId::Retrans | OptionId::Actimeo)
        )
}

/// Returns true if a comma cut off the rest of the winner's value, so that it is another value than
/// its author meant: `timeo=6,00`.
fn is_cut_off(check: &RuleContext<'_, '_>, winner: &Token<'_>) -> bool {
    let element = check.element(winner).unwrap_or_default();
    let mut pieces = option::split(element).skip_while(|piece| piece.text != winner.option.text()).skip(1);
    pieces.next().is_some_and(|piece| disguised::is_rest_of_value(piece.text))
}

/// Returns the remedy where the winner is a `udp`, which NMG013 rejects, and where what loses still counts.
fn transport_remedy(check: &RuleContext<'_, '_>, of_group: Group, winner: &Token<'_>) -> Option<String> {
    let is_udp = |token: &&Token<'_>| acceptance::transport(&token.option) == Some(Transport::Udp);
    if winner.site.is_some() && is_udp(&winner) {
        let udp: Vec<&Token<'_>> = check.options().filter(is_udp).collect();
        return Some(format!("drop {}", soft_mount::names(&udp)));
    }
    let of_transport = check.subject.options.effective().map(|token| &token.option);
    let is_kept = of_group.id() == OptionId::Proto && saying::keeps_ipv6(of_transport);
    is_kept.then(|| "keep one of them; with both the kernel takes IPv6 addresses alone".to_owned())
}

/// Reports `ro` and `rw` of which one has a value; false where none has. A value of `ro`
/// makes it win in any order, one of `rw` leaves that without effect (measured with
/// mount(8) of util-linux 2.38): no removal is certain to change nothing.
fn check_access_with_value(check: &mut RuleContext<'_, '_>, written: &[&Token<'_>]) -> bool {
    let effective = || check.subject.options.effective().filter(|token| group(token) == Some(Group::ACCESS));
    if !effective().any(|token| token.option.value().is_some()) {
        return false;
    }
    let other = |token: &Token<'_>| effective().find(|other| other.id() != token.id());
    if let Some((first, other)) = written.first().and_then(|first| Some((*first, other(first)?))) {
        let (quoted, other) = (check.quote(first), other.option.text());
        let what = format!(
            "{quoted} and {other:?} conflict: mount(8) reads them with a value in an order of its own"
        );
        let message = Sentence::with_remedy(what, "keep one of them, without a value");
        check.report(first, Severity::Proper, message, None);
    }
    true
}

/// Returns why the option that takes effect is not the one that is written last.
fn reordered_by(subject: &Subject<'_>) -> &'static str {
    match (subject.driver.sorts(), subject.is_csi()) {
        (true, true) => "the driver sorts the list",
        (true, false) => "the kubelet sorts the list",
        (false, _) => "the driver changes the list",
    }
}

/// Returns true if a `local_lock=` counts beside the one that is read last: each sets bits of its
/// own, and only `none` clears what was set before it (`Opt_local_lock` of the same `fs_context.c`).
fn adds_up<'t, 'm: 't>(
    token: &Token<'_>,
    winner: &Token<'_>,
    from_last: impl Iterator<Item = &'t Token<'m>>,
) -> bool {
    let is_set = |option: &MountOption<'_>| option.value() != Some("none");
    let is_local = |token: &Token<'_>| token.id() == Some(OptionId::LocalLock);
    let mut since_cleared = from_last.take_while(|token| !is_local(token) || is_set(&token.option));
    is_local(winner)
        && is_local(token)
        && is_set(&token.option)
        && since_cleared.any(|found| is_local(found) && found.option.text() == token.option.text())
}

fn says_the_same(one: &Token<'_>, other: &Token<'_>) -> bool {
    saying::agree(&one.option, &other.option)
}

/// Reports cache times in an order that a driver changes: `actimeo` and the single times overwrite each
/// other in order, so sorting changes what they amount to.
fn check_cache_times(check: &mut RuleContext<'_, '_>) {
    let is_time = |token: &&Token<'_>| {
        matches!(
            token.id(),
            Some(
                OptionId::Actimeo
                    | OptionId::Acregmin
                    | OptionId::Acregmax
                    | OptionId::Acdirmin
                    | OptionId::Acdirmax
            )
        )
    };
    let written: Vec<_> = check.options().filter(is_time).collect();
    let Some(actimeo) = written.iter().find(|token| token.id() == Some(OptionId::Actimeo)) else {
        return;
    };
    let effective = check.subject.options.effective().filter(is_time);
    let of = |tokens: Vec<&MountOption<'_>>| Settings::of(tokens).attribute_cache;
    let as_written = of(written.iter().map(|token| &token.option).collect());
    let as_mounted = of(effective.map(|token| &token.option).collect());
    if as_written != as_mounted && written.len() > 1 {
        let last = check.subject.options.effective().rfind(is_time);
        let is_last = last.is_some_and(|token| token.id() == Some(OptionId::Actimeo));
        let what = if is_last {
            "is sorted after the single cache times and overrides them"
        } else {
            "is sorted before a single cache time, which overrides it"
        };
        let message = check.about(actimeo, what);
        check.report(actimeo, Severity::Proper, message, None);
    }
}
