//! Describes the place of an option in an object.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::kind::Kind;

/// The annotation that kubelet reads instead of `spec.mountOptions` on an
/// in-tree volume (kubernetes `pkg/volume/util`, `MountOptionFromSpec`).
pub const MOUNT_OPTIONS_ANNOTATION: &str = "volume.beta.kubernetes.io/mount-options";

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
    /// `csi.volumeAttributes[key]` of an inline volume.
    InlineAttribute(InlineVolume, String),
    /// `spec.nfs.server` of a volume, which holds no options.
    Server,
    /// A field of a file that Kubernetes does not know, by its path.
    Field(Vec<String>),
    /// `spec.accessModes` of a volume, which a driver may refuse.
    AccessModes,
    /// `spec.csi.fsType` of a volume, which a driver may refuse.
    FsType,
    /// `spec.csi.volumeHandle` of a volume, by which the kubelet knows it.
    VolumeHandle,
}

/// An inline CSI volume of a Pod or of a template of Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InlineVolume {
    /// The kind of the object.
    pub kind: Kind,
    /// Its index among the volumes of the Pod.
    pub index: usize,
}

impl InlineVolume {
    /// Returns the path to it, one step each: names, and the index.
    pub fn steps(self) -> Vec<Cow<'static, str>> {
        let pod_spec = self.kind.pod_spec().map_or(&[][..], |at| at.path());
        let mut steps: Vec<Cow<'static, str>> = pod_spec.iter().map(|step| (*step).into()).collect();
        steps.extend(["volumes".into(), self.index.to_string().into()]);
        steps
    }
}

/// Writes the path as the API server does: `spec.template.spec.volumes[1]`.
impl fmt::Display for InlineVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.kind.pod_spec().map_or(&[][..], |at| at.path()) {
            write!(f, "{step}.")?;
        }
        write!(f, "volumes[{}]", self.index)
    }
}

impl Place {
    /// Returns the options of a `FlexVolume` as a whole: its script reads them under a key of its own.
    pub(crate) fn flex_options() -> Self {
        Self::Field(["spec", "flexVolume", "options"].map(ToOwned::to_owned).to_vec())
    }

    /// Returns true if an update may change the place, so that a patch there does not make the next
    /// apply of the same file fail.
    pub const fn is_patchable(&self) -> bool {
        matches!(self, Self::MountOptions(_) | Self::Annotation)
    }

    /// Returns true if it is an annotation of another name than the one that the kubelet reads.
    pub fn is_stray_annotation(&self) -> bool {
        matches!(self, Self::Field(path) if path.iter().rev().nth(1).is_some_and(|step| step == "annotations"))
    }

    /// Returns the place's short name, as reports show it: `mountOptions`, `annotation`,
    /// `parameters.nfsOptions`, `volumeAttributes.mountOptions`.
    pub fn short(&self) -> Cow<'static, str> {
        match self {
            Self::MountOptions(_) => "mountOptions".into(),
            Self::Annotation => "annotation".into(),
            Self::Parameter(key) => format!("parameters.{key}").into(),
            Self::VolumeAttribute(key) | Self::InlineAttribute(_, key) => {
                format!("volumeAttributes.{key}").into()
            }
            Self::FlexOption(key) => format!("flexVolume.options.{key}").into(),
            Self::Server => "nfs.server".into(),
            Self::AccessModes => "accessModes".into(),
            Self::FsType => "fsType".into(),
            Self::VolumeHandle => "volumeHandle".into(),
            Self::Field(_) => self.field(None).into(),
        }
    }

    /// Returns the key of a parameter or an attribute.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Parameter(key)
            | Self::VolumeAttribute(key)
            | Self::FlexOption(key)
            | Self::InlineAttribute(_, key) => Some(key),
            Self::MountOptions(_)
            | Self::Annotation
            | Self::Server
            | Self::Field(_)
            | Self::AccessModes
            | Self::FsType
            | Self::VolumeHandle => None,
        }
    }

    /// Returns the place's own name, without what it is in: `mountOptions`, `nfsOptions`.
    pub fn own_name(&self) -> Cow<'_, str> {
        self.path().pop().unwrap_or_default()
    }

    /// Returns the path to the place, one step each as in a JSON pointer: names, and in
    /// a list the index.
    pub fn path(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::MountOptions(kind) => kind.row().list.iter().map(|step| (*step).into()).collect(),
            Self::Annotation => {
                vec!["metadata".into(), "annotations".into(), MOUNT_OPTIONS_ANNOTATION.into()]
            }
            Self::Parameter(key) => vec!["parameters".into(), key.into()],
            Self::VolumeAttribute(key) => {
                vec!["spec".into(), "csi".into(), "volumeAttributes".into(), key.into()]
            }
            Self::FlexOption(key) => vec!["spec".into(), "flexVolume".into(), "options".into(), key.into()],
            Self::InlineAttribute(volume, key) => {
                let mut steps: Vec<Cow<'_, str>> = volume.steps();
                steps.extend(["csi".into(), "volumeAttributes".into(), key.into()]);
                steps
            }
            Self::Server => vec!["spec".into(), "nfs".into(), "server".into()],
            Self::Field(path) => path.iter().map(|step| step.as_str().into()).collect(),
            Self::AccessModes => vec!["spec".into(), "accessModes".into()],
            Self::FsType => vec!["spec".into(), "csi".into(), "fsType".into()],
            Self::VolumeHandle => vec!["spec".into(), "csi".into(), "volumeHandle".into()],
        }
    }

    /// Returns the JSON pointer (RFC 6901) to the place, or to one element of its list.
    pub fn pointer(&self, element: Option<usize>) -> String {
        // Room for the longest usual one, that of the annotation.
        let mut pointer = String::with_capacity(64);
        for step in &self.path() {
            pointer.push('/');
            for character in step.chars() {
                match character {
                    // RFC 6901, section 3.
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

    /// Returns the path as the API server writes it in `status.details.causes`:
    /// `spec.mountOptions[2]`, `parameters[nfsOptions]`.
    pub fn field(&self, element: Option<usize>) -> String {
        match (self, element) {
            (Self::MountOptions(_), Some(element)) => {
                format!("{}[{element}]", self.path().join("."))
            }
            (Self::Field(path), _) => field_of(path),
            (Self::MountOptions(_), None)
            | (Self::Server | Self::AccessModes | Self::FsType | Self::VolumeHandle, _) => {
                self.path().join(".")
            }
            (Self::Annotation, _) => {
                "metadata.annotations[volume.beta.kubernetes.io/mount-options]".to_owned()
            }
            (Self::Parameter(key), _) => format!("parameters[{key}]"),
            (Self::VolumeAttribute(key), _) => format!("spec.csi.volumeAttributes[{key}]"),
            (Self::FlexOption(key), _) => format!("spec.flexVolume.options[{key}]"),
            (Self::InlineAttribute(volume, key), _) => format!("{volume}.csi.volumeAttributes[{key}]"),
        }
    }
}

/// Returns a path of names and indices as the API server writes it: `spec.volumes[2].nfs`,
/// `metadata.annotations[a.example.com/b]`.
pub fn field_of(path: &[String]) -> String {
    if let [metadata, annotations, .., key] = path
        && metadata == "metadata"
        && annotations == "annotations"
    {
        return format!("metadata.annotations[{key}]");
    }
    path.iter().fold(String::new(), |mut field, step| {
        // A key may consist of digits as well; at the beginning there is no list.
        let is_index = step.bytes().all(|byte| byte.is_ascii_digit()) && !field.is_empty();
        if is_index || field.ends_with("metadata.annotations") {
            // Writing to a string cannot fail.
            let _ = write!(field, "[{step}]");
        } else {
            field.push_str(if field.is_empty() { "" } else { "." });
            field.push_str(step);
        }
        field
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// The place of one option in a subject.
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
    fn leads_to_an_inline_volume_by_its_index() {
        let volume = InlineVolume { kind: Kind::CronJob, index: 2 };
        let place = Place::InlineAttribute(volume, "mountOptions".to_owned());
        assert_eq!(
            place.pointer(None),
            "/spec/jobTemplate/spec/template/spec/volumes/2/csi/volumeAttributes/mountOptions"
        );
        assert_eq!(
            place.field(None),
            "spec.jobTemplate.spec.template.spec.volumes[2].csi.volumeAttributes[mountOptions]"
        );
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
