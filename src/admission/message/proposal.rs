//! Writes the carriers after a repair as they can be pasted into YAML.

use crate::engine::fix::Elements;
use crate::engine::judge::LONGEST_PROPOSAL;
use crate::subject::Subject;
use crate::subject::carrier::Form;

/// Returns each carrier's new content, as it can be pasted into YAML.
pub fn lists(subject: &Subject<'_>, elements: &Elements<'_>) -> Vec<Option<String>> {
    (0..subject.carriers.len()).map(|index| proposed(subject, elements, index)).collect()
}

/// Returns a carrier's new content, as it can be pasted into YAML.
fn proposed(subject: &Subject<'_>, elements: &Elements<'_>, index: usize) -> Option<String> {
    let carrier = subject.carriers.get(index)?;
    let elements = elements.get(index)?;
    // The kubelet mounts no FlexVolume with a list, whatever is in it.
    if subject.is_flex_volume() && carrier.form == Form::List {
        return None;
    }
    let text = if carrier.form == Form::List {
        let quoted: Vec<String> = elements.iter().map(|element| flow_scalar(element)).collect();
        format!("[{}]", quoted.join(", "))
    } else {
        format!("{:?}", elements.first()?)
    };
    (text.chars().count() <= LONGEST_PROPOSAL).then_some(text)
}

/// Returns an element of a YAML flow list, quoted where it must be.
fn flow_scalar(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=/:+-".contains(&byte))
        // A digit or a sign at the beginning could be that of a number in YAML.
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(':');
    if is_plain { text.to_owned() } else { format!("{text:?}") }
}
