//! Where two lists of options differ.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff};

/// The difference for people, an item a change: `bg -> fg`, `+retrans=2`, `-hard`.
pub fn words(old: &[&str], new: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    for Hunk { old: gone, new: come } in hunks(old, new) {
        let gone = old.get(gone).unwrap_or_default();
        let come = new.get(come).unwrap_or_default();
        let both = gone.len().min(come.len());
        words.extend(gone.iter().zip(come).map(|(gone, come)| format!("{gone} -> {come}")));
        words.extend(gone.iter().skip(both).map(|gone| format!("-{gone}")));
        words.extend(come.iter().skip(both).map(|come| format!("+{come}")));
    }
    words
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

/// Where two lists differ: the fewest changes between them, found with memory
/// for a few lines of the lists' length (Myers, "An O(ND) Difference Algorithm").
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
            // What is taken out and what is put in at one place are one change.
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
        ] {
            assert_eq!(words(old, new), wanted, "{old:?} {new:?}");
        }
    }
}
