//! Who else decides: one API server of several, matchConditions, other webhooks, and a
//! failurePolicy that hides all of it.

use std::net::SocketAddr;

use base64::Engine as _;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::hook::{self, Hook};
use super::{MUTATING, Site, VALIDATING, text, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("one_call_of_ten_that_fails_is_counted", one_of_ten),
        trial("a_match_condition_that_fails_is_named_under_fail_and_ignore", match_conditions),
        trial("another_webhook_that_undoes_the_repair_is_named", stripped),
        trial("another_webhook_that_denies_is_not_taken_for_ours", denied_by_another),
        trial("a_webhook_that_fails_open_is_seen", fails_open),
        trial("a_configuration_that_was_changed_is_named", changed),
    ]
}

fn one_of_ten(site: &Site<'_>) -> Result<(), Failed> {
    let hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    drop(hook);
    let _hook = Hook::start(site.address, &site.leaf(), |path, body, call| {
        if path == "/mutate" && call == 4 { (500, b"down".to_vec()) } else { hook::ours(path, body, call) }
    });
    let run = site.doctor(&[]);
    run.is_problem(
        "D401",
        "1 of 10 failed: not repaired, then denied by validate.nfs-mount-guard.io: NMG001",
    );
    run.is_problem("D401", "the others passed: one API server of several, or one Pod");
    assert_eq!(run.check("D402")["seen"], "10 of 10 denied");
    Ok(())
}

fn match_conditions(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    let bare = json!({"name": "of-team-a", "expression": "object.metadata.labels.team == 'a'"});
    for kind in [VALIDATING, MUTATING] {
        site.change(kind, |webhook| {
            webhook["matchConditions"].as_array_mut().expect("a list").push(bare.clone());
        });
    }
    let run = site.until_problem(&["--probes", "3"], "D401", "3 of 3 failed: a matchCondition fails: ");
    run.is_problem("D401", "resulted in error: no such key");
    run.is_problem("D402", "3 of 3 failed: a matchCondition fails: ");
    assert!(text(&run.check("D401")["remedy"]).contains("webhooks.extraMatchConditions"), "{:#}", run.report);
    assert!(
        text(&run.check("D102")["seen"]).contains("further matchConditions of-team-a"),
        "{:#}",
        run.report
    );
    // Under Ignore the API server says nothing at all.
    site.change(VALIDATING, |webhook| {
        webhook["matchConditions"].as_array_mut().expect("a list").push(bare.clone());
        webhook["failurePolicy"] = json!("Ignore");
    });
    let run = site.until_problem(&["--probes", "3"], "D401", "3 of 3 failed: admitted unchanged, with bg");
    run.is_problem("D402", "3 of 3 failed: admitted: the validating webhook was not called or failed open");
    run.is_warning("D601", "apiserver_admission_match_condition_evaluation_errors_total");
    Ok(())
}

/// A webhook of someone else for classes, called after ours.
fn foreign(site: &Site<'_>, kind: &str, hook: &Hook, policy: &str) -> Value {
    let bundle = base64::engine::general_purpose::STANDARD.encode(&site.authority.pair().certificate);
    let mut configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "zz-other"},
        "webhooks": [{
            "name": "zz.other.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": format!("https://{}/other", hook.address), "caBundle": bundle},
            "rules": [{"apiGroups": ["storage.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["storageclasses"]}],
            "failurePolicy": "Fail",
        }],
    });
    if kind == MUTATING {
        configuration["webhooks"][0]["reinvocationPolicy"] = json!(policy);
    }
    site.apply(&configuration);
    configuration
}

/// A server of someone else, which the API server calls by address.
fn other_hook(site: &Site<'_>, respond: fn(&str, &[u8], u64) -> (u16, Vec<u8>)) -> Hook {
    let pair =
        site.authority.sign(&["127.0.0.1".to_owned()], time::OffsetDateTime::now_utc()).expect("a pair");
    Hook::start(SocketAddr::from(([127, 0, 0, 1], 0)), &pair, respond)
}

fn stripped(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    let other = other_hook(site, hook::strips_fg);
    // Ours runs again after it, and then it runs again.
    foreign(site, MUTATING, &other, "IfNeeded");
    let run = site.until_problem(
        &["--probes", "3"],
        "D401",
        "3 of 3 failed: repaired, changed again, then denied by validate.nfs-mount-guard.io: NMG002",
    );
    run.is_problem("D401", "other mutating webhooks: zz.other.example.com");
    assert_eq!(
        text(&run.check("D401")["effect"]),
        "another mutating webhook undoes the repair: NFS classes and volumes are denied"
    );
    let run = site.doctor(&["--pre"]);
    run.is_warning("D003", "other mutating webhooks: zz.other.example.com");
    // Without the validating webhook the class comes back without fg.
    site.turn.cluster.must(&["delete", VALIDATING, "nfs-mount-guard"], "");
    let run = site.until_problem(
        &["--probes", "3"],
        "D401",
        "3 of 3 failed: came back as nfsvers=4.1,hard,timeo=600,retrans=2; other mutating webhooks",
    );
    run.is_warning("D101", "no validating webhook: nothing is denied");
    run.is_skipped("D402", "no validating webhook");
    Ok(())
}

fn denied_by_another(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    let other = other_hook(site, hook::denies);
    foreign(site, MUTATING, &other, "Never");
    let run = site.until(&["--probes", "2"], "D402", "warning");
    for id in ["D401", "D402", "D403"] {
        run.is_warning(
            id,
            "another webhook denies the probe: zz.other.example.com: classes are made by Terraform",
        );
    }
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    drop(other);
    let run = site.until(&["--probes", "2"], "D402", "warning");
    run.is_warning("D402", "another webhook");
    Ok(())
}

fn fails_open(site: &Site<'_>) -> Result<(), Failed> {
    site.change(VALIDATING, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    let run = site.until_problem(
        &["--probes", "3"],
        "D402",
        "3 of 3 failed: admitted: the validating webhook was not called or failed open",
    );
    run.is_problem(
        "D401",
        "3 of 3 failed: admitted unchanged, with bg: neither webhook was called, or both failed open",
    );
    run.is_warning("D102", "validate.nfs-mount-guard.io: failurePolicy Ignore");
    run.is_warning("D601", "admitted unchecked because the call failed");
    assert_eq!(run.check("D403")["result"], "ok");
    Ok(())
}

fn changed(site: &Site<'_>) -> Result<(), Failed> {
    for (kind, pointer, value, result, words) in [
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
            VALIDATING,
            "/rules/0/scope",
            json!("Namespaced"),
            "problem",
            "not called for CREATE of storageclasses, UPDATE of storageclasses",
        ),
        (VALIDATING, "/timeoutSeconds", json!(30), "warning", "timeoutSeconds 30"),
        (VALIDATING, "/matchPolicy", json!("Exact"), "warning", "matchPolicy Exact"),
        (
            VALIDATING,
            "/objectSelector",
            json!({"matchLabels": {"a": "b"}}),
            "warning",
            "objectSelector {\"matchLabels\":{\"a\":\"b\"}}",
        ),
        (
            VALIDATING,
            "/matchConditions/2/expression",
            json!("true"),
            "warning",
            "matchConditions driver-may-be-nfs are not those of version",
        ),
        (MUTATING, "/reinvocationPolicy", json!("Never"), "warning", "reinvocationPolicy Never"),
    ] {
        site.change(kind, |webhook| *webhook.pointer_mut(pointer).expect("a field") = value.clone());
        let run = site.doctor(&["--no-probes"]);
        run.says("D102", result, words);
        assert_eq!(run.code, Some(i32::from(result == "problem")), "{pointer}: {:#}", run.report);
        site.restore();
    }
    // What the chart offers is as generated.
    site.change(VALIDATING, |webhook| webhook["matchConditions"] = json!([]));
    let run = site.doctor(&["--no-probes"]);
    assert_eq!(run.check("D102")["result"], "ok", "{:#}", run.report);
    assert!(text(&run.check("D102")["seen"]).contains("no generated matchConditions"), "{:#}", run.report);
    Ok(())
}
