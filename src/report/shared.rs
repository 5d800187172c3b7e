//! Texts that many objects of a report have in common.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A text whose copies share their memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SharedText(Arc<str>);

impl Default for SharedText {
    fn default() -> Self {
        Self("".into())
    }
}

impl From<&str> for SharedText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for SharedText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SharedText {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Display for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl Serialize for SharedText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

/// The texts of one file so far, each once.
#[derive(Debug, Default)]
pub struct SharedTexts(RefCell<HashSet<SharedText>>);

impl SharedTexts {
    /// Returns a text, in the memory of an equal one if there was one.
    pub fn share(&self, text: &str) -> SharedText {
        let mut texts = self.0.borrow_mut();
        if let Some(known) = texts.get(text) {
            return known.clone();
        }
        let new = SharedText::from(text);
        texts.insert(new.clone());
        new
    }
}
