//! Answers a recorded AdmissionReview without a server, in the order of an API
//! server: the mutating webhook first, then the validating one with the object
//! that the first one's patch made.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch;
use serde_json::Value;
use time::Date;

use super::{Endpoint, Question, review};
use crate::policy::Policy;

/// The response of one endpoint.
#[derive(Debug)]
pub struct Replayed {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The body of the HTTP response, byte for byte.
    pub body: Vec<u8>,
    /// `response` of that body.
    pub response: Value,
    /// The JSON patch (RFC 6902) of the response, decoded; `None` without one.
    pub patch: Option<Value>,
    /// The object of the request after the patch; null for a deletion.
    pub object: Value,
}

impl Replayed {
    /// Returns true if the request passes this endpoint.
    pub fn is_allowed(&self) -> bool {
        self.response.get("allowed").and_then(Value::as_bool).unwrap_or_default()
    }
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The webhook answers 400.
    #[error(
        "request.uid is missing, not a string or longer than 1,024 bytes: the webhook answers 400 without a decision; \
an API server always sends one"
    )]
    NoUid,
    /// The API server could not apply the patch.
    #[error("the patch of /mutate cannot be applied to request.object: {0}")]
    Patch(String),
}

/// Answers `body`, which holds the same as `recorded`, at each of the endpoints in
/// their order.
///
/// # Errors
///
/// When the webhook would answer no AdmissionReview, or a patch does not fit.
pub fn replay(
    policy: &Policy,
    today: Date,
    body: &[u8],
    mut recorded: Value,
    endpoints: &[Endpoint],
) -> Result<Vec<Replayed>, ReplayError> {
    let mut body = Cow::Borrowed(body);
    let mut replayed = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let question = Question { endpoint: *endpoint, body: &body, policy, today };
        // A replayed review is no request of a cluster: it is neither logged nor counted.
        let answer = review(&question, &mut |_| {});
        let read: Option<Value> = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
        let response = read.and_then(|mut read| read.get_mut("response").map(Value::take));
        let response = response.ok_or(ReplayError::NoUid)?;
        let patch = patch_of(&response)?;
        if let Some(patch) = &patch {
            apply(patch, &mut recorded)?;
            // The validating webhook gets what the patch made, as from an API server.
            body = Cow::Owned(recorded.to_string().into_bytes());
        }
        let object = recorded.pointer("/request/object").cloned().unwrap_or_default();
        replayed.push(Replayed { endpoint: *endpoint, body: answer.body, response, patch, object });
    }
    Ok(replayed)
}

/// Returns the patch of a response, decoded.
fn patch_of(response: &Value) -> Result<Option<Value>, ReplayError> {
    let Some(encoded) = response.get("patch").and_then(Value::as_str) else { return Ok(None) };
    let unreadable = |error: &dyn std::fmt::Display| ReplayError::Patch(error.to_string());
    let decoded = STANDARD.decode(encoded).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&decoded).map(Some).map_err(|error| unreadable(&error))
}

/// Applies a patch to the object of a review.
fn apply(patch: &Value, recorded: &mut Value) -> Result<(), ReplayError> {
    let unfit = |error: &dyn std::fmt::Display| ReplayError::Patch(error.to_string());
    let operations: Patch = serde_json::from_value(patch.clone()).map_err(|error| unfit(&error))?;
    match recorded.pointer_mut("/request/object") {
        Some(object) => json_patch::patch(object, &operations).map_err(|error| unfit(&error)),
        None => Err(ReplayError::Patch("there is no object".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::date;

    use super::*;

    fn replayed(options: &Value, endpoints: &[Endpoint]) -> Vec<Replayed> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u",
            "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
            "operation": "CREATE",
            "object": {"kind": "StorageClass", "metadata": {"name": "a"}, "provisioner": "nfs.csi.k8s.io",
                "mountOptions": options},
        }});
        let body = review.to_string().into_bytes();
        replay(&Policy::default(), date!(2026 - 11 - 28), &body, review, endpoints).expect("answers")
    }

    #[test]
    fn validate_gets_the_object_that_the_patch_made() {
        let [mutated, validated] = replayed(&json!(["bg"]), &[Endpoint::Mutate, Endpoint::Validate])
            .try_into()
            .expect("two answers");
        assert!(mutated.patch.is_some() && mutated.is_allowed());
        assert_eq!(mutated.object["mountOptions"], json!(["fg", "timeo=600", "retrans=2"]));
        assert!(validated.is_allowed() && validated.patch.is_none());
        assert_eq!(validated.object, mutated.object);
    }

    #[test]
    fn validate_alone_gets_the_object_as_it_was_sent() {
        let [validated] = replayed(&json!(["bg"]), &[Endpoint::Validate]).try_into().expect("one answer");
        assert!(!validated.is_allowed());
        assert_eq!(validated.object["mountOptions"], json!(["bg"]));
    }

    #[test]
    fn the_answer_is_the_one_of_the_webhook() {
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "request": {"uid": "u", "operation": "DELETE"}});
        let body = review.to_string().into_bytes();
        let policy = Policy::default();
        let today = date!(2026 - 11 - 28);
        let [replayed] = replay(&policy, today, &body, review, &[Endpoint::Validate])
            .expect("an answer")
            .try_into()
            .expect("one");
        let question = Question { endpoint: Endpoint::Validate, body: &body, policy: &policy, today };
        assert_eq!(replayed.body, super::review(&question, &mut |_| {}).body);
        assert_eq!(replayed.object, Value::Null);
    }

    #[test]
    fn a_review_without_a_uid_has_no_answer() {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "request": {}});
        let body = review.to_string().into_bytes();
        let error = replay(&Policy::default(), date!(2026 - 11 - 28), &body, review, &[Endpoint::Validate])
            .expect_err("none");
        assert!(error.to_string().contains("request.uid is missing"), "{error}");
    }
}
