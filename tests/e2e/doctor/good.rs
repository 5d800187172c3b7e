//! An installation without a fault, in every format, and as `helm test` sees it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{NAME, NAMESPACE, Run, Site, doctor, text, trial};
use crate::component::{self, program};
use crate::objects::documents;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("finds_nothing_wrong_where_nothing_is", nothing_wrong),
        trial("shows_symbols_at_a_terminal_and_words_elsewhere", symbols),
        trial("the_pod_of_helm_test_has_the_least_rights_that_are_enough", helm_test),
        trial("without_rights_it_says_so_and_ends_well", without_rights),
    ]
}

/// Counts of the API server are those of all tests before this one.
const OF_OTHERS: &str = "D601";

fn nothing_wrong(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let run = site.until(&[], "D401", "ok");
    assert_eq!((run.code, &run.report["success"]), (Some(0), &json!(true)), "{:#}", run.report);
    let ok = run.ids("ok");
    for id in [
        "D101", "D102", "D103", "D201", "D202", "D203", "D204", "D205", "D301", "D401", "D402", "D403",
        "D404", "D501",
    ] {
        assert!(ok.contains(&id), "{id}: {:#}", run.report);
    }
    assert!(run.ids("warning").iter().all(|id| [OF_OTHERS, "D701"].contains(id)), "{:#}", run.report);
    run.is_skipped("D302", "the certificates are not built-in");
    run.is_skipped("D502", "no admission policy for classes that denies");
    assert_eq!(run.check("D401")["seen"], "10 of 10 repaired");
    assert_eq!(run.check("D402")["seen"], "10 of 10 denied");
    assert!(
        text(&run.check("D404")["seen"]).contains(" of 10 probes (timeout 3 s)"),
        "{:#}",
        run.check("D404")
    );
    assert_eq!(run.check("D202")["seen"], "2 ready endpoints");
    assert_eq!(run.report["installation"], json!({"name": NAME, "release": NAME, "namespace": NAMESPACE}),);
    // Nothing was stored.
    let classes = site.turn.cluster.must(&["get", "storageclasses", "-o", "name"], "");
    assert!(!classes.contains("nfs-mount-guard-doctor"), "{classes}");
    let run = site.doctor(&["--no-probes"]);
    for id in ["D401", "D402", "D403"] {
        run.is_skipped(id, "--no-probes");
    }
    assert_eq!(run.code, Some(0));
    // The names that are requested choose; without any it is found as well.
    let kubeconfig = site.turn.cluster.kubeconfig();
    let run = Run::of(&doctor(
        &["--wait", "0s", "--format", "json", "--probes", "1", "--release", NAME],
        Some(&kubeconfig),
    ));
    assert_eq!(run.code, Some(0), "{:#}", run.report);
    let run =
        Run::of(&doctor(&["--wait", "0s", "--format", "json", "--release", "other"], Some(&kubeconfig)));
    run.is_problem("D101", "not installed: no webhook is named validate.nfs-mount-guard.io or mutate.nfs-mount-guard.io of release other; there is one at Service doctor/nfs-mount-guard");
    let run = site.doctor(&["--pre"]);
    assert_eq!((run.code, run.ids("ok").len() + run.ids("warning").len()), (Some(0), 4), "{:#}", run.report);
    run.is_warning("D003", "already installed: Service doctor/nfs-mount-guard");
    Ok(())
}

fn symbols(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    site.until(&["--probes", "1"], "D401", "ok");
    site.must(&["delete", "pod", "guard-b", "--force", "--grace-period=0"]);
    site.change(super::VALIDATING, |webhook| webhook["failurePolicy"] = json!("Ignore"));
    site.turn.cluster.must(&["-n", NAMESPACE, "delete", "secret", super::SECRET], "");
    let kubeconfig = site.turn.cluster.kubeconfig().display().to_string();
    let args = ["doctor", "--wait", "0s", "--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    let run = |more: &[&str]| Command::new(program()).args(args).args(more).output();
    let output = run(&[])?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for line in [
        "ok D101 configurations-exist: ValidatingWebhookConfiguration nfs-mount-guard, MutatingWebhookConfiguration nfs-mount-guard at Service doctor/nfs-mount-guard",
        "warning D102 configurations-as-generated: validate.nfs-mount-guard.io: failurePolicy Ignore",
        "problem D301 certificate: Secret doctor/nfs-mount-guard-tls not found",
        "skipped D401 repairs: skipped (needs D301)",
        "    page:   docs/doctor.md#d301-certificate",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} in\n{shown}");
    }
    assert!(shown.contains("    effect: ") && shown.contains("    remedy: "), "{shown}");
    assert!(!shown.contains(['√', '‼', '×', '\u{1b}']), "{shown}");
    let output = run(&["--format", "short"])?;
    let short = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{short}");
    let faults: Vec<&str> = short.lines().filter(|line| !line.contains(" checks: ")).collect();
    assert!(
        faults.len() >= 2
            && faults.iter().all(|line| line.starts_with("warning D") || line.starts_with("problem D")),
        "{short}"
    );
    assert!(short.lines().last().is_some_and(|line| line.contains("18 checks: ")), "{short}");
    let script = PathBuf::from("/usr/bin/script");
    if !script.exists() {
        return Ok(());
    }
    let terminal = |locale: &str| {
        let line = format!("{} {} ", program().display(), args.join(" "));
        let output = Command::new(&script)
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env_remove("LC_ALL")
            .env_remove("LC_CTYPE")
            .env_remove("NO_COLOR")
            .env("LANG", locale)
            .stdin(Stdio::null())
            .output()
            .expect("script runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = terminal("C.UTF-8");
    for mark in ["\u{1b}[32m√\u{1b}[0m D101", "‼\u{1b}[0m D102", "×\u{1b}[0m D301", "-\u{1b}[0m D401"] {
        assert!(shown.contains(mark), "{mark:?} in\n{shown}");
    }
    let shown = terminal("C");
    assert!(shown.contains("problem") && !shown.contains('×'), "{shown}");
    Ok(())
}

/// The files of a service account stand where a Pod has them, so this takes a mount
/// namespace of its own.
fn in_a_pod(variables: &[(&'static str, String)], args: &[String]) -> Output {
    let folder = &variables.iter().find(|(name, _)| name.ends_with("_DIR")).expect("a folder").1;
    let script = format!(
        "mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io && \
ln -s {folder} /var/run/secrets/kubernetes.io/serviceaccount && exec \"$0\" \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(program()).args(args);
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command.envs(variables.iter().filter(|(name, _)| name.starts_with("KUBERNETES_")).cloned());
    command.output().expect("unshare runs")
}

/// Runs the command of the `helm test` Pod by hand: no kubelet starts Pods here.
fn helm_test(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let text = site.turn.helm.template(NAME, NAMESPACE, &["--show-only", "templates/tests/doctor.yaml"]);
    let objects = documents(&text);
    let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "Pod").count(), 1, "{kinds:?}");
    for object in &objects {
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/hook"], "test", "{object}");
        assert_eq!(annotations["helm.sh/hook-delete-policy"], "before-hook-creation,hook-succeeded");
        site.apply(object);
    }
    let pod = objects.iter().find(|object| object["kind"] == "Pod").ok_or("a Pod")?;
    // The Service would send calls to it.
    let service = site.turn.object(NAMESPACE, "service", NAME);
    let selector = service["spec"]["selector"].as_object().ok_or("a selector")?;
    assert!(selector.iter().any(|(key, value)| pod["metadata"]["labels"][key] != *value), "{pod}");
    let rules: Vec<&Value> =
        objects.iter().flat_map(|object| object["rules"].as_array().into_iter().flatten()).collect();
    for rule in &rules {
        let resources = rule["resources"].as_array().cloned().unwrap_or_default();
        assert!(!resources.contains(&json!("secrets")), "the CA's key is in the Secret: {rule}");
        let verbs = rule["verbs"].as_array().ok_or("verbs")?;
        let reads = verbs.iter().all(|verb| verb == "get" || verb == "list");
        assert!(
            reads
                || *rule
                    == &json!({"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["create"]}),
            "{rule}"
        );
    }
    if !component::is_root() {
        return Ok(());
    }
    let account = pod["spec"]["serviceAccountName"].as_str().ok_or("an account")?;
    let variables = site.turn.cluster.service_account_named(site.turn.cluster.api, NAMESPACE, account);
    let args: Vec<String> = pod["spec"]["containers"][0]["args"]
        .as_array()
        .ok_or("arguments")?
        .iter()
        .filter_map(|arg| arg.as_str().map(str::to_owned))
        .collect();
    assert_eq!(args.first().map(String::as_str), Some("doctor"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let shown = loop {
        let output = in_a_pod(&variables, &args);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        // The authorizer learns of the roles within about a second.
        if output.status.success() && shown.matches("(403)").count() == 1 {
            break shown;
        }
        assert!(Instant::now() < deadline, "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    for line in ["ok D401 repairs: 10 of 10 repaired", "ok D402 denies: 10 of 10 denied"] {
        assert!(shown.contains(line), "{line:?} in\n{shown}");
    }
    assert!(shown.contains("warning D301 certificate: skipped: not allowed to get secrets/nfs-mount-guard-tls in namespace doctor (403)"), "{shown}");
    // A broken link fails the test.
    site.must(&["delete", "endpointslices", "--all"]);
    let once = [&args[..], &["--wait=0s".to_owned()]].concat();
    let once: Vec<String> = once.into_iter().filter(|arg| arg != "--wait=60s").collect();
    let output = in_a_pod(&variables, &once);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Ok(())
}

fn without_rights(site: &Site<'_>) -> Result<(), Failed> {
    let _hook = site.serve();
    let list = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["list"]});
    let user = site.user(
        "some",
        &json!([]),
        &json!([list(
            "admissionregistration.k8s.io",
            &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
        )]),
    );
    let args = ["--namespace", NAMESPACE, "--wait", "0s", "--format", "json"];
    let deadline = Instant::now() + Duration::from_secs(20);
    let run = loop {
        let run = Run::of(&doctor(&args, Some(&user)));
        if run.code == Some(0) {
            break run;
        }
        assert!(Instant::now() < deadline, "{:#}", run.report);
        std::thread::sleep(Duration::from_millis(200));
    };
    for (id, what) in [
        ("D201", "get services/nfs-mount-guard in namespace doctor"),
        ("D401", "create storageclasses"),
        ("D601", "get /metrics"),
    ] {
        run.is_warning(id, &format!("skipped: not allowed to {what} (403)"));
        let grant = text(&run.check(id)["remedy"]);
        assert!(
            grant.starts_with("grant \"") && grant.contains("or run doctor as a user who has it"),
            "{grant}"
        );
    }
    // One right is missing, not three.
    for id in ["D402", "D403"] {
        run.is_skipped(id, "same cause as D401");
    }
    assert_eq!((&run.report["success"], &run.report["complete"]), (&json!(true), &json!(true)));
    // A user who may not read the configurations sees none.
    let nothing = site.user("none", &json!([]), &json!([]));
    let run = Run::of(&doctor(&args, Some(&nothing)));
    assert_eq!((run.code, &run.report["complete"]), (Some(3), &json!(false)), "{:#}", run.report);
    run.is_warning("D101", "skipped: not allowed to list validatingwebhookconfigurations (403)");
    run.is_skipped("D102", "needs D101");
    assert!(text(&run.report["error"]).contains("(403)"), "{:#}", run.report);
    Ok(())
}
