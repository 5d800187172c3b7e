//! AdmissionReview v1 as it comes in: the fields that are read of a request.

use serde::Deserialize;

pub use crate::source::asked::API_VERSION;
use crate::source::asked::Asked;
use crate::subject::manifest::{Manifest, Text};

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
    pub kind: Option<GroupKind<'a>>,
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
    pub user_info: Option<UserInfo<'a>>,
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

    /// Returns the fields that say whether the request is judged.
    pub fn asked(&self) -> Asked<'_> {
        let kind = self.kind.as_ref();
        Asked {
            group: kind.and_then(|named| named.group.as_deref()),
            kind: kind.and_then(|named| named.kind.as_deref()),
            sub_resource: self.sub_resource.as_deref(),
            operation: self.operation.as_deref(),
            has_object: self.object.is_some(),
        }
    }

    /// Returns the kind of the object; empty where the request has none.
    pub fn kind(&self) -> &str {
        self.kind.as_ref().and_then(|named| named.kind.as_deref()).unwrap_or_default()
    }

    /// Returns the name of the user; empty where the request has none.
    pub fn user(&self) -> &str {
        self.user_info.as_ref().and_then(|user| user.username.as_deref()).unwrap_or_default()
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
