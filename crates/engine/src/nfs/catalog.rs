//! The catalog: every option that nfs(5), mount(8) or a driver's own mount
//! helper knows, as data. Looking one up allocates nothing.
//!
//! Sources: nfs(5) of nfs-utils 2.6.2 to 3.1.1; the kernel's parameter table
//! [`nfs_fs_parameters`]; libmount [`optmap.c`]; and, where those differ, what
//! kernels 6.1, 6.12 and 7.2 did (`tests/kernel-truth/`).
//!
//! [`nfs_fs_parameters`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c
//! [`optmap.c`]: https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/optmap.c

mod index;
mod table;

use super::kernel::{Kernel, Kernels};
use super::value::Grammar;
use super::version::Versions;

/// The setting that an option is about, its aliases and its negation taken together: `vers` and
/// `nfsvers` have one id, so have `ac` and `noac`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants are the option words themselves")]
pub enum OptionId {
    // mount.nfs: how the mount itself is tried
    Bg,
    Fg,
    Retry,
    // recovery
    Hard,
    Soft,
    Softerr,
    Softreval,
    Timeo,
    Retrans,
    // protocol version and transport
    Vers,
    VersFlag,
    Minorversion,
    Proto,
    Tcp,
    Udp,
    Rdma,
    Port,
    Nconnect,
    MaxConnect,
    Trunkdiscovery,
    Xprtsec,
    CertSerial,
    PrivkeySerial,
    FatalNeterrors,
    // the MOUNT service of NFSv3
    Mountport,
    Mountproto,
    Mountvers,
    Mounthost,
    Mountaddr,
    Mountprog,
    Nfsprog,
    // addresses
    Addr,
    Clientaddr,
    Source,
    // sizes
    Rsize,
    Wsize,
    Bsize,
    Namlen,
    // caching
    Actimeo,
    Acregmin,
    Acregmax,
    Acdirmin,
    Acdirmax,
    Ac,
    Cto,
    Lookupcache,
    Fsc,
    Sharecache,
    Rdirplus,
    Write,
    Alignwrite,
    // locks, access lists, security
    Lock,
    LocalLock,
    Acl,
    Sec,
    Resvport,
    Migration,
    Posix,
    // without effect today
    Intr,
    // parsing
    Sloppy,
    // VFS flags
    Ro,
    Rw,
    Sync,
    Async,
    Dirsync,
    Exec,
    Suid,
    Dev,
    Atime,
    Diratime,
    Relatime,
    Strictatime,
    Lazytime,
    Iversion,
    Mand,
    Silent,
    Symfollow,
    Defaults,
    // SELinux
    Context,
    // fstab and libmount
    Auto,
    Nofail,
    Netdev,
    User,
    Comment,
    Private,
    Loop,
    Helper,
    Bind,
    Remount,
    Propagation,
    XMount,
    // words of a driver's own mount helper
    DriverOwn,
}

/// A set of options, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptionSet(u128);

impl OptionSet {
    /// Returns the set of these.
    pub const fn of(words: &[OptionId]) -> Self {
        let (mut set, mut rest) = (0, words);
        while let [word, others @ ..] = rest {
            set |= 1 << *word as u32;
            rest = others;
        }
        Self(set)
    }

    /// Adds a word; false where the set holds it already.
    pub const fn insert(&mut self, word: OptionId) -> bool {
        let is_new = !self.contains(word);
        self.0 |= 1 << word as u32;
        is_new
    }

    /// Returns true if the set holds the word.
    pub const fn contains(self, word: OptionId) -> bool {
        self.0 & 1 << word as u32 != 0
    }

    /// Returns true if both sets hold a word.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

// A bit for each.
const _: () = assert!((OptionId::DriverOwn as u32) < u128::BITS);

/// Options of which one wins and the others are overwritten: for each layer
/// the last of the group in the string it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(OptionId);

impl Group {
    /// `bg` and `fg`.
    pub const BACKGROUND: Self = Self(OptionId::Bg);
    /// `hard`, `soft` and `softerr`.
    pub const RECOVERY: Self = Self(OptionId::Hard);
    /// `lock`, `nolock` and `local_lock=`.
    pub const LOCKING: Self = Self(OptionId::Lock);
    /// `ro` and `rw`.
    pub const ACCESS: Self = Self(OptionId::Ro);

    /// Returns the word that stands for all of the group.
    pub const fn id(self) -> OptionId {
        self.0
    }
}

/// The layers that read an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumers(u8);

impl Consumers {
    /// mount(8), that is libmount; the option goes no further.
    pub const MOUNT: Self = Self(1);
    /// mount.nfs.
    pub const MOUNT_NFS: Self = Self(2);
    /// The kernel.
    pub const KERNEL: Self = Self(4);
    /// mount.nfs acts on it and the kernel knows it.
    pub const BOTH: Self = Self(6);
    /// mount(8) reads it, and mount.nfs takes it out of what the kernel gets.
    pub const USER: Self = Self(3);
    /// mount(8) reads it, and the kernel gets it as a mount flag.
    pub const VFS: Self = Self(5);
    /// A mount helper of a driver's own, such as mount.efs.
    pub const DRIVER: Self = Self(8);

    /// Returns true if all layers of `other` are among these.
    pub const fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns true if the option ends at mount(8) and mount.nfs never sees it.
    pub const fn is_mount_only(self) -> bool {
        self.0 == Self::MOUNT.0
    }

    /// Returns true if the option ends before the kernel, and nothing but mount(8) acts on it.
    pub const fn end_before_kernel(self) -> bool {
        self.is_mount_only() || self.0 == Self::USER.0
    }

    /// Returns the layers' names, in the order in which they see the option.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::DRIVER, "driver's mount helper"),
            (Self::MOUNT, "mount(8)"),
            (Self::MOUNT_NFS, "mount.nfs"),
            (Self::KERNEL, "kernel"),
        ]
        .into_iter()
        .filter(move |(layer, _)| self.include(*layer))
        .map(|(_, name)| name)
    }
}

/// The effect of an option in current kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does what its meaning says.
    Active,
    /// Nothing, and why.
    None(&'static str),
    /// Nothing with `NFSv4`, and why; it acts with `NFSv3`.
    NoneOnV4(&'static str),
}

/// One option word of the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The setting that it is about.
    pub id: OptionId,
    /// True if this spelling is the negation (`noac` of `ac`).
    pub negated: bool,
    /// The values that may follow `=`.
    pub grammar: Grammar,
    /// The layers that read it.
    pub consumers: Consumers,
    /// The protocol versions that take it; with another one the mount fails.
    pub versions: Versions,
    /// The kernels that know it; the others refuse the mount.
    pub kernels: Kernels,
    /// The kernels that take a value with it, where that came later.
    pub value_kernels: Kernels,
    /// The effect of the option.
    pub effect: Effect,
    /// True if no other file system has an option of this name, so that it betrays an NFS volume.
    pub nfs_only: bool,
    /// The meaning in one sentence, for people.
    pub meaning: &'static str,
}

impl Entry {
    /// Returns the group of which one member wins; `None` where options add up
    /// (`sec=`), are an error when given twice (versions) or stand alone.
    pub const fn group(&self) -> Option<Group> {
        Some(Group(match self.id {
            OptionId::Bg | OptionId::Fg => OptionId::Bg,
            OptionId::Hard | OptionId::Soft | OptionId::Softerr => OptionId::Hard,
            OptionId::Proto | OptionId::Tcp | OptionId::Udp | OptionId::Rdma => OptionId::Proto,
            OptionId::Lock | OptionId::LocalLock => OptionId::Lock,
            OptionId::Ro | OptionId::Rw => OptionId::Ro,
            OptionId::Sync | OptionId::Async => OptionId::Sync,
            OptionId::Ac
            | OptionId::Cto
            | OptionId::Sharecache
            | OptionId::Resvport
            | OptionId::Fsc
            | OptionId::Rdirplus
            | OptionId::Acl
            | OptionId::Migration
            | OptionId::Trunkdiscovery
            | OptionId::Alignwrite
            | OptionId::Posix
            | OptionId::Exec
            | OptionId::Suid
            | OptionId::Dev
            | OptionId::Atime
            | OptionId::Diratime
            | OptionId::Relatime
            | OptionId::Lazytime
            | OptionId::Retry
            | OptionId::Timeo
            | OptionId::Retrans
            | OptionId::Minorversion
            | OptionId::Port
            | OptionId::Nconnect
            | OptionId::MaxConnect
            | OptionId::Xprtsec
            | OptionId::FatalNeterrors
            | OptionId::Mountport
            | OptionId::Mountproto
            | OptionId::Mountvers
            | OptionId::Mounthost
            | OptionId::Mountaddr
            | OptionId::Clientaddr
            | OptionId::Rsize
            | OptionId::Wsize
            | OptionId::Bsize
            | OptionId::Namlen
            | OptionId::Actimeo
            | OptionId::Acregmin
            | OptionId::Acregmax
            | OptionId::Acdirmin
            | OptionId::Acdirmax
            | OptionId::Lookupcache
            | OptionId::Write => self.id,
            _ => return None,
        }))
    }

    /// Returns true if `kernel` knows the option with or without a value.
    pub fn known_to(&self, kernel: Kernel, has_value: bool) -> bool {
        self.kernels.contains(kernel) && (!has_value || self.value_kernels.contains(kernel))
    }
}

/// Finds an option by its keyword, exactly as it is written: mount(8),
/// mount.nfs and the kernel distinguish case, and so does this.
pub fn find(keyword: &str) -> Option<&'static Entry> {
    index::find(keyword).or_else(|| find_by_prefix(keyword))
}

/// Returns every keyword of the catalog with its entry, in the order of the table.
pub fn entries() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    table::ENTRIES.iter().map(|(keyword, entry)| (*keyword, entry))
}

/// Finds the entry of a word by its prefix: libmount keeps every `x-` and `X-` word to itself (`optmap.c`,
/// `MNT_PREFIX`), whatever follows.
fn find_by_prefix(keyword: &str) -> Option<&'static Entry> {
    if keyword.starts_with("X-mount.") {
        Some(&table::X_MOUNT)
    } else if keyword.starts_with("x-") || keyword.starts_with("X-") {
        Some(&table::PRIVATE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_aliases_and_negations_as_one_word() {
        let word = |keyword| find(keyword).map(|entry| (entry.id, entry.negated));
        assert_eq!(word("vers"), word("nfsvers"));
        assert_eq!(word("noac"), Some((OptionId::Ac, true)));
        assert_eq!(word("pos"), None);
    }

    #[test]
    fn distinguishes_case_as_every_layer_does() {
        assert!(find("BG").is_none());
        assert!(find("Timeo").is_none());
    }

    #[test]
    fn knows_every_private_word_by_its_prefix() {
        for keyword in ["x-systemd.automount", "X-foo", "x-bg"] {
            assert!(find(keyword).is_some_and(|entry| entry.consumers.is_mount_only()));
        }
        assert_eq!(find("X-mount.subdir").map(|entry| entry.id), Some(OptionId::XMount));
    }

    #[test]
    fn says_something_of_every_word() {
        for (keyword, entry) in entries() {
            assert!(entry.meaning.len() > 10, "{keyword}");
            assert_eq!(find(keyword).map(|found| found.id), Some(entry.id));
        }
    }
}
