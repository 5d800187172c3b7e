//! The saying of an option, however it is spelled: two options of one group say the same, or one of them
//! loses.

use super::acceptance::{Transport, are_rivals};
use super::acceptance::{mount_takes, transport, version_request};
use super::catalog::{self, Consumers, Entry, OptionId};
use super::option::MountOption;
use super::timeouts::Retry;
use super::value::{Grammar, kernel_number};
use super::version::Request;

/// The setting that an option is about, and what it sets it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saying<'o> {
    word: OptionId,
    negated: bool,
    value: Value<'o>,
}

/// A value, however it is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'o> {
    None,
    Number(u32),
    Retry(Retry),
    Version(Request),
    Transport {
        transport: Transport,
        /// `proto=tcp6` mounts no server by its IPv4 address (measured: exit 32), as `proto=tcp` does.
        is_ipv6: bool,
    },
    Text(&'o str),
}

impl<'o> Saying<'o> {
    /// Reads an option; `None` for a keyword that no layer knows.
    pub fn of(option: &'o MountOption<'_>) -> Option<Self> {
        let entry = option.entry()?;
        let say = |word, negated, value| Some(Self { word, negated, value });
        if let Some(transport) = transport(option) {
            let value = Value::Transport { transport, is_ipv6: is_ipv6(option) };
            return say(OptionId::Proto, false, value);
        }
        if let Some(request) = version_request(option) {
            return say(OptionId::Vers, false, Value::Version(request));
        }
        let Some(value) = option.value() else { return say(entry.id, entry.negated, Value::None) };
        // The kernel reads the number by itself: mount.nfs has rules of its own.
        let is_kernels = entry.consumers == Consumers::KERNEL;
        match (entry.grammar, entry.id, value) {
            (Grammar::Flag, ..) if mount_takes(entry, value) => say(entry.id, entry.negated, Value::None),
            (Grammar::Number { .. }, ..) if is_kernels => {
                let number = kernel_number(value).map_or(Value::Text(value), Value::Number);
                say(entry.id, entry.negated, number)
            }
            (_, OptionId::Retry, value) => say(entry.id, false, Value::Retry(Retry::read(Some(value)))),
            // Linux `nfs_fs_context_parse_param`; measured: `rdirplus=none` is shown as `nordirplus`.
            (_, OptionId::Rdirplus, "none") => say(entry.id, true, Value::None),
            (_, OptionId::Lookupcache, "positive") => say(entry.id, false, Value::Text("pos")),
            (_, OptionId::FatalNeterrors, "ENETUNREACH:ENETDOWN") => {
                say(entry.id, false, Value::Text("ENETDOWN:ENETUNREACH"))
            }
            // It clears the bits that `lock` clears.
            (_, OptionId::LocalLock, "none") => say(OptionId::Lock, false, Value::None),
            _ => say(entry.id, entry.negated, Value::Text(value)),
        }
    }
}

/// Returns true for a `proto=` or a `mountproto=` that requests IPv6.
pub fn is_ipv6(option: &MountOption<'_>) -> bool {
    let is_netid = |id| matches!(id, OptionId::Proto | OptionId::Mountproto);
    option.entry().is_some_and(|entry| is_netid(entry.id))
        && option.value().is_some_and(|value| value.ends_with('6'))
}

/// Returns true if the kernel takes IPv6 addresses alone, although the last word on the transport leaves them
/// open: it keeps the family of a `proto=` before a `tcp` (Linux `nfs_fs_context_parse_param`, `Opt_proto`).
pub fn keeps_ipv6<'o, 'm: 'o>(options: impl DoubleEndedIterator<Item = &'o MountOption<'m>>) -> bool {
    let is_proto =
        |option: &&MountOption<'_>| option.entry().is_some_and(|entry| entry.id == OptionId::Proto);
    let mut from_last = options.rev().filter(|option| transport(option).is_some());
    from_last.next().is_some_and(|last| !is_proto(&last)) && from_last.find(is_proto).is_some_and(is_ipv6)
}

/// Returns the row of what an option says: `rdirplus=none` is `nordirplus`.
pub fn entry_of<'e>(entry: &'e Entry, value: Option<&str>) -> &'e Entry {
    match (entry.id, value) {
        (OptionId::Rdirplus, Some("none")) => catalog::find("nordirplus").unwrap_or(entry),
        _ => entry,
    }
}

/// Returns true if two options say the same: `tcp` and `proto=tcp`, `timeo=600` and `timeo=0x258`.
pub fn agree(one: &MountOption<'_>, other: &MountOption<'_>) -> bool {
    one.text() == other.text() || Saying::of(one).is_some_and(|says| Saying::of(other) == Some(says))
}

/// Returns true if two options set the same thing to different values, so that one of them loses.
pub fn contradict(one: &MountOption<'_>, other: &MountOption<'_>) -> bool {
    let both = one.entry().zip(other.entry());
    // `context` and `fscontext` label different things.
    let are_about_one = |id| id != OptionId::Context || one.keyword() == other.keyword();
    both.is_some_and(|(first, second)| {
        are_about_one(first.id) && are_rivals(first, second) && !agree(one, other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_value_agree() {
        for (one, other, is_same) in [
            ("tcp", "proto=tcp", true),
            ("rdma", "proto=rdma", true),
            ("tcp", "proto=tcp6", false),
            ("proto=rdma", "proto=rdma6", false),
            ("proto=udp6", "udp", false),
            ("mountproto=tcp", "mountproto=tcp6", false),
            ("lookupcache=positive", "lookupcache=pos", true),
            ("lookupcache=all", "lookupcache=none", false),
            ("rdirplus=none", "nordirplus", true),
            ("rdirplus=force", "rdirplus", false),
            ("rdirplus=none", "rdirplus", false),
            ("fatal_neterrors=ENETUNREACH:ENETDOWN", "fatal_neterrors=ENETDOWN:ENETUNREACH", true),
            ("fatal_neterrors=default", "fatal_neterrors=none", false),
            ("lock", "local_lock=none", true),
            ("nolock", "local_lock=all", false),
            ("local_lock=posix", "local_lock=flock", false),
            ("timeo=600", "timeo=0x258", true),
            ("timeo=010", "timeo=8", true),
            ("timeo=010", "timeo=10", false),
            ("rsize=0x100000", "rsize=1048576", true),
            // mount.nfs reads decimal numbers here.
            ("retry=010", "retry=8", false),
            ("retry=02", "retry=2", true),
            ("retry=1h", "retry=1", true),
            ("retry=2", "retry=3", false),
            ("v4.0", "vers=4.0", true),
            ("nfsvers=4.1", "vers=4.1", true),
            ("v3", "v4", false),
            ("exec=", "exec", true),
            ("hard=1", "hard", false),
            ("ac", "noac", false),
            ("fsc=a", "fsc", false),
            ("zz", "zz", true),
            ("zz", "zy", false),
        ] {
            let [one, other] = [one, other].map(MountOption::new);
            assert_eq!(agree(&one, &other), is_same, "{one:?} {other:?}");
            assert_eq!(agree(&other, &one), is_same, "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_flag_leaves_the_family_of_a_proto_before_it() {
        for (list, is_kept) in [
            (&["proto=tcp6", "tcp"][..], true),
            (&["proto=tcp", "proto=rdma6", "hard", "rdma"], true),
            (&["proto=tcp6", "proto=tcp", "tcp"], false),
            (&["tcp", "proto=tcp6"], false),
            (&["tcp"], false),
            (&[], false),
        ] {
            let options: Vec<_> = list.iter().map(|text| MountOption::new(*text)).collect();
            assert_eq!(keeps_ipv6(options.iter()), is_kept, "{list:?}");
        }
    }

    #[test]
    fn only_options_about_one_thing_contradict() {
        for (one, other, contradicts) in [
            ("hard", "soft", true),
            ("tcp", "proto=tcp", false),
            ("tcp", "proto=tcp6", true),
            ("v3", "v4", true),
            ("context=a", "context=b", true),
            ("context=a", "fscontext=b", false),
            ("timeo=600", "retrans=2", false),
            ("sec=sys", "sec=krb5", true),
        ] {
            let [one, other] = [one, other].map(MountOption::new);
            assert_eq!(contradict(&one, &other), contradicts, "{one:?} {other:?}");
        }
    }
}
