//! The small parts of a report: a line of a file, an edit, an error, a count.

use serde::Serialize;

use super::Origin;
use crate::finding::Code;
use crate::source::text::Position;

/// The name and version of the tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `nfs-mount-guard`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "nfs-mount-guard", version: env!("CARGO_PKG_VERSION") }
    }
}

/// Text to be put in the place of other text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// The first character.
    pub start: Position,
    /// The character after the last.
    pub end: Position,
    /// The new text.
    pub with: String,
}

/// A part of a line that shows a finding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snippet {
    /// The text, without tabs.
    pub text: String,
    /// Characters before the option.
    pub indent: usize,
    /// Characters of the option.
    pub width: usize,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadError {
    /// The file.
    pub file: String,
    /// The line, where it is known.
    pub line: Option<usize>,
    /// The character of the line.
    pub column: Option<usize>,
    /// The fault.
    pub message: String,
    /// The template that the document was rendered from.
    #[serde(flatten)]
    pub origin: Option<Origin>,
}

/// The number of findings of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statistic {
    /// The rule's code.
    pub code: Code,
    /// The rule's name.
    pub name: &'static str,
    /// Findings.
    pub count: usize,
}

/// The edits that `fix` would write about one finding alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The effect on the options, in words.
    pub title: String,
    /// In the order of the text.
    pub edits: Vec<TextEdit>,
    /// True if the API server refuses it for an object that exists.
    pub is_immutable: bool,
}
