//! The places in an object that hold options.

use super::Facts;
use super::driver::{CarrierKey, Driver, MountOptionsUse, On, Role};
use super::manifest::Manifest;
use crate::nfs::option::{self, Piece};
use crate::site::{Kind, Place};

/// One place in an object that holds options.
#[derive(Debug, Clone)]
pub struct Carrier<'m> {
    /// Where it is.
    pub place: Place,
    /// How it is written.
    pub form: Form,
    /// The elements of the list, or the one string. Empty where the object has
    /// none.
    pub elements: Vec<&'m str>,
    /// Whether the object has the field at all, be it empty.
    pub present: bool,
    /// Whether its options reach the mount.
    pub in_force: bool,
    /// How it takes part, for one that is not `mountOptions`.
    pub role: Option<Role>,
}

/// How a carrier is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A list of strings.
    List,
    /// One string of options separated by commas; quotes are honoured.
    Joined,
    /// One string that kubelet splits at every comma, quotes or not.
    SplitEverywhere,
    /// One string that is an NFS version.
    Version,
}

impl<'m> Carrier<'m> {
    /// The pieces of one element, as the carrier's reader splits it.
    pub fn pieces(&self, element: &'m str) -> Vec<Piece<'m>> {
        match self.form {
            Form::List | Form::Joined => option::split(element).collect(),
            Form::SplitEverywhere => {
                let mut start = 0;
                element
                    .split(',')
                    .map(|text| {
                        let range = start..start + text.len();
                        start = range.end + 1;
                        Piece { text, range }
                    })
                    .collect()
            }
            Form::Version => Vec::new(),
        }
    }

    /// Bytes of its text, joined.
    pub fn length(&self) -> usize {
        self.elements.iter().map(|element| element.len() + 1).sum()
    }

    /// How many options stand here at most: whatever stands between commas may be
    /// one.
    pub fn count(&self) -> usize {
        let commas = |element: &&str| element.bytes().filter(|byte| *byte == b',').count();
        self.elements.len() + self.elements.iter().map(commas).sum::<usize>()
    }

    /// Whether not a single option stands here.
    pub fn is_empty(&self) -> bool {
        self.elements.iter().all(|element| element.bytes().all(|byte| byte == b','))
    }
}

/// Collects the carriers of an object, `mountOptions` first, then the
/// annotation, then the others in the order of the object.
pub(crate) fn carriers<'m>(
    kind: Kind,
    manifest: &'m Manifest<'_>,
    driver: &'static Driver,
    _facts: &Facts<'m>,
) -> Vec<Carrier<'m>> {
    let spec = manifest.spec.as_ref();
    let list = match kind {
        Kind::StorageClass => manifest.mount_options.as_deref(),
        Kind::PersistentVolume => spec.and_then(|spec| spec.mount_options.as_deref()),
    };
    let mut carriers = vec![Carrier {
        place: Place::MountOptions(kind),
        form: Form::List,
        elements: list.unwrap_or_default().iter().map(|element| &**element).collect(),
        present: list.is_some(),
        in_force: driver.mount_options == MountOptionsUse::Used,
        role: None,
    }];
    if let Some(annotation) = annotation(kind, manifest) {
        for carrier in &mut carriers {
            carrier.in_force = false;
        }
        carriers.push(Carrier {
            place: Place::Annotation,
            form: Form::SplitEverywhere,
            elements: vec![annotation],
            present: true,
            in_force: true,
            role: None,
        });
    }
    let (map, place): (_, fn(String) -> Place) = match kind {
        Kind::StorageClass => (manifest.parameters.as_ref(), Place::Parameter),
        Kind::PersistentVolume => match spec {
            Some(spec) if spec.csi.is_some() => {
                (spec.csi.as_ref().and_then(|csi| csi.volume_attributes.as_ref()), Place::VolumeAttribute)
            }
            Some(spec) => {
                (spec.flex_volume.as_ref().and_then(|flex| flex.options.as_ref()), Place::FlexOption)
            }
            None => (None, Place::VolumeAttribute),
        },
    };
    for (key, value) in map.into_iter().flat_map(super::manifest::StringMap::iter) {
        let Some(found) = carrier_key(driver, kind, key) else {
            continue;
        };
        carriers.push(Carrier {
            place: place(key.to_owned()),
            form: match found.role {
                Role::Version => Form::Version,
                _ => Form::Joined,
            },
            elements: vec![value],
            present: true,
            in_force: found.role != Role::NotTaken,
            role: Some(found.role),
        });
    }
    put_in_force(&mut carriers);
    carriers
}

/// What counts only beside an empty list does so or not, by what the list
/// holds now.
pub(crate) fn put_in_force(carriers: &mut [Carrier<'_>]) {
    let Some((list, others)) = carriers.split_first_mut() else { return };
    for carrier in others.iter_mut().filter(|carrier| carrier.role == Some(Role::WhenListEmpty)) {
        carrier.in_force = list.is_empty();
    }
}

fn carrier_key(driver: &Driver, kind: Kind, key: &str) -> Option<&'static CarrierKey> {
    driver.carriers.iter().find(|carrier| {
        let on = match carrier.on {
            On::Both => true,
            On::Class => kind == Kind::StorageClass,
            On::Volume => kind == Kind::PersistentVolume,
        };
        on && carrier.key.eq_ignore_ascii_case(key)
    })
}

/// The annotation in force: kubelet reads it on in-tree volumes only, and then
/// in the list's stead, even when it is empty.
fn annotation<'m>(kind: Kind, manifest: &'m Manifest<'_>) -> Option<&'m str> {
    let spec = manifest.spec.as_ref();
    if kind != Kind::PersistentVolume || spec.is_none_or(|spec| spec.csi.is_some()) {
        return None;
    }
    let annotations = manifest.metadata.as_ref()?.annotations.as_ref()?;
    annotations.mount_options.as_deref()
}
