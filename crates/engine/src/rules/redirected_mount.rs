//! NMG019: something else is mounted than the object says.

use std::net::IpAddr;

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Sentence, Severity};
use crate::nfs::catalog::{OptionId, OptionSet};

pub(super) static RULE: Rule = Rule {
    code: Code(19),
    name: "redirected-mount",
    title: "Mount redirected elsewhere",
    summary: "an option that mounts another export, address or directory, or nothing",
    why: "`mounthost=` and `mountaddr=` let another host respond for the export, `addr=` pretends to. \
`X-mount.subdir=` mounts a directory below it, and `X-mount.owner=` and its like change the export's root. \
`helper=` chooses the program that unmounts. `bind`, `move`, `remount` and the propagation words do not mount \
the export at all. A reviewer of the object sees `server` and `path`, which do not apply. So it is denied on a \
provisioner's volume, too.",
    remedy: "Drop it, and name the server and the path in the object.",
    actions: Actions::all(Action::Deny),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, timeo=600, retrans=2, mounthost=other.example.com]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=3, hard, fg, timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), mounthost",
        "mount(8), X-mount.subdir, helper and bind",
        "MakeBindOptsSensitive: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/mount-utils/mount.go",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

/// Options by which something else is mounted than the object names.
pub(super) const WORDS: OptionSet = OptionSet::of(&[
    OptionId::Mounthost,
    OptionId::Mountaddr,
    OptionId::Addr,
    OptionId::XMount,
    OptionId::Helper,
    OptionId::Propagation,
    OptionId::Bind,
    OptionId::Remount,
]);

fn check(check: &mut RuleContext<'_, '_>) {
    check_word_of_driver(check);
    if !check.speaks_of(WORDS) {
        return;
    }
    for token in check.options() {
        let Some(entry) = token.entry() else {
            continue;
        };
        let is_the_server = token
            .option
            .value()
            .zip(check.subject.server)
            .is_some_and(|(value, server)| is_same_host(value, server));
        let (what, severity) = match entry.id {
            // A line of /proc/mounts repeats the server's own address.
            OptionId::Mounthost | OptionId::Mountaddr | OptionId::Addr if is_the_server => continue,
            // The MOUNT service gives out the file handle of the root: another host can give any.
            OptionId::Mounthost | OptionId::Mountaddr => {
                ("lets another host answer for the export", Severity::Grave)
            }
            // mount.nfs removes it (`nfs_validate_options`; measured: `addr=1.2.3.4` mounts the server);
            // other mount helpers and the kernel take it for the server's address.
            OptionId::Addr => (
                "sets the server's address: mount.nfs replaces it, other helpers may follow it",
                Severity::Grave,
            ),
            OptionId::XMount => ("mounts or changes something else than the export's root", Severity::Grave),
            // uhelper= names the program /sbin/umount.NAME (mount(8)).
            OptionId::Helper => ("chooses the program that unmounts the volume", Severity::Grave),
            // With a value, mount(8) takes it and does nothing.
            OptionId::Propagation if token.option.value().is_some_and(|value| !value.is_empty()) => continue,
            OptionId::Propagation => ("changes which mounts other namespaces see", Severity::Grave),
            // The kubelet takes it for a bind mount of its own as well:
            // https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/mount-utils/mount.go#L306
            OptionId::Bind => ("mounts a directory on the node, not the export", Severity::CannotMount),
            // mount(8) then calls no helper, and reports that nothing is mounted there.
            OptionId::Remount => ("changes a mount that is not there yet", Severity::CannotMount),
            _ => continue,
        };
        let message = check.about(token, what);
        // The server and the path are those of the object already.
        let is_action =
            matches!(entry.id, OptionId::Bind | OptionId::Remount | OptionId::Propagation | OptionId::Helper);
        let message = if is_action { Sentence::with_remedy(message, "drop it") } else { message.into() };
        check.report(token, severity, message, None);
    }
}

/// Reports a word by which the driver or its mount helper mounts another server.
fn check_word_of_driver(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    let Some((word, when)) = subject.driver.redirects else { return };
    if !subject.shows_already(&when) {
        return;
    }
    let tokens = subject.options.tokens().iter();
    for token in tokens.filter(|token| token.in_force && !token.is_unrendered) {
        if token.option.keyword() == word {
            let message = check.about(token, "mounts the server with this address, whatever it is");
            check.report(token, Severity::Grave, message, None);
        }
    }
}

/// Returns true if two texts name one host: an address in whatever notation, a name in whatever case.
fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(str::to_owned);
    let address = |text: &str| bare(text).as_deref().unwrap_or(text).parse::<IpAddr>().ok();
    match (address(one), address(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same_host;

    #[test]
    fn one_host_has_several_spellings() {
        for (one, other, is_same) in [
            ("fd00::1", "[fd00::1]", true),
            ("FD00:0::1", "[fd00::1]", true),
            ("10.0.0.9", "10.0.0.9", true),
            ("nas.example.com", "NAS.example.com", true),
            ("fd00::2", "[fd00::1]", false),
            ("10.0.0.9", "10.0.0.8", false),
            ("10.0.0.9", "nas.example.com", false),
            ("[nas]", "nas", false),
        ] {
            assert_eq!(is_same_host(one, other), is_same, "{one} {other}");
        }
    }
}
