//! Looks at a node that end. A look reads files that may lie on a mount whose server does not answer, and
//! nothing wakes a thread that the kernel holds there, so no look is waited for indefinitely.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use super::ask::Asker;
use crate::cli::exit::InputError;
use crate::cli::{input, policy};
use crate::node::objects::Given;
use crate::node::report::NodeReport;
use crate::node::{FirstMounts, NFSMOUNT_CONF, Node};
use crate::policy::Policy;

/// One look.
pub(super) struct Task {
    pub(super) pods_dir: PathBuf,
    pub(super) proc_dir: PathBuf,
    /// The file of the policy; the first look reads it.
    pub(super) policy_file: Option<PathBuf>,
    pub(super) policy: Arc<OnceLock<Policy>>,
    pub(super) nfsmount_conf: Option<PathBuf>,
    /// The mounts of the first look.
    pub(super) first: Option<FirstMounts>,
    /// The objects, if they are read already.
    pub(super) given: Option<Given>,
    /// The file of objects that is read with each look.
    pub(super) objects: Option<PathBuf>,
    /// The inputs that this look does without.
    pub(super) silent: Silent,
}

impl Task {
    fn look(self) -> anyhow::Result<NodeReport> {
        let policy = match (self.policy.get(), &self.policy_file) {
            (Some(policy), _) => policy,
            (None, Some(file)) => {
                let policy = policy::load(file)?;
                self.policy.get_or_init(|| policy)
            }
            (None, None) => self.policy.get_or_init(Policy::default),
        };
        let silent = self.silent.objects;
        let objects = self.given.or_else(|| {
            let file = self.objects.as_deref()?;
            Some(silent.map_or_else(
                || given(Some(file)),
                |(_, fault)| Given::new(file.display().to_string(), Err(fault)),
            ))
        });
        let node = Node {
            pods_dir: &self.pods_dir,
            proc_dir: &self.proc_dir,
            policy,
            nfsmount_conf: self.nfsmount_conf.as_deref(),
            silent_conf: self.silent.conf.as_ref(),
            first: self.first.as_ref(),
            objects: objects.as_ref(),
        };
        node.check().map_err(|error| InputError(error.to_string()).into())
    }

    /// Returns the paths without which nothing is known of a volume.
    fn paths(&self) -> Vec<PathBuf> {
        let policy = self.policy_file.clone().filter(|_| self.policy.get().is_none());
        [self.pods_dir.clone(), self.proc_dir.clone()].into_iter().chain(policy).collect()
    }

    /// Returns nfsmount.conf and the directory beside it.
    fn conf_paths(&self) -> Vec<PathBuf> {
        let conf = self.nfsmount_conf.as_deref().unwrap_or(Path::new(NFSMOUNT_CONF));
        let mut folder: OsString = conf.into();
        folder.push(".d");
        vec![conf.to_owned(), folder.into()]
    }
}

/// Inputs that do not answer, and that a look can do without: each with why.
#[derive(Debug, Default)]
pub(super) struct Silent {
    conf: Option<(PathBuf, String)>,
    objects: Option<(PathBuf, String)>,
}

/// Returns the objects of a file; `None` for standard input.
pub(super) fn given(file: Option<&Path>) -> Given {
    let name = file.map_or_else(|| input::STDIN.to_owned(), |file| file.display().to_string());
    Given::new(name, input::one(file, None).map_err(|error| error.to_string()))
}

/// Limits looks in time. At most one that waits is left, and one process of each kind that checks.
pub(super) struct Watch {
    limit: Duration,
    /// The look that still waits.
    left: Option<Receiver<anyhow::Result<NodeReport>>>,
    asker: Asker,
    /// Askers of their own: a process that waits for one of these keeps no other question back.
    conf_asker: Asker,
    objects_asker: Asker,
}

impl Watch {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            left: None,
            asker: Asker::default(),
            conf_asker: Asker::default(),
            objects_asker: Asker::default(),
        }
    }

    /// Returns true if a look waits, so that this process cannot end by itself.
    pub(super) const fn has_left(&self) -> bool {
        self.left.is_some()
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// When the node cannot be looked at, or the look does not end in time.
    pub(super) fn look(&mut self, mut task: Task) -> anyhow::Result<NodeReport> {
        if let Some(left) = &self.left {
            // Each look that hangs would hold one more thread.
            if matches!(left.try_recv(), Err(TryRecvError::Empty)) {
                return Err(InputError(
                    "an earlier check still waits for a file system that does not answer, so no new one begins"
                        .to_owned(),
                )
                .into());
            }
            self.left = None;
        }
        let silent = |text: String| InputError(format!("{text}, so the node is not looked at"));
        self.asker.ask(&task.paths()).map_err(silent)?;
        // Volumes are looked at without these: that a setting is unknown must not hide a loss.
        task.silent.conf = self.conf_asker.silent(&task.conf_paths());
        if let Some(file) = task.objects.as_ref().filter(|_| task.given.is_none()) {
            task.silent.objects = self.objects_asker.silent(std::slice::from_ref(file));
        }
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().name("look".to_owned()).spawn(move || {
            let _ = sender.send(task.look());
        })?;
        match receiver.recv_timeout(self.limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.left = Some(receiver);
                Err(not_ended(self.limit))
            }
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the thread that checks has ended")),
        }
    }
}

/// Returns the error of a look that has not ended.
pub(super) fn not_ended(limit: Duration) -> anyhow::Error {
    InputError(format!(
        "the check did not end in {} s: a file system here does not answer, such as of FUSE or NFS",
        limit.as_secs()
    ))
    .into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(10);

    #[test]
    fn no_look_begins_while_one_waits() {
        let folder = tempfile::TempDir::new().expect("a folder");
        // The kernel holds a reader until there is a writer.
        let fifo = folder.path().join("objects.json");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("it runs").success());
        let task = || Task {
            pods_dir: folder.path().to_owned(),
            proc_dir: "/proc".into(),
            policy_file: None,
            policy: Arc::default(),
            nfsmount_conf: None,
            first: None,
            given: None,
            objects: Some(fifo.clone()),
            silent: Silent::default(),
        };
        let mut watch = Watch::new(Duration::from_millis(200));
        let mut says = || watch.look(task()).expect_err("it waits").to_string();
        assert!(says().contains("did not end"));
        for _ in 0..3 {
            assert!(says().contains("an earlier check still waits"));
        }
        // Once it has ended, another one begins.
        drop(fs::OpenOptions::new().write(true).open(&fifo).expect("a writer"));
        let begun = Instant::now();
        while says().contains("an earlier check still waits") {
            assert!(begun.elapsed() < Duration::from_secs(20), "it has not ended");
            thread::sleep(PAUSE);
        }
        assert!(says().contains("an earlier check still waits"));
        drop(fs::OpenOptions::new().write(true).open(&fifo).expect("a writer"));
    }
}
