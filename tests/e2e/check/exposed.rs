//! Checks which Pods are exposed: the join of volumes, claims and Pods of one input.

mod classes;
mod inputs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};
use crate::schema;

/// Tests of the join.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::exposed::{name}"), test);
    let mut trials = vec![
        trial("names_workloads_pods_and_nodes_by_urgency", names_pods),
        trial("the_order_of_the_input_does_not_matter", any_order),
        trial("yaml_and_json_say_the_same", yaml_and_json),
        trial("nothing_is_said_without_pods_of_a_cluster", nothing_without_pods),
        trial("an_inline_volume_is_the_pods_own", inline),
        trial("text_ends_with_the_order_of_cure", text),
        trial("a_finding_of_two_volumes_is_exposed_too", of_two_volumes),
        trial("a_claim_that_names_its_volume_has_it", named_by_its_claim),
        trial("the_cure_of_a_flexvolume_is_no_list", flex_volumes),
        trial("a_flexvolume_with_the_name_of_a_csi_driver_is_cured_as_a_flexvolume", named_as_a_driver),
        trial("a_pod_that_runs_has_the_volume_of_a_claim_that_is_gone", released),
        trial("overlays_of_several_clusters_are_not_compared", overlays),
        trial("a_baseline_takes_the_exposure_too", baseline),
        trial("a_pod_that_cannot_be_read_is_reported", unreadable_pods),
        trial("hostile_names_are_shown_as_text", hostile),
    ];
    trials.extend(inputs::trials());
    trials.extend(classes::trials());
    trials
}

/// A Pod that runs and cannot be read may be exposed: the report is not complete.
fn unreadable_pods() -> Result<(), Failed> {
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    for (pointer, value) in [
        ("/status/startTime", json!(5)),
        ("/metadata/ownerReferences", json!("s")),
        ("/spec/volumes", json!("no")),
        ("/spec/nodeName", json!(7)),
        ("/spec/volumes/0/persistentVolumeClaim/claimName", json!(7)),
    ] {
        let mut bad = pod("web-1", Some(("ReplicaSet", "web-7d4b9")), ("n1", "Running"), volumes.clone());
        bad["status"]["startTime"] = json!("2026-11-01T08:00:00Z");
        *bad.pointer_mut(pointer).ok_or(pointer)? = value;
        let good = pod("web-2", None, ("n2", "Running"), volumes.clone());
        let items = [volume("pv", Some("shop/data"), "Bound"), bad, good];
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        for text in [list.clone(), format!("# YAML\n{list}")] {
            let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
            assert_eq!(output.status.code(), Some(3), "{pointer}");
            let report: Value = serde_json::from_slice(&output.stdout)?;
            let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
            assert!(message.starts_with("Pod/shop/web-1: "), "{message}");
            assert_eq!((&report["complete"], &report["summary"]["unreadable"]), (&json!(false), &json!(1)));
            let exposed = report["exposed"].to_string();
            assert!(exposed.contains("web-2") && !exposed.contains("web-1"), "{exposed}");
        }
    }
    // A manifest has no phase, and its other fields are not read.
    let mut manifest = pod("web", None, ("", "Pending"), volumes);
    manifest["status"] = json!({});
    manifest["metadata"]["ownerReferences"] = json!("s");
    let output = pipe(&["check", "--no-policy", "-"], manifest.to_string().as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    Ok(())
}

/// A volume that mounts in the background, bound to a claim or free.
fn volume(name: &str, claim: Option<&str>, phase: &str) -> Value {
    let mut spec = json!({
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "shared",
        "mountOptions": ["nfsvers=4.1", "hard", "bg", "timeo=600", "retrans=2"],
        "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": name, "volumeAttributes":
            {"server": "nas.example.com", "share": "/export", "subdir": name}},
    });
    if let Some((namespace, name)) = claim.and_then(|claim| claim.split_once('/')) {
        spec["claimRef"] = json!({"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name});
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "spec": spec, "status": {"phase": phase},
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"}}})
}

fn good(name: &str, claim: &str) -> Value {
    let mut volume = volume(name, Some(claim), "Bound");
    volume["spec"]["mountOptions"] = json!(["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"]);
    volume
}

/// A Pod with its owner, node, phase and volumes.
fn pod(name: &str, owner: Option<(&str, &str)>, (node, phase): (&str, &str), volumes: Value) -> Value {
    let mut metadata = json!({"name": name, "namespace": "shop", "creationTimestamp": "2026-11-01T08:00:00Z",
        "labels": {"pod-template-hash": "7d4b9"}});
    if let Some((kind, owner)) = owner {
        metadata["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": true}]);
    }
    let mut status = json!({ "phase": phase });
    let mut spec =
        json!({"containers": [{"name": "c", "image": "registry.example.com/app"}], "volumes": volumes});
    if !node.is_empty() {
        spec["nodeName"] = node.into();
        status["startTime"] = "2026-11-01T08:00:05Z".into();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
}

fn claim(name: &str) -> Value {
    json!([{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": name}}])
}

fn mounts(claims: &[&str]) -> Value {
    claims.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}})).collect()
}

/// A cluster with a volume in each state.
fn cluster() -> Vec<Value> {
    let of = |hash: &str| Some(("ReplicaSet", hash.to_owned()));
    let web = of("orders-7d4b9");
    let web = web.as_ref().map(|(kind, name)| (*kind, name.as_str()));
    vec![
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "shared"},
            "provisioner": "nfs.csi.k8s.io", "parameters": {"server": "nas.example.com", "share": "/export"},
            "mountOptions": ["nfsvers=4.1", "hard", "bg", "timeo=600", "retrans=2"]}),
        volume("pv-free", None, "Available"),
        // Its claim was made again, and has another volume.
        volume("pv-released", Some("shop/orders"), "Released"),
        volume("pv-orders", Some("shop/orders"), "Bound"),
        volume("pv-idle", Some("shop/idle"), "Bound"),
        volume("pv-waits", Some("shop/waits"), "Bound"),
        volume("pv-scratch", Some("shop/db-0-scratch"), "Bound"),
        volume("pv-elsewhere", Some("other/orders"), "Bound"),
        good("pv-good", "shop/good"),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {"volumeName": "pv-orders"}}),
        pod("orders-7d4b9-b", web, ("node-2", "Running"), claim("orders")),
        pod("orders-7d4b9-a", web, ("node-1", "Running"), claim("orders")),
        pod("orders-7d4b9-c", web, ("", "Pending"), claim("orders")),
        pod("orders-7d4b9-old", web, ("node-1", "Succeeded"), claim("orders")),
        pod("debug", None, ("node-3", "Running"), claim("orders")),
        pod("waits", None, ("", "Pending"), claim("waits")),
        pod("fine", None, ("node-1", "Running"), claim("good")),
        pod(
            "db-0",
            Some(("StatefulSet", "db")),
            ("node-1", "Running"),
            json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]),
        ),
        pod("plain", None, ("node-1", "Running"), json!([])),
    ]
}

fn list(items: &[Value]) -> Vec<u8> {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string().into_bytes()
}

fn judged(input: &[u8]) -> Result<Value, Failed> {
    let output = pipe(&["check", "--no-policy", "--select", "NMG001", "--format", "json", "-"], input);
    let report = serde_json::from_slice(&output.stdout)?;
    schema::fits("check.schema.json", &report)?;
    Ok(report)
}

/// State, volume, claim and workload of each entry, and its Pods.
fn rows(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |entry: &Value| {
        let fields = ["state", "code", "subject", "claim", "workload"].map(|key| text(&entry[key]));
        let pods: Vec<String> = entry["pods"]
            .as_array()
            .expect("Pods")
            .iter()
            .map(|pod| format!("{}@{}", text(&pod["name"]), text(&pod["node"])))
            .collect();
        format!("{} {}", fields.join(" "), pods.join(","))
    };
    report["exposed"].as_array().expect("exposed").iter().map(row).collect()
}

const EXPECTED: [&str; 8] = [
    "running NMG001 PersistentVolume/pv-orders shop/orders Deployment/shop/orders orders-7d4b9-a@node-1,orders-7d4b9-b@node-2,orders-7d4b9-c@-",
    "running NMG001 PersistentVolume/pv-orders shop/orders Pod/shop/debug debug@node-3",
    "running NMG001 PersistentVolume/pv-scratch shop/db-0-scratch StatefulSet/shop/db db-0@node-1",
    "pending NMG001 PersistentVolume/pv-waits shop/waits Pod/shop/waits waits@-",
    "bound NMG001 PersistentVolume/pv-elsewhere other/orders - ",
    "bound NMG001 PersistentVolume/pv-idle shop/idle - ",
    "free NMG001 PersistentVolume/pv-free - - ",
    "free NMG001 PersistentVolume/pv-released - - ",
];

fn expected() -> Vec<String> {
    EXPECTED.iter().map(|row| (*row).to_owned()).collect()
}

fn names_pods() -> Result<(), Failed> {
    let report = judged(&list(&cluster()))?;
    assert_eq!(rows(&report), expected());
    assert_eq!((&report["complete"], &report["consistent"]), (&json!(true), &json!(true)));
    let first = &report["exposed"][0]["pods"];
    assert_eq!(first[0]["since"], "2026-11-01T08:00:05Z");
    assert_eq!((&first[2]["phase"], &first[2]["since"]), (&json!("Pending"), &json!("2026-11-01T08:00:00Z")));
    // A field that is only read when all is over stands at the end.
    let keys: Vec<&String> = report.as_object().expect("a report").keys().collect();
    assert!(keys.len() > 8);
    Ok(())
}

fn any_order() -> Result<(), Failed> {
    let mut items = cluster();
    items.reverse();
    assert_eq!(rows(&judged(&list(&items))?), expected());
    // In two files, too: the Pods in the first one.
    let (pods, others): (Vec<Value>, Vec<Value>) = items.into_iter().partition(|item| item["kind"] == "Pod");
    let folder = tempfile::TempDir::new()?;
    let [first, second] = ["a.json", "b.json"].map(|name| folder.path().join(name));
    std::fs::write(&first, list(&pods))?;
    std::fs::write(&second, list(&others))?;
    let files = [first, second].map(|file| file.display().to_string());
    let report = super::report(&["--no-policy", "--select", "NMG001", &files[0], &files[1]]);
    assert_eq!(rows(&report), expected());
    Ok(())
}

fn yaml_and_json() -> Result<(), Failed> {
    // Every JSON text is YAML; a comment in front makes it that.
    let documents: Vec<String> = cluster().iter().map(|item| format!("# a\n{item:#}\n")).collect();
    let yaml = documents.join("---\n");
    assert_eq!(rows(&judged(yaml.as_bytes())?), expected());
    Ok(())
}

fn nothing_without_pods() -> Result<(), Failed> {
    let without = |drop: fn(&mut Value)| {
        let mut items = cluster();
        items.iter_mut().filter(|item| item["kind"] == "Pod").for_each(drop);
        list(&items)
    };
    let volumes: Vec<Value> = cluster().into_iter().filter(|item| item["kind"] != "Pod").collect();
    for input in [
        list(&volumes),
        without(|pod| pod["status"] = Value::Null),
        without(|pod| {
            pod.as_object_mut().expect("a Pod").remove("status");
        }),
    ] {
        assert_eq!(rows(&judged(&input)?), Vec::<String>::new());
        let output = pipe(&["check", "--no-policy", "-"], &input);
        assert!(!stdout(&output).contains("exposed"), "{output:?}");
    }
    // Pods that mount nothing still say that no Pod mounts the volume.
    let mut items = volumes;
    items.push(pod("plain", None, ("node-1", "Running"), json!([])));
    let report = judged(&list(&items))?;
    assert!(rows(&report).iter().all(|row| row.starts_with("bound") || row.starts_with("free")), "{report}");
    assert_eq!(rows(&report).len(), 7);
    Ok(())
}

fn inline() -> Result<(), Failed> {
    let volumes = |options: &str| {
        json!([{"name": "a", "emptyDir": {}}, {"name": "b", "csi": {"driver": "nfs.csi.k8s.io",
            "volumeAttributes": {"server": "nas.example.com", "share": "/", "mountOptions": options}}}])
    };
    let items = [
        pod("web-7d4b9-a", Some(("ReplicaSet", "web-7d4b9")), ("node-1", "Running"), volumes("hard,bg")),
        pod("done", None, ("node-1", "Failed"), volumes("hard,bg")),
        pod("good", None, ("node-1", "Running"), volumes("hard,fg")),
    ];
    let expected =
        ["running NMG001 Pod/shop/web-7d4b9-a spec.volumes[1] - Deployment/shop/web web-7d4b9-a@node-1"];
    assert_eq!(rows(&judged(&list(&items))?), expected);
    Ok(())
}

fn text() -> Result<(), Failed> {
    let output = pipe(&["check", "--no-policy", "--select", "NMG001", "-"], &list(&cluster()));
    assert_eq!(output.status.code(), Some(1));
    let shown = stdout(&output);
    let at = shown.find("exposed (3 running, 1 pending, 2 bound, 2 free):").ok_or(shown.clone())?;
    let (findings, rest) = shown.split_at(at);
    assert!(findings.contains("NMG001 background-mount"), "{shown}");
    for line in [
        "  running NMG001 PersistentVolume/pv-orders, claim shop/orders: Deployment/shop/orders: orders-7d4b9-a on node-1 \
(running since 2026-11-01T08:00:05Z), orders-7d4b9-b on node-2 (running since 2026-11-01T08:00:05Z), orders-7d4b9-c \
(pending since 2026-11-01T08:00:00Z)\n",
        "  bound   NMG001 PersistentVolume/pv-idle, claim shop/idle: no Pod\n",
        "  free    NMG001 PersistentVolume/pv-free: no Pod\n",
        "  1. Correct the classes, because volumes that they provision get these options: StorageClass/shared: \
nfsvers=4.1,hard,bg,timeo=600,retrans=2. Volumes that exist keep their own copy.\n",
        "  2. NMG001: before you delete a Pod or a volume, run \"nfs-mount-guard node-check\" on 3 nodes: node-1, node-2, \
node-3.",
        "  3. Correct each PersistentVolume: spec.mountOptions can be changed in place, volumeAttributes only by recreating the \
volume. Before you recreate one, set its persistentVolumeReclaimPolicy to Retain, ",
        "  4. Save what is needed of generic ephemeral volumes: each is deleted with its Pod, ",
        "  5. Restart the workloads. A running Pod keeps the mount that it has",
        " Keep this list until then: once the volumes are corrected, their Pods are no longer in it.\n",
    ] {
        assert!(rest.contains(line), "{line:?} in\n{rest}");
    }
    assert!(shown.lines().last().is_some_and(|line| line.contains(" judged (")), "{shown}");
    Ok(())
}

/// A volume without claimRef has the claim that names it in `spec.volumeName`; one that was released,
/// or has another claim, has not.
fn named_by_its_claim() -> Result<(), Failed> {
    let naming = |namespace: &str, name: &str, volume: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"volumeName": volume, "accessModes": ["ReadWriteMany"]},
        })
    };
    let items = [
        naming("shop", "new", "pv-new"),
        naming("shop", "late", "pv-released"),
        naming("shop", "wrong", "pv-orders"),
        volume("pv-new", None, "Available"),
        volume("pv-released", Some("shop/gone"), "Released"),
        volume("pv-orders", Some("shop/orders"), "Bound"),
        pod("app", None, ("node-1", "Pending"), mounts(&["new", "late", "wrong"])),
    ];
    // As JSON and as YAML, in any order.
    let mut turned = items.clone();
    turned.reverse();
    let yaml: String = items.iter().map(|item| format!("---\n{item:#}\n")).collect::<Vec<_>>().concat();
    for input in [list(&items), list(&turned), yaml.into_bytes()] {
        let report = judged(&input)?;
        let rows = rows(&report);
        let of = |name: &str| rows.iter().find(|row| row.contains(name)).cloned().unwrap_or_default();
        assert!(of("pv-new").starts_with("pending") && of("pv-new").contains("shop/new"), "{rows:#?}");
        assert!(of("pv-released").starts_with("free"), "{rows:#?}");
        assert!(of("pv-orders").starts_with("bound") && of("pv-orders").contains("shop/orders"), "{rows:#?}");
        assert_eq!(report["summary"]["documents"], items.len(), "{report:#}");
    }
    Ok(())
}

fn flex_volumes() -> Result<(), Failed> {
    let flex = |name: &str, options: Value| {
        let mut volume = volume(name, Some("shop/data"), "Bound");
        volume["spec"].as_object_mut().expect("a spec").remove("csi");
        volume["spec"]["flexVolume"] = json!({"driver": "oracle.com/oci-fss", "options": {"server": "nas"}});
        volume["spec"]["mountOptions"] = options;
        volume
    };
    let said = |items: &[Value]| stdout(&pipe(&["check", "--no-policy", "-"], &list(items)));
    let app = pod("app", None, ("node-1", "Running"), claim("data"));
    let text = said(&[flex("pv", json!(["bg"])), app.clone()]);
    for words in [
        "Correct each FlexVolume in spec.flexVolume.options, as its driver reads them, by recreating the volume",
        "remove mountOptions, which the kubelet rejects on a FlexVolume",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for words in ["spec.mountOptions can be changed in place", "replace it with"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
    // With a volume of another kind there is the other step, too.
    let text = said(&[flex("pv", json!(["bg"])), volume("nfs", Some("shop/data"), "Bound"), app]);
    assert!(text.contains("spec.mountOptions can be changed in place") && text.contains("each FlexVolume"));
    Ok(())
}

/// A script is no CSI driver, though it has the name of one.
fn named_as_a_driver() -> Result<(), Failed> {
    for driver in ["nfs.csi.k8s.io", "ebs.csi.aws.com", "efs.csi.aws.com", "example.com/nfs", "own/script"] {
        let mut volume = volume("pv", Some("shop/data"), "Bound");
        let spec = volume["spec"].as_object_mut().expect("a spec");
        spec.remove("csi");
        spec.remove("mountOptions");
        spec.insert(
            "flexVolume".to_owned(),
            json!({"driver": driver, "options": {"nfs.mountOptions": "hard,bg"}}),
        );
        let items = list(&[volume, pod("app", None, ("node-1", "Running"), claim("data"))]);
        let report = judged(&items)?;
        assert_eq!(
            rows(&report),
            ["running NMG001 PersistentVolume/pv shop/data Pod/shop/app app@node-1"],
            "{driver}"
        );
        assert_eq!(report["exposed"][0]["inEffect"], true, "{driver}");
        let text = stdout(&pipe(&["check", "--no-policy", "-"], &items));
        for words in [
            "Correct each FlexVolume",
            "\"nfs-mount-guard node-check\" on 1 node: node-1",
            "Restart the workloads",
        ] {
            assert!(text.contains(words), "{driver}: {words}: {text}");
        }
        // Missing options are missing in its own map, because the kubelet takes no list.
        let output = pipe(
            &["check", "--no-policy", "--select", "NMG002,NMG003,NMG004,NMG022", "--format", "json", "-"],
            &items,
        );
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
        let pointers: Vec<&str> = findings.iter().filter_map(|finding| finding["pointer"].as_str()).collect();
        assert!(
            !pointers.is_empty() && pointers.iter().all(|at| *at == "/spec/flexVolume/options"),
            "{driver}: {pointers:?}"
        );
    }
    Ok(())
}

/// A mount outlives the claim and the phase of its volume. A claim of the same name that has another
/// volume is another one.
fn released() -> Result<(), Failed> {
    for phase in ["Released", "Failed", "Available", "Pending"] {
        let old = volume("pv-old", Some("shop/data"), phase);
        let app = |phase: &str| pod("app", None, ("node-1", phase), claim("data"));
        let found = |items: &[Value]| judged(&list(items)).map(|report| rows(&report));
        assert_eq!(
            found(&[old.clone(), app("Running")])?,
            ["running NMG001 PersistentVolume/pv-old shop/data Pod/shop/app app@node-1"],
            "{phase}"
        );
        let free = ["free NMG001 PersistentVolume/pv-old - - "];
        // One that waits gets another volume.
        assert_eq!(found(&[old.clone(), app("Pending")])?, free, "{phase}");
        assert_eq!(
            found(&[old.clone(), pod("other", None, ("n", "Running"), claim("other"))])?,
            free,
            "{phase}"
        );
        let named = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"namespace": "shop", "name": "data"}, "spec": {"volumeName": "pv-new"}});
        assert_eq!(found(&[old.clone(), app("Running"), named])?, free, "{phase}");
        assert_eq!(found(&[old.clone(), app("Running"), good("pv-new", "shop/data")])?, free, "{phase}");
    }
    Ok(())
}

fn of_two_volumes() -> Result<(), Failed> {
    let named = |name: &str, claim: &str| {
        let mut volume = good(name, claim);
        volume["spec"]["csi"]["volumeHandle"] = "one".into();
        volume
    };
    let items = [
        named("pv-a", "shop/a"),
        named("pv-b", "shop/b"),
        good("pv-c", "shop/c"),
        pod("a", None, ("node-1", "Running"), claim("a")),
    ];
    let expected = [
        "running NMG024 PersistentVolume/pv-a shop/a Pod/shop/a a@node-1",
        "bound NMG024 PersistentVolume/pv-b shop/b - ",
    ];
    for input in [list(&items), items.map(|item| format!("# a\n{item:#}\n")).join("---\n").into_bytes()] {
        let output = pipe(&["check", "--no-policy", "--format", "json", "-"], &input);
        assert_eq!(rows(&serde_json::from_slice(&output.stdout)?), expected);
    }
    Ok(())
}

/// Objects in two directories are never known to be in one cluster.
fn overlays() -> Result<(), Failed> {
    let folder = tempfile::TempDir::new()?;
    let named = |name: &str| {
        let mut volume = good(name, "shop/a");
        volume["spec"]["csi"]["volumeHandle"] = "one".into();
        volume.to_string()
    };
    let codes = |files: &[(&str, &str)]| {
        for (file, name) in files {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a folder"))?;
            std::fs::write(file, named(name))?;
        }
        let report = super::report(&["--no-policy", &folder.path().display().to_string()]);
        Ok::<_, Failed>(super::actions(&report))
    };
    assert_eq!(codes(&[("dev/a.json", "a"), ("prod/b.json", "b")])?, []);
    let warned = ("NMG024".to_owned(), "warn".to_owned());
    assert_eq!(codes(&[("prod/c.json", "c")])?, [warned.clone(), warned]);
    Ok(())
}

fn baseline() -> Result<(), Failed> {
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("known.json").display().to_string();
    let input = list(&cluster());
    pipe(&["check", "--no-policy", "--write-baseline", &file, "-"], &input);
    let output = pipe(&["check", "--no-policy", "--format", "json", "--baseline", &file, "-"], &input);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(rows(&report), Vec::<String>::new());
    Ok(())
}

fn hostile() -> Result<(), Failed> {
    let name = "a\u{1b}[31m\n::error::x";
    let mut bad = volume("pv", Some("shop/orders"), "Bound");
    bad["spec"]["claimRef"]["name"] = name.into();
    let items = [bad, pod(name, Some((name, name)), (name, "Running"), claim(name))];
    let shown = stdout(&pipe(&["check", "--no-policy", "-"], &list(&items)));
    assert!(shown.contains("exposed (1 running)"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.lines().any(|line| line.starts_with("::")), "{shown}");
    assert_eq!(rows(&judged(&list(&items))?).len(), 1);
    Ok(())
}
