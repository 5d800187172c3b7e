//! What a PersistentVolume of a cluster says of itself beside its options: the claim
//! that it is bound to, and the folder of an in-tree NFS volume.

use serde::Deserialize;

use super::manifest::Text;

/// What is read of a volume.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct BoundVolume<'a> {
    spec: Option<Spec<'a>>,
    status: Option<Status<'a>>,
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

/// A claim, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimName {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl BoundVolume<'_> {
    /// The claim that the volume is bound to. A released volume still names the claim
    /// that it had, and a new claim of that name has another volume.
    pub fn claim(&self) -> Option<ClaimName> {
        let phase = self.status.as_ref().and_then(|status| status.phase.as_deref());
        let claim =
            self.spec.as_ref()?.claim_ref.as_ref().filter(|_| matches!(phase, None | Some("Bound")))?;
        let (namespace, name) = (claim.namespace.as_deref()?, claim.name.as_deref()?);
        Some(ClaimName { namespace: namespace.into(), name: name.into() })
    }

    /// The folder of an in-tree NFS volume.
    pub fn nfs_path(&self) -> Option<&str> {
        self.spec.as_ref()?.nfs.as_ref()?.path.as_deref()
    }
}
