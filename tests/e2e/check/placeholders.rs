//! Files that are not rendered yet.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};
use crate::objects::{class, nfs_volume, volume};

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::{name}"), test);
    vec![
        trial("notes_what_is_not_rendered", notes_it),
        trial("takes_a_placeholder_in_place_of_a_list", stands_for_a_list),
        trial("finds_bg_beside_a_placeholder_of_any_type", stands_for_any_type),
        trial("demands_nothing_where_a_map_of_options_is_not_rendered", stands_for_a_map),
        trial("names_volumes_that_are_not_rendered", stands_for_volumes),
        trial("takes_a_placeholder_at_admission_for_an_option", is_an_option_at_admission),
        trial("names_the_server_that_needs_cluster_dns", names_the_server),
    ]
}

fn notes_it() -> Result<(), Failed> {
    let object = class("a", "nfs.csi.k8s.io", &["nfsvers=${V:=4.1}", "hard"]).to_string();
    let output = pipe(&["check", "--no-policy", "-"], object.as_bytes());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("StorageClass/a is not rendered: nfsvers=${V:=4.1}; "), "{text}");
    assert!(text.trim_end().ends_with(", 1 not rendered"), "{text}");
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], object.as_bytes());
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["subjects"][0]["notRendered"], json!(["nfsvers=${V:=4.1}"]));
    assert_eq!(report["summary"]["notRendered"], json!(1));
    let explained = stdout(&pipe(&["explain", "--no-policy", "-f", "-"], object.as_bytes()));
    assert!(explained.contains("rendered   not yet: nfsvers=${V:=4.1}"), "{explained}");
    let fixed = pipe(&["fix", "--no-policy", "-"], object.as_bytes());
    assert_eq!(stdout(&fixed), object, "nothing is added");
    assert!(String::from_utf8_lossy(&fixed.stderr).contains("1 not rendered"), "{fixed:?}");
    Ok(())
}

/// One that is filled in with the whole list. In quotes it becomes a string, and
/// part of a text is no list.
fn stands_for_a_list() -> Result<(), Failed> {
    for (options, code) in
        [("${OPTIONS}", 0), ("$(OPTIONS)", 0), ("'${OPTIONS}'", 3), ("'{{ .options }}'", 3), ("${A},bg", 3)]
    {
        let text = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\n\
mountOptions: {options}\n"
        );
        let output = pipe(&["check", "--no-policy", "-"], text.as_bytes());
        assert_eq!(output.status.code(), Some(code), "{text}: {}", stdout(&output));
        assert_eq!(stdout(&output).contains("is not rendered: "), code == 0, "{text}");
        let fixed = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        assert_eq!(stdout(&fixed), text, "nothing is added");
    }
    Ok(())
}

/// A placeholder without quotes may become a truth value or a map: the rest is judged.
fn stands_for_any_type() -> Result<(), Failed> {
    let class = |more: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: a\n{more}\n\
provisioner: nfs.csi.k8s.io\nmountOptions: [hard, bg]\n"
        )
    };
    let volume = |source: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  mountOptions: [hard, bg]\n{source}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes:\n  - name: a\n    csi:\n      \
driver: nfs.csi.k8s.io\n      readOnly: ${RO}\n      volumeAttributes: {server: a, share: /a, mountOptions: \"hard,bg\"}\n";
    for text in [
        class("  labels: ${L}"),
        class("  annotations: $(A)"),
        class("parameters: $(P)"),
        volume("  nfs:\n    server: a\n    path: /a\n    readOnly: ${RO}"),
        volume(
            "  csi:\n    driver: nfs.csi.k8s.io\n    volumeHandle: a\n    readOnly: ${RO}\n    volumeAttributes: ${VA}",
        ),
        volume("  nfs: ${NFS}"),
        volume("  csi: $(CSI)"),
        volume("  flexVolume: ${FLEX}").replace("{name: a}", "${METADATA}"),
        pod.to_owned(),
        pod.replace("volumes:\n", "volumes:\n  - ${VOLUME}\n"),
    ] {
        let output = pipe(&["check", "--no-policy", "-"], text.as_bytes());
        let said = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains("NMG001"), "{said}");
    }
    // In quotes it is a string, and one of another type is none.
    for text in [
        volume("  nfs:\n    server: a\n    path: /a\n    readOnly: '${RO}'"),
        volume("  nfs:\n    server: a\n    path: /a\n    readOnly: yes and ${RO}"),
        class("parameters: '${P}'"),
        volume("  nfs: '${NFS}'"),
        volume("").replace("{name: a}", "a ${METADATA}"),
    ] {
        let output = pipe(&["check", "--no-policy", "-"], text.as_bytes());
        assert_eq!(output.status.code(), Some(3), "{text}: {}", stdout(&output));
    }
    Ok(())
}

/// Any key may be in a map that is filled in: nothing is demanded where the driver reads options
/// from it, and the note names it.
fn stands_for_a_map() -> Result<(), Failed> {
    let class = |driver: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\n\
provisioner: {driver}\nparameters: ${{P}}\nmountOptions: [nfsvers=4.1]\n"
        )
    };
    // One annotation replaces the list.
    for metadata in ["${META}", "{name: a, annotations: $(A)}", "{name: a, annotations: {'${KEY}': x}}"] {
        let text = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {metadata}\nspec:\n  mountOptions: [hard]\n  \
nfs: {{server: a, path: /a}}\n"
        );
        let output = pipe(&["check", "--no-policy", "-"], text.as_bytes());
        let said = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains(" is not rendered: "), "{said}");
    }
    for (driver, code) in [("nfs.csi.k8s.io", 0), ("cluster.local/nfs-subdir-external-provisioner", 1)] {
        let output = pipe(&["check", "--no-policy", "-"], class(driver).as_bytes());
        let said = stdout(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("StorageClass/a is not rendered: ${P}; "), "{said}");
    }
    Ok(())
}

/// The volumes of a Pod may be filled in, and the fields that they are in: each is named, and not skipped.
fn stands_for_volumes() -> Result<(), Failed> {
    let workload = |kind: &str, rest: &str| {
        format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {rest}\n")
    };
    let objects = [
        workload("Pod", "${SPEC}"),
        workload("Pod", "{volumes: $(VOLUMES)}"),
        workload("Pod", "\n  volumes:\n  - ${VOLUME}\n  - {name: b, emptyDir: {}}"),
        workload("Deployment", "${SPEC}").replace(": v1", ": apps/v1"),
        workload("Deployment", "{template: $(TEMPLATE)}").replace(": v1", ": apps/v1"),
        workload("CronJob", "{jobTemplate: $(TEMPLATE)}").replace(": v1", ": batch/v1"),
        workload("PersistentVolume", "${SPEC}"),
    ];
    for text in &objects {
        let output = pipe(&["check", "--no-policy", "--require-match", "-"], text.as_bytes());
        let said = stdout(&output);
        assert!(said.contains(" is not rendered: "), "{text}: {said}");
        assert_eq!(output.status.code(), Some(0), "{text}: {said}");
        assert!(said.contains(" 0 skipped, 0 unreadable, 1 not rendered"), "{text}: {said}");
    }
    // One elsewhere is no volume.
    let text = workload("Pod", "{nodeName: $(NODE), volumes: [{name: b, emptyDir: {}}]}");
    let said = stdout(&pipe(&["check", "--no-policy", "-"], text.as_bytes()));
    assert!(said.contains("1 skipped (1 without inline CSI volumes)"), "{said}");
    Ok(())
}

/// An object from the API server is no file that a program fills in.
fn is_an_option_at_admission() -> Result<(), Failed> {
    let object = nfs_volume("a", &["${X}", "nfsvers=4.1", "fg", "timeo=600", "retrans=2"]);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "PersistentVolume"},
        "object": object,
    }});
    let of = |input: &Value| pipe(&["check", "--no-policy", "-"], input.to_string().as_bytes());
    assert_eq!(of(&object).status.code(), Some(0), "{}", stdout(&of(&object)));
    let text = stdout(&of(&review));
    assert_eq!(of(&review).status.code(), Some(1), "{text}");
    assert!(text.contains("deny NMG011") && !text.contains("not rendered"), "{text}");
    Ok(())
}

fn names_the_server() -> Result<(), Failed> {
    let source = json!({"nfs": {"server": "nfs.storage.svc.cluster.local", "path": "/a"}});
    let object = volume("a", &["nfsvers=4.1", "fg", "timeo=600", "retrans=2"], source).to_string();
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], object.as_bytes());
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let finding = &report["subjects"][0]["findings"][0];
    assert_eq!(finding["code"], "NMG023", "{report}");
    assert_eq!(
        (&finding["pointer"], &finding["carrier"]),
        (&json!("/spec/nfs/server"), &json!("nfs.server"))
    );
    let columns =
        ["column", "endColumn"].map(|name| finding[name].as_u64().and_then(|at| usize::try_from(at).ok()));
    let [Some(start), Some(end)] = columns else { panic!("{finding}") };
    assert_eq!(object.get(start - 1..end - 1), Some("nfs.storage.svc.cluster.local"));
    let first = pipe(&["check", "--no-policy", "--profile", "standard@1", "-"], object.as_bytes());
    assert!(!stdout(&first).contains("NMG023"), "{}", stdout(&first));
    Ok(())
}
