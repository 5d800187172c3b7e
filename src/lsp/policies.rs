//! The policies of the directories that documents lie in, read again when their files change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use crate::policy::Policy;
use crate::policy_file::{Error, Mistakes};

/// The source of policies: the command line knows the flags.
pub trait Source {
    /// Returns the policy file of a directory; `None` where there is none.
    fn file(&self, folder: &Path) -> Option<PathBuf>;

    /// Returns the policy in a file, or the built-in one, with what the flags change of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no policy.
    fn load(&self, file: Option<&Path>) -> Result<Policy, Error>;
}

/// A policy and what is wrong with its file now.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// The policy: of a file that became wrong the last good one, else the built-in one.
    pub(super) policy: Rc<Policy>,
    /// The mistakes in its file.
    pub(super) mistakes: Option<Mistakes>,
    /// The reason why the file cannot be read at all.
    pub(super) failure: Option<String>,
    /// When the file changed, and its bytes.
    stamp: Option<(Option<SystemTime>, u64)>,
}

impl Loaded {
    /// Describes the fault of its file, and the policy in effect meanwhile; `None` without a fault.
    pub(super) fn describe(&self) -> Option<String> {
        let mistakes = self.mistakes.as_ref().map(Mistakes::in_one_line);
        let fault = mistakes.or_else(|| self.failure.clone())?;
        Some(format!("{fault}; the last valid policy stays in effect, or the built-in one"))
    }
}

/// The policies that are in use, by their files.
pub(super) struct Policies<'s> {
    source: &'s dyn Source,
    /// The policy file of each directory.
    by_folder: BTreeMap<PathBuf, Option<PathBuf>>,
    by_file: BTreeMap<Option<PathBuf>, Loaded>,
}

impl<'s> Policies<'s> {
    /// Makes one that has loaded no policy yet.
    pub(super) fn new(source: &'s dyn Source) -> Self {
        Self { source, by_folder: BTreeMap::new(), by_file: BTreeMap::new() }
    }

    /// Returns the policy of a directory, and its file.
    pub(super) fn of(&mut self, folder: &Path) -> (Rc<Policy>, Option<PathBuf>) {
        let file = self.source.file(folder);
        self.by_folder.insert(folder.to_path_buf(), file.clone());
        if !self.by_file.contains_key(&file) {
            let loaded = self.load(file.as_deref(), None);
            self.by_file.insert(file.clone(), loaded);
        }
        let policy = self.by_file.get(&file).map(|loaded| Rc::clone(&loaded.policy));
        (policy.unwrap_or_default(), file)
    }

    /// Looks for the files of all directories again, and reads those that changed. Returns true if
    /// one changed, and the files that were read.
    pub(super) fn refresh(&mut self) -> (bool, Vec<PathBuf>) {
        let mut is_other = false;
        for (folder, file) in &mut self.by_folder {
            let found = self.source.file(folder);
            is_other |= found != *file;
            *file = found;
        }
        let by_folder = &self.by_folder;
        self.by_file.retain(|file, _| by_folder.values().any(|used| used == file));
        let known: Vec<PathBuf> = self.by_file.keys().flatten().cloned().collect();
        let mut changed = Vec::new();
        for file in known {
            let Some(old) = self.by_file.get(&Some(file.clone())) else { continue };
            if stamp(&file) != old.stamp {
                let loaded = self.load(Some(&file), Some(&old.policy));
                self.by_file.insert(Some(file.clone()), loaded);
                changed.push(file);
            }
        }
        (is_other || !changed.is_empty(), changed)
    }

    /// Returns the files that were looked at.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, &Loaded)> {
        self.by_file.iter().filter_map(|(file, loaded)| Some((file.as_deref()?, loaded)))
    }

    /// Returns the result of loading a file.
    pub(super) fn loaded(&self, file: &Path) -> Option<&Loaded> {
        self.by_file.get(&Some(file.to_path_buf()))
    }

    fn load(&self, file: Option<&Path>, last: Option<&Rc<Policy>>) -> Loaded {
        // Before it is read: a change meanwhile is seen the next time.
        let stamp = file.and_then(stamp);
        let (policy, mistakes, failure) = match self.source.load(file) {
            Ok(policy) => return Loaded { policy: Rc::new(policy), mistakes: None, failure: None, stamp },
            Err(Error::Mistakes(mistakes)) => (last, Some(mistakes), None),
            Err(error) => (last, None, Some(error.to_string())),
        };
        let policy = policy.cloned();
        let policy = policy.or_else(|| self.source.load(None).ok().map(Rc::new)).unwrap_or_default();
        Loaded { policy, mistakes, failure, stamp }
    }
}

fn stamp(file: &Path) -> Option<(Option<SystemTime>, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}
