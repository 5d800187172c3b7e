//! Evidence in an object for the kind of volume that a driver makes of it.

use super::Nfs;

/// Something in an object that tells whether it is NFS.
#[derive(Debug, Clone, Copy)]
pub struct Clue {
    /// The evidence.
    pub evidence: Evidence,
    /// The verdict that follows from it.
    pub verdict: Nfs,
}

/// Something that an object shows. Keys and values are compared without regard
/// to case, but where the evidence says otherwise.
///
/// A key may stand in an object several times, in different case, and Go reads
/// a map in random order. Evidence therefore has two strengths: it is *there*
/// when one of the places shows it, and it is *sure* when none contradicts it.
#[derive(Debug, Clone, Copy)]
pub enum Evidence {
    /// A class parameter or volume attribute with one of these values; a `*`
    /// in a value stands for any text.
    Value(&'static str, &'static [&'static str]),
    /// A class parameter or volume attribute under exactly this key with one of these values, letters
    /// as they are; a `*` stands for any text. The one that a driver reads, where another spelling of
    /// the key is as good as none.
    Exact(&'static str, &'static [&'static str]),
    /// The same of a class parameter only.
    ExactParameter(&'static str, &'static [&'static str]),
    /// The same of a volume attribute only.
    ExactAttribute(&'static str, &'static [&'static str]),
    /// A class parameter or volume attribute that is there at all.
    Key(&'static str),
    /// No class parameter or volume attribute of this name.
    NoKey(&'static str),
    /// A class parameter or volume attribute that is there and not empty.
    Text(&'static str),
    /// A class parameter with one of these values; a volume shows it never.
    Parameter(&'static str, &'static [&'static str]),
    /// A volume attribute with one of these values, that no class parameter sets.
    Attribute(&'static str, &'static [&'static str]),
    /// No volume attribute with one of these values. Shown by every class.
    NoAttribute(&'static str, &'static [&'static str]),
    /// The file system type: `csi.storage.k8s.io/fstype`, `fsType`, or the CSI
    /// source's own field.
    FsType(&'static [&'static str]),
    /// The same of a class only.
    FsTypeOfClass(&'static [&'static str]),
    /// A volume with this access mode.
    AccessMode(&'static str),
    /// A volume that has access modes, but none of these.
    NoAccessMode(&'static [&'static str]),
    /// A volume whose first access mode is this one: the kubelet requests it of CSI drivers
    /// (`SetUpAt`, <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_mounter.go>).
    FirstAccessMode(&'static str),
    /// A `FlexVolume`.
    FlexVolume,
    /// A volume with `volumeMode: Block`.
    BlockMode,
    /// A CSI volume whose `volumeHandle` matches; a `*` stands for any text.
    VolumeHandle(&'static str),
    /// A volume whose source says `readOnly: true` where the kubelet reads it: an in-tree source,
    /// or a CSI volume of a Pod. That of a CSI `PersistentVolume` does not count: the kubelet gives
    /// drivers the claim's (`NewMounter`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go>).
    ReadOnlySource,
    /// All of these.
    All(&'static [Self]),
    /// One of these at least.
    Any(&'static [Self]),
    /// Not this.
    Not(&'static Self),
}

impl Evidence {
    /// Returns true if it is about the parameter or attribute `key`.
    pub(crate) fn speaks_of_key(&self, key: &str) -> bool {
        match self {
            Self::Value(found, _)
            | Self::Exact(found, _)
            | Self::ExactParameter(found, _)
            | Self::ExactAttribute(found, _)
            | Self::Key(found)
            | Self::NoKey(found)
            | Self::Text(found)
            | Self::Parameter(found, _)
            | Self::Attribute(found, _)
            | Self::NoAttribute(found, _) => found.eq_ignore_ascii_case(key),
            Self::All(several) | Self::Any(several) => several.iter().any(|one| one.speaks_of_key(key)),
            Self::Not(one) => one.speaks_of_key(key),
            Self::FsType(_)
            | Self::FsTypeOfClass(_)
            | Self::AccessMode(_)
            | Self::NoAccessMode(_)
            | Self::FirstAccessMode(_)
            | Self::BlockMode
            | Self::FlexVolume
            | Self::VolumeHandle(_)
            | Self::ReadOnlySource => false,
        }
    }
}

/// A driver that mounts without the class's options to delete a volume: it gets
/// them only from a Secret.
#[derive(Debug, Clone, Copy)]
pub struct Deletion {
    /// The evidence with which it keeps the data and does not mount.
    pub keeps: Evidence,
}

pub(crate) const fn nfs_if(evidence: Evidence) -> Clue {
    Clue { evidence, verdict: Nfs::Yes }
}

pub(crate) const fn not_nfs_if(evidence: Evidence) -> Clue {
    Clue { evidence, verdict: Nfs::No }
}

pub(crate) const fn maybe_nfs_if(evidence: Evidence) -> Clue {
    Clue { evidence, verdict: Nfs::Depends }
}
