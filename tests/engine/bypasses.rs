//! Objects with a mount in the background, or with another server, that their driver reads otherwise than
//! they look; and working lists that look like them.

#![allow(clippy::needless_pass_by_value, reason = "objects are written where they are asked about")]

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use serde_json::{Value, json};

use crate::fixture::{TODAY, judge};

/// Returns the rules that `/validate` denies `object` for, as an update where there is an `old` one.
fn denied(object: &Value, old: Option<&Value>) -> Vec<String> {
    let kind = object["kind"].as_str().expect("a kind");
    let group = if kind == "StorageClass" { "storage.k8s.io" } else { "" };
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "kind": {"group": group, "version": "v1", "kind": kind},
            "userInfo": {"username": "jane"}, "object": object, "oldObject": old,
        },
    })
    .to_string();
    let policy = Policy::default();
    let question =
        Question { endpoint: Endpoint::Validate, body: body.as_bytes(), policy: &policy, today: TODAY };
    let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body).expect("JSON");
    let causes = &answer["response"]["status"]["details"]["causes"];
    let causes = causes.as_array().cloned().unwrap_or_default();
    causes.iter().map(|cause| cause["message"].as_str().expect("text").chars().take(6).collect()).collect()
}

fn volume(source: Value, options: &[&str]) -> Value {
    let mut object =
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": source});
    object["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    object["spec"]["mountOptions"] = json!(options);
    object
}

fn csi(driver: &str, handle: &str, attributes: Value, options: &[&str]) -> Value {
    let source = json!({"driver": driver, "volumeHandle": handle, "volumeAttributes": attributes});
    volume(json!({"csi": source}), options)
}

fn class(driver: &str, parameters: Value) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": driver, "parameters": parameters, "mountOptions": ["bg"]})
}

const GOOD: &[&str] = &["fg", "timeo=600", "retrans=2"];

#[test]
fn what_the_driver_does_not_read_does_not_say_that_it_is_no_nfs() {
    let of_volume = |driver: &str, attributes: Value| csi(driver, "h", attributes, &["bg"]);
    let mut lustre = of_volume("org.democratic-csi.x", json!({"node_attach_driver": "lustre"}));
    lustre["spec"]["csi"]["fsType"] = json!("nfs");
    for object in [
        lustre,
        class("org.democratic-csi.x", json!({"node_attach_driver": "iscsi"})),
        of_volume("org.democratic-csi.x", json!({"NODE_ATTACH_DRIVER": "iscsi"})),
        of_volume("org.democratic-csi.x", json!({"node_attach_driver": "smb"})),
        of_volume("csi.truenas.io", json!({"protocol": "iscsi"})),
        of_volume("csi.truenas.io", json!({"PROTOCOL": "smb"})),
        class("csi.truenas.io", json!({"PROTOCOL": "iscsi"})),
        of_volume("tns.csi.io", json!({"Protocol": "iscsi"})),
        of_volume("tns.csi.io", json!({"protocol": ""})),
        of_volume("nexentastor-csi-driver.nexenta.com", json!({"MountFsType": "cifs"})),
        of_volume("nexentastor-csi-driver.nexenta.com", json!({"mountFsType": "CIFS"})),
        of_volume("pxd.portworx.com", json!({"backend": "pure_block"})),
        of_volume("csi.nutanix.com", json!({"storageType": "NutanixVolumes"})),
        of_volume("pure-csi", json!({"backend": "block"})),
        of_volume("csi-unity.dellemc.com", json!({"PROTOCOL": "FC"})),
        of_volume("csi.hpe.com", json!({"ACCESSPROTOCOL": "iscsi"})),
        of_volume("infinibox-csi-driver", json!({"Storage_Protocol": "fc"})),
        class("csi.trident.netapp.io", json!({"NASTYPE": "smb"})),
        class("csi.huawei.com", json!({"VolumeType": "lun"})),
        volume(json!({"vsphereVolume": {"volumePath": "file:7c9b", "fsType": "nfs4"}}), &["bg"]),
        class("kubernetes.io/azure-file", json!({"protocol": "nfs"})),
    ] {
        assert!(denied(&object, None).contains(&"NMG001".to_owned()), "{object}");
    }
    // The list counts there, and no annotation (csi-translation-lib).
    let mut hidden = volume(json!({"vsphereVolume": {"volumePath": "file:7c9b"}}), &["hard"]);
    hidden["metadata"]["annotations"] =
        json!({"volume.beta.kubernetes.io/mount-options": "fg,timeo=600,retrans=2"});
    assert!(denied(&hidden, None).contains(&"NMG002".to_owned()), "{hidden}");
}

#[test]
fn what_the_driver_reads_says_that_it_is_no_nfs() {
    let of_volume = |driver: &str, attributes: Value| csi(driver, "h", attributes, &["bg"]);
    let mut disk = volume(json!({"vsphereVolume": {"volumePath": "[ds] a.vmdk"}}), &["bg"]);
    disk["spec"]["accessModes"] = json!(["ReadWriteOnce"]);
    for object in [
        of_volume("org.democratic-csi.x", json!({"node_attach_driver": "iscsi"})),
        class("csi.truenas.io", json!({"protocol": "iscsi"})),
        of_volume("tns.csi.io", json!({"protocol": "iscsi"})),
        of_volume("nexentastor-csi-driver.nexenta.com", json!({"mountFsType": "cifs"})),
        class("pxd.portworx.com", json!({"backend": "pure_block"})),
        class("csi.nutanix.com", json!({"storageType": "NutanixVolumes"})),
        of_volume("csi-unity.dellemc.com", json!({"protocol": "FC"})),
        of_volume("csi.hpe.com", json!({"accessProtocol": "iscsi"})),
        of_volume("infinibox-csi-driver", json!({"storage_protocol": "fc"})),
        class("csi.trident.netapp.io", json!({"nasType": "smb"})),
        disk,
        volume(json!({"azureFile": {"secretName": "a", "shareName": "b"}}), &["dir_mode=0777"]),
        class("kubernetes.io/azure-file", json!({"skuName": "Standard_LRS"})),
    ] {
        assert_eq!(denied(&object, None), Vec::<String>::new(), "{object}");
    }
    // A block volume of a driver that is not asked gets no fg that its file system would refuse.
    let iscsi = csi("csi.truenas.io", "h", json!({"protocol": "iscsi"}), &["noatime"]);
    assert_eq!(denied(&iscsi, None), Vec::<String>::new(), "{iscsi}");
}

#[test]
fn bg_in_another_text_of_the_mount_command_is_denied() {
    let point = "fs-0123456789abcdef0::fsap-0123456789abcdef0";
    let script =
        |options: Value| volume(json!({"flexVolume": {"driver": "alicloud/nas", "options": options}}), &[]);
    for object in [
        csi("efs.csi.aws.com", &format!("{point},fg,bg"), json!({}), &["fg"]),
        csi("efs.csi.aws.com", &format!("s3files:{point},bg"), json!({}), &["fg"]),
        csi("nas.csi.cds.net", "vol -o bg", json!({"server": "1.1.1.1", "path": "/x"}), GOOD),
        csi("nas.csi.cds.net", " -o bg", json!({"server": "1.1.1.1", "path": "/x"}), GOOD),
        csi("nas.csi.cds.net", "v", json!({"server": "1.1.1.1:/x /mnt -o bg #", "path": "/x"}), GOOD),
        csi("nas.csi.cds.net", "v", json!({"server": "1.1.1.1", "path": "/x -o bg"}), GOOD),
        csi("csi.huawei.com", "backend.vol /mnt -o bg #", json!({}), GOOD),
        script(json!({"server": "1.1.1.1", "path": "/x -o bg", "vers": "3", "options": "fg"})),
        script(json!({"server": "1.1.1.1:/x /mnt -obg #", "path": "/x", "vers": "3", "options": "fg"})),
    ] {
        assert!(denied(&object, None).contains(&"NMG001".to_owned()), "{object}");
    }
    // Other marks of a shell may make anything, also where the volume may be no NFS.
    for object in [
        csi("csi.huawei.com", "backend.vol${IFS}-o${IFS}b''g", json!({}), GOOD),
        csi("csi.huawei.com", "backend.vol;mount", json!({}), GOOD),
        csi("nas.csi.cds.net", "vol", json!({"server": "1.1.1.1", "path": "/x$(mount)"}), GOOD),
    ] {
        assert!(denied(&object, None).contains(&"NMG001".to_owned()), "{object}");
    }
    for object in [
        csi("nas.csi.cds.net", "vol${IFS}-o${IFS}b''g", json!({"server": "1.1.1.1", "path": "/x"}), GOOD),
        csi("nas.csi.cds.net", "v", json!({"server": "1.1.1.1", "path": "/x", "mode": "755;mount"}), GOOD),
        csi("efs.csi.aws.com", &format!("{point},soft"), json!({}), &["fg"]),
        script(json!({"server": "1.1.1.1", "path": "/x", "mode": "755 /;mount"})),
    ] {
        assert!(denied(&object, None).contains(&"NMG012".to_owned()), "{object}");
    }
    for object in [
        csi("efs.csi.aws.com", point, json!({}), &["fg"]),
        csi("efs.csi.aws.com", "fs-0123456789abcdef0:/a,bg", json!({}), &["fg"]),
        csi(
            "nas.csi.cds.net",
            "bg",
            json!({"server": "1.1.1.1", "path": "/x,bg"}),
            &["vers=3", "fg", "timeo=600", "retrans=2"],
        ),
        csi("csi.huawei.com", "backend.bg", json!({}), GOOD),
    ] {
        let denied = denied(&object, None);
        assert!(!denied.iter().any(|code| ["NMG012"].contains(&code.as_str())), "{denied:?} {object}");
    }
}

/// A shell takes the quotes of a label away, and mount.nfs gets `context=a,soft`.
#[test]
fn an_option_in_the_quotes_that_a_shell_removes_is_denied() {
    let with = |driver: &str, element: &str| {
        let attributes = json!({"server": "1.1.1.1", "path": "/x"});
        denied(
            &csi(driver, "backend.vol", attributes, &[element, "vers=3", "fg", "timeo=600", "retrans=2"]),
            None,
        )
    };
    for element in [r#"context="a,soft""#, r#"context="a,mounthost=b""#, r#"fscontext="s0:c12,c34""#] {
        for driver in ["csi.huawei.com", "nas.csi.cds.net"] {
            let denied = with(driver, element);
            assert!(denied.contains(&"NMG009".to_owned()), "{driver} {element}: {denied:?}");
        }
        assert_eq!(with("nfs.csi.k8s.io", element), Vec::<String>::new(), "no shell: {element}");
    }
    for driver in ["csi.huawei.com", "nas.csi.cds.net"] {
        assert_eq!(with(driver, r#"context="a""#), Vec::<String>::new(), "{driver}");
    }
}

#[test]
fn an_element_that_the_driver_drops_holds_no_fg() {
    let efs = |options: &[&str]| csi("efs.csi.aws.com", "fs-0123456789abcdef0", json!({}), options);
    for element in ["awscredsuri=x,fg", "AwsCredsUri,fg"] {
        assert!(denied(&efs(&[element]), None).contains(&"NMG002".to_owned()), "{element}");
    }
    assert_eq!(denied(&efs(&["awscredsuri=x", "fg"]), None), Vec::<String>::new());
}

#[test]
fn an_address_of_a_mount_target_without_tls_is_a_redirection() {
    let efs = |encrypted: &str| {
        let attributes = json!({"encryptInTransit": encrypted});
        csi("efs.csi.aws.com", "fs-0123456789abcdef0", attributes, &["mounttargetip=10.6.6.6", "fg"])
    };
    assert_eq!(denied(&efs("false"), None), ["NMG019"]);
    assert_eq!(denied(&efs("true"), None), Vec::<String>::new());
}

#[test]
fn another_spelling_of_the_server_is_no_redirection() {
    let nfs = |server: &str, option: &str| {
        let options = [GOOD, &[option]].concat();
        volume(json!({"nfs": {"server": server, "path": "/x"}}), &options)
    };
    for (server, option) in [
        ("[fd00::1]", "addr=fd00::1"),
        ("fd00::1", "addr=fd00:0::1"),
        ("[fd00::1]", "mountaddr=fd00::1"),
        ("NAS.example.com", "mounthost=nas.example.com"),
    ] {
        let denied = denied(&nfs(server, option), None);
        assert!(!denied.contains(&"NMG019".to_owned()), "{server} {option}: {denied:?}");
    }
    for (server, option) in [("[fd00::1]", "addr=fd00::2"), ("10.0.0.9", "mounthost=10.0.0.8")] {
        assert!(denied(&nfs(server, option), None).contains(&"NMG019".to_owned()), "{server} {option}");
    }
}

#[test]
fn an_update_to_another_effect_of_the_same_word_is_denied() {
    let nfs = |options: &[&str]| volume(json!({"nfs": {"server": "10.0.0.9", "path": "/x"}}), options);
    let with = |option: &str| nfs(&[GOOD, &[option]].concat());
    for (old, new) in [
        ("mounthost=10.6.6.6", "mounthost=10.6.6.7"),
        ("X-mount.subdir=a", "X-mount.subdir=b"),
        ("addr=10.6.6.6", "addr=10.6.6.7"),
    ] {
        assert!(denied(&with(new), Some(&with(old))).contains(&"NMG019".to_owned()), "{old} {new}");
        assert_eq!(denied(&with(old), Some(&with(old))), Vec::<String>::new(), "{old}");
    }
    let (last, first) =
        (nfs(&["fg", "timeo=600", "retrans=2", r"a\"]), nfs(&[r"a\", "fg", "timeo=600", "retrans=2"]));
    assert!(denied(&first, Some(&last)).contains(&"NMG009".to_owned()));
    assert_eq!(denied(&last, Some(&last)), Vec::<String>::new());
}

#[test]
fn a_default_that_the_driver_adds_beside_a_joined_element_mounts() {
    for (driver, attributes, element) in [
        ("file.csi.azure.com", json!({"protocol": "nfs"}), "hard,actimeo=60"),
        ("nexentastor-csi-driver.nexenta.com", json!({}), "noatime,timeo=600"),
        ("infinibox-csi-driver", json!({"storage_protocol": "nfs"}), "soft,timeo=600"),
    ] {
        let object = csi(driver, "h", attributes, &[element, "fg", "timeo=600", "retrans=2"]);
        let denied = denied(&object, None);
        assert!(!denied.contains(&"NMG008".to_owned()), "{denied:?} {object}");
    }
}

/// No spelling of its categories reaches the mount: quotes are removed, and the comma ends it without them.
#[test]
fn a_label_with_categories_gets_no_quotes_that_a_shell_removes() {
    use nfs_mount_guard::engine::fix::{Scope, fix_all};
    let list = &["vers=3", "context=u:object_r:t:s0:c12,c34", "fg", "hard", "timeo=600", "retrans=2"];
    let object = csi("nas.csi.cds.net", "v", json!({"server": "1.1.1.1", "path": "/x"}), list);
    judge(&object.to_string(), &Policy::default(), |subject, evaluation| {
        let found = evaluation.findings.iter().find(|judged| judged.finding.code.0 == 9).expect("NMG009");
        let remedy = found.finding.message.remedy.as_deref().unwrap_or_default();
        assert!(remedy.contains("drop the categories") && found.finding.fix.is_none(), "{found:?}");
        assert_eq!(fix_all(&Policy::default(), subject, TODAY, Scope::FILE_UNSAFE)[0], *list);
    });
}

#[test]
fn the_rest_of_a_label_beside_sloppy_is_a_warning() {
    let list = &["nfsvers=4.1", "context=u:object_r:t:s0:c1", "c2", "fg", "timeo=600", "retrans=2"];
    let codes = |list: &[&str]| denied(&volume(json!({"nfs": {"server": "a", "path": "/a"}}), list), None);
    assert!(codes(list).contains(&"NMG011".to_owned()));
    assert!(!codes(&[&["sloppy"], &list[..]].concat()).contains(&"NMG011".to_owned()));
}

#[test]
fn a_word_of_smb_or_of_the_server_is_named_as_such() {
    for (option, program) in [
        ("nosharesock", "mount.cifs(8)"),
        ("multiuser", "mount.cifs(8)"),
        ("max_channels=4", "mount.cifs(8)"),
        ("File_Mode=0777", "mount.cifs(8)"),
        ("no_pnfs", "exports(5)"),
        ("ROOT_SQUASH", "exports(5)"),
        ("no-root-squash", "exports(5)"),
        ("anon_uid=1", "exports(5)"),
    ] {
        let object = volume(json!({"nfs": {"server": "a", "path": "/a"}}), &["fg", option]);
        judge(&object.to_string(), &Policy::default(), |_, evaluation| {
            let unknown = evaluation.findings.iter().find(|judged| judged.finding.code.0 == 11);
            let remedy = unknown.and_then(|judged| judged.finding.message.remedy.as_deref());
            assert!(remedy.is_some_and(|text| text.contains(program)), "{option}: {remedy:?}");
        });
    }
}

#[test]
fn a_word_of_x_mount_that_changes_no_mount_is_admitted() {
    for option in ["X-mount.noloop", "X-mount.nocanonicalize", "X-mount.auto-fstypes=nfs", "X-mount.mkdir"] {
        let object = volume(json!({"nfs": {"server": "a", "path": "/a"}}), &[&[option], GOOD].concat());
        assert_eq!(denied(&object, None), Vec::<String>::new(), "{option}");
    }
    let object =
        volume(json!({"nfs": {"server": "a", "path": "/a"}}), &[&["X-mount.subdir=b"], GOOD].concat());
    assert_eq!(denied(&object, None), ["NMG019"]);
}
