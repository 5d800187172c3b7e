//! Files that are made from the chart. `tests/update` writes them.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Helm, ROOT, Turn, trial};
use crate::component;
use crate::objects::documents;

const NAMESPACE: &str = "nfs-mount-guard";

/// Tests of generated files.
pub fn trials() -> Vec<Trial> {
    vec![
        component::trial("install::the_manifests_are_those_of_the_chart", Helm::find, manifests),
        trial("the_plain_manifests_are_applied_in_one_command", plain),
        trial("an_overlay_moves_everything_to_another_namespace", overlay),
    ]
}

/// Compares a text with its file; `UPDATE_EXPECTED=1` writes it.
pub fn compare(file: &str, wanted: &str) {
    let path = Path::new(ROOT).join(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, wanted).expect("written");
    }
    let seen = fs::read_to_string(&path).unwrap_or_default();
    assert!(seen == wanted, "{file} is stale; manifests/generate writes it");
}

/// Like [`compare`], for the part of a page between `<!-- MARK -->` and `<!-- /MARK -->`.
pub fn compare_part(file: &str, mark: &str, wanted: &str) {
    let text =
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (head, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{file} has no {start}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    compare(file, &format!("{head}{start}{wanted}{end}{tail}"));
}

/// The chart's objects without what only Helm wants to know.
fn render(helm: &Helm, args: &[&str]) -> String {
    without_helm(&helm.template(NAMESPACE, NAMESPACE, &[&["--skip-tests"], args].concat()))
}

fn without_helm(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let content = line.trim();
        let is_helms = ["helm.sh/chart:", "app.kubernetes.io/managed-by:", "# Source:"]
            .iter()
            .any(|start| content.starts_with(start));
        if !is_helms && !content.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn namespace() -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n"
    )
}

fn manifests(helm: Helm) -> Result<(), Failed> {
    let made = "Made from manifests/chart by manifests/generate.";
    let built_in = render(&helm, &[]);
    compare(
        "manifests/install.yaml",
        &format!(
            "# nfs-mount-guard with certificates of its own. {made}\n#\n#   kubectl apply -f manifests/install.yaml\n#\n# In an emergency:\n#   kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration nfs-mount-guard\n{}{built_in}",
            namespace(),
        ),
    );
    let base = |resources: &str| {
        format!(
            "# {made}\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{resources}]\n"
        )
    };
    compare("manifests/kustomize/built-in/kustomization.yaml", &base("namespace.yaml, resources.yaml"));
    compare("manifests/kustomize/built-in/namespace.yaml", &format!("# {made}\n{}", namespace()));
    compare("manifests/kustomize/built-in/resources.yaml", &format!("# {made}\n{built_in}"));
    compare("manifests/kustomize/cert-manager/kustomization.yaml", &base("namespace.yaml, resources.yaml"));
    compare("manifests/kustomize/cert-manager/namespace.yaml", &format!("# {made}\n{}", namespace()));
    compare(
        "manifests/kustomize/cert-manager/resources.yaml",
        &format!("# {made}\n{}", render(&helm, &["--set", "certificates.mode=cert-manager"])),
    );
    compare(
        "manifests/kustomize/monitoring/kustomization.yaml",
        &format!(
            "# {made}\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [resources.yaml]\n"
        ),
    );
    let monitoring = ["serviceMonitor", "prometheusRule", "dashboard"]
        .map(|part| format!("monitoring.{part}.enabled=true"))
        .join(",");
    let monitoring = render(&helm, &["--set", &monitoring, "--show-only", "templates/monitoring.yaml"]);
    compare("manifests/kustomize/monitoring/resources.yaml", &format!("# {made}\n{monitoring}"));
    compare("manifests/node-check.yaml", &node_check(&helm));
    Ok(())
}

/// The look at nodes without the webhook, in a namespace of its own: its directories of
/// the node need another level of Pod security.
fn node_check(helm: &Helm) -> String {
    const NODES: &str = "nfs-mount-guard-node-check";
    let args = ["--skip-tests", "--set", "nodeCheck.enabled=true"];
    let parts = ["--show-only", "templates/policy.yaml", "--show-only", "templates/nodecheck.yaml"];
    let objects = without_helm(&helm.template(NAMESPACE, NODES, &[&args[..], &parts].concat()));
    format!(
        "# node-check on every node: finds NFS volumes of Pods that only look mounted, so
# that the Pods write to the node's local disk. It reads and never writes, and
# asks the API server nothing. Made from manifests/chart by manifests/generate.
#
#   kubectl apply -f manifests/node-check.yaml
#   kubectl -n {NODES} logs -l app.kubernetes.io/name={NODES} --prefix --tail=-1
#   kubectl delete -f manifests/node-check.yaml
#
# If the kubelet's --root-dir is another one, change the path of the volume `pods`.
apiVersion: v1
kind: Namespace
metadata:
  name: {NODES}
  labels:
    # For the hostPath volumes.
    pod-security.kubernetes.io/enforce: privileged
{objects}"
    )
}

fn plain(turn: &mut Turn) -> Result<(), Failed> {
    let cluster = &turn.cluster;
    let file = Path::new(ROOT).join("manifests/install.yaml");
    let path = file.display().to_string();
    let objects = documents(&fs::read_to_string(&file)?);
    assert_eq!(objects[0]["kind"], "Namespace");
    cluster.must(&["apply", "-f", &path], "");
    let versions = || -> Vec<String> {
        let list: Value =
            serde_json::from_str(&cluster.must(&["get", "-o", "json", "-f", &path], "")).expect("JSON");
        let stored = list["items"].as_array().expect("a list");
        assert_eq!(stored.len(), objects.len());
        stored.iter().map(|object| object["metadata"]["resourceVersion"].to_string()).collect()
    };
    let before = versions();
    cluster.must(&["apply", "-f", &path], "");
    assert_eq!(versions(), before, "a second time nothing is to do");
    cluster.must(&["delete", "--wait=false", "-f", &path], "");
    super::node::finish_namespaces(cluster);
    Ok(())
}

fn overlay(turn: &mut Turn) -> Result<(), Failed> {
    turn.install_crds(&[
        "cert-manager.io_certificates",
        "cert-manager.io_issuers",
        "monitoring.coreos.com_servicemonitors",
        "monitoring.coreos.com_podmonitors",
        "monitoring.coreos.com_prometheusrules",
    ]);
    let folder = TempDir::new()?;
    let copied =
        Command::new("cp").arg("-r").arg(Path::new(ROOT).join("manifests")).arg(folder.path()).status()?;
    assert!(copied.success());
    for base in ["built-in", "cert-manager"] {
        let overlay = folder.path().join(base);
        fs::create_dir(&overlay)?;
        let kustomization = json!({
            "namespace": "storage",
            "resources": [format!("../manifests/kustomize/{base}")],
            "components": ["../manifests/kustomize/monitoring"],
            "images": [{"name": "nfs-mount-guard", "newName": "registry.example.com/guard", "newTag": "1"}],
        });
        fs::write(overlay.join("kustomization.yaml"), kustomization.to_string())?;
        let path = overlay.display().to_string();
        let rendered = turn.cluster.must(&["kustomize", &path], "");
        let objects = documents(&rendered);
        let find =
            |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap_or(&Value::Null).clone();
        for object in &objects {
            let namespace = &object["metadata"]["namespace"];
            assert!(namespace.is_null() || namespace == "storage", "{object}");
        }
        for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
            assert_eq!(find(kind)["webhooks"][0]["clientConfig"]["service"]["namespace"], "storage");
        }
        for object in objects.iter().filter(|object| object["kind"] == "Deployment") {
            let pod = &object["spec"]["template"]["spec"];
            assert_eq!(pod["containers"][0]["image"], "registry.example.com/guard:1");
        }
        for object in objects.iter().filter(|object| object["kind"] == "ClusterRoleBinding") {
            assert_eq!(object["subjects"][0]["namespace"], "storage", "{object}");
        }
        turn.cluster.must(&["apply", "-k", &path], "");
        turn.cluster.must(&["delete", "--wait=false", "-k", &path], "");
        super::node::finish_namespaces(&turn.cluster);
    }
    Ok(())
}
