//! The driver table: what a provisioner, CSI driver or volume plugin does with
//! the options on their way to mount(8). Data, not code: a new driver is one
//! row in `driver/` and one fixture.

mod alibaba;
pub mod assembly;
mod aws;
mod azure;
mod behavior;
mod block;
mod cloud;
pub mod conf;
mod dell;
pub mod evidence;
mod huawei;
mod inline;
mod known;
mod lookup;
mod nas;
mod netapp;
mod option_key;
pub mod refusal;
mod tencent;
mod upstream;

use assembly::{Cut, Emptiness, Empty, NoneWord, Step, When};
use conf::ConfOf;
use evidence::{Clue, Deletion, Evidence};
use refusal::Refused;

pub use inline::Inline;
pub use known::Known;
pub(crate) use lookup::is_no_script;
pub use lookup::{find, find_script, glob, scripts};
pub use option_key::{ends_with_mount_options, is_option_key, names_mount_options, speaks_of_options};
pub use option_key::{generic_keys, is_same_key, names_directory, names_version, resembles_mount_options};

use crate::kind::Holds;
use crate::nfs::reading;

/// The verdict on whether a driver's volumes are NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nfs {
    /// They are.
    Yes,
    /// They are not: their options are not evaluated.
    No,
    /// The object does not tell.
    Depends,
}

/// One row of the table.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the driver")]
pub struct Driver {
    /// Names as `provisioner` or `spec.csi.driver` has them; a `*` stands for
    /// any text. An in-tree plugin has its plugin name.
    pub names: &'static [&'static str],
    /// Those of `names` that are also the driver of a `FlexVolume`: a script on the node, which is
    /// none of the CSI drivers and provisioners that may have its name.
    pub scripts: &'static [&'static str],
    /// The maker and the name, for people.
    pub title: &'static str,
    /// The verdict if no clue applies.
    pub nfs: Nfs,
    /// Clues in the object, in order; the first that applies decides.
    pub clues: &'static [Clue],
    /// Rows that replace this one for objects with other evidence, in order.
    pub variants: &'static [Variant],
    /// Places beyond `mountOptions` that hold options.
    pub carriers: &'static [CarrierKey],
    /// The use of `mountOptions`: some drivers do not pass them to the NFS mount.
    pub list: ListUse,
    /// The class parameter and volume attribute that holds the server's address.
    pub server_key: &'static str,
    /// The steps that assemble the string for mount(8).
    pub steps: &'static [Step],
    /// The unit that the driver handles: an element, or each option in it.
    pub cut: Cut,
    /// The driver's handling of letters and whitespace.
    pub case: Case,
    /// The meaning of a list without options.
    pub empty: Empty,
    /// When the driver takes a list for empty.
    pub emptiness: Emptiness,
    /// Keywords that the driver takes out of the list for itself, so that a list
    /// of nothing else counts as empty.
    pub takes_out: &'static [&'static str],
    /// Versions that the driver looks for in the text of the whole list, and what
    /// it makes of them: the first that it finds anywhere decides, and options
    /// that are exactly this are taken out. `None` leaves the version to the
    /// version carrier or the default.
    pub takes_versions: &'static [(&'static str, Option<&'static str>)],
    /// A word that alone means, in any case: no option and no default either.
    pub none_word: Option<NoneWord>,
    /// Words that the driver or its mount helper takes out before mount.nfs
    /// sees them.
    pub own_words: &'static [&'static str],
    /// Elements that the driver takes out, in any case; in an element that holds
    /// more they stay.
    pub own_elements: &'static [&'static str],
    /// Texts with which an element begins that the driver takes out as a whole, in any case.
    pub own_prefixes: &'static [&'static str],
    /// A word by which the driver or its mount helper mounts another server, and the evidence without
    /// which it does not.
    pub redirects: Option<(&'static str, Evidence)>,
    /// The driver's use of the `volumeHandle` in its mount command.
    pub handle: HandleText,
    /// The values that the driver itself refuses, so that no mount succeeds.
    pub refuses: &'static [Refused],
    /// The driver's handling of a class parameter that it does not know.
    pub unknown_parameters: UnknownParameters,
    /// True if a script of its mount helper edits the text of all options together.
    pub edited_as_text: bool,
    /// All attributes that it reads of a volume, where its source was read for them; else empty.
    pub attributes: &'static [&'static str],
    /// True if a list of more than one element cannot be mounted in some setups.
    pub one_element: bool,
    /// Seconds after which the driver or its caller gives up on a mount.
    pub deadline: Option<u32>,
    /// The deletion of a volume, if the driver mounts for that without the class's options.
    pub deletion: Option<Deletion>,
    /// True if its vendor tells users to keep locks on the node.
    pub advises_local_locks: bool,
    /// True if its vendor has a client module for the nodes that takes more connections than the kernel's own.
    pub more_connections: bool,
    /// The nfsmount.conf that its mounts read.
    pub nfsmount_conf: ConfOf,
    /// True if it mounts inline volumes of Pods.
    pub inline: Inline,
    /// The words of its vendor or its source that an administrator should know:
    /// one sentence without a final period.
    pub advice: &'static str,
    /// The evidence for the row.
    pub known: Known,
    /// The source of this row: files and functions, or a vendor's page.
    pub source: &'static str,
}

/// A row with nothing particular: NFS, options passed on as they are.
pub(crate) const PLAIN: Driver = Driver {
    names: &[],
    scripts: &[],
    title: "",
    nfs: Nfs::Yes,
    clues: &[],
    variants: &[],
    carriers: &[],
    list: ListUse::Used,
    server_key: "server",
    steps: assembly::AS_GIVEN,
    cut: Cut::Elements,
    // A driver that was not read may do anything with the letters.
    case: Case::Unknown,
    empty: Empty::KernelDefaults,
    emptiness: Emptiness::NoText,
    takes_out: &[],
    takes_versions: &[],
    none_word: None,
    own_words: &[],
    own_elements: &[],
    own_prefixes: &[],
    redirects: None,
    handle: HandleText::Name,
    refuses: &[],
    unknown_parameters: UnknownParameters::Ignored,
    edited_as_text: false,
    attributes: &[],
    one_element: false,
    deadline: None,
    deletion: None,
    advises_local_locks: false,
    more_connections: false,
    nfsmount_conf: ConfOf::Unknown,
    inline: Inline::Unread,
    advice: "",
    known: Known::Unknown,
    source: "",
};

/// A row that replaces another for objects with some evidence.
#[derive(Debug)]
pub struct Variant {
    /// The evidence.
    pub when: Evidence,
    /// The row, without names.
    pub row: &'static Driver,
}

/// A place beyond `mountOptions` that holds options: a class parameter and a
/// volume attribute of the same name.
#[derive(Debug, Clone, Copy)]
pub struct CarrierKey {
    /// The key.
    pub key: &'static str,
    /// True if the driver reads the key in exactly this case only.
    pub exact: bool,
    /// The kinds of object that have it.
    pub on: On,
    /// The evidence without which the driver does not read it.
    pub when: Option<Evidence>,
    /// Its role.
    pub role: Role,
}

/// The kinds of object on which a carrier counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Class parameters and volume attributes.
    Both,
    /// Volume attributes only.
    Volume,
    /// Class parameters only.
    Class,
    /// Attributes of an inline volume of a Pod only.
    Inline,
}

impl On {
    pub(crate) fn is_of(self, holds: Holds) -> bool {
        let (is_class, is_volume) =
            (holds == Holds::Class, matches!(holds, Holds::Volume | Holds::InlineVolumes(_)));
        match self {
            Self::Both => is_class || is_volume,
            Self::Class => is_class,
            Self::Volume => is_volume,
            Self::Inline => matches!(holds, Holds::InlineVolumes(_)),
        }
    }
}

/// The role of a further carrier in the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its options are joined with those of `mountOptions`, where the steps say.
    Joined,
    /// It holds all options of the NFS mount and replaces the driver's defaults.
    Sole,
    /// Like [`Role::Sole`], also where its text is empty.
    SoleEvenEmpty,
    /// It counts only where `mountOptions` is empty.
    WhenListEmpty,
    /// Like [`Role::WhenListEmpty`]; its text becomes an annotation that kubelet splits at every
    /// comma.
    AnnotationWhenListEmpty,
    /// It holds a bare NFS version.
    Version,
    /// It is another word of the mount command, which the driver runs through a shell: options are in it
    /// where a `-o` is.
    Argument,
    /// It holds the options of another mount of the driver's own, such as its
    /// controller's: it is evaluated for `bg`, no more.
    Apart,
    /// The driver does not read options there: it is evaluated for `bg`, no more.
    NotTaken,
}

impl Role {
    /// Returns true if what stands there takes part in the volume's mount.
    pub const fn takes_part(self) -> bool {
        !matches!(self, Self::Apart | Self::NotTaken)
    }

    /// Returns true if what is meant to stand there is a list of options.
    pub const fn holds_options(self) -> bool {
        !matches!(self, Self::Version | Self::Argument)
    }
}

/// A driver's handling of a class parameter that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownParameters {
    /// It drops it, as far as is known.
    Ignored,
    /// It refuses to make a volume.
    Refused,
}

/// A driver's use of `mountOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListUse {
    /// They reach the NFS mount.
    Used,
    /// The NFS mount takes its options from another carrier, or has its own.
    NotUsed,
}

/// A driver's use of the `volumeHandle` in its mount command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleText {
    /// None that could hold options.
    Name,
    /// The text after this one is a value in the string of options, so that further options are in
    /// it after a comma.
    Value(&'static str),
    /// It is in a word of the mount command, which the driver runs through a shell.
    Word,
}

impl HandleText {
    /// Returns true if a handle may hold options.
    pub(crate) fn may_hold_options(self, handle: &str) -> bool {
        match self {
            Self::Name => false,
            // The driver writes the handle into `-o` as it is, and mount(8) splits that at commas.
            Self::Value(prefix) => handle.split_once(prefix).is_some_and(|(_, value)| value.contains(',')),
            Self::Word => reading::further_options(handle).next().is_some(),
        }
    }
}

/// A driver's handling of letters and whitespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing, as its source says.
    Kept,
    /// It lower-cases every element.
    Folded,
    /// It may trim or fold, or its source was not read.
    Unknown,
}

impl Driver {
    /// Returns true if the row says something of the parameter or attribute `key`, so that the
    /// driver reads it.
    pub(crate) fn speaks_of_key(&self, key: &str) -> bool {
        let is_it = |found: &str| found.eq_ignore_ascii_case(key);
        let by_evidence = |evidence: &Evidence| evidence.speaks_of_key(key);
        is_it(self.server_key)
            || self.attributes.iter().copied().any(is_it)
            || self
                .carriers
                .iter()
                .any(|carrier| is_it(carrier.key) || carrier.when.as_ref().is_some_and(by_evidence))
            || self.clues.iter().any(|clue| by_evidence(&clue.evidence))
            || self.variants.iter().any(|variant| by_evidence(&variant.when))
            || self.deletion.as_ref().is_some_and(|deletion| by_evidence(&deletion.keeps))
            || self.refuses.iter().any(|refused| refused.what.speaks_of_key(key))
            || self.steps.iter().any(|step| match step {
                Step::ReadOnly(evidence) => by_evidence(evidence),
                Step::Add(addition) => {
                    matches!(&addition.when, When::Shows(evidence) if by_evidence(evidence))
                }
                _ => false,
            })
    }
}

/// Returns every row, the more particular ones first.
pub fn drivers() -> impl Iterator<Item = &'static Driver> {
    upstream::DRIVERS
        .iter()
        .chain(aws::DRIVERS)
        .chain(azure::DRIVERS)
        .chain(alibaba::DRIVERS)
        .chain(tencent::DRIVERS)
        .chain(huawei::DRIVERS)
        .chain(cloud::DRIVERS)
        .chain(dell::DRIVERS)
        .chain(netapp::DRIVERS)
        .chain(nas::DRIVERS)
        .chain(block::DRIVERS)
        .copied()
}

impl Driver {
    /// Returns true if no row describes it, and no policy either.
    pub fn is_unknown(&'static self) -> bool {
        // By address: a row of the table may be equal to it in every field.
        std::ptr::eq(self, &raw const UNKNOWN)
    }
}

/// Returns the row of kubelet's own NFS plugin.
pub fn in_tree_nfs() -> &'static Driver {
    &upstream::IN_TREE_NFS
}

/// Returns the row of csi-driver-nfs.
pub fn csi_driver_nfs() -> &'static Driver {
    &upstream::NFS_CSI
}

/// The row that stands for a driver that no row describes.
pub static UNKNOWN: Driver = Driver { title: "an unknown driver", nfs: Nfs::Depends, ..PLAIN };

/// The row for a driver that the policy calls NFS.
pub static DECLARED: Driver = Driver { title: "a driver that the policy calls NFS", ..PLAIN };

pub(crate) const fn carrier(key: &'static str, on: On, role: Role) -> CarrierKey {
    CarrierKey { key, exact: false, on, when: None, role }
}

/// Makes what [`carrier`] makes, for a key that counts in exactly this case only.
pub(crate) const fn exact(key: &'static str, on: On, role: Role) -> CarrierKey {
    CarrierKey { key, exact: true, on, when: None, role }
}

#[cfg(test)]
mod tests;
