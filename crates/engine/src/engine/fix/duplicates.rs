//! Writes an option once: where a carrier has it, a second one in the place of a misspelt word says
//! nothing more.

use super::Plan;
use crate::nfs::acceptance::contradict;
use crate::nfs::option::{self, MountOption};
use crate::nfs::reading;
use crate::subject::Subject;
use crate::subject::effective::Token;

/// Takes each option out of what a plan writes that its carrier has already, or gets from the plan at
/// an earlier place. An option whose order counts stays.
pub(super) fn merge(plan: &mut Plan<'_>, subject: &Subject<'_>) {
    let mut gone = Vec::new();
    for (at, (site, with)) in &plan.options {
        let Some(with) = with.as_deref().filter(|with| option::is_plain(with)) else { continue };
        let is_read = subject.options.at(site).is_some_and(|token| token.in_force && !token.is_unrendered);
        let new = MountOption::new(with);
        if !is_read || new.entry().is_none() || has_trap(subject, site.carrier) {
            continue;
        }
        let others =
            || subject.options.tokens().iter().filter(|token| token.in_force && !token.is_unrendered);
        let stays = others().any(|token| {
            let its = token.site.as_ref().filter(|its| its.carrier == site.carrier);
            token.option.text() == with && its.is_some_and(|its| !plan.options.contains_key(&its.order()))
        });
        let comes = plan
            .options
            .range((site.carrier, 0, 0)..*at)
            .any(|(before, (_, text))| text.as_deref() == Some(with) && !gone.contains(before));
        let is_left = |token: &&Token<'_>| {
            token.site.as_ref().is_none_or(|its| !plan.options.contains_key(&its.order()))
        };
        let written = plan.options.values().filter_map(|(_, text)| text.as_deref());
        let counts = others().filter(is_left).any(|token| contradict(&new, &token.option))
            || written.flat_map(option::pieces).any(|text| contradict(&new, &MountOption::new(text)));
        if (stays || comes) && !counts {
            gone.push(*at);
        }
    }
    for at in gone {
        if let Some((_, with)) = plan.options.get_mut(&at) {
            *with = None;
        }
    }
}

/// Returns true if a quote or a backslash of a carrier makes other options of it for some layer.
fn has_trap(subject: &Subject<'_>, carrier: usize) -> bool {
    let carrier = subject.carriers.get(carrier);
    carrier.is_none_or(|carrier| carrier.elements.iter().any(|element| reading::trap(element).is_some()))
}
