//! The settings of a mount beside those that its options request, one by one.

use super::{Decider, Difference, NOT_SET, Shown, is_for_v3, is_shown, last};
use crate::nfs::acceptance::Transport;
use crate::nfs::catalog::OptionId;
use crate::nfs::option::MountOption;
use crate::nfs::settings::{AttributeCache, LookupCache, Recovery, Settings};
use crate::nfs::timeouts::{default_retrans, default_timeo};
use crate::nfs::value::kernel_number;
use crate::nfs::version::{Version, Versions};

/// The differences found so far.
pub(super) struct Found<'o, 'a> {
    pub(super) asked: &'o [&'o MountOption<'a>],
    pub(super) differences: Vec<Difference>,
}

impl Found<'_, '_> {
    pub(super) fn add(
        &mut self,
        keyword: &'static str,
        asked: &dyn ToString,
        mounted: &dyn ToString,
        words: &[OptionId],
        decider: Decider,
    ) {
        let (asked, mounted) = (asked.to_string(), mounted.to_string());
        if asked != mounted {
            let is_written =
                self.asked.iter().any(|option| option.entry().is_some_and(|entry| words.contains(&entry.id)));
            self.differences.push(Difference { keyword, asked, mounted, is_written, decider });
        }
    }

    /// Adds a number, with its default. A value that the kernel rejects changes nothing, and is what the
    /// options say all the same.
    fn number(
        &mut self,
        word: OptionId,
        keyword: &'static str,
        (wanted, default): (Option<u32>, u32),
        mounted: u32,
        decider: Decider,
    ) {
        let number = wanted.unwrap_or(default);
        if number == mounted {
            return;
        }
        let written = last(self.asked.iter().copied(), word).and_then(MountOption::value);
        let written = written.filter(|_| wanted.is_none()).map(ToOwned::to_owned);
        self.add(keyword, &written.unwrap_or_else(|| number.to_string()), &mounted, &[word], decider);
    }

    fn has(&self, word: OptionId) -> bool {
        last(self.asked.iter().copied(), word).is_some()
    }

    pub(super) fn recovery(&mut self, asked: &Settings, mounted: &Settings) {
        let name = |recovery| match recovery {
            Recovery::Hard => "hard",
            Recovery::Soft => "soft",
            Recovery::Softerr => "softerr",
        };
        let words = [OptionId::Hard, OptionId::Soft, OptionId::Softerr];
        self.add("hard", &name(asked.recovery), &name(mounted.recovery), &words, Decider::Mount);
        let transport = |settings: &Settings| match settings.transport {
            None | Some(Transport::Tcp) => "tcp",
            Some(Transport::Udp) => "udp",
            Some(Transport::Rdma) => "rdma",
        };
        let words = [OptionId::Proto, OptionId::Tcp, OptionId::Udp, OptionId::Rdma];
        self.add("proto", &transport(asked), &transport(mounted), &words, Decider::Mount);
    }

    pub(super) fn numbers(&mut self, asked: &Settings, mounted: &Settings) {
        // The defaults are those of the transport that is used.
        let transport = mounted.transport;
        if let Some(timeo) = mounted.timeo {
            let wanted = (asked.timeo, default_timeo(transport));
            self.number(OptionId::Timeo, "timeo", wanted, timeo, Decider::Superblock);
        }
        if let Some(retrans) = mounted.retrans {
            let wanted = (asked.retrans, default_retrans(transport));
            self.number(OptionId::Retrans, "retrans", wanted, retrans, Decider::Superblock);
        }
        // Without the option there is one connection, and nothing is shown. Over UDP there is
        // no more than one (`nfs_create_rpc_client`).
        if transport != Some(Transport::Udp) {
            let connections = mounted.nconnect.unwrap_or(1);
            let wanted = (asked.nconnect, 1);
            self.number(OptionId::Nconnect, "nconnect", wanted, connections, Decider::Connections);
        }
        for (keyword, word, wanted, size) in [
            ("rsize", OptionId::Rsize, asked.rsize, mounted.rsize),
            ("wsize", OptionId::Wsize, asked.wsize, mounted.wsize),
        ] {
            if let (Some(wanted), Some(size)) = (wanted, size) {
                let decider = if size < wanted { Decider::Server } else { Decider::Mount };
                self.add(keyword, &wanted, &size, &[word], decider);
            }
        }
    }

    pub(super) fn version(&mut self, asked: &Settings, mounted: Option<Version>) {
        let Some(mounted) = mounted.filter(|version| !asked.versions.contains(*version)) else { return };
        let names = match asked.versions {
            Versions::V4 => "4".to_owned(),
            versions => {
                let names: Vec<String> = versions.iter().map(|version| version.to_string()).collect();
                names.join(" or ")
            }
        };
        self.add(
            "vers",
            &names,
            &mounted,
            &[OptionId::Vers, OptionId::VersFlag, OptionId::Minorversion],
            Decider::Mount,
        );
    }

    pub(super) fn cache(&mut self, asked: &Settings, mounted: &Settings) {
        let word = |is: bool, word: &'static str, other: &'static str| if is { word } else { other };
        self.add(
            "noac",
            &word(asked.noac, "noac", "ac"),
            &word(mounted.noac, "noac", "ac"),
            &[OptionId::Ac],
            Decider::Mount,
        );
        self.add(
            "nocto",
            &word(asked.nocto, "nocto", "cto"),
            &word(mounted.nocto, "nocto", "cto"),
            &[OptionId::Cto],
            Decider::Mount,
        );
        // `noac` sets all times to 0, whatever else is requested.
        if !asked.noac && !mounted.noac {
            let times = |cache: &AttributeCache| {
                [
                    ("acregmin", OptionId::Acregmin, cache.regular_min.unwrap_or(3)),
                    ("acregmax", OptionId::Acregmax, cache.regular_max.unwrap_or(60)),
                    ("acdirmin", OptionId::Acdirmin, cache.directory_min.unwrap_or(30)),
                    ("acdirmax", OptionId::Acdirmax, cache.directory_max.unwrap_or(60)),
                ]
            };
            let both = times(&asked.attribute_cache).into_iter().zip(times(&mounted.attribute_cache));
            for ((keyword, word, wanted), (_, _, time)) in
                both.filter(|((.., wanted), _)| *wanted <= LONGEST_TIME)
            {
                self.add(keyword, &wanted, &time, &[word, OptionId::Actimeo], Decider::Mount);
            }
        }
        let lookups = |settings: &Settings| match settings.lookupcache {
            None | Some(LookupCache::All) => "all",
            Some(LookupCache::None) => "none",
            Some(LookupCache::Positive) => "pos",
        };
        self.add("lookupcache", &lookups(asked), &lookups(mounted), &[OptionId::Lookupcache], Decider::Mount);
    }

    /// Kernels disagree on what `lock` and `local_lock=` make of each other (measured: of
    /// `lock,local_lock=all`, 6.1 keeps all locks to itself, 6.12 none).
    pub(super) fn locks(&mut self, asked: &Settings, mounted: &Settings) {
        if self.has(OptionId::Lock) && self.has(OptionId::LocalLock) {
            return;
        }
        let name = |settings: &Settings| match (settings.local_locks.flock, settings.local_locks.posix) {
            (true, true) => "all",
            (true, false) => "flock",
            (false, true) => "posix",
            (false, false) => "none",
        };
        self.add(
            "local_lock",
            &name(asked),
            &name(mounted),
            &[OptionId::Lock, OptionId::LocalLock],
            Decider::Mount,
        );
    }

    /// Compares options whose value stands as it was given; only where one is given, because mount.nfs and
    /// the kernel negotiate the others.
    pub(super) fn values(&mut self, shown: &Shown<'_>, is_v3: bool) {
        let mounted = |word: OptionId| shown.last(word).and_then(MountOption::value);
        let of = |word: OptionId| last(self.asked.iter().copied(), word).and_then(MountOption::value);
        let (xprtsec, port, max_connect) =
            (of(OptionId::Xprtsec), of(OptionId::Port), of(OptionId::MaxConnect));
        // `none` is shown as `null` (`nfs_pseudoflavour_to_name`).
        let flavor = |name: &str| if name == "none" { "null".to_owned() } else { name.to_owned() };
        // Several lists add up.
        let is_sec =
            |option: &&&MountOption<'_>| option.entry().is_some_and(|entry| entry.id == OptionId::Sec);
        let flavors: Vec<&str> =
            self.asked.iter().filter(is_sec).filter_map(|option| option.value()).collect();
        let flavors = flavors.join(":");
        if let Some(chosen) = mounted(OptionId::Sec).filter(|_| !flavors.is_empty())
            && !flavors.split(':').any(|name| flavor(name) == flavor(chosen))
        {
            self.add("sec", &flavors, &chosen, &[OptionId::Sec], Decider::Mount);
        }
        if let Some(xprtsec) = xprtsec {
            let mounted = mounted(OptionId::Xprtsec).unwrap_or("none");
            self.add("xprtsec", &xprtsec, &mounted, &[OptionId::Xprtsec], Decider::Mount);
        }
        // 0 queries rpcbind; the usual port of NFSv4 is not shown.
        if let Some(port) = port.and_then(kernel_number).filter(|port| *port != 0) {
            match mounted(OptionId::Port).and_then(kernel_number) {
                Some(mounted) => self.add("port", &port, &mounted, &[OptionId::Port], Decider::Mount),
                None if !is_v3 => self.add("port", &port, &USUAL_PORT, &[OptionId::Port], Decider::Mount),
                None => {}
            }
        }
        if let Some(most) = max_connect.and_then(kernel_number).filter(|_| !is_v3) {
            let mounted = mounted(OptionId::MaxConnect).and_then(kernel_number).unwrap_or(1);
            self.add("max_connect", &most, &mounted, &[OptionId::MaxConnect], Decider::Connections);
        }
    }

    /// Flags that are shown only where they are on; compared only where one is given.
    pub(super) fn flags(&mut self, shown: &Shown<'_>, is_v3: bool) {
        for (keyword, word, negated) in FLAGS {
            let Some(option) = last(self.asked.iter().copied(), word) else { continue };
            let Some(entry) = option.entry() else { continue };
            let is_negated = entry.negated;
            let is_of_version = shown.version().is_none_or(|version| entry.versions.contains(version));
            let has_effect = is_of_version && (is_v3 || !is_for_v3(word));
            if option.value().is_some() || !has_effect || !is_shown(word, is_negated) {
                continue;
            }
            let is_it = match word {
                OptionId::Softreval => Settings::of(self.asked.iter().copied()).softreval,
                _ => is_negated == negated,
            };
            let state = |is: bool| if is { keyword } else { NOT_SET };
            self.add(keyword, &state(is_it), &state(shown.has(keyword)), &[word], Decider::Mount);
        }
    }
}

/// Seconds of a cache time that no kernel multiplies beyond its range: at most 1000 ticks a
/// second (measured: `actimeo=4294967295` is shown as 17179868).
const LONGEST_TIME: u32 = u32::MAX / 1000;

/// The port of `NFSv4`.
const USUAL_PORT: u32 = 2049;

/// Flags, and whether it is the negation that is shown.
const FLAGS: [(&str, OptionId, bool); 13] = [
    ("fsc", OptionId::Fsc, false),
    ("migration", OptionId::Migration, false),
    ("posix", OptionId::Posix, false),
    ("noalignwrite", OptionId::Alignwrite, true),
    ("nosharecache", OptionId::Sharecache, true),
    ("noresvport", OptionId::Resvport, true),
    ("softreval", OptionId::Softreval, false),
    ("noacl", OptionId::Acl, true),
    ("noexec", OptionId::Exec, true),
    ("nosuid", OptionId::Suid, true),
    ("nodev", OptionId::Dev, true),
    ("noatime", OptionId::Atime, true),
    ("nodiratime", OptionId::Diratime, true),
];
