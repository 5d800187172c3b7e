//! The fault of a text that was meant as JSON: YAML's reader, which reads JSON too, speaks
//! of YAML, and often of a later place.

use serde::de::IgnoredAny;

use crate::source::{Problem, json_fault};

/// Returns the fault of a document that begins as JSON does, at the place where JSON ends to be
/// read; else `problem`. kubectl takes what begins with a brace for JSON as well (`GuessJSONStream`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apimachinery/pkg/util/yaml/decoder.go>).
pub(super) fn or_json(problem: Problem, written: &str, start: usize) -> Problem {
    if problem.fault != super::Fault::Unread || !begins_as_json(written) {
        return problem;
    }
    let Err(error) = serde_json::from_str::<IgnoredAny>(written) else { return problem };
    let at = json_fault::offset(written, &error);
    Problem::at(start + at, format!("is not JSON: {}", json_fault::words(&error)))
}

/// Returns true if the first key or item is written as in JSON.
fn begins_as_json(written: &str) -> bool {
    let text = written.trim_start();
    let inner = |open: char| text.strip_prefix(open).map(str::trim_start);
    inner('{').is_some_and(|text| text.starts_with('"'))
        || inner('[').is_some_and(|text| text.starts_with(['"', '[']) || begins_as_json(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_is_called_so_at_its_place() {
        for (text, at, words) in [
            ("{\"a\": [\"bg\",}", "}", "is not JSON: expected a value"),
            ("{\"a\": 1\n \"b\": 2}", "\"b\"", "is not JSON: expected \",\" or \"}\""),
            ("[{\"a\": \"é\" \"x\"}]", "\"x\"", "is not JSON: expected \",\" or \"}\""),
            ("{\"a\": {\"b\": 1}", "}", "is not JSON: it ends before it is closed"),
            ("{\"a\": True}", "True", "is not JSON: expected a value"),
        ] {
            let problem = or_json(Problem::at(0, "is not YAML: x".to_owned()), text, 10);
            assert!(problem.message.starts_with(words), "{text}: {}", problem.message);
            let offset = problem.offset.expect("a place") - 10;
            assert!(text.get(offset..).is_some_and(|rest| !rest.is_empty()), "{text}: {offset}");
            assert!(offset >= text.rfind(at).expect("the place").saturating_sub(1), "{text}: {offset}");
        }
        for text in ["{a: [}", "{{ .Values }}", "[a, {b: ]", "a: {\"b\": ]"] {
            let problem = or_json(Problem::at(3, "is not YAML: x".to_owned()), text, 0);
            assert_eq!((problem.offset, &*problem.message), (Some(3), "is not YAML: x"), "{text}");
        }
    }
}
