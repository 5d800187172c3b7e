//! Scans workloads that make Pods, at the real API server: each kind with an inline volume.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{LEAST, account, make, parsed, scan, unmake, until};
use crate::cluster::{self, Cluster, Webhooks};
use crate::component;

const NAMESPACE: &str = "scan-shop";

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(&Cluster) -> Result<(), Failed>| {
        component::trial(format!("scan::templates::{name}"), cluster::shared, move |mut cluster| {
            cluster.use_webhooks(Webhooks::None);
            let mut made = make(&cluster);
            made.extend(make_templates(&cluster));
            let result = test(&cluster);
            unmake(&cluster, &made);
            result
        })
    };
    vec![
        trial("each_kind_is_judged_and_what_it_makes_is_not_named_again", each_kind),
        trial("they_are_listed_only_where_a_driver_mounts_inline_volumes", only_where_needed),
        trial("a_kind_that_is_forbidden_is_said", forbidden),
    ]
}

/// A template of Pods, with options in its inline volume.
fn template(options: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "scan"}},
        "spec": {
            "restartPolicy": "Always",
            "containers": [{"name": "c", "image": "registry.example.com/app"}],
            "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "csi": {"driver": "nfs.csi.k8s.io",
                "volumeAttributes": {"server": "nas.example.com", "share": "/", "mountOptions": options}}}],
        },
    })
}

fn object(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
}

/// One of each kind with `bg`, a Deployment without, and a ReplicaSet and a Job that another one made.
fn make_templates(cluster: &Cluster) -> Vec<Value> {
    let selector = json!({"matchLabels": {"app": "scan"}});
    let spec = || json!({"selector": selector, "template": template("hard,bg")});
    let mut job = template("hard,bg");
    job["spec"]["restartPolicy"] = json!("Never");
    let job = json!({"template": job});
    let made_by = |mut made: Value, version: &str, kind: &str, name: &str| {
        made["metadata"]["ownerReferences"] = json!([{"apiVersion": version, "kind": kind, "name": name,
            "uid": "00000000-0000-0000-0000-000000000002", "controller": true}]);
        made
    };
    let objects = vec![
        object("apps/v1", "Deployment", "t-deployment", spec()),
        object(
            "apps/v1",
            "Deployment",
            "t-good",
            json!({"selector": selector, "template": template("hard,fg")}),
        ),
        object(
            "apps/v1",
            "StatefulSet",
            "t-statefulset",
            json!({"selector": selector, "serviceName": "s", "template": template("hard,bg")}),
        ),
        object("apps/v1", "DaemonSet", "t-daemonset", spec()),
        object("apps/v1", "ReplicaSet", "t-replicaset", spec()),
        made_by(object("apps/v1", "ReplicaSet", "t-made", spec()), "apps/v1", "Deployment", "t-deployment"),
        made_by(object("apps/v1", "ReplicaSet", "t-foreign", spec()), "argoproj.io/v1alpha1", "Rollout", "a"),
        object(
            "batch/v1",
            "CronJob",
            "t-cronjob",
            json!({"schedule": "0 * * * *", "jobTemplate": {"spec": job}}),
        ),
        object("batch/v1", "Job", "t-job", job.clone()),
        made_by(object("batch/v1", "Job", "t-made", job.clone()), "batch/v1", "CronJob", "t-cronjob"),
        object(
            "v1",
            "ReplicationController",
            "t-controller",
            json!({"selector": {"app": "scan"}, "template": template("hard,bg")}),
        ),
        json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t-template", "namespace": NAMESPACE},
            "template": template("hard,bg")}),
    ];
    let all = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    cluster.must(&["apply", "--server-side", "-f", "-"], &all.to_string());
    objects
}

const ARGS: [&str; 5] = ["--no-policy", "--select", "NMG001", "--format", "json"];

/// Kind, name and path of what is denied.
fn denied(report: &Value) -> Vec<String> {
    let all = report["subjects"].as_array().expect("subjects").iter();
    let named = all.filter(|subject| subject["name"].as_str().is_some_and(|name| name.starts_with("t-")));
    let line = |subject: &Value| {
        assert_eq!((&subject["decision"], &subject["namespace"]), (&json!("deny"), &json!(NAMESPACE)));
        let [version, kind, name, path] =
            ["apiVersion", "kind", "name", "path"].map(|key| subject[key].as_str().unwrap_or("-"));
        format!("{version} {kind}/{name} {path}")
    };
    let mut denied: Vec<String> = named.map(line).collect();
    denied.sort();
    denied
}

fn each_kind(cluster: &Cluster) -> Result<(), Failed> {
    for more in [&["--page-size", "1", "--qps", "1000"][..], &["-n", NAMESPACE]] {
        let output = scan(&[&ARGS[..], more].concat(), Some(&cluster.kubeconfig()));
        let report = parsed(&output)?;
        assert_eq!(report["complete"], true, "{output:?}");
        assert_eq!(
            denied(&report),
            [
                "apps/v1 DaemonSet/t-daemonset spec.template.spec.volumes[1]",
                "apps/v1 Deployment/t-deployment spec.template.spec.volumes[1]",
                "apps/v1 ReplicaSet/t-foreign spec.template.spec.volumes[1]",
                "apps/v1 ReplicaSet/t-replicaset spec.template.spec.volumes[1]",
                "apps/v1 StatefulSet/t-statefulset spec.template.spec.volumes[1]",
                "batch/v1 CronJob/t-cronjob spec.jobTemplate.spec.template.spec.volumes[1]",
                "batch/v1 Job/t-job spec.template.spec.volumes[1]",
                "v1 PodTemplate/t-template template.spec.volumes[1]",
                "v1 ReplicationController/t-controller spec.template.spec.volumes[1]",
            ]
        );
    }
    let other = parsed(&scan(&[&ARGS[..], &["-n", "scan-other"]].concat(), Some(&cluster.kubeconfig())))?;
    assert_eq!(denied(&other), Vec::<String>::new());
    let text = scan(&["--no-policy", "--select", "NMG001"], Some(&cluster.kubeconfig()));
    let shown = String::from_utf8_lossy(&text.stdout).into_owned();
    for line in [
        "Deployment/scan-shop/t-deployment spec.template.spec.volumes[1] volumeAttributes.mountOptions: deny NMG001",
        "Correct the template of each workload with an inline volume.",
    ] {
        assert!(shown.contains(line), "{line:?} in\n{shown}");
    }
    Ok(())
}

fn only_where_needed(cluster: &Cluster) -> Result<(), Failed> {
    cluster.must(&["delete", "csidriver", "nfs.csi.k8s.io"], "");
    let report = parsed(&scan(&ARGS, Some(&cluster.kubeconfig())))?;
    assert_eq!(denied(&report), Vec::<String>::new());
    assert_eq!(report["complete"], true);
    Ok(())
}

fn forbidden(cluster: &Cluster) -> Result<(), Failed> {
    let rights: Vec<(&str, &str)> = LEAST.into_iter().filter(|(_, name)| *name != "cronjobs").collect();
    let account = account(cluster, &rights)?;
    let output = until(
        || Ok(scan(&ARGS, Some(account.path()))),
        |output| {
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            report["errors"].as_array().is_some_and(|errors| errors.len() == 1)
        },
    )?;
    let report = parsed(&output)?;
    assert_eq!((output.status.code(), &report["complete"]), (Some(1), &json!(false)));
    let message = report["errors"][0]["message"].as_str().ok_or("a message")?;
    assert!(
        message.starts_with("not allowed to list cronjobs (403)")
            && message.ends_with("; grant \"list\" on cronjobs in batch"),
        "{message}"
    );
    assert!(denied(&report).iter().any(|line| line.contains("Deployment/t-deployment")));
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}
