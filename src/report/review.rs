//! Writes the response of the webhook to a recorded AdmissionReview: for people, and as JSON.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::PolicyOrigin;
use super::json;
use super::palette::Palette;
use super::plain::plain;
use crate::admission::Endpoint;
use crate::admission::replay::Replayed;
use crate::count::counted;

/// Returns the answers for people: of each endpoint the decision, the warnings, the causes and the
/// patch, then the object after the patch and the responses as they are sent.
pub fn text(replayed: &[Replayed], policy: &PolicyOrigin, colour: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut text, replayed, policy, &Palette::new(colour));
    text
}

fn write_text(
    out: &mut String,
    replayed: &[Replayed],
    policy: &PolicyOrigin,
    palette: &Palette,
) -> fmt::Result {
    for answer in replayed {
        write_answer(out, answer, palette)?;
    }
    let strong = palette.strong;
    if let Some(last) = replayed.last() {
        let patched = replayed.iter().any(|answer| answer.patch.is_some());
        match patched {
            // A DELETE has no object.
            _ if last.object.is_null() => writeln!(out, "\n{strong}no object in the request{strong:#}")?,
            true => writeln!(out, "\n{strong}object after the patch{strong:#}\n{}", pretty(&last.object))?,
            false => writeln!(out, "\n{strong}object, not patched{strong:#}\n{}", pretty(&last.object))?,
        }
    }
    for answer in replayed {
        let body = json::plain(&String::from_utf8_lossy(&answer.body));
        writeln!(out, "\n{strong}response of /{}{strong:#}\n{body}", answer.endpoint.as_str())?;
    }
    let from = policy.file.as_ref().map(|file| format!(" from {}", plain(file))).unwrap_or_default();
    writeln!(out, "\npolicy: {}{from}, {}", policy.profile, policy.mode)
}

fn write_answer(out: &mut String, answer: &Replayed, palette: &Palette) -> fmt::Result {
    let (strong, warn, patch) = (palette.strong, palette.warn, palette.patch);
    write!(out, "{strong}/{}{strong:#} ", answer.endpoint.as_str())?;
    let status = answer.response.get("status");
    if answer.is_allowed() {
        write!(out, "allowed")?;
    } else {
        let deny = palette.deny;
        let member = |key: &str| status.and_then(|status| status.get(key));
        let code = member("code").and_then(Value::as_u64).unwrap_or_default();
        let reason = member("reason").and_then(Value::as_str).unwrap_or_default();
        write!(out, "{deny}denied{deny:#} ({code} {reason})")?;
    }
    let operations = list(answer.patch.as_ref());
    match operations.len() {
        // The other endpoint never patches.
        0 if answer.endpoint == Endpoint::Mutate => writeln!(out, ", no patch")?,
        0 => writeln!(out)?,
        count => writeln!(out, ", {patch}patched{patch:#} ({})", counted(count, "operation"))?,
    }
    for warning in list(answer.response.get("warnings")) {
        writeln!(out, "  {warn}warning{warn:#} {}", plain(warning.as_str().unwrap_or_default()))?;
    }
    for cause in list(status.and_then(|status| status.pointer("/details/causes"))) {
        let text = |key: &str| plain(cause.get(key).and_then(Value::as_str).unwrap_or_default());
        let (deny, field) = (palette.deny, text("field"));
        let colon = if field.is_empty() { "" } else { ": " };
        writeln!(out, "  {deny}cause{deny:#} {field}{colon}{}", text("message"))?;
    }
    for operation in operations {
        writeln!(out, "  {patch}patch{patch:#} {}", json::plain(&operation.to_string()))?;
    }
    Ok(())
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the answers as one JSON object. That of one endpoint is the AdmissionReview as it is
/// sent, with `patch` and `object` added; that of both has one under each endpoint's name, and
/// `allowed` for both together.
pub fn json(replayed: &[Replayed]) -> String {
    let document = match replayed {
        [alone] => review(alone),
        both => {
            let mut document = json!({"allowed": both.iter().all(Replayed::is_allowed)});
            if let Some(members) = document.as_object_mut() {
                for answer in both {
                    members.insert(answer.endpoint.as_str().to_owned(), review(answer));
                }
            }
            document
        }
    };
    format!("{}\n", pretty(&document))
}

/// Returns the bodies as the webhook sends them, one a line.
pub fn raw(replayed: &[Replayed]) -> Vec<u8> {
    let mut lines = Vec::new();
    for answer in replayed {
        lines.extend_from_slice(&answer.body);
        // Two responses are two JSON texts, one a line.
        lines.push(b'\n');
    }
    lines
}

fn review(answer: &Replayed) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": answer.response,
        "patch": answer.patch,
        "object": answer.object,
    })
}

fn pretty(value: &Value) -> String {
    json::plain(&serde_json::to_string_pretty(value).unwrap_or_default())
}
