//! A subject: an object of a kind that is evaluated, as the engine sees it: the
//! driver that mounts it, the places of its options, and those that mount.nfs gets.

pub mod binding;
pub mod carrier;
pub mod driver;
pub mod effective;
pub mod facts;
pub mod filling;
mod identity;
pub mod manifest;
mod placeholders;
pub mod pod;
mod read_only;
mod readings;
mod rivals;
mod unread;
pub mod workload;

use std::borrow::Cow;

use crate::finding::Finding;
use crate::kind::{Holds, Kind};
use crate::nfs::option::MountOption;
use crate::nfs::placeholder::has_placeholder;
use crate::nfs::reading;
use crate::site::{InlineVolume, Place};
use carrier::Carrier;
use driver::evidence::Evidence;
use driver::{Case, Driver, Nfs};
use effective::{Options, Token};
use facts::Facts;
use identity::{access, identify, is_volume, may_have_made, server};
use manifest::{Manifest, Metadata};
pub use read_only::ReadOnlyBy;
pub use unread::{UnreadKey, may_be_meant, meant, stray_annotation};

/// The policy's settings for a driver, which override the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DriverSetting {
    /// A driver's name, or a pattern in which `*` stands for any text.
    pub name: String,
    /// True if it is NFS; `None` leaves that to the table.
    pub nfs: Option<bool>,
    /// The `timeo` that is filled in where none is given.
    pub timeo: Option<u32>,
    /// The `retrans` that is filled in where none is given.
    pub retrans: Option<u32>,
}

/// Most bytes of options that are evaluated: what mount(2) takes, which is a page (Linux
/// `copy_mount_options`), as in the generated policies. Longer ones are never mounted
/// whole, and each option costs time and memory while it is evaluated.
pub const LONGEST_OPTIONS: usize = 4 * 1024;

/// Most options that are evaluated: as many as fit into that page, for the shortest
/// has two letters and a comma.
pub const MOST_OPTIONS: usize = 4 * 1024 / "fg,".len();

/// An object of a kind that is evaluated, with its options laid out.
#[derive(Debug, Clone)]
pub struct Subject<'m> {
    /// The kind.
    pub kind: Kind,
    /// The inline volume of the object that it is; `None` where it is the object
    /// itself.
    pub volume: Option<InlineVolume>,
    /// Its name; what the name begins with where the server chooses it; empty
    /// where there is neither.
    pub name: &'m str,
    /// The namespace that the manifest gives.
    pub namespace: Option<&'m str>,
    /// The driver's name: the provisioner, the CSI driver, or the plugin's name
    /// of an in-tree volume. Empty where the object names none.
    pub driver_name: &'m str,
    /// The driver's row.
    pub driver: &'static Driver,
    /// The policy's settings for the driver.
    pub driver_setting: Option<&'m DriverSetting>,
    /// The verdict on whether its volumes are NFS.
    pub nfs: Nfs,
    /// The places that hold options, `mountOptions` first. `mountOptions` is
    /// there even when the object has none.
    pub carriers: Vec<Carrier<'m>>,
    /// The carrier with the most text, where all of them together hold more
    /// than [`LONGEST_OPTIONS`]. Such options are not laid out.
    pub overlong: Option<usize>,
    /// The options themselves.
    pub options: Options<'m>,
    /// The driver's own list, where the object has no option at all.
    pub defaults: &'static [&'static str],
    /// The access of Pods: whether they may write, and how many at once.
    pub access: Access,
    /// The provisioner that the volume's annotation names, which anybody can
    /// write.
    pub names_provisioner: Option<&'m str>,
    /// The provisioner that made the volume, as far as that is believed; `None`
    /// for what a person made.
    pub provisioned_by: Option<&'m str>,
    /// The class a volume belongs to.
    pub storage_class: Option<&'m str>,
    /// The rules that the object's own annotation requests exemption from.
    pub exempt: Option<&'m str>,
    /// The same of the Pods that a template makes.
    exempt_pods: Option<&'m str>,
    /// True if the object's label opts out of patching.
    pub opts_out_of_patching: bool,
    /// The server's name or address, where the object has it.
    pub server: Option<&'m str>,
    /// Fields of a file that hold options and that nothing reads; of an object of an API server, which
    /// has dropped the fields that it does not know, annotations of another name.
    pub misplaced: &'m [Misplaced],
    /// The annotation for options on an object on which nothing reads it.
    pub unread_annotation: Option<&'m str>,
    /// The facts that the driver's row needs to be evaluated again with other options.
    facts: Facts<'m>,
}

/// A field of a file that holds options and that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The path to it, indices among the names.
    pub path: Vec<String>,
    /// The texts that it contains.
    pub texts: Vec<String>,
}

/// The access of Pods to the subject's volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// True if the object itself, options aside, lets a Pod write.
    pub writable: bool,
    /// True if Pods on several nodes may write at once; so for every class, since a claim chooses
    /// the mode later.
    pub shared: bool,
}

impl<'m> Subject<'m> {
    /// Lays out `manifest`, or `None` when it is of another kind. The kind comes from the manifest itself.
    pub fn new(manifest: &'m Manifest<'_>, settings: &'m [DriverSetting]) -> Option<Self> {
        let kind = Kind::parse(manifest.kind.as_deref()?)?;
        Some(Self::of_kind(kind, manifest, settings))
    }

    /// Lays out `manifest` as an object of `kind`, whatever its own kind says:
    /// an admission request names the kind beside the object.
    pub fn of_kind(kind: Kind, manifest: &'m Manifest<'_>, settings: &'m [DriverSetting]) -> Self {
        Self::lay_out(kind, None, manifest, settings, false)
    }

    /// Lays out an inline volume of a workload, which `manifest` holds as if it
    /// were a volume of its own.
    pub fn of_inline_volume(
        volume: InlineVolume,
        manifest: &'m Manifest<'_>,
        settings: &'m [DriverSetting],
    ) -> Self {
        Self::lay_out(volume.kind, Some(volume), manifest, settings, false)
    }

    /// Lays out an object of a file, or an inline volume of one: a program may
    /// still fill in its placeholders, so that an option with one may become any
    /// option, unless the object has the uid that an API server gave it.
    pub fn in_file(
        kind: Kind,
        volume: Option<InlineVolume>,
        manifest: &'m Manifest<'_>,
        settings: &'m [DriverSetting],
    ) -> Self {
        Self::lay_out(kind, volume, manifest, settings, true)
    }

    fn lay_out(
        kind: Kind,
        volume: Option<InlineVolume>,
        manifest: &'m Manifest<'_>,
        settings: &'m [DriverSetting],
        is_in_file: bool,
    ) -> Self {
        let metadata = manifest.metadata.as_ref();
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
        let spec = manifest.spec.as_ref().filter(|_| is_volume(kind));
        let (driver_name, facts) = identify(kind, manifest);
        // A stored object is rendered: text that looks like a placeholder is the option.
        let is_stored =
            metadata.and_then(|metadata| metadata.uid.as_deref()).is_some_and(|uid| !uid.is_empty());
        let takes_placeholders = is_in_file && !is_stored;
        let may_be_any_driver = takes_placeholders && has_placeholder(driver_name);
        let unrendered_annotation = annotations
            .filter(|_| takes_placeholders)
            .and_then(|annotations| annotations.unrendered.as_deref());
        let facts =
            Facts { is_in_file, takes_placeholders, unrendered_annotation, may_be_any_driver, ..facts };
        let is_script = facts.is_flex_volume;
        let driver_setting = settings
            .iter()
            .find(|setting| driver::glob(&setting.name, driver_name))
            // A script may have the name of a CSI driver, whose settings are not meant for it.
            .filter(|setting| !is_script || !driver::is_no_script(&setting.name));
        let row = if is_script { driver::find_script(driver_name) } else { driver::find(driver_name) };
        let (driver, nfs) = match (row, driver_setting.and_then(|setting| setting.nfs)) {
            // The policy goes before the table: its author knows the cluster.
            (row, Some(false)) => (row.unwrap_or(&driver::UNKNOWN), Nfs::No),
            // A row that never mounts NFS says nothing of how this driver handles options.
            (Some(row), Some(true)) if row.nfs != Nfs::No => (row, Nfs::Yes),
            (_, Some(true)) => (&driver::DECLARED, Nfs::Yes),
            (Some(row), None) => (row, facts.verdict(row)),
            (None, None) => (&driver::UNKNOWN, Nfs::Depends),
        };
        let driver = facts.row(driver);
        let carriers = carrier::carriers(kind, volume, manifest, driver, &facts);
        let names_provisioner = annotations
            .filter(|_| kind.row().holds == Holds::Volume)
            .and_then(|annotations| annotations.provisioned_by.as_deref())
            .filter(|provisioner| !provisioner.is_empty());
        let has_annotation = carriers.iter().any(|carrier| carrier.place == Place::Annotation);
        let mut subject = Self {
            kind,
            volume,
            name: metadata.map(Metadata::name).unwrap_or_default(),
            namespace: metadata.and_then(|metadata| metadata.namespace.as_deref()),
            driver_name,
            driver,
            driver_setting,
            nfs,
            carriers,
            overlong: None,
            options: Options::default(),
            defaults: &[],
            access: access(kind, spec),
            names_provisioner,
            provisioned_by: names_provisioner.filter(|name| may_have_made(name, spec)),
            storage_class: spec.and_then(|spec| {
                // Kubernetes, too, takes the old annotation before the field.
                let annotation = annotations.and_then(|annotations| annotations.storage_class.as_deref());
                annotation.filter(|_| volume.is_none()).or(spec.storage_class_name.as_deref())
            }),
            exempt: annotations
                .and_then(|annotations| annotations.exempt.as_deref())
                .or(manifest.exempt_pods.as_deref()),
            exempt_pods: manifest.exempt_pods.as_deref(),
            opts_out_of_patching: metadata.and_then(|metadata| metadata.labels.as_ref()?.mutate.as_deref())
                == Some("disabled"),
            server: server(kind, manifest, driver.server_key),
            misplaced: annotations
                .filter(|_| volume.is_none() && kind.pod_spec().is_none())
                .map(|annotations| annotations.strays.as_slice())
                .unwrap_or_default(),
            unread_annotation: annotations
                .filter(|_| !has_annotation && volume.is_none())
                .and_then(|annotations| annotations.mount_options.as_deref())
                .filter(|text| !text.is_empty()),
            facts,
        };
        subject.lay_out_options();
        subject
    }

    /// Returns the same subject with other text in its carriers, one list of elements
    /// a carrier: what it would be after a fix.
    #[must_use]
    pub fn with_elements<'n>(&self, elements: &'n [Vec<Cow<'m, str>>]) -> Subject<'n>
    where
        'm: 'n,
    {
        let was: &Subject<'n> = self;
        let mut carriers: Vec<Carrier<'n>> = was
            .carriers
            .iter()
            .zip(elements)
            .map(|(carrier, elements)| Carrier {
                place: carrier.place.clone(),
                elements: elements.iter().map(|element| &**element).collect(),
                ..*carrier
            })
            .collect();
        carrier::put_in_force(was.driver, &mut carriers);
        let mut subject = Subject { carriers, options: Options::default(), ..*was };
        subject.lay_out_options();
        subject
    }

    /// Returns the same volume in a Pod that a template makes, of this name; it has the annotations of the
    /// template, and none of the workload's.
    #[must_use]
    pub fn in_pod<'n>(&self, name: &'n str) -> Subject<'n>
    where
        'm: 'n,
    {
        let was: Subject<'n> = self.clone();
        Subject { kind: Kind::Pod, name, exempt: self.exempt_pods, ..was }
    }

    /// Returns true if a word that only looks like `bg`, by its case or its white space, may still become
    /// one: the driver folds case, or its source was not read.
    pub fn may_fold(&self) -> bool {
        self.driver.case != Case::Kept
    }

    /// Returns true if anything in the object betrays NFS, beyond the driver's name; an option that
    /// a quote hides from some layer counts, too.
    pub fn has_nfs_only_option(&self) -> bool {
        self.options.tokens().iter().any(|token| {
            token.site.is_some() && token.entry().is_some_and(|entry| entry.nfs_only)
                || self.may_fold() && token.is_background(true)
        }) || self.irregular_elements().any(|(_, element)| {
            // A quote or a backslash within bg hides it from some layer.
            reading::mentions_background(element)
                || reading::every_piece(element)
                    .any(|piece| MountOption::new(piece.text).entry().is_some_and(|entry| entry.nfs_only))
        }) || self.may_hold_any_option()
    }

    /// Returns true if the kubelet tells a CSI driver of a read-only claim, which the object does
    /// not show.
    pub const fn follows_claim(&self) -> bool {
        self.facts.is_csi_volume && self.volume.is_none()
    }

    /// Returns the driver's name for a CSI volume.
    pub const fn volume_handle(&self) -> Option<&'m str> {
        self.facts.volume_handle
    }

    /// Returns true if it says `csi.readOnly: true` where that never reaches the mount.
    pub const fn has_idle_read_only(&self) -> bool {
        self.facts.idle_read_only
    }

    /// Returns true if mount.nfs runs on the node itself, not in a container of the driver.
    pub fn mounts_on_node(&self) -> bool {
        !self.is_csi() || matches!(self.driver.nfsmount_conf, driver::conf::ConfOf::Node(_))
    }

    /// Returns true if a CSI driver mounts it: the name of one has no slash, and a `FlexVolume` may
    /// have a script of any name.
    pub fn is_csi(&self) -> bool {
        !self.facts.is_flex_volume && !self.driver_name.contains('/')
    }

    /// Returns true if it is a `FlexVolume`.
    pub const fn is_flex_volume(&self) -> bool {
        self.facts.is_flex_volume
    }

    /// Returns its parameters or attributes, with their values.
    pub fn keys(&self) -> impl Iterator<Item = (&'m str, &'m str)> + use<'m> {
        self.facts.map.into_iter().flat_map(manifest::StringMap::iter)
    }

    /// Returns the parameter or attribute `key`.
    pub(crate) fn place_of_key(&self, key: &str) -> Place {
        carrier::place_of_key(self.kind, self.volume, self.facts.is_flex_volume, key.to_owned())
    }

    /// Returns the place that a finding is about.
    pub fn place<'f>(&'f self, finding: &'f Finding) -> Option<&'f Place> {
        let carrier = || self.carriers.get(finding.carrier).map(|carrier| &carrier.place);
        finding.place.as_ref().or_else(carrier)
    }

    /// Returns true if the object shows something that the driver goes by.
    pub(crate) fn shows(&self, evidence: &Evidence) -> bool {
        self.facts.show(evidence)
    }

    /// Returns the provisioner that the object names and that is not believed.
    pub fn disbelieved_provisioner(&self) -> Option<&'m str> {
        self.names_provisioner.filter(|_| self.provisioned_by.is_none())
    }

    /// Returns true if an option reaches no mount because the driver takes a later one with its keyword.
    pub fn is_overridden(&self, token: &Token<'_>) -> bool {
        let is_it = |other: &Token<'_>| other.option.text() == token.option.text();
        token.is_written() && self.driver.takes_last_of_keyword() && !self.options.effective().any(is_it)
    }

    /// Returns the string that mount.nfs gets.
    pub fn effective(&self) -> String {
        self.options.joined()
    }

    /// Returns true if Pods can write through this mount, options included.
    pub fn is_writable(&self) -> bool {
        self.access.writable && !self.options.settings().read_only
    }

    fn lay_out_options(&mut self) {
        if self.nfs == Nfs::No {
            return;
        }
        // Before the layout, whose time and memory grow with the options.
        self.overlong = overlong(&self.carriers);
        if self.overlong.is_some() {
            (self.options, self.defaults) = (Options::default(), &[]);
            return;
        }
        let (options, defaults) = effective::lay_out(self.driver, &self.carriers, &self.facts);
        (self.options, self.defaults) =
            if self.carries_no_mount() { (options.without_mount(), &[][..]) } else { (options, defaults) };
    }
}

/// Returns the longest of the carriers in force that are too long together. Others are
/// no concern of a mount's, and may hold something else under the key.
fn overlong(carriers: &[Carrier<'_>]) -> Option<usize> {
    let in_force = || carriers.iter().enumerate().filter(|(_, carrier)| carrier.in_force);
    let is_too_long = in_force().map(|(_, carrier)| carrier.length()).sum::<usize>() > LONGEST_OPTIONS
        || in_force().map(|(_, carrier)| carrier.count()).sum::<usize>() > MOST_OPTIONS;
    let longest = in_force().max_by_key(|(_, carrier)| carrier.length());
    longest.filter(|_| is_too_long).map(|(index, _)| index)
}
