//! Watching a directory, for a certificate or a policy that is swapped.
//!
//! A volume made from a Secret or a `ConfigMap` never changes a file: kubelet
//! writes a new directory and renames the link `..data` to it. So the directory is
//! watched and not the file, and it is looked at now and then all the same,
//! for file systems that send no events.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The time from an event to reading the directory: files that are written together are read
/// together.
const SETTLE: Duration = Duration::from_millis(100);

/// The time before a directory is watched: a server that starts has its first callers to answer.
const START: Duration = SETTLE;

/// The time between two readings of the directory without an event.
const WITHOUT_EVENT: Duration = Duration::from_secs(20);

/// Tells when a directory may have changed.
#[derive(Debug)]
pub struct FolderWatch {
    folder: PathBuf,
    /// The directory that is watched: another one may take its name.
    watched: Option<(u64, u64)>,
    watcher: Option<RecommendedWatcher>,
    has_started: bool,
    sender: mpsc::Sender<()>,
    events: mpsc::Receiver<()>,
}

impl FolderWatch {
    /// Watches `folder` soon. Where the system gives no watch, it is only looked
    /// at now and then.
    pub fn new(folder: &Path) -> Self {
        let (sender, events) = mpsc::channel(1);
        Self { folder: folder.to_owned(), watched: None, watcher: None, has_started: false, sender, events }
    }

    /// Waits until the directory is worth a look. It is when the watch begins, for
    /// what changed before.
    pub async fn changed(&mut self) {
        if !self.has_started {
            tokio::time::sleep(START).await;
            self.has_started = true;
            self.follow();
            return;
        }
        // The channel stays open: this holds a sender itself.
        if timeout(WITHOUT_EVENT, self.events.recv()).await.is_ok() {
            tokio::time::sleep(SETTLE).await;
            while self.events.try_recv().is_ok() {}
        }
        self.follow();
    }

    /// Watches what has the directory's name now.
    fn follow(&mut self) {
        let identity = fs::metadata(&self.folder).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if identity == self.watched {
            return;
        }
        self.watched = identity;
        self.watcher = None;
        if identity.is_none() {
            return;
        }
        let sender = self.sender.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel means that a look is due already.
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot watch the directory, reading it every 20 s");
        }
        self.watcher = watcher.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn follows_a_folder_that_is_replaced() {
        let parent = tempfile::TempDir::new().expect("a folder");
        let folder = parent.path().join("a");
        fs::create_dir(&folder).expect("a folder");
        let mut watch = FolderWatch::new(&folder);
        let soon = Duration::from_secs(10);
        timeout(soon, watch.changed()).await.expect("it begins with a look");
        fs::write(folder.join("b"), "1").expect("written");
        timeout(soon, watch.changed()).await.expect("a new file is seen");
        fs::rename(&folder, parent.path().join("old")).expect("renamed");
        fs::create_dir(&folder).expect("a folder");
        timeout(soon, watch.changed()).await.expect("the replacement is seen");
        fs::write(folder.join("b"), "2").expect("written");
        timeout(soon, watch.changed()).await.expect("a file of the new folder is seen");
    }
}
