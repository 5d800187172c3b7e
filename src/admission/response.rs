//! AdmissionReview v1 as it goes out. All but a denial is written piece by piece:
//! there is one a request, and most of it is the same every time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::finding::Code;
use nfs_mount_guard_json::push_string;

/// `response` of an AdmissionReview.
#[derive(Debug)]
pub(super) struct Response<'a> {
    /// The request's own.
    pub(super) uid: &'a str,
    /// The reason why the request does not pass; `None` where it does.
    pub(super) status: Option<Status<'a>>,
    /// A JSON patch (RFC 6902); empty without one.
    pub(super) patch: &'a str,
    /// Sentences that kubectl prints as `Warning:`.
    pub(super) warnings: &'a [String],
    /// The annotations that the API server's audit log keeps, if any.
    pub(super) audit: Option<AuditAnnotations<'a>>,
}

/// Annotations of the audit event; the API server puts the webhook's name
/// before each key.
#[derive(Debug)]
pub(super) struct AuditAnnotations<'a> {
    /// `allow`, `patch` or `deny`.
    pub(super) decision: &'a str,
    /// The codes found; separated by commas.
    pub(super) rules: &'a [Code],
    /// The codes passed over; separated by commas.
    pub(super) exempted: &'a [Code],
    /// The policy's fingerprint.
    pub(super) policy: &'a str,
}

impl Response<'_> {
    /// Returns the whole AdmissionReview as JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let warnings = self.warnings.iter().map(String::len).sum::<usize>();
        // The fixed part has 300 bytes; base64 takes four for three.
        let mut json = String::with_capacity(384 + self.patch.len() * 4 / 3 + warnings);
        json.push_str(
            "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{\"uid\":",
        );
        push_string(&mut json, self.uid);
        json.push_str(if self.status.is_none() { ",\"allowed\":true" } else { ",\"allowed\":false" });
        if let Some(status) = &self.status {
            json.push_str(",\"status\":");
            // Strings and a number always serialise.
            json.push_str(&serde_json::to_string(status).unwrap_or_default());
        }
        if !self.patch.is_empty() {
            json.push_str(",\"patch\":\"");
            // A patch is []byte in the API, and so is base64 in JSON.
            STANDARD.encode_string(self.patch, &mut json);
            json.push_str("\",\"patchType\":\"JSONPatch\"");
        }
        for (index, warning) in self.warnings.iter().enumerate() {
            json.push_str(if index == 0 { ",\"warnings\":[" } else { "," });
            push_string(&mut json, warning);
        }
        json.push_str(if self.warnings.is_empty() { "" } else { "]" });
        if let Some(audit) = &self.audit {
            json.push_str(",\"auditAnnotations\":{\"decision\":");
            push_string(&mut json, audit.decision);
            push_codes(&mut json, ",\"rules\":\"", audit.rules);
            push_codes(&mut json, ",\"exempted\":\"", audit.exempted);
            json.push_str(",\"policy\":");
            push_string(&mut json, audit.policy);
            json.push('}');
        }
        json.push_str("}}");
        json.into_bytes()
    }
}

/// Adds a member with codes, if there are any; `key` goes up to the first quote
/// of the value.
fn push_codes(json: &mut String, key: &str, codes: &[Code]) {
    for (index, code) in codes.iter().enumerate() {
        json.push_str(if index == 0 { key } else { "," });
        code.push_to(json);
    }
    json.push_str(if codes.is_empty() { "" } else { "\"" });
}

/// `metav1.Status`, as far as a denial needs it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the API's own name")]
pub(super) struct Status<'a> {
    /// Always `Failure`.
    pub(super) status: &'static str,
    /// Everything, for a controller's log.
    pub(super) message: String,
    /// `Invalid`: the object must be changed before it is sent again.
    pub(super) reason: &'static str,
    /// The HTTP code the user's client sees: 422.
    pub(super) code: u16,
    /// The causes that kubectl prints.
    pub(super) details: StatusDetails<'a>,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Serialize)]
pub(super) struct StatusDetails<'a> {
    /// The object's name.
    pub(super) name: &'a str,
    /// Its API group.
    pub(super) group: &'a str,
    /// Its kind.
    pub(super) kind: &'a str,
    /// One a finding.
    pub(super) causes: Vec<StatusCause>,
}

/// `metav1.StatusCause`.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct StatusCause {
    /// `FieldValueInvalid` or `FieldValueRequired`.
    pub(super) reason: &'static str,
    /// The sentence.
    pub(super) message: String,
    /// The path of the field.
    pub(super) field: String,
}
