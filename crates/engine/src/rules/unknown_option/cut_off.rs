//! Finds what an unknown word is the rest of: a comma, or a new element, cut it off.

use super::super::malformed_element::rewritten::UNQUOTED;
use super::super::{RuleContext, offer};
use crate::finding::{Edit, Sentence, Severity};
use crate::nfs::disguised::{self, MOST_PIECES, is_category_range, may_continue, rest_of_remark};
use crate::site::Site;
use crate::subject::carrier::Form;
use crate::subject::effective::Token;

/// Reports `token` as the rest of what stands before it; false where it is none. A remark is
/// looked for if `seeks_remark`.
pub(super) fn report(check: &mut RuleContext<'_, '_>, token: &Token<'_>, seeks_remark: bool) -> bool {
    if let Some(whole) = whole_of(check, token) {
        report_rest(check, token, whole);
        return true;
    }
    let remark = if seeks_remark { remark_of(check, token) } else { None };
    let Some((remark, is_first)) = remark else { return false };
    report_remark(check, token, &remark, is_first);
    true
}

fn severity(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Severity {
    // A driver whose source was not read may take the word itself, and a kernel overlooks it beside `sloppy`.
    if check.subject.driver.known.is_read() && !token.is_beside_sloppy { Severity::CannotMount } else { Severity::Lesser }
}

/// An option of which each piece is an element.
struct Whole {
    /// The piece with which it begins, the last one of its element.
    head: Site,
    /// The number of elements.
    elements: usize,
    /// The option as it should be written.
    text: String,
}

/// Returns the option that `token`, an element of its own, is the rest of: a category of an `SELinux`
/// label, a flavor of `sec=`, a group of digits.
fn whole_of(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Option<Whole> {
    let site = token.site.as_ref().filter(|_| may_continue(token.option.text().trim()))?;
    let carrier = check.subject.carriers.get(site.carrier).filter(|carrier| carrier.form == Form::List)?;
    // A bound, so that a list of many unknown words takes linear time.
    let from = site.element.saturating_sub(MOST_PIECES);
    let before = carrier.elements.get(from..site.element)?;
    let start = from + before.iter().rposition(|element| element.contains('='))?;
    let head = carrier.pieces(carrier.elements.get(start)?).pop()?;
    let rest = carrier.elements.get(start + 1..)?.iter().copied();
    let texts: Vec<&str> = std::iter::once(head.text).chain(rest).take(MOST_PIECES).collect();
    let meant = disguised::meant(&texts).filter(|meant| start + meant.pieces > site.element)?;
    let [text] = meant.options.as_slice() else { return None };
    let head = Site { carrier: site.carrier, element: start, range: head.range };
    Some(Whole { head, elements: meant.pieces, text: text.clone() })
}

/// Says which option it belongs to; the first of its pieces offers to write it.
fn report_rest(check: &mut RuleContext<'_, '_>, token: &Token<'_>, whole: Whole) {
    let Some(site) = token.site.clone() else { return };
    let Whole { head, elements, text } = whole;
    let element = head.element;
    let message = if is_category_range(token.option.text().trim()) {
        check.about(token, "is a category of the SELinux label before it, which is one element")
    } else {
        check.about(token, "is the rest of the option before it, which is one element")
    };
    let is_first = site.element == element + 1;
    let at = |index: usize| {
        let carrier = check.subject.carriers.get(site.carrier)?;
        Some(Site { carrier: site.carrier, element: index, range: 0..carrier.elements.get(index)?.len() })
    };
    // Of several rests only the first has the fix of the whole, or their edits would overlap.
    let fix = is_first.then(|| {
        let gone = (element + 1..element + elements).filter_map(at).map(|site| Edit::Remove { site });
        let option = Edit::Replace { site: head, with: text.clone().into() };
        offer(std::iter::once(option).chain(gone).collect())
    });
    let severity = severity(check, token);
    let (remedy, fix) = if check.subject.runs_a_shell() && text.contains('"') {
        (UNQUOTED.into(), None)
    } else {
        (format!("use {text}"), fix)
    };
    check.report(token, severity, Sentence::with_remedy(message, remedy), fix);
}

/// Returns the sites of a remark and of its rest, to which `token` belongs, and true if that is the
/// first after the comma.
fn remark_of(check: &RuleContext<'_, '_>, token: &Token<'_>) -> Option<(Vec<Site>, bool)> {
    let site = token.site.as_ref()?;
    let carrier = check.subject.carriers.get(site.carrier)?;
    let element = carrier.elements.get(site.element).copied().filter(|element| element.contains(','))?;
    let pieces = carrier.pieces(element);
    let index = pieces.iter().position(|piece| piece.range == site.range)?;
    let texts: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
    let reaches_it =
        |start: &usize| texts.get(*start..).is_some_and(|texts| rest_of_remark(texts) >= index - start);
    let start = (index.saturating_sub(MOST_PIECES)..index).rev().find(reaches_it)?;
    let rest = rest_of_remark(texts.get(start..)?);
    let sites = pieces.get(start..=start + rest)?.iter();
    let sites = sites.map(|piece| Site { range: piece.range.clone(), ..*site }).collect();
    Some((sites, index == start + 1))
}

/// Says that no layer reads a remark, and each its comma; the first piece after it offers to drop all.
fn report_remark(check: &mut RuleContext<'_, '_>, token: &Token<'_>, remark: &[Site], is_first: bool) {
    let element = token.site.as_ref().and_then(|site| check.element_at(site)).unwrap_or_default();
    let start = remark.first().map_or(0, |site| site.range.start);
    let end = remark.last().map_or(element.len(), |site| site.range.end);
    let whole = element.get(start..end).unwrap_or(element);
    let message = format!("unknown option {}: the comma ends the value before it", check.quote(token));
    let edits = remark.iter().cloned().map(|site| Edit::Remove { site }).collect();
    let fix = is_first.then(|| offer(edits));
    let severity = severity(check, token);
    check.report(token, severity, Sentence::with_remedy(message, format!("drop {whole}")), fix);
}
