//! The places in an object that hold options.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::driver::assembly::Emptiness;
use super::driver::refusal::{self, Refused, What};
use super::driver::{self, Driver, ListUse, On, Role};
use super::facts::Facts;
use super::manifest::Manifest;
use crate::kind::{Holds, Kind};
use crate::nfs::option::{self, Piece};
use crate::nfs::placeholder::{has_placeholder, masked, placeholders};
use crate::nfs::reading::{self, Trap};
use crate::site::{InlineVolume, Place};

/// One place in an object that holds options.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the place")]
pub struct Carrier<'m> {
    /// The place.
    pub place: Place,
    /// The syntax.
    pub form: Form,
    /// The elements of the list, or the one string. Empty where the object has
    /// none.
    pub elements: Vec<&'m str>,
    /// True if the object has the field at all, be it empty.
    pub present: bool,
    /// True if its options reach the mount.
    pub in_force: bool,
    /// The part that it plays, for one that is not `mountOptions`.
    pub role: Option<Role>,
    /// True if it comes from a file.
    pub is_in_file: bool,
    /// True if a program may still fill in placeholders: it comes from a file, and no API server has
    /// stored the object.
    pub takes_placeholders: bool,
    /// The reason why the driver refuses what it holds, if it does.
    pub refused: Option<&'static Refused>,
    /// True if it reaches no mount and comes after so much that does not either that its options are not told
    /// apart.
    pub is_beyond: bool,
}

/// The syntax of a carrier.
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
    /// A setting of the driver's, without options.
    Setting,
}

impl Form {
    /// Returns true if no options stand there.
    pub const fn holds_no_options(self) -> bool {
        matches!(self, Self::Version | Self::Setting)
    }
}

impl<'m> Carrier<'m> {
    /// Returns the pieces of one element, as the carrier's reader splits it.
    pub fn pieces(&self, element: &'m str) -> Vec<Piece<'m>> {
        let seen = self.seen(element);
        let whole =
            |piece: Piece<'_>| Some(Piece { text: element.get(piece.range.clone())?, range: piece.range });
        match self.form {
            Form::List | Form::Joined => option::split(&seen).filter_map(whole).collect(),
            Form::SplitEverywhere => reading::every_piece(&seen).filter_map(whole).collect(),
            Form::Version | Form::Setting => Vec::new(),
        }
    }

    /// Returns the element as its commas, quotes and backslashes are looked at: those of a
    /// placeholder are gone when a reader sees it.
    pub(crate) fn seen<'e>(&self, element: &'e str) -> Cow<'e, str> {
        if self.takes_placeholders { masked(element) } else { element.into() }
    }

    /// Returns true if a placeholder is in `element`, or in the part of it at `range`.
    pub fn is_unrendered(&self, element: &str, range: Range<usize>) -> bool {
        self.takes_placeholders
            && placeholders(element).any(|found| found.start < range.end && range.start < found.end)
    }

    /// Returns the parts of one element that change the meaning of those that it is joined with. A
    /// list that the kubelet splits at every comma is joined piece by piece.
    pub fn traps(&self, element: &str) -> Vec<(Range<usize>, Trap)> {
        let of = |piece: Piece<'_>| Some((piece.range, reading::trap(piece.text)?));
        match self.form {
            Form::SplitEverywhere => reading::every_piece(&self.seen(element)).filter_map(of).collect(),
            Form::List | Form::Joined => {
                of(Piece { text: &self.seen(element), range: 0..element.len() }).into_iter().collect()
            }
            Form::Version | Form::Setting => Vec::new(),
        }
    }

    /// Returns the bytes of its text, joined with commas.
    pub fn length(&self) -> usize {
        let commas = self.elements.len().saturating_sub(1);
        self.elements.iter().map(|element| element.len()).sum::<usize>() + commas
    }

    /// Returns the largest possible number of options: any text between commas may be one.
    pub fn count(&self) -> usize {
        self.elements.iter().copied().map(most_options).sum()
    }

    /// Returns true if more stands here than a mount takes, or after too much, so that its options are not
    /// told apart.
    pub fn is_overlong(&self) -> bool {
        self.is_beyond || self.length() > super::LONGEST_OPTIONS || self.count() > super::MOST_OPTIONS
    }

    /// Returns true if options stand here under a key of options that the driver does not read.
    pub(crate) fn has_lost_options(&self) -> bool {
        self.role == Some(Role::NotTaken) && self.form == Form::Joined && !self.is_empty()
    }

    /// Returns true if not a single option stands here.
    pub fn is_empty(&self) -> bool {
        self.elements.iter().all(|element| element.bytes().all(|byte| byte == b','))
    }
}

/// Collects the carriers of an object, `mountOptions` first, then the
/// annotation, then the others in the order of the object.
pub(crate) fn carriers<'m>(
    kind: Kind,
    volume: Option<InlineVolume>,
    manifest: &'m Manifest<'_>,
    driver: &'static Driver,
    facts: &Facts<'m>,
) -> Vec<Carrier<'m>> {
    let spec = manifest.spec.as_ref();
    let holds = kind.row().holds;
    let list = match holds {
        Holds::Class => manifest.mount_options.as_deref(),
        Holds::Volume => spec.and_then(|spec| spec.mount_options.as_deref()),
        Holds::Snapshots | Holds::InlineVolumes(_) | Holds::Claim => None,
    };
    let mut carriers = vec![Carrier {
        place: volume.map_or(Place::MountOptions(kind), |volume| {
            let key = driver.carriers.iter().find(|key| key.on != On::Class && key.role.holds_options());
            Place::InlineAttribute(volume, key.map_or("mountOptions", |key| key.key).to_owned())
        }),
        form: Form::List,
        elements: list.unwrap_or_default().iter().map(|element| &**element).collect(),
        present: list.is_some(),
        in_force: driver.list == ListUse::Used && !facts.is_flex_volume && !kind.row().list.is_empty(),
        role: None,
        is_in_file: facts.is_in_file,
        takes_placeholders: facts.takes_placeholders,
        refused: None,
        is_beyond: false,
    }];
    add_annotation(&mut carriers, kind, manifest, facts);
    let attributes = spec.and_then(|spec| spec.csi.as_ref()).and_then(|csi| csi.volume_attributes.as_ref());
    let map = match holds {
        Holds::Class | Holds::Snapshots => manifest.parameters.as_ref(),
        Holds::Volume | Holds::InlineVolumes(_) if facts.is_flex_volume => {
            spec.and_then(|spec| spec.flex_volume.as_ref()).and_then(|flex| flex.options.as_ref())
        }
        Holds::Volume | Holds::InlineVolumes(_) => attributes,
        Holds::Claim => None,
    };
    let mut names_stranger = false;
    let first_of_map = carriers.len();
    for (key, value) in map.into_iter().flat_map(super::manifest::StringMap::iter) {
        let role = match holds {
            Holds::Snapshots => snapshot_role(driver, key),
            _ => role(driver, holds, key, facts),
        };
        // Most paths are nothing but that.
        let role =
            role.filter(|role| *role != Role::Argument || reading::further_options(value).next().is_some());
        let refused = refusal::of_setting(driver, holds, key, value, facts);
        // A placeholder that a program has yet to fill in may become anything.
        let refused =
            refused.filter(|_| !(facts.takes_placeholders && [key, value].into_iter().any(has_placeholder)));
        // Of keys that the driver does not know one is enough.
        let is_stranger = refused.is_some_and(|refused| matches!(refused.what, What::OtherAttributes(_)));
        let refused = refused.filter(|_| !(is_stranger && names_stranger));
        names_stranger |= is_stranger;
        if role.is_none() && refused.is_none() {
            continue;
        }
        carriers.push(Carrier {
            place: place_of_key(kind, volume, facts.is_flex_volume, key.to_owned()),
            form: match role {
                None | Some(Role::Argument) => Form::Setting,
                Some(Role::Version) => Form::Version,
                Some(Role::AnnotationWhenListEmpty) => Form::SplitEverywhere,
                Some(_) => Form::Joined,
            },
            elements: vec![value],
            present: true,
            in_force: role.is_some_and(Role::takes_part),
            role: Some(role.unwrap_or(Role::NotTaken)),
            refused,
            is_in_file: facts.is_in_file,
            takes_placeholders: facts.takes_placeholders,
            is_beyond: false,
        });
    }
    // Before the others are added: only keys of the map may be spelled twice.
    sort_spellings(carriers.get_mut(first_of_map..).unwrap_or_default());
    carriers.extend(handle(driver, holds, facts));
    let of_fields = refusal::of_fields(driver, holds, facts)
        .filter(|(_, found, _)| !(facts.takes_placeholders && has_placeholder(found)));
    carriers.extend(of_fields.map(|(place, found, refused)| Carrier {
        place,
        form: Form::Setting,
        elements: vec![found],
        present: true,
        in_force: false,
        role: Some(Role::NotTaken),
        is_in_file: facts.is_in_file,
        takes_placeholders: facts.takes_placeholders,
        refused: Some(refused),
        is_beyond: false,
    }));
    put_in_force(driver, &mut carriers);
    carriers
}

/// Returns the `volumeHandle`, where the driver makes options of what it holds, or refuses it.
fn handle<'m>(driver: &'static Driver, holds: Holds, facts: &Facts<'m>) -> Option<Carrier<'m>> {
    let handle = facts.volume_handle.filter(|_| holds == Holds::Volume)?;
    let holds_options = driver.handle.may_hold_options(handle);
    let is_unrendered = facts.takes_placeholders && has_placeholder(handle);
    let refused = refusal::of_handle(driver, handle).filter(|_| !is_unrendered);
    (holds_options || refused.is_some()).then(|| Carrier {
        place: Place::VolumeHandle,
        form: Form::Setting,
        elements: vec![handle],
        present: true,
        in_force: holds_options,
        role: Some(if holds_options { Role::Argument } else { Role::NotTaken }),
        is_in_file: facts.is_in_file,
        takes_placeholders: facts.takes_placeholders,
        refused,
        is_beyond: false,
    })
}

/// Puts one key in two spellings into the order in which the API server sends them, so
/// that a file and a request are read alike; a driver has no fixed order for them.
fn sort_spellings(carriers: &mut [Carrier<'_>]) {
    let mut seen = BTreeSet::new();
    let mut keys = carriers.iter().filter_map(|carrier| carrier.place.key());
    if carriers.len() > 1 && !keys.all(|key| seen.insert(key.to_lowercase())) {
        carriers.sort_by(|one, other| one.place.key().cmp(&other.place.key()));
    }
}

/// Returns the place of the parameter or the attribute `key`.
pub(crate) fn place_of_key(
    kind: Kind,
    volume: Option<InlineVolume>,
    is_flex_volume: bool,
    key: String,
) -> Place {
    match (kind.row().holds, volume) {
        (Holds::Class | Holds::Snapshots, _) => Place::Parameter(key),
        (_, Some(volume)) => Place::InlineAttribute(volume, key),
        (_, None) if is_flex_volume => Place::FlexOption(key),
        (_, None) => Place::VolumeAttribute(key),
    }
}

/// Puts what counts only beside an empty list in force, or not, by what the
/// list holds now.
pub(crate) fn put_in_force(driver: &Driver, carriers: &mut [Carrier<'_>]) {
    let Some((list, others)) = carriers.split_first_mut() else { return };
    let gives_way = |carrier: &&mut Carrier<'_>| {
        matches!(carrier.role, Some(Role::WhenListEmpty | Role::AnnotationWhenListEmpty))
    };
    for carrier in others.iter_mut().filter(gives_way) {
        // A list that the driver does not read cannot replace anything.
        carrier.in_force = !list.in_force || is_empty(driver, list);
    }
    mark_beyond(carriers);
}

/// Most bytes and options of all carriers of an object that reach no mount: of what comes after them `bg` is
/// found, and no option told apart. Without a limit a volume of 1.4 MB, which an API server takes, had half a
/// million findings.
const MOST_IDLE: (usize, usize) = (4 * super::LONGEST_OPTIONS, 2_048);

/// Marks the carriers that reach no mount and come after too many others.
fn mark_beyond(carriers: &mut [Carrier<'_>]) {
    let (mut bytes, mut options) = (0, 0);
    for carrier in carriers.iter_mut() {
        carrier.is_beyond = false;
        if carrier.in_force || carrier.form.holds_no_options() {
            continue;
        }
        let after = (bytes + carrier.length(), options + carrier.count());
        carrier.is_beyond = after.0 > MOST_IDLE.0 || after.1 > MOST_IDLE.1;
        // A short one after a long one may be told apart.
        if !carrier.is_beyond {
            (bytes, options) = after;
        }
    }
}

/// Returns true if the driver takes the list for empty.
pub(crate) fn is_empty(driver: &Driver, list: &Carrier<'_>) -> bool {
    takes_for_empty(driver, &list.elements)
}

/// Like [`is_empty`], for the elements of a list.
pub(crate) fn takes_for_empty(driver: &Driver, elements: &[&str]) -> bool {
    match driver.emptiness {
        Emptiness::NoElement => elements.is_empty(),
        Emptiness::NoText if driver.takes_out.is_empty() && driver.takes_versions.is_empty() => {
            elements.iter().all(|element| element.bytes().all(|byte| byte == b','))
        }
        Emptiness::NoText => left_in_list(driver, elements).next().is_none(),
    }
}

/// Returns the options of a list but for those that the driver takes out of it for itself.
pub(crate) fn left_in_list<'e>(driver: &'e Driver, elements: &'e [&'e str]) -> impl Iterator<Item = &'e str> {
    let version = driver.version_in(elements);
    let pieces = elements.iter().copied().flat_map(option::split).map(|piece| piece.text);
    pieces.filter(move |text| {
        let keyword = text.split('=').next().unwrap_or_default();
        let is_version = version.is_some_and(|(found, _)| found == *text);
        !(text.is_empty() || driver.takes_out.contains(&keyword) || is_version)
    })
}

/// Returns the role of a parameter of a VolumeSnapshotClass: csi-driver-nfs mounts with its
/// `mountOptions` to copy the volume (`CreateSnapshot`,
/// <https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/controllerserver.go>);
/// of other drivers every key that holds options somewhere is looked at.
fn snapshot_role(driver: &'static Driver, key: &str) -> Option<Role> {
    let is_used = std::ptr::eq(driver, driver::csi_driver_nfs()) && driver::is_same_key(key, "mountOptions");
    if is_used {
        return Some(Role::Sole);
    }
    let of_driver = driver
        .carriers
        .iter()
        .any(|carrier| carrier.role.holds_options() && driver::is_same_key(carrier.key, key));
    (of_driver || driver::is_option_key(key)).then_some(Role::NotTaken)
}

/// Returns the role of a parameter or attribute; `None` for one that holds no options. A key that
/// only looks like one of the driver's, or that holds options with other drivers, is evaluated for
/// `bg`, no more.
fn role(driver: &Driver, holds: Holds, key: &str, facts: &Facts<'_>) -> Option<Role> {
    let mut is_of_driver = false;
    let found = driver.carriers.iter().find(|carrier| {
        let looks_like_it = driver::is_same_key(carrier.key, key);
        is_of_driver |= looks_like_it;
        let is_key = if carrier.exact { carrier.key == key } else { looks_like_it };
        is_key && carrier.on.is_of(holds) && carrier.when.is_none_or(|when| facts.show(&when))
    });
    match found {
        Some(carrier) => Some(carrier.role),
        None => (is_of_driver || driver::is_option_key(key)).then_some(Role::NotTaken),
    }
}

/// Adds the annotation, which takes the place of the list where the kubelet mounts by itself.
fn add_annotation<'m>(
    carriers: &mut Vec<Carrier<'m>>,
    kind: Kind,
    manifest: &'m Manifest<'_>,
    facts: &Facts<'m>,
) {
    let Some(annotation) = annotation(kind, manifest) else { return };
    for carrier in carriers.iter_mut() {
        carrier.in_force &= facts.is_handed_to_driver;
    }
    carriers.push(Carrier {
        place: Place::Annotation,
        form: Form::SplitEverywhere,
        elements: vec![annotation],
        present: true,
        in_force: !facts.is_flex_volume && !facts.is_handed_to_driver,
        role: None,
        is_in_file: facts.is_in_file,
        takes_placeholders: facts.takes_placeholders,
        refused: None,
        is_beyond: false,
    });
}

/// Returns the annotation, which kubelet reads on in-tree volumes only, and then instead
/// of the list, even when it is empty.
fn annotation<'m>(kind: Kind, manifest: &'m Manifest<'_>) -> Option<&'m str> {
    let spec = manifest.spec.as_ref();
    // A patch may show no source: what it changes may be a volume of kubelet's.
    if kind.row().holds != Holds::Volume || spec.is_some_and(|spec| spec.csi.is_some()) {
        return None;
    }
    let annotations = manifest.metadata.as_ref()?.annotations.as_ref()?;
    annotations.mount_options.as_deref()
}

/// Returns the largest possible number of options of an element.
pub(crate) fn most_options(element: &str) -> usize {
    1 + element.bytes().filter(|byte| *byte == b',').count()
}
