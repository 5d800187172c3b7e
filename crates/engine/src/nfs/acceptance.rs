//! Evaluates an option list at mount time: the options that the kernel or mount.nfs refuses, the
//! protocol versions that remain, and whether a failed mount continues in the background.
//!
//! Models nfs-utils 2.6 to 3.1 ([`stropts.c`], [`network.c`]) and the kernel's parser
//! ([`fs_context.c`], [`fs_parser.c`]).
//!
//! [`stropts.c`]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=nfs-utils-2-6-2
//! [`network.c`]: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/network.c;hb=nfs-utils-2-6-2
//! [`fs_context.c`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c
//! [`fs_parser.c`]: https://github.com/torvalds/linux/blob/v6.12/fs/fs_parser.c

mod refusal;

use super::catalog::{Consumers, Entry, OptionId, OptionSet};
use super::kernel::{Kernel, Kernels};
use super::option::MountOption;
use super::value::{Grammar, kernel_number};
use super::version::{self, Versions};
pub use refusal::{OVERLOOKS_VALUES, Overlooked, Refusal};

/// The response of the layers to one option by itself.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance {
    /// The reason why nothing takes it; `None` when something does.
    pub refusal: Option<Refusal>,
    /// The protocol versions with which it is taken.
    pub versions: Versions,
    /// The kernels that take it.
    pub kernels: Kernels,
}

/// Evaluates one option by itself.
pub fn judge(option: &MountOption<'_>) -> Acceptance {
    let Some(entry) = option.entry() else {
        return Acceptance {
            refusal: Some(Refusal::Unknown),
            versions: Versions::NONE,
            kernels: Kernels::NONE,
        };
    };
    let mut acceptance = Acceptance { refusal: None, versions: entry.versions, kernels: entry.kernels };
    let is_taken_as_it_is = match entry.grammar {
        Grammar::Anything => entry.consumers.is_mount_only(),
        Grammar::Flag => option.value().is_none() && entry.id != OptionId::Udp && !entry.kernels.is_empty(),
        _ => false,
    };
    if is_taken_as_it_is {
        return acceptance;
    }
    acceptance.refusal = check_value(entry, option.value());
    if entry.kernels.is_empty() && acceptance.refusal.is_none() {
        acceptance.refusal = Some(Refusal::NoKernel);
    }
    if option.value().is_some() && entry.value_kernels.since > entry.kernels.since {
        acceptance.kernels = entry.value_kernels;
    }
    // Linux `nfs_fs_context_validate`: it is an error beside another version than 4.
    if entry.id == OptionId::Minorversion && option.value().and_then(kernel_number) != Some(0) {
        acceptance.versions = Versions::V4;
    }
    if rewritten_for_v3(entry.id, option.value()) {
        acceptance.refusal = None;
        acceptance.versions = Versions::V3;
    }
    if acceptance.refusal.is_some() {
        acceptance.versions = Versions::NONE;
        acceptance.kernels = Kernels::NONE;
    } else if transport(option) == Some(Transport::Udp) {
        // Every kernel refuses NFSv4 over UDP.
        acceptance.versions = Versions::V3;
        acceptance.kernels.until = Some(UDP_ENDS);
    }
    acceptance
}

/// Returns the flags that mount(8) sets in addition to the option: `users` is `noexec,nosuid,nodev` too,
/// `owner` is `nosuid,nodev`, until a later word says otherwise
/// (<https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/optmap.c>;
/// measured with 2.38: `exec,users` is mounted noexec, `users,exec` is not, and `user=NAME` sets nothing).
pub fn implied_flags(option: &MountOption<'_>) -> OptionSet {
    match option.text().trim_end_matches('=') {
        "user" | "users" => OptionSet::of(&[OptionId::Exec, OptionId::Suid, OptionId::Dev]),
        "owner" | "group" => OptionSet::of(&[OptionId::Suid, OptionId::Dev]),
        _ => OptionSet::default(),
    }
}

/// `NFS_DISABLE_UDP_SUPPORT` is on by default from this kernel.
const UDP_ENDS: Kernel = Kernel::new(5, 6);

/// Returns true for a word that is rewritten: for `NFSv3` mount.nfs takes the transport words out of
/// the string and writes its own, so that their odd spellings never reach the kernel
/// (`nfs_rewrite_pmap_mount_options`; measured: `tcp=1` and a bare `proto`).
fn rewritten_for_v3(word: OptionId, value: Option<&str>) -> bool {
    match word {
        OptionId::Tcp | OptionId::Udp | OptionId::Rdma => value.is_some(),
        OptionId::Proto | OptionId::Mountproto | OptionId::Port | OptionId::Mountport => value.is_none(),
        _ => false,
    }
}

/// Returns true if mount(8) reads a flag with this value as the flag: an empty one it drops, and
/// some flags it takes with any (measured with util-linux 2.38.1: `owner=` is `owner`, `ro=1` is
/// `ro`, `private=1` is nothing, and `owner=1` goes to the kernel, which refuses it).
pub(super) fn mount_takes(entry: &Entry, value: &str) -> bool {
    let takes_any = matches!(
        entry.id,
        OptionId::Ro | OptionId::Rw | OptionId::Defaults | OptionId::Auto | OptionId::Propagation
    );
    takes_any || value.is_empty() && entry.consumers.include(Consumers::MOUNT)
}

/// Returns true if a value is a decimal number of any length.
fn is_whole(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0')
}

fn check_value(entry: &Entry, value: Option<&str>) -> Option<Refusal> {
    let one_of = |words: &'static [&'static str], value: &str| {
        (!words.contains(&value)).then_some(Refusal::NotOneOf(words))
    };
    match (entry.grammar, value) {
        (Grammar::Flag | Grammar::FlagOrText | Grammar::FlagOrWord(_), None) | (Grammar::Anything, _) => None,
        (Grammar::Flag, Some(value)) if mount_takes(entry, value) => None,
        (Grammar::Flag, Some(_)) => Some(Refusal::FlagWithValue),
        (_, None | Some("")) => Some(Refusal::ValueMissing),
        (Grammar::Number { min, max, unit }, Some(value)) => match kernel_number(value) {
            // The kernel finds no number that has more than 32 bits.
            None if is_whole(value) => Some(Refusal::TooLarge { max }),
            None => Some(Refusal::NotANumber { unit }),
            Some(number) if number < min || number > max => Some(Refusal::OutOfRange { min, max }),
            Some(_) => None,
        },
        (Grammar::Word(words) | Grammar::FlagOrWord(words), Some(value)) => one_of(words, value),
        (Grammar::Words(words), Some(value)) => {
            value.split(':').filter(|word| !word.is_empty()).find_map(|word| one_of(words, word))
        }
        (Grammar::Version, Some(value)) => match version::parse(value) {
            None => Some(Refusal::NoSuchVersion),
            Some(_) => None,
        },
        (Grammar::Text | Grammar::FlagOrText, Some(_)) => None,
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are the protocols' names")]
pub enum Transport {
    Tcp,
    Udp,
    Rdma,
}

/// Returns the transport an option requests, if it speaks of the transport at all.
pub fn transport(option: &MountOption<'_>) -> Option<Transport> {
    match option.entry()?.id {
        OptionId::Tcp => Some(Transport::Tcp),
        OptionId::Udp => Some(Transport::Udp),
        OptionId::Rdma => Some(Transport::Rdma),
        OptionId::Proto => match option.value()? {
            "tcp" | "tcp6" => Some(Transport::Tcp),
            "udp" | "udp6" => Some(Transport::Udp),
            "rdma" | "rdma6" => Some(Transport::Rdma),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the version that `option` requests, if it is a version option: `vers=`, `nfsvers=` or `v4.1`.
pub fn version_request(option: &MountOption<'_>) -> Option<version::Request> {
    match option.entry()?.id {
        OptionId::Vers => version::parse(option.value()?),
        OptionId::VersFlag => version::parse(option.keyword().strip_prefix('v')?),
        _ => None,
    }
}

/// Returns true if mount.nfs looks at `option` as one that names a version. Two of these are an
/// error, even two that agree (measured: `vers=3,v3` exit 32).
pub fn names_version(entry: &Entry) -> bool {
    matches!(entry.id, OptionId::Vers | OptionId::VersFlag)
}

/// Returns true if two options set the same thing.
pub fn are_rivals(one: &Entry, other: &Entry) -> bool {
    let group = |entry: &Entry| entry.group().filter(|_| !names_version(entry));
    one.id == other.id
        || names_version(one) && names_version(other)
        || group(one).is_some() && group(one) == group(other)
}

/// Returns the protocol versions a list requests; all when it names none, or names one that does not
/// exist.
pub fn requested_versions<'o, 'a: 'o>(
    options: impl IntoIterator<Item = &'o MountOption<'a>> + Clone,
) -> Versions {
    let request = options.clone().into_iter().find_map(version_request);
    let Some(request) = request else {
        return if options.into_iter().any(forces_v3) { Versions::V3 } else { Versions::ALL };
    };
    if request.versions != Versions::V4 {
        return request.versions;
    }
    let minor = options
        .into_iter()
        .filter(|option| option.entry().is_some_and(|entry| entry.id == OptionId::Minorversion))
        .filter_map(|option| kernel_number(option.value()?))
        // Of several minor versions the kernel keeps the one that it reads last.
        .last();
    match minor {
        Some(0) => Versions::V40,
        Some(1) => Versions::V41,
        Some(2) => Versions::V42,
        _ => Versions::V4,
    }
}

/// Returns true if an option that only `NFSv3` takes makes mount.nfs mount that where no version is set
/// (measured: `mountvers=3`, `mountproto=udp`, `mounthost=`, `mountprog=`, `tcp=1`, a bare `proto`).
fn forces_v3(option: &MountOption<'_>) -> bool {
    option
        .entry()
        .is_some_and(|entry| entry.versions == Versions::V3 || rewritten_for_v3(entry.id, option.value()))
}

/// Returns true if a failed mount with these options, in the order in which mount.nfs gets them,
/// continues in the background while mount reports success.
///
/// The last of `bg` and `fg` decides, whatever value it carries. An option that mount.nfs refuses
/// before its first try ends the mount at once; one that only the kernel would refuse does not, for
/// a dead server keeps mount.nfs from the call of the kernel (measured: `vers=3,bg,timeo=abc` exit 0). Of
/// `NFSv4` mount.nfs calls the kernel first, and it takes no `bg=1` (measured: exit 32).
pub fn goes_to_background<'o, 'a: 'o>(
    options: impl IntoIterator<Item = &'o MountOption<'a>> + Clone,
) -> bool {
    // po_rightmost: of the two words the later one counts.
    let last = options.clone().into_iter().filter(|option| matches!(option.keyword(), "bg" | "fg")).last();
    last.is_some_and(|option| {
        option.keyword() == "bg"
            && (!has_value(option)
                || !requested_versions(options.clone()).and(Versions::V3).is_empty()
                || options.clone().into_iter().any(|option| option.keyword() == "sloppy"))
    }) && !is_refused_early(options)
}

fn has_value(option: &MountOption<'_>) -> bool {
    option.value().is_some_and(|value| !value.is_empty())
}

/// Returns true if a `bg` with a value is refused by the kernel, which is called first for `NFSv4`, also
/// where no version is set (measured: `bg=1` exit 32, live and refused).
pub fn is_refused_background<'o, 'a: 'o>(
    option: &MountOption<'_>,
    options: impl IntoIterator<Item = &'o MountOption<'a>> + Clone,
) -> bool {
    option.keyword() == "bg" && has_value(option) && requested_versions(options) != Versions::V3
}

fn is_refused_early<'o, 'a: 'o>(options: impl IntoIterator<Item = &'o MountOption<'a>> + Clone) -> bool {
    let mut versions = 0;
    for option in options {
        let acceptance = judge(option);
        let Some(entry) = option.entry() else { continue };
        versions += usize::from(names_version(entry));
        let early = match entry.id {
            OptionId::Port
            | OptionId::Mountport
            | OptionId::Proto
            | OptionId::Mountproto
            | OptionId::Vers => acceptance.refusal.is_some(),
            // The bare word makes no new mount, so none is tried in the background.
            OptionId::Remount | OptionId::Bind => option.value().is_none(),
            _ => false,
        };
        if early {
            return true;
        }
    }
    // mount.nfs counts version options before its first try.
    versions > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nfs::option::split;

    fn options(list: &str) -> Vec<MountOption<'_>> {
        split(list).filter(|piece| !piece.text.is_empty()).map(|piece| MountOption::new(piece.text)).collect()
    }

    #[test]
    fn the_last_of_bg_and_fg_decides_whatever_its_value() {
        for (list, background) in [
            ("bg", true),
            ("bg=0", true),
            ("bg=1,vers=3", true),
            ("bg=1,nfsvers=4.1", false),
            ("sloppy,bg=1,vers=4", true),
            ("bg=,vers=4", true),
            ("bg,vers=4", true),
            ("fg,bg=false", true),
            ("bg,fg", false),
            ("bg=1,fg", false),
            ("BG", false),
            ("hard,nolock", false),
            ("context=\"a,bg,c\"", false),
            ("bg,timeo=abc", true),
            ("bg,vers=3,v3", false),
            ("bg,mountport=70000", false),
        ] {
            assert_eq!(goes_to_background(&options(list)), background, "{list}");
        }
    }

    #[test]
    fn names_the_reason_of_a_refusal() {
        for (text, refusal) in [
            ("foo", Some(Refusal::Unknown)),
            ("hard=1", Some(Refusal::FlagWithValue)),
            ("timeo", Some(Refusal::ValueMissing)),
            ("timeo=", Some(Refusal::ValueMissing)),
            ("timeo=60s", Some(Refusal::NotANumber { unit: "0.1 s" })),
            ("nconnect=4294967296", Some(Refusal::TooLarge { max: 16 })),
            ("timeo=09", Some(Refusal::NotANumber { unit: "0.1 s" })),
            ("rsize=1M", Some(Refusal::NotANumber { unit: "bytes" })),
            ("acregmin=3s", Some(Refusal::NotANumber { unit: "s" })),
            ("nconnect=x", Some(Refusal::NotANumber { unit: "" })),
            ("nconnect=17", Some(Refusal::OutOfRange { min: 1, max: 16 })),
            ("vers=5", Some(Refusal::NoSuchVersion)),
            ("v2", Some(Refusal::NoKernel)),
            ("timeo=0x258", None),
            ("x-foo=\"a", None),
        ] {
            assert_eq!(judge(&MountOption::new(text)).refusal, refusal, "{text}");
        }
    }

    #[test]
    fn only_v3_takes_what_mount_nfs_rewrites_there() {
        for text in ["tcp=1", "proto", "mountport=20048"] {
            assert_eq!(judge(&MountOption::new(text)).versions, Versions::V3, "{text}");
        }
    }

    #[test]
    fn minorversion_narrows_version_four_only() {
        for (list, versions) in [
            ("vers=4,minorversion=0", Versions::V40),
            ("vers=4,minorversion=2", Versions::V42),
            ("vers=4", Versions::V4),
            ("minorversion=1", Versions::ALL),
            ("mountvers=3", Versions::V3),
            ("mounthost=a,hard", Versions::V3),
            ("mountproto=tcp", Versions::V3),
            ("proto=tcp", Versions::ALL),
            ("mountvers=3,vers=4", Versions::V4),
            ("vers=3,minorversion=1", Versions::V3),
        ] {
            assert_eq!(requested_versions(&options(list)), versions, "{list}");
        }
    }
}
