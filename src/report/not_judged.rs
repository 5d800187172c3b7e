//! Mount options that are not evaluated.

use serde::Serialize;

use super::plain::place;

/// Something that holds mount options and is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotJudged {
    /// Its kind, `Terraform` for a file of that; empty where it says none.
    pub kind: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name; empty where it has none.
    pub name: String,
    /// The file.
    pub file: String,
    /// The line of the options.
    pub line: usize,
    /// `holds mount options at spec.values.storageClass.mountOptions`
    pub why: String,
    /// True if it is an object of a running cluster: it stands in no file, and `file` is its own
    /// name.
    #[serde(skip)]
    pub is_live: bool,
}

impl NotJudged {
    /// Returns the place for people, file and line; `None` for an object of a running cluster, which the
    /// description names.
    pub fn place(&self) -> Option<String> {
        (!self.is_live).then(|| format!("{}:{}", place(&self.file), self.line))
    }

    /// Returns the object: `Pod/shop/web`.
    pub fn object(&self) -> String {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let parts = [self.kind.as_str(), namespace, self.name.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// Describes the value and the reason why it is named, as a sentence.
    pub fn describe(&self) -> String {
        let name = self.object();
        let blank = if name.is_empty() { "" } else { " " };
        format!("{name}{blank}not judged: {}", self.why)
    }
}
