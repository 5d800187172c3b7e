//! Finds the differences of two lists of options.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff};

use crate::nfs::acceptance::are_rivals;
use crate::nfs::catalog::OptionId;
use crate::nfs::disguised::{self, intended_options};
use crate::nfs::intended::version_word;
use crate::nfs::option::{self, MountOption};

/// One difference of two lists, written `bg -> fg`, `+retrans=2` or `-hard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'t> {
    /// The elements of the old list only.
    pub gone: Option<&'t str>,
    /// The elements of the new list only, in their place if both are there.
    pub come: Option<&'t str>,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.gone, self.come) {
            (Some(gone), Some(come)) => write!(f, "{} -> {}", shown(gone), shown(come)),
            (Some(gone), None) => write!(f, "-{}", shown(gone)),
            (None, Some(come)) => write!(f, "+{}", shown(come)),
            (None, None) => Ok(()),
        }
    }
}

/// Quotes an option that would not be told from the signs around it.
pub(crate) fn shown(option: &str) -> Cow<'_, str> {
    let is_clear =
        !option.is_empty() && !option.starts_with(['-', '+']) && !option.contains(char::is_whitespace);
    if is_clear { option.into() } else { format!("{option:?}").into() }
}

/// Returns the difference for people. One option stands for another only where both are about the
/// same.
pub fn words(old: &[&str], new: &[&str]) -> Vec<String> {
    differences(old, new).iter().map(ToString::to_string).collect()
}

/// Returns the options of an element, for people; of a list in a text, as JSON writes one, the words.
pub(crate) fn options(element: &str) -> Vec<&str> {
    if element.trim_start().starts_with('[') {
        return disguised::words(element).map(|(_, word)| word).collect();
    }
    option::pieces(element).collect()
}

/// Returns the same as [`words`], with the options themselves.
pub(crate) fn differences<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Difference<'t>> {
    let mut differences: Vec<Difference<'t>> = Vec::new();
    for Hunk { old: gone, new: come } in hunks(old, new) {
        let gone = old.get(gone).unwrap_or_default();
        let mut come: Vec<&str> = new.get(come).unwrap_or_default().to_vec();
        let all = come.clone();
        for &gone in gone {
            let at = come.iter().position(|come| is_about_the_same(gone, come));
            let come = at.map(|at| come.remove(at));
            if come.is_some() || !all.iter().any(|come| is_a_piece(gone, come)) {
                differences.push(Difference { gone: Some(gone), come });
            }
        }
        differences.extend(come.into_iter().map(|come| Difference { gone: None, come: Some(come) }));
    }
    joined(differences)
}

/// Most differences of which those far from each other are put together.
const MOST_JOINED: usize = 64;

/// Joins what is taken out at one place and put in at another as one: `Hard, hard` becomes
/// `hard, hard` by the shortest way, which takes out the first and adds a last.
fn joined(mut differences: Vec<Difference<'_>>) -> Vec<Difference<'_>> {
    if differences.len() > MOST_JOINED {
        return differences;
    }
    for index in 0..differences.len() {
        let Some(Difference { gone: Some(gone), come: None }) = differences.get(index).copied() else {
            continue;
        };
        let is_it = |other: &Difference<'_>| {
            other.gone.is_none() && other.come.is_some_and(|come| is_about_the_same(gone, come))
        };
        let Some(at) = differences.iter().position(is_it) else { continue };
        let come = differences.get(at).and_then(|other| other.come);
        if let Some(difference) = differences.get_mut(index) {
            difference.come = come;
        }
        if let Some(other) = differences.get_mut(at) {
            other.come = None;
        }
    }
    differences.retain(|difference| difference.gone.is_some() || difference.come.is_some());
    differences
}

/// Returns true if one option is written in the place of the other.
fn is_about_the_same(gone: &str, come: &str) -> bool {
    let is_mark = |character: char| !character.is_ascii_alphanumeric();
    let option = MountOption::new(gone.trim_matches(is_mark).to_lowercase());
    let other = MountOption::new(come);
    if let (Some(one), Some(two)) = (option.entry(), other.entry()) {
        // The labels of a mount differ in their keywords only.
        return option.keyword() == other.keyword() || one.id != OptionId::Context && are_rivals(one, two);
    }
    // A misspelt one: the same value, or nearly the same letters.
    let is_near = strsim::osa_distance(option.keyword(), other.keyword()) <= 2;
    option.value().is_some() && option.value() == other.value()
        // A value alone: `tcp6` for `proto=tcp6`.
        || other.value() == Some(gone)
        || is_near && option.keyword().len() > 2
        || gone.contains(come)
        || is_meant(gone, come)
        || version_word(gone).as_deref() == Some(come)
        || gone.to_lowercase().contains("ground") && come == "fg"
}

/// Returns true if text that holds more than an option, as `-o hard` does, is written as this one
/// now.
fn is_meant(gone: &str, come: &str) -> bool {
    let holds_more = gone.starts_with('-') || gone.contains(char::is_whitespace);
    holds_more && intended_options(gone).iter().any(|meant| meant == come || meant == "bg" && come == "fg")
}

/// Returns true if an unknown text is a piece of what is written now, as `c2` of a label is.
pub(crate) fn is_a_piece(gone: &str, come: &str) -> bool {
    MountOption::new(gone).entry().is_none() && come.len() > gone.len() && come.contains(gone)
}

/// A stretch in which two lists differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// Elements of two lists up to which the fewest changes are looked for: the time
/// grows with the elements times the changes.
const MOST_COMPARED: usize = 20_000;

/// Returns the differences of two lists: the fewest changes between them, found with memory for a
/// few lines of the lists' length (Myers, "An O(ND) Difference Algorithm").
pub(crate) fn hunks(old: &[&str], new: &[&str]) -> Vec<Hunk> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let before = old.iter().zip(new).take_while(same).count();
    let (rest, new_rest) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let behind = rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_end, new_end) = (old.len() - behind, new.len() - behind);
    if (old_end - before) + (new_end - before) > MOST_COMPARED {
        return vec![Hunk { old: before..old_end, new: before..new_end }];
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    // Only the lengths count: the places of what was shifted are stale
    // (mitsuhiko/similar, `algorithms/compact.rs`).
    let (mut at, mut new_at) = (before, before);
    for change in capture_diff(Algorithm::Myers, old, before..old_end, new, before..new_end) {
        let (tag, gone, come) = change.as_tag_tuple();
        let gone = if tag == DiffTag::Insert { 0 } else { gone.len() };
        let come = if tag == DiffTag::Delete { 0 } else { come.len() };
        let (start, new_start) = (at, new_at);
        (at, new_at) = (at + gone, new_at + come);
        if tag == DiffTag::Equal {
            continue;
        }
        match hunks.last_mut() {
            // A removal and an insertion at one place are one change.
            Some(hunk) if hunk.old.end == start && hunk.new.end == new_start => {
                (hunk.old.end, hunk.new.end) = (at, new_at);
            }
            _ => hunks.push(Hunk { old: start..at, new: new_start..new_at }),
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_is_replaced_added_and_removed() {
        for (old, new, wanted) in [
            (&["hard", "bg"][..], &["hard", "fg", "retrans=2"][..], &["bg -> fg", "+retrans=2"][..]),
            (&[], &["fg"], &["+fg"]),
            (&["soft", "hard"], &["hard"], &["-soft"]),
            (&["a"], &["a"], &[]),
            (&["bg", "x", "timeo=60s"], &["fg", "x", "timeo=600"], &["bg -> fg", "timeo=60s -> timeo=600"]),
            (&["intr", "bg"], &["fg", "timeo=600"], &["-intr", "bg -> fg", "+timeo=600"]),
            (&["timo=600", "FG"], &["timeo=600", "fg"], &["timo=600 -> timeo=600", "FG -> fg"]),
            (
                &["foreground", "nfs4.1"],
                &["fg", "nfsvers=4.1"],
                &["foreground -> fg", "nfs4.1 -> nfsvers=4.1"],
            ),
            (&["Hard", "hard"], &["hard", "hard"], &["Hard -> hard"]),
            (
                &["timeo=0600", "timeo=384", "fg"],
                &["timeo=384", "timeo=384", "fg"],
                &["timeo=0600 -> timeo=384"],
            ),
            (&["-o bg ", " hard"], &["fg", "hard"], &["\"-o bg \" -> fg", "\" hard\" -> hard"]),
            (&["context=a:c1", "c2"], &["context=\"a:c1,c2\""], &["context=a:c1 -> context=\"a:c1,c2\""]),
        ] {
            assert_eq!(words(old, new), wanted, "{old:?} {new:?}");
        }
    }
}
