//! `check` and `explain -f` claim the same of a list, and nothing that is not so.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{pipe, stdout};

/// Tests of what both commands say of one list.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::claims::{name}"), test);
    vec![
        trial("a_switch_that_the_driver_takes_off_leaves_the_options", a_switch_taken_off),
        trial("an_unknown_option_beside_sloppy_fails_no_mount", ignored_beside_sloppy),
        trial("an_option_that_fails_every_mount_does_so_in_explain", every_try),
        trial("options_not_rendered_yet_may_end_a_short_timeout", not_rendered),
        trial("an_option_in_the_dress_of_a_switch_has_one_remedy", one_remedy),
        trial("a_volume_that_is_read_only_is_said_to_be", read_only),
    ]
}

const CERTAIN: &str = "every try  ";

fn class(driver: &str, parameters: &str, options: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: {driver}\n\
parameters: {{{parameters}}}\nmountOptions: [{options}]\n"
    )
}

/// A volume that the kubelet mounts.
fn in_tree(options: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  \
nfs: {{server: nfs.example.com, path: /a}}\n  mountOptions: [{options}]\n"
    )
}

fn checked(manifest: &str) -> String {
    stdout(&pipe(&["check", "--no-policy", "--format", "concise", "-"], manifest.as_bytes()))
}

fn explained(manifest: &str) -> String {
    stdout(&pipe(&["explain", "--no-policy", "-f", "-"], manifest.as_bytes()))
}

/// Measured: Trident takes `-o ` off the string (tests/driver-truth).
fn a_switch_taken_off() -> Result<(), Failed> {
    let of = |options: &str| class("csi.trident.netapp.io", "backendType: ontap-nas", options);
    for (options, effective) in [
        ("'-o bg,nfsvers=4.1'", "bg,nfsvers=4.1"),
        ("'-o hard,nfsvers=4.1', bg", "hard,nfsvers=4.1,bg"),
        ("'-o nfsvers=4.1,hard,bg'", "nfsvers=4.1,hard,bg"),
        ("'-o bg'", "bg"),
    ] {
        let (check, explain) = (checked(&of(options)), explained(&of(options)));
        assert!(explain.contains(&format!("mount -o   {effective}\n")), "{explain}");
        assert!(explain.contains("mount exits 0 at once if connections are refused"), "{explain}");
        assert!(!explain.contains("unknown") && !explain.contains(CERTAIN), "{explain}");
        assert!(check.contains("NMG001 deny") && check.contains("makes a failed mount"), "{check}");
        assert!(!check.contains("every mount fails") && !check.contains("contains whitespace"), "{check}");
    }
    // A comma still cuts a value.
    let check = checked(&of("'-o vers=4,1,hard', fg"));
    assert!(check.contains("NMG009 deny \"vers=4\" in") && check.contains("use vers=4.1"), "{check}");
    Ok(())
}

/// Measured: `sloppy,foo` exit 0.
fn ignored_beside_sloppy() -> Result<(), Failed> {
    for option in
        ["'hard intr'", "' hard'", "'- hard'", "'-o hard'", "'-obg'", "'-o bg'", "HARD", "\"ha\\x07rd\""]
    {
        let with = in_tree(&format!("sloppy, {option}, nfsvers=4.1, fg, timeo=600, retrans=2"));
        let (check, explain) = (checked(&with), explained(&with));
        assert!(!explain.contains(CERTAIN), "{option}: {explain}");
        assert!(explain.contains("unknown (ignored with sloppy)"), "{explain}");
        assert!(!check.contains("every mount fails"), "{check}");
        let without = in_tree(&format!("{option}, nfsvers=4.1, fg, timeo=600, retrans=2"));
        assert!(explained(&without).contains(CERTAIN), "{option}");
    }
    // mount.nfs and mount(8) look at these themselves.
    for option in ["'nfsvers=4.1 '", "'=hard'"] {
        let explain = explained(&in_tree(&format!("sloppy, {option}, fg, timeo=600, retrans=2")));
        assert!(explain.contains(CERTAIN), "{option}: {explain}");
    }
    Ok(())
}

fn every_try() -> Result<(), Failed> {
    let options = "hard, fg, timeo=600, retrans=2, nfsvers=4.1";
    let snapshots = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: a}\n\
driver: nfs.csi.k8s.io\ndeletionPolicy: Delete\nparameters: {mountOptions: '-o bg,hard'}\n";
    let server = "server: nfs.example.com, share: /a";
    let refused = |option: &str| in_tree(&format!("'{option}', {options}"));
    for manifest in [
        refused("-o bg"),
        refused("-o bg=1"),
        refused("--options bg"),
        refused("-obg"),
        refused("-o hard"),
        class("nfs.csi.k8s.io", server, &format!("'-o bg', {options}")),
        snapshots.to_owned(),
        class("csi.huawei.com", "protocol: nfs", "hard, fg, 'nfsvers:4.1', timeo=600, retrans=2"),
        class("csi.huawei.com", "protocol: nfs", "hard, fg, nfsvers=4.1, 'timeo:600', retrans=2"),
        class("nas.csi.cds.net", server, "hard, fg, 'nfsvers:4.1', timeo=600, retrans=2"),
    ] {
        let (check, explain) = (checked(&manifest), explained(&manifest));
        assert!(check.contains(" deny "), "{check}");
        assert!(explain.contains("unknown (the mount fails)"), "{explain}");
        assert!(explain.contains("every try  the mount fails (exit 32): "), "{explain}");
        assert!(!explain.contains("dead server"), "{explain}");
        let json = pipe(&["explain", "--no-policy", "-f", "-", "--format", "json"], manifest.as_bytes());
        let json: Value = serde_json::from_slice(&json.stdout)?;
        assert_eq!(
            (&json[0]["refusedBy"], json[0]["refused"].is_string()),
            (&"mount".into(), true),
            "{json}"
        );
    }
    // At a place that is not read it fails no mount.
    let idle = checked(&class("nfs.csi.k8s.io", &format!("{server}, mountOptions: '-o bg'"), options));
    assert!(!idle.contains("every mount fails"), "{idle}");
    Ok(())
}

/// The placeholder may be another timeout, or `hard`.
fn not_rendered() -> Result<(), Failed> {
    let says_early = |options: &str| checked(&in_tree(options)).contains("NMG006");
    for options in [
        "soft, timeo=50, '${X}', fg",
        "soft, retrans=0, '{{ .Values.options }}'",
        "'soft,${X},timeo=50'",
        "soft, 'timeo=${T}', fg",
    ] {
        assert!(!says_early(options), "{options}");
    }
    for options in ["soft, timeo=50, fg", "soft, timeo=50, 'nfsvers=${V}'"] {
        assert!(says_early(options), "{options}");
    }
    Ok(())
}

fn one_remedy() -> Result<(), Failed> {
    for (option, remedy) in [
        ("-o=hard", "use hard"),
        ("-o=nfsvers=4.1", "use nfsvers=4.1"),
        ("-o=bg", "use fg"),
        ("--options=ac", "use ac"),
    ] {
        let check = checked(&in_tree(&format!("'{option}', udp")));
        assert!(check.contains(&format!("is not how an option is written; {remedy} (")), "{check}");
    }
    Ok(())
}

fn read_only() -> Result<(), Failed> {
    let volume = |driver: &str, modes: &str, options: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  accessModes: [{modes}]\n  \
mountOptions: [{options}]\n  csi: {{driver: {driver}, volumeHandle: a, volumeAttributes: {{protocol: nfs}}}}\n"
        )
    };
    let open = "the kubelet adds ro if the claim is read-only, which the volume does not show";
    let by_mode =
        "every mount is read-only: the driver adds ro because the first access mode is ReadOnlyMany";
    for (driver, modes, options, said) in [
        ("file.csi.azure.com", "ReadOnlyMany, ReadWriteMany", "soft", by_mode),
        ("file.csi.azure.com", "ReadWriteMany, ReadOnlyMany", "soft", open),
        ("nfs.csi.ceph.com", "ReadOnlyMany", "soft, ro", "every mount is read-only: mountOptions has ro"),
        ("nfs.csi.ceph.com", "ReadOnlyMany", "soft, ro, rw", open),
        ("nfs.csi.ceph.com", "ReadOnlyMany", "soft", open),
        ("nfs.csi.ceph.com", "ReadOnlyMany", "ro, '${X}'", open),
    ] {
        let explain = explained(&volume(driver, modes, options));
        assert!(explain.contains(&format!("  read-only  {said}\n")), "{driver} {modes} {options}: {explain}");
    }
    Ok(())
}
