//! The way from the API server to the Pods.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::hook::{self, Hook};
use super::{MUTATING, NAMESPACE, Site, VALIDATING, text, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("a_service_without_endpoints_is_named", endpoints),
        trial("pods_that_fail_or_differ_are_named", pods),
        trial("a_service_that_is_gone_or_has_another_port_is_named", service),
        trial("a_network_policy_that_lets_nothing_in_is_named", network),
        trial("a_port_where_nothing_listens_is_named", refused),
        trial("a_webhook_that_never_answers_costs_a_bounded_time", black_hole),
        trial("an_answer_of_another_server_is_named", another_server),
    ]
}

fn endpoints(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    let patch = |conditions: [bool; 2]| {
        let patch: Vec<Value> = conditions
            .iter()
            .enumerate()
            .map(|(index, ready)| json!({"op": "replace", "path": format!("/endpoints/{index}/conditions/ready"), "value": ready}))
            .collect();
        site.must(&[
            "patch",
            "endpointslice",
            "nfs-mount-guard-1",
            "--type=json",
            "-p",
            &json!(patch).to_string(),
        ]);
    };
    patch([true, false]);
    let run = site.doctor(&["--probes", "1"]);
    run.is_warning("D202", "1 ready endpoint");
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    patch([false, false]);
    let run = site.doctor(&[]);
    run.is_problem("D202", "no ready endpoint: 2 Pods, none ready");
    for id in ["D401", "D402", "D403"] {
        run.is_skipped(id, "needs D202");
    }
    assert_eq!(run.ids("problem"), ["D202"]);
    site.must(&["delete", "endpointslices", "--all"]);
    site.must(&["delete", "pods", "--all", "--force", "--grace-period=0"]);
    let run = site.doctor(&[]);
    run.is_problem("D202", "no ready endpoint: the Service selects no Pod");
    assert_eq!(
        run.check("D202")["remedy"],
        "kubectl --namespace doctor scale deployment/nfs-mount-guard --replicas=2"
    );
    // A fault that may pass by itself is waited for, and no longer than that.
    let begun = Instant::now();
    let run = site.doctor(&["--wait", "3s"]);
    assert_eq!(run.code, Some(1));
    assert!((2..8).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(1));
            site.slices(8080);
        });
        let run = site.doctor(&["--wait", "30s", "--probes", "1"]);
        assert_eq!(run.check("D202")["result"], "ok", "{:#}", run.report);
    });
    Ok(())
}

fn pods(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.status(
        "guard-a",
        &json!({"containerStatuses": [{"name": "nfs-mount-guard", "ready": false, "restartCount": 7,
        "image": "nfs-mount-guard", "imageID": "", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
    );
    let run = site.until(&["--probes", "1"], "D401", "ok");
    run.is_problem("D203", "guard-a: CrashLoopBackOff");
    assert_eq!(run.check("D203")["remedy"], "kubectl --namespace doctor logs guard-a --previous");
    run.is_skipped("D204", "needs D203");
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339)?;
    site.status(
        "guard-a",
        &json!({"containerStatuses": [{"name": "nfs-mount-guard", "ready": true, "restartCount": 2,
        "image": "nfs-mount-guard", "imageID": "", "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": now}}}]}),
    );
    site.doctor(&["--probes", "1"])
        .is_warning("D203", "guard-a: 2 restarts, the last 0 minutes ago: OOMKilled");
    site.status(
        "guard-a",
        &json!({"containerStatuses": [{"name": "nfs-mount-guard", "ready": true, "restartCount": 0,
        "image": "nfs-mount-guard", "imageID": "", "state": {"running": {}}}]}),
    );
    // Both on one node, of two versions, without a budget.
    site.must(&["delete", "pod", "guard-b", "--force", "--grace-period=0"]);
    site.pod("guard-c", "node-1");
    site.must(&["set", "image", "pod/guard-c", "nfs-mount-guard=nfs-mount-guard:0.0.9"]);
    site.must(&["delete", "poddisruptionbudgets", "--all"]);
    let run = site.doctor(&["--probes", "1"]);
    run.is_warning("D203", "2 images: nfs-mount-guard:0.0.9, nfs-mount-guard:");
    run.is_warning("D204", "no PodDisruptionBudget selects the Pods; all Pods run on node node-1");
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    Ok(())
}

fn service(site: &Site<'_>) -> Result<(), Failed> {
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| webhook["clientConfig"]["service"]["port"] = json!(8443));
    }
    let run = site.doctor(&[]);
    run.is_problem("D201", "Service doctor/nfs-mount-guard has no port 8443, which validate.nfs-mount-guard.io is called at; it has 443, 8080");
    run.is_skipped("D202", "needs D201");
    site.restore();
    site.must(&["delete", "service", super::NAME]);
    let run = site.doctor(&[]);
    run.is_problem(
        "D201",
        "Service doctor/nfs-mount-guard not found: the configuration outlived its installation",
    );
    assert_eq!(
        run.check("D201")["remedy"],
        "kubectl delete validatingwebhookconfiguration/nfs-mount-guard mutatingwebhookconfiguration/nfs-mount-guard --ignore-not-found"
    );
    assert_eq!(run.ids("problem"), ["D201"]);
    Ok(())
}

fn network(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let policy = |ingress: &Value| {
        site.apply(&json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "default-deny", "namespace": NAMESPACE},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress},
        }));
    };
    policy(&json!([]));
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D205", "default-deny: no ingress rule for port 10250 of the Pods");
    // The command cures it, as it stands.
    let remedy = text(&run.check("D205")["remedy"]).to_owned();
    let mut command = std::process::Command::new("bash");
    let program = site.turn.cluster.kubectl_program().display().to_string();
    command.args(["-c", &remedy.replacen("kubectl", &program, 1)]);
    let output = site.turn.cluster.run(command, "");
    assert!(output.status.success(), "{remedy}: {output:?}");
    assert_eq!(site.doctor(&["--no-probes"]).check("D205")["result"], "ok");
    policy(&json!([{"ports": [{"port": 443}]}]));
    site.doctor(&["--no-probes"]).is_problem("D205", "no ingress rule for port 10250");
    policy(&json!([{"ports": [{"port": 10250}], "from": [{"podSelector": {}}]}]));
    let run = site.doctor(&["--no-probes"]);
    run.is_warning("D205", "port 10250 is let in from some sources only");
    assert_eq!(run.code, Some(0));
    Ok(())
}

fn refused(site: &Site<'_>) -> Result<(), Failed> {
    let run = site.until_problem(&[], "D401", "connection refused");
    run.is_problem("D401", "10 of 10 failed: failed calling webhook validate.nfs-mount-guard.io");
    run.is_problem("D401", "nothing listens at the port of the webhook");
    run.is_skipped("D402", "same cause as D401");
    assert_eq!(run.ids("problem"), ["D401"], "{:#}", run.report);
    run.is_skipped("D404", "needs D401");
    assert_eq!(
        run.check("D401")["remedy"],
        "kubectl --namespace doctor rollout restart deployment/nfs-mount-guard"
    );
    // Volumes other than NFS are not held up.
    assert_eq!(run.check("D403")["result"], "ok", "{:#}", run.report);
    Ok(())
}

/// Takes connections and never answers: what a dropped packet looks like from there.
fn black_hole(site: &Site<'_>) -> Result<(), Failed> {
    let listener = TcpListener::bind(site.address)?;
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| webhook["timeoutSeconds"] = json!(1));
    }
    site.until_problem(&["--probes", "1"], "D401", "context deadline exceeded");
    // Two webhooks a probe, 40 probes: at the same time, but for the first.
    let begun = Instant::now();
    let run = site.doctor(&["--probes", "20"]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    run.is_problem("D401", "20 of 20 failed: failed calling webhook validate.nfs-mount-guard.io");
    run.is_problem(
        "D401",
        "Possible: a NetworkPolicy, a firewall or security group between control plane and nodes, or konnectivity drops the packets; or the Pod accepts calls and does not answer",
    );
    run.is_skipped("D402", "same cause as D401");
    assert_eq!(run.ids("problem"), ["D401"], "{:#}", run.report);
    // Where the packets are dropped is known: the probes add nothing.
    site.apply(&json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": NAMESPACE},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []},
    }));
    let run = site.doctor(&["--probes", "1"]);
    run.is_skipped("D401", "same cause as D205");
    assert_eq!(run.ids("problem"), ["D205"], "{:#}", run.report);
    drop(listener);
    Ok(())
}

fn another_server(site: &Site<'_>) -> Result<(), Failed> {
    let hook = Hook::start(site.address, &site.leaf(), |_, _, _| (200, b"<html>welcome</html>".to_vec()));
    site.until_problem(
        &["--probes", "2"],
        "D401",
        "another server or a proxy responds instead of the webhook",
    );
    drop(hook);
    let hook = Hook::start(site.address, &site.leaf(), |_, _, _| (404, b"{}".to_vec()));
    site.until_problem(&["--probes", "2"], "D401", "the path in the configuration is wrong");
    drop(hook);
    let hook = Hook::start(site.address, &site.leaf(), |_, _, _| (503, b"overloaded".to_vec()));
    let run = site.until_problem(&["--probes", "2"], "D401", "load shedding (503)");
    // The logs of every replica: the command with another verb names the Pods that it reads.
    let remedy = text(&run.check("D401")["remedy"]).to_owned();
    let start = remedy.strip_prefix("kubectl ").ok_or("kubectl")?;
    let pods = start.strip_suffix(" --prefix --tail=-1 --since=5m").ok_or_else(|| remedy.clone())?;
    let pods = pods.replacen(" logs ", " get pods --output name ", 1);
    let pods = site.must(&pods.split(' ').collect::<Vec<_>>());
    assert_eq!(pods.lines().collect::<Vec<_>>(), ["pod/guard-a", "pod/guard-b"], "{remedy}");
    drop(hook);
    let _hook = Hook::start(site.address, &site.leaf(), |path, body, call| {
        hook::ours(path.trim_start_matches("/guard"), body, call)
    });
    // The path itself is seen before a call is made.
    site.change(VALIDATING, |webhook| webhook["clientConfig"]["service"]["path"] = json!("/guard"));
    let run = site.doctor(&[]);
    run.is_problem("D102", "validate.nfs-mount-guard.io: path /guard, expected /validate");
    run.is_skipped("D401", "needs D102");
    Ok(())
}
