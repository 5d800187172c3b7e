//! Names what should change and cannot.

use crate::source::rewrite::RewriteRefusal;

/// A place that should change and cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Its byte.
    pub at: usize,
    /// The thing that stays, and how.
    pub(super) what: String,
    /// The obstacle.
    pub(super) refusal: RewriteRefusal,
}

impl Stuck {
    /// Returns one sentence, no final dot; `line` gives the line of a byte, as the reader sees it.
    pub fn message(&self, line: &dyn Fn(usize) -> usize) -> String {
        format!("{}: {}", self.what, self.refusal.message(line))
    }
}
