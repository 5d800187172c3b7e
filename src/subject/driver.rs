//! The driver table: what a provisioner, CSI driver or volume plugin does with
//! the options on their way to mount(8). Data, not code: a new driver is one
//! row in `driver/` and one fixture.

mod block;
mod cloud;
mod nas;
mod upstream;

use std::sync::LazyLock;

/// Whether a driver's volumes are NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nfs {
    /// They are.
    Yes,
    /// They are not: their options are none of our business.
    No,
    /// Nobody can tell from the object.
    Depends,
}

/// One row of the table.
#[derive(Debug)]
pub struct Driver {
    /// Names as `provisioner` or `spec.csi.driver` has them; a `*` stands for
    /// any text. An in-tree plugin has its plugin name.
    pub names: &'static [&'static str],
    /// Who makes it, for people.
    pub title: &'static str,
    /// Whether it is NFS, when no clue speaks.
    pub nfs: Nfs,
    /// Clues in the object, asked in order; the first that speaks decides.
    pub clues: &'static [Clue],
    /// Places beyond `mountOptions` that hold options.
    pub carriers: &'static [CarrierKey],
    /// Whether `mountOptions` reach the NFS mount at all.
    pub mount_options: MountOptionsUse,
    /// How the elements become one string.
    pub join: Join,
    /// What happens to letters on the way.
    pub case: Case,
    /// What an empty list means.
    pub empty: Empty,
    /// What it adds by itself.
    pub adds: &'static [Addition],
    /// Words its own mount helper takes out before NFS sees them.
    pub own_words: &'static [&'static str],
    /// Whether its vendor tells users to keep locks on the node.
    pub advises_local_locks: bool,
    /// What its vendor or its source says that a person should know.
    pub advice: &'static str,
    /// Where this row comes from.
    pub source: &'static str,
}

/// A row with nothing particular: NFS, options passed on as they are.
pub(crate) const PLAIN: Driver = Driver {
    names: &[],
    title: "",
    nfs: Nfs::Yes,
    clues: &[],
    carriers: &[],
    mount_options: MountOptionsUse::Used,
    join: Join::Ordered,
    case: Case::Unknown,
    empty: Empty::KernelDefaults,
    adds: &[],
    own_words: &[],
    advises_local_locks: false,
    advice: "",
    source: "",
};

/// Something in an object that tells whether it is NFS.
#[derive(Debug, Clone, Copy)]
pub struct Clue {
    /// What is looked at.
    pub evidence: Evidence,
    /// What it says when it is there.
    pub verdict: Nfs,
}

/// What a clue looks at. Keys and values are compared without regard to case.
#[derive(Debug, Clone, Copy)]
pub enum Evidence {
    /// A class parameter or volume attribute with one of these values; a `*`
    /// at a value's end stands for any text.
    Value(&'static str, &'static [&'static str]),
    /// A class parameter or volume attribute that is there at all.
    Key(&'static str),
    /// The file system type: `csi.storage.k8s.io/fstype`, `fsType`, or the CSI
    /// source's own field.
    FsType(&'static [&'static str]),
    /// A volume with this access mode.
    AccessMode(&'static str),
    /// A volume that has access modes, but not this one.
    NoAccessMode(&'static str),
    /// A volume with `volumeMode: Block`.
    BlockMode,
}

/// A place beyond `mountOptions` that holds options: a class parameter and a
/// volume attribute of the same name.
#[derive(Debug, Clone, Copy)]
pub struct CarrierKey {
    /// The key, compared without regard to case.
    pub key: &'static str,
    /// Which kinds of object have it.
    pub on: On,
    /// How it takes part.
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
}

/// How a further carrier takes part in the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its options come after all others, so they win.
    AppendedLast,
    /// Its options come before those of `mountOptions`.
    First,
    /// It holds all options of the NFS mount and takes the place of the
    /// driver's defaults.
    Sole,
    /// It counts only where `mountOptions` is empty.
    WhenListEmpty,
    /// It holds a bare NFS version, which is appended as `vers=`.
    Version,
    /// The driver does not take it there: it is judged for `bg`, no more.
    NotTaken,
}

/// What becomes of `mountOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountOptionsUse {
    /// They reach the NFS mount.
    Used,
    /// The NFS mount takes its options from another carrier only.
    NotUsed,
}

/// How the elements of a list become one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// In the order of the list.
    Ordered,
    /// As a set: sorted by bytes, duplicates and empty elements dropped
    /// (kubernetes `pkg/volume/util`, `JoinMountOptions`).
    Sorted,
}

/// What a driver does to letters and blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing, as its source says.
    Kept,
    /// It lower-cases every element.
    Folded,
    /// Nobody here has read its source.
    Unknown,
}

/// What a list without a single option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// The kernel's defaults hold.
    KernelDefaults,
    /// The driver mounts with these, which any option of the user's replaces.
    DriverDefaults(&'static [&'static str]),
    /// As [`Empty::DriverDefaults`], with one list for `NFSv3` and one for
    /// `NFSv4`, by the version carrier; no version means the first.
    DriverDefaultsByVersion(&'static [&'static str], &'static [&'static str]),
    /// Something that cannot be seen holds, such as a backend's own options.
    Hidden,
}

/// Options a driver adds by itself.
#[derive(Debug, Clone, Copy)]
pub struct Addition {
    /// The options, as one element.
    pub options: &'static str,
    /// Keywords of which one is enough to keep the driver from adding it.
    pub unless: &'static [&'static str],
    /// Whether it comes before the user's options.
    pub first: bool,
    /// The clue that must be there for it.
    pub when: Option<Evidence>,
}

/// Every row, the more particular ones first.
pub fn drivers() -> impl Iterator<Item = &'static Driver> {
    upstream::DRIVERS.iter().chain(cloud::DRIVERS).chain(nas::DRIVERS).chain(block::DRIVERS).copied()
}

/// The row for a name, exact names before patterns; `None` for a driver nobody
/// has described.
pub fn find(name: &str) -> Option<&'static Driver> {
    EXACT.get(name).copied().or_else(|| {
        drivers()
            .find(|driver| driver.names.iter().any(|pattern| pattern.contains('*') && glob(pattern, name)))
    })
}

/// The row of kubelet's own NFS plugin.
pub fn in_tree_nfs() -> &'static Driver {
    &upstream::IN_TREE_NFS
}

/// The row of csi-driver-nfs.
pub fn csi_driver_nfs() -> &'static Driver {
    &upstream::NFS_CSI
}

/// The last parts of keys that hold mount options with one driver or another,
/// in small letters and without `_` and `-`.
pub const OPTION_KEYS: [&str; 8] = [
    "mountoptions", "mountopts", "mountflags", "nfsoptions", "nfsmountoptions", "clientmountoptions",
    "sharedv4mountoptions", "options",
];

/// Whether a parameter or attribute of this name may hold mount options, as
/// what stands behind its last dot or slash tells.
pub fn may_hold_options(key: &str) -> bool {
    let last = key.rsplit(['.', '/']).next().unwrap_or(key);
    let is_of = |wanted: &str| {
        let letters = last.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        letters.map(|byte| byte.to_ascii_lowercase()).eq(wanted.bytes())
    };
    OPTION_KEYS.into_iter().any(is_of)
}

/// The row that stands for a driver nobody has described.
pub static UNKNOWN: Driver =
    Driver { title: "an unknown driver", nfs: Nfs::Depends, carriers: GENERIC_CARRIERS, ..PLAIN };

/// The row for a driver that the policy calls NFS.
pub static DECLARED: Driver =
    Driver { title: "a driver that the policy calls NFS", carriers: GENERIC_CARRIERS, ..PLAIN };

/// Keys that hold options with one driver or another; judged for `bg` where
/// the driver is unknown.
const GENERIC_CARRIERS: &[CarrierKey] = &[
    not_taken("mountOptions"),
    not_taken("mount-options"),
    not_taken("nfsOptions"),
    not_taken("nfsMountOptions"),
    not_taken("nfs.mountOptions"),
];

pub(crate) const fn not_taken(key: &'static str) -> CarrierKey {
    CarrierKey { key, on: On::Both, role: Role::NotTaken }
}

pub(crate) const fn appended(key: &'static str, on: On) -> CarrierKey {
    CarrierKey { key, on, role: Role::AppendedLast }
}

pub(crate) const fn nfs_if(evidence: Evidence) -> Clue {
    Clue { evidence, verdict: Nfs::Yes }
}

pub(crate) const fn not_nfs_if(evidence: Evidence) -> Clue {
    Clue { evidence, verdict: Nfs::No }
}

static EXACT: LazyLock<std::collections::HashMap<&'static str, &'static Driver>> = LazyLock::new(|| {
    drivers()
        .flat_map(|driver| driver.names.iter().map(move |name| (*name, driver)))
        .filter(|(name, _)| !name.contains('*'))
        .collect()
});

/// Whether `text` matches `pattern`, in which each `*` stands for any text.
/// Linear in the text for each star.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, matches) in [
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ab", false),
            ("*nfs*", "my-nfs-sc", true),
            ("*", "", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn no_name_stands_in_two_rows() {
        let mut names: Vec<_> = drivers().flat_map(|driver| driver.names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_row_says_where_it_comes_from() {
        for driver in drivers() {
            assert!(!driver.title.is_empty(), "{:?}", driver.names);
            assert!(!driver.source.is_empty(), "{:?}", driver.names);
        }
    }
}
