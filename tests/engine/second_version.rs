//! No remedy requests a second version: mount.nfs takes one.

use nfs_mount_guard::engine::fix::{Scope, fix_all};
use nfs_mount_guard::policy::Policy;
use serde_json::json;

use crate::fixture::{TODAY, judge};

/// The remedies for a class with these options, by the option that they are for.
fn remedies(options: &[&str]) -> Vec<(String, String)> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
    });
    judge(&class.to_string(), &Policy::default(), |_, evaluation| {
        let findings = evaluation.findings.iter().map(|judged| &judged.finding);
        let of_option = findings.filter(|finding| finding.site.is_some());
        let remedy = |finding: &nfs_mount_guard::finding::Finding| {
            Some((finding.message.what.to_string(), finding.message.remedy.as_deref()?.to_owned()))
        };
        of_option.filter_map(remedy).collect()
    })
}

#[test]
fn a_remedy_leaves_one_version() {
    let rest = ["fg", "timeo=600", "retrans=2"];
    for (written, wanted) in [
        (&["nfsvers 4.1", "vers=4.1"][..], "remove it: vers=4.1 is there already"),
        (
            &["nfsvers 4.1", "vers=3"],
            "keep one of nfsvers=4.1 and vers=3: only one version option is allowed",
        ),
        (&["nfsvers: 4.1", "v3"], "keep one of nfsvers=4.1 and v3: only one version option is allowed"),
        (&["nfsvers 4.1", "vers: 4.1"], "write nfsvers=4.1 once: only one version option is allowed"),
        (
            &["hard nfsvers=4.1", "vers=3"],
            "use hard; keep one of nfsvers=4.1 and vers=3: only one version option is allowed",
        ),
        (&["vers=4.1 ", "vers=4.1"], "remove it: vers=4.1 is there already"),
        (&["vers=v4.1", "vers=3"], "keep one of vers=4.1 and vers=3: only one version option is allowed"),
        (&["vers=5", "vers=3"], "remove it: vers=3 is there already"),
        (&["nfsver=4.1", "vers=4.1"], "remove it: vers=4.1 is there already"),
        (&["nfs4", "vers=3"], "keep one of nfsvers=4 and vers=3: only one version option is allowed"),
    ] {
        let options = [written, &rest].concat();
        let found = remedies(&options);
        assert_eq!(found.first().map(|(_, remedy)| remedy.as_str()), Some(wanted), "{options:?}: {found:?}");
        assert!(found.iter().all(|(_, remedy)| !remedy.starts_with("use nfsvers=")), "{found:?}");
    }
    // Alone, it is what to write; seconds in their unit are certain.
    for (written, wanted) in
        [("timeout=60s", "use timeo=600"), ("nfsvers 4.1", "use nfsvers=4.1"), ("vers=v4.1", "use vers=4.1")]
    {
        let found = remedies(&[&[written], &rest[..]].concat());
        assert_eq!(found.first().map(|(_, remedy)| remedy.as_str()), Some(wanted), "{written}: {found:?}");
    }
}

#[test]
fn a_fix_does_not_write_two_versions() {
    for (written, wanted) in [
        (["nfsvers=NFSv4", "vers=v3"], &["nfsvers=NFSv4", "vers=v3"][..]),
        (["nfsvers=v4.1", "vers=3"], &["nfsvers=v4.1", "vers=3"]),
        (["nfsvers=NFSv4", "vers=v4"], &["nfsvers=4"]),
        (["version=4.1", "nfsversion=4.2"], &[]),
        (["vers = 4.2", "v41"], &[]),
        (["4.2", "4.1"], &[]),
        (["nfsvesr=4.2", "nfsvers=3"], &["nfsvers=3"]),
        (["Vers=4.2", "vers=3"], &["vers=3"]),
        (["Vers=4.2", "vesr=3"], &[]),
        (["nfsvesr=3", "V4.1"], &[]),
        (["Vers=4.2", "nfsvesr=4.2"], &["vers=4.2"]),
    ] {
        let options = [&written[..], &["fg", "timeo=600", "retrans=2"]].concat();
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
        });
        let policy = Policy::default();
        let fixed = judge(&class.to_string(), &policy, |subject, _| {
            fix_all(&policy, subject, TODAY, Scope::FILE).concat().join(",")
        });
        let is_version = |option: &&str| ["vers=", "nfsvers="].iter().any(|word| option.starts_with(word));
        let versions: Vec<&str> = fixed.split(',').filter(is_version).collect();
        assert_eq!(versions, wanted, "{fixed}");
    }
}

#[test]
fn of_a_version_that_does_not_exist_one_finding_speaks() {
    for options in [["nfsvers=4.1", "vers=3.1.1"], ["vers=3.0", "nfsvers=4.1"], ["vers=3.1.1", "nfsvers=4.1"]]
    {
        let options: Vec<&str> =
            options.into_iter().chain(["hard", "fg", "timeo=600", "retrans=2"]).collect();
        let found = remedies(&options);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.contains("there is no such NFS version"), "{found:?}");
    }
}
