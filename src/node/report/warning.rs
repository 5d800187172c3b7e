//! Warnings of a report: settings of the node that make its mounts fail or lose data.

use std::path::PathBuf;

use serde::Serialize;

use super::NodeReport;

/// Something about the node that makes its mounts fail or lose data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The subject of the warning.
    pub kind: WarningKind,
    /// True if it loses data without a word, so that it counts as found.
    pub finding: bool,
    /// The fault and its remedy.
    pub message: String,
    /// The file; `None` for one that is about no file.
    pub path: Option<String>,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// The option that mounts get.
    pub option: Option<String>,
    /// Volumes of the node that it is about.
    pub volumes: Vec<VolumeName>,
    /// Volumes that it may be about.
    pub may_concern: Vec<MayConcern>,
}

/// A volume that a line of nfsmount.conf may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MayConcern {
    /// The Pod's uid.
    pub pod: String,
    /// The PersistentVolume, or the name in the Pod of a volume without one.
    pub volume: String,
    /// Why that is not certain.
    pub why: Doubt,
    /// The kubelet's directory for it, from that of Pods.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Why it is not certain that a line of nfsmount.conf is about a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The line is for one server, and that of the volume is unknown.
    Server,
    /// Its driver may not use NFS.
    Driver,
}

/// The subject of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// An option in nfsmount.conf that each mount gets.
    NfsmountConf,
    /// NFSv3 mounts with locks, and no rpc.statd.
    StatdMissing,
    /// The kubelet's NFS volumes need /sbin/mount.nfs and mount(8).
    MountNfsMissing,
    /// The node's mount(8) is that of `BusyBox`.
    BusyboxMount,
    /// An option that is requested needs another kernel.
    KernelTooOld,
}

impl WarningKind {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::NfsmountConf,
        Self::StatdMissing,
        Self::MountNfsMissing,
        Self::BusyboxMount,
        Self::KernelTooOld,
    ];

    /// Returns true if a report can tell: a container sees the programs of its own image.
    pub fn is_looked_for(self, report: &NodeReport) -> bool {
        match self {
            Self::NfsmountConf => report.has_read_conf(),
            Self::MountNfsMissing | Self::BusyboxMount => report.sees_node,
            Self::StatdMissing => true,
            Self::KernelTooOld => report.has_kernel && (report.has_read_conf() || report.has_compared()),
        }
    }

    /// Returns its name in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NfsmountConf => "nfsmount-conf",
            Self::StatdMissing => "statd-missing",
            Self::MountNfsMissing => "mount-nfs-missing",
            Self::BusyboxMount => "busybox-mount",
            Self::KernelTooOld => "kernel-too-old",
        }
    }
}

/// A volume of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeName {
    /// The Pod's uid.
    pub pod: String,
    /// The PersistentVolume, or the name in the Pod of a volume without one.
    pub volume: String,
    /// The kubelet's directory for it, from that of Pods.
    #[serde(skip)]
    pub folder: PathBuf,
}
