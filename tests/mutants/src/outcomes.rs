//! Outcomes of former runs, so that an interrupted one continues.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::trial::Outcome;

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Known {
    pub key: String,
    /// The hash of the mutated file.
    pub file: String,
    /// The hash of all sources and tests.
    pub all: String,
    pub outcome: Outcome,
}

pub struct Outcomes {
    known: HashMap<String, Known>,
    file: Mutex<File>,
}

impl Outcomes {
    /// Reads what is known; the last line about a mutant counts.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        // The last line of an interrupted run may be half a line.
        let known = text.lines().filter_map(|line| serde_json::from_str::<Known>(line).ok());
        let known = known.map(|known| (known.key.clone(), known)).collect();
        let file = Mutex::new(OpenOptions::new().append(true).create(true).open(path)?);
        Ok(Self { known, file })
    }

    /// Returns the outcome if it still holds: a mutant that was caught is as long as its file is the same; one
    /// that was missed is missed until any source or test changes.
    pub fn still(&self, key: &str, file: &str, all: &str) -> Option<&Outcome> {
        let known = self.known.get(key)?;
        let is_missed = matches!(known.outcome, Outcome::Missed(_));
        (known.file == file && (!is_missed || known.all == all)).then_some(&known.outcome)
    }

    /// The test that caught a mutant of that name before.
    pub fn catcher(&self, key: &str) -> Option<&str> {
        match &self.known.get(key)?.outcome {
            Outcome::Caught(test) => Some(test),
            _ => None,
        }
    }

    pub fn write(&self, known: &Known) -> Result<()> {
        let line = serde_json::to_string(known)?;
        writeln!(self.file.lock().expect("no panic"), "{line}")?;
        Ok(())
    }
}
