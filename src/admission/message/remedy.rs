//! Phrases the remedy for one finding, as a part of a sentence.

use super::at_most;
use crate::engine::Judged;
use crate::engine::fix::is_repeated;
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
        // An option in the dress of a flag is one of mount.nfs, and stays without it.
        let is_of_mount = judged.rule == MALFORMED_ELEMENT;
        let is_foreign = !is_removed && !is_of_mount && is_of_another_program(&judged.finding.keyword);
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
        // fix takes an option out that would say again what another one says.
        Some(Edit::Replace { site, with }) if with == "fg" && is_repeated(subject, site) => {
            "remove it".to_owned()
        }
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
    use crate::engine::evaluate;
    use crate::policy::Policy;
    use crate::rules::BACKGROUND_MOUNT;
    use crate::subject::manifest::Manifest;
    use time::macros::date;

    #[test]
    fn a_bg_beside_an_fg_is_removed_as_fix_removes_it() {
        let in_tree = r#""nfs": {"server": "s", "path": "/"}"#;
        let csi = r#""csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": "h",
            "volumeAttributes": {"server": "s", "share": "/"}}"#;
        let (replaced, removed) = ("replace it with \"fg\"", "remove it");
        for (source, options, remedies) in [
            (in_tree, r#""bg""#, vec![replaced]),
            (in_tree, r#""bg", "fg""#, vec![removed]),
            (csi, r#""bg", "hard,bg""#, vec![replaced, removed]),
            // The kubelet sorts the list: "hard" alone would come after other elements.
            (in_tree, r#""bg", "hard,bg""#, vec![replaced, replaced]),
        ] {
            let json = format!(
                r#"{{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {{"name": "a"}}, "spec":
                {{{source}, "mountOptions": [{options}, "udp", "timeo=600", "retrans=2"]}}}}"#
            );
            let manifest: Manifest<'_> = serde_json::from_str(&json).expect("a manifest");
            let subject = Subject::new(&manifest, &[]).expect("a subject");
            let findings = evaluate(&Policy::default(), &subject, date!(2026 - 03 - 01)).findings;
            let backgrounds = findings.iter().filter(|judged| judged.rule == BACKGROUND_MOUNT);
            let said: Vec<String> = backgrounds.map(|judged| advice(&subject, judged)).collect();
            assert_eq!(said, remedies, "{source} {options}");
        }
    }

    #[test]
    fn a_remedy_goes_on_with_a_small_letter() {
        for (sentence, part) in [("Use hard", "use hard"), ("NFSv4 has it", "NFSv4 has it"), ("A b", "a b")] {
            assert_eq!(within_a_sentence(sentence), part);
        }
    }
}
