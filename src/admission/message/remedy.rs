//! Phrases the remedy for one finding, as a part of a sentence.

use super::at_most;
use crate::engine::Judged;
use crate::finding::Edit;
use crate::rules::{MALFORMED_ELEMENT, Rule, is_of_another_program};
use crate::site::Place;
use crate::subject::Subject;

/// Most characters of an option that is to be dropped.
const LONGEST_DROPPED: usize = 80;

/// Returns the remedy for one finding, if no whole list is known to pass.
pub fn advice(subject: &Subject<'_>, judged: &Judged) -> String {
    if let Some(remedy) = &judged.finding.message.remedy {
        let is_removed = remedy.ends_with("remove it");
        let is_foreign = !is_removed && is_of_another_program(&judged.finding.keyword);
        return if is_foreign { format!("{remedy}; drop it here") } else { remedy.clone().into_owned() };
    }
    let edit = judged.finding.fix.as_ref().and_then(|fix| fix.edits.first());
    let carrier = subject.carriers.get(judged.finding.carrier).filter(|_| edit.is_some());
    let is_list = carrier.is_some_and(|carrier| matches!(carrier.place, Place::MountOptions(_)));
    // No word of such a list makes the volume mount.
    if is_list && subject.is_flex_volume() {
        return "remove mountOptions, which the kubelet rejects on a FlexVolume".to_owned();
    }
    match edit {
        Some(Edit::Replace { with, .. }) => format!("replace it with {with:?}"),
        Some(Edit::Remove { site }) => match subject.options.at(site) {
            Some(token) => format!("drop {:?}", at_most(token.option.text().to_owned(), LONGEST_DROPPED)),
            None => "drop it".to_owned(),
        },
        Some(Edit::Append { option, .. }) => format!("add {option:?}"),
        Some(Edit::Rename(renaming)) => format!("rename it to {}", renaming.to.short()),
        Some(Edit::Split { .. }) => "write one option per element".to_owned(),
        None if judged.rule == MALFORMED_ELEMENT && judged.finding.site.is_none() => "write fewer".to_owned(),
        None => of_rule(judged.rule),
    }
}

/// Returns the first sentence of a rule's remedy, as a part of another one.
pub fn of_rule(rule: &Rule) -> String {
    let first = rule.remedy.split(". ").next().unwrap_or_default();
    within_a_sentence(&first.trim_end_matches('.').replace('`', ""))
}

/// Returns a sentence as a part of another one: it begins with a small letter, unless with a name
/// in capitals.
fn within_a_sentence(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next();
    let is_name =
        letters.clone().next().is_some_and(|second| second.is_uppercase() || second.is_ascii_digit());
    match first {
        Some(first) if !is_name => first.to_lowercase().chain(letters).collect(),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_goes_on_with_a_small_letter() {
        for (sentence, part) in [("Use hard", "use hard"), ("NFSv4 has it", "NFSv4 has it"), ("A b", "a b")] {
            assert_eq!(within_a_sentence(sentence), part);
        }
    }
}
