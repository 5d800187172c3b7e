//! The text with which an object would pass.

use crate::admission::message;
use crate::engine::fix::Elements;
use crate::engine::judge::{Case, Verdict, proposal};
use crate::report::Reported;
use crate::source::difference;
use crate::subject::Subject;

/// Returns the carriers as they pass: as the mutating webhook writes them, or as fixes bring
/// them there.
pub(super) fn ways_out(case: &Case<'_, '_>, verdict: &Verdict, actions: &[Reported]) -> Vec<WayOut> {
    let worst = actions.iter().max().copied().unwrap_or(Reported::Audit);
    let written = verdict.patch().filter(|_| actions.contains(&Reported::Patch) && worst != Reported::Deny);
    match written {
        Some(elements) => WayOut::each(case.subject, elements),
        // The webhook's repair alone does not pass: more is proposed after it.
        None if worst >= Reported::Patch && verdict.patch().is_some() => {
            let after = verdict.patch().map(|elements| case.subject.with_elements(elements));
            let passes = |subject: Subject<'_>| {
                let case = Case { subject: &subject, ..*case };
                proposal(&case).map(|elements| WayOut::each(case.subject, &elements))
            };
            after.and_then(passes).unwrap_or_default()
        }
        None if worst >= Reported::Patch => {
            proposal(case).map(|elements| WayOut::each(case.subject, &elements)).unwrap_or_default()
        }
        None => Vec::new(),
    }
}

/// The text of a carrier with which its object would pass.
pub(super) struct WayOut {
    /// The list, ready to paste.
    pub(super) list: Option<String>,
    /// The difference from the written list, if the text is long.
    pub(super) difference: Option<String>,
}

impl WayOut {
    /// Characters that are read at a glance.
    const LONG: usize = 100;

    fn each(subject: &Subject<'_>, elements: &Elements<'_>) -> Vec<Self> {
        let lists = message::lists(subject, elements).into_iter();
        lists
            .zip(subject.carriers.iter().zip(elements))
            .map(|(list, (carrier, new))| {
                let is_long = list.as_ref().is_some_and(|list| list.chars().count() > Self::LONG);
                let difference = is_long.then(|| {
                    let new: Vec<&str> =
                        new.iter().flat_map(|element| difference::options(element)).collect();
                    let old: Vec<&str> =
                        carrier.elements.iter().copied().flat_map(difference::options).collect();
                    difference::words(&old, &new).join(", ")
                });
                Self { list, difference: difference.filter(|words| words.chars().count() < Self::LONG) }
            })
            .collect()
    }
}
