//! Options that nothing reads, or of which no place is certain: NMG020 in files, patches of
//! workloads, and what `explain` says of them.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of options that nothing reads.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::unread::{name}"), test);
    vec![
        trial("an_annotation_of_a_driver_may_be_read_by_it", annotation_of_a_driver),
        trial("a_place_that_another_kind_reads_is_a_finding", places_of_other_kinds),
        trial("a_mapping_in_place_of_a_list_is_a_finding", mappings),
        trial("options_of_a_class_that_provisions_nothing_reach_no_volume", without_provisioner),
        trial("a_patch_of_a_workload_names_no_driver_and_is_not_judged", patches),
        trial("what_nothing_reads_of_a_workload_is_a_finding", workloads),
        trial("a_field_that_a_workload_does_not_have_is_a_finding", fields_of_workloads),
        trial("what_may_be_read_of_a_workload_is_none", read_by_others),
        trial("each_place_of_a_workload_has_its_own_line", lines_of_a_workload),
        trial("what_is_no_finding_of_a_workload_under_a_policy_is_named", without_the_rule),
        trial("a_key_that_the_driver_refuses_is_refused_without_a_value", empty_keys),
        trial("explain_says_what_is_not_known_of_an_inline_volume", hidden),
        trial("explain_shows_no_mount_of_a_class_of_snapshots_without_one", classes_of_snapshots),
        trial("explain_names_no_winner_of_two_spellings", spellings),
        trial("fix_fills_no_class_of_snapshots", snapshots),
        trial("an_option_on_a_folded_line_has_its_place", folded),
        trial("a_kind_in_wrong_letters_or_of_a_wrong_group_is_told_the_right_one", misnamed),
        trial("what_cannot_move_keeps_no_other_repair_back", stuck),
        trial("what_would_change_the_mount_moves_only_when_asked", unsafe_moves),
        trial("what_is_found_of_an_object_does_not_depend_on_its_form", in_any_form),
        trial("an_object_that_the_server_names_has_the_beginning_of_its_name", generated_names),
    ]
}

const GOOD: &str = "[nfsvers=4.1, hard, fg, timeo=600, retrans=2]";

/// An object of each kind with `more` beside its specification.
fn objects(more: &str) -> [(&'static str, String); 4] {
    let end = "accessModes: [ReadWriteMany], capacity: {storage: 1Gi}";
    [
        (
            "PersistentVolume",
            format!(
                "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\n\
spec: {{mountOptions: {GOOD}, nfs: {{server: a.example.com, path: /}}, {end}}}\n{more}"
            ),
        ),
        (
            "StorageClass",
            format!(
                "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\n\
provisioner: nfs.csi.k8s.io\nparameters: {{server: a.example.com, share: /, onDelete: retain}}\n\
mountOptions: {GOOD}\n{more}"
            ),
        ),
        (
            "VolumeSnapshotClass",
            format!(
                "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {{name: a}}\n\
driver: nfs.csi.k8s.io\ndeletionPolicy: Delete\n{more}"
            ),
        ),
        (
            "PersistentVolumeClaim",
            format!(
                "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: a, namespace: shop}}\n{more}"
            ),
        ),
    ]
}

/// A text as YAML, as JSON, and as an item of a List.
fn forms(text: &str) -> Result<[String; 3], Failed> {
    let value: Value = serde_saphyr::from_str(text)?;
    Ok([text.to_owned(), value.to_string(), json!({"kind": "List", "items": [value]}).to_string()])
}

fn check(text: &str) -> Result<Value, Failed> {
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The places of NMG020, with the note on `bg`.
fn unread(report: &Value) -> Vec<(String, bool)> {
    let subjects = report["subjects"].as_array().expect("subjects");
    let findings = subjects.iter().filter_map(|subject| subject["findings"].as_array()).flatten();
    let of_rule = findings.filter(|finding| finding["code"] == "NMG020");
    let mut found: Vec<(String, bool)> = of_rule
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().expect("a text").to_owned();
            (text("carrier"), text("message").contains("bg among them"))
        })
        .collect();
    found.sort();
    found
}

fn places_of_other_kinds() -> Result<(), Failed> {
    let attributes = "spec: {csi: {volumeAttributes: {mountOptions: 'hard,bg'}}}\n";
    let of_csi = [("spec.csi.volumeAttributes.mountOptions", true)];
    let flex = "spec: {flexVolume: {options: {mountOptions: bg}}}\n";
    let parameters = "parameters: {mountOptions: 'hard,bg', nfsVersion: '4.1', timeo: '600'}\n";
    let of_parameters =
        [("parameters.mountOptions", true), ("parameters.nfsVersion", false), ("parameters.timeo", false)];
    let both = "parameters: {nfsVersion: '4.1'}\nspec: {csi: {volumeAttributes: {mountOption: hard}}}\n";
    let of_both = [("parameters.nfsVersion", false), ("spec.csi.volumeAttributes.mountOption", false)];
    for (kinds, more, places) in [
        (&["StorageClass", "VolumeSnapshotClass", "PersistentVolumeClaim"][..], attributes, &of_csi[..]),
        (
            &["StorageClass", "VolumeSnapshotClass", "PersistentVolumeClaim"],
            flex,
            &[("spec.flexVolume.options.mountOptions", true)],
        ),
        (&["PersistentVolume", "PersistentVolumeClaim"], parameters, &of_parameters),
        (&["PersistentVolumeClaim"], both, &of_both),
        (&["PersistentVolume"], "parameters: {nfsVersion: '4.1'}\n", &[("parameters.nfsVersion", false)]),
    ] {
        for (_, text) in objects(more).into_iter().filter(|(kind, _)| kinds.contains(kind)) {
            for text in forms(&text)? {
                let places: Vec<(String, bool)> =
                    places.iter().map(|(place, bg)| ((*place).to_owned(), *bg)).collect();
                assert_eq!(unread(&check(&text)?), places, "{text}");
                let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
                for (place, _) in &places {
                    assert!(explained.contains(&format!("holds      {place} (not read)")), "{explained}");
                }
            }
        }
    }
    // A key that its own driver reads is none.
    for (kind, text) in objects("") {
        for text in forms(&text)? {
            assert_eq!(unread(&check(&text)?), [], "{kind}");
        }
    }
    Ok(())
}

fn mappings() -> Result<(), Failed> {
    let volume = |nfs: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  mountOptions: {GOOD}\n  \
accessModes: [ReadWriteMany]\n  nfs: {{server: a.example.com, path: /, {nfs}}}\n"
        )
    };
    for (nfs, place, fixed) in [
        ("options: {nconnect: 4, noatime: true}", Some("spec.nfs.options"), "nconnect=4, noatime]"),
        ("mountOptions: {noatime: null}", Some("spec.nfs.mountOptions"), "noatime]"),
        ("options: {color: red}", None, ""),
        ("options: {nconnect: {at: 4}}", None, ""),
    ] {
        let text = volume(nfs);
        for text in forms(&text)? {
            let places: Vec<String> = unread(&check(&text)?).into_iter().map(|(place, _)| place).collect();
            assert_eq!(places, place.into_iter().collect::<Vec<_>>(), "{text}");
        }
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        let new = stdout(&output);
        assert!(new.contains(fixed) && (place.is_none() || !new.contains(nfs)), "{new}");
    }
    Ok(())
}

fn without_provisioner() -> Result<(), Failed> {
    let class = |provisioner: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: by-hand}}\n\
provisioner: {provisioner}\nmountOptions: [nfsvers=4.1, hard, bg, noatime]\n"
        )
    };
    let volume = |source: &str, options: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\n\
spec: {{storageClassName: by-hand, accessModes: [ReadWriteMany], mountOptions: {options}, {source}}}\n"
        )
    };
    let in_tree = "nfs: {server: a.example.com, path: /}";
    let csi =
        "csi: {driver: nfs.csi.k8s.io, volumeHandle: a, volumeAttributes: {server: a.example.com, share: /}}";
    for provisioner in
        ["kubernetes.io/no-provisioner", "ebs.csi.aws.com", "storage.example.com", "nfs.csi.k8s.io"]
    {
        for source in [in_tree, csi] {
            let text = format!("{}---\n{}", class(provisioner), volume(source, "[]"));
            let found = unread(&check(&text)?);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].1, "bg is named: {text}");
            // The volume comes first, and has some of them.
            let text = format!("{}---\n{}", volume(source, GOOD), class(provisioner));
            let report = check(&text)?;
            let message = report["subjects"][0]["findings"].to_string();
            assert!(
                message.contains("options of StorageClass/by-hand (bg, noatime) do not reach a volume"),
                "{message}"
            );
        }
        let all = "[nfsvers=4.1, hard, bg, noatime]";
        let text = format!("{}---\n{}", class(provisioner), volume(in_tree, all));
        assert_eq!(unread(&check(&text)?), [], "the volume has all of them");
        let local = volume("hostPath: {path: /a}", "[noatime]");
        assert_eq!(unread(&check(&format!("{}---\n{local}", class(provisioner)))?), [], "no NFS");
    }
    Ok(())
}

fn patches() -> Result<(), Failed> {
    let template = |csi: Value| json!({"spec": {"volumes": [{"name": "a", "csi": csi}]}});
    let only = || json!({"volumeAttributes": {"mountOptions": "hard,bg"}});
    let of = |kind: &str, spec: Value| json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec});
    let deployment = of("Deployment", json!({"template": template(only())}));
    let mut cron_job = of("CronJob", json!({"jobTemplate": {"spec": {"template": template(only())}}}));
    cron_job["apiVersion"] = json!("batch/v1");
    let mut pod = of("Pod", template(only())["spec"].clone());
    pod["apiVersion"] = json!("v1");
    for (patch, path) in [
        (deployment, "spec.template.spec.volumes[0].csi.volumeAttributes.mountOptions"),
        (cron_job, "spec.jobTemplate.spec.template.spec.volumes[0].csi.volumeAttributes.mountOptions"),
        (pod, "spec.volumes[0].csi.volumeAttributes.mountOptions"),
    ] {
        for text in [patch.to_string(), format!("# YAML\n{patch}")] {
            let report = check(&text)?;
            assert_eq!((&report["summary"]["judged"], &report["summary"]["denied"]), (&json!(0), &json!(0)));
            assert_eq!(
                report["notJudged"][0]["why"],
                format!("holds mount options at {path} (bg among them)"),
                "{text}"
            );
            let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
            assert!(explained.contains("(not judged): hard,bg"), "{explained}");
            let fixed = stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
            assert_eq!(fixed, text, "a patch stays as it is");
        }
    }
    // A volume beside it that names its driver is judged, and the other one is named.
    let mixed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"volumes": [
        {"name": "a", "csi": only()},
        {"name": "b", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"mountOptions": "bg"}}}]}});
    let report = check(&mixed.to_string())?;
    assert_eq!((&report["summary"]["judged"], &report["summary"]["notJudged"]), (&json!(1), &json!(1)));
    assert_eq!(report["subjects"][0]["path"], "spec.volumes[1]");
    // Without options there is nothing to name.
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"volumes": [{"name": "a", "csi": {"readOnly": true}}]}});
    assert_eq!(check(&plain.to_string())?["summary"]["skippedBy"], json!({"without inline CSI volumes": 1}));
    Ok(())
}

/// A StatefulSet with these volumes and templates of claims.
fn stateful_set(volumes: &Value, claims: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"template": {"spec": {"volumes": volumes}}, "volumeClaimTemplates": claims}})
}

fn in_yaml_and_json(object: &Value) -> [String; 2] {
    [object.to_string(), format!("# YAML\n{object}")]
}

fn workloads() -> Result<(), Failed> {
    let options = "volume.beta.kubernetes.io/mount-options";
    let claim = |annotation: &str, list: Value| json!({"metadata": {"name": "x", "annotations": {options: annotation}}, "spec": {"mountOptions": list}});
    let volumes = json!([
        {"name": "a", "nfs": {"server": "s", "path": "/e", "mountOptions": ["hard", "bg"]}},
        {"name": "b", "nfs": {"server": "s", "path": "/e", "soft": true}},
        {"name": "c", "ephemeral": {"volumeClaimTemplate": claim("nconnect=4", json!(["hard"]))}},
    ]);
    let inline = json!({"name": "d", "csi": {"driver": "nfs.csi.k8s.io",
        "volumeAttributes": {"mountOptions": "fg,timeo=600,retrans=2"}}});
    let of_pods = "spec.template.spec.volumes";
    let claims = "use mountOptions of its StorageClass, or spec.mountOptions of its volume";
    let wanted = [
        format!(
            "{of_pods}[0].nfs.mountOptions is not a field of a StatefulSet, so its options are lost (bg among them); use spec.mountOptions of a PersistentVolume"
        ),
        format!(
            "{of_pods}[1].nfs.soft is not a field of a StatefulSet, so its options are lost; use spec.mountOptions of a PersistentVolume"
        ),
        format!(
            "{of_pods}[2].ephemeral.volumeClaimTemplate.metadata.annotations[{options}] is read by nothing, so its options are lost; {claims}"
        ),
        format!(
            "{of_pods}[2].ephemeral.volumeClaimTemplate.spec.mountOptions is not a field of a StatefulSet, so its options are lost; {claims}"
        ),
        format!(
            "spec.volumeClaimTemplates[0].metadata.annotations[{options}] is read by nothing, so its options are lost (bg among them); {claims}"
        ),
        format!(
            "spec.volumeClaimTemplates[0].spec.mountOptions is not a field of a StatefulSet, so its options are lost (bg among them); {claims}"
        ),
    ];
    let mut with_inline = volumes.clone();
    with_inline.as_array_mut().expect("a list").push(inline);
    for (volumes, judged) in [(volumes, 1), (with_inline, 2)] {
        for text in in_yaml_and_json(&stateful_set(&volumes, &json!([claim("bg", json!(["hard", "bg"]))]))) {
            let report = check(&text)?;
            assert_eq!(report["summary"]["judged"], judged, "{text}");
            assert_eq!(report["summary"]["notJudged"], 0, "{text}");
            let subjects = report["subjects"].as_array().expect("a list");
            let stray = subjects.iter().find(|subject| subject["path"].is_null()).expect("the object itself");
            let findings = stray["findings"].as_array().expect("a list");
            let mut said: Vec<String> = findings
                .iter()
                .map(|found| {
                    assert_eq!((&found["code"], &found["action"]), (&json!("NMG020"), &json!("warn")));
                    assert_eq!(found["fix"], Value::Null, "no place of the object takes them");
                    found["message"].as_str().unwrap_or_default().to_owned()
                })
                .collect();
            let mut wanted = wanted.to_vec();
            said.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(said, wanted, "{text}");
            let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
            assert!(explained.contains("StatefulSet/shop/db\n"), "{explained}");
            assert!(explained.contains("nfs.mountOptions (not read): hard | bg"), "{explained}");
            let fixed = stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
            assert_eq!(fixed, text);
        }
    }
    Ok(())
}

/// The whole object with options at one place, of two kinds: check and explain say the same of it.
fn fields_of_workloads() -> Result<(), Failed> {
    let volume = "use spec.mountOptions of a PersistentVolume";
    let claim = "use mountOptions of its StorageClass, or spec.mountOptions of its volume";
    let pod = json!({"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}],
        "volumes": [{"name": "a", "nfs": {"server": "s", "path": "/e"}}, {"name": "b", "persistentVolumeClaim": {"claimName": "c"}}]});
    let of_pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod});
    let mut of_set = stateful_set(&pod["volumes"], &json!([{"metadata": {"name": "d"}, "spec": {}}]));
    of_set["spec"]["template"]["spec"] = pod;
    for (object, place, remedy) in [
        (&of_pod, "/mountOptions", volume),
        (&of_pod, "/metadata/mountOptions", volume),
        (&of_pod, "/spec/mountOptions", volume),
        (&of_pod, "/spec/volumes/0/mountOptions", volume),
        (&of_pod, "/spec/volumes/1/mountOption", volume),
        (&of_pod, "/spec/volumes/1/persistentVolumeClaim/mountOptions", volume),
        (&of_pod, "/spec/containers/0/volumeMounts/0/mountOptions", volume),
        (&of_set, "/spec/mountOptions", volume),
        (&of_set, "/spec/template/mountOptions", volume),
        (&of_set, "/spec/template/spec/mountOptions", volume),
        (&of_set, "/spec/template/spec/volumes/0/mountOptions", volume),
        (&of_set, "/spec/volumeClaimTemplates/0/mountOptions", claim),
    ] {
        let (parent, name) = place.rsplit_once('/').ok_or("a place")?;
        let kind = object["kind"].as_str().ok_or("a kind")?;
        for options in [json!(["hard", "bg"]), json!("hard,bg"), json!({"hard": true, "bg": true})] {
            if name == "mountOption" && options.is_object() {
                continue;
            }
            let mut object = object.clone();
            object.pointer_mut(parent).ok_or("a parent")?[name] = options;
            for text in in_yaml_and_json(&object) {
                let report = check(&text)?;
                assert_eq!(report["summary"]["notJudged"], 0, "{place}: {report:#}");
                let finding = &report["subjects"][0]["findings"][0];
                let said = finding["message"].as_str().unwrap_or_default();
                let wanted =
                    format!(" is not a field of a {kind}, so its options are lost (bg among them); {remedy}");
                assert!(said.ends_with(&wanted), "{place}: {said}");
                assert_eq!((&finding["code"], &finding["pointer"]), (&json!("NMG020"), &json!(place)));
                let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
                assert!(
                    explained.contains(" (not read): ") && !explained.contains("not judged"),
                    "{explained}"
                );
            }
        }
    }
    Ok(())
}

/// A container, a script of a `FlexVolume` or another controller may read them, or they are no options.
fn read_by_others() -> Result<(), Failed> {
    for volume in [
        json!({"name": "a", "flexVolume": {"driver": "a/b", "options": {"mountOptions": "bg"}}}),
        json!({"name": "a", "csi": {"volumeAttributes": {"mountOptions": "bg"}}}),
        json!({"name": "a", "nfs": {"server": "s", "path": "/e", "readOnly": true, "note": "x"}}),
        json!({"name": "a", "nfs": {"server": "s", "path": "/e", "soft": false}}),
        json!({"name": "a", "ephemeral": {"volumeClaimTemplate": {"spec": {"mountOptions": []}}}}),
        json!({"name": "a", "azureFile": {"shareName": "a", "mountOptions": "bg"}}),
        json!({"name": "a", "azureFile": {"shareName": "a"}, "mountOptions": "bg"}),
    ] {
        let mut object = stateful_set(&json!([volume]), &json!([]));
        object["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/mount-options": "hard"});
        for text in in_yaml_and_json(&object) {
            let report = check(&text)?;
            assert_eq!(report["summary"]["judged"], 0, "{text}");
            assert_eq!(report["summary"]["notJudged"], 1, "{text}");
        }
    }
    // Of another kind the field may be one.
    let mut other = stateful_set(
        &json!([{"name": "a", "nfs": {"server": "s", "path": "/e", "mountOptions": "bg"}}]),
        &json!([]),
    );
    other["kind"] = json!("CloneSet");
    assert_eq!(check(&other.to_string())?["summary"]["judged"], 0);
    Ok(())
}

/// Options that nothing reads are a finding, and others below them are named as not judged.
fn lines_of_a_workload() -> Result<(), Failed> {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: []\n  volumes:\n  - name: a\n    nfs:\n      \
server: nas.example.com\n      mountOptions: [bg]\n  - name: b\n    azureFile: {shareName: a}\n    mountOptions: [bg]\n";
    let report = check(text)?;
    let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
    assert_eq!(findings.iter().map(|finding| &finding["line"]).collect::<Vec<_>>(), [&json!(10)]);
    let named = &report["notJudged"][0];
    let why = "holds mount options at spec.volumes[1].mountOptions (bg among them)";
    assert_eq!((&named["line"], &named["why"]), (&json!(13), &json!(why)));
    Ok(())
}

fn without_the_rule() -> Result<(), Failed> {
    let volumes = json!([{"name": "a", "nfs": {"server": "s", "path": "/e", "mountOptions": "bg"}}]);
    for text in in_yaml_and_json(&stateful_set(&volumes, &json!([]))) {
        let args = ["check", "--no-policy", "--profile", "standard@1", "--format", "json", "-"];
        let report: Value = serde_json::from_slice(&pipe(&args, text.as_bytes()).stdout)?;
        assert_eq!((&report["summary"]["judged"], &report["summary"]["skipped"]), (&json!(0), &json!(1)));
        let why = "holds mount options at spec.template.spec.volumes[0].nfs.mountOptions (bg among them)";
        assert_eq!(report["notJudged"][0]["why"], why);
    }
    // None of them is a volume that is judged.
    let text = stateful_set(&volumes, &json!([])).to_string();
    let output = pipe(&["check", "--no-policy", "--require-match", "-"], text.as_bytes());
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    Ok(())
}

fn empty_keys() -> Result<(), Failed> {
    let class = |provisioner: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\n\
provisioner: {provisioner}\nparameters: {{server: a, share: /, onDelete: retain, mountOptions: \"\", nfsVersion: \"\"}}\n\
mountOptions: {GOOD}\n"
        )
    };
    let text = class("nfs.csi.k8s.io");
    let output = pipe(&["check", "--no-policy", "--format", "concise", "-"], text.as_bytes());
    let shown = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for key in ["mountOptions", "nfsVersion"] {
        let line =
            format!("NMG020 deny the driver refuses parameters.{key}, so no volume is created; delete it");
        assert!(shown.contains(&line), "{shown}");
    }
    let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
    for line in [
        "holds      parameters.mountOptions (refused by the driver): ",
        "every try  the driver rejects the volume before it mounts: the driver refuses parameters.",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
    let fixed = stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
    assert!(fixed.contains("parameters: {server: a, share: /, onDelete: retain}\n"), "{fixed}");
    let snapshots = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: a}\n\
driver: nfs.csi.k8s.io\nparameters: {mountOptions: \"\", nfsVersion: \"\"}\n";
    let shown = stdout(&pipe(&["explain", "-f", "-"], snapshots.as_bytes()));
    let line = "every try  the driver refuses to make a snapshot: the driver refuses parameters.nfsVersion, so no \
snapshot is created; delete it";
    assert!(shown.contains(line), "{shown}");
    Ok(())
}

/// Of all drivers csi-driver-nfs alone mounts with a class of snapshots.
fn classes_of_snapshots() -> Result<(), Failed> {
    let class = |driver: &str, parameters: Value| {
        let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
            "metadata": {"name": "a"}, "driver": driver, "deletionPolicy": "Delete", "parameters": parameters});
        stdout(&pipe(&["explain", "-f", "-"], class.to_string().as_bytes()))
    };
    let none = "  mount -o   (nothing)\n";
    let why = "  snapshots  the driver takes no mount options from a VolumeSnapshotClass: nothing is mounted with it\n";
    for (driver, key) in [
        ("efs.csi.aws.com", "mountOptions"),
        ("csi.vastdata.com", "mount_options"),
        ("com.tencent.cloud.csi.cfs", "options"),
        ("nfs.csi.ceph.com", "mountOptions"),
        ("csi.trident.netapp.io", "mountOptions"),
    ] {
        for parameters in [json!({}), json!({(key): "hard,bg"})] {
            let shown = class(driver, parameters);
            assert!(shown.contains(none) && shown.contains(why), "{shown}");
            for word in ["dead server", "sharecache", "locks", "added by the driver", "looks successful"] {
                assert!(!shown.contains(word), "{word}: {shown}");
            }
        }
    }
    for driver in ["storage.example.com", "pxd.portworx.com"] {
        let shown = class(driver, json!({}));
        let line = "  mount -o   (not known: the driver's source was not read, and it may mount nothing for a snapshot)\n";
        assert!(shown.contains(line) && !shown.contains("dead server"), "{shown}");
        let shown = class(driver, json!({"mountOptions": "bg"}));
        assert!(shown.contains("if the driver mounts with it, which is not known"), "{shown}");
    }
    let shown = class("nfs.csi.k8s.io", json!({"mountOptions": "hard,bg"}));
    assert!(shown.contains("  mount -o   hard,bg\n") && shown.contains("a snapshot is ready"), "{shown}");
    assert!(!class("ebs.csi.aws.com", json!({})).contains("snapshots  "));
    Ok(())
}

fn hidden() -> Result<(), Failed> {
    let pod = |driver: &str, attributes: Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"volumes":
            [{"name": "a", "csi": {"driver": driver, "volumeAttributes": attributes}}]}})
        .to_string()
    };
    let explain = |text: &str| stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
    let shown = explain(&pod("storage.example.com", json!({"mountOptions": "hard,bg"})));
    for line in [
        "holds      volumeAttributes.mountOptions (whether the driver reads it is not known): hard,bg",
        "known      no: the driver is not in the table",
        "mount -o   (not known: the driver may pass on volumeAttributes.mountOptions)",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(!shown.contains("(nothing)") && !shown.contains("dead server"), "{shown}");
    let shown = explain(&pod("csi-qcfsplugin", json!({"mountOptions": "hard,bg"})));
    let line = "  known      no: neither the source nor the documentation says it: ";
    assert!(shown.contains(line), "{shown}");
    let shown = explain(&pod("storage.example.com", json!({"size": "1G"})));
    assert!(shown.contains("mount -o   (not known: "), "{shown}");
    let shown = explain(&pod("nfs.csi.k8s.io", json!({"server": "a", "share": "/"})));
    assert!(shown.contains("mount -o   (nothing)") && shown.contains("dead server"), "{shown}");
    let shared = json!({"sharedv4": "true", "sharedv4_mount_options": "vers=3,bg"});
    let shown = explain(&pod("pxd.portworx.com", shared));
    assert!(
        shown.contains("sharedv4_mount_options (in force): vers=3,bg")
            && shown.contains("mount -o   vers=3,bg"),
        "{shown}"
    );
    Ok(())
}

/// kubectl finds no such kind, and a report that says only "not judged" would not say why.
fn misnamed() -> Result<(), Failed> {
    let class = |version: &str, kind: &str| {
        format!(
            "{{\"apiVersion\": \"{version}\", \"kind\": \"{kind}\", \"metadata\": {{\"name\": \"a\"}}, \
\"provisioner\": \"nfs.csi.k8s.io\", \"mountOptions\": [\"bg\"]}}"
        )
    };
    for (version, kind, cause) in [
        ("storage.k8s.io/v1", "storageclass", "; kind is written StorageClass"),
        ("storage.k8s.io/v1", "StorageClasses", "; kind is written StorageClass"),
        ("v1", "StorageClass", "; apiVersion of StorageClass is storage.k8s.io/v1"),
        ("storage.example.com/v1", "StorageClass", ""),
    ] {
        for text in forms(&class(version, kind))? {
            let report = check(&text)?;
            let why = format!("holds mount options at mountOptions (bg among them){cause}");
            assert_eq!(report["notJudged"][0]["why"], why, "{text}: {report:#}");
        }
    }
    Ok(())
}

fn spellings() -> Result<(), Failed> {
    let text = |one: &str, other: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"volumes":
            [{"name": "a", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes":
                {"server": "a", "share": "/", "mountOptions": one, "MountOptions": other}}}]}})
        .to_string()
    };
    // serde_json sorts the keys: the capital comes first.
    for (one, other) in [("hard,fg", "hard,bg"), ("hard,bg", "hard,fg")] {
        let shown = stdout(&pipe(&["explain", "-f", "-"], text(one, other).as_bytes()));
        assert!(
            shown.contains("the winner depends on the order in which the driver reads its keys"),
            "{shown}"
        );
        assert!(shown.contains("although nothing is mounted, and"), "{shown}");
        assert!(!shown.contains(" wins\n"), "{shown}");
        let report = check(&text(one, other))?.to_string();
        assert!(!report.contains("is overridden by a later fg"), "{report}");
    }
    let report = check(&text("soft", "hard"))?;
    assert!(
        report.to_string().contains("conflict") && report.to_string().contains("in no fixed order"),
        "{report}"
    );
    Ok(())
}

fn snapshots() -> Result<(), Failed> {
    for options in ["hard,bg", "hard", "nfsvers=4.1,hard,fg"] {
        let text = format!(
            "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {{name: a}}\n\
driver: nfs.csi.k8s.io\ndeletionPolicy: Delete\nparameters: {{mountOptions: '{options}'}}\n"
        );
        let fixed = stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
        assert_eq!(fixed, text.replace("bg", "fg"));
    }
    Ok(())
}

fn folded() -> Result<(), Failed> {
    for (scalar, line, column, element) in [
        (">-\n    hard,nfsvers=4.1,\n    bg\n", 7, 5, "hard,nfsvers=4.1, bg"),
        (">-\n    hard,\n    nfsvers=4.1,bg\n", 7, 17, "hard, nfsvers=4.1,bg"),
        (">\n\n    hard,bg\n", 7, 10, "\nhard,bg\n"),
        ("hard,\n      bg\n", 6, 7, "hard, bg"),
        ("\"hard,\n      bg\"\n", 6, 7, "hard, bg"),
        ("'hard,\n\n      bg'\n", 7, 7, "hard,\nbg"),
    ] {
        let text = format!(
            "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {{name: a}}\n\
driver: nfs.csi.k8s.io\nparameters: {{mountOptions: {scalar}"
        );
        // A block scalar stands in lines of its own.
        let text = text.replace("parameters: {mountOptions: ", "parameters:\n  mountOptions: ");
        let (line, text) = (line + 1, text);
        let report = check(&text)?;
        let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?.clone();
        let found = findings
            .iter()
            .find(|finding| {
                let message = finding["message"].as_str().unwrap_or_default();
                let option = message.split_once("\" in \"").map(|(option, _)| option.replace("\\n", ""));
                option.is_some_and(|option| option.trim_matches(['"', ' ']) == "bg")
            })
            .ok_or_else(|| format!("{text}\n{report}"))?;
        assert_eq!(
            (&found["line"], &found["column"], &found["endColumn"], &found["element"]),
            (&json!(line), &json!(column), &json!(column + 2), &json!(element)),
            "{text}"
        );
        let sarif = pipe(&["check", "--no-policy", "--format", "sarif", "-"], text.as_bytes());
        let region = json!({"startLine": line, "startColumn": column, "endColumn": column + 2});
        let sarif: Value = serde_json::from_slice(&sarif.stdout)?;
        let results = sarif["runs"][0]["results"].as_array().ok_or("results")?;
        let is_there = results.iter().any(|result| {
            let place = &result["locations"][0]["physicalLocation"]["region"];
            ["startLine", "startColumn", "endColumn"].iter().all(|key| place[key] == region[key])
        });
        assert!(is_there, "{region} in {sarif}");
    }
    Ok(())
}

fn stuck() -> Result<(), Failed> {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nmountOptions: [hard]  # ours\n\
spec:\n  csi: {driver: nfs.csi.k8s.io, volumeHandle: h, volumeAttributes: {server: s, share: /, mountOptions: bg}}\n";
    for args in [&["fix", "--no-policy", "-"][..], &["fix", "--no-policy", "--unsafe-fixes", "-"]] {
        let output = pipe(args, text.as_bytes());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let fixed = stdout(&output);
        assert!(
            fixed.contains("mountOptions: [hard]  # ours") && fixed.contains("mountOptions: fg}"),
            "{fixed}"
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = "<stdin>:4:15: PersistentVolume/a: mountOptions stays where it is: the comment in line 4";
        assert!(said.contains(why), "{said}");
    }
    Ok(())
}

fn unsafe_moves() -> Result<(), Failed> {
    for (options, moves) in [
        ("hard, nconnect=4", true),
        ("soft", false),
        ("softerr, noac", false),
        ("udp, nfsvers=3", false),
        ("mounthost=192.0.2.1", false),
        ("ro", false),
    ] {
        let text = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\n\
provisioner: nfs.csi.k8s.io\nmountoptions: [{options}]\n"
        );
        let fixed = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
        assert_eq!(!fixed.contains("mountoptions: "), moves, "{fixed}");
        let fixed = stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
        assert!(!fixed.contains("mountoptions: "), "{fixed}");
    }
    Ok(())
}

/// Findings and what is not judged, without places in the text.
fn found(text: &str) -> Result<(Vec<(String, bool)>, Vec<String>), Failed> {
    let report = check(text)?;
    let others = report["notJudged"].as_array().cloned().unwrap_or_default();
    let others = others.iter().map(|other| other["why"].as_str().unwrap_or_default().to_owned());
    Ok((unread(&report), others.collect()))
}

fn in_any_form() -> Result<(), Failed> {
    let texts = [
        "mount -t nfs -o bg nas:/a /b",
        "nas:/a /b nfs bg 0 0",
        "systemd-mount -o bg nas:/a /b",
        "* -fstype=nfs4,bg nas:/home/&",
        "docker volume create --opt type=nfs --opt o=bg d",
        "{driver_opts: {type: nfs, o: bg}}",
        "mounts: [[nas:/a, /b, nfs, bg]]",
        "mountOptions: [bg]",
        "[Mount]\nWhat=nas:/a\nOptions=bg\n",
    ];
    for text in texts {
        let annotations = json!({"x": text});
        for (kind, object) in objects("") {
            let mut value: Value = serde_saphyr::from_str(&object)?;
            value["metadata"]["annotations"] = annotations.clone();
            let yaml = serde_saphyr::to_string(&value)?;
            let list = json!({"kind": "List", "items": [value]}).to_string();
            for form in [yaml, value.to_string(), list] {
                let others =
                    vec!["holds mount options at metadata.annotations[x] (bg among them)".to_owned()];
                assert_eq!(found(&form)?, (Vec::new(), others), "{kind}: {form}");
            }
        }
    }
    for (kind, more, place) in [
        ("PersistentVolumeClaim", "spec: {nfs: {server: a, path: /b, bg: 'true'}}\n", "spec.nfs.bg"),
        (
            "PersistentVolumeClaim",
            "spec: {dataSourceRef: {options: 'bg,hard'}}\n",
            "spec.dataSourceRef.options",
        ),
        (
            "PersistentVolumeClaim",
            "spec: {dataSource: {mountOptions: [bg]}}\n",
            "spec.dataSource.mountOptions",
        ),
        ("VolumeSnapshotClass", "opts: 'bg,hard'\n", "opts"),
        ("VolumeSnapshotClass", "spec: {nfsFlags: 'bg,hard'}\n", "spec.nfsFlags"),
        ("StorageClass", "extraOpts: [bg, hard]\n", "extraOpts"),
    ] {
        for (_, text) in objects(more).into_iter().filter(|(found, _)| *found == kind) {
            for form in forms(&text)? {
                assert_eq!(found(&form)?, (vec![(place.to_owned(), true)], Vec::new()), "{form}");
            }
        }
    }
    // Options of another file system, and prose, are nothing of ours in any form.
    for text in
        ["mount -t cifs -o soft //nas/a /b", "an nfs mount of ours", "{driver_opts: {type: cifs, o: soft}}"]
    {
        for (_, object) in objects("") {
            let mut value: Value = serde_saphyr::from_str(&object)?;
            value["metadata"]["annotations"] = json!({"x": text});
            for form in [serde_saphyr::to_string(&value)?, value.to_string()] {
                assert_eq!(found(&form)?, (Vec::new(), Vec::new()), "{form}");
            }
        }
    }
    Ok(())
}

fn generated_names() -> Result<(), Failed> {
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {generateName: fast-}\n\
provisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n";
    for text in forms(class)? {
        assert_eq!(check(&text)?["subjects"][0]["name"], "fast-", "{text}");
        let explained = stdout(&pipe(&["explain", "--no-policy", "-f", "-"], text.as_bytes()));
        assert!(explained.contains(": StorageClass/fast-\n"), "{explained}");
    }
    let fixed = pipe(&["fix", "--no-policy", "-"], class.as_bytes());
    let words = String::from_utf8_lossy(&fixed.stderr).into_owned();
    assert!(words.contains(" in StorageClass/fast-: "), "{words}");
    let review = |object: Value, kind: Value| {
        let request = json!({"uid": "u", "operation": "CREATE", "kind": kind, "object": object});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string()
    };
    let of_class = json!({"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"});
    let recorded = review(serde_saphyr::from_str(class)?, of_class.clone());
    assert_eq!(check(&recorded)?["subjects"][0]["name"], "fast-");
    let args = ["review", "--no-policy", "--endpoint", "validate", "--format", "json", "-"];
    let answer = pipe(&args, recorded.as_bytes());
    let answer: Value = serde_json::from_slice(&answer.stdout)?;
    assert!(answer.to_string().contains("\"name\":\"fast-\""), "{answer}");
    // An object that cannot be read, or is not judged, has a name as well.
    let broken = class.replace("[bg]", "5");
    assert!(
        stdout(&pipe(&["check", "--no-policy", "-"], broken.as_bytes())).contains("StorageClass/fast-: ")
    );
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {generateName: nas-}\nstringData: {mountOptions: bg}\n";
    assert_eq!(check(secret)?["notJudged"][0]["name"], "nas-");
    Ok(())
}

/// The driver of HPE reads it if the class allows that.
fn annotation_of_a_driver() -> Result<(), Failed> {
    let key = "csi.hpe.com/nfsMountOptions";
    for (text, bg) in [("hard,bg", " (bg among them)"), ("hard", "")] {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "x", "namespace": "a", "annotations": {key: text}}, "spec": {"storageClassName": "hpe"}});
        let output = pipe(&["check", "--no-policy", "-"], claim.to_string().as_bytes());
        let said = stdout(&output);
        let wanted =
            format!("warn NMG020 unread-options: metadata.annotations[{key}] may be read by csi.hpe.com{bg}");
        assert!(said.contains(&wanted), "{said}");
        assert!(!said.contains("lost"), "{said}");
    }
    Ok(())
}
