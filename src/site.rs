//! Where in an object an option stands.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// The kinds of object that are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are the API's own kinds")]
pub enum Kind {
    StorageClass,
    PersistentVolume,
    VolumeSnapshotClass,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::StorageClass, Self::PersistentVolume, Self::VolumeSnapshotClass];

    /// As `kind` in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StorageClass => "StorageClass",
            Self::PersistentVolume => "PersistentVolume",
            Self::VolumeSnapshotClass => "VolumeSnapshotClass",
        }
    }

    /// The API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::StorageClass => "storage.k8s.io",
            Self::PersistentVolume => "",
            Self::VolumeSnapshotClass => "snapshot.storage.k8s.io",
        }
    }

    /// The kind that `kind` names, if it is one of these.
    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|found| found.as_str() == kind)
    }

    /// Whether a request on `sub_resource` of such an object is judged, empty
    /// for the object itself. `/status` of a volume sets annotations, of which
    /// kubelet reads one (kubernetes `pkg/registry/core/persistentvolume`,
    /// `persistentvolumeStatusStrategy`).
    pub fn is_judged_on(self, sub_resource: &str) -> bool {
        sub_resource.is_empty() || self == Self::PersistentVolume && sub_resource == "status"
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in an object that holds options.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `mountOptions` of a class, `spec.mountOptions` of a volume. A class of
    /// snapshots has none.
    MountOptions(Kind),
    /// The annotation `volume.beta.kubernetes.io/mount-options` of a volume.
    Annotation,
    /// `parameters[key]` of a class.
    Parameter(String),
    /// `spec.csi.volumeAttributes[key]` of a volume.
    VolumeAttribute(String),
    /// `spec.flexVolume.options[key]` of a volume.
    FlexOption(String),
}

impl Place {
    /// Whether an update may change the place, so that a patch there does not
    /// make the next apply of the same file fail.
    pub const fn is_patchable(&self) -> bool {
        matches!(self, Self::MountOptions(_) | Self::Annotation)
    }

    /// The place's short name, as reports show it: `mountOptions`, `annotation`,
    /// `parameters.nfsOptions`, `volumeAttributes.mountOptions`.
    pub fn short(&self) -> Cow<'static, str> {
        match self {
            Self::MountOptions(_) => "mountOptions".into(),
            Self::Annotation => "annotation".into(),
            Self::Parameter(key) => format!("parameters.{key}").into(),
            Self::VolumeAttribute(key) => format!("volumeAttributes.{key}").into(),
            Self::FlexOption(key) => format!("flexVolume.options.{key}").into(),
        }
    }

    /// The path to the place, one name a step.
    pub fn path(&self) -> Vec<&str> {
        match self {
            Self::MountOptions(Kind::PersistentVolume) => vec!["spec", "mountOptions"],
            Self::MountOptions(_) => vec!["mountOptions"],
            Self::Annotation => vec!["metadata", "annotations", "volume.beta.kubernetes.io/mount-options"],
            Self::Parameter(key) => vec!["parameters", key],
            Self::VolumeAttribute(key) => vec!["spec", "csi", "volumeAttributes", key],
            Self::FlexOption(key) => vec!["spec", "flexVolume", "options", key],
        }
    }

    /// The JSON pointer (RFC 6901) to the place, or to one element of its list.
    pub fn pointer(&self, element: Option<usize>) -> String {
        let mut pointer = String::with_capacity(64);
        for step in self.path() {
            pointer.push('/');
            for character in step.chars() {
                match character {
                    '~' => pointer.push_str("~0"),
                    '/' => pointer.push_str("~1"),
                    other => pointer.push(other),
                }
            }
        }
        if let (Self::MountOptions(_), Some(element)) = (self, element) {
            // Writing to a string cannot fail.
            let _ = write!(pointer, "/{element}");
        }
        pointer
    }

    /// The path as the API server writes it in `status.details.causes`:
    /// `spec.mountOptions[2]`, `parameters[nfsOptions]`.
    pub fn field(&self, element: Option<usize>) -> String {
        match (self, element) {
            (Self::MountOptions(_), Some(element)) => {
                format!("{}[{element}]", self.path().join("."))
            }
            (Self::MountOptions(_), None) => self.path().join("."),
            (Self::Annotation, _) => {
                "metadata.annotations[volume.beta.kubernetes.io/mount-options]".to_owned()
            }
            (Self::Parameter(key), _) => format!("parameters[{key}]"),
            (Self::VolumeAttribute(key), _) => format!("spec.csi.volumeAttributes[{key}]"),
            (Self::FlexOption(key), _) => format!("spec.flexVolume.options[{key}]"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Where one option stands in a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// Index of the carrier in the subject's list of carriers.
    pub carrier: usize,
    /// Index of the element in the carrier; 0 for a carrier that is one string.
    pub element: usize,
    /// Bytes of the element that hold the option.
    pub range: Range<usize>,
}

impl Site {
    /// Sites sort as they stand in the object.
    pub const fn order(&self) -> (usize, usize, usize) {
        (self.carrier, self.element, self.range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_a_pointer_as_rfc_6901_wants() {
        assert_eq!(
            Place::Annotation.pointer(None),
            "/metadata/annotations/volume.beta.kubernetes.io~1mount-options"
        );
        assert_eq!(Place::Parameter("a~b".to_owned()).pointer(None), "/parameters/a~0b");
        assert_eq!(Place::MountOptions(Kind::PersistentVolume).pointer(Some(2)), "/spec/mountOptions/2");
    }

    #[test]
    fn names_a_field_as_the_api_server_does() {
        assert_eq!(Place::MountOptions(Kind::PersistentVolume).field(Some(0)), "spec.mountOptions[0]");
        assert_eq!(
            Place::VolumeAttribute("mountOptions".to_owned()).field(None),
            "spec.csi.volumeAttributes[mountOptions]"
        );
    }
}
