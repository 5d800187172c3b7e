//! Writes an option once: where a carrier has it, a second one in the place of a misspelt word says
//! nothing more.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Plan;
use super::foregrounds::keeps_place;
use crate::nfs::option::{self, MountOption};
use crate::nfs::reading;
use crate::nfs::saying::contradict;
use crate::subject::Subject;
use crate::subject::carrier::Carrier;
use crate::subject::effective::Token;

/// Takes each option out of what a plan writes that its carrier has already, or gets from the plan at
/// an earlier place. An option whose order counts stays.
pub(super) fn merge(plan: &mut Plan<'_>, subject: &Subject<'_>) {
    let mut gone = BTreeSet::new();
    let has_trap: Vec<bool> = subject.carriers.iter().map(has_trap).collect();
    let others: Vec<&Token<'_>> =
        subject.options.tokens().iter().filter(|token| token.in_force && !token.is_unrendered).collect();
    let is_left =
        |token: &Token<'_>| token.site.as_ref().is_none_or(|its| !plan.options.contains_key(&its.order()));
    // The options after the plan: a list may have a thousand of them, so each is read once.
    let mut after: Vec<Cow<'_, MountOption<'_>>> = Vec::new();
    for (at, (site, with)) in &plan.options {
        let Some(with) = with.as_deref().filter(|with| option::is_plain(with)) else { continue };
        let is_read = subject.options.at(site).is_some_and(|token| token.in_force && !token.is_unrendered);
        let new = MountOption::new(with);
        if !is_read
            || new.entry().is_none()
            || keeps_place(subject, site)
            || has_trap.get(site.carrier) != Some(&false)
        {
            continue;
        }
        let stays = others.iter().any(|token| {
            let its = token.site.as_ref().filter(|its| its.carrier == site.carrier);
            token.option.text() == with && its.is_some_and(|its| !plan.options.contains_key(&its.order()))
        });
        let comes = || {
            plan.options
                .range((site.carrier, 0, 0)..*at)
                .any(|(before, (_, text))| text.as_deref() == Some(with) && !gone.contains(before))
        };
        if !stays && !comes() {
            continue;
        }
        if after.is_empty() {
            let written = plan.options.values().filter_map(|(_, text)| text.as_deref());
            let written = written.flat_map(option::pieces).map(|text| Cow::Owned(MountOption::new(text)));
            let left = others.iter().filter(|token| is_left(token));
            after = left.map(|token| Cow::Borrowed(&token.option)).chain(written).collect();
        }
        if !after.iter().any(|option| contradict(&new, option)) {
            gone.insert(*at);
        }
    }
    for at in gone {
        if let Some((_, with)) = plan.options.get_mut(&at) {
            *with = None;
        }
    }
}

/// Returns true if a quote or a backslash of a carrier makes other options of it for some layer.
fn has_trap(carrier: &Carrier<'_>) -> bool {
    carrier.elements.iter().any(|element| reading::trap(element).is_some())
}
