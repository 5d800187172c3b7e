//! Writes one `fg` of a carrier: where there is one, another in the place of a `bg` says nothing more.

use std::borrow::Cow;

use super::Plan;
use crate::finding::{Edit, Finding, Fix};
use crate::nfs::catalog::{Entry, Group};
use crate::nfs::option::MountOption;
use crate::nfs::{option, reading};
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::effective::Token;

const WORD: &str = "fg";

/// Takes each `fg` out of what a plan writes that its carrier has already, or gets from the plan
/// at an earlier place.
pub(super) fn merge(plan: &mut Plan<'_>, subject: &Subject<'_>) {
    let is_written = |with: &Option<Cow<'_, str>>| with.as_ref().is_some_and(|with| is_in(with));
    let written: Vec<_> =
        plan.options.iter().filter(|(_, (_, with))| is_written(with)).map(|(at, _)| *at).collect();
    let mut last = None;
    let mut has_one = false;
    for (carrier, element, start) in written {
        if last != Some(carrier) {
            (last, has_one) = (Some(carrier), keeps_one(plan, subject, carrier));
        }
        let Some((site, with)) = plan.options.get_mut(&(carrier, element, start)) else { continue };
        // Within a quoted text it is no option to every layer.
        let is_option = subject.options.at(site).is_some_and(|token| token.in_force && !token.is_unrendered);
        if !is_option || !is_split_alike(subject, carrier) {
            continue;
        }
        if keeps_place(subject, site) {
            has_one = true;
            continue;
        }
        if has_one {
            let text = with.take().unwrap_or_default();
            let others: Vec<&str> = option::pieces(&text).filter(|piece| *piece != WORD).collect();
            *with = (!others.is_empty()).then(|| Cow::Owned(others.join(",")));
        }
        has_one = true;
    }
}

/// Returns true if an `fg` in the place of the option at `site` would be taken out again, because its
/// carrier has one already, or gets one in the place of an earlier `bg`.
pub fn is_repeated(subject: &Subject<'_>, site: &Site) -> bool {
    let reaches_mount = |token: &&Token<'_>| token.in_force && !token.is_unrendered;
    let Some(token) = subject.options.at(site).filter(reaches_mount) else { return false };
    let says_it = |other: &Token<'_>| {
        other.site.as_ref().is_some_and(|at| {
            let is_earlier = at.order() < site.order();
            at.carrier == site.carrier
                && (other.option.text() == WORD || is_earlier && other.is_background(subject.may_fold()))
        })
    };
    token.is_background(subject.may_fold())
        && !keeps_place(subject, site)
        && subject.options.tokens().iter().filter(reaches_mount).any(says_it)
        && is_split_alike(subject, site.carrier)
}

/// Returns true if an option that is written at `site` stays although the list has it: without it its
/// element of a sorted list would come elsewhere, and another option may win.
pub(super) fn keeps_place(subject: &Subject<'_>, site: &Site) -> bool {
    let carrier = subject.carriers.get(site.carrier);
    let element = carrier.and_then(|carrier| carrier.elements.get(site.element));
    subject.driver.sorts() && element.is_some_and(|element| site.range != (0..element.len()))
}

fn is_in(text: &str) -> bool {
    option::pieces(text).any(|piece| piece == WORD)
}

/// Returns true if a carrier reaches the mount with an `fg` that the plan leaves.
fn keeps_one(plan: &Plan<'_>, subject: &Subject<'_>, carrier: usize) -> bool {
    subject.options.tokens().iter().filter(|token| token.in_force && !token.is_unrendered).any(|token| {
        token.option.text() == WORD
            && token
                .site
                .as_ref()
                .is_some_and(|site| site.carrier == carrier && !plan.options.contains_key(&site.order()))
    })
}

/// Returns true if no quote or backslash of a carrier makes other options of it for some layer.
fn is_split_alike(subject: &Subject<'_>, carrier: usize) -> bool {
    let Some(found) = subject.carriers.get(carrier) else { return false };
    let is_clear = |element: &str| reading::trap(element).is_none();
    if !found.in_force {
        return found.elements.iter().all(|element| is_clear(element));
    }
    // The others are one plain option each: a hostile list has a thousand of them.
    let irregular = subject.options.irregular_elements().iter().filter(|(at, _)| *at == carrier);
    irregular.filter_map(|(_, element)| found.elements.get(*element)).all(|element| is_clear(element))
}

/// Takes out an addition next to a word of its kind that this round respells:
/// `"bg "` becomes `bg` first, and then `fg`.
pub(super) fn wait_for_respelling(fixes: &mut Vec<(&Finding, &Fix)>) {
    let group = |text: &str| MountOption::new(text).entry().and_then(Entry::group);
    let edits = fixes.iter().flat_map(|(_, fix)| &fix.edits);
    let written: Vec<(usize, Group)> = edits
        .filter_map(|edit| match edit {
            Edit::Replace { site, with } => Some((site.carrier, group(with)?)),
            _ => None,
        })
        .collect();
    let waits = |edit: &Edit| match edit {
        Edit::Append { carrier, option } => {
            group(option).is_some_and(|group| written.contains(&(*carrier, group)))
        }
        _ => false,
    };
    if !written.is_empty() {
        fixes.retain(|(_, fix)| !fix.edits.iter().any(waits));
    }
}
