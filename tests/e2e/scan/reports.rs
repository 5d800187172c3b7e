//! `scan --reports`: both APIs at the real API server, with the limits that etcd has by
//! itself, and what goes wrong while reports are written.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::faults::{PAGE, Server, empty, list};
use super::{BAD, GOOD, LEAST, claim, kubeconfig, make, parsed, pod, scan, unmake, until, volume};
use crate::cluster::{self, Cluster, Webhooks};
use crate::component::{self, program};

pub(super) fn trials() -> Vec<Trial> {
    let real = |name: &str, test: fn(&mut Cluster) -> Result<(), Failed>| {
        component::trial(
            format!("scan::reports::{name}"),
            cluster::with_limits,
            move |mut cluster: MutexGuard<'static, Cluster>| {
                cluster.use_webhooks(Webhooks::None);
                let made = make(&cluster);
                let result = test(&mut cluster);
                unmake(&cluster, &made);
                remove_apis(&cluster);
                result
            },
        )
    };
    let simple =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::reports::{name}"), test);
    vec![
        real("both_apis_take_them_and_an_unchanged_cluster_costs_one_write", life),
        real("what_no_api_takes_is_wrong_use", unserved),
        real("results_of_rules_that_are_not_run_stay", selections),
        real("findings_that_a_baseline_knows_stay", baseline),
        real("a_namespace_that_is_deleted_meanwhile_has_none", namespace_gone),
        real("an_api_that_goes_between_two_scans_is_an_error_until_it_comes_back", api_gone),
        real("what_was_not_seen_stays_as_it_was", incomplete),
        real("rights_that_are_missing_are_named", forbidden),
        real("thousands_of_long_findings_fit_into_etcd", large),
        real("exempt_findings_are_skipped_with_their_reason", exempt),
        real("the_webhooks_policy_is_used_or_compared", webhook_policy),
        simple("an_api_that_goes_while_they_are_written_is_told_once", gone_while_writing),
        simple("reports_of_one_namespace_are_wrong_use", of_a_namespace),
    ]
}

/// As the tests need them: plural with group, of the cluster and of namespaces.
pub(super) const APIS: [(&str, &str, [&str; 2]); 2] = [
    ("openreports", "openreports.io/v1alpha1", ["clusterreports.openreports.io", "reports.openreports.io"]),
    (
        "policyreport",
        "wgpolicyk8s.io/v1alpha2",
        ["clusterpolicyreports.wgpolicyk8s.io", "policyreports.wgpolicyk8s.io"],
    ),
];

pub(super) fn install(cluster: &Cluster, api: usize) {
    let folder = component::binary("crds").expect("tests/components/build crds");
    let (_, version, resources) = APIS[api];
    for resource in resources {
        let (plural, group) = resource.split_once('.').expect("PLURAL.GROUP");
        let file = folder.join(format!("{group}_{plural}.yaml")).display().to_string();
        cluster.must(&["apply", "--server-side", "-f", &file], "");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let output = cluster.kubectl(&["get", "--raw", &format!("/apis/{version}")], "");
        let served = String::from_utf8_lossy(&output.stdout).into_owned();
        let has = |resource: &str| {
            let plural = resource.split('.').next().unwrap_or_default();
            served.contains(&format!("\"name\":\"{plural}\""))
                && cluster.kubectl(&["get", resource, "-A"], "").status.success()
        };
        if resources.into_iter().all(has) {
            return;
        }
        assert!(Instant::now() < deadline, "{version} is not served: {output:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(super) fn remove_apis(cluster: &Cluster) {
    for (_, version, resources) in APIS {
        for resource in resources {
            cluster.kubectl(&["delete", "crd", resource, "--ignore-not-found", "--wait=true"], "");
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while cluster.kubectl(&["get", "--raw", &format!("/apis/{version}")], "").status.success() {
            assert!(Instant::now() < deadline, "{version} is still served");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

const ARGS: [&str; 7] = ["--no-policy", "--select", "NMG001", "--format", "json", "--reports", "auto"];

pub(super) fn run(cluster: &Cluster, more: &[&str]) -> Output {
    scan(&[&ARGS[..], more].concat(), Some(&cluster.kubeconfig()))
}

/// All reports of the cluster by namespace and name.
pub(super) fn reports(cluster: &Cluster, api: usize) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for resource in APIS[api].2 {
        let text = cluster.must(&["get", resource, "-A", "-o", "json"], "");
        let mut list: Value = serde_json::from_str(&text).expect("JSON");
        for report in list["items"].as_array_mut().expect("items") {
            let metadata = &report["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or("-");
            let name = format!("{namespace}/{}", metadata["name"].as_str().expect("a name"));
            all.insert(name, report.take());
        }
    }
    all
}

fn versions(reports: &BTreeMap<String, Value>) -> BTreeMap<&str, &str> {
    let version = |report: &Value| -> &'static str {
        Box::leak(
            report["metadata"]["resourceVersion"].as_str().expect("a version").to_owned().into_boxed_str(),
        )
    };
    reports.iter().map(|(name, report)| (name.as_str(), version(report))).collect()
}

fn names(reports: &BTreeMap<String, Value>) -> Vec<&str> {
    reports.keys().map(String::as_str).collect()
}

fn life(cluster: &mut Cluster) -> Result<(), Failed> {
    for (api, (_, version, _)) in APIS.iter().enumerate() {
        remove_apis(cluster);
        install(cluster, api);
        let output = run(cluster, &[]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.is_empty() && parsed(&output)?["complete"] == true, "{output:?}");
        let first = reports(cluster, api);
        let all = [
            "-/nfs-mount-guard",
            "-/nfs-mount-guard-00",
            "scan-other/nfs-mount-guard",
            "scan-shop/nfs-mount-guard",
        ];
        assert_eq!(names(&first), all);
        assert!(first.values().all(|report| report["apiVersion"] == *version));
        let orders = first["-/nfs-mount-guard-00"]["results"]
            .as_array()
            .ok_or("results")?
            .iter()
            .find(|result| result["resources"][0]["name"] == "scan-orders");
        let orders = orders.ok_or("the volume")?;
        let uid = cluster.must(&["get", "pv", "scan-orders", "-o", "jsonpath={.metadata.uid}"], "");
        assert_eq!(
            orders["resources"],
            json!([{"apiVersion": "v1", "kind": "PersistentVolume", "name": "scan-orders", "uid": uid}])
        );
        assert_eq!(
            (&orders["result"], &orders["severity"], &orders["scored"]),
            (&json!("fail"), &json!("critical"), &json!(true))
        );
        for (key, value) in [
            ("pods", "2"),
            ("nodes", "1"),
            ("state", "running"),
            ("workload", "Deployment/scan-shop/orders"),
            ("claim", "scan-shop/orders"),
        ] {
            assert_eq!(orders["properties"][key], value, "{orders}");
        }
        let shop = &first["scan-shop/nfs-mount-guard"]["results"];
        assert_eq!(
            (shop.as_array().map(Vec::len), &shop[0]["rule"]),
            (Some(1), &json!("NMG001 background-mount"))
        );
        let inline = first["scan-other/nfs-mount-guard"]["results"].as_array().ok_or("results")?;
        let kinds: Vec<&Value> = inline.iter().map(|result| &result["resources"][0]["kind"]).collect();
        assert_eq!(kinds, [&json!("PersistentVolume"), &json!("Pod")]);
        let beat = &first["-/nfs-mount-guard"]["results"][0];
        assert_eq!(
            (&beat["rule"], &beat["result"], &beat["properties"]["complete"]),
            (&json!("scan"), &json!("pass"), &json!("true"))
        );
        // A second run writes the heartbeat, and nothing else.
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(run(cluster, &[]).status.code(), Some(1));
        let second = reports(cluster, api);
        let (before, after) = (versions(&first), versions(&second));
        let changed: Vec<&str> = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(changed, ["-/nfs-mount-guard"]);
        // Changes by another writer do not stay in a report.
        let resource = APIS[api].2[0];
        cluster
            .must(&["patch", resource, "nfs-mount-guard-00", "--type=merge", "-p", "{\"results\":[]}"], "");
        assert_eq!(run(cluster, &[]).status.code(), Some(1));
        assert_eq!(
            reports(cluster, api)["-/nfs-mount-guard-00"]["results"],
            first["-/nfs-mount-guard-00"]["results"]
        );
        // Reports of cured objects are removed: one namespace, then all.
        let cure = json!({"spec": {"mountOptions": GOOD}}).to_string();
        cluster.must(&["patch", "pv", "scan-orders", "--type=merge", "-p", &cure], "");
        assert_eq!(run(cluster, &[]).status.code(), Some(1));
        assert_eq!(names(&reports(cluster, api)), [&all[..3]].concat());
        let only = without_the_rule(&cluster.kubeconfig())?;
        assert_eq!(only.status.code(), Some(0), "{only:?}");
        assert_eq!(names(&reports(cluster, api)), ["-/nfs-mount-guard"]);
        let sick = json!({"spec": {"mountOptions": BAD}}).to_string();
        cluster.must(&["patch", "pv", "scan-orders", "--type=merge", "-p", &sick], "");
    }
    Ok(())
}

/// As [`run`], by a policy that has the rule off: nothing is left to report.
fn without_the_rule(kubeconfig: &Path) -> Result<Output, Failed> {
    let folder = TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    let text =
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nrules:\n  background-mount: {action: off}\n";
    std::fs::write(&policy, text)?;
    let policy = policy.display().to_string();
    Ok(scan(&[&ARGS[1..], &["--policy", &policy]].concat(), Some(kubeconfig)))
}

/// The results by rule, of the cluster and of namespaces.
fn rules(reports: &BTreeMap<String, Value>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let all = reports.iter().filter(|(name, _)| *name != "-/nfs-mount-guard");
    for result in all.flat_map(|(_, report)| report["results"].as_array().into_iter().flatten()) {
        let rule = result["rule"].as_str().expect("a rule");
        *counts.entry(rule.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

fn selections(cluster: &mut Cluster) -> Result<(), Failed> {
    for api in 0..APIS.len() {
        remove_apis(cluster);
        install(cluster, api);
        let run = |more: &[&str]| {
            let args =
                [&["--no-policy", "--reports", "auto", "--exit-zero", "--format", "json"], more].concat();
            let output = scan(&args, Some(&cluster.kubeconfig()));
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            reports(cluster, api)
        };
        let whole = run(&[]);
        let all = rules(&whole);
        assert!(all.len() > 1 && all.contains_key("NMG001"), "{all:?}");
        // Other rules, or no rule at all: nothing that was found is gone.
        for selection in [["--select", "NMG001"], ["--ignore", "NMG001"], ["--ignore", "NMG"]] {
            let now = run(&selection);
            assert_eq!((rules(&now), names(&now)), (all.clone(), names(&whole)), "{selection:?}");
            let beat = &now["-/nfs-mount-guard"]["results"][0];
            let not_run = beat["properties"]["notRun"].as_str().ok_or("the rules")?;
            assert_eq!(not_run.contains("NMG001"), selection[0] == "--ignore", "{beat:#}");
            assert!(beat["message"].as_str().is_some_and(|said| said.contains("not run")), "{beat:#}");
        }
        // The same selection again writes the heartbeat only.
        let before = run(&["--select", "NMG001"]);
        std::thread::sleep(Duration::from_millis(1100));
        let after = run(&["--select", "NMG001"]);
        let (before, now) = (versions(&before), versions(&after));
        let is_new = |name: &&&str| before.get(**name) != now.get(**name);
        assert_eq!(now.keys().filter(is_new).collect::<Vec<_>>(), [&"-/nfs-mount-guard"]);
        // A finding of the rule that is run goes when it is cured.
        let cure = json!({"spec": {"mountOptions": ["fg"]}}).to_string();
        cluster.must(&["patch", "pv", "scan-orders", "--type=merge", "-p", &cure], "");
        let cured = rules(&run(&["--select", "NMG001"]));
        let others = |counts: &BTreeMap<String, usize>| -> usize {
            counts.iter().filter(|(rule, _)| *rule != "NMG001").map(|(_, count)| count).sum()
        };
        assert!(cured.get("NMG001") < all.get("NMG001"), "{cured:?} {all:?}");
        assert_eq!(others(&cured), others(&all));
        let sick = json!({"spec": {"mountOptions": BAD}}).to_string();
        cluster.must(&["patch", "pv", "scan-orders", "--type=merge", "-p", &sick], "");
        // Those of an object that is gone go with it.
        let bad = volume("scan-gone", None, &["hard"]);
        cluster.must(&["apply", "--server-side", "-f", "-"], &bad.to_string());
        let with = rules(&run(&[]));
        cluster.delete(&bad);
        let without = rules(&run(&["--select", "NMG001"]));
        assert!(others(&with) > others(&all), "{with:?}");
        assert_eq!(without, all);
        // A whole scan finds all of it again, and no more.
        let again = run(&[]);
        assert_eq!(rules(&again), all);
        assert_eq!(again["-/nfs-mount-guard"]["results"][0]["properties"]["notRun"], Value::Null);
    }
    Ok(())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn unserved(cluster: &mut Cluster) -> Result<(), Failed> {
    let output = run(cluster, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let words = "--reports: the API server serves neither openreports.io/v1alpha1 nor wgpolicyk8s.io/v1alpha2; \
install the CRDs of one of them, or use --reports none";
    assert!(said(&output).contains(words), "{output:?}");
    assert_eq!(parsed(&output)?["errors"][0]["message"], words);
    install(cluster, 1);
    let run = |api: &str| {
        scan(&["--no-policy", "--select", "NMG001", "--reports", api], Some(&cluster.kubeconfig()))
    };
    let output = run("openreports");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("does not serve openreports.io/v1alpha1; install its CRDs"), "{output:?}");
    assert_eq!(run("policyreport").status.code(), Some(1));
    assert_eq!(run("none").status.code(), Some(1));
    // The other API is taken where it is whole, else what is missing has a name.
    cluster.must(&["delete", "crd", APIS[1].2[0], "--wait=true"], "");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let output = run("auto");
        let words = "--reports: the API server serves wgpolicyk8s.io/v1alpha2 without clusterpolicyreports; \
install the CRD clusterpolicyreports.wgpolicyk8s.io";
        if output.status.code() == Some(2) && said(&output).contains(words) {
            break;
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    install(cluster, 0);
    assert_eq!(run("auto").status.code(), Some(1));
    Ok(())
}

/// No controller finishes the deletion here, so the Pods stay as they would for a moment.
/// A baseline is about the exit code, and cures nothing.
fn baseline(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    run(cluster, &[]);
    let counts = |reports: &BTreeMap<String, Value>| -> Vec<(String, Value)> {
        let of = |(name, report): (&String, &Value)| (name.clone(), report["summary"].clone());
        reports.iter().map(of).collect()
    };
    let before = counts(&reports(cluster, 0));
    let found = parsed(&run(cluster, &[]))?;
    let entry = |subject: &Value| {
        let namespace = subject["namespace"].as_str().map(|name| format!("{name}/")).unwrap_or_default();
        let object = format!("{}/{namespace}{}", subject["kind"].as_str()?, subject["name"].as_str()?);
        let of = |finding: &Value| json!({"rule": finding["code"], "object": object, "pointer": finding["pointer"]});
        Some(subject["findings"].as_array()?.iter().map(of).collect::<Vec<_>>())
    };
    let entries: Vec<Value> =
        found["subjects"].as_array().ok_or("subjects")?.iter().filter_map(entry).flatten().collect();
    assert!(!entries.is_empty(), "{found}");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), json!({"schemaVersion": 1, "findings": entries}).to_string())?;
    let output = run(cluster, &["--baseline", &file.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(parsed(&output)?["exposed"], json!([]));
    assert_eq!(counts(&reports(cluster, 0)), before);
    Ok(())
}

fn namespace_gone(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    let name = "scan-leaving";
    cluster.must(&["create", "namespace", name], "");
    let mut object = volume("scan-leaving", Some("scan-leaving/data"), BAD);
    cluster.must(&["apply", "--server-side", "-f", "-"], &object.to_string());
    let bound = json!({"status": {"phase": "Bound"}}).to_string();
    cluster.must(&["patch", "pv", name, "--subresource=status", "--type=merge", "-p", &bound], "");
    let app = pod(name, "app", None, claim("data"));
    cluster.must(&["apply", "--server-side", "-f", "-"], &app.to_string());
    let running = json!({"status": {"phase": "Running"}}).to_string();
    cluster.must(
        &["-n", name, "patch", "pod", "app", "--subresource=status", "--type=merge", "-p", &running],
        "",
    );
    cluster.must(&["delete", "namespace", name, "--wait=false"], "");
    let is_noted = |output: &Output, state: &str| {
        let words = format!(
            "--reports: namespace \"scan-leaving\" {state}: Report scan-leaving/nfs-mount-guard was not written"
        );
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said(output).contains(&words), "{output:?}");
    };
    let output = run(cluster, &[]);
    is_noted(&output, "is being deleted");
    assert_eq!(parsed(&output)?["complete"], true);
    // Gone for good, while its Pods are still listed.
    let finalize = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
    cluster.must(
        &["replace", "--raw", "/api/v1/namespaces/scan-leaving/finalize", "-f", "-"],
        &finalize.to_string(),
    );
    let output = run(cluster, &[]);
    is_noted(&output, "was deleted during the scan");
    let all = reports(cluster, 0);
    assert!(
        all.contains_key("scan-shop/nfs-mount-guard") && !all.contains_key("scan-leaving/nfs-mount-guard")
    );
    assert_eq!(all["-/nfs-mount-guard"]["results"][0]["result"], "pass");
    cluster.must(&["create", "namespace", name], "");
    cluster.must(&["-n", name, "delete", "pod", "app", "--force", "--wait=false"], "");
    object["metadata"]["finalizers"] = Value::Null;
    cluster.delete(&object);
    Ok(())
}

/// A process that is ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn api_gone(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    let folder = TempDir::new()?;
    let file = folder.path().join("scan.json");
    let mut running = Running(
        Command::new(program())
            .args(["scan", "--no-policy", "--select", "NMG001", "--reports", "auto", "--interval", "1s"])
            .args(["--format", &format!("json={}", file.display()), "--kubeconfig"])
            .arg(cluster.kubeconfig())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let mut wait = |complete: bool, words: &str| -> Result<(), Failed> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut last = Value::Null;
        while Instant::now() < deadline {
            assert!(running.0.try_wait()?.is_none(), "it ended");
            let report =
                std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            last = report.unwrap_or_default();
            if last["complete"] == complete && last["errors"].to_string().contains(words) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("never {complete} {words:?}: {last}").into())
    };
    wait(true, "[]")?;
    remove_apis(cluster);
    wait(false, "--reports: the API server serves neither openreports.io/v1alpha1 nor")?;
    install(cluster, 0);
    wait(true, "[]")?;
    assert!(reports(cluster, 0).contains_key("scan-shop/nfs-mount-guard"));
    Ok(())
}

/// A service account with these rights, by verbs.
fn account(cluster: &Cluster, rights: &[(&str, &str, &[&str])]) -> Result<tempfile::NamedTempFile, Failed> {
    let file = super::account(cluster, &[])?;
    let rules: Vec<Value> = rights
        .iter()
        .filter(|(_, _, verbs)| !verbs.is_empty())
        .map(
            |(group, resource, verbs)| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs}),
        )
        .collect();
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "scan-test"}, "rules": rules});
    cluster.must(&["apply", "-f", "-"], &role.to_string());
    Ok(file)
}

const WRITE: &[&str] = &["list", "create", "patch", "delete"];

fn rights(
    reports: &'static [&'static str],
    pods: bool,
) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    let least = LEAST.into_iter().filter(|(_, resource)| pods || *resource != "pods");
    let least = least.map(|(group, resource)| (group, resource, &["list"][..]));
    least
        .chain([("openreports.io", "clusterreports", reports), ("openreports.io", "reports", reports)])
        .collect()
}

fn incomplete(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    let all = account(cluster, &rights(WRITE, true))?;
    let complete = |output: &Output| {
        serde_json::from_slice(&output.stdout).is_ok_and(|report: Value| report["complete"] == true)
    };
    until(|| Ok(scan(&ARGS, Some(all.path()))), complete)?;
    let before = reports(cluster, 0);
    assert!(before.contains_key("scan-shop/nfs-mount-guard"));
    let blind = account(cluster, &rights(WRITE, false))?;
    let output = until(
        || Ok(scan(&ARGS, Some(blind.path()))),
        |output| String::from_utf8_lossy(&output.stdout).contains("not allowed to list pods"),
    )?;
    assert!(
        said(&output).contains("not everything was seen: the reports of the last whole scan stay"),
        "{output:?}"
    );
    let after = reports(cluster, 0);
    let (old, new) = (versions(&before), versions(&after));
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    assert!(old.iter().all(|(name, version)| (new[name] == *version) == (*name != "-/nfs-mount-guard")));
    let beat = &after["-/nfs-mount-guard"];
    assert_eq!((&beat["results"][0]["result"], &beat["summary"]["error"]), (&json!("error"), &json!(1)));
    assert!(
        beat["results"][0]["message"].as_str().is_some_and(|text| text.contains("grant \"list\" on pods")),
        "{beat}"
    );
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}

fn forbidden(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    for (verbs, words) in [
        (&[][..], "not allowed to list clusterreports (403): "),
        (&["list"][..], "; grant \"create\" and \"patch\" on clusterreports in openreports.io"),
    ] {
        let account = account(cluster, &rights(verbs, true))?;
        let output = until(
            || Ok(scan(&ARGS, Some(account.path()))),
            |output| String::from_utf8_lossy(&output.stdout).contains(&words.replace('"', "\\\"")),
        )?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report = parsed(&output)?;
        assert_eq!(report["complete"], false);
        let errors: Vec<&str> = report["errors"]
            .as_array()
            .ok_or("errors")?
            .iter()
            .filter_map(|error| error["message"].as_str())
            .collect();
        // Each resource is named, not each report.
        assert!(errors.len() <= 3, "{errors:?}");
    }
    assert_eq!(names(&reports(cluster, 0)), Vec::<&str>::new());
    // Reports that may not be deleted are named, too.
    let all = account(cluster, &rights(&["list", "create", "patch"], true))?;
    until(
        || Ok(scan(&ARGS, Some(all.path()))),
        |output| serde_json::from_slice(&output.stdout).is_ok_and(|report: Value| report["complete"] == true),
    )?;
    let output = without_the_rule(all.path())?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let message = parsed(&output)?["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(
        message.starts_with("not allowed to delete ClusterReport nfs-mount-guard-00 (403)")
            && message.ends_with("grant \"delete\" on clusterreports in openreports.io"),
        "{message}"
    );
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}

fn large(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    // Each message names a word of 900 bytes, and each volume has several.
    let words: Vec<String> = (0..4).map(|number| format!("{}{number}", "x".repeat(900))).collect();
    let options: Vec<&str> = words.iter().map(String::as_str).chain(["bg"]).collect();
    let volumes: Vec<Value> =
        (0..400).map(|number| volume(&format!("scan-large-{number}"), None, &options)).collect();
    let all = json!({"apiVersion": "v1", "kind": "List", "items": volumes});
    cluster.must(&["create", "-f", "-"], &all.to_string());
    let args = ["--no-policy", "--select", "NMG001,NMG011", "--format", "json", "--reports", "openreports"];
    let output = scan(&args, Some(&cluster.kubeconfig()));
    // Their finalizers hold them, and no controller takes these off.
    crate::scan_scale::delete(cluster.etcd, "/registry/persistentvolumes/scan-large-");
    assert_eq!((output.status.code(), said(&output)), (Some(1), String::new()));
    assert_eq!(parsed(&output)?["complete"], true);
    let shards: BTreeMap<String, Value> =
        reports(cluster, 0).into_iter().filter(|(name, _)| name.starts_with("-/nfs-mount-guard-")).collect();
    let mut shown = 0;
    for (name, shard) in &shards {
        let results = shard["results"].as_array().ok_or("results")?;
        shown += results.len();
        let bytes = shard["results"].to_string().len();
        assert!(results.len() <= 500 && bytes <= 700_000, "{name}: {} results, {bytes} bytes", results.len());
    }
    assert!(shards.len() >= 4 && shown == 2000, "{} shards, {shown} results", shards.len());
    let counted: u64 = shards.values().filter_map(|shard| shard["summary"]["fail"].as_u64()).sum();
    let warned: u64 = shards.values().filter_map(|shard| shard["summary"]["warn"].as_u64()).sum();
    assert!(counted + warned > 2000, "{counted} {warned}");
    Ok(())
}

fn exempt(cluster: &mut Cluster) -> Result<(), Failed> {
    install(cluster, 0);
    let folder = TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    std::fs::write(
        &policy,
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nexemptions:\n- {rules: [NMG001], kind: PersistentVolume, \
name: scan-free, reason: migration in May, expires: 2099-03-31}\n",
    )?;
    let policy = policy.display().to_string();
    let args = ["--policy", &policy, "--select", "NMG001", "--reports", "auto", "--format", "json"];
    assert_eq!(scan(&args, Some(&cluster.kubeconfig())).status.code(), Some(1));
    let all = reports(cluster, 0);
    let shard = &all["-/nfs-mount-guard-00"];
    let skipped: Vec<&Value> = shard["results"]
        .as_array()
        .ok_or("results")?
        .iter()
        .filter(|result| result["result"] == "skip")
        .collect();
    let [one] = skipped.as_slice() else { return Err(format!("{skipped:?}").into()) };
    let uid = cluster.must(&["get", "pv", "scan-free", "-o", "jsonpath={.metadata.uid}"], "");
    assert_eq!(
        (&one["resources"][0]["name"], &one["resources"][0]["uid"]),
        (&json!("scan-free"), &json!(uid))
    );
    let properties = &one["properties"];
    assert_eq!(
        (&properties["exemption"], &properties["expires"]),
        (&json!("migration in May"), &json!("2099-03-31"))
    );
    assert_eq!(all["-/nfs-mount-guard"]["results"][0]["properties"]["NMG001.exempt"], "1");
    Ok(())
}

fn webhook_policy(cluster: &mut Cluster) -> Result<(), Failed> {
    let map = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "guard-policy", "namespace": "scan-shop"}, "data": {"policy.yaml": text}}).to_string()
    };
    let head = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";
    cluster.must(&["apply", "-f", "-"], &map(&format!("{head}mode: observe\n")));
    let run = |args: &[&str]| {
        scan(
            &[args, &["--format", "json", "--webhook-policy", "scan-shop/guard-policy"]].concat(),
            Some(&cluster.kubeconfig()),
        )
    };
    let output = run(&[]);
    let policy = parsed(&output)?["policy"].clone();
    assert_eq!(
        (&policy["mode"], &policy["file"]),
        (&json!("observe"), &json!("ConfigMap scan-shop/guard-policy"))
    );
    assert_eq!(policy["hash"], policy["webhookHash"]);
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    // Another policy is used, and the difference is said.
    let output = run(&["--no-policy"]);
    let policy = parsed(&output)?["policy"].clone();
    assert_eq!((output.status.code(), &policy["mode"]), (Some(1), &json!("enforce")));
    let warning = format!(
        "nfs-mount-guard: warning: the policy of this scan ({}) differs from that of the webhook ({}, ConfigMap scan-shop/guard-policy)\n",
        policy["hash"].as_str().ok_or("a hash")?,
        policy["webhookHash"].as_str().ok_or("a hash")?
    );
    assert_eq!(said(&output), warning);
    // The error names the place of the fault.
    cluster.must(&["apply", "-f", "-"], &map(&format!("{head}mode: sometimes\n")));
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("ConfigMap scan-shop/guard-policy:3:7: "), "{output:?}");
    // It ends no scan that only compares with it.
    let output = run(&["--no-policy"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let compared = parsed(&output)?;
    assert_eq!(
        (&compared["complete"], &compared["errors"][0]["file"]),
        (&json!(false), &json!("webhook policy"))
    );
    assert!(
        compared["errors"][0]["message"].as_str().is_some_and(|text| text.contains(":3:7: ")),
        "{compared}"
    );
    let missing = scan(&["--webhook-policy", "scan-shop/none"], Some(&cluster.kubeconfig()));
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    assert!(
        said(&missing).contains("--webhook-policy: there is no ConfigMap scan-shop/none; "),
        "{missing:?}"
    );
    let account = super::account(cluster, &LEAST)?;
    let output = scan(&["--webhook-policy", "scan-shop/guard-policy"], Some(account.path()));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said(&output).contains("(403); grant \"get\" on this ConfigMap"), "{output:?}");
    let wrong = scan(&["--webhook-policy", "guard-policy"], Some(&cluster.kubeconfig()));
    assert!(wrong.status.code() == Some(2) && said(&wrong).contains("NAMESPACE/NAME"), "{wrong:?}");
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    cluster.must(&["-n", "scan-shop", "delete", "configmap", "guard-policy"], "");
    Ok(())
}

/// The API is there when the scan begins, and gone when it writes; or the API server is,
/// or etcd takes no more.
fn gone_while_writing() -> Result<(), Failed> {
    for (code, message) in [
        (
            Some(404),
            "cannot write reports: the API server does not serve openreports.io/v1alpha1 any more (404); install its CRDs again, or use --reports none",
        ),
        (None, "cannot write ClusterReport nfs-mount-guard-00: the answer broke off: "),
        (
            Some(500),
            "cannot write ClusterReport nfs-mount-guard-00: the API server answered 500 etcdserver: no space",
        ),
    ] {
        let server = Server::start(move |path, _| match path {
            "/apis/openreports.io/v1alpha1" => Some((
                200,
                json!({"kind": "APIResourceList", "resources": [{"name": "clusterreports"}, {"name": "reports"}]}),
            )),
            path if path.starts_with("/apis/openreports.io/v1alpha1/") && path.contains("labelSelector") => {
                list("PartialObjectMetadataList", &[], "")
            }
            path if path.contains("fieldManager") => code.map(|code| {
                (code, json!({"kind": "Status", "code": code, "message": "etcdserver: no space"}))
            }),
            PAGE => list("PersistentVolumeList", &[volume("a", None, BAD), volume("b", None, BAD)], ""),
            other => empty(other),
        });
        let (report, exit) = server.scan(&["--reports", "auto"])?;
        assert_eq!((exit, &report["complete"]), (Some(1), &json!(false)));
        let errors = report["errors"].as_array().ok_or("errors")?;
        let messages: Vec<&str> = errors.iter().filter_map(|error| error["message"].as_str()).collect();
        assert!(messages[0].starts_with(message), "{messages:?}");
        // The heartbeat is tried all the same, and only once said if it fails for the same reason.
        let is_beat = |path: &String| path.contains("/clusterreports/nfs-mount-guard?");
        assert!(server.asked().iter().any(is_beat) && messages.len() <= 2, "{messages:?}");
        assert_eq!(report["subjects"].as_array().map(Vec::len), Some(2));
    }
    Ok(())
}

fn of_a_namespace() -> Result<(), Failed> {
    let file = kubeconfig("https://127.0.0.1:1", "t")?;
    let output = scan(&["--reports", "auto", "-n", "shop"], Some(file.path()));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("--reports: reports are of the whole cluster; leave out --namespace"),
        "{output:?}"
    );
    Ok(())
}
