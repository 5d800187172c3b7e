//! Objects and files that are not evaluated and hold mount options, as reports name them.

use std::fmt::Write as _;

use crate::site::field_of;

/// Something that is not evaluated and holds mount options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Its kind; empty where it says none.
    pub kind: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name; empty where it has none.
    pub name: String,
    /// The offset of the first option, in bytes.
    pub offset: usize,
    /// The places of options, in the order of the document; at least one.
    pub places: Vec<UnjudgedPlace>,
    /// The fault of a kind that is meant to be one that is evaluated.
    pub misnamed: Option<String>,
}

/// A place of options that are not evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnjudgedPlace {
    /// The offset, in bytes.
    pub offset: usize,
    /// The path to them, names and indices.
    pub path: Vec<String>,
    /// The options, where they stand in a Pod or in what makes Pods; never those
    /// of a Secret.
    pub texts: Vec<String>,
    /// True if `bg` is among them; of a Secret nothing is reported.
    pub has_bg: bool,
}

impl Unjudged {
    /// Returns the path to the first options: `spec.values.storageClass.mountOptions`.
    pub fn at(&self) -> String {
        self.places.first().map(|place| field_of(&place.path)).unwrap_or_default()
    }

    /// Returns the reason why it is named: the places, whether one of them has a `bg`, and
    /// the fault of its kind.
    pub fn why(&self) -> String {
        const MOST: usize = 4;
        let paths: Vec<String> = self.places.iter().take(MOST).map(|place| field_of(&place.path)).collect();
        let mut at = paths.join(", ");
        if let Some(more) = self.places.len().checked_sub(MOST).filter(|more| *more > 0) {
            // Writing to memory cannot fail.
            let _ = write!(at, " and {more} more places");
        }
        let note = if self.places.iter().any(|place| place.has_bg) { " (bg among them)" } else { "" };
        let cause = self.misnamed.as_ref().map(|cause| format!("; {cause}")).unwrap_or_default();
        format!("holds mount options at {at}{note}{cause}")
    }
}
