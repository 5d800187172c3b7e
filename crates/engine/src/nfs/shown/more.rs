//! Settings of a mount that are compared only where an option requests one: mount.nfs, the server or
//! the kernel chooses the others.

use super::found::Found;
use super::{Decider, Shown, last};
use crate::nfs::catalog::OptionId;
use crate::nfs::option::MountOption;
use crate::nfs::value::kernel_number;

/// Block sizes that the kernel takes as they are, if they are a power of 2 (`nfs_block_size`).
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 1024..=1 << 20;

impl Found<'_, '_> {
    /// Returns the value of the last option with a word, if it has one.
    fn value_of(&self, word: OptionId) -> Option<String> {
        last(self.asked.iter().copied(), word).and_then(MountOption::value).map(ToOwned::to_owned)
    }

    /// Returns the last option with a word as a number that is not 0, which leaves the choice open.
    fn number_of(&self, word: OptionId) -> Option<u32> {
        self.value_of(word).as_deref().and_then(kernel_number).filter(|number| *number != 0)
    }

    /// Compares options whose value is one of a few words.
    pub(super) fn words(&mut self, shown: &Shown<'_>) {
        let value = |word: OptionId| shown.last(word).and_then(MountOption::value);
        // The default is not shown.
        if let Some(asked) = self.value_of(OptionId::Write).map(|asked| asked.to_ascii_lowercase()) {
            let mounted = value(OptionId::Write).unwrap_or("lazy");
            self.add("write", &asked, &mounted, &[OptionId::Write], Decider::Mount);
        }
        if let Some(option) = last(self.asked.iter().copied(), OptionId::Rdirplus) {
            let is_negated = option.entry().is_some_and(|entry| entry.negated);
            let asked = rdirplus(is_negated, option.value());
            let mounted = rdirplus(shown.has("nordirplus"), value(OptionId::Rdirplus));
            self.add("rdirplus", &asked, &mounted, &[OptionId::Rdirplus], Decider::Mount);
        }
        // `noac` is shown with `sync`, which it brings along.
        let last_of = |words: [OptionId; 2]| {
            let is_it =
                |option: &&&MountOption<'_>| option.entry().is_some_and(|entry| words.contains(&entry.id));
            self.asked.iter().rfind(is_it)
        };
        if let (Some(option), None) = (last_of([OptionId::Sync, OptionId::Async]), last_of([OptionId::Ac; 2]))
        {
            let state = |is_sync: bool| if is_sync { "sync" } else { "async" };
            let asked = state(option.entry().is_some_and(|entry| entry.id == OptionId::Sync));
            let words = [OptionId::Sync, OptionId::Async];
            self.add("sync", &asked, &state(shown.has("sync")), &words, Decider::Mount);
        }
        // The default depends on the network namespace of the mount (`nfs_init_fs_context`).
        if let Some(asked) = self.value_of(OptionId::FatalNeterrors).filter(|asked| *asked != "default") {
            let mounted = value(OptionId::FatalNeterrors).unwrap_or("none");
            if is_none(&asked) != is_none(mounted) {
                self.add("fatal_neterrors", &asked, &mounted, &[OptionId::FatalNeterrors], Decider::Mount);
            }
        }
    }

    /// Sizes that are shown if they were requested, or that the server limits.
    pub(super) fn sizes(&mut self, shown: &Shown<'_>) {
        let number = |word: OptionId| shown.last(word).and_then(MountOption::value).and_then(kernel_number);
        let block = self.number_of(OptionId::Bsize);
        if let (Some(asked), Some(mounted)) = (block, number(OptionId::Bsize))
            && asked.is_power_of_two()
            && BLOCK_SIZES.contains(&asked)
        {
            self.add("bsize", &asked, &mounted, &[OptionId::Bsize], Decider::Mount);
        }
        if let (Some(asked), Some(mounted)) = (self.number_of(OptionId::Namlen), number(OptionId::Namlen)) {
            let decider = if mounted < asked { Decider::Server } else { Decider::Mount };
            self.add("namlen", &asked, &mounted, &[OptionId::Namlen], decider);
        }
    }

    /// Adds where the client is called back, and the MOUNT service of `NFSv3`.
    pub(super) fn addresses(&mut self, shown: &Shown<'_>, is_v3: bool) {
        let words: &[(&'static str, OptionId, Decider)] = if is_v3 {
            &[
                ("mountproto", OptionId::Mountproto, Decider::Superblock),
                ("mountvers", OptionId::Mountvers, Decider::Superblock),
                ("mountport", OptionId::Mountport, Decider::Superblock),
            ]
        } else {
            &[("clientaddr", OptionId::Clientaddr, Decider::Connections)]
        };
        for (keyword, word, decider) in words {
            // A port or a version 0 queries rpcbind.
            let asked = self.value_of(*word).filter(|asked| kernel_number(asked) != Some(0));
            let asked = asked.map(|asked| asked.to_ascii_lowercase());
            let mounted = shown.last(*word).and_then(MountOption::value);
            if let (Some(asked), Some(mounted)) = (asked, mounted) {
                self.add(keyword, &asked, &mounted, &[*word], *decider);
            }
        }
    }
}

/// Returns the state of READDIRPLUS as an option sets it, or a mount shows it.
fn rdirplus(is_negated: bool, value: Option<&str>) -> &'static str {
    match value {
        _ if is_negated => "nordirplus",
        Some("none") => "nordirplus",
        Some("force") => "rdirplus=force",
        _ => "rdirplus",
    }
}

fn is_none(errors: &str) -> bool {
    errors == "none"
}
