//! Mount options that are not evaluated.

use serde::Serialize;

/// Something that holds mount options and is not judged.
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
}

impl NotJudged {
    /// Describes the value and the reason why it is named, as a sentence.
    pub fn describe(&self) -> String {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let name =
            [self.kind.as_str(), namespace, self.name.as_str()].into_iter().filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join("/");
        let blank = if name.is_empty() { "" } else { " " };
        format!("{name}{blank}not judged: {}", self.why)
    }
}
