//! What a repair does to a subject, in words.

use super::removal;
use crate::engine::fix::Traced;
use crate::finding::Code;
use crate::nfs::disguised::intended_options;
use crate::nfs::option;
use crate::site::Place;
use crate::source::difference;
use crate::subject::Subject;

/// A subject that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Where its object begins, in bytes.
    pub at: usize,
    /// The subject, as messages name it.
    pub title: String,
    /// The rules of which nothing is left that could be fixed.
    pub codes: Vec<Code>,
    /// The differences: `bg -> fg`, `+retrans=2`, `-soft`. Every option is named that
    /// it holds no more.
    pub words: Vec<String>,
}

/// The differences of a subject, carrier by carrier. `moved` are the places that go away.
pub(super) fn words(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>) -> Vec<String> {
    let mut words = Vec::new();
    for (carrier, new) in subject.carriers.iter().zip(&fixed.elements) {
        if moved.contains(&carrier.place) {
            continue;
        }
        let old: Vec<&str> = carrier.elements.iter().copied().flat_map(option::pieces).collect();
        let new: Vec<&str> = new.iter().flat_map(|element| option::pieces(element)).collect();
        words.extend(difference::words(&old, &new));
    }
    for removed in removal::options(subject, moved, &fixed.elements) {
        let is_named = |word: &String| {
            let rest = word.strip_prefix(removed.as_str());
            let is_it = |gone: &str| gone == removed || intended_options(gone).contains(&removed);
            rest.is_some_and(|rest| rest.trim_start().starts_with("-> "))
                || word.strip_prefix('-').is_some_and(is_it)
        };
        let mut new = fixed.elements.iter().flatten();
        let is_within = new.any(|new| difference::is_a_piece(&removed, new));
        if !words.iter().any(is_named) && !is_within {
            words.push(format!("-{removed}"));
        }
    }
    let is_split =
        subject.carriers.iter().zip(&fixed.elements).any(|(old, new)| old.elements.len() < new.len());
    if words.is_empty() && is_split {
        words.push("one option an element".to_owned());
    }
    words.extend(moved.iter().map(|place| format!("without {}", place.field(None))));
    words
}
