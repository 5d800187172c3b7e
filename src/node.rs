//! Checks the mounts of a node: finds volume directories of Pods that lack their NFS mount, and
//! mounts that continue in the background. Reads, and never writes.
//!
//! A directory is known by its file system and the path there, so that it does
//! not matter what the namespace it is seen from calls it. A mount is never touched, unless it is in
//! memory: with a dead server that would hang.

mod apart;
mod beneath;
mod conf;
mod covered;
#[cfg(feature = "serve")]
pub mod events;
mod file_system;
mod kernel;
mod look;
mod moment;
mod mounts;
pub mod objects;
mod processes;
mod programs;
mod reach;
mod readers;
pub mod report;
mod rescue;
mod setup;
#[cfg(feature = "serve")]
pub mod status;
mod suspect;
mod usage;
mod volumes;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::policy::Policy;
use crate::source::io_fault;
use conf::Conf;
pub use conf::ConfMounts;
use covered::Identity;
use look::Look;
use moment::Moment;
use mounts::{Location, MountTable};
use objects::{Given, Seen};
pub use reach::{Way, Ways};
use readers::Readers;
use report::{ConfReport, NodeReport, ReadError};
use usage::Counter;

/// The mount table of this process, whatever `/proc` the node has.
const OWN_MOUNTS: &str = "/proc/self/mountinfo";

/// The node to check.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// kubelet's directory of Pods.
    pub pods_dir: &'a Path,
    /// The node's `/proc`.
    pub proc_dir: &'a Path,
    /// The user's own rows for CSI drivers.
    pub policy: &'a Policy,
    /// The node's nfsmount.conf; `None` for [`NFSMOUNT_CONF`] where this process sees the
    /// mounts of the node, and none in a container.
    pub nfsmount_conf: Option<&'a Path>,
    /// A file of nfsmount.conf that does not answer, with the reason: none of them is read then.
    pub silent_conf: Option<&'a (PathBuf, String)>,
    /// The mounts as the first look found them; `None` for that look.
    pub first: Option<&'a FirstMounts>,
    /// The objects that mounted volumes are compared with.
    pub objects: Option<&'a Given>,
}

/// The mounts that the first look of a process found, and that later ones compare theirs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstMounts {
    /// That of the directory of Pods.
    pods: Location,
    /// The directory itself, which may be renamed on its mount.
    pods_identity: Option<Identity>,
    /// Those of the node's nfsmount.conf.
    conf: Option<ConfMounts>,
}

/// The file that mount.nfs reads.
pub const NFSMOUNT_CONF: &str = "/etc/nfsmount.conf";

/// The reason why a node cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// kubelet's directory cannot be read.
    #[error("{}: {}; {remedy}", path.display(), io_fault::reason(source))]
    PodsDir {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
        /// The remedy.
        remedy: &'static str,
    },
    /// The directory is another one.
    #[error(
        "{}: not the kubelet's directory of Pods, because no Pod in it has a directory \"volumes\"; set --pods-dir{hint}",
        path.display()
    )]
    NoPods {
        /// The directory.
        path: PathBuf,
        /// The directory that may have been meant.
        hint: String,
    },
    /// Another directory is there than at the first look: something was mounted over it, or over one
    /// above it.
    #[error(
        "{}: leads to another directory than at the first check ({kind} is mounted at {}), so the volumes of its Pods are not seen; unmount that, or restart node-check if the kubelet uses it",
        path.display(),
        point.display()
    )]
    OtherPods {
        /// The directory.
        path: PathBuf,
        /// The file system that is there.
        kind: String,
        /// Its mount point.
        point: PathBuf,
    },
    /// The node's processes or mounts cannot be read.
    #[error("{}: {}; set --proc-dir to the node's /proc", path.display(), io_fault::reason(source))]
    Proc {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The mounts do not show the directory of Pods.
    #[error(
        "{}: no mount there shows the file system of {}; give the /proc of the same node with --proc-dir",
        mounts.display(),
        pods_dir.display()
    )]
    OtherNode {
        /// The table of mounts.
        mounts: PathBuf,
        /// The directory of Pods.
        pods_dir: PathBuf,
    },
}

impl Node<'_> {
    /// Looks at everything once.
    ///
    /// # Errors
    ///
    /// When nothing can be said. Parts of one volume that cannot be read are in the report.
    pub fn check(&self) -> Result<NodeReport, Error> {
        // mountinfo has no links: paths are compared as the kernel has them.
        let pods_dir = self.pods_dir.canonicalize().map_err(|error| self.pods_error(error))?;
        let own = fs::read(OWN_MOUNTS).map_err(|source| proc_error(Path::new(OWN_MOUNTS), source))?;
        let own = MountTable::parse(&own);
        let other_node = |mounts: PathBuf| Error::OtherNode { mounts, pods_dir: pods_dir.clone() };
        let (mount, pods) = own.find(&pods_dir).ok_or_else(|| other_node(OWN_MOUNTS.into()))?;
        // Losses found there stay, out of sight: that the new directory is empty is no good news.
        if self.first.is_some_and(|first| first.pods != pods) {
            let (kind, point) = (mount.kind.clone(), mount.point.clone());
            return Err(Error::OtherPods { path: pods_dir, kind, point });
        }
        let metadata = fs::metadata(&pods_dir).map_err(|error| self.pods_error(error))?;
        let identity = Identity::of(&metadata, mount);
        let points: HashSet<&Path> = own.mounts().map(|mount| &*mount.point).collect();
        let listing = volumes::list(&pods_dir, &points).map_err(|error| self.pods_error(error))?;
        // Entries that could not be read may have been Pods.
        if listing.pods == 0 && listing.errors.is_empty() {
            self.expect_none(&pods_dir)?;
        }
        // After the directories: what a container was started with is mounted by now.
        let moment = Moment::read(self.proc_dir, &pods, &pods_dir)?
            .ok_or_else(|| other_node(self.proc_dir.join("1/mountinfo")))?;
        let sees_node = moment.is_seen_with(&own);
        let (conf, conf_mounts) = self.conf(&own, sees_node);
        let gives_options = conf.as_ref().is_some_and(|conf| !conf.settings().is_empty());
        let with_csi = gives_options || self.objects.is_some();
        let readers = Readers::of(&listing.volumes, &pods_dir, &moment, self.policy.drivers(), with_csi);
        let kernel = kernel::running(self.proc_dir);
        let compared = self.objects.map(|given| {
            let (volumes, conf) = (&*listing.volumes, conf.as_ref());
            let seen = Seen {
                volumes,
                pods_dir: &pods_dir,
                moment: &moment,
                conf,
                readers: &readers.volumes,
                kernel,
                policy: self.policy,
            };
            objects::compare(given, &seen)
        });
        let none = BTreeMap::new();
        let asked = compared.as_ref().map_or(&none, |compared| &compared.asked);
        let nothing = BTreeMap::new();
        let said = compared.as_ref().map_or(&nothing, |compared| &compared.said);
        let mut warnings =
            setup::warnings(&listing.volumes, &moment, conf.as_ref(), &readers, sees_node, asked);
        if let (Some(conf), Some(kernel)) = (&conf, kernel) {
            warnings.extend(kernel::of_conf(conf, kernel));
        }
        let look = Look {
            proc_dir: self.proc_dir,
            drivers: self.policy.drivers(),
            pods_dir: &pods_dir,
            counter: Counter::start(closed(&own, &pods)),
            pods: &pods,
            own: &own,
            said,
        };
        let first_pods = self.first.and_then(|first| first.pods_identity);
        let out_of_sight = Identity::replaced(first_pods, identity).or_else(|| moment.covered());
        let mut report = look.report(listing, moment)?;
        if let Some(message) = out_of_sight {
            report.unread.push(PathBuf::new());
            report.errors.push(ReadError { path: report.pods_dir.clone(), message });
        }
        report.warnings = warnings;
        report.sees_node = sees_node;
        report.has_kernel = kernel.is_some();
        // Those of the first look: whatever changes later is another file.
        let mut first = self.first.cloned().unwrap_or(FirstMounts {
            pods: pods.clone(),
            pods_identity: identity,
            conf: None,
        });
        first.conf = first.conf.or(conf_mounts);
        report.first_mounts = Some(first);
        if let Some(compared) = compared {
            let asked = compared.asked.iter();
            report.asked = asked.map(|(id, asked)| (id.volume_folder(), asked.report())).collect();
            report.warnings.extend(compared.warnings);
            report.errors.extend(compared.errors);
            report.objects = Some(compared.objects);
        }
        if let Some(conf) = conf {
            let shown = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
            report.nfsmount_conf = Some(ConfReport {
                files: shown(&conf.files),
                drivers: if gives_options { readers.drivers } else { Vec::new() },
                unseen: if sees_node { Vec::new() } else { shown(&conf.unseen) },
                unread: conf.problems.len(),
            });
            let problems = conf.problems.into_iter();
            report.errors.extend(
                problems.map(|(path, message)| ReadError { path: path.display().to_string(), message }),
            );
        }
        Ok(report)
    }

    /// Reads the node's nfsmount.conf, if this process sees it, and the mounts that lead to it.
    fn conf(&self, own: &MountTable, sees_node: bool) -> (Option<Conf>, Option<ConfMounts>) {
        let is_seen = self.nfsmount_conf.is_some() || sees_node;
        match (self.silent_conf, self.nfsmount_conf) {
            // Following the links of its path would wait as well.
            (Some((path, fault)), _) => (is_seen.then(|| Conf::unread(path, fault)), None),
            (None, Some(path)) => {
                let now = ConfMounts::of(path, own);
                let first = self.first.and_then(|first| first.conf.as_ref());
                (Some(Conf::read_named(path, &now, first)), Some(now))
            }
            (None, None) => (is_seen.then(|| Conf::read(Path::new(NFSMOUNT_CONF))), None),
        }
    }

    fn pods_error(&self, source: io::Error) -> Error {
        let remedy = match source.kind() {
            ErrorKind::PermissionDenied => "root may read it",
            _ => "set --pods-dir to the kubelet's directory of Pods: \"pods\" in its --root-dir",
        };
        Error::PodsDir { path: self.pods_dir.to_owned(), source, remedy }
    }

    /// Accepts an empty directory: a node without Pods has one. Another directory is a mistake that must
    /// not look like good news.
    fn expect_none(&self, pods_dir: &Path) -> Result<(), Error> {
        let mut entries = fs::read_dir(pods_dir).map_err(|error| self.pods_error(error))?;
        if entries.next().is_none() {
            return Ok(());
        }
        let inner = pods_dir.join("pods");
        let hint = if inner.is_dir() { format!(", such as {}", inner.display()) } else { String::new() };
        Err(Error::NoPods { path: self.pods_dir.to_owned(), hint })
    }
}

/// Directories that this process must not enter: those where it sees anything else
/// than the file system of kubelet's own directory.
fn closed(own: &MountTable, pods: &Location) -> HashSet<PathBuf> {
    let is_closed = |point: &PathBuf| own.locate(point).is_none_or(|there| there.device != pods.device);
    own.mounts().map(|mount| mount.point.clone()).filter(is_closed).collect()
}

fn proc_error(path: &Path, source: io::Error) -> Error {
    Error::Proc { path: path.to_owned(), source }
}
