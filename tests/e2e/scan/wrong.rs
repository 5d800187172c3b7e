//! A cluster that cannot be reached, and a kubeconfig that cannot be used.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{kubeconfig, scan};
use crate::cluster::free_port;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::wrong::{name}"), test);
    vec![
        trial("a_kubeconfig_that_cannot_be_used_is_told_with_its_remedy", bad_kubeconfigs),
        trial("an_exec_plugin_that_fails_is_told_without_its_secrets", exec_plugins),
        trial("an_api_server_that_is_not_there_is_exit_3", nobody_listens),
        trial("without_a_cluster_it_says_how_to_name_one", no_cluster),
    ]
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn config() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "one", "user": {"token": "t"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "one", "user": "one"}},
            {"name": "two", "context": {"cluster": "missing", "user": "one"}},
        ],
    })
}

fn bad_kubeconfigs() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let without = |key: &str| {
        let mut config = config();
        config.as_object_mut().expect("an object").remove(key);
        config.to_string()
    };
    for (text, args, words) in [
        (config().to_string(), vec!["--context", "three"], "has no context \"three\"; it has one, two"),
        (config().to_string(), vec!["--context", "two"], "the cluster \"missing\", which is not in it"),
        (without("current-context"), vec![], "has no current context; give --context NAME (it has one, two)"),
        (without("contexts"), vec![], "has no context \"one\"; it has none"),
        ("a: [".to_owned(), vec![], "is not a kubeconfig: "),
    ] {
        let file = folder.path().join("config");
        fs::write(&file, text)?;
        let output = scan(&args, Some(&file));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let head = format!("nfs-mount-guard: --kubeconfig: {}: ", file.display());
        assert!(said.starts_with(&head) && said.contains(words), "{words:?}: {said}");
    }
    let missing = folder.path().join("missing");
    let output = scan(&[], Some(&missing));
    assert!(said(&output).ends_with("/missing: there is no such file\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

fn exec_plugins() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("config");
    for (command, arguments, words) in [
        ("/nonexistent/plugin", vec![], "cannot be started"),
        (
            "sh",
            vec!["-c", "echo top-secret; echo not logged in >&2; exit 7"],
            "failed (exit status: 7): not logged in",
        ),
        ("sh", vec!["-c", "echo top-secret"], "printed no ExecCredential"),
    ] {
        let mut config = config();
        config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
            "command": command, "args": arguments, "interactiveMode": "Never"}});
        fs::write(&file, config.to_string())?;
        let output = scan(&[], Some(&file));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{words:?}: {said}");
        assert!(
            !said.contains("top-secret") || command.is_empty() || said.contains("echo top-secret"),
            "{said}"
        );
    }
    Ok(())
}

fn nobody_listens() -> Result<(), Failed> {
    let server = format!("https://127.0.0.1:{}", free_port());
    let file = kubeconfig(&server, "t")?;
    let output = scan(&["--format", "json", "--no-policy"], Some(file.path()));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    let start = format!("cannot list storageclasses at {server}: ");
    assert!(message.starts_with(&start) && message.contains("is the API server running"), "{message}");
    assert_eq!((&report["complete"], report["errors"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    Ok(())
}

fn no_cluster() -> Result<(), Failed> {
    let output = scan(&[], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no cluster: give --kubeconfig FILE, or set KUBECONFIG"), "{output:?}");
    Ok(())
}
