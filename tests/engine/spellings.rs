//! Two options that say the same are no conflict, and two that differ are one, for the rule as for `explain`.

use nfs_mount_guard::engine::Evaluation;
use nfs_mount_guard::finding::Severity;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::explanation::Explanation;
use nfs_mount_guard::subject::Subject;
use serde_json::{Value, json};

use crate::fixture::judge;

fn objects(options: &[&str]) -> [Value; 2] {
    let options = [options, &["fg", "hard", "retrans=2"]].concat();
    [
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
            "spec": {
                "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}, "mountOptions": options,
                "nfs": {"server": "s", "path": "/e"},
            },
        }),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
        }),
    ]
}

fn of<T>(object: &Value, look: impl FnOnce(&Subject<'_>, &Evaluation) -> T) -> T {
    judge(&object.to_string(), &Policy::default(), look)
}

const SAME: [[&str; 2]; 12] = [
    ["lookupcache=positive", "lookupcache=pos"],
    ["rdirplus=none", "nordirplus"],
    ["fatal_neterrors=ENETUNREACH:ENETDOWN", "fatal_neterrors=ENETDOWN:ENETUNREACH"],
    ["lock", "local_lock=none"],
    ["timeo=600", "timeo=0x258"],
    ["rsize=1048576", "rsize=0x100000"],
    ["acregmin=8", "acregmin=010"],
    ["tcp", "proto=tcp"],
    ["rdma", "proto=rdma"],
    ["exec=", "exec"],
    ["noexec", "noexec="],
    ["ac", "ac"],
];

const DIFFERENT: [[&str; 2]; 12] = [
    ["lookupcache=none", "lookupcache=pos"],
    ["rdirplus=force", "nordirplus"],
    ["rdirplus=force", "rdirplus"],
    ["fatal_neterrors=none", "fatal_neterrors=default"],
    ["timeo=600", "timeo=0600"],
    ["rsize=1048576", "rsize=65536"],
    ["tcp", "proto=tcp6"],
    ["proto=tcp", "proto=tcp6"],
    ["rdma", "proto=rdma6"],
    ["tcp", "proto=rdma"],
    ["exec", "noexec="],
    ["mountproto=tcp", "mountproto=tcp6"],
];

#[test]
fn the_rule_and_explain_agree_on_what_conflicts() {
    let pairs = SAME.map(|pair| (pair, false)).into_iter().chain(DIFFERENT.map(|pair| (pair, true)));
    for ([one, other], is_conflict) in pairs {
        for object in [[one, other], [other, one]].iter().flat_map(|options| objects(options)) {
            of(&object, |subject, evaluation| {
                let found = evaluation
                    .findings
                    .iter()
                    .filter(|judged| judged.rule.name == "ambiguous-options")
                    .count();
                let conflicts = Explanation::of(subject, "", 0, None).conflicts;
                let expected = usize::from(is_conflict);
                assert_eq!((found, conflicts.len()), (expected, expected), "{one} {other}: {conflicts:?}");
            });
        }
    }
}

#[test]
fn an_option_means_what_its_value_says() {
    for (option, meaning) in [
        ("rdirplus=none", "READDIRPLUS is not used"),
        ("nordirplus", "READDIRPLUS is not used"),
        ("rdirplus=force", "READDIRPLUS is used"),
        ("rdirplus", "READDIRPLUS is used"),
    ] {
        for object in objects(&[option]) {
            of(&object, |subject, _| {
                let options = Explanation::of(subject, "", 0, None).options;
                let used = options.iter().find(|used| used.option == option).expect("the option");
                assert_eq!(used.meaning, meaning, "{option}");
            });
        }
    }
}

/// The kernel keeps the family of a `proto=` before a `tcp`: both count.
#[test]
fn a_family_that_stays_is_named_and_not_dropped() {
    for (options, stays) in
        [(["proto=tcp6", "tcp"], true), (["proto=rdma6", "rdma"], true), (["proto=rdma", "tcp"], false)]
    {
        for object in objects(&options) {
            of(&object, |subject, evaluation| {
                let mut found =
                    evaluation.findings.iter().filter(|judged| judged.rule.name == "ambiguous-options");
                let finding = &found.next().expect("a conflict").finding;
                let is_named =
                    finding.message.remedy.as_deref().is_some_and(|remedy| remedy.contains("IPv6"));
                assert_eq!((is_named, finding.fix.is_none()), (stays, stays), "{options:?}");
                let conflicts = Explanation::of(subject, "", 0, None).conflicts;
                let about = conflicts.first().and_then(|conflict| conflict.about.as_deref());
                assert_eq!(
                    about.is_some_and(|about| about.contains("IPv6")),
                    stays,
                    "{options:?}: {about:?}"
                );
            });
        }
    }
}

/// Before 6.5 no kernel knows `xprtsec`, and since then it is for TCP.
#[test]
fn security_of_another_transport_than_tcp_is_refused_by_every_kernel() {
    for (options, is_refused) in [
        (&["xprtsec=tls", "rdma"][..], true),
        (&["proto=rdma", "xprtsec=mtls"], true),
        (&["proto=rdma6", "xprtsec=mtls"], true),
        (&["xprtsec=tls", "nfsvers=3", "udp"], true),
        (&["proto=udp", "xprtsec=tls"], true),
        (&["proto=tcp", "xprtsec=tls"], false),
        (&["proto=tcp6", "xprtsec=tls"], false),
        (&["xprtsec=none", "rdma"], false),
        (&["xprtsec=tls"], false),
        // The last ones count, sorted or not.
        (&["proto=rdma", "tcp", "xprtsec=tls"], false),
        (&["rdma", "xprtsec=mtls", "xprtsec=none"], false),
    ] {
        for object in objects(options) {
            of(&object, |subject, evaluation| {
                let mut found =
                    evaluation.findings.iter().filter(|judged| judged.rule.name == "refused-value");
                let is_it = found.any(|judged| {
                    judged.finding.severity == Severity::CannotMount
                        && judged.finding.message.what.contains("requires TCP, but ")
                });
                let explained = Explanation::of(subject, "", 0, None);
                assert_eq!(is_it, is_refused, "{options:?}: {:?}", evaluation.findings);
                let is_said = explained.refused.is_some() && explained.refused_by == Some("mount");
                assert!(!is_refused || is_said, "{options:?}: {:?}", explained.refused);
            });
        }
    }
    // Older kernels overlook the word.
    for object in objects(&["sloppy", "xprtsec=tls", "rdma"]) {
        of(&object, |_, evaluation| {
            let told = evaluation
                .findings
                .iter()
                .filter(|judged| judged.finding.message.what.contains("requires TCP"));
            assert_eq!(told.map(|judged| judged.finding.severity).collect::<Vec<_>>(), [Severity::Lesser]);
        });
    }
}
