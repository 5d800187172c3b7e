//! AdmissionReview v1 on the wire: the fields that are read of a request, and
//! the whole of a response. The response is written by hand because the patch
//! must be base64 text.

use serde::{Deserialize, Serialize};

use crate::subject::manifest::{Manifest, Text};

/// The only version spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// A request's envelope. `O` is what is read of the objects in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de> + Default, 'de: 'a"))]
pub struct Review<'a, O> {
    /// `admission.k8s.io/v1`.
    #[serde(default)]
    pub api_version: Option<Text<'a>>,
    /// The request.
    pub request: Request<'a, O>,
}

/// A review with its objects read.
pub type FullReview<'a> = Review<'a, Manifest<'a>>;

/// `request` of an AdmissionReview.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de> + Default, 'de: 'a"))]
pub struct Request<'a, O> {
    /// Names this request; the answer repeats it.
    pub uid: Text<'a>,
    /// What kind of object it is about.
    #[serde(default)]
    pub kind: GroupKind<'a>,
    /// `status` and the like; empty for the object itself.
    #[serde(default)]
    pub sub_resource: Option<Text<'a>>,
    /// The object's name; empty where the server is to choose it.
    #[serde(default)]
    pub name: Option<Text<'a>>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(default)]
    pub operation: Option<Text<'a>>,
    /// Who asks.
    #[serde(default)]
    pub user_info: UserInfo<'a>,
    /// The object as it would be stored.
    #[serde(default)]
    pub object: Option<O>,
    /// The object as it is stored, on an update.
    #[serde(default)]
    pub old_object: Option<O>,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A group, a version and a kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct GroupKind<'a> {
    /// The API group; empty for the core group.
    pub group: Option<Text<'a>>,
    /// The kind.
    pub kind: Option<Text<'a>>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct UserInfo<'a> {
    /// The user's name.
    pub username: Option<Text<'a>>,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewAnswer<'a> {
    /// Always [`API_VERSION`].
    pub api_version: &'static str,
    /// Always `AdmissionReview`.
    pub kind: &'static str,
    /// The response.
    pub response: Response<'a>,
}

/// `response` of an AdmissionReview.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    /// The request's own.
    pub uid: &'a str,
    /// Whether the request passes.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status<'a>>,
    /// A JSON patch (RFC 6902) in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// `JSONPatch`, beside a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    /// What the person is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the API server's audit log keeps.
    #[serde(skip_serializing_if = "AuditAnnotations::is_empty")]
    pub audit_annotations: AuditAnnotations,
}

/// Annotations of the audit event; the API server puts the webhook's name
/// before each key.
#[derive(Debug, Default, Serialize)]
pub struct AuditAnnotations {
    /// `allow`, `patch` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'static str>,
    /// The codes found, separated by commas.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rules: String,
    /// The codes passed over, separated by commas.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exempted: String,
    /// The policy's fingerprint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
}

impl AuditAnnotations {
    const fn is_empty(&self) -> bool {
        self.decision.is_none() && self.rules.is_empty()
    }
}

/// `metav1.Status`, as far as a denial needs it.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    /// Always `Failure`.
    pub status: &'static str,
    /// Everything, for a controller's log.
    pub message: String,
    /// `Invalid`: the object must be changed before it is sent again.
    pub reason: &'static str,
    /// The HTTP code the user's client sees: 422.
    pub code: u16,
    /// What kubectl prints.
    pub details: StatusDetails<'a>,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Serialize)]
pub struct StatusDetails<'a> {
    /// The object's name.
    pub name: &'a str,
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// One a finding.
    pub causes: Vec<StatusCause>,
}

/// `metav1.StatusCause`.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct StatusCause {
    /// `FieldValueInvalid` or `FieldValueRequired`.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// The path of the field.
    pub field: String,
}

/// One operation of a JSON patch.
#[derive(Debug, Serialize)]
pub struct PatchOperation<'a> {
    /// `add` or `replace`.
    pub op: &'static str,
    /// A JSON pointer.
    pub path: String,
    /// The new value.
    pub value: PatchValue<'a>,
}

/// What a patch writes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum PatchValue<'a> {
    /// A list of options.
    List(&'a [std::borrow::Cow<'a, str>]),
    /// A string of options.
    Text(&'a str),
}
