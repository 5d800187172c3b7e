//! Wrong use, and a cluster that cannot be asked.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use super::{Run, doctor, kubeconfig};
use crate::cluster::{self, free_port};
use crate::component;

pub(super) fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("doctor::{name}"), test);
    vec![
        plain("wrong_use_is_reported_with_its_remedy", wrong_use),
        plain("a_kubeconfig_that_cannot_be_used_is_reported_as_by_scan", unusable),
        plain("an_api_server_that_is_gone_is_exit_3", gone),
        plain("an_api_server_that_never_answers_costs_a_bounded_time", silent),
        component::trial(
            "doctor::credentials_that_are_not_accepted_are_exit_3",
            cluster::shared,
            |cluster| {
                let folder = TempDir::new()?;
                let file = folder.path().join("config");
                fs::write(&file, kubeconfig(&format!("https://{}", cluster.api), "wrong"))?;
                let output = doctor(&["--wait", "0s"], Some(&file));
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(3), "{said}");
                assert!(said.contains("does not accept the credentials (401); log in again"), "{said}");
                assert!(output.stdout.is_empty());
                Ok(())
            },
        ),
        component::trial("doctor::nothing_installed_is_a_problem", cluster::shared, |mut cluster| {
            cluster.reset_webhooks();
            let run = Run::of(&doctor(&["--wait", "0s", "--format", "json"], Some(&cluster.kubeconfig())));
            run.is_problem("D101", "not installed");
            assert_eq!(
                run.check("D101")["remedy"],
                "helm install nfs-mount-guard manifests/chart --namespace nfs-mount-guard --create-namespace"
            );
            run.is_skipped("D102", "needs D101");
            run.is_skipped("D202", "needs D201");
            assert_eq!(run.ids("problem"), ["D101"]);
            let run = Run::of(&doctor(&["--pre", "--format", "json"], Some(&cluster.kubeconfig())));
            assert_eq!((run.code, run.ids("problem").len()), (Some(0), 0), "{:#}", run.report);
            assert!(
                super::text(&run.check("D001")["seen"]).starts_with("Kubernetes v1."),
                "{:#}",
                run.report
            );
            Ok(())
        }),
    ]
}

fn wrong_use() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    fs::write(&file, kubeconfig("https://127.0.0.1:1", "t"))?;
    for (args, words) in [
        (&["--context", "other"][..], "has no context \"other\"; it has test"),
        (&["--probes", "0"], "--probes"),
        (&["--wait", "soon"], "must be a duration"),
        (&["--format", "yaml"], "[possible values: text, json, short]"),
        (&["--pre", "--no-probes"], "cannot be used with"),
    ] {
        let output = doctor(args, Some(&file));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{words:?}: {said}");
    }
    let output = doctor(&[], None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no cluster: give --kubeconfig FILE, or set KUBECONFIG"), "{said}");
    let missing = folder.path().join("missing");
    let output = doctor(&[], Some(&missing));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    Ok(())
}

fn unusable() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    for (config, code, words) in crate::scan::wrong::unusable(folder.path())? {
        fs::write(&file, config.to_string())?;
        let output = doctor(&["--format", "json"], Some(&file));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        let head = format!("nfs-mount-guard: --kubeconfig: {}: {words}", file.display());
        assert!(said.starts_with(&head) && said.lines().count() == 1, "{head}: {said}");
        if code == 3 {
            let run = Run::of(&output);
            assert!(said.trim_end().ends_with(super::text(&run.report["error"])), "{:#}", run.report);
        }
    }
    Ok(())
}

fn gone() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    let server = format!("https://127.0.0.1:{}", free_port());
    fs::write(&file, kubeconfig(&server, "t"))?;
    for pre in [&[][..], &["--pre"]] {
        let output = doctor(&[&["--format", "json"], pre].concat(), Some(&file));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        let start = format!("nfs-mount-guard: cannot ask {server}: ");
        assert!(said.starts_with(&start) && said.contains("Connection refused"), "{said}");
        assert!(
            said.ends_with("is the API server running, and does the kubeconfig name the right one?\n"),
            "{said}"
        );
        let run = Run::of(&output);
        assert_eq!(run.report["checks"], Value::Array(Vec::new()));
        assert!(super::text(&run.report["error"]).contains("Connection refused"), "{:#}", run.report);
    }
    Ok(())
}

fn silent() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    fs::write(&file, kubeconfig(&format!("https://{}", listener.local_addr()?), "t"))?;
    let begun = Instant::now();
    let output = doctor(&[], Some(&file));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no answer in 10 s"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    Ok(())
}
