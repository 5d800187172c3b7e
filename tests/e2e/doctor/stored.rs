//! Checks the other stored objects: the policy, admission policies, leftover configurations and a
//! second installation.

use std::net::SocketAddr;

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::policy::Policy;
use serde_json::{Value, json};

use super::{MUTATING, NAMESPACE, Run, Site, VALIDATING, doctor, text, trial};
use crate::guard::Guard;
use crate::proxy::Proxy;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("a_leftover_configuration_is_named_with_the_command_that_removes_it", leftover),
        trial("a_second_installation_is_named", second),
        trial("a_policy_that_differs_from_the_pods_is_named", policy_differs),
        trial("an_invalid_policy_and_expired_exemptions_are_named", policies),
        trial("an_admission_policy_without_effect_is_named", admission_policies),
        trial("webhooks_called_by_url_are_checked_without_a_service", by_url),
        trial("a_lease_that_is_not_renewed_is_named", lease),
    ]
}

/// The configurations again, under another name and for another Service.
fn copy(site: &Site<'_>, name: &str, namespace: &str) {
    for kind in [VALIDATING, MUTATING] {
        let mut configuration = site.configuration(kind);
        configuration["metadata"]["name"] = json!(name);
        configuration["metadata"]["labels"]["app.kubernetes.io/instance"] = json!(name);
        configuration["webhooks"][0]["clientConfig"]["service"]["namespace"] = json!(namespace);
        site.apply(&configuration);
    }
}

fn everywhere(site: &Site<'_>, args: &[&str]) -> Run {
    let args = [&["--wait", "0s", "--format", "json"], args].concat();
    Run::of(&doctor(&args, Some(&site.turn.cluster.kubeconfig())))
}

fn leftover(site: &Site<'_>) -> Result<(), Failed> {
    copy(site, "old-guard", "old");
    let run = everywhere(site, &["--no-probes"]);
    run.is_problem("D101", "left over: ValidatingWebhookConfiguration old-guard, MutatingWebhookConfiguration old-guard calls Service old/nfs-mount-guard, which does not exist");
    let remedy = "kubectl delete validatingwebhookconfiguration/old-guard mutatingwebhookconfiguration/old-guard --ignore-not-found";
    assert_eq!(run.check("D101")["remedy"], remedy);
    let words: Vec<&str> = remedy.split(' ').skip(1).collect();
    site.turn.cluster.must(&words, "");
    let run = everywhere(site, &["--no-probes"]);
    assert_eq!(run.check("D101")["result"], "ok", "{:#}", run.report);
    // Another name of the release, with the same Service.
    copy(site, "old-name", NAMESPACE);
    let run = everywhere(site, &["--no-probes"]);
    run.is_warning(
        "D101",
        "validate.nfs-mount-guard.io is in more than one ValidatingWebhookConfiguration: nfs-mount-guard, old-name",
    );
    assert_eq!(run.check("D101")["remedy"], remedy.replace("old-guard", "old-name"));
    Ok(())
}

fn second(site: &Site<'_>) -> Result<(), Failed> {
    site.turn.cluster.kubectl(&["create", "namespace", "old"], "");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": super::NAME, "namespace": "old"},
        "spec": {"ports": [{"port": 443}]}});
    site.apply(&service);
    copy(site, "zz-guard", "old");
    let run = everywhere(site, &["--no-probes"]);
    run.is_warning("D101", "a second installation: ValidatingWebhookConfiguration zz-guard, MutatingWebhookConfiguration zz-guard calls Service old/nfs-mount-guard");
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    // A user who requests one gets one.
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(
        (&run.check("D101")["result"], &run.report["installation"]["namespace"]),
        (&json!("ok"), &json!(NAMESPACE))
    );
    let run = everywhere(site, &["--no-probes", "--namespace", "old"]);
    assert_eq!(run.report["installation"]["namespace"], "old");
    run.is_problem("D202", "no ready endpoint");
    site.turn.cluster.must(&["-n", "old", "delete", "service", super::NAME], "");
    Ok(())
}

fn set_policy(site: &Site<'_>, text: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nfs-mount-guard-policy", "namespace": NAMESPACE},
        "data": {"policy.yaml": text}});
    site.apply(&map);
}

const HEAD: &str = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";

fn policy_differs(site: &Site<'_>) -> Result<(), Failed> {
    // A guard whose metrics the API server can read as a Pod's.
    let guard = Guard::start(&[]);
    let host: SocketAddr = format!("{}:0", site.host).parse()?;
    let Ok(proxy) = std::net::TcpListener::bind(host).map(|_| Proxy::start_at(host, guard.status)) else {
        // Without an address besides loopback no endpoint can be made.
        return Ok(());
    };
    site.slices(proxy.address.port());
    let own = Policy::default().fingerprint().to_string();
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(run.check("D701")["result"], "ok", "{:#}", run.check("D701"));
    assert!(
        text(&run.check("D701")["seen"]).ends_with(&format!("fingerprint {own} in the Pods")),
        "{:#}",
        run.check("D701")
    );
    set_policy(site, &format!("{HEAD}profile: strict\n"));
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D701", "policy differs: the ConfigMap has fingerprint ");
    run.is_problem("D701", &format!("and 4 of 4 answers of Pods {own}"));
    assert_eq!(
        run.check("D701")["remedy"],
        "kubectl --namespace doctor rollout restart deployment/nfs-mount-guard"
    );
    Ok(())
}

fn policies(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    set_policy(site, &format!("{HEAD}profil: strict\n"));
    let run = site.until(&["--probes", "1"], "D401", "ok");
    run.is_problem("D701", "ConfigMap nfs-mount-guard-policy, policy.yaml:3:1: ");
    assert_eq!(
        run.check("D701")["remedy"],
        "kubectl --namespace doctor edit configmap nfs-mount-guard-policy"
    );
    set_policy(
        site,
        &format!("{HEAD}exemptions:\n- {{rules: [soft-mount], reason: old data, expires: 2026-01-31}}\n"),
    );
    let run = site.doctor(&["--probes", "1"]);
    run.is_warning("D701", "the exemption from NMG005 (old data) expired ");
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    // A class that the policy does not deny is no fault of the way.
    set_policy(site, &format!("{HEAD}rules:\n  sloppy: {{action: \"off\"}}\n"));
    site.doctor(&["--probes", "1"]).is_skipped("D402", "the policy does not deny sloppy (NMG014)");
    // The Pods enforce what the ConfigMap only observes.
    set_policy(site, &format!("{HEAD}mode: observe\n"));
    let run = site.doctor(&["--probes", "1"]);
    run.is_warning("D701", "mode observe");
    assert_eq!(run.check("D401")["seen"], "1 of 1 repaired");
    Ok(())
}

fn admission_policies(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let text = site.turn.helm.template(
        super::NAME,
        NAMESPACE,
        &["--set", "admissionPolicy=deny", "--show-only", "templates/admissionpolicies.yaml"],
    );
    let objects = crate::objects::documents(&text);
    for object in &objects {
        site.apply(object);
    }
    let run = site.until(&["--probes", "2"], "D502", "ok");
    assert_eq!(run.check("D502")["seen"], "1 of 1 denied by the admission policy");
    assert_eq!(run.check("D401")["seen"], "2 of 2 repaired");
    assert!(
        super::text(&run.check("D501")["seen"]).contains("background-mount.nfs-mount-guard.io: Deny"),
        "{:#}",
        run.report
    );
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    let binding = |actions: Value| {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "background-mount.nfs-mount-guard.io"},
            "spec": {"policyName": "background-mount.nfs-mount-guard.io", "validationActions": actions}})
    };
    site.apply(&binding(json!(["Warn"])));
    let run = site.doctor(&["--probes", "1"]);
    run.is_warning("D501", "background-mount.nfs-mount-guard.io is bound with Warn, not Deny");
    run.is_skipped("D502", "no admission policy for classes that denies");
    site.turn
        .cluster
        .must(&["delete", "validatingadmissionpolicybinding", "background-mount.nfs-mount-guard.io"], "");
    let run = site.doctor(&["--probes", "1"]);
    run.is_problem("D501", "background-mount.nfs-mount-guard.io has no binding, so it has no effect");
    run.is_skipped("D502", "needs D501");
    // Its status is written by the controller manager; here by the test.
    site.apply(&binding(json!(["Deny"])));
    let status = json!({"status": {"typeChecking": {"expressionWarnings": [
        {"fieldRef": "spec.validations[0].expression", "warning": "undeclared reference to 'x'"}]}}});
    site.turn.cluster.must(
        &[
            "patch",
            "validatingadmissionpolicy",
            "background-mount.nfs-mount-guard.io",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status.to_string(),
        ],
        "",
    );
    let run = site.doctor(&["--probes", "1"]);
    run.is_problem("D501", "background-mount.nfs-mount-guard.io: type checking: undeclared reference to 'x'");
    Ok(())
}

fn by_url(site: &Site<'_>) -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    for mut configuration in crate::cluster::webhook_configurations(&guard) {
        configuration["metadata"]["resourceVersion"] = Value::Null;
        site.turn.cluster.must(&["replace", "-f", "-"], &configuration.to_string());
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let run = loop {
        let run = everywhere(site, &["--probes", "2"]);
        if run.check("D401")["result"] == "ok" && run.check("D402")["result"] == "ok" {
            break run;
        }
        assert!(std::time::Instant::now() < deadline, "{:#}", run.report);
    };
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    for id in ["D201", "D202", "D203", "D205", "D301", "D302"] {
        run.is_skipped(id, "called by URL, without a Service");
    }
    assert_eq!(run.check("D103")["result"], "ok");
    // No namespace, Deployment or release of it is known.
    drop(guard);
    let run = everywhere(site, &["--probes", "2"]);
    run.is_problem("D401", "connection refused");
    for check in run.report["checks"].as_array().expect("checks") {
        let remedy = text(&check["remedy"]);
        assert!(!remedy.contains("--namespace") && !remedy.contains("helm"), "{check:#}");
    }
    assert!(text(&run.check("D401")["remedy"]).contains("https://127.0.0.1:"), "{:#}", run.check("D401"));
    for kind in [VALIDATING, MUTATING] {
        let mut stored = site.turn.object("", kind, super::NAME);
        stored["webhooks"][0]["matchConditions"][2]["expression"] = json!("false");
        site.turn.cluster.must(&["replace", "-f", "-"], &stored.to_string());
    }
    let run = everywhere(site, &["--no-probes"]);
    run.is_warning("D102", "matchConditions driver-may-be-nfs are not those of version");
    let remedy = text(&run.check("D102")["remedy"]);
    assert!(remedy.starts_with("kubectl patch ") && !remedy.contains("helm"), "{remedy}");
    super::cures::cured_as(site, "D102", &|| everywhere(site, &["--no-probes"]));
    Ok(())
}

fn lease(site: &Site<'_>) -> Result<(), Failed> {
    let lease = |holder: &str, renewed: &str| {
        site.apply(&json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": super::SECRET, "namespace": NAMESPACE},
            "spec": {"holderIdentity": holder, "renewTime": renewed}}));
    };
    lease("guard-a_1", "2026-01-31T08:00:00.000000Z");
    site.doctor(&["--no-probes"]).is_warning("D302", "Lease nfs-mount-guard-tls: guard-a_1 renewed it ");
    lease("", "2026-01-31T08:00:00.000000Z");
    site.doctor(&["--no-probes"]).is_warning("D302", "Lease nfs-mount-guard-tls has no holder");
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000000Z");
    lease("guard-b_1", &time::OffsetDateTime::now_utc().format(&format)?);
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(run.check("D302")["result"], "ok", "{:#}", run.check("D302"));
    Ok(())
}
