//! Templates that documents were rendered from, as reports name them.

use serde::Serialize;

/// The template that a document was rendered from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The name that Helm gives: the chart's name, then the path in the chart.
    #[serde(rename = "origin")]
    pub template: String,
    /// The file itself, where it is found. Helm does not say which of its lines became a line of
    /// the document.
    #[serde(rename = "originFile", skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Origin {
    /// Returns a template that is not looked for yet.
    pub fn of(template: Option<&str>) -> Option<Self> {
        template.map(|template| Self { template: template.to_owned(), file: None })
    }

    /// Returns the file, else the name that Helm gives it.
    pub fn place(&self) -> &str {
        self.file.as_deref().unwrap_or(&self.template)
    }

    /// Says that something is found in a document rendered from it, in words that name
    /// the line of the document and none of the template.
    pub fn describe(&self, rendered: &str, line: usize) -> String {
        format!("rendered from {}, line {line} of {rendered}", self.place())
    }
}
