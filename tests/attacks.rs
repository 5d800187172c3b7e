//! Ways past the guard that were found once, and others of their kinds: what
//! must be refused, by the program as it is built and by the webhook.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "a test may end by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use nfs_mount_guard::admission::{Endpoint, Question, Record, review};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use serde_json::{Value, json};
use time::macros::date;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks")
}

/// Returns the response of the webhook, and the provisioner that it reports as disbelieved.
fn ask_of(policy: &Policy, endpoint: Endpoint, body: &Value) -> (Value, String) {
    let body = body.to_string();
    let question = Question { endpoint, body: body.as_bytes(), policy, today: date!(2026 - 03 - 01) };
    let mut disbelieved = String::new();
    let mut observe = |record: &Record<'_>| disbelieved.push_str(record.disbelieved);
    let answer = review(&question, &mut observe);
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    (answer["response"].clone(), disbelieved)
}

fn ask(endpoint: Endpoint, body: &Value) -> Value {
    ask_of(&Policy::default(), endpoint, body).0
}

fn is_denied(body: &Value) -> bool {
    ask(Endpoint::Validate, body)["allowed"] == false
}

/// The rules that the denial names.
fn codes(body: &Value) -> Vec<String> {
    let answer = ask(Endpoint::Validate, body);
    let causes = answer["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    causes
        .iter()
        .map(|cause| cause["message"].as_str().expect("a message").chars().take(6).collect())
        .collect()
}

/// A review of `object` as `user` sends it, in the place of `old` if there is
/// one.
fn sent(user: &str, object: &Value, old: Option<&Value>) -> Value {
    let kind = object["kind"].as_str().expect("a kind");
    let group = match kind {
        "StorageClass" => "storage.k8s.io",
        "VolumeSnapshotClass" => "snapshot.storage.k8s.io",
        _ => "",
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "kind": {"group": group, "version": "v1", "kind": kind},
            "userInfo": {"username": user}, "object": object, "oldObject": old,
        },
    })
}

fn created(object: &Value) -> Value {
    sent("jane", object, None)
}

fn updated(old: &Value, new: &Value) -> Value {
    sent("jane", new, Some(old))
}

const PROVISIONER: &str = "system:serviceaccount:kube-system:csi-nfs-controller-sa";

fn class(driver: &str, options: &[&str]) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": driver, "mountOptions": options})
}

fn volume(source: Value, options: &[&str]) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "a", "annotations": {}}, "spec": source});
    object["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    object["spec"]["mountOptions"] = json!(options);
    object
}

fn nfs(options: &[&str]) -> Value {
    volume(json!({"nfs": {"server": "10.0.0.1", "path": "/x"}}), options)
}

fn csi(options: &[&str]) -> Value {
    volume(json!({"csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": "a"}}), options)
}

fn with_annotation(mut object: Value, key: &str, text: &str) -> Value {
    object["metadata"]["annotations"][key] = json!(text);
    object
}

const OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

#[test]
fn the_recorded_reviews_are_refused_by_the_webhook_and_by_check() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let body: Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("a file")).expect("a review");
        assert!(is_denied(&body), "{}", path.display());
        let checked = Command::new(env!("CARGO_BIN_EXE_nfs-mount-guard"))
            .args(["check", "--no-policy"])
            .arg(&path)
            .output()
            .expect("it runs");
        assert_eq!(checked.status.code(), Some(1), "{}: {checked:?}", path.display());
        seen += 1;
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn nothing_is_added_behind_a_backslash_or_an_open_quote() {
    let body = fs::read_to_string(folder().join("mutate-fg-behind-backslash.json")).expect("a file");
    let recorded: Value = serde_json::from_str(&body).expect("a review");
    let mut bodies = vec![recorded];
    for element in [r"hard\", r"a\,b", r#"comment=\""#, r#"context="a"#, r#"x-a="b,c"#, r"\"] {
        for object in [class("nfs.csi.k8s.io", &[element]), nfs(&["nfsvers=4.1", element]), csi(&[element])] {
            bodies.push(created(&object));
        }
        let text = format!("nfsvers=4.1,{element}");
        bodies.push(created(&with_annotation(nfs(&[]), OPTIONS, &text)));
        let mut attribute = csi(&["nfsvers=4.1"]);
        attribute["spec"]["csi"]["volumeAttributes"] = json!({"mountOptions": element});
        bodies.push(created(&attribute));
    }
    for body in bodies {
        assert!(ask(Endpoint::Mutate, &body)["patch"].is_null(), "{body}");
        assert!(is_denied(&body) && codes(&body).contains(&"NMG009".to_owned()), "{body}");
    }
}

/// Elements that hold `bg` for some layer, joined with others or alone.
const HIDDEN: &[&[&str]] = &[
    &["context=\"a", "b\",bg,context=\"c", "d\""],
    &["x-a=\"", "bg", "\""],
    &["fscontext=\"a,b\",bg,defcontext=\"c,d\""],
    &["comment=\\\",bg,x-a=\"y\\\"\""],
    &["comment=\\\",bg=1,x-b=\\\""],
    &["x-a=\"b,bg=0,c\""],
    &["context=\"a,bg,c\""],
    &["\"bg\""],
    &["'bg'"],
    &["b\\g"],
    &["\\bg"],
    &["bg\\"],
    &["bg\\,fg"],
    &["b\"\"g"],
    &["\"b\"'g'=1"],
    &["foo=\\", "bg"],
    &["foo=\"", "bg", "bar=\""],
    &["hard,'bg,x'"],
    &["\" bg \""],
    &["-o bg"],
    &["-obg"],
    &["-vobg=1"],
    &["--options=bg"],
    &["-o \"bg\"=1", "hard"],
    &["bg=\"fg,fg\""],
];

#[test]
fn bg_is_refused_whatever_quotes_and_backslashes_stand_around_it() {
    for hidden in HIDDEN {
        let mut list = vec!["nfsvers=4.1", "fg", "timeo=600", "retrans=2"];
        list.extend(*hidden);
        let joined = hidden.join(",");
        let mut attribute = csi(&list[..4]);
        attribute["spec"]["csi"]["volumeAttributes"] = json!({"mountOptions": joined});
        let mut parameter = class("files.example.com", &[]);
        parameter["parameters"] = json!({"nfsMountOptions": joined});
        let snapshots = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
            "metadata": {"name": "a"}, "driver": "nfs.csi.k8s.io", "deletionPolicy": "Delete",
            "parameters": {"mountOptions": joined}});
        for object in [
            class("nfs.csi.k8s.io", &list),
            class("efs.csi.aws.com", &list),
            class("files.example.com", hidden),
            nfs(&list),
            with_annotation(nfs(&list[..4]), OPTIONS, &format!("fg,timeo=600,retrans=2,{joined}")),
            csi(&list),
            with_annotation(csi(&list), PROVISIONED_BY, "nfs.csi.k8s.io"),
            attribute,
            parameter,
            snapshots,
        ] {
            for body in [created(&object), sent(PROVISIONER, &object, None)] {
                assert!(codes(&body).contains(&"NMG001".to_owned()), "{body} {:?}", codes(&body));
            }
        }
    }
}

#[test]
fn what_a_drivers_shell_would_make_of_an_element_is_refused() {
    for element in ["$(echo bg)", "`echo bg`", "b$@g", "${X}bg", "hard;bg", "{bg,fg}", "hard&bg", "hard\nbg"]
    {
        for base in [&[][..], &["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]] {
            let object = class("csi.huawei.com", &[base, &[element]].concat());
            assert!(is_denied(&created(&object)), "{element}");
        }
    }
}

/// Options of a volume that its provisioner made: there only what may be a background mount is denied.
fn provisioned(driver: &str, attributes: Value, options: &[&str]) -> Value {
    let source = json!({"csi": {"driver": driver, "volumeHandle": "a", "volumeAttributes": attributes}});
    let object = with_annotation(volume(source, options), PROVISIONED_BY, driver);
    sent(PROVISIONER, &object, None)
}

#[test]
fn what_the_script_of_a_mount_helper_would_make_of_an_element_is_refused() {
    let good = ["fg", "timeo=600", "retrans=2"];
    let (files, blob) = ("file.csi.azure.com", "blob.csi.azure.com");
    for (driver, protocol, element, is_bg) in [
        (blob, "aznfs", r"notls=-sec=a.*/\x2cbg/;#", true),
        (blob, "nfs", r"clean=-sec=a.*/\x2cbg/;#", true),
        (blob, "nfsv3", "configfile=/etc/a,sec=sys/x", true),
        (blob, "aznfs", "sec=s[a-z]*", true),
        (files, "nfs", "btls=1.2", true),
        (files, "nfs", "bnotls", true),
        (files, "nfs", "x-a$(b)", true),
        (files, "nfs", "notls", false),
        (files, "nfs", "actimeo=30", false),
        (files, "nfs", "xprtsec=mtls", false),
        (files, "nfs", "tls=1.2", false),
        (blob, "aznfs", "configfile=/etc/aznfs/a.conf", false),
    ] {
        let mut list = good.to_vec();
        list.extend(element.split(','));
        let attributes = json!({"protocol": protocol});
        let mut object = class(driver, &list);
        object["parameters"] = attributes.clone();
        for body in [created(&object), provisioned(driver, attributes, &list)] {
            assert_eq!(codes(&body).contains(&"NMG001".to_owned()), is_bg, "{body} {:?}", codes(&body));
        }
    }
}

#[test]
fn bg_is_refused_with_what_any_language_takes_off_its_ends() {
    for blank in ["\u{1c}", "\u{1d}", "\u{1e}", "\u{1f}", "\u{85}", "\u{2028}"] {
        for text in [format!("{blank}bg"), format!("bg{blank}")] {
            let list = ["fg", "timeo=600", "retrans=2", &text];
            for body in [
                provisioned("csi.vastdata.com", json!({}), &list),
                created(&class("files.example.com", &[&text])),
            ] {
                assert!(codes(&body).contains(&"NMG001".to_owned()), "{body} {:?}", codes(&body));
                assert!(!patched(&body).to_string().contains("bg"), "{body}");
            }
        }
    }
    for blank in ["\u{1}", "\u{feff}", "\u{200b}"] {
        let body = created(&class("files.example.com", &[&format!("{blank}bg")]));
        assert!(codes(&body).contains(&"NMG001".to_owned()), "{body}");
    }
}

#[test]
fn what_only_looks_like_it_passes() {
    let good = ["nfsvers=4.1", "fg", "timeo=600", "retrans=2"];
    for element in
        ["context=\"system_u:object_r:x:s0:c1,c2\"", "comment=a\\b", "x-bg", "comment=bg", "x--obg"]
    {
        let mut list = good.to_vec();
        list.push(element);
        for object in [class("nfs.csi.k8s.io", &list), nfs(&list), csi(&list)] {
            assert!(!is_denied(&created(&object)), "{element}: {:?}", codes(&created(&object)));
        }
    }
}

/// The object after the webhook's patch.
fn patched(body: &Value) -> Value {
    let mut object = body["request"]["object"].clone();
    if let Some(patch) = ask(Endpoint::Mutate, body)["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
        let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
    }
    object
}

#[test]
fn a_repair_leaves_quotes_in_pairs_and_no_bg() {
    for hidden in HIDDEN {
        let object = nfs(hidden);
        let repaired = patched(&created(&object));
        let list = |object: &Value| -> Vec<String> {
            serde_json::from_value(object["spec"]["mountOptions"].clone()).expect("a list")
        };
        let (before, after) = (list(&object), list(&repaired));
        for (old, new) in before.iter().zip(&after) {
            let quotes = |text: &str| text.matches('"').count() % 2;
            assert_eq!(quotes(old), quotes(new), "{old} became {new}");
            let bare =
                |piece: &str| piece.split('=').next().expect("a keyword").replace(['"', '\'', '\\'], "");
            assert!(!new.split(',').any(|piece| bare(piece).trim() == "bg"), "{old} became {new}");
        }
    }
}

fn status(old: &Value, new: &Value) -> Value {
    let mut body = updated(old, new);
    body["request"]["subResource"] = json!("status");
    body
}

#[test]
fn a_status_that_sets_the_annotation_is_judged_and_repaired_there_only() {
    let old = nfs(&["fg", "timeo=600", "retrans=2"]);
    for text in ["bg", "fg,timeo=600,retrans=2,bg=0", "\"bg\"", "context=\"a,bg\""] {
        let new = with_annotation(old.clone(), OPTIONS, text);
        assert!(codes(&status(&old, &new)).contains(&"NMG001".to_owned()), "{text}");
        let repaired = patched(&status(&old, &new));
        assert!(!repaired["metadata"]["annotations"][OPTIONS].to_string().contains("bg"), "{repaired}");
        assert_eq!(repaired["spec"], new["spec"]);
    }
    // The API server drops changes of the spec on a status request.
    let mut new = with_annotation(nfs(&["bg"]), "a", "b");
    new["status"] = json!({"phase": "Available"});
    assert!(ask(Endpoint::Mutate, &status(&old, &new))["patch"].is_null());
    let mut other = status(&old, &new);
    other["request"]["subResource"] = json!("scale");
    assert!(!is_denied(&other));
    // An object that was there before keeps its status.
    let before = nfs(&["bg"]);
    let mut bound = before.clone();
    bound["status"] = json!({"phase": "Bound"});
    assert!(!is_denied(&status(&before, &bound)));
}

#[test]
fn an_update_that_makes_bg_count_is_refused_though_it_was_there() {
    let full = ["timeo=600", "retrans=2"];
    let of = |first: &[&str]| csi(&[first, &full].concat());
    let long = |text: &str| csi(&[&format!("{}{text}", "x".repeat(17_000))]);
    for (old, new) in [
        (with_annotation(nfs(&["bg"]), OPTIONS, "fg,timeo=600,retrans=2"), nfs(&["bg"])),
        (of(&["bg", "fg"]), of(&["fg", "bg"])),
        (of(&["bg", "vers=3", "v3"]), of(&["bg", "vers=3"])),
        (of(&["\"bg\""]), of(&["bg"])),
        (of(&["context=\"a,bg,c\""]), of(&["bg"])),
        (csi(&["b\"", "vers=3", "bg=0"]), csi(&["vers=3", "bg=0", "b\""])),
        // Only mount(8) of 2.42 and newer went to the background before.
        (csi(&["fg", "comment=\\\",bg,x-a=\"y\\\"\""]), csi(&["fg", "bg", "comment=\\\",bg,x-a=\"y\\\"\""])),
        (long(""), long(",bg")),
        (long(",bg"), long(",bg,")),
    ] {
        assert!(is_denied(&updated(&old, &new)), "{old} {new}");
        assert!(!is_denied(&updated(&old, &old)), "what does not change stays: {old}");
    }
    for (old, new) in [(of(&["fg", "bg"]), of(&["bg", "fg"])), (of(&["bg"]), of(&["bg", "nolock"]))] {
        assert!(!is_denied(&updated(&old, &new)), "it was no better: {old} {new}");
    }
}

#[test]
fn a_provisioner_is_believed_only_where_it_fits_and_from_a_service_account() {
    // A person's volume is denied for this, a provisioner's is not.
    let lacking = ["nfsvers=4.1"];
    let external = "k8s-sigs.io/nfs-subdir-external-provisioner";
    for (user, object, name, is_believed) in [
        (PROVISIONER, csi(&lacking), "nfs.csi.k8s.io", true),
        (PROVISIONER, csi(&lacking), "me", false),
        (PROVISIONER, csi(&lacking), "ebs.csi.aws.com", false),
        (PROVISIONER, nfs(&lacking), external, true),
        (PROVISIONER, nfs(&lacking), "my.example.com/nfs", true),
        (PROVISIONER, nfs(&lacking), "nfs.csi.k8s.io", false),
        (PROVISIONER, nfs(&lacking), "kubernetes.io/nfs", false),
        (PROVISIONER, nfs(&lacking), "kubernetes.io/aws-ebs", false),
        ("jane", csi(&lacking), "nfs.csi.k8s.io", false),
        ("jane", nfs(&lacking), external, false),
        ("", nfs(&lacking), external, false),
    ] {
        let object = with_annotation(object, PROVISIONED_BY, name);
        let (answer, disbelieved) =
            ask_of(&Policy::default(), Endpoint::Validate, &sent(user, &object, None));
        assert_eq!(answer["allowed"], json!(is_believed), "{user} {name} {answer}");
        assert_eq!(disbelieved, if is_believed { "" } else { name });
    }
    let policy = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nprovisioners: [ja*]\n";
    let policy = policy_file::parse(policy, "policy.yaml").expect("a policy");
    let object = with_annotation(nfs(&lacking), PROVISIONED_BY, external);
    assert_eq!(ask_of(&policy, Endpoint::Validate, &sent("jane", &object, None)).0["allowed"], true);
    assert_eq!(ask_of(&policy, Endpoint::Validate, &sent("joe", &object, None)).0["allowed"], false);
}

#[test]
fn a_provisioners_volume_is_refused_for_what_mounts_something_else() {
    for element in [
        "mounthost=10.6.6.6", "mountaddr=10.6.6.6", "addr=10.6.6.6", "X-mount.subdir=x", "helper=x", "bind",
        "fsc=\"a,soft\"", "x-a=\"b", "x-a\\",
    ] {
        let list = ["nfsvers=3", "fg", "timeo=600", "retrans=2", element];
        let object = with_annotation(csi(&list), PROVISIONED_BY, "nfs.csi.k8s.io");
        assert!(is_denied(&sent(PROVISIONER, &object, None)), "{element}");
    }
}

#[test]
fn a_class_of_snapshots_is_judged_for_bg_and_never_repaired() {
    let of = |driver: &str, key: &str, text: &str| {
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
            "metadata": {"name": "a"}, "driver": driver, "deletionPolicy": "Delete", "parameters": {key: text}})
    };
    for (driver, key) in [
        ("nfs.csi.k8s.io", "mountOptions"),
        ("nfs.csi.k8s.io", "MOUNTOPTIONS"),
        ("nfs2.csi.k8s.io", "mountOptions"),
        ("files.example.com", "mount_options"),
        ("files.example.com", "files.example.com/nfs-mount-options"),
        ("files.example.com", "a.b.mountFlags"),
        ("files.example.com", "clientMountOptions"),
        ("pxd.portworx.com", "sharedv4_mount_options"),
    ] {
        for text in ["bg", "hard,bg=0", "\"bg\""] {
            let body = created(&of(driver, key, text));
            assert!(codes(&body).contains(&"NMG001".to_owned()), "{body}");
            assert!(ask(Endpoint::Mutate, &body)["patch"].is_null(), "{body}");
        }
    }
    for object in [
        of("nfs.csi.k8s.io", "mountOptions", "nfsvers=4.1"),
        of("nfs.csi.k8s.io", "mountOptions", "soft,mounthost=a,nonsense"),
        of("nfs.csi.k8s.io", "server", "bg"),
        of("ebs.csi.aws.com", "mountOptions", "bg"),
    ] {
        assert!(!is_denied(&created(&object)), "{object}");
    }
    let trap = of("nfs.csi.k8s.io", "mountOptions", "nfsvers=4.1,comment=a\\");
    assert_eq!(codes(&created(&trap)), ["NMG009"]);
}
