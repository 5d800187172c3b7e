//! The one schema of the inputs: the few fields of a StorageClass, a
//! PersistentVolume or a VolumeSnapshotClass that say how it is mounted. Everything else, managedFields
//! and unknown fields alike, is skipped and never built.

mod annotations;
mod sources;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub use annotations::Annotations;
pub use sources::IN_TREE_PLUGINS;

use super::driver::{is_option_key, resembles_mount_options};
use crate::kind::{Holds, Kind};

/// The annotation that a provisioner puts on every PersistentVolume it makes.
pub const PROVISIONED_BY_ANNOTATION: &str = "pv.kubernetes.io/provisioned-by";

/// The annotation that names a volume's class, and that counts before
/// `storageClassName` (`GetPersistentVolumeClass`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/apis/core/helper/helpers.go>).
pub const STORAGE_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The annotation that names rules the object is exempt from, where the policy
/// allows that.
pub const EXEMPT_ANNOTATION: &str = "nfs-mount-guard.io/exempt";

/// The label that opts an object out of patching.
pub const MUTATE_LABEL: &str = "nfs-mount-guard.io/mutate";

/// Longest string in bytes: the most that the API server takes for a whole
/// request (apiserver `MaxRequestBodyBytes`), so no object of its is turned away.
const LONGEST_TEXT: usize = 3 * 1024 * 1024;

/// Most strings of a list or a map. No object that works comes near; a body of
/// quotes and commas alone would fill the memory many times over.
const MOST_TEXTS: usize = 64 * 1024;

/// A string that borrows from the input where the input holds it unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                // Nearly every string has no escape, so none of them is copied.
                of_length(text).map(|text| Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                of_length(text).map(|text| Text(Cow::Owned(text.to_owned())))
            }
        }

        fn of_length<E: Error>(text: &str) -> Result<&str, E> {
            if text.len() > LONGEST_TEXT {
                return Err(E::custom(format_args!("is a string of more than {LONGEST_TEXT} bytes")));
            }
            Ok(text)
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A list of strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts<'a>(Vec<Text<'a>>);

impl<'a> Deref for Texts<'a> {
    type Target = [Text<'a>];

    fn deref(&self) -> &[Text<'a>] {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts<'de>, A::Error> {
                // Lists of options are rarely longer.
                let mut texts = Vec::with_capacity(8);
                while let Some(text) = list.next_element()? {
                    texts.push(room(texts.len(), text)?);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_seq(TextsVisitor)
    }
}

/// Returns `one` if there is room for it beside so many.
fn room<T, E: Error>(there: usize, one: T) -> Result<T, E> {
    if there >= MOST_TEXTS {
        return Err(E::custom(format_args!("has more than {MOST_TEXTS} entries")));
    }
    Ok(one)
}

/// A StorageClass, a PersistentVolume or a VolumeSnapshotClass, as far as
/// mounting goes. `kind` says which it is; the fields of the others are simply
/// absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Manifest<'a> {
    /// `storage.k8s.io/v1`, `v1` or `snapshot.storage.k8s.io/v1`.
    pub api_version: Option<Text<'a>>,
    /// `StorageClass`, `PersistentVolume` or `VolumeSnapshotClass`.
    pub kind: Option<Text<'a>>,
    /// Name, labels and annotations.
    pub metadata: Option<Metadata<'a>>,
    /// Template of Pods: the annotation that exempts them.
    #[serde(skip)]
    pub exempt_pods: Option<Text<'a>>,
    /// StorageClass: who makes the volumes.
    pub provisioner: Option<Text<'a>>,
    /// StorageClass and VolumeSnapshotClass: parameters of the driver.
    pub parameters: Option<StringMap<'a>>,
    /// StorageClass: what becomes of a volume whose claim is gone.
    pub reclaim_policy: Option<Text<'a>>,
    /// StorageClass: the options its volumes get.
    pub mount_options: Option<Texts<'a>>,
    /// VolumeSnapshotClass: the CSI driver that makes the snapshots.
    pub driver: Option<Text<'a>>,
    /// PersistentVolume.
    pub spec: Option<Spec<'a>>,
}

impl Manifest<'_> {
    /// Returns the driver that a CSI volume names; `None` where it names none, as in a patch.
    pub fn driver_of_volume(&self) -> Option<&str> {
        self.spec.as_ref()?.csi.as_ref()?.driver.as_deref()
    }

    /// Returns the number of keys that name mount options, or nearly so, at places that belong to
    /// an object of `kind`.
    pub fn keys_like_options(&self, kind: Kind) -> usize {
        let holds = kind.row().holds;
        let is_volume = holds == Holds::Volume;
        let spec = self.spec.as_ref().filter(|_| is_volume);
        let flex_options = spec.and_then(|spec| spec.flex_volume.as_ref()?.options.as_ref());
        let annotations = self.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        let fields = [
            // A field at the place of another kind is reported as misplaced, not as options.
            holds == Holds::Class && self.mount_options.is_some(),
            spec.is_some_and(|spec| spec.mount_options.is_some()),
            flex_options.is_some(),
            annotations.is_some_and(|annotations| annotations.mount_options.is_some()),
        ];
        let maps = [
            self.parameters.as_ref().filter(|_| !is_volume),
            spec.and_then(|spec| spec.csi.as_ref()?.volume_attributes.as_ref()),
            flex_options,
        ];
        let keys = maps.into_iter().flatten().flat_map(StringMap::iter);
        let of_keys = keys.filter(|(key, _)| is_option_key(key) || resembles_mount_options(key));
        fields.into_iter().filter(|is_there| *is_there).count() + of_keys.count()
    }
}

/// `metadata` of either kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Metadata<'a> {
    /// The object's name.
    pub name: Option<Text<'a>>,
    /// The beginning of the name, if the server is to choose it.
    pub generate_name: Option<Text<'a>>,
    /// The namespace, which a cluster-scoped object does not have.
    pub namespace: Option<Text<'a>>,
    /// The uid that an API server gave it.
    pub uid: Option<Text<'a>>,
    /// The labels that mean something here.
    pub labels: Option<Labels<'a>>,
    /// The annotations that mean something here.
    pub annotations: Option<Annotations<'a>>,
}

impl Metadata<'_> {
    /// Returns the name, or the beginning of the one that the server will choose; empty where
    /// neither is given.
    pub fn name(&self) -> &str {
        let given = |name: &Option<Text<'_>>| name.as_deref().is_some_and(|name| !name.is_empty());
        let name = if given(&self.name) { &self.name } else { &self.generate_name };
        name.as_deref().unwrap_or_default()
    }
}

/// `spec` of a PersistentVolume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Spec<'a> {
    /// The options the volume is mounted with.
    pub mount_options: Option<Texts<'a>>,
    /// The class it belongs to.
    pub storage_class_name: Option<Text<'a>>,
    /// `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany`, `ReadWriteOncePod`.
    pub access_modes: Option<Texts<'a>>,
    /// `Filesystem` or `Block`.
    pub volume_mode: Option<Text<'a>>,
    /// An NFS volume that kubelet mounts itself.
    pub nfs: Option<NfsSource<'a>>,
    /// A volume of a CSI driver.
    pub csi: Option<CsiSource<'a>>,
    /// A volume of a `FlexVolume` script.
    pub flex_volume: Option<FlexSource<'a>>,
    /// A directory of the node.
    pub host_path: Option<IgnoredAny>,
    /// A disk of the node.
    pub local: Option<IgnoredAny>,
    /// SMB, mounted by kubelet.
    pub azure_file: Option<IgnoredAny>,
    /// A block device over iSCSI.
    pub iscsi: Option<IgnoredAny>,
    /// A block device over Fibre Channel.
    pub fc: Option<IgnoredAny>,
    /// A Ceph block device.
    pub rbd: Option<IgnoredAny>,
    /// A Ceph file system.
    pub cephfs: Option<IgnoredAny>,
    /// A Gluster volume.
    pub glusterfs: Option<IgnoredAny>,
    /// An AWS block device.
    pub aws_elastic_block_store: Option<IgnoredAny>,
    /// A Google block device.
    pub gce_persistent_disk: Option<IgnoredAny>,
    /// An Azure block device.
    pub azure_disk: Option<IgnoredAny>,
    /// An `OpenStack` block device.
    pub cinder: Option<IgnoredAny>,
    /// A vSphere block device.
    pub vsphere_volume: Option<IgnoredAny>,
    /// A Portworx block device.
    pub portworx_volume: Option<IgnoredAny>,
    /// A Quobyte volume.
    pub quobyte: Option<IgnoredAny>,
    /// A `ScaleIO` block device.
    #[serde(rename = "scaleIO")]
    pub scale_io: Option<IgnoredAny>,
    /// A `StorageOS` block device.
    pub storageos: Option<IgnoredAny>,
}

/// `spec.nfs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct NfsSource<'a> {
    /// The server's name or address.
    pub server: Option<Text<'a>>,
    /// True if kubelet adds `ro`.
    pub read_only: Option<bool>,
}

/// `spec.csi`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct CsiSource<'a> {
    /// The driver's name.
    pub driver: Option<Text<'a>>,
    /// The driver's name for the volume.
    pub volume_handle: Option<Text<'a>>,
    /// True if it is published read-only.
    pub read_only: Option<bool>,
    /// The file system type that the driver gets.
    pub fs_type: Option<Text<'a>>,
    /// The attributes that the provisioner passed to the driver.
    pub volume_attributes: Option<StringMap<'a>>,
}

/// `spec.flexVolume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct FlexSource<'a> {
    /// The script's name.
    pub driver: Option<Text<'a>>,
    /// True if it is mounted read-only.
    pub read_only: Option<bool>,
    /// The file system type that the script gets.
    pub fs_type: Option<Text<'a>>,
    /// Options of the `flexVolume` script.
    pub options: Option<StringMap<'a>>,
}

/// A map of strings in the order of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringMap<'a>(pub Vec<(Text<'a>, Text<'a>)>);

impl StringMap<'_> {
    /// Returns all pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Returns the value of `key`, whatever its case: drivers fold their keys.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }
}

/// The labels that mean something here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Labels<'a> {
    /// Value of [`MUTATE_LABEL`].
    #[serde(rename = "nfs-mount-guard.io/mutate")]
    pub mutate: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for StringMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = StringMap<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StringMap<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(room(pairs.len(), pair)?);
                }
                Ok(StringMap(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
