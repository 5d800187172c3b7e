//! Requests that cannot be read: which field, why, and what to do.

use super::response::{AuditAnnotations, Response, Status, StatusCause, StatusDetails};
use super::wire::Request;
use super::{Answer, Endpoint, Question, Record, answer, message, path};
use crate::kind::Kind;
use crate::policy::{Mode, OnUnreadable};
use crate::source::json_fault;

/// The remedy for a request that is none of an API server.
pub(super) const SEND_REVIEW: &str = "send an AdmissionReview of admission.k8s.io/v1";

/// The reason why a request cannot be read.
pub(super) struct Fault {
    /// The path of the field in the object; empty for a fault of the request.
    field: String,
    /// The field or the request, and the cause.
    cause: String,
    /// The remedy.
    remedy: &'static str,
    /// True if the remedy is out of reach and the policy has to change.
    is_policys: bool,
}

impl Fault {
    /// Returns a fault of the request as a whole.
    pub(super) fn of_request(cause: String, remedy: &'static str) -> Self {
        Self { field: String::new(), cause, remedy, is_policys: true }
    }

    /// Returns a fault that the policy does not decide: `reason` says the cause and the remedy.
    pub(super) fn of_transport(reason: &str) -> Self {
        Self { field: String::new(), cause: reason.to_owned(), remedy: "", is_policys: false }
    }

    /// Returns the place and the cause of an error of `serde_json`, without its line and column:
    /// the user never saw the body that they count in.
    pub(super) fn of_body(body: &[u8], error: &serde_json::Error) -> Self {
        let path = path::at(body, error.line(), error.column());
        let text = error.to_string();
        // Line and column of a body that the user never saw help only here.
        let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
        let cause = match text.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
        {
            Some((found, expected)) => {
                format!("must be {}, not {}", expected_type(expected), found_value(found))
            }
            None if error.is_data() => text.replace('`', "\""),
            None => format!("is not JSON: {}", json_fault::words(error)),
        };
        let field = path.strip_prefix("request.object.").unwrap_or_default().to_owned();
        let (place, remedy) = match (field.is_empty(), path.is_empty()) {
            (false, _) => (field.as_str(), "correct the field"),
            (true, false) => (path.as_str(), SEND_REVIEW),
            (true, true) => ("the body", SEND_REVIEW),
        };
        Self { cause: format!("{place} {cause}"), field, remedy, is_policys: true }
    }

    fn message(&self) -> String {
        let Self { cause, remedy, .. } = self;
        if self.is_policys {
            format!("cannot read the request: {cause}; {remedy}, or set onUnreadable: allow in the policy")
        } else {
            cause.clone()
        }
    }
}

/// Returns the type that serde expects, in the words of a manifest.
fn expected_type(text: &str) -> &str {
    match text {
        "a sequence" => "a list",
        text if text.starts_with("struct ") => "a map",
        text => text,
    }
}

/// Returns the value that serde names with its type, in the words of a manifest.
fn found_value(text: &str) -> &str {
    let quoted = |prefix: &str| text.strip_prefix(prefix);
    let plain = ["boolean `", "integer `", "floating point `"]
        .into_iter()
        .find_map(quoted)
        .and_then(|value| value.strip_suffix('`'));
    match text {
        "map" => "a map",
        "sequence" => "a list",
        text => plain.or_else(|| quoted("string ")).unwrap_or(text),
    }
}

/// Answers a request that cannot be read, as the policy's `onUnreadable` says. Mode
/// observe denies nothing, and `/mutate` never does: both warn of the denial. With the request comes
/// the name of its object, which may be all that is read of it.
pub(super) fn refuse<O>(
    question: &Question<'_>,
    uid: &str,
    (request, own_name): (Option<&Request<'_, O>>, &str),
    fault: &Fault,
    observe: &mut dyn FnMut(&Record<'_>),
) -> Answer {
    let policy = question.policy;
    let is_demanded = !fault.is_policys || policy.on_unreadable() == OnUnreadable::Deny;
    let is_observed = policy.mode() == Mode::Observe;
    // The mutating webhook never denies: it fails open, and the validating one comes after it.
    let is_validated = question.endpoint == Endpoint::Validate;
    let is_denied = is_demanded && !is_observed && is_validated;
    let decision = if is_denied { "deny" } else { "allow" };
    let would_be = (is_demanded && is_observed && is_validated).then_some("deny");
    let text = fault.message();
    let asked = match request {
        Some(request) => Record { name: request.name_or(own_name), ..Record::of(request, question.endpoint) },
        None => Record::default(),
    };
    observe(&Record { uid, endpoint: question.endpoint, decision, would_be, error: &text, ..asked });
    let kind = request.map_or("", Request::kind);
    let name = request.map_or(own_name, |request| request.name_or(own_name));
    let status = is_denied.then(|| {
        let message = message::unreadable("", &text);
        let group = Kind::parse(kind).map(Kind::group).unwrap_or_default();
        let field = fault.field.clone();
        let causes = vec![StatusCause { reason: "FieldValueInvalid", message: message.clone(), field }];
        let details = StatusDetails { name: message::name(name), group, kind: message::name(kind), causes };
        Status { status: "Failure", message, reason: "Invalid", code: 422, details }
    });
    let would = match (is_demanded, is_observed) {
        (true, true) => "would be denied: ",
        (true, false) => "will be denied: ",
        (false, _) => "not evaluated: ",
    };
    let warnings = (!is_denied).then(|| message::fitted("", &message::unreadable(would, &text)));
    answer(&Response {
        uid,
        status,
        patch: "",
        warnings: warnings.as_slice(),
        audit: Some(AuditAnnotations {
            decision,
            rules: &[],
            exempted: &[],
            policy: policy.fingerprint().as_str(),
        }),
    })
}
