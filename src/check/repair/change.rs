//! Phrases the repair of a subject.

use std::collections::BTreeSet;
use std::fmt;

use super::removal;
use crate::admission::message::at_most;
use crate::engine::fix::Traced;
use crate::finding::Code;
use crate::nfs::disguised::intended_options;
use crate::site::Place;
use crate::source::difference::{self, Difference};
use crate::source::rewrite::{Replacement, lost_comments};
use crate::subject::Subject;

/// A subject that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The beginning of its object, in bytes.
    pub at: usize,
    /// The subject, as messages name it.
    pub title: String,
    /// The rules of which nothing is left that could be fixed.
    pub codes: Vec<Code>,
    /// The differences: `bg -> fg`, `+retrans=2`, `-soft`. Every option is named that
    /// it holds no more.
    pub words: Vec<String>,
    /// True if the API server refuses them for an object that exists.
    pub is_immutable: bool,
}

impl Changed {
    /// Names the comments that go away with what they speak of, in their own words: they have no line
    /// in the new text.
    pub(super) fn without_comments<'r>(
        mut self,
        text: &str,
        replacements: impl Iterator<Item = &'r Replacement>,
    ) -> Self {
        let replacements: Vec<&Replacement> = replacements.collect();
        let is_moved = |at: &usize| {
            let comment = text.get(*at..).and_then(|rest| rest.lines().next()).unwrap_or_default().trim_end();
            // A list that moves takes its comments along.
            replacements.iter().any(|replacement| replacement.with.contains(comment))
        };
        let lost = replacements.iter().flat_map(|replacement| lost_comments(text, replacement));
        let lost: BTreeSet<usize> = lost.filter(|at| !is_moved(at)).collect();
        let shown: Vec<String> = lost.iter().filter_map(|at| quoted(text.get(*at..)?)).collect();
        match shown.as_slice() {
            [] => {}
            [one] => self.words.push(format!("without the comment {one}")),
            several => self.words.push(format!("without the comments {}", several.join(", "))),
        }
        self
    }
}

/// Returns the comment with which a text begins, as far as a line of a report holds it.
fn quoted(text: &str) -> Option<String> {
    const LONGEST: usize = 60;
    let comment = text.lines().next()?.trim_end();
    Some(format!("{:?}", at_most(comment.to_owned(), LONGEST)))
}

/// One thing that a repair does to a subject, written as in [`Changed::words`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) enum Step {
    /// Writes an option in the place of another one.
    Replace(String, String),
    /// Adds an option.
    Add(String),
    /// Removes an option.
    Remove(String),
    /// Gives each option an element of its own.
    Split,
    /// Removes elements without an option.
    WithoutEmpty,
    /// Removes a place.
    Without(Place),
    /// Gives the key of a place another name.
    Rename(Place, Place),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace(gone, come) => {
                let difference = Difference { gone: Some(gone), come: Some(come) };
                difference.fmt(f)
            }
            Self::Add(come) => Difference { gone: None, come: Some(come) }.fmt(f),
            Self::Remove(gone) => Difference { gone: Some(gone), come: None }.fmt(f),
            Self::Split => f.write_str("one option an element"),
            Self::WithoutEmpty => f.write_str("without empty elements"),
            Self::Without(place) => write!(f, "without {}", place.field(None)),
            Self::Rename(from, to) => write!(f, "{} -> {}", from.field(None), to.field(None)),
        }
    }
}

impl From<Difference<'_>> for Step {
    fn from(difference: Difference<'_>) -> Self {
        match (difference.gone, difference.come) {
            (Some(gone), Some(come)) => Self::Replace(gone.to_owned(), come.to_owned()),
            (Some(gone), None) => Self::Remove(gone.to_owned()),
            (None, come) => Self::Add(come.unwrap_or_default().to_owned()),
        }
    }
}

/// Returns the same as [`steps`], in words.
pub(super) fn words(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>) -> Vec<String> {
    steps(subject, moved, fixed).iter().map(ToString::to_string).collect()
}

/// Returns the elements that hold the same options as before, and are written otherwise: without a
/// bracket or a comma that is too many.
fn respelt(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>) -> Vec<Step> {
    let carriers = subject.carriers.iter().zip(&fixed.elements);
    let stay = carriers.filter(|(carrier, _)| !moved.contains(&carrier.place));
    let pairs = stay.flat_map(|(carrier, new)| carrier.elements.iter().copied().zip(new));
    let changed = pairs.filter(|(old, new)| **old != ***new);
    changed.map(|(old, new)| Step::Replace(old.to_owned(), new.clone().into_owned())).collect()
}

/// Returns true if an element becomes several, which none of the steps says.
fn splits_in_silence(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>, steps: &[Step]) -> bool {
    let carriers = subject.carriers.iter().zip(&fixed.origins);
    let mut stay = carriers.filter(|(carrier, _)| !moved.contains(&carrier.place));
    stay.any(|(carrier, origins)| {
        carrier.elements.iter().enumerate().any(|(index, element)| {
            let is_of_it = |origin: &&Option<usize>| **origin == Some(index);
            let is_said = |step: &Step| matches!(step, Step::Replace(old, _) if old == element);
            origins.iter().filter(is_of_it).nth(1).is_some() && !steps.iter().any(is_said)
        })
    })
}

/// Returns the differences of a subject, carrier by carrier. `moved` are the places that go away.
pub(in crate::check) fn steps(subject: &Subject<'_>, moved: &[Place], fixed: &Traced<'_>) -> Vec<Step> {
    let mut differences = Vec::new();
    for (carrier, new) in subject.carriers.iter().zip(&fixed.elements) {
        if moved.contains(&carrier.place) {
            continue;
        }
        let old: Vec<&str> = carrier.elements.iter().copied().flat_map(difference::options).collect();
        let new: Vec<&str> = new.iter().flat_map(|element| difference::options(element)).collect();
        differences.extend(difference::differences(&old, &new));
    }
    let mut steps: Vec<Step> = differences.iter().copied().map(Step::from).collect();
    for removed in removal::options(subject, moved, &fixed.elements) {
        let is_named = |difference: &Difference<'_>| {
            let gone = difference.gone.unwrap_or_default();
            // An option that is written otherwise is named by its old text.
            gone.trim() == removed || intended_options(gone).contains(&removed)
        };
        let mut new = fixed.elements.iter().flatten();
        let is_within = new.any(|new| difference::is_a_piece(&removed, new));
        let step = Step::Remove(removed.clone());
        if !differences.iter().any(is_named) && !is_within && !steps.contains(&step) {
            steps.push(step);
        }
    }
    let is_split =
        subject.carriers.iter().zip(&fixed.elements).any(|(old, new)| old.elements.len() < new.len());
    let is_shorter =
        subject.carriers.iter().zip(&fixed.elements).any(|(old, new)| old.elements.len() > new.len());
    // Splitting is named only where no other step shows it.
    if steps.is_empty() && is_split || splits_in_silence(subject, moved, fixed, &steps) {
        steps.push(Step::Split);
    } else if steps.is_empty() && is_shorter {
        steps.push(Step::WithoutEmpty);
    } else if steps.is_empty() {
        steps.extend(respelt(subject, moved, fixed));
    }
    steps.extend(moved.iter().cloned().map(Step::Without));
    for renaming in &fixed.renamed {
        let old = difference::options(&renaming.old);
        let new = difference::options(&renaming.new);
        steps.push(Step::Rename(renaming.from.clone(), renaming.to.clone()));
        steps.extend(difference::differences(&old, &new).into_iter().map(Step::from));
    }
    steps
}
