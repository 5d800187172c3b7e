//! A mount as the kernel shows it (`/proc/PID/mountinfo`), beside the options that were
//! requested: which settings differ, and who decides each of them.
//!
//! Read after `nfs_show_mount_options`, `nfs_compare_mount_options` ([`super.c`]) and
//! `nfs_match_client` ([`client.c`]) of Linux 6.12; checked against every mount of
//! `tests/kernel-truth/`.
//!
//! [`super.c`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/super.c
//! [`client.c`]: https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c

mod found;
mod more;

use std::borrow::Cow;

use super::catalog::OptionId;
use super::option::MountOption;
use super::settings::Settings;
use super::version::Version;
use found::Found;

/// A mount as the kernel shows it.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    options: Vec<MountOption<'a>>,
    settings: Settings,
}

/// The setting of a flag that is off.
pub const NOT_SET: &str = "not set";

/// The mount whose options decide a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// Those of the mount itself.
    Mount,
    /// Those of the first mount with the same superblock: an export is not mounted a
    /// second time, unless with `nosharecache` or with other flags.
    Superblock,
    /// Those of the first mount with the same connections: of one server, version and
    /// transport.
    Connections,
    /// The server, which takes no more at once.
    Server,
}

/// A setting that a mount has otherwise than its options request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The option that sets it, or would.
    pub keyword: &'static str,
    /// The setting that the options request; the kernel's default where they name none.
    pub asked: String,
    /// The setting of the mount.
    pub mounted: String,
    /// True if an option names it.
    pub is_written: bool,
    /// The party that decides it.
    pub decider: Decider,
}

impl<'a> Shown<'a> {
    /// Reads the options as the kernel shows them, one text each.
    pub fn new<T: Into<Cow<'a, str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        let options: Vec<MountOption<'a>> = texts.into_iter().map(MountOption::new).collect();
        let settings = Settings::of(&options);
        Self { options, settings }
    }

    /// Returns the version that the client and the server agreed on; `None` where none is shown.
    pub fn version(&self) -> Option<Version> {
        let mut versions = self.settings.versions.iter();
        versions.next().filter(|_| versions.next().is_none())
    }

    /// Returns the last option with this word.
    fn last(&self, word: OptionId) -> Option<&MountOption<'a>> {
        last(&self.options, word)
    }

    /// Returns true if an option has this keyword.
    fn has(&self, keyword: &str) -> bool {
        self.options.iter().any(|option| option.keyword() == keyword)
    }

    /// Returns the settings that the mount has otherwise than `asked`, the options in the order in
    /// which mount.nfs gets them.
    pub fn differences<'o, 'b: 'o>(
        &self,
        asked: impl IntoIterator<Item = &'o MountOption<'b>> + Clone,
    ) -> Vec<Difference> {
        let wanted = Settings::of(asked.clone());
        let asked: Vec<&MountOption<'b>> = asked.into_iter().collect();
        let is_v3 = self.version() == Some(Version::V3);
        let mut found = Found { asked: &asked, differences: Vec::new() };
        found.recovery(&wanted, &self.settings);
        found.numbers(&wanted, &self.settings);
        found.version(&wanted, self.version());
        found.cache(&wanted, &self.settings);
        // An NFSv4 server keeps the locks, whatever these options say (nfs(5), local_lock).
        if is_v3 {
            found.locks(&wanted, &self.settings);
        }
        if wanted.read_only && !self.settings.read_only {
            found.add("ro", &"ro", &"rw", &[OptionId::Ro], Decider::Mount);
        }
        found.values(self, is_v3);
        found.words(self);
        found.sizes(self);
        found.addresses(self, is_v3);
        found.flags(self, is_v3);
        found.differences
    }

    /// Returns those of `asked` that the kernel shows of no mount, or not of one with this version:
    /// of them the mount does not tell whether it has them.
    pub fn unseen<'o, 'b: 'o>(
        &self,
        asked: impl IntoIterator<Item = &'o MountOption<'b>>,
    ) -> Vec<&'o MountOption<'b>> {
        let is_seen = |option: &&MountOption<'b>| {
            let Some(entry) = option.entry() else { return false };
            let is_of_version = self.version().is_none_or(|version| entry.versions.contains(version));
            let has_effect = self.version() == Some(Version::V3) || !is_for_v3(entry.id);
            // The directory of a cache is shown by no kernel that was read.
            let is_cache_path = entry.id == OptionId::Fsc && option.value().is_some();
            is_of_version && has_effect && !is_cache_path && is_shown(entry.id, entry.negated)
        };
        asked.into_iter().filter(|option| !is_seen(option)).collect()
    }
}

/// Returns true for words that `NFSv4` takes and does not use (`nfs4_validate_mount_flags`).
const fn is_for_v3(word: OptionId) -> bool {
    matches!(word, OptionId::Lock | OptionId::LocalLock | OptionId::Acl)
}

/// Returns true if a mount shows the option, or by its absence that it has it not.
const fn is_shown(word: OptionId, negated: bool) -> bool {
    match word {
        OptionId::Hard
        | OptionId::Soft
        | OptionId::Softerr
        | OptionId::Timeo
        | OptionId::Retrans
        | OptionId::Vers
        | OptionId::VersFlag
        | OptionId::Minorversion
        | OptionId::Proto
        | OptionId::Tcp
        | OptionId::Udp
        | OptionId::Rdma
        | OptionId::Nconnect
        | OptionId::MaxConnect
        | OptionId::Rsize
        | OptionId::Wsize
        | OptionId::Actimeo
        | OptionId::Acregmin
        | OptionId::Acregmax
        | OptionId::Acdirmin
        | OptionId::Acdirmax
        | OptionId::Ac
        | OptionId::Cto
        | OptionId::Lookupcache
        | OptionId::Lock
        | OptionId::LocalLock
        | OptionId::Sec
        | OptionId::Xprtsec
        | OptionId::Port
        | OptionId::Ro
        | OptionId::Sharecache
        | OptionId::Resvport
        | OptionId::Sync
        | OptionId::Async
        | OptionId::Fsc
        | OptionId::Rdirplus
        | OptionId::Write
        | OptionId::Bsize
        | OptionId::Namlen
        | OptionId::Migration
        | OptionId::Posix
        | OptionId::Alignwrite
        | OptionId::FatalNeterrors
        | OptionId::Clientaddr
        | OptionId::Mountproto
        | OptionId::Mountvers
        | OptionId::Mountport => true,
        // The kernel shows these only where they are off.
        OptionId::Exec
        | OptionId::Suid
        | OptionId::Dev
        | OptionId::Atime
        | OptionId::Diratime
        | OptionId::Acl => negated,
        OptionId::Softreval => !negated,
        _ => false,
    }
}

fn last<'o, 'a>(
    options: impl IntoIterator<Item = &'o MountOption<'a>>,
    word: OptionId,
) -> Option<&'o MountOption<'a>>
where
    'a: 'o,
{
    options.into_iter().filter(|option| option.entry().is_some_and(|entry| entry.id == word)).last()
}

#[cfg(test)]
mod tests;
