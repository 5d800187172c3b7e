//! Watching a folder, for a certificate or a policy that is swapped.
//!
//! A volume made from a Secret or a `ConfigMap` never changes a file: kubelet
//! writes a new folder and renames the link `..data` to it. So the folder is
//! watched and not the file, and it is looked at now and then all the same,
//! for file systems that send no events.

use std::path::Path;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long after an event the folder is looked at: what is written together
/// is seen together.
const SETTLE: Duration = Duration::from_millis(100);

/// How often the folder is looked at without an event.
const WITHOUT_EVENT: Duration = Duration::from_secs(20);

/// Tells when a folder may have changed.
#[derive(Debug)]
pub struct FolderWatch {
    _watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
}

impl FolderWatch {
    /// Watches `folder`. Where the system gives no watch, it is only looked at
    /// now and then.
    pub fn new(folder: &Path) -> Self {
        let (sender, events) = mpsc::channel(1);
        let handler = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel means that a look is due already.
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(folder = %folder.display(), %error, "cannot watch the folder; it is looked at every 20 s");
        }
        Self { _watcher: watcher.ok(), events }
    }

    /// Waits until the folder is worth a look.
    pub async fn changed(&mut self) {
        tokio::select! {
            event = self.events.recv() => {
                if event.is_none() {
                    tokio::time::sleep(WITHOUT_EVENT).await;
                }
            }
            () = tokio::time::sleep(WITHOUT_EVENT) => return,
        }
        tokio::time::sleep(SETTLE).await;
        while self.events.try_recv().is_ok() {}
    }
}
