//! The event of a decision, written without a detour: there is one a review.

use std::fmt::Write as _;
use std::time::Duration;

use time::OffsetDateTime;

use super::{on_one_line, time_of_day, timestamp};
use crate::admission::Record;
use crate::finding::Code;
use crate::policy::Fingerprint;
use nfs_mount_guard_json::{beginning_within, push_string};

/// Most bytes of one event, as written, whatever stands in a review: lines wait in
/// memory, and readers of logs cut what is longer.
#[cfg(test)]
const LONGEST_EVENT: usize = 8 * 1024;

/// Most bytes of a name, as written: a uid, an object, a user, a driver.
const LONGEST_NAME: usize = 300;

/// Most bytes of an operation or a kind, as written.
const LONGEST_WORD: usize = 100;

/// Most bytes of options, as written.
const LONGEST_OPTIONS: usize = 1300;

/// Most bytes of a patch; a longer one is left out, for part of it is none.
const LONGEST_PATCH: usize = 1800;

/// Most bytes of an error, as written.
const LONGEST_ERROR: usize = 900;

/// Writes one JSON object. `shortened` says that a text is cut, or that the patch is left out.
pub(super) fn json_line(
    line: &mut String,
    record: &Record<'_>,
    policy: Fingerprint,
    now: OffsetDateTime,
    duration: Duration,
) {
    let mut is_shortened = false;
    line.push_str("{\"timestamp\":\"");
    timestamp(line, now);
    let mut text = |line: &mut String, member: &str, value: &str, most: usize| {
        // By the length as written: an escape takes up to six bytes.
        let kept = beginning_within(value, most);
        is_shortened |= kept.len() < value.len();
        line.push_str(member);
        push_string(line, kept);
    };
    text(line, "\",\"level\":\"INFO\",\"target\":\"decision\",\"uid\":", record.uid, LONGEST_NAME);
    text(line, ",\"endpoint\":", record.endpoint.as_str(), LONGEST_WORD);
    text(line, ",\"operation\":", record.operation, LONGEST_WORD);
    text(line, ",\"kind\":", record.kind, LONGEST_WORD);
    text(line, ",\"name\":", record.name, LONGEST_NAME);
    if !record.namespace.is_empty() {
        text(line, ",\"namespace\":", record.namespace, LONGEST_WORD);
    }
    text(line, ",\"user\":", record.user, LONGEST_NAME);
    line.push_str(if record.dry_run { ",\"dry_run\":true" } else { ",\"dry_run\":false" });
    text(line, ",\"driver\":", record.driver, LONGEST_NAME);
    if !record.disbelieved.is_empty() {
        text(line, ",\"disbelieved_provisioner\":", record.disbelieved, LONGEST_NAME);
    }
    text(line, ",\"decision\":", record.decision, LONGEST_WORD);
    if let Some(would_be) = record.would_be {
        text(line, ",\"withheld\":", would_be, LONGEST_WORD);
    }
    list(line, ",\"rules\":[", record.rules);
    list(line, ",\"exempted\":[", record.exempted);
    text(line, ",\"options_before\":", record.options_before, LONGEST_OPTIONS);
    text(line, ",\"options_after\":", record.options_after, LONGEST_OPTIONS);
    text(line, ",\"policy\":", policy.as_str(), LONGEST_WORD);
    text(line, ",\"error\":", record.error, LONGEST_ERROR);
    line.push_str(",\"patch\":");
    // The patch is JSON already; an empty text would break the line.
    let has_patch = !record.patch.is_empty() && record.patch.len() <= LONGEST_PATCH;
    line.push_str(if has_patch { record.patch } else { "[]" });
    if is_shortened || record.patch.len() > LONGEST_PATCH {
        line.push_str(",\"shortened\":true");
    }
    line.push_str(",\"duration_us\":");
    // A u128 would not fit the formatter, and u64 has half a million years.
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    line.push_str(itoa::Buffer::new().format(micros));
    line.push_str("}\n");
}

fn list(line: &mut String, member: &str, codes: &[Code]) {
    line.push_str(member);
    for (index, code) in codes.iter().enumerate() {
        line.push_str(if index == 0 { "\"" } else { ",\"" });
        code.push_to(line);
        line.push('"');
    }
    line.push(']');
}

/// Writes one line for people, and two more where options change.
pub(super) fn text_line(
    line: &mut String,
    record: &Record<'_>,
    colour: bool,
    now: OffsetDateTime,
    duration: Duration,
) {
    time_of_day(line, now);
    let decision = record.decision;
    // Red, yellow, green of ANSI; the word itself says it as well.
    let code = match decision {
        "deny" => "31",
        "patch" => "33",
        _ => "32",
    };
    // Writing to memory cannot fail, here and below.
    let _ = if colour {
        write!(line, "\u{1b}[1;{code}m{decision:<5}\u{1b}[0m")
    } else {
        write!(line, "{decision:<5}")
    };
    let _ = write!(
        line,
        " {} {} {}/{}{}{}",
        record.endpoint.as_str(),
        on_one_line(record.operation, LONGEST_WORD),
        on_one_line(record.kind, LONGEST_WORD),
        on_one_line(record.namespace, LONGEST_WORD),
        if record.namespace.is_empty() { "" } else { "/" },
        on_one_line(record.name, LONGEST_NAME)
    );
    for (prefix, value, most) in [
        (" of ", record.driver, LONGEST_NAME),
        (" by ", record.user, LONGEST_NAME),
        (", not believed to be made by ", record.disbelieved, LONGEST_NAME),
        (", only observed: ", record.would_be.unwrap_or_default(), LONGEST_WORD),
        (": ", record.error, LONGEST_ERROR),
    ] {
        if !value.is_empty() {
            let _ = write!(line, "{prefix}{}", on_one_line(value, most));
        }
    }
    for (index, code) in record.rules.iter().enumerate() {
        let _ = write!(line, "{}{code}", if index == 0 { ": " } else { " " });
    }
    // Two lines more only where they show a change.
    if record.options_before != record.options_after {
        let before = on_one_line(record.options_before, LONGEST_OPTIONS);
        let after = on_one_line(record.options_after, LONGEST_OPTIONS);
        let _ = write!(line, "\n          {before}\n       -> {after}");
    }
    let _ = writeln!(line, " ({} us)", duration.as_micros());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::admission::{Endpoint, Question, review};
    use crate::policy::Policy;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// Returns the lines of a record in which every text is `text`.
    fn lines(text: &str, patch: &str, rules: &[Code]) -> (String, String) {
        let record = Record {
            uid: text,
            endpoint: Endpoint::Validate,
            operation: text,
            kind: text,
            name: text,
            namespace: text,
            user: text,
            dry_run: false,
            disbelieved: "",
            driver: text,
            nfs: None,
            decision: "allow",
            would_be: Some("patch"),
            findings: &[],
            treatments: &[],
            rules,
            exempted: rules,
            options_before: text,
            options_after: &format!("{text},fg"),
            patch,
            error: text,
        };
        let policy = Policy::default();
        let (mut json, mut people) = (String::new(), String::new());
        json_line(&mut json, &record, policy.fingerprint(), NOW, Duration::MAX);
        text_line(&mut people, &record, true, NOW, Duration::MAX);
        (json, people)
    }

    #[test]
    fn an_event_is_bounded_and_stays_json_whatever_stands_in_it() {
        let codes: Vec<Code> = (1..=30).map(Code).collect();
        for unit in ["a", "\u{1}", "\"", "\\", "\n", "€", "\u{10ffff}", "\u{202e}", "\0\u{7f}", "\u{300}"] {
            for (length, patch) in [(70_000, 70_000), (70_000, LONGEST_PATCH - 4), (10, 10)] {
                let patch = format!("[\"{}\"]", "a".repeat(patch));
                let (json, people) = lines(&unit.repeat(length), &patch, &codes);
                assert!(json.len() <= LONGEST_EVENT, "{} bytes of {unit:?}", json.len());
                assert!(people.len() <= LONGEST_EVENT, "{} bytes of {unit:?}", people.len());
                assert_eq!(people.lines().count(), 3, "{people}");
                let event: Value = serde_json::from_str(&json).expect("JSON");
                assert_eq!(event["shortened"].as_bool(), (length > 10).then_some(true));
                assert!(event["user"].as_str().expect("a text").starts_with(unit));
            }
        }
    }

    #[test]
    fn what_is_short_is_logged_whole() {
        let patch = r#"[{"op":"add","path":"/mountOptions","value":["fg"]}]"#;
        let (json, _) = lines("hard,timeo=600", patch, &[Code(1)]);
        let event: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(event["options_before"], "hard,timeo=600");
        assert_eq!(event["patch"][0]["path"], "/mountOptions");
        assert_eq!(event.get("shortened"), None);
    }

    proptest! {
        #[test]
        fn any_text_makes_one_bounded_object(text in "\\PC{0,2000}|[\\x00-\\x1f\"\\\\]{0,2000}") {
            let (json, people) = lines(&text, "", &[]);
            prop_assert!(json.len() <= LONGEST_EVENT && people.len() <= LONGEST_EVENT);
            prop_assert_eq!(json.matches('\n').count(), 1);
            prop_assert!(serde_json::from_str::<Value>(&json).is_ok());
        }
    }

    #[test]
    fn a_review_of_hostile_options_makes_a_bounded_line() {
        let options = vec!["\u{1}".repeat(4000), "bg".to_owned()];
        let body = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
                "uid": "u", "operation": "CREATE", "name": "a".repeat(100_000),
                "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
                "object": {"provisioner": "nfs.csi.k8s.io", "mountOptions": options},
            }
        })
        .to_string();
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            let policy = Policy::default();
            let question = Question { endpoint, body: body.as_bytes(), policy: &policy, today: NOW.date() };
            let mut line = String::new();
            let answer = review(&question, &mut |record: &Record<'_>| {
                json_line(&mut line, record, policy.fingerprint(), NOW, Duration::ZERO);
            });
            assert_eq!(answer.status, 200);
            assert!((1000..=LONGEST_EVENT).contains(&line.len()), "{} bytes", line.len());
            let event: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(event["shortened"], true);
        }
    }
}
