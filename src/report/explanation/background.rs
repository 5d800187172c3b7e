//! A `bg` that the layers read in different ways.

use time::Date;

use super::refusals;
use crate::engine::evaluate;
use crate::finding::Finding;
use crate::nfs::reading::{self, Latitude};
use crate::policy::Policy;
use crate::rules::BACKGROUND_MOUNT;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// A `bg` that some layer may read, although those that were measured do not.
pub(super) struct MaybeBackground {
    /// The finding about it, as `check` reports it.
    pub(super) finding: String,
    /// True if a mount may succeed where it is read.
    pub(super) passes: bool,
}

/// Returns the `bg` in quotes, next to a backslash or in a placeholder that is not certain to count;
/// with `is_undecided` also one that counts, because the rest of the mount is not known.
pub(super) fn of(subject: &Subject<'_>, is_undecided: bool) -> Option<MaybeBackground> {
    let first = |is_it: &dyn Fn(&Finding) -> bool| {
        let evaluation = evaluate(&Policy::default(), subject, Date::MIN);
        let mut found = evaluation.findings.iter().filter(|judged| judged.rule == BACKGROUND_MOUNT);
        found.find(|judged| is_it(&judged.finding)).map(|judged| judged.finding.message.to_string())
    };
    if subject.may_go_to_background() {
        let finding = first(&|_| is_undecided)?;
        return Some(MaybeBackground { finding, passes: false });
    }
    let elements = subject.bare_elements();
    let bare = subject.with_elements(&elements);
    if bare.may_go_to_background() {
        let finding = first(&|_| true)?;
        return Some(MaybeBackground { finding, passes: refusals::at_every_try(&bare).is_none() });
    }
    let finding = first(&|finding| is_unrendered(subject, finding) || may_be_read(subject, finding))?;
    Some(MaybeBackground { finding, passes: true })
}

/// Returns true if a finding is about a text that a program may write in the place of a placeholder,
/// where it would reach the mount.
fn is_unrendered(subject: &Subject<'_>, finding: &Finding) -> bool {
    let Some(site) = &finding.site else { return false };
    let carrier = subject.carriers.get(site.carrier).filter(|carrier| carrier.in_force);
    carrier.is_some_and(|carrier| {
        let element = carrier.elements.get(site.element);
        element.is_some_and(|element| carrier.is_unrendered(element, site.range.clone()))
    })
}

/// Returns true if a finding is about a text that a driver whose source was not read may pass on: at a
/// place that is not known to be read, or in another notation than mount's.
fn may_be_read(subject: &Subject<'_>, finding: &Finding) -> bool {
    let Some(site) = &finding.site else { return false };
    let carrier = subject.carriers.get(site.carrier);
    let is_open = carrier.is_some_and(|carrier| !carrier.in_force || subject.options.at(site).is_none());
    is_open && !subject.driver.known.is_read()
}

/// Returns true if an option is `bg` but for quotes and backslashes.
pub(super) fn is_marked(token: &Token<'_>) -> bool {
    let text = token.option.text();
    reading::has_marks(text) && reading::background_word(text, Latitude::WIDE).is_some()
}
