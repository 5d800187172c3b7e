//! Finds the options without effect at a place that nothing reads: they are dropped, not moved.

use crate::nfs::acceptance::{judge, version_request};
use crate::nfs::option::{self, MountOption};
use crate::nfs::version::Versions;
use crate::rules::no_effect::ineffective;
use crate::subject::Subject;

/// Returns the options among those that are lost that would do nothing in the list, as NMG015 evaluates them.
pub(super) fn idle<'l, T: AsRef<str>>(subject: &Subject<'_>, lost: &'l [T]) -> Vec<&'l str> {
    let in_force = subject.options.effective().filter_map(|token| version_request(&token.option));
    let moved = pieces(lost).filter_map(|text| version_request(&MountOption::new(text)));
    let mut requests = in_force.chain(moved).peekable();
    let is_pinned = requests.peek().is_some();
    let only_v4 = is_pinned && requests.all(|request| request.versions.and(Versions::V3).is_empty());
    let is_idle = |text: &&str| {
        let option = MountOption::new(*text);
        let is_own = subject.driver.own_words.contains(&option.keyword());
        !is_own && judge(&option).refusal.is_none() && ineffective(&option, only_v4).is_some()
    };
    pieces(lost).filter(is_idle).collect()
}

/// Returns the options of all texts, without the empty ones.
pub(super) fn pieces<T: AsRef<str>>(lost: &[T]) -> impl Iterator<Item = &str> {
    lost.iter()
        .flat_map(|text| option::split(text.as_ref()))
        .map(|piece| piece.text.trim())
        .filter(|text| !text.is_empty())
}
