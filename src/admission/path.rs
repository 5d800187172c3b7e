//! Which member of a JSON text stands at a place, for the message of what
//! cannot be read there.

/// The keys and indices that lead to a line and a column, both from 1 as
/// `serde_json` counts them; empty outside of every member.
pub(super) fn at(text: &[u8], line: usize, column: usize) -> String {
    let before = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    let end = before.map(<[u8]>::len).sum::<usize>() + column;
    let mut inside: Vec<Step<'_>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at).filter(|_| at < end) {
        match byte {
            b'"' => {
                let begin = at + 1;
                at = end_of_string(text, begin);
                if let Some(Step::Member { key, awaited: true }) = inside.last_mut() {
                    *key = text.get(begin..at).unwrap_or_default();
                }
            }
            b'{' => inside.push(Step::Member { key: b"", awaited: true }),
            b'[' => inside.push(Step::Item(0)),
            b'}' | b']' => drop(inside.pop()),
            b':' => {
                if let Some(Step::Member { awaited, .. }) = inside.last_mut() {
                    *awaited = false;
                }
            }
            b',' => match inside.last_mut() {
                Some(Step::Member { key, awaited }) => (*key, *awaited) = (b"", true),
                Some(Step::Item(index)) => *index += 1,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for step in inside {
        match step {
            Step::Member { key: b"", .. } => {}
            Step::Member { key, .. } => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(&String::from_utf8_lossy(key));
            }
            Step::Item(index) => path = format!("{path}[{index}]"),
        }
    }
    path
}

/// A member of an object or an item of a list.
enum Step<'t> {
    Member { key: &'t [u8], awaited: bool },
    Item(usize),
}

/// The place of the quote that ends a string, or the end of the text.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::at;
    use crate::admission::wire::FullReview;

    /// The path to the mistake that `serde_json` reports.
    fn path(text: &str) -> String {
        let error = serde_json::from_str::<FullReview<'_>>(text).expect_err("a mistake");
        at(text.as_bytes(), error.line(), error.column())
    }

    #[test]
    fn it_leads_to_the_member_that_is_wrong() {
        for (rest, expected) in [
            ("\"object\":{\"mountOptions\":[\"a\",5]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"mountOptions\":[\"a\\\"]\",\n\n true]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"mountOptions\":\"bg\"}}}", "request.object.mountOptions"),
            ("\"object\":{\"mountOptions\":[\"a\",{}]}}}", "request.object.mountOptions[1]"),
            ("\"object\":{\"spec\":{\"nfs\":{\"server\":7}}}}}", "request.object.spec.nfs.server"),
            ("\"object\":{\"spec\":\n{\"a\":[{}, []], \"nfs\":[7]}}}}", "request.object.spec.nfs[0]"),
            ("\"dryRun\":\"yes\"}}", "request.dryRun"),
            ("\"object\":{\"mountOptions\":[\"\\ud800\"]}}}", "request.object.mountOptions[0]"),
        ] {
            let text = format!("{{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"u\",{rest}");
            assert_eq!(path(&text), expected, "{text}");
        }
        for text in ["", "5", "[", "\u{feff}{}"] {
            assert!(!path(text).contains('.'), "{text}");
        }
    }

    #[test]
    fn it_stands_any_text_and_place() {
        for text in ["", "\"", "\"\\", "{", "}]", "{\"a\":\"\\", ",,::[[", "\n\n"] {
            for column in 0..10 {
                at(text.as_bytes(), column / 3, column);
            }
        }
    }
}
