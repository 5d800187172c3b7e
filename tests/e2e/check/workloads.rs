//! Inline CSI volumes of Pods and of what makes Pods, in files.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{pipe, report, run, stdout};

/// Tests of workloads.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::workloads::{name}"), test);
    vec![
        trial("every_kind_gives_its_inline_volumes", every_kind),
        trial("others_are_passed_over", others),
        trial("fix_keeps_the_style_of_a_nested_volume", fixes),
        trial("explain_names_the_volume", explains),
        trial("an_exemption_goes_by_namespace", exempts),
        trial("a_baseline_tells_namespaces_and_volumes_apart", tolerates),
        trial("a_recorded_review_is_judged_volume_by_volume", reviews),
        trial("a_key_is_folded_as_go_folds_it", folds_keys),
        trial("options_beside_the_volumes_that_are_judged_are_named", names_beside),
        trial("a_key_that_is_no_source_is_named_and_hides_nothing", keys_that_are_no_source),
        trial("a_volume_with_two_sources_is_refused", two_sources),
        trial("a_place_of_a_judged_volume_that_nothing_reads_is_a_finding", strays_in_volumes),
        trial("options_of_a_claim_are_lost", claims),
        trial("explain_names_what_is_not_judged", explains_places),
        trial("texts_in_other_documents_are_looked_into", names_texts),
        trial("objects_under_another_key_of_a_list_are_told", other_keys),
        trial("every_format_names_what_is_not_judged", formats),
        trial("every_place_that_holds_options_is_named", names_every_place),
        trial("what_is_not_judged_and_holds_options_is_named", names_others),
    ]
}

/// Every kind with the group and the path of its Pods' specification.
const KINDS: [(&str, &str, &[&str]); 9] = [
    ("Pod", "v1", &["spec"]),
    ("PodTemplate", "v1", &["template", "spec"]),
    ("ReplicationController", "v1", &["spec", "template", "spec"]),
    ("Deployment", "apps/v1", &["spec", "template", "spec"]),
    ("StatefulSet", "apps/v1", &["spec", "template", "spec"]),
    ("DaemonSet", "apps/v1", &["spec", "template", "spec"]),
    ("ReplicaSet", "apps/v1", &["spec", "template", "spec"]),
    ("Job", "batch/v1", &["spec", "template", "spec"]),
    ("CronJob", "batch/v1", &["spec", "jobTemplate", "spec", "template", "spec"]),
];

fn volume(name: &str, options: &str) -> Value {
    json!({"name": name, "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes":
        {"server": "nfs.example.com", "share": "/", "mountOptions": options}}})
}

/// An object of a kind with these volumes.
fn object((kind, version, path): (&str, &str, &[&str]), name: &str, volumes: Value) -> Value {
    let spec =
        json!({"containers": [{"name": "c", "image": "registry.example.com/app"}], "volumes": volumes});
    let mut object = path.iter().rev().fold(spec, |inner, step| json!({ (*step): inner }));
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": name, "namespace": "shop"});
    object
}

fn judged(input: &Value) -> Value {
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], input.to_string().as_bytes());
    serde_json::from_slice(&output.stdout).expect("a report")
}

fn every_kind() -> Result<(), Failed> {
    let volumes = || {
        json!([
            {"name": "tmp", "emptyDir": {}},
            volume("good", "nfsvers=4.1,hard,fg,timeo=600,retrans=2"),
            volume("bad", "hard,bg"),
        ])
    };
    for kind in KINDS {
        let path = format!("{}.volumes", kind.2.join("."));
        let report = judged(&object(kind, "web", volumes()));
        let subjects = report["subjects"].as_array().ok_or("subjects")?;
        let seen: Vec<_> = subjects
            .iter()
            .map(|subject| (subject["path"].as_str(), subject["decision"].as_str(), subject["kind"].as_str()))
            .collect();
        let paths = [format!("{path}[1]"), format!("{path}[2]")];
        assert_eq!(
            seen,
            [
                (Some(paths[0].as_str()), Some("allow"), Some(kind.0)),
                (Some(paths[1].as_str()), Some("deny"), Some(kind.0)),
            ]
        );
        assert_eq!(subjects[1]["namespace"], "shop");
        assert_eq!(subjects[0]["findings"].as_array().map(Vec::len), Some(0), "{subjects:#?}");
        let findings = subjects[1]["findings"].as_array().ok_or("findings")?;
        let denied: Vec<&Value> = findings.iter().filter(|finding| finding["action"] == "deny").collect();
        let pointer = format!("/{}/volumes/2/csi/volumeAttributes/mountOptions", kind.2.join("/"));
        assert_eq!(denied.len(), 1, "{findings:#?}");
        assert_eq!((&denied[0]["code"], &denied[0]["pointer"]), (&json!("NMG001"), &json!(pointer)));
        // Nothing that is missing refuses a Pod.
        for finding in findings.iter().filter(|finding| finding["code"] != "NMG001") {
            assert_ne!(finding["action"], "deny", "{finding:#}");
        }
    }
    Ok(())
}

fn others() -> Result<(), Failed> {
    let shapes = [
        json!(null),
        json!([]),
        json!([{"name": "a", "emptyDir": {}}]),
        json!([{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}]),
        json!([{"name": "a", "nfs": {"server": "a", "path": "/"}}]),
    ];
    for kind in KINDS {
        for shape in &shapes {
            let report = judged(&object(kind, "web", shape.clone()));
            assert_eq!(report["summary"]["judged"], 0, "{report:#}");
            assert_eq!(report["summary"]["skippedBy"], json!({"without inline CSI volumes": 1}));
        }
    }
    // The same kind of another group is something else.
    let volumes = json!([volume("a", "bg")]);
    let foreign = object(("Job", "batch.volcano.sh/v1alpha1", KINDS[7].2), "a", volumes);
    assert_eq!(judged(&foreign)["summary"]["judged"], 0);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": KINDS.map(|kind| {
        object(kind, "web", json!([volume("a", "bg"), volume("b", "bg")]))
    })});
    assert_eq!(judged(&list)["summary"]["denied"], 18);
    Ok(())
}

/// The third volume of a CronJob in four styles: nothing but the word changes.
fn fixes() -> Result<(), Failed> {
    let head = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, namespace: shop}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n";
    let block = "          volumes:\n          - name: tmp\n            emptyDir: {}\n          - name: a\n            csi: {driver: secrets.example.com}\n          - name: b # the third\n            csi:\n              driver: nfs.csi.k8s.io\n              volumeAttributes:\n                share: /\n                mountOptions: hard,bg # why\n";
    let flow = "          volumes: [{name: tmp, emptyDir: {}}, {name: a, csi: {driver: secrets.example.com}}, {name: b, csi: {driver: nfs.csi.k8s.io, volumeAttributes: {share: /, mountOptions: 'hard,bg'}}}] # why\n";
    let folded = block.replace("hard,bg # why", ">-\n                  hard,bg");
    let texts = [
        format!("{head}{block}"),
        format!("{head}{flow}"),
        format!("{head}{folded}"),
        object(
            KINDS[8],
            "nightly",
            json!([{"name": "t", "emptyDir": {}}, volume("a", "fg"), volume("b", "hard,bg")]),
        )
        .to_string(),
    ];
    for text in texts {
        let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(stdout(&output), text.replace("hard,bg", "hard,fg"));
    }
    Ok(())
}

fn explains() -> Result<(), Failed> {
    let object = object(KINDS[3], "web", json!([volume("a", "hard,bg")]));
    let output = pipe(&["explain", "-f", "-"], object.to_string().as_bytes());
    let text = stdout(&output);
    assert!(text.starts_with("<stdin>:1: Deployment/shop/web spec.template.spec.volumes[0]\n"), "{text}");
    assert!(text.contains("mount -o   hard,bg"), "{text}");
    assert!(!text.contains("claim"), "an inline volume has none: {text}");
    Ok(())
}

fn exempts() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    let file = folder.path().join("pods.json");
    let mut other = object(KINDS[0], "b", json!([volume("a", "bg")]));
    other["metadata"]["namespace"] = "shop-test".into();
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "c", "namespace": "shop-test"}, "provisioner": "nfs.csi.k8s.io",
        "mountOptions": ["bg", "timeo=600", "retrans=2"]});
    let items = [object(KINDS[0], "a", json!([volume("a", "bg")])), other, class];
    fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let path = file.display().to_string();
    let denied = |selectors: &str| -> Result<Vec<Value>, Failed> {
        let head = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";
        let exemption = format!("exemptions:\n- {{rules: [NMG001], {selectors}, reason: tests}}\n");
        fs::write(&policy, format!("{head}{exemption}"))?;
        let report = report(&["--policy", &policy.display().to_string(), &path]);
        let subjects = report["subjects"].as_array().ok_or("subjects")?.iter();
        let denied = subjects.filter(|subject| subject["decision"] == "deny");
        Ok(denied.map(|subject| subject["name"].clone()).collect())
    };
    assert_eq!(denied("namespace: '*-test'")?, ["a", "c"], "a class has no namespace");
    assert_eq!(denied("namespace: '*-test', storageClassName: '*'")?, ["a", "b", "c"], "a Pod has no class");
    assert_eq!(denied("storageClassName: '*'")?, ["a", "b"]);
    Ok(())
}

fn tolerates() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let [file, baseline] =
        ["pods.json", "baseline.json"].map(|name| folder.path().join(name).display().to_string());
    let pod = object(KINDS[0], "a", json!([volume("a", "bg")]));
    fs::write(&file, pod.to_string())?;
    assert_eq!(run(&["check", "--no-policy", &file, "--write-baseline", &baseline]).status.code(), Some(0));
    let check = || run(&["check", "--no-policy", &file, "--baseline", &baseline]).status.code();
    assert_eq!(check(), Some(0));
    let mut moved = pod.clone();
    moved["metadata"]["namespace"] = "other".into();
    fs::write(&file, moved.to_string())?;
    assert_eq!(check(), Some(1), "another namespace");
    fs::write(&file, object(KINDS[0], "a", json!([volume("b", "fg"), volume("a", "bg")])).to_string())?;
    assert_eq!(check(), Some(1), "another volume");
    Ok(())
}

fn reviews() -> Result<(), Failed> {
    let review = |operation: &str, new: Value, old: Value| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "userInfo": {"username": "a"}, "object": new, "oldObject": old}})
    };
    let of = |volumes: Value| object(KINDS[3], "web", volumes);
    let bad = || of(json!([volume("a", "fg"), volume("b", "bg")]));
    assert_eq!(judged(&review("CREATE", bad(), Value::Null))["summary"]["denied"], 1);
    // Existing options stay, also if they move.
    let moved = of(json!([volume("b", "bg"), volume("a", "fg")]));
    assert_eq!(judged(&review("UPDATE", moved, bad()))["summary"]["denied"], 0);
    let worse = of(json!([volume("a", "bg"), volume("b", "bg")]));
    assert_eq!(judged(&review("UPDATE", worse, bad()))["summary"]["denied"], 1);
    assert_eq!(judged(&review("DELETE", bad(), bad()))["summary"]["judged"], 0);
    // Its object may leave out the namespace of the request.
    let mut elsewhere = review("CREATE", bad(), Value::Null);
    elsewhere["request"]["namespace"] = "shop".into();
    elsewhere["request"]["object"]["metadata"]["namespace"].take();
    assert_eq!(judged(&elsewhere)["subjects"][0]["namespace"], "shop");
    // Options in an object of another kind are named.
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"mountOptions": "bg"}});
    let named = judged(
        &review("CREATE", other.clone(), Value::Null)
            .to_string()
            .replace("\"Deployment\"", "\"ConfigMap\"")
            .parse()?,
    );
    assert_eq!(
        named["notJudged"][0]["why"],
        "holds mount options at request.object.data.mountOptions (bg among them)"
    );
    assert_eq!(named["notJudged"][0]["kind"], "ConfigMap");
    Ok(())
}

fn names_others() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    for (name, text) in [
        ("values.yaml", "storageClass:\n  mountOptions: [bg]\n"),
        (
            "release.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: nfs, namespace: kube-system}\nspec: {values: {nfs: {mountOptions: [bg]}}}\n",
        ),
        (
            "secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {mountOptions: hunter2}\n",
        ),
        (
            "claim.yaml",
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {mountOptions: [bg]}\n",
        ),
        ("patch.json", "[{\"op\": \"add\", \"path\": \"/spec/mountOptions\", \"value\": [\"bg\"]}]"),
        (
            "kustomization.yaml",
            "patches:\n- patch: |-\n    - op: add\n      path: /mountOptions\n      value: [bg]\n",
        ),
        ("main.tf", "resource \"kubernetes_storage_class_v1\" \"a\" {\n  mount_options = [\"bg\"]\n}\n"),
        ("innocent.yaml", "kind: ConfigMap\ndata: {a: mountOptions are nice}\n"),
        ("terragrunt.hcl", "inputs = {\n  mount_options = [\"hard\", \"bg\"]\n}\n"),
        ("empty.tf", "resource \"a\" \"b\" {}\n"),
    ] {
        fs::write(folder.path().join(name), text)?;
    }
    let folder = folder.path().display().to_string();
    let output = run(&["check", "--no-policy", &folder]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    for line in [
        "HelmRelease/kube-system/nfs not judged: holds mount options at spec.values.nfs.mountOptions",
        "Secret/s not judged: holds mount options at stringData.mountOptions",
        "main.tf:2: Terraform not judged: holds mount options",
        "terragrunt.hcl:2: Terraform not judged: holds mount options at mount_options (bg among them)",
        "7 not judged: holds mount options",
        "NMG020 unread-options: spec.mountOptions is not a field of a PersistentVolumeClaim",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let report = report(&["--no-policy", &folder]);
    assert_eq!(report["summary"]["notJudged"], 7);
    let kinds: Vec<&str> = report["notJudged"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .filter_map(|found| found["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["", "Terraform", "", "HelmRelease", "Secret", "Terraform", ""]);
    let required = run(&["check", &folder, "--require-match"]);
    assert_eq!(required.status.code(), Some(4));
    let said = String::from_utf8(required.stderr)?;
    assert!(said.contains("--require-match: no NFS volume in the input"), "{said}");
    Ok(())
}

/// The places of which a report says that nothing reads them.
fn unread(report: &Value) -> Vec<String> {
    let subjects = report["subjects"].as_array().expect("subjects");
    let findings = subjects.iter().filter_map(|subject| subject["findings"].as_array()).flatten();
    let of_rule = findings.filter(|finding| finding["code"] == "NMG020" && finding["action"] == "warn");
    of_rule.map(|finding| finding["carrier"].as_str().expect("a place").to_owned()).collect()
}

/// A place of a judged volume that nothing reads is a finding, and `explain` shows it.
fn strays_in_volumes() -> Result<(), Failed> {
    let of = |key: &str, value: Value| {
        let mut stray = volume("a", "nfsvers=4.1,hard,fg");
        stray["csi"][key] = value;
        stray
    };
    let misspelt = |key: &str| {
        let mut stray = volume("a", "nfsvers=4.1,hard,fg");
        stray["csi"]["volumeAttributes"][key] = "soft,bg".into();
        stray
    };
    let mut of_nobody = of("mountOptions", json!(["bg"]));
    of_nobody["csi"]["driver"] = "storage.example.com".into();
    for (stray, place) in [
        (of("mountOptions", json!(["bg"])), "csi.mountOptions"),
        (of("options", json!("hard,bg")), "csi.options"),
        (of("volumeattributes", json!({"mountOptions": "bg"})), "csi.volumeattributes.mountOptions"),
        (misspelt("mountOption"), "volumeAttributes.mountOption"),
        (misspelt("nfs.mount_opts"), "volumeAttributes.nfs.mount_opts"),
        (misspelt("extra"), "volumeAttributes.extra"),
        (of_nobody, "csi.mountOptions"),
    ] {
        for kind in [KINDS[0], KINDS[8]] {
            let whole = match place.strip_prefix("csi.") {
                Some(_) => format!("{}.volumes[1].{place}", kind.2.join(".")),
                None => place.to_owned(),
            };
            let object = object(kind, "web", json!([{"name": "t", "emptyDir": {}}, stray]));
            // JSON and YAML are read in two ways.
            for text in [object.to_string(), format!("# YAML\n{object}")] {
                let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
                let report: Value = serde_json::from_slice(&output.stdout)?;
                assert_eq!(unread(&report), [whole.as_str()], "{text}");
                assert_eq!(report["summary"]["notJudged"], 0, "{text}");
                let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
                assert!(explained.contains(&format!("holds      {whole} (not read")), "{explained}");
            }
        }
    }
    // Of a driver that is no NFS one nothing is said.
    let mut other = of("mountOptions", json!(["bg"]));
    other["csi"]["driver"] = "secrets-store.csi.k8s.io".into();
    assert_eq!(unread(&judged(&object(KINDS[0], "web", json!([other])))), [""; 0]);
    Ok(())
}

/// Options of a claim, and what explain says of them.
fn claims() -> Result<(), Failed> {
    let claim = |more: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c, namespace: shop{more}}}\nspec: {{storageClassName: a{spec}}}\n"
        )
    };
    let beta = ", annotations: {volume.beta.kubernetes.io/mount-options: bg}";
    for (text, place) in [
        (claim("", ", mountOptions: [hard, bg]"), Some("spec.mountOptions")),
        (claim("", ", mountoption: bg"), Some("spec.mountoption")),
        (claim("", ", options: 'hard,bg'"), Some("spec.options")),
        (claim(beta, ""), Some("annotation")),
        (claim("", ""), None),
        (claim("", ", mountOptions: []"), None),
        (claim("", ", resources: {requests: {storage: 1Gi}}"), None),
    ] {
        let value: Value = serde_saphyr::from_str(&text)?;
        for text in [text.clone(), value.to_string(), json!({"kind": "List", "items": [value]}).to_string()] {
            let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
            assert_eq!(output.status.code(), Some(0), "{text}");
            let report: Value = serde_json::from_slice(&output.stdout)?;
            assert_eq!(unread(&report), place.into_iter().collect::<Vec<_>>(), "{text}");
            assert_eq!(report["summary"]["judged"], usize::from(place.is_some()), "{text}");
            if place.is_none() {
                assert_eq!(report["summary"]["skippedBy"], json!({"other kinds": 1}), "{text}");
                continue;
            }
            assert!(
                report["subjects"][0]["findings"][0]["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("(bg among them)"))
            );
            let explained = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
            assert!(explained.contains(&format!("holds      {} (not read)", place.unwrap_or_default())));
            assert!(!explained.contains("dead server"), "{explained}");
            let required = pipe(&["check", "--require-match", "-"], text.as_bytes());
            assert_eq!(required.status.code(), Some(4), "a claim is not mounted");
        }
    }
    Ok(())
}

/// Parts that are not evaluated are named by `explain`, too, and a Secret keeps its values.
fn explains_places() -> Result<(), Failed> {
    let pod = object(KINDS[0], "web", json!([{"name": "n", "nfs": {"server": "a", "mountOptions": "bg"}}]));
    let output = pipe(&["explain", "-f", "-"], pod.to_string().as_bytes());
    assert!(stdout(&output).contains("holds      spec.volumes[0].nfs.mountOptions (not read): bg"));
    let secret = "kind: Secret\napiVersion: v1\nmetadata: {name: s}\nstringData: {mountOptions: hunter2}\n";
    let output = pipe(&["explain", "-f", "-"], secret.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Secret/s not judged: holds mount options at stringData.mountOptions"), "{said}");
    assert!(!said.contains("hunter2") && output.stdout.is_empty(), "{said}");
    Ok(())
}

/// `strings.ToLower` makes an i of the Turkish capital, and `strings.EqualFold`
/// takes the long s for one.
fn folds_keys() -> Result<(), Failed> {
    for key in ["mountOpt\u{130}ons", "MOUNTOPT\u{130}ONS", "mountOption\u{17f}"] {
        let volumes =
            json!([{"name": "a", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {(key): "bg"}}}]);
        assert_eq!(judged(&object(KINDS[0], "a", volumes))["summary"]["denied"], 1, "{key}");
    }
    Ok(())
}

fn names_beside() -> Result<(), Failed> {
    let good = || volume("good", "nfsvers=4.1,hard,fg,timeo=600,retrans=2");
    for (bad, is_lost) in [
        (json!({"name": "n", "nfs": {"server": "a", "path": "/", "mountOptions": "bg"}}), true),
        (
            json!({"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": {"mountOptions": ["bg"]}}}}),
            true,
        ),
        (json!({"name": "f", "flexVolume": {"driver": "a/b", "options": {"mountOptions": "bg"}}}), false),
    ] {
        for kind in [KINDS[0], KINDS[8]] {
            let report = judged(&object(kind, "web", json!([good(), bad])));
            // Options that certainly nothing reads are a finding of the object itself.
            let counts = if is_lost { (2, 0) } else { (1, 1) };
            let summary = &report["summary"];
            assert_eq!(
                (&summary["judged"], &summary["notJudged"]),
                (&json!(counts.0), &json!(counts.1)),
                "{bad}: {report:#}"
            );
            assert_eq!(report["summary"]["documents"], 1, "{bad}: {report:#}");
        }
    }
    assert_eq!(judged(&object(KINDS[0], "web", json!([good()])))["summary"]["notJudged"], 0);
    Ok(())
}

fn keys_that_are_no_source() -> Result<(), Failed> {
    let mut stray = volume("a", "hard,bg");
    stray["mountOptions"] = json!(["hard"]);
    let report = judged(&object(KINDS[0], "web", json!([stray, volume("b", "bg")])));
    assert_eq!(
        (&report["summary"]["denied"], &report["summary"]["notJudged"]),
        (&json!(2), &json!(0)),
        "{report:#}"
    );
    assert_eq!(unread(&report), ["spec.volumes[0].mountOptions"]);
    // At another level of the same object.
    let mut deployment = object(KINDS[3], "web", json!([volume("a", "nfsvers=4.1,hard,fg")]));
    deployment["spec"]["volumes"] = json!([volume("b", "bg")]);
    let report = judged(&deployment);
    assert_eq!(
        (&report["summary"]["judged"], &report["summary"]["notJudged"]),
        (&json!(1), &json!(1)),
        "{report:#}"
    );
    Ok(())
}

fn two_sources() -> Result<(), Failed> {
    let mut both = volume("a", "fg");
    both["emptyDir"] = json!({});
    let object = object(KINDS[3], "web", json!([both]));
    let output = pipe(&["check", "--no-policy", "-"], object.to_string().as_bytes());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("spec.template.spec.volumes[0] has csi and emptyDir"), "{text}");
    // Nor does a walk pass over it.
    let folder = TempDir::new()?;
    fs::write(
        folder.path().join("pod.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {volumes: [{name: v, nfs: {server: a, path: /}, csi: {driver: b}}]}\n",
    )?;
    assert_eq!(run(&["check", &folder.path().display().to_string()]).status.code(), Some(3));
    Ok(())
}

fn other_keys() -> Result<(), Failed> {
    let pod = object(KINDS[0], "lost", json!([volume("a", "bg")]));
    let good = || object(KINDS[0], "good", json!([volume("a", "nfsvers=4.1,hard,fg")]));
    for list in [
        json!({"apiVersion": "v1", "kind": "List", "items": null, "item": [pod]}),
        json!({"apiVersion": "v1", "kind": "List", "items": [], "objects": [pod]}),
        json!({"apiVersion": "v1", "kind": "List", "list": [pod]}),
        json!({"apiVersion": "v1", "kind": "List", "items": [good()], "item": [pod]}),
        json!({"apiVersion": "v1", "kind": "List", "item": pod, "items": [good()]}),
        json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List",
            "items": [good()], "objects": [pod]}]}),
    ] {
        // JSON and YAML are read in two ways.
        for text in [list.to_string(), format!("# YAML\n{list}")] {
            let output = pipe(&["check", "--no-policy", "-"], text.as_bytes());
            let said = stdout(&output);
            assert!(output.status.code() == Some(3) && said.contains("Pod/lost"), "{text}: {said}");
        }
    }
    // A list of something else, and the list's own metadata.
    let others = json!({"apiVersion": "v1", "kind": "List", "items": [good()], "names": ["a"],
        "conditions": [{"type": "a"}], "metadata": {"kind": "Pod", "apiVersion": "v1"}});
    assert_eq!(judged(&others)["summary"]["unreadable"], 0);
    // The type may be missing there.
    let class =
        json!({"metadata": {"name": "lost"}, "provisioner": "nfs.csi.k8s.io", "mountOptions": ["bg"]});
    for items in
        [json!([]), json!(null), json!([{"metadata": {"name": "a"}, "provisioner": "nfs.csi.k8s.io"}])]
    {
        let list = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClassList", "items": items,
            "objects": [class]});
        for text in [list.to_string(), format!("# YAML\n{list}")] {
            let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
            let report: Value = serde_json::from_slice(&output.stdout)?;
            let why = "holds mount options at objects[0].mountOptions (bg among them)";
            assert_eq!(report["notJudged"][0]["why"], why, "{text}");
        }
    }
    let inner = json!({"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": null}]});
    assert_eq!(judged(&inner)["summary"]["skippedBy"], json!({"empty Lists": 1}));
    Ok(())
}

/// Patches, values of charts and Secrets, in YAML and in JSON.
fn names_texts() -> Result<(), Failed> {
    let patch = r#"[{"op":"add","path":"/mountOptions/-","value":"bg"}]"#;
    let object = |kind: &str, more: Value| {
        let mut object = json!({"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "a"}});
        object.as_object_mut().expect("a map").append(&mut more.as_object().expect("a map").clone());
        object
    };
    let secret = |text: &str| object("Secret", json!({"data": {"a": STANDARD.encode(text)}}));
    let helm = |more: Value| object("Application", json!({"spec": {"source": {"helm": more}}}));
    for (document, at) in [
        (object("Kustomization", json!({"patches": [{"patch": patch}]})), "patches[0].patch"),
        (object("Kustomization", json!({"patches": [{"patch": "mountOptions: [bg]"}]})), "patches[0].patch"),
        (secret("storageClass:\n  mountOptions: [bg]\n"), "data.a"),
        (object("Secret", json!({"data": {"mountOptions": "Ymc="}})), "data.mountOptions"),
        (
            object("HelmChart", json!({"spec": {"set": {"a.mountOptions[0]": "bg"}}})),
            "spec.set.a.mountOptions[0]",
        ),
        (
            object("HelmChart", json!({"spec": {"valuesContent": "a:\n  mountOptions: [bg]\n"}})),
            "spec.valuesContent",
        ),
        (
            object(
                "HelmRelease",
                json!({"spec": {"valuesFrom": [{"name": "a", "targetPath": "a.mountOptions[0]"}]}}),
            ),
            "spec.valuesFrom[0].targetPath",
        ),
        (
            helm(json!({"parameters": [{"name": "a.mountOptions[0]", "value": "bg"}]})),
            "spec.source.helm.parameters[0].name",
        ),
        (helm(json!({"values": "{a: {mountOptions: [bg]}}"})), "spec.source.helm.values"),
        (
            helm(json!({"valuesObject": {"a": {"mountOptions": ["bg"]}}})),
            "spec.source.helm.valuesObject.a.mountOptions",
        ),
        (
            object("ConfigMap", json!({"data": {"values.yaml": "a: {mountOptions: [bg]}\n"}})),
            "data.values.yaml",
        ),
    ] {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [document]}).to_string();
        for text in [document.to_string(), format!("# YAML\n{document}"), list] {
            let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
            assert_eq!(output.status.code(), Some(0), "{text}");
            let report: Value = serde_json::from_slice(&output.stdout)?;
            let why = report["notJudged"][0]["why"].as_str().ok_or("why")?;
            let why = why.strip_suffix(" (bg among them)").unwrap_or(why);
            assert_eq!(why, format!("holds mount options at {at}"), "{text}");
            assert_eq!(report["summary"]["skippedBy"], json!({"not judged: holds mount options": 1}));
        }
    }
    let other = object("Secret", json!({"data": {"a": STANDARD.encode("user: a\npassword: b\n")}}));
    assert_eq!(judged(&other)["summary"]["notJudged"], 0);
    Ok(())
}

fn formats() -> Result<(), Failed> {
    let values = json!({"apiVersion": "helm.cattle.io/v1", "kind": "HelmChart", "metadata": {"name": "c"},
        "spec": {"set": {"nfs.mountOptions[0]": "bg"}}});
    for format in ["text", "json", "sarif", "junit", "github", "gitlab"] {
        let output = pipe(&["check", "--no-policy", "--format", format, "-"], values.to_string().as_bytes());
        let text = stdout(&output);
        assert!(text.contains("holds mount options at spec.set.nfs.mountOptions[0]"), "{format}: {text}");
        assert_eq!(output.status.code(), Some(0), "{format}");
    }
    Ok(())
}

/// Every place of an object is named, and a claim is where no rule speaks of it.
fn names_every_place() -> Result<(), Failed> {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec:\n  volumeClaimTemplates:\n  - spec: \
               {mountOptions: [hard]}\n  - metadata: {annotations: {volume.beta.kubernetes.io/mount-options: 'ro,bg'}}\n";
    let said = stdout(&pipe(&["check", "--no-policy", "-"], set.as_bytes()));
    for at in [
        "NMG020 unread-options: spec.volumeClaimTemplates[0].spec.mountOptions is not a field of a StatefulSet",
        "NMG020 unread-options: spec.volumeClaimTemplates[1].metadata.annotations[volume.beta.kubernetes.io/mount-options] \
is read by nothing, so its options are lost (bg among them)",
    ] {
        assert!(said.contains(at), "{said}");
    }
    let explained = stdout(&pipe(&["explain", "--no-policy", "-f", "-"], set.as_bytes()));
    assert_eq!(explained.matches("(not read)").count(), 2, "{explained}");
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {"mountOptions": ["hard", "bg"]}})
    .to_string();
    for flags in [["--profile", "standard@1"], ["--select", "NMG001"], ["--ignore", "NMG020"]] {
        let arguments = [&["check", "--no-policy", "--format", "json"][..], &flags, &["-"]].concat();
        let report: Value = serde_json::from_slice(&pipe(&arguments, claim.as_bytes()).stdout)?;
        assert_eq!(report["summary"]["notJudged"], 1, "{flags:?}");
        let why = &report["notJudged"][0]["why"];
        assert_eq!(*why, "holds mount options at spec.mountOptions (bg among them)", "{flags:?}");
    }
    Ok(())
}
