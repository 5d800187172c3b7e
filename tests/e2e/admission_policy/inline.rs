//! The admission policy for inline volumes of Pods.

use std::time::Instant;

use hyper::Method;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission_policy::{inline, webhook_match_conditions};
use nfs_mount_guard::kind::Kind;
use nfs_mount_guard::policy::{Mode, Policy};
use nfs_mount_guard::subject::driver::{self, Nfs};
use serde_json::{Value, json};

use super::differences::is_another_word;
use super::{background_mount_only, clear, refuses, registrations, samples, trial, wait};
use crate::api::{Api, Call, Said};
use crate::cluster::{Cluster, free_port, webhook_configurations};
use crate::objects::documents;

/// Tests of the policy.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_inline_policy_refuses_the_pods_that_the_engine_refuses", pods),
        trial("the_inline_policy_warns_of_what_makes_such_pods", templates),
        trial("a_workload_that_runs_comes_back_while_the_inline_policy_warns", comes_back),
        trial("what_the_inline_policy_costs_a_pod", price),
        trial("a_webhook_for_inline_volumes_is_asked_about_nothing_else", webhook),
        trial("the_inline_policy_keeps_out_no_other_pod_however_large", large),
    ]
}

fn pod_spec(volumes: &Value) -> Value {
    json!({"containers": [{"name": "c", "image": "registry.example.com/app"}], "volumes": volumes})
}

/// An object of a kind whose Pods have these volumes.
pub(super) fn workload(kind: Kind, volumes: &Value) -> Value {
    let labels = json!({"app": "a"});
    let mut spec = pod_spec(volumes);
    if matches!(kind, Kind::Job | Kind::CronJob) {
        spec["restartPolicy"] = "Never".into();
    }
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let version = if kind.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group()) };
    let mut object = json!({"apiVersion": version, "kind": kind.as_str(), "metadata": {"name": "web"}});
    let selector = json!({"matchLabels": labels});
    match kind {
        Kind::Pod => object["spec"] = pod_spec(volumes),
        Kind::PodTemplate => object["template"] = template,
        Kind::ReplicationController => {
            object["spec"] = json!({"selector": labels, "template": template});
        }
        Kind::Job => object["spec"] = json!({ "template": template }),
        Kind::CronJob => {
            object["spec"] =
                json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}});
        }
        Kind::StatefulSet => {
            object["spec"] = json!({"serviceName": "web", "selector": selector, "template": template});
        }
        _ => object["spec"] = json!({"selector": selector, "template": template}),
    }
    object
}

pub(super) fn workloads() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| {
        !matches!(
            kind,
            Kind::StorageClass
                | Kind::PersistentVolume
                | Kind::VolumeSnapshotClass
                | Kind::PersistentVolumeClaim
        )
    })
}

pub(super) fn volume(name: &str, driver: &str, options: &str) -> Value {
    json!({"name": name, "csi": {"driver": driver, "volumeAttributes": {"mountOptions": options}}})
}

pub(super) fn install(api: &Api) {
    register(api, &Policy::default());
    let bad = json!([volume("a", "nfs.csi.k8s.io", "bg")]);
    wait("it is not in effect", || {
        let pod = api.send(Call::try_create(&workload(Kind::Pod, &bad)));
        let template = api.send(Call::try_create(&workload(Kind::Deployment, &bad)));
        !pod.passed() && !template.warnings.is_empty()
    });
}

/// A Pod with an inline volume of these attributes.
pub(super) fn pod_with(driver: &str, attributes: &Value) -> Value {
    workload(Kind::Pod, &json!([{"name": "a", "csi": {"driver": driver, "volumeAttributes": attributes}}]))
}

pub(super) fn register(api: &Api, policy: &Policy) {
    for object in documents(&inline(policy).expect("a policy")) {
        let resource = match object["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => "validatingadmissionpolicies",
            _ => "validatingadmissionpolicybindings",
        };
        let said = api.send(Call { method: Method::POST, path: registrations(resource), body: object });
        assert!(said.passed(), "{said:?}");
    }
}

/// As the chart installs it: a Pod with bg that is drained is created again.
fn comes_back(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let mut observing = Policy::default().to_builder();
    observing.mode(Mode::Observe);
    register(&api, &observing.build());
    let bad = json!([volume("a", "nfs.csi.k8s.io", "hard,bg")]);
    let create = |kind| api.send(Call::try_create(&workload(kind, &bad)));
    wait("it is not in effect", || !create(Kind::Pod).warnings.is_empty());
    for kind in workloads() {
        let said = create(kind);
        let warned = said.warnings.iter().any(|warning| warning.contains("NMG001"));
        assert!(said.passed() && warned, "{kind}: {said:?}");
    }
    Ok(())
}

/// The price of the policy in microseconds a Pod, in turns: an ordinary Pod of
/// seven volumes, and one with an inline NFS volume among them.
fn price(cluster: &mut Cluster) -> Result<(), Failed> {
    const ROUNDS: usize = 150;
    let api = cluster.connect();
    let plain = |count: usize| -> Vec<Value> {
        (0..count).map(|index| json!({"name": format!("v{index}"), "emptyDir": {}})).collect()
    };
    let mut inline_too = plain(6);
    inline_too.push(volume("it", "nfs.csi.k8s.io", "nfsvers=4.1,hard,fg"));
    let shapes =
        [("seven volumes", json!(plain(7))), ("an inline NFS volume among seven", json!(inline_too))];
    let median = |volumes: &Value| {
        let pod = workload(Kind::Pod, volumes);
        let mut times: Vec<u128> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                assert!(api.send(Call::try_create(&pod)).passed());
                begun.elapsed().as_micros()
            })
            .collect();
        times.sort_unstable();
        times[ROUNDS / 2]
    };
    let before = shapes.each_ref().map(|(_, volumes)| median(volumes));
    install(&api);
    let after = shapes.each_ref().map(|(_, volumes)| median(volumes));
    for (index, (what, _)) in shapes.iter().enumerate() {
        let [without, with] = [before[index], after[index]];
        println!("a Pod of {what}: {without} us without the policy, {with} us with it");
        // Far from what anyone would feel; the machine may be busy.
        assert!(with < without * 3 + 5_000, "{what}");
    }
    Ok(())
}

pub(super) fn is_refused_by_policy(said: &Said) -> bool {
    !said.passed() && said.message().contains("ValidatingAdmissionPolicy")
}

/// Volumes of every driver with attributes of every kind, each inline in a Pod
/// beside a harmless one.
fn pods(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api);
    let policy = background_mount_only();
    let mut rng = fastrand::Rng::with_seed(7);
    let drivers = driver::drivers().flat_map(|row| row.names).filter(|name| !name.contains(['*', '/']));
    let disguised = drivers.flat_map(|driver| {
        let some: Vec<Value> = (0..12)
            .map(|_| json!({"spec": {"csi": {"driver": driver}, "mountOptions": samples::options(&mut rng)}}))
            .collect();
        some
    });
    let pods: Vec<Value> = samples::all()
        .into_iter()
        .chain(disguised)
        .filter(|object| object["spec"]["csi"]["driver"].is_string())
        .map(|object| {
            let csi = &object["spec"]["csi"];
            let mut attributes = csi["volumeAttributes"].clone();
            // The options of the list are in the attribute.
            if let Some(list) = object["spec"]["mountOptions"].as_array() {
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                if attributes.is_null() {
                    attributes = json!({});
                }
                attributes["mountOptions"] = list.join(",").into();
            }
            let mut source = json!({"driver": csi["driver"], "volumeAttributes": attributes});
            if csi["fsType"].is_string() {
                source["fsType"] = csi["fsType"].clone();
            }
            let volumes = json!([
                {"name": "tmp", "emptyDir": {}}, volume("good", "nfs.csi.k8s.io", "fg"),
                {"name": "it", "csi": source},
            ]);
            workload(Kind::Pod, &volumes)
        })
        .collect();
    let answers = api.send_all(pods.iter().map(Call::try_create).collect());
    let mut counts = [0; 4];
    for (pod, said) in pods.iter().zip(&answers) {
        let is_refused = is_refused_by_policy(said);
        if !said.passed() && !is_refused {
            counts[2] += 1;
            continue;
        }
        let driver = pod["spec"]["volumes"][2]["csi"]["driver"].as_str().unwrap_or_default();
        let is_listed = driver::find(driver).is_some_and(|row| row.nfs != Nfs::No);
        let is_wanted = refuses(&policy, pod, None);
        counts[usize::from(is_refused)] += 1;
        if is_wanted && !is_listed {
            // Of unknown drivers the policy knows nothing.
            assert!(!is_refused, "{pod:#}");
            counts[3] += 1;
        } else if is_wanted != is_refused
            && !(is_wanted && is_another_word(&json!({"spec": pod["spec"]["volumes"][2]})))
        {
            let source = &pod["spec"]["volumes"][2];
            return Err(format!("the engine refuses it: {is_wanted}; {}: {source:#}", said.message()).into());
        }
    }
    println!("passed, refused, invalid, of unknown drivers: {counts:?}");
    assert!(counts[0] > 500 && counts[1] > 300 && counts[2] * 4 < pods.len(), "{counts:?}");
    Ok(())
}

fn templates(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api);
    let shapes = [
        (json!([]), false),
        (json!([{"name": "a", "emptyDir": {}}]), false),
        (json!([{"name": "a", "nfs": {"server": "a", "path": "/"}}]), false),
        (json!([volume("a", "secrets-store.csi.k8s.io", "bg")]), false),
        (json!([volume("a", "nfs.csi.k8s.io", "hard,fg")]), false),
        (json!([volume("a", "nfs.csi.k8s.io", "hard,bg")]), true),
        (json!([volume("a", "nfs.csi.k8s.io", "fg"), volume("b", "nfs.csi.k8s.io", "bg")]), true),
    ];
    for kind in workloads() {
        for (volumes, is_bad) in &shapes {
            let said = api.send(Call::try_create(&workload(kind, volumes)));
            let warned = said.warnings.iter().any(|warning| warning.contains("NMG001"));
            match (kind, is_bad) {
                (_, false) => assert!(said.passed() && !warned, "{kind} {volumes}: {said:?}"),
                (Kind::Pod, true) => assert!(is_refused_by_policy(&said), "{volumes}: {said:?}"),
                (_, true) => assert!(said.passed() && warned, "{kind} {volumes}: {said:?}"),
            }
        }
    }
    Ok(())
}

/// Pods near the limit of a request, in every shape that could cost too much:
/// under `failurePolicy: Fail` a limit would keep them out.
fn large(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let long = |bytes: usize| "b".repeat(bytes);
    let nfs = "nfs.csi.k8s.io";
    let attributes = |count: usize, value: &str| -> Value {
        (0..count)
            .map(|index| (format!("key-{index}"), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let with_attributes =
        |attributes: Value| json!([{"name": "a", "csi": {"driver": nfs, "volumeAttributes": attributes}}]);
    let many = |count: usize, options: &str| -> Value {
        (0..count).map(|index| volume(&format!("v{index}"), nfs, options)).collect::<Vec<_>>().into()
    };
    let others = |count: usize, source: &Value| -> Value {
        let named = |index: usize| {
            let mut volume = source.clone();
            volume["name"] = format!("v{index}").into();
            volume
        };
        (0..count).map(named).collect::<Vec<_>>().into()
    };
    let mut shapes = [
        (
            "an attribute of 1 MB",
            with_attributes(json!({"other": long(1_000_000), "mountOptions": "hard"})),
            false,
        ),
        ("20,000 attributes", with_attributes(attributes(20_000, "value")), true),
        ("150 attributes", with_attributes(attributes(150, "value")), false),
        ("1,000 inline volumes", many(1_000, "hard,nfsvers=4.1"), false),
        // As many as an object has room for.
        ("40,000 other volumes", others(40_000, &json!({"emptyDir": {}})), false),
        ("20,000 Secrets", others(20_000, &json!({"secret": {"secretName": "a"}})), false),
        (
            "20,000 volumes of another CSI driver",
            others(20_000, &json!({"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true}})),
            false,
        ),
        ("options of 5 kB", json!([volume("a", nfs, &long(5_000))]), true),
        (
            "bg beside an attribute of 1 MB",
            with_attributes(json!({"other": long(1_000_000), "mountOptions": "hard,bg"})),
            true,
        ),
        ("bg in the last of 500 volumes", many(500, "hard"), true),
    ];
    if let Some((_, volumes, _)) = shapes.last_mut() {
        volumes[499] = volume("last", nfs, "hard,bg");
    }
    let took = |api: &Api, volumes: &Value| {
        let begun = Instant::now();
        (api.send(Call::try_create(&workload(Kind::Pod, volumes))), begun.elapsed())
    };
    let before: Vec<_> = shapes.iter().map(|(_, volumes, _)| took(&api, volumes).1).collect();
    install(&api);
    for ((what, volumes, is_bad), before) in shapes.iter().zip(before) {
        let (said, took) = took(&api, volumes);
        println!("{what}: {} ms without the policy, {} ms with it", before.as_millis(), took.as_millis());
        if *is_bad {
            assert!(
                is_refused_by_policy(&said) && said.message().contains("NMG0"),
                "{what}: {}",
                said.message()
            );
        } else {
            assert!(said.passed(), "{what}: {}", said.message());
        }
        let names_it = said.message().contains("bg in the volumeAttributes of the inline volume last makes");
        assert_eq!(names_it, what.starts_with("bg in the last"), "{}", said.message());
    }
    Ok(())
}

/// The webhook of the chart: with a dead guard, under Fail, what passes was
/// not asked about; a live one refuses Pods and warns of templates.
fn webhook(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let conditions: Value = serde_saphyr::from_str(&webhook_match_conditions(&Policy::default()))?;
    let change = |webhook: &mut Value| {
        webhook["rules"] = json!([{"apiGroups": ["", "apps", "batch"], "apiVersions": ["v1"],
            "operations": ["CREATE"], "resources": workloads().map(Kind::plural).collect::<Vec<_>>()}]);
        webhook["matchConditions"] = conditions["inline"].clone();
    };
    let nfs = [
        json!([volume("a", "nfs.csi.k8s.io", "fg")]),
        json!([{"name": "t", "emptyDir": {}}, volume("a", "csi.vastdata.com", "fg")]),
    ];
    let others = [
        json!([]),
        json!(null),
        json!([{"name": "a", "emptyDir": {}}]),
        json!([{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}]),
        json!([{"name": "a", "nfs": {"server": "a", "path": "/"}}]),
        json!([volume("a", "secrets-store.csi.k8s.io", "bg")]),
    ];
    let ask = |kind, volumes: &Value| api.send(Call::try_create(&workload(kind, volumes)));
    let register = |dead: bool| {
        for mut configuration in webhook_configurations(&cluster.guard) {
            if configuration["kind"] != "ValidatingWebhookConfiguration" {
                continue;
            }
            let webhook = &mut configuration["webhooks"][0];
            webhook["failurePolicy"] = json!("Fail");
            if dead {
                webhook["clientConfig"]["url"] = json!(format!("https://127.0.0.1:{}/", free_port()));
            }
            change(webhook);
            let path = registrations("validatingwebhookconfigurations");
            let said = api.send(Call { method: Method::POST, path, body: configuration });
            assert!(said.passed(), "{said:?}");
        }
        let bad = json!([volume("a", "nfs.csi.k8s.io", "bg")]);
        wait("it is not in effect", || !ask(Kind::Pod, &bad).passed());
    };
    register(true);
    for kind in workloads() {
        for volumes in &nfs {
            let said = ask(kind, volumes);
            assert!(said.message().contains("failed calling webhook"), "{kind} {volumes}: {said:?}");
        }
        for volumes in &others {
            let said = ask(kind, volumes);
            assert!(said.passed(), "{kind} {volumes}: {said:?}");
        }
    }
    clear(&api);
    register(false);
    let bad = json!([volume("a", "nfs.csi.k8s.io", "fg"), volume("b", "nfs.csi.k8s.io", "hard,bg")]);
    for kind in workloads() {
        let said = ask(kind, &bad);
        if kind == Kind::Pod {
            assert!(!said.passed() && said.message().contains("NMG001 background-mount"), "{said:?}");
            let field = &said.body["details"]["causes"][0]["field"];
            assert_eq!(field, "spec.volumes[1].csi.volumeAttributes[mountOptions]", "{said:?}");
        } else {
            let wanted = "NMG001: volume b: its Pods will be denied: ";
            assert!(said.passed() && said.warnings.iter().any(|text| text.contains(wanted)), "{said:?}");
        }
        assert!(ask(kind, &nfs[0]).passed(), "{kind}");
    }
    Ok(())
}
