//! The report of `node-check`; docs/node-check.schema.json describes its JSON.

mod kept;
pub mod npd;
pub mod objects;
mod steps;
pub mod text;
mod warning;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use objects::Objects;
pub use warning::{Doubt, MayConcern, VolumeName, Warning, WarningKind};

use super::FirstMounts;
use super::volumes::{CSI, IN_TREE_NFS};
use crate::report::json::plain;
use crate::report::{IsNfs, Tool};

/// The version of the JSON report; fields are only ever added within one.
pub const SCHEMA_VERSION: u32 = 1;

/// All that one look at a node has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    /// Always [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The name and version of the tool.
    pub tool: Tool,
    /// The node's name for the kubelet's directory of Pods.
    pub pods_dir: String,
    /// Counts.
    pub summary: Summary,
    /// Volumes whose data is not where it should be, by Pod and name.
    pub volumes: Vec<Volume>,
    /// Processes of mount.nfs in the background, by PID.
    pub background: Vec<Background>,
    /// Settings that make a mount of this node fail or lose data, before it does.
    pub warnings: Vec<Warning>,
    /// The node's nfsmount.conf, and who reads another one; `None` where it was not read.
    pub nfsmount_conf: Option<ConfReport>,
    /// Mounted volumes beside the objects of `--objects`; `None` without it.
    pub objects: Option<Objects>,
    /// The inputs that could not be read.
    pub errors: Vec<ReadError>,
    /// True if the mounts that were seen are the node's own, and so its `/etc` and programs.
    #[serde(skip)]
    pub sees_node: bool,
    /// True if the kernel of the node is known.
    #[serde(skip)]
    pub has_kernel: bool,
    /// The options that objects request, by the directory of the volume.
    #[serde(skip)]
    pub asked: BTreeMap<PathBuf, AskedOptions>,
    /// The directories among [`Self::errors`] that are of Pods, from the kubelet's directory of them.
    #[serde(skip)]
    pub(super) unread: Vec<PathBuf>,
    /// The directories of volumes that share their name with another one of their Pod.
    #[serde(skip)]
    pub(super) twins: HashSet<PathBuf>,
    /// The mounts that the first look found, for the next one.
    #[serde(skip)]
    pub first_mounts: Option<FirstMounts>,
}

/// The options that an object requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedOptions {
    /// The object, as in `PersistentVolume/data`.
    pub object: String,
    /// The string that `mount -o` gets by it.
    pub effective: String,
    /// The last of bg and fg in it, which counts; `None` for neither.
    pub bg: Option<bool>,
}

/// Counts of one look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Directories of Pods.
    pub pods: usize,
    /// Their volumes that are NFS, or may be: the sum of those mounted, waiting and unread, and of
    /// those reported that are not mounted.
    pub volumes: usize,
    /// Those with NFS mounted, or with something else that is reported.
    pub mounted: usize,
    /// Those that a process in the foreground is mounting; no container runs before it is done.
    pub waiting: usize,
    /// Volumes reported whose data is on no server for sure.
    pub lost: usize,
    /// The other volumes reported, of drivers whose volumes may be something else.
    pub uncertain: usize,
    /// Volumes of which too little could be read for a verdict: the driver, or the directory.
    pub unread: usize,
    /// Processes reported that mount a volume of a Pod.
    pub background: usize,
}

/// A volume whose data is not where it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The Pod's uid.
    pub pod: String,
    /// The PersistentVolume, or the name in the Pod of a volume without one.
    pub volume: String,
    /// Its name where no other volume of the Pod may have the same: with the kubelet's directory of its
    /// plugin, if another one does.
    #[serde(skip)]
    pub label: String,
    /// The kubelet's directory for it, from that of Pods: two volumes of a Pod may have one name, and
    /// not one directory.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The plugin that mounts it: `kubernetes.io/nfs` is the kubelet, any other name with a slash a
    /// `FlexVolume` driver, anything else a CSI driver.
    pub driver: String,
    /// The verdict on whether it is NFS.
    pub nfs: IsNfs,
    /// True if its data is on no server for sure: it is a finding.
    pub lost: bool,
    /// The fault.
    pub state: VolumeState,
    /// The file system that is mounted there, if it is no NFS.
    pub file_system: Option<FileSystem>,
    /// The node's directory that holds the data; with `hidden`, beneath what is mounted there.
    pub path: String,
    /// The files in it; `None` if they cannot be seen.
    pub data: Option<Data>,
    /// The reason why it cannot be seen, or a note on the counts and the copies.
    pub note: Option<String>,
    /// Containers' processes that have the directory open.
    pub holders: Vec<Holder>,
    /// Numbers of the background processes that keep retrying its mount.
    pub background: Vec<i32>,
    /// A process that sees it mounted in a namespace of its own: a CSI driver without
    /// `mountPropagation: Bidirectional`.
    pub mounted_apart: Option<Apart>,
    /// The command that saves the files, as root on the node; `None` where there are none.
    pub copy: Option<String>,
    /// The same as one command for each directory: containers may have several of one volume.
    pub copies: Vec<String>,
}

impl Volume {
    /// Returns its name with the plugin: the same at each look, whatever other volumes the Pod has.
    #[cfg(feature = "serve")]
    pub(super) fn identity(&self) -> String {
        format!("{}/{}", self.plugin(), self.volume)
    }

    /// Returns the kubelet's directory for its plugin.
    fn plugin(&self) -> &str {
        // The path is UID/volumes/PLUGIN/VOLUME.
        self.folder.iter().nth(2).and_then(|plugin| plugin.to_str()).unwrap_or_default()
    }

    /// Returns true if it is a `FlexVolume`, whose driver may have no vendor, and so no slash in its name.
    pub fn is_flex(&self) -> bool {
        self.is_of_driver() && !self.is_csi()
    }

    /// Returns true if a CSI driver mounts it.
    pub fn is_csi(&self) -> bool {
        self.plugin() == CSI
    }

    /// Returns true if the kubelet does not mount it itself.
    pub fn is_of_driver(&self) -> bool {
        self.plugin() != IN_TREE_NFS
    }
}

/// A file system that is mounted in the place of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSystem {
    /// Its type, as mountinfo has it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The source of the mount.
    pub source: String,
    /// The directory of the file system that is mounted.
    pub root: String,
}

/// A process that sees a volume mounted, and the node does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Apart {
    /// Its number on the node.
    pub pid: i32,
    /// Its program's name.
    pub name: String,
}

/// The fault of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    /// Its directory is no mount point.
    NotMounted,
    /// A directory of the node's local disk is mounted there, as a CSI driver does
    /// with a staging directory on which nothing is mounted.
    NodeDisk,
    /// Another file system than NFS is mounted there, which its driver does not mount.
    OtherFileSystem,
    /// It is mounted now, but a container has had the directory beneath since before that.
    Hidden,
}

/// The files in a directory and those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Lengths of the files together.
    pub bytes: u64,
    /// All that is no directory.
    pub files: u64,
    /// Directories.
    pub folders: u64,
    /// True if there is or may be more: counting has a limit, or something could not be read.
    pub at_least: bool,
}

/// A container's process that has a directory open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its number on the node.
    pub pid: i32,
    /// Its program's name.
    pub name: String,
    /// The path of the directory in the container.
    pub path: String,
}

/// A process of mount.nfs in the background: its caller has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Background {
    /// Its number on the node.
    pub pid: i32,
    /// `mount.nfs` or `mount.nfs4`.
    pub name: String,
    /// The source that it mounts.
    pub source: String,
    /// The target.
    pub target: String,
    /// The uid of the Pod whose volume that is; `None` for another directory.
    pub pod: Option<String>,
    /// The volume; also of a `FlexVolume` that several Pods use.
    pub volume: Option<String>,
    /// The kubelet's directory for the volume of the Pod, from that of Pods.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    /// True if it is kubelet's or a driver's doing. Others, such as a mount of the node's own
    /// fstab, are no finding.
    pub kubernetes: bool,
}

/// The node's nfsmount.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfReport {
    /// The files that were read, in their order.
    pub files: Vec<String>,
    /// Drivers with volumes on this node that may be NFS; only where the files give an option.
    pub drivers: Vec<ConfReader>,
    /// Its directory of further files, if this process would not see it: the file alone is mounted here.
    pub unseen: Vec<String>,
    /// Files of it among [`NodeReport::errors`].
    #[serde(skip)]
    pub unread: usize,
}

/// A driver, and whose nfsmount.conf its mounts read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfReader {
    /// Its name.
    pub driver: String,
    /// `node`, `container`, or `unknown`.
    pub reads: &'static str,
    /// The same for people, with the reason.
    pub message: String,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadError {
    /// The directory, as the node calls it.
    pub path: String,
    /// The fault.
    pub message: String,
}

impl NodeReport {
    /// Returns true if anything was found that is sure.
    pub fn has_findings(&self) -> bool {
        self.has_losses() || self.findings().next().is_some() || self.differing() > 0
    }

    /// Returns the lines of nfsmount.conf that make failed mounts of Pods report success.
    pub fn findings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| warning.finding)
    }

    /// Counts volumes that are mounted otherwise than their object requests.
    pub fn differing(&self) -> usize {
        self.objects.as_ref().map_or(0, Objects::differing)
    }

    /// Returns the name of a volume in a Pod that may have another one of the same name: with the
    /// kubelet's directory for its plugin then.
    fn name_of<'n>(&self, volume: &'n str, folder: &Path) -> Cow<'n, str> {
        let plugin = folder.parent().and_then(Path::file_name).filter(|_| self.twins.contains(folder));
        match plugin {
            Some(plugin) => Cow::Owned(format!("{}/{volume}", plugin.to_string_lossy())),
            None => Cow::Borrowed(volume),
        }
    }

    /// Returns true if all of nfsmount.conf was read that this process may see.
    pub fn has_read_conf(&self) -> bool {
        self.nfsmount_conf.as_ref().is_some_and(|conf| conf.unread == 0)
    }

    /// Returns true if mounts were compared with objects, and all of these could be read.
    pub fn has_compared(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| objects.is_whole)
    }

    /// Counts inputs that could not be read, without the files of nfsmount.conf.
    pub fn unread_volumes(&self) -> usize {
        let of_conf = self.nfsmount_conf.as_ref().map_or(0, |conf| conf.unread);
        // The errors of nfsmount.conf are in the same list.
        self.errors.len().saturating_sub(of_conf)
    }

    /// Counts volumes that are mounted, without those reported: one that is mounted late, or from the
    /// node's own disk, has something mounted, and is not mounted all the same.
    pub fn mounted(&self) -> usize {
        // A wrong file system, or a mount that came late, is a mount, too, and not a good one.
        let reported = self.volumes.iter().filter(|volume| volume.state != VolumeState::NotMounted);
        self.summary.mounted.saturating_sub(reported.count())
    }

    /// Returns true if a Pod writes to the local disk, or may at any time.
    pub const fn has_losses(&self) -> bool {
        self.summary.lost > 0 || self.summary.background > 0
    }

    /// Returns the report as one line of JSON.
    pub fn json_line(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        plain(&serde_json::to_string(self).unwrap_or_default())
    }

    /// Returns the report as JSON for people, without a line break after it.
    pub fn json(&self) -> String {
        plain(&serde_json::to_string_pretty(self).unwrap_or_default())
    }
}
