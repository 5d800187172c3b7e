//! The places that hold options, read or not.

use super::{CarrierUse, Explanation};
use crate::kind::Kind;
use crate::site::Place;
use crate::source::unjudged::{Unjudged, UnjudgedPlace};
use crate::subject::carrier::{Carrier, Form};
use crate::subject::driver::{Nfs, Role};
use crate::subject::manifest::Manifest;
use crate::subject::{Subject, UnreadKey};

impl Explanation {
    /// Names the places of a workload at which options are not evaluated; `None` for what
    /// is of another kind, whose options are not shown.
    pub fn of_place(found: &Unjudged, file: &str, line: usize) -> Option<Self> {
        let kind = Kind::parse(&found.kind)?;
        let manifest = Manifest::default();
        let nothing = Self::of(&Subject::of_kind(kind, &manifest, &[]), file, line, None);
        let carriers = found.places.iter().map(|UnjudgedPlace { path, texts, .. }| {
            let place = Place::Field(path.clone());
            CarrierUse {
                carrier: place.to_string(),
                pointer: place.pointer(None),
                in_force: false,
                effect: "not judged",
                elements: texts.clone(),
            }
        });
        Some(Self {
            namespace: super::namespace(kind, found.namespace.as_deref()),
            name: found.name.clone(),
            driver_title: "",
            carriers: carriers.collect(),
            refused: None,
            refused_by: None,
            notes: Vec::new(),
            dead_server: None,
            ..nothing
        })
    }

    /// Names the options of a class that do not reach a volume made by hand.
    pub fn add_unread_class(&mut self, class: &str, options: Vec<String>) {
        self.carriers.push(CarrierUse {
            carrier: format!("mountOptions of StorageClass/{class}"),
            pointer: Place::MountOptions(Kind::StorageClass).pointer(None),
            in_force: false,
            effect: "not read for a volume made by hand",
            elements: options,
        });
    }
}

pub(super) fn carriers(subject: &Subject<'_>) -> Vec<CarrierUse> {
    let present = subject.carriers.iter().filter(|carrier| carrier.present);
    present
        .map(|carrier| CarrierUse {
            carrier: carrier.place.to_string(),
            pointer: carrier.place.pointer(None),
            in_force: carrier.in_force,
            effect: effect(subject, carrier),
            elements: carrier.elements.iter().map(|element| (*element).to_owned()).collect(),
        })
        .chain(unread(subject))
        .collect()
}

/// Returns the reason why nothing is known of the string that `mount -o` gets: the driver, whose
/// source was not read, may pass on what stands at another place than those that are known.
pub(super) fn hidden(subject: &Subject<'_>) -> Option<String> {
    if subject.mounts_with_hidden_options() && !subject.carries_no_mount() {
        return Some("the driver mounts with options that the object does not show".to_owned());
    }
    if subject.driver.known.is_read() || !subject.effective().is_empty() {
        return None;
    }
    let open = |carrier: &&Carrier<'_>| {
        carrier.role == Some(Role::NotTaken) && carrier.refused.is_none() && !carrier.is_empty()
    };
    let names: Vec<String> =
        subject.carriers.iter().filter(open).map(|carrier| carrier.place.short().into_owned()).collect();
    if names.is_empty() {
        // A list that is empty is known; an inline volume has none.
        let reason = if subject.carries_no_mount() {
            Some("the driver's source was not read, and it may mount nothing for a snapshot")
        } else {
            let is_inline = subject.volume.is_some();
            is_inline.then_some("the driver's source was not read, and it may have options of its own")
        };
        return reason.map(ToOwned::to_owned);
    }
    Some(format!("the driver may pass on {}", names.join(" and ")))
}

/// The effect of options that a driver is known to leave unread.
pub(super) const NOT_READ: &str = "not read by the driver";

/// The effect of options for which the driver refuses the object.
pub(super) const REFUSED: &str = "refused by the driver";

/// The effect of options that a driver whose source was not read may take.
const UNKNOWN: &str = "whether the driver reads it is not known";

/// Returns the places with options that no layer reads.
fn unread(subject: &Subject<'_>) -> impl Iterator<Item = CarrierUse> {
    let fields =
        subject.misplaced.iter().map(|field| (Place::Field(field.path.clone()), field.texts.clone()));
    let annotation = subject.unread_annotation.map(|text| (Place::Annotation, vec![text.to_owned()]));
    let fields = fields.chain(annotation).map(|(place, texts)| (place, "not read", texts));
    let effect = |key: &UnreadKey<'_>| {
        if subject.refuses_unknown_keys() {
            REFUSED
        } else if key.may_be_read {
            UNKNOWN
        } else {
            NOT_READ
        }
    };
    let keys = subject.unread_keys().into_iter();
    let keys = keys.map(move |key| (key.place.clone(), effect(&key), vec![key.value.to_owned()]));
    fields.chain(keys).map(|(place, effect, elements)| CarrierUse {
        carrier: place.to_string(),
        pointer: place.pointer(None),
        in_force: false,
        effect,
        elements,
    })
}

pub(super) fn effect(subject: &Subject<'_>, carrier: &Carrier<'_>) -> &'static str {
    match (carrier.in_force, carrier.role) {
        // A driver may read the key of its other volumes: Azure's do for SMB and FUSE.
        _ if subject.nfs == Nfs::No => "not evaluated",
        (true, _) => "in force",
        (false, _) if carrier.form == Form::Setting => "refused",
        (false, Some(Role::Apart)) => "for another mount of the driver's own",
        (false, Some(Role::NotTaken)) if subject.refuses_unknown_keys() || carrier.refused.is_some() => {
            REFUSED
        }
        (false, Some(Role::NotTaken)) if !subject.driver.known.is_read() => UNKNOWN,
        (false, Some(Role::NotTaken)) => NOT_READ,
        (false, _) => "not in force",
    }
}
