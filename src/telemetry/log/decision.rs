//! The event of a decision, written without a detour: there is one a review.

use std::fmt::Write as _;
use std::time::Duration;

use time::OffsetDateTime;

use super::{on_one_line, time_of_day, timestamp};
use crate::admission::Record;
use crate::admission::json::push_string;
use crate::finding::Code;
use crate::policy::Fingerprint;

/// Most bytes of options or of a patch in one event: lines wait in memory, and
/// an object may hold mebibytes.
const LONGEST_FIELD: usize = 16 * 1024;

/// As much of `text` as an event takes.
fn shortened(text: &str) -> &str {
    if text.len() <= LONGEST_FIELD {
        return text;
    }
    // A character has at most four bytes, and is not cut in two.
    (0..4).find_map(|back| text.get(..LONGEST_FIELD - back)).unwrap_or_default()
}

/// One JSON object. `shortened` says that options are cut, and that a patch is
/// left out.
pub(super) fn json_line(
    line: &mut String,
    record: &Record<'_>,
    policy: Fingerprint,
    now: OffsetDateTime,
    duration: Duration,
) {
    line.push_str("{\"timestamp\":\"");
    timestamp(line, now);
    let text = |line: &mut String, member: &str, value: &str| {
        line.push_str(member);
        push_string(line, value);
    };
    text(line, "\",\"level\":\"INFO\",\"target\":\"decision\",\"uid\":", record.uid);
    text(line, ",\"endpoint\":", record.endpoint.as_str());
    text(line, ",\"operation\":", record.operation);
    text(line, ",\"kind\":", record.kind);
    text(line, ",\"name\":", record.name);
    text(line, ",\"user\":", record.user);
    line.push_str(if record.dry_run { ",\"dry_run\":true" } else { ",\"dry_run\":false" });
    text(line, ",\"driver\":", record.driver);
    if !record.disbelieved.is_empty() {
        text(line, ",\"disbelieved_provisioner\":", shortened(record.disbelieved));
    }
    text(line, ",\"decision\":", record.decision);
    if let Some(withheld) = record.withheld {
        text(line, ",\"withheld\":", withheld);
    }
    list(line, ",\"rules\":[", record.rules);
    list(line, ",\"exempted\":[", record.exempted);
    text(line, ",\"options_before\":", shortened(record.options_before));
    text(line, ",\"options_after\":", shortened(record.options_after));
    line.push_str(",\"patch\":");
    let has_patch = !record.patch.is_empty() && record.patch.len() <= LONGEST_FIELD;
    line.push_str(if has_patch { record.patch } else { "[]" });
    let texts = [record.options_before, record.options_after, record.patch];
    if texts.iter().any(|text| text.len() > LONGEST_FIELD) {
        line.push_str(",\"shortened\":true");
    }
    text(line, ",\"policy\":", policy.as_str());
    text(line, ",\"error\":", record.error);
    line.push_str(",\"duration_us\":");
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

/// One line for people, and two more where options change.
pub(super) fn text_line(
    line: &mut String,
    record: &Record<'_>,
    colour: bool,
    now: OffsetDateTime,
    duration: Duration,
) {
    time_of_day(line, now);
    let decision = record.decision;
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
        " {} {} {}/{}",
        record.endpoint.as_str(),
        on_one_line(record.operation),
        on_one_line(record.kind),
        on_one_line(record.name)
    );
    for (prefix, value) in [
        (" of ", record.driver),
        (" by ", record.user),
        (", not believed to be made by ", record.disbelieved),
        (", only observed: ", record.withheld.unwrap_or_default()),
        (": ", record.error),
    ] {
        if !value.is_empty() {
            let _ = write!(line, "{prefix}{}", on_one_line(value));
        }
    }
    for (index, code) in record.rules.iter().enumerate() {
        let _ = write!(line, "{}{code}", if index == 0 { ": " } else { " " });
    }
    let (before, after) = (shortened(record.options_before), shortened(record.options_after));
    if before != after {
        let _ = write!(line, "\n          {}\n       -> {}", on_one_line(before), on_one_line(after));
    }
    let _ = writeln!(line, " ({} us)", duration.as_micros());
}
