//! Reads the fields of a cluster's object other than its options: the identity that the API server
//! gave it, the claim that a PersistentVolume is bound to, and the directory of an in-tree NFS
//! volume.

use std::fmt;

use serde::Deserialize;

use super::manifest::Text;

/// The fields that are read of a volume; of another object its identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct BoundVolume<'a> {
    metadata: Option<Metadata<'a>>,
    spec: Option<Spec<'a>>,
    status: Option<Status<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Metadata<'a> {
    uid: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Spec<'a> {
    claim_ref: Option<ClaimRef<'a>>,
    nfs: Option<Nfs<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct ClaimRef<'a> {
    namespace: Option<Text<'a>>,
    name: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Nfs<'a> {
    path: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Status<'a> {
    phase: Option<Text<'a>>,
}

/// The identity of a volume alone, to find the field that cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct OnlyIdentity<'a> {
    #[serde(rename = "metadata")]
    _metadata: Option<Metadata<'a>>,
}

/// The claim of a volume alone, to find the field that cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct OnlyClaim<'a> {
    #[serde(rename = "spec")]
    _spec: Option<ClaimOf<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ClaimOf<'a> {
    #[serde(rename = "claimRef")]
    _claim_ref: Option<ClaimRef<'a>>,
}

/// The phase of a volume alone, to find the field that cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct OnlyPhase<'a> {
    #[serde(rename = "status")]
    _status: Option<Status<'a>>,
}

/// A claim, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimName {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// The claim that a volume names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// None.
    Nothing,
    /// The one that it is bound to, or that a manifest gives it.
    Bound(ClaimName),
    /// One that the volume is not bound to now. A released volume still names the claim that it had:
    /// a Pod that runs keeps its mount when the claim is gone, and a new claim of that name has another
    /// volume.
    Former(ClaimName),
    /// A reference without namespace or name. The API server takes it, and no claim ever fits it
    /// (`syncVolume`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/controller/volume/persistentvolume/pv_controller.go>).
    Incomplete,
}

/// A claim that names its volume, or the class whose provisioner is to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeClaim {
    /// The claim.
    pub claim: ClaimName,
    /// The origin of its volume.
    pub origin: VolumeOrigin,
}

/// The origin of a claim's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeOrigin {
    /// A PersistentVolume that exists.
    Volume(Box<str>),
    /// A StorageClass: its provisioner has made no volume yet.
    Class(Box<str>),
}

/// The fields that are read of a claim.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Claim<'a> {
    metadata: Option<ClaimRef<'a>>,
    spec: Option<ClaimSpec<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ClaimSpec<'a> {
    volume_name: Option<Text<'a>>,
    storage_class_name: Option<Text<'a>>,
}

impl Claim<'_> {
    /// Returns the claim, where it names a volume or a class. In a manifest without a namespace it is in
    /// that which kubectl takes.
    pub fn with_origin(&self) -> Option<VolumeClaim> {
        let metadata = self.metadata.as_ref()?;
        let namespace = metadata.namespace.as_deref().unwrap_or("default").into();
        let claim = ClaimName { namespace, name: metadata.name.as_deref()?.into() };
        let spec = self.spec.as_ref()?;
        let filled =
            |text: &Option<Text<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(Into::into);
        // A volume that exists has its own options; the class no longer counts.
        let volume = filled(&spec.volume_name).map(VolumeOrigin::Volume);
        let origin = volume.or_else(|| filled(&spec.storage_class_name).map(VolumeOrigin::Class))?;
        Some(VolumeClaim { claim, origin })
    }
}

/// The identity that the API server gives an object: a UUID in lower case (RFC 9562),
/// as 16 bytes, because a cluster has 100,000 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 16]);

/// Characters of each group of a UUID.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

impl Uid {
    /// Reads a UUID; `None` for any other text, which the API server does not write.
    pub fn parse(text: &str) -> Option<Self> {
        // from_str_radix alone takes a plus sign and any number of digits.
        let groups: Vec<&str> = text.split('-').collect();
        // The API server writes them in small letters.
        let is_hex = |group: &str| group.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let fits =
            groups.iter().map(|group| group.len()).eq(GROUPS) && groups.iter().all(|group| is_hex(group));
        let number = u128::from_str_radix(&groups.concat(), 16).ok().filter(|_| fits)?;
        Some(Self(number.to_be_bytes()))
    }
}

/// Writes the uid as the API server does.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl BoundVolume<'_> {
    /// Returns the identity of the object, where a cluster has it.
    pub fn uid(&self) -> Option<Uid> {
        Uid::parse(self.metadata.as_ref()?.uid.as_deref()?)
    }

    /// Returns the claim that the volume names.
    pub fn claim(&self) -> Claimed {
        let Some(claim) = self.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()) else {
            return Claimed::Nothing;
        };
        let text = |text: &Option<Text<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(Into::into);
        let (Some(namespace), Some(name)) = (text(&claim.namespace), text(&claim.name)) else {
            return Claimed::Incomplete;
        };
        let claim = ClaimName { namespace, name };
        match self.status.as_ref().and_then(|status| status.phase.as_deref()) {
            // A manifest has no status yet: the controller binds the claim that its claimRef names.
            None | Some("Bound") => Claimed::Bound(claim),
            Some(_) => Claimed::Former(claim),
        }
    }

    /// Returns true if it names no claim, so that one that names the volume gets it.
    pub fn is_unclaimed(&self) -> bool {
        self.spec.as_ref().is_none_or(|spec| spec.claim_ref.is_none())
    }

    /// Returns the directory of an in-tree NFS volume.
    pub fn nfs_path(&self) -> Option<&str> {
        self.spec.as_ref()?.nfs.as_ref()?.path.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_written_as_it_was_read() {
        let text = "0c6b8e9a-00ff-4d2e-8f00-0123456789ab";
        assert_eq!(Uid::parse(text).map(|uid| uid.to_string()).as_deref(), Some(text));
        for other in [
            "",
            "0c6b8e9a00ff4d2e8f000123456789ab",
            "0C6B8E9A-00FF-4D2E-8F00-0123456789AB",
            "+c6b8e9a-00ff-4d2e-8f00-0123456789ab",
            "0c6b8e9a-00ff-4d2e-8f00-0123456789a",
            "0c6b8e9a-00ff-4d2e-8f00-0123456789ab-",
        ] {
            assert_eq!(Uid::parse(other), None, "{other}");
        }
    }
}
