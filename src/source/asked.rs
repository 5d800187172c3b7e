//! Tells which requests of an API server are judged: the webhook and recorded reviews read them alike.

use std::fmt;

use crate::kind::Kind;

/// The only version of AdmissionReview that is read.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// The fields of a request that say whether it is judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'r> {
    /// The group of the object's kind; `None` where the request names none.
    pub group: Option<&'r str>,
    /// The object's kind.
    pub kind: Option<&'r str>,
    /// `status` and the like.
    pub sub_resource: Option<&'r str>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Option<&'r str>,
    /// True if the request has an object.
    pub has_object: bool,
}

impl<'r> Asked<'r> {
    /// Returns the kind that the request names, if it is one that is judged. One of another group has
    /// the same name; without a group it is the one that is judged.
    pub fn named_kind(self) -> Option<Kind> {
        let kind = Kind::parse(self.kind?)?;
        self.group.is_none_or(|group| group == kind.group()).then_some(kind)
    }

    /// Returns the kind of the object that the request creates or updates; `None` for a request that is
    /// not judged.
    ///
    /// # Errors
    ///
    /// When the request lacks a field without which nothing tells what it is. An API server sends them
    /// all, so to let such a request through would be to let any object through.
    pub fn judged_kind(self) -> Result<Option<Kind>, Lack<'r>> {
        let operation = self.operation.filter(|operation| !operation.is_empty());
        if let Some("DELETE" | "CONNECT") = operation {
            return Ok(None);
        }
        if self.kind.is_none_or(str::is_empty) {
            return Err(Lack::Kind);
        }
        let sub_resource = self.sub_resource.unwrap_or_default();
        let Some(kind) = self.named_kind().filter(|kind| kind.is_judged_on(sub_resource)) else {
            return Ok(None);
        };
        match operation {
            Some("CREATE" | "UPDATE") if self.has_object => Ok(Some(kind)),
            Some("CREATE" | "UPDATE") => Err(Lack::Object),
            operation => Err(Lack::Operation(operation)),
        }
    }
}

/// A field of a request that is missing, null or empty, or holds something unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack<'r> {
    /// The kind of the object.
    Kind,
    /// The operation, where it is none that Kubernetes has.
    Operation(Option<&'r str>),
    /// The object.
    Object,
}

impl Lack<'_> {
    /// Returns the path of the field in `request`.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Kind => "kind.kind",
            Self::Operation(_) => "operation",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Most characters of an operation that are repeated.
        const MOST: usize = 20;
        match self {
            Self::Operation(Some(operation)) => {
                let shown: String = operation.chars().take(MOST).collect();
                write!(f, "must be CREATE, UPDATE, DELETE or CONNECT, not {shown:?}")
            }
            Self::Kind | Self::Operation(None) | Self::Object => f.write_str("is not set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_judged_passed_or_lacks_a_field() {
        let class = Asked {
            group: Some("storage.k8s.io"),
            kind: Some("StorageClass"),
            operation: Some("CREATE"),
            has_object: true,
            ..Asked::default()
        };
        let bare = Asked { has_object: false, ..class };
        let of = |operation| Asked { operation, ..class };
        for (asked, wanted) in [
            (class, Ok(Some(Kind::StorageClass))),
            (Asked { group: None, ..class }, Ok(Some(Kind::StorageClass))),
            (Asked { group: Some("x.example.com"), ..class }, Ok(None)),
            (Asked { kind: Some("ConfigMap"), group: Some(""), operation: None, ..bare }, Ok(None)),
            (Asked { sub_resource: Some("status"), ..bare }, Ok(None)),
            (Asked { operation: Some("DELETE"), ..bare }, Ok(None)),
            (Asked { operation: Some("CONNECT"), kind: None, ..bare }, Ok(None)),
            (Asked { kind: None, ..class }, Err(Lack::Kind)),
            (Asked { kind: Some(""), ..class }, Err(Lack::Kind)),
            (bare, Err(Lack::Object)),
            (of(None), Err(Lack::Operation(None))),
            (of(Some("")), Err(Lack::Operation(None))),
            (of(Some("create")), Err(Lack::Operation(Some("create")))),
            (of(Some("PATCH")), Err(Lack::Operation(Some("PATCH")))),
        ] {
            assert_eq!(asked.judged_kind(), wanted, "{asked:?}");
        }
        let long = "x".repeat(1_000);
        assert!(Lack::Operation(Some(&long)).to_string().len() < 100);
    }
}
