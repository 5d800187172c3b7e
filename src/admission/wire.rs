//! AdmissionReview v1 as it comes in: the fields that are read of a request.

use serde::Deserialize;

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
    /// The kind of the object.
    #[serde(default)]
    pub kind: GroupKind<'a>,
    /// `status` and the like; empty for the object itself.
    #[serde(default)]
    pub sub_resource: Option<Text<'a>>,
    /// The object's name; empty where the server is to choose it.
    #[serde(default)]
    pub name: Option<Text<'a>>,
    /// The object's namespace; empty where its kind has none.
    #[serde(default)]
    pub namespace: Option<Text<'a>>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(default)]
    pub operation: Option<Text<'a>>,
    /// The user of the request.
    #[serde(default)]
    pub user_info: UserInfo<'a>,
    /// The object as it would be stored.
    #[serde(default)]
    pub object: Option<Box<O>>,
    /// The object as it is stored, on an update.
    #[serde(default)]
    pub old_object: Option<Box<O>>,
    /// True if nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

impl<O> Request<'_, O> {
    /// Returns the name in the request, or that of its object, which the server may still complete:
    /// with `generateName` a request has none.
    pub fn name_or<'n>(&'n self, of_object: &'n str) -> &'n str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(of_object)
    }

    /// Returns true if it changes the object's status, and its metadata with it.
    pub fn is_status(&self) -> bool {
        self.sub_resource.as_deref() == Some("status")
    }
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

/// The user of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct UserInfo<'a> {
    /// The user's name.
    pub username: Option<Text<'a>>,
}
