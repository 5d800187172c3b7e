//! The chart and what is made from it: read by the real Helm, taken by the real
//! API server, and run as they say.

mod chart;
mod generated;
mod image;
mod life;
mod monitoring;
mod node;
mod rights;
mod values;
mod workflows;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::cluster::{self, Cluster};
use crate::component::{self, Missing};

pub use generated::compare_part;
pub use life::turn_with_low_ports;
pub use node::{Nodes, finish_namespaces};
pub use rights::may;

/// The repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Tests of the installation.
pub fn trials() -> Vec<Trial> {
    let mut trials = chart::trials();
    trials.extend(values::trials());
    trials.extend(generated::trials());
    trials.extend(monitoring::trials());
    trials.extend(rights::trials());
    trials.extend(life::trials());
    trials.extend(image::trials());
    trials.extend(workflows::trials());
    trials
}

/// The real Helm.
#[derive(Debug, Clone)]
pub struct Helm(PathBuf);

impl Helm {
    /// Finds it.
    pub fn find() -> Result<Self, Missing> {
        component::binary("helm").map(Self)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.0
    }

    /// Runs it without a cluster.
    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(&self.0)
            .current_dir(ROOT)
            .args(args)
            .env("KUBECONFIG", "/dev/null")
            .output()
            .expect("helm runs")
    }

    /// The chart's objects as text.
    pub fn template(&self, release: &str, namespace: &str, args: &[&str]) -> String {
        let mut all = vec!["template", release, "manifests/chart", "--namespace", namespace];
        all.extend(args);
        let output = self.run(&all);
        assert!(output.status.success(), "{all:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

/// The resources that the chart makes in addition to the webhooks.
const POLICIES: &str = "validatingadmissionpolicies,validatingadmissionpolicybindings";

/// A turn at the shared cluster, with Helm. Removes at its end whatever was installed.
#[derive(Debug)]
pub struct Turn {
    /// The cluster, called by no webhook at first.
    pub cluster: MutexGuard<'static, Cluster>,
    /// The real Helm.
    pub helm: Helm,
}

impl Turn {
    /// Waits for it.
    pub fn take() -> Result<Self, Missing> {
        let helm = Helm::find()?;
        let mut cluster = cluster::shared()?;
        cluster.reset_webhooks();
        // A failed test may have left Deployments.
        cluster.must(&["delete", "deployments", "--all", "--all-namespaces"], "");
        // Helm takes over nothing that something else has made.
        cluster.must(&["delete", POLICIES, "--all"], "");
        Ok(Self { cluster, helm })
    }

    /// Runs Helm at the cluster.
    pub fn helm(&self, args: &[&str]) -> Output {
        let mut command = Command::new(self.helm.program());
        command.current_dir(ROOT).args(args);
        self.cluster.run(command, "")
    }

    /// Like [`Self::helm`], for what must succeed; gives standard output.
    pub fn must_helm(&self, args: &[&str]) -> String {
        let output = self.helm(args);
        assert!(output.status.success(), "helm {args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Installs the CRDs whose names begin so.
    pub fn install_crds(&self, names: &[&str]) {
        let folder = component::binary("crds").expect("tests/components/build crds");
        for name in names {
            let file = folder.join(format!("{name}.yaml")).display().to_string();
            self.cluster.must(&["apply", "--server-side", "-f", &file], "");
            let (group, plural) = name.split_once('_').expect("GROUP_PLURAL");
            let crd = format!("crd/{plural}.{group}");
            // Right after the apply it has no status yet, and kubectl does not wait for one.
            let deadline = Instant::now() + Duration::from_secs(30);
            let wait = ["wait", "--for=condition=Established", "--timeout=30s", &*crd];
            while !self.cluster.kubectl(&wait, "").status.success() {
                assert!(Instant::now() < deadline, "{crd} is not established");
            }
        }
    }

    /// An object, as it is stored.
    pub fn object(&self, namespace: &str, kind: &str, name: &str) -> Value {
        let text = self.cluster.must(&["-n", namespace, "get", kind, name, "-o", "json"], "");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        self.cluster.kubectl(&["delete", kinds, "--all"], "");
        self.cluster.kubectl(&["delete", POLICIES, "--all"], "");
        self.cluster.kubectl(&["delete", "storageclasses,persistentvolumes", "--all", "--wait=false"], "");
        if !std::thread::panicking() {
            self.cluster.reset_webhooks();
        }
    }
}

/// A test with a turn at the cluster.
fn trial(
    name: impl Into<String>,
    test: impl FnOnce(&mut Turn) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    component::trial(format!("install::{}", name.into()), Turn::take, |mut turn: Turn| test(&mut turn))
}
