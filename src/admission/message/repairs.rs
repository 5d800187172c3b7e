//! Phrases the repairs of the mutating webhook.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

use super::{WARNING_LENGTH, WHO, at_most};
use crate::engine::Evaluation;
use crate::finding::{Action, Applicability, Edit};
use crate::nfs::option;
use crate::subject::carrier::{Carrier, Form};

/// A carrier that the webhook writes.
#[derive(Clone, Copy)]
pub(super) struct Carried<'c, 'm> {
    pub(super) carrier: &'c Carrier<'m>,
    pub(super) index: usize,
    /// The options that its driver sets as long as the list is empty, and that are written out.
    pub(super) defaults: &'static [&'static str],
}

/// Returns sentences about the options that the webhook wrote into a carrier, or would write, and
/// their rules, then about the driver's defaults that it wrote out with them: one sentence, or more
/// if that is too long, none if it wrote nothing.
pub(super) fn sentences(
    evaluation: &Evaluation,
    Carried { carrier, index, defaults }: Carried<'_, '_>,
    patched: &[Cow<'_, str>],
    is_enforced: bool,
) -> Vec<String> {
    if carrier.elements.iter().copied().eq(patched.iter().map(|element| &**element)) {
        return Vec::new();
    }
    let all_added = added(carrier, patched);
    // A list that is as long as a mount takes gets nothing more.
    let is_made = |edit: &Edit| match edit {
        Edit::Append { option, .. } => all_added.contains(&&**option),
        _ => true,
    };
    let repairs = evaluation.findings.iter().filter(|judged| {
        let fix = judged.finding.fix.as_ref().filter(|fix| fix.applicability == Applicability::Apply);
        let is_applied = fix.is_some_and(|fix| fix.edits.iter().all(is_made));
        judged.finding.carrier == index && is_applied && judged.demanded == Action::Deny
    });
    let codes: BTreeSet<String> = repairs.clone().map(|judged| judged.finding.code.to_string()).collect();
    let codes = format!(" ({})", Vec::from_iter(codes).join(", "));
    let replaces = repairs.clone().any(|judged| judged.finding.site.is_some());
    let (write, add) = if is_enforced { ("wrote", "added") } else { ("would write", "would add") };
    let place = carrier.place.short();
    let (mut written_out, mut added): (VecDeque<&str>, VecDeque<&str>) =
        all_added.iter().partition(|word| defaults.contains(word));
    let mut sentences = Vec::new();
    let mut done = replaces.then(|| format!("{write} fg in place of bg"));
    while done.is_some() || !added.is_empty() {
        let codes = if sentences.is_empty() { codes.as_str() } else { "" };
        let verb = match (&done, is_enforced) {
            (Some(done), false) => format!("{done} and add"),
            (Some(done), true) => format!("{done} and {add}"),
            (None, _) => add.to_owned(),
        };
        let sentence = |words: &str| format!("{WHO} {verb}{words} in {place}{codes}");
        let words = fitting(&mut added, &sentence, done.is_none());
        let whole = match &done {
            Some(done) if words.is_empty() => format!("{WHO} {done} in {place}{codes}"),
            _ => sentence(&words),
        };
        sentences.push(at_most(whole, WARNING_LENGTH));
        done = None;
    }
    while !written_out.is_empty() {
        let sentence = |words: &str| format!("{WHO} {write} out the driver's defaults in {place}:{words}");
        let words = fitting(&mut written_out, &sentence, true);
        sentences.push(at_most(sentence(&words), WARNING_LENGTH));
    }
    sentences
}

/// Takes as many words from the front as a sentence has room for; one at least if `takes_one`.
fn fitting(added: &mut VecDeque<&str>, sentence: &dyn Fn(&str) -> String, takes_one: bool) -> String {
    let room = WARNING_LENGTH.saturating_sub(sentence("").chars().count());
    let (mut words, mut length) = (String::new(), 0);
    while let Some(word) = added.front() {
        let comma = if words.is_empty() { "" } else { "," };
        length += comma.len() + 1 + word.chars().count();
        let is_first = words.is_empty() && takes_one;
        if !is_first && length > room {
            break;
        }
        for part in [comma, " ", word] {
            words.push_str(part);
        }
        added.pop_front();
    }
    words
}

/// Returns the options that a carrier has after those that it had.
fn added<'c>(carrier: &Carrier<'_>, patched: &'c [Cow<'_, str>]) -> Vec<&'c str> {
    let texts = |elements: &'c [Cow<'_, str>]| elements.iter().map(|element| &**element);
    if carrier.form == Form::List {
        return texts(patched.get(carrier.elements.len()..).unwrap_or_default()).collect();
    }
    let count = carrier.elements.iter().copied().flat_map(option::pieces).count();
    texts(patched).flat_map(option::pieces).skip(count).collect()
}
