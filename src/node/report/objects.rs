//! Mounted volumes beside the objects of a cluster.

use std::path::PathBuf;

use serde::Serialize;

use super::VolumeName;

/// The result of a comparison with the objects of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Objects {
    /// The file.
    pub file: String,
    /// Volumes that were compared, by Pod and name.
    pub volumes: Vec<Compared>,
    /// Mounted volumes that were not, and why; also those that no mount succeeds with.
    pub not_compared: Vec<NotCompared>,
    /// True if all of the file could be read.
    #[serde(skip)]
    pub is_whole: bool,
}

/// A mounted volume beside its object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The Pod's uid.
    pub pod: String,
    /// The PersistentVolume, or the name in the Pod of a volume without one.
    pub volume: String,
    /// The kubelet's directory for it, from that of Pods.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The object, as in `PersistentVolume/data`.
    pub object: String,
    /// The driver that mounts it.
    pub driver: String,
    /// The string that `mount -o` gets by the object.
    pub effective: String,
    /// The options of the mount, as the kernel shows them.
    pub mounted: String,
    /// The NFS version that client and server agreed on.
    pub version: Option<String>,
    /// The differences of the mount.
    pub differences: Vec<Difference>,
    /// The other server that the mount names; `None` where it is the object's.
    pub server: Option<String>,
    /// Options of the object that the kernel shows of no such mount.
    pub not_shown: Vec<String>,
    /// Why options that the object does not name are not compared.
    pub note: Option<String>,
}

/// A setting that a mount has otherwise than its object requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The option that sets it.
    pub option: &'static str,
    /// The setting by the object; the default where it names none.
    pub object: String,
    /// The setting of the mount.
    pub mounted: String,
    /// True if the object names it.
    pub written: bool,
    /// True if the mount does not do what the object requests. A setting that client and server negotiate
    /// is no finding.
    pub finding: bool,
    /// Why it differs.
    pub reason: Reason,
    /// The mount with which it shares the setting; `None` for another reason.
    pub with: Option<String>,
    /// All of it in one sentence, with what to do.
    pub message: String,
}

/// Why a mount differs from its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A line of nfsmount.conf gives it.
    NfsmountConf,
    /// The first mount with the same superblock decided it.
    SharedSuperblock,
    /// The first mount with the same connections decided it.
    SharedConnections,
    /// The node's kernel does not know the option.
    KernelTooOld,
    /// The server takes no more.
    ServerLimit,
    /// The object leaves it open.
    Negotiated,
    /// Nothing on this node shows why.
    Unknown,
}

/// A volume that was not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCompared {
    /// The Pod's uid.
    pub pod: String,
    /// The PersistentVolume, or the name in the Pod of a volume without one.
    pub volume: String,
    /// The kubelet's directory for it, from that of Pods.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Why not.
    pub reason: NoComparison,
    /// The reason in words.
    pub message: String,
}

/// Why a volume was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoComparison {
    /// The file has no object of its name.
    NoObject,
    /// The file could not be read, or not whole.
    FileUnread,
    /// The object of its name is another volume.
    OtherObject,
    /// The object is NFS, and another file system is mounted.
    OtherFileSystem,
    /// The object is not NFS by the driver table or the policy.
    NotNfs,
    /// The options of the object cannot be laid out.
    OptionsUnknown,
    /// Nothing is mounted, because every mount by the object is refused.
    Refused,
}

impl NotCompared {
    pub(in crate::node) fn of(name: VolumeName, reason: NoComparison, message: String) -> Self {
        let VolumeName { pod, volume, folder } = name;
        Self { pod, volume, folder, reason, message }
    }
}

impl Objects {
    /// Counts volumes that are mounted otherwise than their object requests.
    pub fn differing(&self) -> usize {
        let is_finding = |volume: &&Compared| volume.differences.iter().any(|difference| difference.finding);
        self.volumes.iter().filter(is_finding).count()
    }
}
