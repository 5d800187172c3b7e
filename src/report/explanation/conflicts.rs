//! Options of which only one can win, and which one that is.

use std::collections::{BTreeMap, BTreeSet};

use super::Conflict;
use crate::nfs::acceptance;
use crate::nfs::catalog::{self, Entry, Group, OptionId};
use crate::nfs::option::MountOption;
use crate::nfs::saying;
use crate::nfs::settings::{CACHE_TIMES, Settings};
use crate::nfs::value::kernel_number;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// Returns every conflict in what mount.nfs gets.
pub(super) fn of(subject: &Subject<'_>) -> Vec<Conflict> {
    let mut groups: BTreeMap<Group, Vec<&Token<'_>>> = BTreeMap::new();
    // Of two with one name a driver may pass on only one: the other lost to it.
    let passed_on: Vec<&Token<'_>> = subject.options.effective().collect();
    let is_passed_on = |token: &&Token<'_>| passed_on.iter().any(|passed| std::ptr::eq(*passed, *token));
    let dropped = subject.options.tokens().iter().filter(|token| token.is_written() && !is_passed_on(token));
    let all = dropped.chain(passed_on.iter().copied());
    for token in all.filter(|token| token.acceptance.refusal.is_none()) {
        if let Some(group) = token.entry().and_then(Entry::group) {
            groups.entry(group).or_default().push(token);
        }
    }
    // The options that a word implies win over a whole group before it.
    let implied: Vec<(OptionId, Conflict)> = [OptionId::Exec, OptionId::Suid, OptionId::Dev]
        .into_iter()
        .filter_map(|word| Some((word, implied(subject, word)?)))
        .collect();
    let is_settled = |word: OptionId| word == OptionId::Actimeo || CACHE_TIMES.contains(&word);
    groups.retain(|group, _| !is_settled(group.id()) && implied.iter().all(|(word, _)| *word != group.id()));
    let written = groups.into_iter().filter_map(|(group, options)| conflict(subject, group, &options));
    let mut all: Vec<Conflict> = written.collect();
    all.extend(cache_times(subject));
    all.extend(implied.into_iter().map(|(_, conflict)| conflict));
    all.extend(softreval(subject));
    all
}

/// Returns cache times that overwrite each other, by the one that wins.
fn cache_times(subject: &Subject<'_>) -> Vec<Conflict> {
    let times: Vec<_> = subject
        .options
        .effective()
        .filter(|token| token.acceptance.refusal.is_none())
        .filter_map(|token| Some((token.id()?, token.option.text(), kernel_number(token.option.value()?)?)))
        .filter(|(word, ..)| *word == OptionId::Actimeo || CACHE_TIMES.contains(word))
        .collect();
    // By the place of the winner: what loses to it, and the times that it sets.
    let mut won: BTreeMap<usize, (BTreeSet<usize>, Vec<OptionId>)> = BTreeMap::new();
    let sets = |word: OptionId, time: OptionId| word == time || word == OptionId::Actimeo;
    for time in CACHE_TIMES {
        let setters = || times.iter().enumerate().filter(|(_, (word, ..))| sets(*word, time));
        let Some((last, (.., value))) = setters().next_back() else { continue };
        let losers = setters().filter(|(_, (.., its))| its != value).map(|(index, _)| index);
        let (beaten, about) = won.entry(last).or_default();
        beaten.extend(losers);
        about.push(time);
    }
    let text = |index: usize| times.get(index).map(|(_, text, _)| (*text).to_owned());
    let conflict = |(winner, (losers, about)): (usize, (BTreeSet<usize>, Vec<OptionId>))| {
        let options = losers.iter().copied().chain([winner]).filter_map(text).collect();
        let lost = losers.iter().filter_map(|index| times.get(*index));
        let is_open = |time: &OptionId| !about.contains(time);
        let is_part = lost
            .into_iter()
            .any(|(word, ..)| CACHE_TIMES.iter().filter(|time| sets(*word, **time)).any(is_open));
        let about = is_part.then(|| names(&about));
        (!losers.is_empty()).then(|| Conflict { winner: text(winner), options, about, depends: None })
    };
    won.into_iter().filter_map(conflict).collect()
}

/// Returns the options that set these times alone, in a row.
fn names(times: &[OptionId]) -> String {
    let is_it = |(_, entry): &(&str, &Entry)| times.contains(&entry.id);
    let names: Vec<&str> = catalog::entries().filter(is_it).map(|(name, _)| name).collect();
    names.join(", ")
}

/// Returns a flag, and a word beside it that implies the contrary: the later one wins.
fn implied(subject: &Subject<'_>, word: OptionId) -> Option<Conflict> {
    let options: Vec<_> = subject.options.effective().map(|token| &token.option).collect();
    let says = |option: &&&MountOption<'_>| option.entry().is_some_and(|entry| entry.id == word);
    let said = options.iter().rposition(|option| says(&option))?;
    let implies = |option: &&&MountOption<'_>| acceptance::implied_flags(option).contains(word);
    let (before, behind) = options.split_at_checked(said)?;
    let said = behind.first().filter(|option| option.entry().is_some_and(|entry| !entry.negated))?;
    let (first, winner) = match behind.iter().rfind(implies) {
        Some(winner) => (said, winner),
        None => (before.iter().rfind(implies)?, said),
    };
    let texts = [first, winner].map(|option| option.text().to_owned());
    Some(Conflict {
        winner: Some(winner.text().to_owned()),
        options: texts.to_vec(),
        about: None,
        depends: None,
    })
}

/// Returns a `softreval` that a `hard` after it turns off (measured: `softreval,hard` is `hard`).
fn softreval(subject: &Subject<'_>) -> Option<Conflict> {
    if subject.options.settings().softreval {
        return None;
    }
    let last = |id: OptionId| {
        let is_it = move |token: &&Token<'_>| token.id() == Some(id) && token.acceptance.refusal.is_none();
        subject.options.effective().rfind(is_it).map(|token| token.option.text().to_owned())
    };
    let (said, hard) = (last(OptionId::Softreval)?, last(OptionId::Hard)?);
    Some(Conflict {
        options: vec![said, hard.clone()],
        winner: Some(hard),
        about: Some("softreval".to_owned()),
        depends: None,
    })
}

/// Returns the relation of the options of one group; `None` if all are the same.
fn conflict(subject: &Subject<'_>, group: Group, tokens: &[&Token<'_>]) -> Option<Conflict> {
    let options: Vec<&MountOption<'_>> = tokens.iter().map(|token| &token.option).collect();
    let last_token = tokens.last()?;
    let last = last_token.option.text();
    if options.iter().all(|option| saying::agree(option, &last_token.option)) {
        return None;
    }
    let relation = if group == Group::LOCKING { locking(&options) } else { Relation::LastWins };
    let is_open = |token: &&&Token<'_>| {
        !saying::agree(&token.option, &last_token.option) && subject.is_order_open(token, last_token)
    };
    let is_valued = group == Group::ACCESS && options.iter().any(|option| option.value().is_some());
    let (winner, depends) = match relation {
        _ if is_valued => (None, Some("mount(8): a value of ro or rw changes the order")),
        Relation::LastWins if tokens.iter().any(|token| is_open(&token)) => {
            (None, Some("the order in which the driver reads its keys, which is not fixed"))
        }
        Relation::LastWins => (Some(last.to_owned()), None),
        Relation::Unsettled => (None, Some("the kernel")),
        Relation::AddUp => return None,
    };
    // Measured: `softerr,soft` is `soft,softreval`.
    let is_of = |id: OptionId| move |option: &&&MountOption<'_>| option.entry().is_some_and(|e| e.id == id);
    let off = options.iter().rposition(|option| is_of(OptionId::Hard)(&option));
    let keeps =
        options.iter().skip(off.map_or(0, |at| at + 1)).any(|option| is_of(OptionId::Softerr)(&option))
            && is_of(OptionId::Soft)(&options.last()?);
    let about = if keeps {
        Some("the error; the softreval of softerr stays on since Linux 5.6")
    } else if group.id() == OptionId::Proto && saying::keeps_ipv6(options.iter().copied()) {
        Some("the transport; the kernel takes IPv6 addresses alone")
    } else {
        None
    };
    Some(Conflict {
        winner,
        about: about.map(ToOwned::to_owned),
        depends,
        options: options.iter().map(|option| option.text().to_owned()).collect(),
    })
}

/// The relation of the options of one group.
enum Relation {
    LastWins,
    /// Kernels disagree.
    Unsettled,
    /// All count.
    AddUp,
}

/// Returns how lock options relate: several `local_lock=` add up, and so do they with a `nolock` that comes
/// to the same. Where not, kernel 6.1 goes by the order, and newer ones let `lock` and `nolock` win
/// (measured).
fn locking(options: &[&MountOption<'_>]) -> Relation {
    let locks = |options: &[&MountOption<'_>]| Settings::of(options.iter().copied()).local_locks;
    let on_this_node = |options: &[&MountOption<'_>]| (locks(options).flock, locks(options).posix);
    let mut lock_last = options.to_vec();
    lock_last.sort_by_key(|option| option.entry().is_some_and(|entry| entry.id == OptionId::Lock));
    let all = locks(options);
    let is_undone = |option: &&MountOption<'_>| {
        let alone = locks(&[option]);
        let is_lock = option.entry().is_some_and(|entry| entry.id == OptionId::Lock);
        alone.flock && !all.flock
            || alone.posix && !all.posix
            || is_lock && alone.nolock != all.nolock
            || option.value() == Some("none") && all.any()
    };
    if on_this_node(options) != on_this_node(&lock_last) {
        Relation::Unsettled
    } else if options.iter().any(is_undone) {
        Relation::LastWins
    } else {
        Relation::AddUp
    }
}
