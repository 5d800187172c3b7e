//! Inline volumes of Pods: kubelet mounts one only where the driver's `CSIDriver` object lists the
//! mode `Ephemeral` (`getVolumeLifecycleMode` and its callers,
//! <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go>).

/// A driver's support for inline volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inline {
    /// Its `CSIDriver` object was not read.
    Unread,
    /// The object that it ships with has the mode.
    Shipped,
    /// The object has the mode if this value of its chart is true, which is not the default.
    IfEnabled(&'static str),
    /// The object that it ships with has no such mode.
    No,
    /// The object has the mode, and no such volume can be mounted: the reason.
    Broken(&'static str),
    /// The object has the mode, and the driver refuses such a volume over NFS with these words.
    Refused(&'static str),
}

impl Inline {
    /// Returns the obstacle to such a volume as a sentence without a final period; `None` where none
    /// is known.
    pub fn obstacle(self) -> Option<String> {
        match self {
            Self::Unread | Self::Shipped => None,
            Self::IfEnabled(value) => Some(format!(
                "mounted only if the driver's chart has {value}: true, which is not the default; otherwise the Pod \
stays in ContainerCreating"
            )),
            Self::No => Some(
                "not mounted: the driver's CSIDriver object has no mode Ephemeral, so the Pod stays in \
ContainerCreating; use a PersistentVolumeClaim"
                    .to_owned(),
            ),
            Self::Broken(why) => Some(format!(
                "not mounted: {why}, so the Pod stays in ContainerCreating; use a PersistentVolumeClaim"
            )),
            Self::Refused(words) => Some(format!(
                "not mounted: the driver answers \"{words}\", so the Pod stays in ContainerCreating; use a \
PersistentVolumeClaim"
            )),
        }
    }

    /// Returns true if no inline volume is ever mounted.
    pub const fn is_never_mounted(self) -> bool {
        matches!(self, Self::No | Self::Broken(_) | Self::Refused(_))
    }
}
