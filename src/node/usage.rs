//! Counts the files in a directory.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Entries of one directory and those beneath it that are counted at most.
const ENTRIES: usize = 20_000;

/// The longest time that one run counts, all directories together.
const TIME: Duration = Duration::from_secs(2);

/// The files in a directory and the directories below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Lengths of the files together; one with several names counts once.
    pub(super) bytes: u64,
    /// All that is no directory.
    pub(super) files: u64,
    /// Directories.
    pub(super) folders: u64,
    /// True if there is, or may be, more than was counted.
    pub(super) is_partial: bool,
}

impl Usage {
    /// Returns true if nothing at all is there.
    pub(super) const fn is_empty(&self) -> bool {
        self.files == 0 && self.folders == 0 && !self.is_partial
    }

    /// Adds both together.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
            folders: self.folders.saturating_add(other.folders),
            is_partial: self.is_partial || other.is_partial,
        }
    }
}

/// Counts within a limit of time that all directories of a run share.
#[derive(Debug)]
pub(super) struct Counter {
    deadline: Instant,
    /// Directories that are not entered: what is mounted on them may hang.
    closed: HashSet<PathBuf>,
}

impl Counter {
    /// Starts the clock. `closed` are paths of directories that are not entered.
    pub(super) fn start(closed: HashSet<PathBuf>) -> Self {
        Self { deadline: Instant::now() + TIME, closed }
    }

    /// Closes a directory as well.
    pub(super) fn close(&mut self, folder: PathBuf) {
        self.closed.insert(folder);
    }

    /// Counts what lies in `folder`; opens no file and follows no link. `None`
    /// where the directory may not be entered.
    ///
    /// # Errors
    ///
    /// When the directory itself cannot be read.
    pub(super) fn count(&self, folder: &Path) -> io::Result<Option<Usage>> {
        if self.closed.contains(folder) {
            return Ok(None);
        }
        self.count_mounted(folder).map(Some)
    }

    /// Returns the same in a directory on which something is mounted that cannot hang.
    ///
    /// # Errors
    ///
    /// When the directory itself cannot be read.
    pub(super) fn count_mounted(&self, folder: &Path) -> io::Result<Usage> {
        let mut usage = Usage::default();
        let mut linked = HashSet::new();
        let mut left = ENTRIES;
        let mut next = Some(fs::read_dir(folder)?);
        let mut waiting: Vec<PathBuf> = Vec::new();
        loop {
            for entry in next.take().into_iter().flatten() {
                if left == 0 || Instant::now() > self.deadline {
                    usage.is_partial = true;
                    return Ok(usage);
                }
                left -= 1;
                let Ok(entry) = entry else {
                    usage.is_partial = true;
                    continue;
                };
                let path = entry.path();
                // Before the stat, which calls the file system that is mounted there, and waits for its
                // server.
                if self.closed.contains(&path) {
                    usage.folders += 1;
                    continue;
                }
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => {
                        usage.folders += 1;
                        waiting.push(path);
                    }
                    Ok(metadata) => {
                        usage.files += 1;
                        // Of several names of one file the first counts, as for du(1).
                        let is_new = metadata.nlink() < 2 || linked.insert((metadata.dev(), metadata.ino()));
                        if metadata.is_file() && is_new {
                            usage.bytes = usage.bytes.saturating_add(metadata.len());
                        }
                    }
                    // It was removed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) => usage.is_partial = true,
                }
            }
            let Some(path) = waiting.pop() else { return Ok(usage) };
            match fs::read_dir(&path) {
                Ok(entries) => next = Some(entries),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => usage.is_partial = true,
            }
        }
    }
}
