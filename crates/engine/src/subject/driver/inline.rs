//! Inline volumes of Pods: kubelet mounts one only where the driver's `CSIDriver` object lists the
//! mode `Ephemeral` (kubernetes `pkg/volume/csi/csi_plugin.go`, `getVolumeLifecycleMode` and its callers).

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
            Self::Refused(words) => Some(format!(
                "not mounted: the driver answers \"{words}\", so the Pod stays in ContainerCreating; use a \
PersistentVolumeClaim"
            )),
        }
    }
}
