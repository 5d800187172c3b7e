//! Checks other deciders: one API server of several, matchConditions, other webhooks, and a
//! failurePolicy that hides all of it.

use std::net::SocketAddr;

use base64::Engine as _;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::cures::cured;
use super::hook::{self, Hook};
use super::{MUTATING, Site, VALIDATING, text, trial};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("one_call_of_ten_that_fails_is_counted", one_of_ten),
        trial("a_match_condition_that_fails_is_named_under_fail_and_ignore", match_conditions),
        trial("a_condition_or_selector_that_is_silently_false_is_one_finding_with_its_cure", passed_over),
        trial("another_webhook_that_undoes_the_repair_is_named", stripped),
        trial("another_webhook_that_denies_is_not_taken_for_ours", denied_by_another),
        trial("a_webhook_that_fails_open_is_seen", fails_open),
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
        "1 of 10 failed: not repaired, then denied by validate.nfs-mount-guard.io: the call of mutate.nfs-mount-guard.io fails, and failurePolicy Ignore hides the reason",
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
    let run =
        site.until_problem(&["--probes", "3"], "D401", "3 of 3 failed: a matchCondition fails: of-team-a: ");
    run.is_problem("D401", "resulted in error: no such key");
    let seen = text(&run.check("D401")["seen"]);
    assert_eq!(seen.matches("resulted in error").count(), 1, "{seen}");
    assert!(!seen.contains("nfs-mount-guard-doctor"), "{seen}");
    run.is_skipped("D402", "same cause as D401");
    assert_eq!(run.ids("problem"), ["D401"], "{:#}", run.report);
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
    let run = site.until_problem(
        &["--probes", "3"],
        "D401",
        "3 of 3 failed: admitted unchanged, with bg: a matchCondition of validate.nfs-mount-guard.io fails (of-team-a), and failurePolicy Ignore admits in silence",
    );
    run.is_skipped("D402", "same cause as D401");
    assert_eq!(run.ids("problem"), ["D401"], "{:#}", run.report);
    cured(site, "D401", &["--probes", "3"]);
    // The mutating webhook alone: its default is Ignore.
    site.restore();
    site.change(MUTATING, |webhook| {
        webhook["matchConditions"].as_array_mut().expect("a list").push(bare.clone());
    });
    site.until_problem(
        &["--probes", "3"],
        "D401",
        "3 of 3 failed: not repaired, then denied by validate.nfs-mount-guard.io: a matchCondition of mutate.nfs-mount-guard.io fails (of-team-a)",
    );
    let run = cured(site, "D401", &["--probes", "3"]);
    assert_eq!((run.code, &run.check("D402")["result"]), (Some(0), &json!("ok")), "{:#}", run.report);
    Ok(())
}

fn passed_over(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    let team = json!({"name": "of-team-a", "expression": "has(object.metadata.labels) && 'team' in object.metadata.labels"});
    let further = |webhook: &mut Value| {
        webhook["matchConditions"].as_array_mut().expect("a list").push(team.clone());
    };
    let changed = |webhook: &mut Value| webhook["matchConditions"][2]["expression"] = json!("false");
    let selector = |webhook: &mut Value| webhook["objectSelector"] = json!({"matchLabels": {"team": "a"}});
    let ignoring = |webhook: &mut Value| {
        webhook["objectSelector"] = json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]});
        webhook["failurePolicy"] = json!("Ignore");
    };
    let changes: [(&[&str], &dyn Fn(&mut Value), &str); 6] = [
        (&[VALIDATING, MUTATING], &further, "matchConditions beyond the chart's: of-team-a"),
        (&[VALIDATING], &further, "matchConditions beyond the chart's: of-team-a"),
        // By itself it may fail open: only the count of exclusions tells.
        (
            &[MUTATING],
            &further,
            "mutate.nfs-mount-guard.io: not called for the probe: matchConditions beyond",
        ),
        (
            &[VALIDATING],
            &changed,
            "not called for the probe: matchConditions driver-may-be-nfs are not those",
        ),
        (
            &[VALIDATING],
            &selector,
            "not called for the probe, which has no labels: objectSelector {\"matchLabels\"",
        ),
        (
            &[VALIDATING],
            &ignoring,
            "not called for the probe, which has no labels: objectSelector {\"matchExpressions\"",
        ),
    ];
    for (kinds, change, words) in changes {
        for kind in kinds {
            site.change(kind, |webhook| change(webhook));
        }
        let run = site.until_problem(&["--probes", "2"], "D102", words);
        assert_eq!(run.ids("problem"), ["D102"], "{words}: {:#}", run.report);
        for id in ["D401", "D402"] {
            run.is_skipped(id, "needs D102");
        }
        assert!(text(&run.check("D102")["effect"]).contains("admitted unchecked"), "{:#}", run.report);
        let run = cured(site, "D102", &["--probes", "2"]);
        assert_eq!(run.ids("problem"), Vec::<&str>::new(), "{words}: {:#}", run.report);
        site.until(&["--probes", "2"], "D402", "ok");
        site.restore();
    }
    // A condition that holds for the probe is the user's own business.
    site.change(VALIDATING, |webhook| {
        let own = json!({"name": "not-legacy", "expression": "!object.metadata.name.startsWith('legacy-')"});
        webhook["matchConditions"].as_array_mut().expect("a list").push(own);
    });
    let run = site.until(&["--probes", "1"], "D402", "ok");
    assert_eq!(run.check("D102")["result"], "ok", "{:#}", run.report);
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
    let remedy = text(&run.check("D401")["remedy"]).to_owned();
    assert!(
        remedy.starts_with("kubectl patch mutatingwebhookconfiguration zz-other --patch '{\"webhooks\":[{"),
        "{remedy}"
    );
    let run = site.doctor(&["--pre"]);
    run.is_warning("D003", "other mutating webhooks: zz.other.example.com");
    cured(site, "D401", &["--probes", "3"]);
    // It runs after ours, and ours does not run again.
    foreign(site, MUTATING, &other, "Never");
    site.change(MUTATING, |webhook| webhook["reinvocationPolicy"] = json!("Never"));
    let other_again = json!({"webhooks": [{"name": "zz.other.example.com", "matchConditions": [
        {"$patch": "delete", "name": "leaves-nfs-mount-guard-alone"}]}]});
    site.turn.cluster.must(&["patch", MUTATING, "zz-other", "-p", &other_again.to_string()], "");
    let run = site.until_problem(&["--probes", "3"], "D401", "repaired, changed again, then denied");
    assert_eq!(
        text(&run.check("D401")["remedy"]),
        "kubectl patch mutatingwebhookconfiguration nfs-mount-guard --patch '{\"webhooks\":[{\"name\":\"mutate.nfs-mount-guard.io\",\"reinvocationPolicy\":\"IfNeeded\"}]}'"
    );
    // Ours runs again, and adds it at the end.
    super::cures::run_remedy(site, text(&run.check("D401")["remedy"]));
    let run = site.until(&["--probes", "3"], "D401", "warning");
    run.is_warning(
        "D401",
        "3 of 3 failed: repaired to nfsvers=4.1,hard,timeo=600,retrans=2,fg, and the policy",
    );
    cured(site, "D401", &["--probes", "3"]);
    site.restore();
    site.turn.cluster.must(&["delete", MUTATING, "zz-other"], "");
    foreign(site, MUTATING, &other, "IfNeeded");
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
    let run = site.until(&["--probes", "2"], "D401", "warning");
    run.is_warning(
        "D401",
        "another webhook denies the probe: zz.other.example.com: classes are made by Terraform",
    );
    for id in ["D402", "D403"] {
        run.is_skipped(id, "same cause as D401");
    }
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    drop(other);
    let run = site.until(&["--probes", "2"], "D401", "warning");
    run.is_warning("D401", "another webhook cannot be called: zz.other.example.com");
    let remedy = text(&run.check("D401")["remedy"]);
    assert!(
        remedy.starts_with("restore the server at https://127.0.0.1:")
            && remedy.ends_with("kubectl delete mutatingwebhookconfiguration/zz-other"),
        "{remedy}"
    );
    let other = other_hook(site, hook::denies);
    site.turn.cluster.must(&["delete", MUTATING, "zz-other"], "");
    foreign(site, VALIDATING, &other, "");
    site.until(&["--probes", "2"], "D401", "warning");
    let run = cured(site, "D401", &["--probes", "2"]);
    assert_eq!(run.check("D402")["result"], "ok", "{:#}", run.report);
    Ok(())
}

fn fails_open(site: &Site<'_>) -> Result<(), Failed> {
    site.change(VALIDATING, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    let run = site.until_problem(
        &["--probes", "3"],
        "D401",
        "3 of 3 failed: admitted unchanged, with bg: the call of validate.nfs-mount-guard.io fails, and failurePolicy Ignore hides the reason",
    );
    run.is_skipped("D402", "same cause as D401");
    run.is_warning("D102", "validate.nfs-mount-guard.io: failurePolicy Ignore");
    // Other tests were counted by the same API server.
    assert_ne!(run.check("D601")["result"], "ok", "{:#}", run.report);
    assert_eq!(run.check("D403")["result"], "ok");
    Ok(())
}
