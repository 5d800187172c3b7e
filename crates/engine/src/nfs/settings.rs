//! The settings that result once the kernel has read a list of options: the winner of every
//! conflict, as `/proc/mounts` would show it.

use super::acceptance::{self, Transport};
use super::catalog::OptionId;
use super::option::MountOption;
use super::value::kernel_number;
use super::version::Versions;

/// The end of a request without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// The request is repeated indefinitely.
    #[default]
    Hard,
    /// It fails with EIO.
    Soft,
    /// It fails with ETIMEDOUT.
    Softerr,
}

/// The options of one attribute cache time each; `actimeo` sets all four.
pub const CACHE_TIMES: [OptionId; 4] =
    [OptionId::Acregmin, OptionId::Acregmax, OptionId::Acdirmin, OptionId::Acdirmax];

/// Attribute cache times in seconds; `None` is the kernel's own 3, 60, 30, 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeCache {
    /// `acregmin`.
    pub regular_min: Option<u32>,
    /// `acregmax`.
    pub regular_max: Option<u32>,
    /// `acdirmin`.
    pub directory_min: Option<u32>,
    /// `acdirmax`.
    pub directory_max: Option<u32>,
}

/// The locks that this node keeps to itself, with `NFSv3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalLocks {
    /// `flock(2)` locks.
    pub flock: bool,
    /// `fcntl(2)` locks.
    pub posix: bool,
    /// True if `nolock` is in force: no lock manager at all.
    pub nolock: bool,
}

/// The settings of one mount. Values are the requested ones, after the
/// kernel's rounding and caps; `None` is the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own in nfs(5)")]
pub struct Settings {
    /// `hard`, `soft` or `softerr`; `hard` by default.
    pub recovery: Recovery,
    /// True if cached attributes are used while the server is away: since a `softreval` or a `softerr`, until
    /// a `hard` (measured: `softerr,soft` is `soft,softreval`, and `softreval,hard` is `hard`).
    pub softreval: bool,
    /// Tenths of a second, at most 6000 with TCP.
    pub timeo: Option<u32>,
    /// Tries.
    pub retrans: Option<u32>,
    /// Transport; `None` is TCP.
    pub transport: Option<Transport>,
    /// The protocol versions mount.nfs may try.
    pub versions: Versions,
    /// True if nothing can be written.
    pub read_only: bool,
    /// True if writes are synchronous, by `sync` or by `noac`.
    pub sync: bool,
    /// Attribute cache times.
    pub attribute_cache: AttributeCache,
    /// True if `noac` is in force; it beats every cache time in either order.
    pub noac: bool,
    /// True if `nocto` is in force.
    pub nocto: bool,
    /// `all`, `none`, or `pos` however it was spelled.
    pub lookupcache: Option<LookupCache>,
    /// Connections.
    pub nconnect: Option<u32>,
    /// Bytes, rounded as [`io_size`] says.
    pub rsize: Option<u32>,
    /// Bytes, rounded as [`io_size`] says.
    pub wsize: Option<u32>,
    /// Locks of `NFSv3` that other nodes do not see.
    pub local_locks: LocalLocks,
}

/// The directory entries that are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the option's own words")]
pub enum LookupCache {
    All,
    None,
    Positive,
}

impl Settings {
    /// Reads `options` in the order in which mount.nfs gets them: each one
    /// overwrites what stood before (`nfs_fs_context_parse_param`). Options
    /// that are refused change nothing.
    pub fn of<'o, 'a: 'o>(options: impl IntoIterator<Item = &'o MountOption<'a>> + Clone) -> Self {
        let mut settings =
            Self { versions: acceptance::requested_versions(options.clone()), ..Self::default() };
        for option in options {
            settings.apply(option);
        }
        // nfs(5): noac includes sync, whatever comes after it.
        settings.sync |= settings.noac;
        settings
    }

    /// Returns the largest `timeo` in effect, in tenths of a second.
    pub const fn largest_timeo(&self) -> u32 {
        cap_timeo(u32::MAX)
    }

    fn apply(&mut self, option: &MountOption<'_>) {
        let Some(entry) = option.entry() else {
            return;
        };
        if let Some(transport) = acceptance::transport(option) {
            self.transport = Some(transport);
            return;
        }
        let number = || option.value().and_then(kernel_number);
        match entry.id {
            // 0 is rejected, and a rejected option changes nothing.
            OptionId::Timeo => set(&mut self.timeo, number().filter(|n| *n > 0).map(cap_timeo)),
            OptionId::Retrans => set(&mut self.retrans, number()),
            OptionId::Nconnect => set(&mut self.nconnect, number().filter(|n| (1..=16).contains(n))),
            OptionId::Rsize => set(&mut self.rsize, number().map(io_size)),
            OptionId::Wsize => set(&mut self.wsize, number().map(io_size)),
            OptionId::Actimeo
            | OptionId::Acregmin
            | OptionId::Acregmax
            | OptionId::Acdirmin
            | OptionId::Acdirmax => {
                self.attribute_cache.set(entry.id, number());
            }
            OptionId::Lookupcache => {
                self.lookupcache = match option.value() {
                    Some("all") => Some(LookupCache::All),
                    Some("none") => Some(LookupCache::None),
                    Some("pos" | "positive") => Some(LookupCache::Positive),
                    _ => self.lookupcache,
                }
            }
            OptionId::LocalLock => self.local_locks.set(option.value()),
            // A flag with a value is rejected or another word.
            _ if option.value().is_some() => {}
            word => self.apply_flag(word, entry.negated),
        }
    }

    fn apply_flag(&mut self, word: OptionId, negated: bool) {
        match word {
            OptionId::Hard => (self.recovery, self.softreval) = (Recovery::Hard, false),
            OptionId::Soft => self.recovery = Recovery::Soft,
            OptionId::Softerr => (self.recovery, self.softreval) = (Recovery::Softerr, true),
            OptionId::Softreval => self.softreval = true,
            OptionId::Ro => self.read_only = true,
            OptionId::Rw => self.read_only = false,
            OptionId::Sync => self.sync = true,
            OptionId::Async => self.sync = false,
            OptionId::Ac => self.noac = negated,
            OptionId::Cto => self.nocto = negated,
            OptionId::Lock => {
                // `lock` and `nolock` set both bits at once.
                self.local_locks = LocalLocks { flock: negated, posix: negated, nolock: negated }
            }
            _ => {}
        }
    }
}

impl AttributeCache {
    fn set(&mut self, word: OptionId, seconds: Option<u32>) {
        if seconds.is_none() {
            return;
        }
        if matches!(word, OptionId::Actimeo | OptionId::Acregmin) {
            self.regular_min = seconds;
        }
        if matches!(word, OptionId::Actimeo | OptionId::Acregmax) {
            self.regular_max = seconds;
        }
        if matches!(word, OptionId::Actimeo | OptionId::Acdirmin) {
            self.directory_min = seconds;
        }
        if matches!(word, OptionId::Actimeo | OptionId::Acdirmax) {
            self.directory_max = seconds;
        }
    }
}

impl LocalLocks {
    /// Adds the value of a `local_lock=` to those before, but for `none` (6.1 source).
    fn set(&mut self, value: Option<&str>) {
        match value {
            // The bits are only added, but for none:
            // https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c, Opt_local_lock.
            Some("all") => (self.flock, self.posix) = (true, true),
            Some("flock") => self.flock = true,
            Some("posix") => self.posix = true,
            Some("none") => (self.flock, self.posix) = (false, false),
            _ => {}
        }
    }

    /// Returns true if any lock stays on this node.
    pub const fn any(self) -> bool {
        self.flock || self.posix
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

/// Caps `timeo` at 600 seconds, as the kernel does (`nfs_init_timeout_values`,
/// `NFS_MAX_TCP_TIMEOUT`).
const fn cap_timeo(tenths: u32) -> u32 {
    // NFS_MAX_TCP_TIMEOUT, 600 s: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c,
    // nfs_init_timeout_values
    if tenths > 6000 { 6000 } else { tenths }
}

/// Returns the size that the kernel uses for an `rsize` or `wsize`, before the server's own limit:
/// below 1024 it is 4096, above 1 MiB it is 1 MiB, else the power of two below (under a page) or
/// the whole pages in it (`nfs_io_size`). 0 requests the largest.
pub fn io_size(bytes: u32) -> u32 {
    const MIN: u32 = 1024;
    const MAX: u32 = 1024 * 1024;
    const PAGE: u32 = 4096;
    match bytes {
        // 0 leaves it to the server, which offers this much or more.
        0 => MAX,
        // Too small a number becomes the default of 4 KiB:
        // https://github.com/torvalds/linux/blob/v6.12/fs/nfs/internal.h, nfs_io_size
        1..MIN => PAGE,
        MIN..PAGE => 1 << bytes.ilog2(),
        PAGE..MAX => bytes - bytes % PAGE,
        MAX.. => MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nfs::option::split;

    fn settings(list: &str) -> Settings {
        let options: Vec<_> = split(list).map(|piece| MountOption::new(piece.text)).collect();
        Settings::of(&options)
    }

    #[test]
    fn the_last_of_a_group_wins() {
        assert_eq!(settings("hard,soft").recovery, Recovery::Soft);
        assert_eq!(settings("soft,hard").recovery, Recovery::Hard);
        assert_eq!(settings("timeo=100,timeo=200").timeo, Some(200));
        assert!(!settings("ro,rw").read_only);
        assert_eq!(settings("udp,proto=tcp").transport, Some(Transport::Tcp));
    }

    #[test]
    fn only_hard_turns_softreval_off() {
        for (list, recovery, softreval) in [
            ("softreval", Recovery::Hard, true),
            ("hard,softreval", Recovery::Hard, true),
            ("softreval,hard", Recovery::Hard, false),
            ("softreval,soft", Recovery::Soft, true),
            ("softerr,soft", Recovery::Soft, true),
            ("softerr,hard,soft", Recovery::Soft, false),
            ("softreval,hard,softerr", Recovery::Softerr, true),
        ] {
            assert_eq!((settings(list).recovery, settings(list).softreval), (recovery, softreval), "{list}");
        }
    }

    #[test]
    fn noac_beats_every_cache_time_and_forces_sync() {
        for list in ["noac,actimeo=60", "actimeo=60,noac", "noac,async"] {
            assert!(settings(list).noac && settings(list).sync, "{list}");
        }
        assert!(!settings("noac,ac").noac);
    }

    #[test]
    fn actimeo_and_the_single_times_apply_in_order() {
        let cache = settings("actimeo=10,acregmin=3").attribute_cache;
        assert_eq!((cache.regular_min, cache.regular_max), (Some(3), Some(10)));
        let cache = settings("acregmin=3,actimeo=10").attribute_cache;
        assert_eq!(cache.regular_min, Some(10));
    }

    #[test]
    fn sizes_are_rounded_as_measured() {
        for (asked, given) in [(1, 4096), (1024, 1024), (3000, 2048), (8192, 8192)] {
            assert_eq!(io_size(asked), given, "{asked}");
        }
    }

    #[test]
    fn timeo_is_capped_as_measured() {
        assert_eq!(settings("timeo=60000").timeo, Some(6000));
        assert_eq!(settings("timeo=0").timeo, None);
        assert_eq!(settings("timeo=010").timeo, Some(8));
    }
}
