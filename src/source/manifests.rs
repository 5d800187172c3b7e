//! Manifests of objects that are mounted themselves. Only the fields of the kind are read: what has
//! another's name may be anything.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::kind::{Holds, Kind};
use crate::subject::manifest::{Manifest, Metadata, Spec, StringMap, Text};

/// Reads an object of a kind without inline volumes.
///
/// # Errors
///
/// When it does not fit the schema of its kind.
pub(super) fn read<'i, D: Deserializer<'i>>(kind: Kind, from: D) -> Result<Manifest<'i>, D::Error> {
    match kind.row().holds {
        Holds::Claim => Claim::deserialize(from).map(Into::into),
        Holds::Snapshots => SnapshotClass::deserialize(from).map(Into::into),
        Holds::Volume => Volume::deserialize(from).map(Into::into),
        Holds::Class | Holds::InlineVolumes(_) => Manifest::deserialize(from),
    }
}

/// Reads nothing of an object but its metadata; none of it where that does not fit.
pub(super) fn metadata<'i, D: Deserializer<'i>>(from: D) -> Manifest<'i> {
    Claim::deserialize(from).map(Into::into).unwrap_or_default()
}

/// A claim, whose fields are looked at one by one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Claim<'a> {
    api_version: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    metadata: Option<Metadata<'a>>,
}

impl<'a> From<Claim<'a>> for Manifest<'a> {
    fn from(claim: Claim<'a>) -> Self {
        let Claim { api_version, kind, metadata } = claim;
        Self { api_version, kind, metadata, ..Self::default() }
    }
}

/// A VolumeSnapshotClass. A list at a place that it does not have may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct SnapshotClass<'a> {
    api_version: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    metadata: Option<Metadata<'a>>,
    driver: Option<Text<'a>>,
    parameters: Option<StringMap<'a>>,
    spec: Option<IgnoredAny>,
}

impl<'a> From<SnapshotClass<'a>> for Manifest<'a> {
    fn from(class: SnapshotClass<'a>) -> Self {
        let SnapshotClass { api_version, kind, metadata, driver, parameters, spec } = class;
        let spec = spec.map(|_| Spec::default());
        Self { api_version, kind, metadata, driver, parameters, spec, ..Self::default() }
    }
}

/// A PersistentVolume; likewise.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Volume<'a> {
    api_version: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    metadata: Option<Metadata<'a>>,
    spec: Option<Spec<'a>>,
    parameters: Option<IgnoredAny>,
}

impl<'a> From<Volume<'a>> for Manifest<'a> {
    fn from(volume: Volume<'a>) -> Self {
        let Volume { api_version, kind, metadata, spec, parameters } = volume;
        let parameters = parameters.map(|_| StringMap::default());
        Self { api_version, kind, metadata, spec, parameters, ..Self::default() }
    }
}
