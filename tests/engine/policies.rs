//! Tests a policy from its text to the response of the webhook: the ratchet, exemptions and when
//! they end, profiles, drivers, observing. No cluster needed.

use base64::Engine as _;
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use serde_json::{Value, json};
use time::Date;
use time::macros::date;

use crate::fixture::TODAY;

pub fn policy(rest: &str) -> Policy {
    let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{rest}\n");
    policy_file::parse(&text, "policy.yaml").unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

/// One question to the webhook.
struct Asked<'a> {
    policy: &'a str,
    endpoint: Endpoint,
    old: Option<&'a Value>,
    new: &'a Value,
    today: Date,
}

impl Asked<'_> {
    fn response(&self) -> Value {
        let Self { endpoint, old, new, today, .. } = *self;
        let user = "system:serviceaccount:kube-system:provisioner";
        ask(&policy(self.policy), endpoint, user, old, new, today)
    }
}

/// The webhook's response to `user`, who writes `new` in the place of `old`.
pub fn ask(
    policy: &Policy,
    endpoint: Endpoint,
    user: &str,
    old: Option<&Value>,
    new: &Value,
    today: Date,
) -> Value {
    let kind = new["kind"].as_str().expect("a kind");
    let group = match kind {
        "StorageClass" => "storage.k8s.io",
        "VolumeSnapshotClass" => "snapshot.storage.k8s.io",
        "Deployment" => "apps",
        _ => "",
    };
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "kind": {"group": group, "version": "v1", "kind": kind},
            "name": new["metadata"]["name"], "object": new, "oldObject": old,
            "userInfo": {"username": user},
        },
    })
    .to_string();
    let answer = review(&Question { endpoint, body: body.as_bytes(), policy, today }, &mut |_| {});
    serde_json::from_slice::<Value>(&answer.body).expect("JSON")["response"].clone()
}

/// The rules for which `/validate` refuses `new`, each once and in order; none where
/// it is allowed.
fn refused(policy: &str, old: Option<&Value>, new: &Value, today: Date) -> Vec<String> {
    denied_rules(&Asked { policy, endpoint: Endpoint::Validate, old, new, today }.response())
}

/// The rules that a response of `/validate` names, each once and in order.
pub fn denied_rules(response: &Value) -> Vec<String> {
    let causes = response["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    let mut codes: Vec<String> = causes
        .iter()
        .map(|cause| cause["message"].as_str().expect("a message").chars().take(6).collect())
        .collect();
    codes.dedup();
    assert_eq!(response["allowed"], codes.is_empty(), "{response}");
    codes
}

/// The list that `/mutate` writes; `None` without a patch.
fn patched(policy: &str, new: &Value) -> Option<Vec<String>> {
    let response = Asked { policy, endpoint: Endpoint::Mutate, old: None, new, today: TODAY }.response();
    let patch = base64::engine::general_purpose::STANDARD.decode(response["patch"].as_str()?);
    let patch: Value = serde_json::from_slice(&patch.expect("base64")).expect("JSON");
    assert_eq!(patch[0]["path"].as_str().map(|path| path.ends_with("/mountOptions")), Some(true), "{patch}");
    serde_json::from_value(patch[0]["value"].clone()).ok()
}

const GOOD: [&str; 4] = ["nfsvers=4.1", "fg", "timeo=600", "retrans=2"];

fn class(driver: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": driver, "mountOptions": options,
    })
}

/// A class of nfs.csi.k8s.io with good options and these.
fn good_and(options: &[&str]) -> Value {
    class("nfs.csi.k8s.io", &[&GOOD[..], options].concat())
}

fn volume(options: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "scratch",
            "csi": {
                "driver": "nfs.csi.k8s.io", "volumeHandle": "a",
                "volumeAttributes": {"server": "nfs.example.com", "share": "/a"},
            },
            "mountOptions": options,
        },
    })
}

#[test]
fn an_update_is_refused_for_what_it_makes_worse_and_for_nothing_else() {
    for (old, new, codes) in [
        // The same fault stays, whatever else changes.
        (good_and(&["foo"]), good_and(&["foo"]), &[][..]),
        (good_and(&["foo"]), good_and(&["foo", "ro"]), &[]),
        (good_and(&["foo", "bar"]), good_and(&["bar"]), &[]),
        (good_and(&["bg"]), good_and(&["bg", "ro"]), &[]),
        (good_and(&["nconnect=99"]), good_and(&["nconnect=98"]), &[]),
        // The same rule about another word is another fault.
        (good_and(&["foo"]), good_and(&["bar"]), &["NMG011"]),
        (good_and(&["foo"]), good_and(&["foo", "bar"]), &["NMG011"]),
        (good_and(&["nconnect=99"]), good_and(&["rsize=x"]), &["NMG012"]),
        (good_and(&[]), good_and(&["bg"]), &["NMG001"]),
        // A bg that an fg after it kept from counting counts now.
        (
            class("nfs.csi.k8s.io", &["bg", "fg", "timeo=600", "retrans=2"]),
            class("nfs.csi.k8s.io", &["fg", "bg", "timeo=600", "retrans=2"]),
            &["NMG001"],
        ),
    ] {
        assert_eq!(refused("", Some(&old), &new, TODAY), codes, "{old} to {new}");
        assert_eq!(
            refused("", None, &new, TODAY).is_empty(),
            codes.is_empty() && new == good_and(&[]),
            "{new}"
        );
    }
}

#[test]
fn a_fault_that_moves_to_another_place_is_a_new_one() {
    let in_list = volume(&["fg", "bg", "timeo=600", "retrans=2", "nfsvers=4.1"]);
    let mut in_attribute = volume(&GOOD);
    in_attribute["spec"]["csi"]["volumeAttributes"]["mountOptions"] = json!("bg");
    assert_eq!(refused("", Some(&in_list), &in_attribute, TODAY), ["NMG001"]);
    assert_eq!(refused("", Some(&in_list), &in_list, TODAY), [""; 0]);
}

#[test]
fn an_exemption_holds_through_its_last_day() {
    let text = "exemptions: [{rules: [unknown-option], reason: old, expires: 2026-06-30}]";
    let object = good_and(&["foo"]);
    for (today, codes) in [
        (date!(2026 - 06 - 29), &[][..]),
        (date!(2026 - 06 - 30), &[]),
        (date!(2026 - 07 - 01), &["NMG011"]),
        (date!(2027 - 01 - 01), &["NMG011"]),
    ] {
        assert_eq!(refused(text, None, &object, today), codes, "{today}");
    }
    let policy = policy(text);
    let exemption = &policy.exemptions()[0];
    for (today, left) in [
        (date!(2026 - 05 - 30), None),
        (date!(2026 - 05 - 31), Some(30)),
        (date!(2026 - 06 - 30), Some(0)),
        (date!(2026 - 07 - 01), Some(-1)),
    ] {
        assert_eq!(exemption.days_left(today), left, "{today}");
    }
}

#[test]
fn an_exemption_selects_by_everything_that_it_names() {
    let of_class = good_and(&["foo=1"]);
    let of_volume = volume(&[&GOOD[..], &["foo=1"]].concat());
    for (selectors, class_is_exempt, volume_is_exempt) in [
        ("", true, true),
        ("kind: StorageClass", true, true),
        ("kind: PersistentVolume", false, true),
        ("name: a", true, true),
        ("name: a*", true, true),
        ("name: b", false, false),
        ("storageClassName: scratch", false, true),
        ("storageClassName: a", true, false),
        // One for a class is one for its volumes.
        ("kind: StorageClass, name: scratch", false, true),
        ("kind: StorageClass, name: other", false, false),
        ("driver: nfs.csi.k8s.io", true, true),
        ("driver: \"*.k8s.io\"", true, true),
        ("driver: efs.csi.aws.com", false, false),
        ("options: [foo]", true, true),
        ("options: [foo=1]", true, true),
        ("options: [foo=2, bar]", false, false),
        ("namespace: default", false, false),
    ] {
        let text = |rules: &str| format!("exemptions: [{{rules: [{rules}], reason: r, {selectors}}}]");
        for rules in ["NMG011", "nmg011", "unknown-option", "unknown", "NMG01"] {
            let text = text(rules);
            assert_eq!(refused(&text, None, &of_class, TODAY).is_empty(), class_is_exempt, "{text}");
            assert_eq!(refused(&text, None, &of_volume, TODAY).is_empty(), volume_is_exempt, "{text}");
        }
    }
}

#[test]
fn an_exemption_of_pods_is_one_of_their_templates() {
    let volumes = json!([{"name": "v", "csi": {
        "driver": "nfs.csi.k8s.io",
        "volumeAttributes": {"server": "a", "share": "/x", "mountOptions": "fg,timeo=600,retrans=2,bg"},
    }}]);
    let spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": volumes});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": "web-5d8f-x7k2p", "namespace": "team"},
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": spec}},
        "metadata": {"name": "web", "namespace": "team"},
    });
    for (selector, is_exempt) in [
        ("kind: Pod", true),
        ("kind: Pod, name: web-*", true),
        ("kind: Pod, namespace: team", true),
        ("kind: Pod, name: other-*", false),
        ("kind: Pod, namespace: other", false),
    ] {
        let policy = format!("exemptions: [{{rules: [background-mount], {selector}, reason: r}}]");
        let asked =
            |new| Asked { policy: &policy, endpoint: Endpoint::Validate, old: None, new, today: TODAY };
        assert_eq!(asked(&pod).response()["allowed"], is_exempt, "{selector}");
        let warnings = asked(&deployment).response()["warnings"].to_string();
        assert_eq!(!warnings.contains("its Pods will be denied: "), is_exempt, "{selector}: {warnings}");
    }
}

#[test]
fn the_name_of_a_rule_is_that_rule_and_a_beginning_is_all_that_begin_so() {
    let object = class("nfs.csi.k8s.io", &["nfsvers=4.1", "fg", "soft", "timeo=150", "retrans=2"]);
    for (rules, codes) in [
        ("sloppy", &["NMG005", "NMG006"][..]),
        ("soft-mount", &["NMG006"]),
        ("Soft-Mount", &["NMG006"]),
        ("NMG005", &["NMG006"]),
        ("soft-mount-gives-up-early", &["NMG005"]),
        ("soft", &[]),
        ("nmg00", &[]),
    ] {
        let text = format!("profile: strict\nexemptions: [{{rules: [{rules}], reason: r}}]");
        assert_eq!(refused(&text, None, &object, TODAY), codes, "{rules}");
    }
}

#[test]
fn an_exempt_option_is_not_patched_either() {
    let object = class("nfs.csi.k8s.io", &["fg", "nfsvers=4.1", "retrans=2"]);
    let all = patched("", &object).expect("a patch");
    assert!(all.contains(&"timeo=600".to_owned()), "{all:?}");
    let text = "exemptions: [{rules: [timeo-not-set], reason: r}]";
    assert_eq!(patched(text, &object), None);
    assert_eq!(refused(text, None, &object, TODAY), [""; 0]);
}

#[test]
fn an_object_exempts_itself_only_where_the_policy_lets_it() {
    for (names, is_exempt) in [
        ("unknown-option", true),
        ("background-mount, nmg011", true),
        ("unknown", true),
        ("background-mount", false),
        ("", false),
        ("all", false),
    ] {
        let mut object = good_and(&["foo"]);
        object["metadata"]["annotations"] = json!({"nfs-mount-guard.io/exempt": names});
        let allowed = |text: &str| refused(text, None, &object, TODAY).is_empty();
        assert!(!allowed("") && !allowed("annotationExemptions: false"), "{names}");
        assert_eq!(allowed("annotationExemptions: true"), is_exempt, "{names}");
    }
}

#[test]
fn what_cannot_be_read_is_answered_as_the_policy_says() {
    let mut object = good_and(&[]);
    object["mountOptions"] = json!({"0": "bg"});
    let answer = |text: &str, endpoint| {
        Asked { policy: text, endpoint, old: None, new: &object, today: TODAY }.response()
    };
    for (text, is_allowed) in [("", false), ("onUnreadable: deny", false), ("onUnreadable: allow", true)] {
        let validated = answer(text, Endpoint::Validate);
        assert_eq!(validated["allowed"], is_allowed, "{text}: {validated}");
        let mutated = answer(text, Endpoint::Mutate);
        assert_eq!((&mutated["allowed"], &mutated["patch"]), (&json!(true), &Value::Null), "{text}");
    }
}

#[test]
fn strict_refuses_volumes_of_a_provisioner_as_any_other() {
    let provisioned = |options: &[&str]| {
        let mut object = volume(options);
        object["metadata"]["annotations"] = json!({"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"});
        object
    };
    let sloppy = provisioned(&[&GOOD[..], &["sloppy"]].concat());
    assert_eq!(refused("profile: standard", None, &sloppy, TODAY), [""; 0]);
    assert_eq!(refused("profile: strict", None, &sloppy, TODAY), ["NMG014"]);
    // bg, and what no kernel mounts, is refused from anybody.
    for option in ["bg", "nconnect=99"] {
        let object = provisioned(&[&GOOD[..], &[option]].concat());
        for profile in ["standard", "relaxed", "strict"] {
            assert_eq!(
                refused(&format!("profile: {profile}"), None, &object, TODAY).len(),
                1,
                "{profile} {option}"
            );
        }
    }
}

#[test]
fn what_is_missing_is_written_with_the_numbers_of_the_driver_else_of_the_rule() {
    let of_driver = class("nas.example.com", &["nfsvers=4.1", "fg"]);
    let of_another = class("nfs.csi.k8s.io", &["nfsvers=4.1", "fg"]);
    let text = "rules: {timeo-not-set: {value: 700}, retrans-not-set: {value: 4}}\n\
                drivers: [{name: nas.example.com, nfs: true, timeo: 300, retrans: 3}]";
    let list = |options: [&str; 4]| Some(options.map(ToOwned::to_owned).to_vec());
    assert_eq!(patched(text, &of_driver), list(["nfsvers=4.1", "fg", "timeo=300", "retrans=3"]));
    assert_eq!(patched(text, &of_another), list(["nfsvers=4.1", "fg", "timeo=700", "retrans=4"]));
    assert_eq!(patched("", &of_another), list(["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]));
    assert_eq!(patched("", &of_driver), None, "nothing says that it is NFS");
}

#[test]
fn a_policy_that_observes_allows_and_patches_nothing() {
    let (bad, missing) = (good_and(&["foo"]), class("nfs.csi.k8s.io", &["hard"]));
    assert_eq!(refused("", None, &bad, TODAY), ["NMG011"]);
    assert_eq!(refused("mode: observe", None, &bad, TODAY), [""; 0]);
    assert!(patched("", &missing).is_some());
    assert_eq!(patched("mode: observe", &missing), None);
}

/// The warnings of `/mutate`.
fn told(policy: &str, new: &Value) -> Vec<String> {
    let response = Asked { policy, endpoint: Endpoint::Mutate, old: None, new, today: TODAY }.response();
    serde_json::from_value(response["warnings"].clone()).unwrap_or_default()
}

#[test]
fn a_repair_is_announced_with_every_word_that_it_writes() {
    let mut annotated = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {
            "name": "a", "annotations": {"volume.beta.kubernetes.io/mount-options": "bg,hard,nfsvers=4.1"},
        },
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
            "nfs": {"server": "nfs.example.com", "path": "/a"},
        },
    });
    let both = class("nfs.csi.k8s.io", &["nfsvers=4.1", "bg", "hard"]);
    for (policy, object, sentence) in [
        (
            "",
            &both,
            "nfs-mount-guard wrote fg in place of bg and added timeo=600, retrans=2 in mountOptions (NMG001, NMG003, NMG004)",
        ),
        (
            "mode: observe",
            &both,
            "nfs-mount-guard would write fg in place of bg and add timeo=600, retrans=2 in mountOptions (NMG001, NMG003, NMG004)",
        ),
        (
            "",
            &annotated,
            "nfs-mount-guard wrote fg in place of bg and added timeo=600, retrans=2 in annotation (NMG001, NMG003, NMG004)",
        ),
    ] {
        assert_eq!(told(policy, object)[0], sentence);
        assert!(sentence.len() <= 120, "{sentence}");
    }
    annotated["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"] =
        json!("hard,nfsvers=4.1");
    let sentence = "nfs-mount-guard added fg, timeo=600, retrans=2 in annotation (NMG002, NMG003, NMG004)";
    assert_eq!(told("", &annotated)[0], sentence);
    // Options that a driver would have added without a list are written, too, in as many sentences
    // as that takes.
    let object = class("nasplugin.csi.alibabacloud.com", &["bg"]);
    let said = told("", &object);
    let list = patched("", &object).expect("a patch");
    let named = |option: &&String| said.iter().any(|sentence| sentence.contains(&format!(" {option}")));
    assert!(list.iter().all(|option| named(&option)), "{said:?} {list:?}");
    assert!(said.iter().all(|sentence| sentence.chars().count() <= 120), "{said:?}");
}

#[test]
fn both_endpoints_say_the_same_of_what_is_only_observed() {
    let background =
        |version: &str| class("nfs.csi.k8s.io", &["bg", "hard", "timeo=600", "retrans=2", version]);
    let (old, new) = (background("nfsvers=4.1"), background("nfsvers=4.2"));
    let ask = |endpoint| {
        let asked = Asked { policy: "mode: observe", endpoint, old: Some(&old), new: &new, today: TODAY };
        asked.response()["warnings"].to_string()
    };
    let (mutated, validated) = (ask(Endpoint::Mutate), ask(Endpoint::Validate));
    assert!(mutated.contains("would write fg in place of bg"), "{mutated}");
    assert!(validated.contains("NMG001: would be repaired: "), "{validated}");
}

#[test]
fn relaxed_repairs_bg_and_only_warns_of_what_is_missing() {
    let missing = class("nfs.csi.k8s.io", &["hard"]);
    assert_eq!(refused("profile: relaxed", None, &missing, TODAY), [""; 0]);
    assert_eq!(patched("profile: relaxed", &missing), None);
    let background = class("nfs.csi.k8s.io", &["bg"]);
    assert_eq!(patched("profile: relaxed", &background), Some(vec!["fg".to_owned()]));
}
