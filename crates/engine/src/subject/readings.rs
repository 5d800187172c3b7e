//! Evaluates quotes and backslashes in a subject's options: the layers may read them differently.

use std::borrow::Cow;
use std::ops::Range;

use super::Subject;
use super::carrier::Carrier;
use super::driver::assembly::Step;
use crate::nfs::acceptance;
use crate::nfs::reading::{self, Latitude, NODES, Trap};

impl<'m> Subject<'m> {
    /// Returns the freedom with which a keyword in `carrier` is compared with `bg`. With a quote or
    /// a backslash in it, whitespace may be kept or dropped.
    pub fn latitude(&self, carrier: &Carrier<'_>) -> Latitude {
        let folds = self.may_fold();
        Latitude { folds, trims: folds || carrier.elements.iter().any(|element| reading::has_marks(element)) }
    }

    /// Returns the elements that are not one option as it should be written, each with
    /// its carrier.
    pub(super) fn irregular_elements(&self) -> impl Iterator<Item = (&Carrier<'m>, &'m str)> {
        self.options.irregular_elements().iter().filter_map(|(carrier, element)| {
            let carrier = self.carriers.get(*carrier)?;
            Some((carrier, *carrier.elements.get(*element)?))
        })
    }

    /// Returns the parts of an element of `carrier` that change the meaning of those that it is
    /// joined with.
    pub fn traps(&self, carrier: &Carrier<'_>, element: &str) -> Vec<(Range<usize>, Trap)> {
        if self.runs_a_shell() && reading::is_shell(&carrier.seen(element)) {
            return vec![(0..element.len(), Trap::Shell)];
        }
        carrier.traps(element)
    }

    /// Returns true if the driver passes the options through a shell.
    pub fn runs_a_shell(&self) -> bool {
        self.driver.steps.iter().any(|step| matches!(step, Step::Shell))
    }

    /// Returns true if a shell may make any option of an element.
    pub(super) fn may_hold_any_option(&self) -> bool {
        self.runs_a_shell()
            && self.irregular_elements().any(|(carrier, element)| reading::is_shell(&carrier.seen(element)))
    }

    /// Returns true if an option that is added may become part of one that is there, or be hidden
    /// by it.
    pub(super) fn has_trap(&self) -> bool {
        self.irregular_elements()
            .any(|(carrier, element)| carrier.in_force && !self.traps(carrier, element).is_empty())
    }

    /// Returns the elements of each carrier as a layer reads them that drops quotes and backslashes;
    /// only those that hold a `bg` differ.
    pub fn bare_elements(&self) -> Vec<Vec<Cow<'m, str>>> {
        let bare = |carrier: &Carrier<'m>, element: &'m str| -> Cow<'m, str> {
            let seen = carrier.seen(element);
            if !reading::has_marks(&seen) || !reading::mentions_background(&seen) {
                return element.into();
            }
            element.replace(|letter: char| u8::try_from(letter).is_ok_and(reading::is_mark), "").into()
        };
        let elements = |carrier: &Carrier<'m>| -> Vec<Cow<'m, str>> {
            carrier.elements.iter().map(|element| bare(carrier, element)).collect()
        };
        self.carriers.iter().map(elements).collect()
    }

    /// Returns true if a failed mount continues in the background on some node where that of `old`
    /// does not.
    pub fn is_background_where_it_was_not(&self, old: &Self) -> bool {
        let nodes = self.goes_to_background().into_iter().zip(old.goes_to_background());
        nodes.into_iter().any(|(new, old)| new && !old)
    }

    /// Returns true if a failed mount continues in the background on some node.
    pub fn may_go_to_background(&self) -> bool {
        self.goes_to_background().contains(&true)
    }

    /// Returns whether a failed mount continues in the background, for each kind of node; on all
    /// the same where no quote and no backslash stands.
    fn goes_to_background(&self) -> [bool; NODES] {
        let has_marks = |(carrier, element): (&Carrier<'_>, &str)| reading::has_marks(&carrier.seen(element));
        if self.irregular_elements().any(has_marks) {
            return reading::goes_to_background_by_node(&self.effective());
        }
        let is_open = self.may_background_come_last();
        [is_open || acceptance::goes_to_background(self.options.effective_options()); NODES]
    }
}
