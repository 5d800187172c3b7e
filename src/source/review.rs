//! One recorded AdmissionReview, as the body of a request to the webhook.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde_json::Value;

use super::de::NodeDeserializer;
use super::text::Lines;
use super::{Problem, is_empty, json, json_fault, trees};
use crate::kind::Kind;

/// The required contents of a file, for messages.
const WANTED: &str = "one AdmissionReview with a request";

/// A recorded AdmissionReview.
#[derive(Debug)]
pub struct Review<'t> {
    /// The body that the API server would send: JSON as it is in the file, YAML
    /// converted as kubectl does it.
    pub body: Cow<'t, [u8]>,
    /// The same, read.
    pub value: Value,
}

/// Reads the one AdmissionReview of a text, JSON or YAML.
///
/// # Errors
///
/// When the text is neither, contains no document or several, or something else
/// than a review with a request. The message says what it is and what reads it.
pub fn read<'t>(text: &'t str, lines: &'t Lines<'t>) -> Result<Review<'t>, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::whole(format!("is empty; give {WANTED}")));
    }
    let review = match read_json(text) {
        Some(result) => result?,
        None => read_yaml(text, lines)?,
    };
    match lack(&review.value) {
        Some(lack) => Err(Problem::whole(lack)),
        None => Ok(review),
    }
}

/// Returns a text that is JSON, or tries to be; `None` for YAML.
fn read_json(text: &str) -> Option<Result<Review<'_>, Problem>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let stream = json::documents(text);
    let (_, part) = match stream.documents.as_slice() {
        [] => return None,
        [document] if text.get(stream.end..).is_none_or(str::is_empty) => document,
        [_] => return Some(Err(behind(text, stream.end))),
        [_, (_, second), ..] => return Some(Err(several(json::offset_in(text, second)))),
    };
    let value = serde_json::from_str(part).map_err(|error| {
        let at = json::offset_in(text, part) + json_fault::offset(part, &error);
        Problem::at(at, format!("cannot be read: {}", json_fault::words(&error)))
    });
    Some(value.map(|value| Review { body: Cow::Borrowed(part.as_bytes()), value }))
}

fn read_yaml<'t>(text: &'t str, lines: &'t Lines<'t>) -> Result<Review<'t>, Problem> {
    let mut read = None;
    for tree in trees(text, lines) {
        // JSON is YAML to the second reader, whose message would be about YAML.
        let tree = tree.map_err(|problem| json_problem(text).unwrap_or(problem))?;
        let Some(root) = tree.root().filter(|root| !is_empty(&tree, *root)) else { continue };
        let from = NodeDeserializer { tree: &tree, id: root };
        if read.is_some() {
            return Err(several(from.offset()));
        }
        // Of a key that is set twice the file does not show which value the webhook got.
        if let Some(problem) = tree.disputed_within(root, lines) {
            return Err(problem);
        }
        let value = Value::deserialize(from).map_err(|misfit| Problem {
            offset: misfit.offset,
            ..Problem::whole(format!("{} {}", misfit.path, misfit.message).trim_start().to_owned())
        })?;
        read = Some(value);
    }
    let Some(value) = read else {
        return Err(Problem::whole(format!("contains no document; give {WANTED}")));
    };
    // A webhook gets JSON, whatever the recording is written in.
    Ok(Review { body: Cow::Owned(value.to_string().into_bytes()), value })
}

/// Returns the reason why a text that begins as JSON is none: its reader's message says more than
/// that of YAML.
fn json_problem(text: &str) -> Option<Problem> {
    let rest = text.trim_start();
    if !rest.starts_with("{\"") && rest.lines().next().is_none_or(|line| line.trim_end() != "{") {
        return None;
    }
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let ended = if error.is_eof() { "; the recording is cut off" } else { "" };
    Some(Problem::at(
        json_fault::offset(text, &error),
        format!("is not valid JSON: {}{ended}", json_fault::words(&error)),
    ))
}

/// Returns the problem of text after the first JSON object.
fn behind(text: &str, offset: usize) -> Problem {
    let rest = text.get(offset..).unwrap_or_default();
    if rest.starts_with('{') || rest.starts_with("---") {
        return several(offset);
    }
    Problem::at(offset, "text after the AdmissionReview; delete it".to_owned())
}

fn several(offset: usize) -> Problem {
    let message = "a second document; a review is evaluated alone: write each to a file of its own \
(nfs-mount-guard check reads all at once)";
    Problem::at(offset, message.to_owned())
}

/// Describes a document that is no review with a request.
fn lack(document: &Value) -> Option<String> {
    let Some(members) = document.as_object() else {
        let what = if document.is_array() { "a list" } else { "text" };
        return Some(format!("is {what}; give {WANTED}"));
    };
    let text = |key: &str| members.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let is_set = |key: &str| members.get(key).is_some_and(Value::is_object);
    match text("kind") {
        // Some recorders drop kind and apiVersion; the request is what is evaluated.
        Some("AdmissionReview") | None if is_set("request") => None,
        Some("AdmissionReview") if is_set("response") => Some(
            "is the response of a webhook; give the AdmissionReview with the request that led to it"
                .to_owned(),
        ),
        Some("AdmissionReview") => Some(format!("is an AdmissionReview without a request; give {WANTED}")),
        Some("Event") if text("apiVersion").is_some_and(|version| version.starts_with("audit.k8s.io/")) => {
            Some(format!("is an audit event, which is not what a webhook gets; give {WANTED}"))
        }
        Some(kind) => {
            let name = if name.is_empty() { String::new() } else { format!("/{name}") };
            let is_read = members.contains_key("items") || Kind::parse(kind).is_some();
            let reader = if is_read { "nfs-mount-guard check reads it" } else { "check reads manifests" };
            Some(format!("is {kind}{name}, not an AdmissionReview; {reader}"))
        }
        None if text("uid").is_some() && members.contains_key("operation") => Some(
            "is the request of an AdmissionReview without the rest; wrap it: \
jq '{apiVersion: \"admission.k8s.io/v1\", kind: \"AdmissionReview\", request: .}'"
                .to_owned(),
        ),
        None => Some(format!("has no kind; give {WANTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let lines = Lines::new(text);
        let problem = read(text, &lines).expect_err("no review");
        let place = problem.offset.map(|offset| lines.position(offset));
        let place = place.map(|place| format!("{}:{}: ", place.line, place.column));
        format!("{}{problem}", place.unwrap_or_default())
    }

    const REVIEW: &str =
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u"}}"#;

    #[test]
    fn json_reaches_the_webhook_as_it_is_written() {
        let text = format!("  {REVIEW}\n\n");
        let lines = Lines::new(&text);
        let review = read(&text, &lines).expect("a review");
        assert_eq!(review.body.as_ref(), REVIEW.as_bytes());
        assert_eq!(review.value["request"]["uid"], "u");
    }

    #[test]
    fn yaml_becomes_the_json_that_an_api_server_sends() {
        let text = "---\n# recorded\napiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  uid: u\n  \
object: {mountOptions: [bg, \"no\", 010]}\n---\n";
        let lines = Lines::new(text);
        let review = read(text, &lines).expect("a review");
        let body: Value = serde_json::from_slice(&review.body).expect("JSON");
        assert_eq!(body, review.value);
        assert_eq!(body["request"]["object"]["mountOptions"], serde_json::json!(["bg", "no", 8]));
    }

    #[test]
    fn what_is_no_review_is_named_with_what_reads_it() {
        for (text, wanted) in [
            ("", "is empty; give one AdmissionReview with a request"),
            ("# nothing\n", "contains no document"),
            ("[]", "is a list; give"),
            ("hello", "is text; give"),
            ("{\"kind\": \"AdmissionReview\"}", "is an AdmissionReview without a request"),
            ("{\"kind\": \"AdmissionReview\", \"response\": {}}", "is the response of a webhook"),
            ("{\"kind\": \"AdmissionReview\", \"request\": null}", "is an AdmissionReview without a request"),
            (
                "kind: StorageClass\nmetadata: {name: shared}\n",
                "is StorageClass/shared, not an AdmissionReview; nfs-mount-guard check reads it",
            ),
            ("kind: List\nitems: []\n", "is List, not an AdmissionReview; nfs-mount-guard check reads it"),
            ("{\"kind\": \"Event\", \"apiVersion\": \"audit.k8s.io/v1\"}", "is an audit event"),
            ("{\"uid\": \"u\", \"operation\": \"CREATE\"}", "wrap it: jq"),
            ("a: 1\n", "has no kind"),
        ] {
            let said = message(text);
            assert!(said.contains(wanted), "{text:?}: {said}");
        }
        assert!(message(&format!("{REVIEW}\n{REVIEW}")).starts_with("2:1: a second document"));
        assert!(message(&format!("{REVIEW}\n---\n{REVIEW}")).starts_with("2:1: a second document"));
        assert_eq!(message(&format!("{REVIEW}\n\nx")), "3:1: text after the AdmissionReview; delete it");
        assert!(message("kind: A\n---\nkind: B\n").starts_with("3:1: a second document"));
    }

    #[test]
    fn a_recording_that_is_cut_off_is_told_with_its_end() {
        let said = message("{\n  \"kind\": \"AdmissionReview\",\n  \"request\": {\"uid\": \"u");
        assert!(said.starts_with("3:2"), "{said}");
        let deep = format!(
            "{{\"kind\": \"AdmissionReview\",\n\"request\": {}{}}}",
            "[".repeat(300),
            "]".repeat(300)
        );
        let deep = message(&deep);
        assert!(
            deep.starts_with("2:1") && deep.ends_with("is nested too deeply: more than 128 levels"),
            "{deep}"
        );
        assert!(
            said.contains("is not valid JSON: it ends before it is closed; the recording is cut off"),
            "{said}"
        );
    }
}
