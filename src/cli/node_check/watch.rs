//! Looks at a node that end. A look reads files that may lie on a mount whose server does not answer, and
//! nothing wakes a thread that the kernel holds there, so no look is waited for indefinitely.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::cli::exit::{Exit, InputError};
use crate::cli::input;
use crate::node::objects::Given;
use crate::node::report::NodeReport;
use crate::node::{self, FirstMounts, NFSMOUNT_CONF, Node, Way};
use crate::policy::Policy;

/// The longest time that a mount on the way has for an answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Time between two questions whether it has answered.
const PAUSE: Duration = Duration::from_millis(10);

/// This program, also if its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// One look.
pub(super) struct Task {
    pub(super) pods_dir: PathBuf,
    pub(super) proc_dir: PathBuf,
    pub(super) policy: Arc<Policy>,
    pub(super) nfsmount_conf: Option<PathBuf>,
    /// The mounts of the first look.
    pub(super) first: Option<FirstMounts>,
    /// The objects, if they are read already.
    pub(super) given: Option<Given>,
    /// The file of objects that is read with each look.
    pub(super) objects: Option<PathBuf>,
}

impl Task {
    fn look(self) -> anyhow::Result<NodeReport> {
        let objects = self.given.or_else(|| self.objects.as_deref().map(|file| given(Some(file))));
        let node = Node {
            pods_dir: &self.pods_dir,
            proc_dir: &self.proc_dir,
            policy: &self.policy,
            nfsmount_conf: self.nfsmount_conf.as_deref(),
            first: self.first.as_ref(),
            objects: objects.as_ref(),
        };
        node.check().map_err(|error| InputError(error.to_string()).into())
    }

    /// Returns the paths that it begins at.
    fn paths(&self) -> Vec<&Path> {
        let conf = self.nfsmount_conf.as_deref().unwrap_or(Path::new(NFSMOUNT_CONF));
        let mut paths = vec![&*self.pods_dir, &*self.proc_dir, conf];
        paths.extend(self.objects.as_deref());
        paths
    }
}

/// Returns the objects of a file; `None` for standard input.
pub(super) fn given(file: Option<&Path>) -> Given {
    let name = file.map_or_else(|| input::STDIN.to_owned(), |file| file.display().to_string());
    Given::new(name, input::one(file, None).map_err(|error| error.to_string()))
}

/// Limits looks in time. At most one that waits is left, and one process for each path.
pub(super) struct Watch {
    limit: Duration,
    /// The look that still waits.
    left: Option<Receiver<anyhow::Result<NodeReport>>>,
    /// The processes that still wait, by path.
    asking: Vec<(PathBuf, Child)>,
}

impl Watch {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, left: None, asking: Vec::new() }
    }

    /// Looks once.
    ///
    /// # Errors
    ///
    /// When the node cannot be looked at, or the look does not end in time.
    pub(super) fn look(&mut self, task: Task) -> anyhow::Result<NodeReport> {
        if let Some(left) = &self.left {
            if matches!(left.try_recv(), Err(TryRecvError::Empty)) {
                return Err(InputError(
                    "an earlier check still waits for a file system that does not answer, so no new one begins"
                        .to_owned(),
                )
                .into());
            }
            self.left = None;
        }
        let paths = task.paths();
        // Without the mounts the look fails, and says why.
        for (path, way) in paths.iter().zip(node::ways(&paths).unwrap_or_default()) {
            if let Some(way) = way {
                self.ask(path, &way)?;
            }
        }
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().name("look".to_owned()).spawn(move || {
            let _ = sender.send(task.look());
        })?;
        match receiver.recv_timeout(self.limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.left = Some(receiver);
                Err(InputError(format!(
                    "the check did not end in {} s: a file system here does not answer, such as of FUSE or NFS",
                    self.limit.as_secs()
                ))
                .into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the thread that checks has ended")),
        }
    }

    /// Asks a mount on the way to a path for an answer. A process of its own does, because one that
    /// waits for a daemon that has read its request cannot be ended.
    fn ask(&mut self, path: &Path, way: &Way) -> anyhow::Result<()> {
        let silent = || {
            InputError(format!(
                "{}: the file system at {} ({}) does not answer within {} s, so the node is not looked at",
                path.display(),
                way.point.display(),
                way.kind,
                ANSWER.as_secs()
            ))
        };
        if let Some(index) = self.asking.iter().position(|(asked, _)| asked == path) {
            let (path, mut child) = self.asking.swap_remove(index);
            if matches!(child.try_wait(), Ok(None)) {
                self.asking.push((path, child));
                return Err(silent().into());
            }
        }
        let asking = Command::new(OWN_PROGRAM)
            .args(["node-check", "--reach"])
            .arg(path)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        // Without it the look is only limited in time.
        let Ok(mut child) = asking else { return Ok(()) };
        let begun = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if begun.elapsed() > ANSWER {
                let _ = child.kill();
                self.asking.push((path.to_owned(), child));
                return Err(silent().into());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Looks at a path, for a process that asks. Any end is an answer.
pub(super) fn reach(path: &Path) -> Exit {
    let look = || -> io::Result<()> {
        if fs::metadata(path)?.is_dir() {
            fs::read_dir(path)?.next().transpose()?;
        }
        Ok(())
    };
    match look() {
        Ok(()) => Exit::Success,
        Err(_) => Exit::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_look_begins_while_one_waits() {
        let folder = tempfile::TempDir::new().expect("a folder");
        // The kernel holds a reader until there is a writer.
        let fifo = folder.path().join("objects.json");
        assert!(Command::new("mkfifo").arg(&fifo).status().expect("it runs").success());
        let task = || Task {
            pods_dir: folder.path().to_owned(),
            proc_dir: "/proc".into(),
            policy: Arc::new(Policy::default()),
            nfsmount_conf: None,
            first: None,
            given: None,
            objects: Some(fifo.clone()),
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
