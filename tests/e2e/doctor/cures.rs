//! The one command of a finding cures it: each is run as it stands.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{MUTATING, NAME, NAMESPACE, Run, Site, VALIDATING, text, trial};
use crate::component;
use crate::install::{ROOT, Turn, turn_with_low_ports};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("each_field_that_differs_from_the_chart_is_named_and_cured", fields),
        trial("what_the_chart_offers_is_as_generated", offered),
        trial("a_wrong_service_of_a_configuration_is_named_and_cured", wrong_service),
        trial("a_service_that_was_changed_is_named_and_cured", changed_service),
        component::trial(
            "doctor::values_of_a_release_are_cured_by_helm_and_edits_by_a_patch",
            turn_with_low_ports,
            |turn: Turn| release(&turn),
        ),
    ]
}

/// Runs the command of a check as a shell does, until the check is good.
pub(super) fn cured(site: &Site<'_>, id: &str, args: &[&str]) -> Run {
    run_remedy(site, text(&site.doctor(args).check(id)["remedy"]));
    site.until(args, id, "ok")
}

/// As [`cured`], for a run with flags of its own; what is stored counts at once.
pub(super) fn cured_as(site: &Site<'_>, id: &str, run: &dyn Fn() -> Run) {
    run_remedy(site, text(&run().check(id)["remedy"]));
    let run = run();
    assert_eq!(run.check(id)["result"], "ok", "{:#}", run.report);
}

/// Runs a command as a shell does.
pub(super) fn run_remedy(site: &Site<'_>, remedy: &str) {
    let folder = site.folder.path().join("bin");
    if !folder.exists() {
        std::fs::create_dir(&folder).expect("a folder");
        for (name, program) in
            [("kubectl", site.turn.cluster.kubectl_program()), ("helm", site.turn.helm.program())]
        {
            std::os::unix::fs::symlink(program, folder.join(name)).expect("a link");
        }
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"));
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", remedy]).current_dir(ROOT).env("PATH", path);
    let output = site.turn.cluster.run(command, "");
    assert!(output.status.success(), "{remedy}: {output:?}");
}

type Change = (&'static str, &'static str, Value, &'static str, &'static str);

fn fields(site: &Site<'_>) -> Result<(), Failed> {
    let opt_out = json!({"matchExpressions": [
        {"key": "nfs-mount-guard.io/mutate", "operator": "NotIn", "values": ["disabled"]},
        {"key": "team", "operator": "Exists"}]});
    let changes: [Change; 21] = [
        (
            VALIDATING,
            "/rules/1/resources",
            json!(["persistentvolumes"]),
            "problem",
            "not called for CREATE of persistentvolumes/status, UPDATE of persistentvolumes/status",
        ),
        (
            VALIDATING,
            "/rules/0/operations",
            json!(["CREATE"]),
            "problem",
            "not called for UPDATE of storageclasses",
        ),
        (
            MUTATING,
            "/rules/0/operations",
            json!(["UPDATE"]),
            "problem",
            "not called for CREATE of storageclasses",
        ),
        (
            VALIDATING,
            "/rules/0/operations",
            json!(["CREATE", "UPDATE", "DELETE"]),
            "warning",
            "rules beyond the chart's: DELETE of storageclasses",
        ),
        (
            VALIDATING,
            "/rules/0/apiVersions",
            json!(["*"]),
            "warning",
            "rules beyond the chart's: apiVersions *",
        ),
        (
            VALIDATING,
            "/rules/0/apiVersions",
            json!(["v1beta1"]),
            "problem",
            "not called for CREATE of storageclasses, UPDATE of storageclasses; rules beyond the chart's: apiVersions v1beta1",
        ),
        (
            MUTATING,
            "/rules/1/resources",
            json!(["persistentvolumes", "persistentvolumes/status", "nodes"]),
            "warning",
            "rules beyond the chart's: resources nodes",
        ),
        (
            VALIDATING,
            "/rules/0/scope",
            json!("Namespaced"),
            "problem",
            "not called for CREATE of storageclasses, UPDATE of storageclasses",
        ),
        (VALIDATING, "/rules/2/scope", json!("*"), "warning", "rules beyond the chart's: scope *"),
        (VALIDATING, "/timeoutSeconds", json!(30), "warning", "timeoutSeconds 30, expected 3"),
        (MUTATING, "/timeoutSeconds", json!(1), "warning", "timeoutSeconds 1, expected 3"),
        (VALIDATING, "/matchPolicy", json!("Exact"), "warning", "matchPolicy Exact"),
        (VALIDATING, "/sideEffects", json!("NoneOnDryRun"), "warning", "sideEffects \"NoneOnDryRun\""),
        (VALIDATING, "/failurePolicy", json!("Ignore"), "warning", "failurePolicy Ignore"),
        (MUTATING, "/failurePolicy", json!("Fail"), "warning", "failurePolicy Fail"),
        (
            VALIDATING,
            "/admissionReviewVersions",
            json!(["v1", "v1beta1"]),
            "warning",
            "admissionReviewVersions v1, v1beta1",
        ),
        (
            VALIDATING,
            "/objectSelector",
            json!({"matchLabels": {"a": "b"}}),
            "warning",
            "objectSelector {\"matchLabels\":{\"a\":\"b\"}}",
        ),
        (MUTATING, "/objectSelector", json!({}), "warning", "objectSelector is empty"),
        (MUTATING, "/objectSelector", opt_out, "warning", "\"key\":\"team\""),
        (
            VALIDATING,
            "/matchConditions/2/expression",
            json!("true"),
            "warning",
            "matchConditions driver-may-be-nfs are not those of version",
        ),
        (MUTATING, "/reinvocationPolicy", json!("Never"), "warning", "reinvocationPolicy Never"),
    ];
    for (kind, pointer, value, result, words) in changes {
        site.change(kind, |webhook| *webhook.pointer_mut(pointer).expect("a field") = value.clone());
        let run = site.doctor(&["--no-probes"]);
        run.says("D102", result, words);
        assert_eq!(run.code, Some(i32::from(result == "problem")), "{pointer}: {:#}", run.report);
        cured(site, "D102", &["--no-probes"]);
        let stored = site.turn.object("", kind, NAME);
        let made = &site.configuration(kind)["webhooks"][0];
        assert_eq!(stored["webhooks"][0].pointer(pointer), made.pointer(pointer), "{pointer}");
    }
    // Several at once, of both configurations: one command.
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| {
            webhook["timeoutSeconds"] = json!(29);
            webhook["rules"][0]["operations"] = json!(["CREATE", "CONNECT"]);
            webhook["clientConfig"]["service"]["path"] = json!("/");
            let conditions = webhook["matchConditions"].as_array_mut().expect("conditions");
            conditions.retain(|condition| condition["name"] != "changes-what-counts");
        });
    }
    let run = site.doctor(&["--no-probes"]);
    for words in [
        "validate.nfs-mount-guard.io: path /, expected /validate",
        "mutate.nfs-mount-guard.io: timeoutSeconds 29",
        "not called for UPDATE of storageclasses; rules beyond the chart's: CONNECT of storageclasses",
        "matchConditions changes-what-counts are missing",
    ] {
        run.is_problem("D102", words);
    }
    cured(site, "D102", &["--no-probes"]);
    Ok(())
}

fn offered(site: &Site<'_>) -> Result<(), Failed> {
    site.change(VALIDATING, |webhook| webhook["matchConditions"] = json!([]));
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(run.check("D102")["result"], "ok", "{:#}", run.report);
    assert!(text(&run.check("D102")["seen"]).contains("no generated matchConditions"), "{:#}", run.report);
    // The API server skips it for what has no namespace (AKS writes one).
    site.change(VALIDATING, |webhook| {
        webhook["namespaceSelector"] = json!({"matchLabels": {"no": "namespace"}});
    });
    let _hook = site.serve();
    let run = site.until(&["--probes", "2"], "D402", "ok");
    assert_eq!(run.check("D102")["result"], "ok", "{:#}", run.report);
    assert!(text(&run.check("D102")["seen"]).contains("without effect"), "{:#}", run.report);
    // The webhook for Pods has it in effect.
    let text = site.turn.helm.template(
        NAME,
        NAMESPACE,
        &["--set", "webhooks.inlineVolumes.enabled=true", "--show-only", "templates/webhooks.yaml"],
    );
    let mut made = crate::objects::documents(&text);
    let validating = made.iter_mut().find(|object| object["kind"] == VALIDATING).expect("it");
    let bundle = site.configuration(VALIDATING)["webhooks"][0]["clientConfig"]["caBundle"].clone();
    for webhook in validating["webhooks"].as_array_mut().expect("webhooks") {
        webhook["clientConfig"]["caBundle"] = bundle.clone();
    }
    site.turn.cluster.must(&["replace", "-f", "-"], &validating.to_string());
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(run.check("D102")["result"], "ok", "{:#}", run.report);
    let inline = &mut validating["webhooks"][1];
    inline["namespaceSelector"] = json!({"matchLabels": {"only": "here"}});
    inline["failurePolicy"] = json!("Fail");
    inline["rules"][0]["operations"] = json!(["UPDATE"]);
    site.turn.cluster.must(&["replace", "-f", "-"], &validating.to_string());
    let run = site.doctor(&["--no-probes"]);
    for words in [
        "inline.nfs-mount-guard.io: namespaceSelector {\"matchLabels\":{\"only\":\"here\"}}",
        "inline.nfs-mount-guard.io: failurePolicy Fail",
        "inline.nfs-mount-guard.io: not called for CREATE of pods; rules beyond the chart's: UPDATE of pods",
    ] {
        run.is_problem("D102", words);
    }
    cured(site, "D102", &["--no-probes"]);
    Ok(())
}

fn wrong_service(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    for (field, value, place) in
        [("name", "guard", "doctor/guard"), ("namespace", "elsewhere", "elsewhere/nfs-mount-guard")]
    {
        for kind in [VALIDATING, MUTATING] {
            site.change(kind, |webhook| webhook["clientConfig"]["service"][field] = json!(value));
            let run = site.doctor(&["--no-probes"]);
            run.is_problem(
                "D101",
                &format!("calls Service {place}, the rest of the release Service doctor/nfs-mount-guard"),
            );
            cured(site, "D101", &["--no-probes"]);
        }
    }
    // Both: the Service of the release is looked for.
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| webhook["clientConfig"]["service"]["name"] = json!("guard"));
    }
    let run = site.doctor(&["--no-probes"]);
    run.is_problem(
        "D201",
        "Service doctor/guard not found; the Service of the release is doctor/nfs-mount-guard",
    );
    cured(site, "D201", &["--no-probes"]);
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| webhook["clientConfig"]["service"]["port"] = json!(8443));
    }
    site.doctor(&["--no-probes"]).is_problem("D201", "has no port 8443, which");
    let run = cured(site, "D201", &["--probes", "1"]);
    assert_eq!(run.check("D402")["result"], "ok", "{:#}", run.report);
    Ok(())
}

fn changed_service(site: &Site<'_>) -> Result<(), Failed> {
    let patch = |patch: &Value| {
        site.must(&["patch", "service", NAME, "--patch", &patch.to_string()]);
    };
    patch(&json!({"spec": {"ports": [{"port": 443, "targetPort": 8443}]}}));
    let run = site.doctor(&["--no-probes"]);
    run.is_problem(
        "D201",
        "targetPort 8443 of Service doctor/nfs-mount-guard is no port of the container, which has webhook 10250, status 8080",
    );
    cured(site, "D201", &["--no-probes"]);
    patch(&json!({"spec": {"selector": {"app.kubernetes.io/name": "other"}}}));
    site.apply(site.deployment());
    site.must(&["delete", "endpointslices", "--all"]);
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D202", "the selector of the Service is not the labels of the Deployment's Pods");
    // The controller of EndpointSlices follows.
    site.slices(8080);
    let before = site.doctor(&["--no-probes"]);
    assert_eq!(before.check("D202")["result"], "ok", "{:#}", before.report);
    site.must(&["delete", "endpointslices", "--all"]);
    let remedy = text(&site.doctor(&["--no-probes"]).check("D202")["remedy"]).to_owned();
    assert!(
        remedy.starts_with("kubectl --namespace doctor patch service nfs-mount-guard --patch "),
        "{remedy}"
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(2));
            site.slices(8080);
        });
        cured(site, "D202", &["--no-probes"]);
    });
    let service = site.turn.object(NAMESPACE, "service", NAME);
    let selector = &site.deployment()["spec"]["selector"]["matchLabels"];
    assert_eq!(&service["spec"]["selector"], selector);
    Ok(())
}

fn release(turn: &Turn) -> Result<(), Failed> {
    let conditions = "webhooks.extraMatchConditions[0]";
    let site = Site::install_by_helm(
        turn,
        &[
            "webhooks.validating.failurePolicy=Ignore",
            "webhooks.mutating.timeoutSeconds=5",
            &format!("{conditions}.name=of-team-a"),
            &format!("{conditions}.expression=object.metadata.labels.team == 'a'"),
            "webhooks.extraMatchConditions[1].name=not-a-test",
            "webhooks.extraMatchConditions[1].expression=object.metadata.name != 'it'",
        ],
    )?;
    let site = &site;
    let _hook = site.serve();
    let run = site.until_problem(
        &["--probes", "2"],
        "D401",
        "a matchCondition of validate.nfs-mount-guard.io fails (not-a-test, of-team-a)",
    );
    run.is_warning("D102", "validate.nfs-mount-guard.io: failurePolicy Ignore");
    let remedy = "helm upgrade nfs-mount-guard manifests/chart --namespace doctor --reuse-values --set webhooks.validating.failurePolicy=Fail";
    assert_eq!(run.check("D102")["remedy"], remedy);
    let run = cured(site, "D102", &["--no-probes"]);
    assert!(
        text(&run.check("D102")["seen"]).contains("mutate.nfs-mount-guard.io: timeoutSeconds 5"),
        "{:#}",
        run.report
    );
    // Under Fail the API server names the expression: the other condition stays.
    site.until_problem(&["--probes", "2"], "D401", "a matchCondition fails: of-team-a: ");
    let run = cured(site, "D401", &["--probes", "2"]);
    assert_eq!(run.check("D402")["seen"], "2 of 2 denied");
    assert!(
        text(&run.check("D102")["seen"]).contains("further matchConditions not-a-test"),
        "{:#}",
        run.report
    );
    // Fields that another client writes are not among the values.
    for (kind, patch) in [
        (
            VALIDATING,
            json!({"failurePolicy": "Ignore", "matchConditions": [{"name": "by-hand", "expression": "object.spec.a == 'b'"}]}),
        ),
        (
            MUTATING,
            json!({"objectSelector": {"matchLabels": {"a": "b"}}, "rules": [
            {"apiGroups": ["*"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"]}]}),
        ),
    ] {
        let name = if kind == VALIDATING { "validate" } else { "mutate" };
        let mut patch = patch;
        patch["name"] = json!(format!("{name}.nfs-mount-guard.io"));
        let patch = json!({"webhooks": [patch]}).to_string();
        turn.cluster.must(&["patch", kind, NAME, "--patch", &patch], "");
    }
    let run = site.doctor(&["--no-probes"]);
    run.is_problem("D102", "mutate.nfs-mount-guard.io: not called for CREATE of persistentvolumes/status");
    assert!(text(&run.check("D102")["remedy"]).starts_with("kubectl patch "), "{:#}", run.report);
    cured(site, "D102", &["--no-probes"]);
    site.until_problem(&["--probes", "2"], "D401", "by-hand");
    assert!(text(&site.doctor(&["--probes", "2"]).check("D401")["remedy"]).starts_with("kubectl patch "));
    cured(site, "D401", &["--probes", "2"]);
    // The Service is gone, the rest is there.
    site.must(&["delete", "service", NAME]);
    site.doctor(&["--no-probes"]).is_problem("D201", "but its Deployment exists: the Service was deleted");
    cured(site, "D201", &["--no-probes"]);
    Ok(())
}
