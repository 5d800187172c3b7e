//! The file system in the place of a volume that is no NFS: whether the volume's driver may have
//! mounted it there.

use std::ffi::OsStr;
use std::path::Path;

use super::mounts::{Location, Mount};
use super::report::FileSystem;
use super::volumes::flex_device;

/// File systems without a block device that wait for no server.
const LOCAL: [&str; 12] = [
    "bcachefs", "btrfs", "devtmpfs", "hugetlbfs", "mqueue", "overlay", "proc", "ramfs", "rootfs", "sysfs",
    "tmpfs", "zfs",
];

/// Those that no driver with volumes on a server or a block device gives to a Pod.
const PASSING: [&str; 9] =
    ["devtmpfs", "hugetlbfs", "mqueue", "overlay", "proc", "ramfs", "rootfs", "sysfs", "tmpfs"];

/// Those whose files are in memory.
const IN_MEMORY: [&str; 2] = ["ramfs", "tmpfs"];

/// The directory that the kubelet gives a CSI driver to mount a volume once for all Pods of the node
/// (`makeDeviceMountPath`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_attacher.go>).
const STAGING: &str = "globalmount";

/// The step in the path of every such directory.
const OF_DRIVERS: &str = "kubernetes.io/csi/";

/// A mount in the place of a volume that is no NFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    kind: String,
    source: String,
    /// The directory of the file system that is mounted.
    pub(super) location: Location,
    /// True if its files are in memory: a look at any other may wait for a server, a daemon or a disk
    /// on a network.
    pub(super) is_in_memory: bool,
}

impl Other {
    /// Describes a mount; `location` is where the volume's directory leads to.
    pub(super) fn of(mount: &Mount, location: Location) -> Self {
        Self {
            kind: mount.kind.clone(),
            source: mount.source.clone(),
            location,
            is_in_memory: IN_MEMORY.contains(&&*mount.kind),
        }
    }

    /// Returns true if no driver that mounts NFS or something else mounts it.
    pub(super) fn is_passing(&self) -> bool {
        PASSING.contains(&&*self.kind)
    }

    /// Returns the same for a report.
    pub(super) fn report(self) -> FileSystem {
        let root = self.location.path.display().to_string();
        FileSystem { kind: self.kind, source: self.source, root }
    }
}

impl Mount {
    /// Returns true if a look at a directory of it waits for no server and no daemon, which may hang.
    pub(super) fn is_local(&self) -> bool {
        // Major 0 is of file systems without a device, such as NFS (get_anon_bdev,
        // https://github.com/torvalds/linux/blob/v6.12/fs/super.c). fuseblk has a device, and a daemon that may hang.
        let has_device = !self.device.starts_with("0:") && !self.kind.starts_with("fuse");
        has_device || LOCAL.contains(&&*self.kind)
    }
}

/// Returns true if a path is the staging directory of a CSI volume, the device of a `FlexVolume`, or in
/// one of them. Where a Pod is given one, and not a file system that is mounted on it, the driver has
/// mounted nothing there.
pub(super) fn is_staging(path: &Path) -> bool {
    flex_device(path).is_some()
        || path.ancestors().any(|folder| {
            folder.file_name() == Some(OsStr::new(STAGING)) && folder.to_string_lossy().contains(OF_DRIVERS)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staging_directory_is_known_wherever_the_kubelet_has_its_directory() {
        for (path, expected) in [
            ("/var/lib/kubelet/plugins/kubernetes.io/csi/d.example.com/0a1b/globalmount", true),
            ("/kubelet/plugins/kubernetes.io/csi/pv/data/globalmount/sub", true),
            ("/kubelet/plugins/kubernetes.io/flexvolume/alicloud/nas/mounts/data", true),
            ("/plugins/kubernetes.io/csi/d.example.com/0a1b", false),
            ("/globalmount", false),
            ("/srv/kubernetes.io/csi/globalmounts", false),
        ] {
            assert_eq!(is_staging(Path::new(path)), expected, "{path}");
        }
    }
}
