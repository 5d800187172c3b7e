//! The life of an installation, from `helm install` to `helm uninstall`: the
//! chart's objects at the real API server, the real program started with the
//! chart's own arguments, called through the chart's own Service.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Nodes, ROOT, Turn, node};
use crate::component::{self, Missing, program};
use crate::objects::{class, options};

const RELEASE: &str = "nfs-mount-guard";

/// Tests of the life of an installation, one a source of certificates.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, namespace: &'static str, certificates: Certificates| {
        component::trial(format!("install::{name}"), turn_with_low_ports, move |mut turn: Turn| {
            Life::new(&mut turn, namespace, certificates).run()
        })
    };
    vec![
        trial(
            "from_install_to_uninstall_with_a_secret_of_ones_own",
            "life-secret",
            Certificates::ExistingSecret,
        ),
        trial(
            "from_install_to_uninstall_with_certificates_of_the_guards",
            "life-built-in",
            Certificates::BuiltIn,
        ),
    ]
}

/// A turn where Services can be served on their own ports.
pub fn turn_with_low_ports() -> Result<Turn, Missing> {
    node::low_ports()?;
    Turn::take()
}

/// The source of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificates {
    /// The guard itself, with the rights that the chart gives it.
    BuiltIn,
    /// `certs generate`, a Secret, and the authority among the values.
    ExistingSecret,
}

struct Life<'t> {
    turn: &'t mut Turn,
    namespace: &'static str,
    /// Of Deployment, Service and webhook configurations.
    name: &'static str,
    certificates: Certificates,
    certs: TempDir,
    nodes: Nodes,
}

impl<'t> Life<'t> {
    fn new(turn: &'t mut Turn, namespace: &'static str, certificates: Certificates) -> Self {
        let certs = TempDir::new().expect("a folder");
        let name = match certificates {
            Certificates::BuiltIn => "storage-guard",
            Certificates::ExistingSecret => RELEASE,
        };
        Self { turn, namespace, name, certificates, certs, nodes: Nodes::default() }
    }

    fn run(&mut self) -> Result<(), Failed> {
        self.turn.cluster.must(&["create", "namespace", self.namespace], "");
        if self.certificates == Certificates::ExistingSecret {
            self.make_certificates();
        }
        self.install();
        self.nodes.sync(&self.turn.cluster);
        self.turn
            .cluster
            .must(&["-n", self.namespace, "rollout", "status", "--timeout=5s", "deployment", self.name], "");
        self.both_webhooks_repair();
        self.validating_alone_refuses();
        self.a_change_of_policy_is_taken();
        match self.certificates {
            Certificates::BuiltIn => self.a_new_authority_is_taken(),
            Certificates::ExistingSecret => self.a_renewed_certificate_is_taken(),
        }
        self.nothing_is_left()
    }

    fn make_certificates(&self) {
        let dns = format!("{}.{}.svc", self.name, self.namespace);
        let made = Command::new(program())
            .args(["certs", "generate", "--dns", &dns, "--dir"])
            .arg(self.certs.path())
            .output()
            .expect("the program runs");
        assert!(made.status.success(), "{made:?}");
        let file = |name: &str| self.certs.path().join(name).display().to_string();
        let cluster = &self.turn.cluster;
        let secret = cluster.must(
            &[
                "-n",
                self.namespace,
                "create",
                "secret",
                "tls",
                "nfs-mount-guard-tls",
                "--dry-run=client",
                "-o",
                "json",
                "--cert",
                &file("tls.crt"),
                "--key",
                &file("tls.key"),
            ],
            "",
        );
        cluster.must(&["apply", "-f", "-"], &secret);
    }

    /// The command of `helm install` or `helm upgrade` of the chart.
    fn command(&self, command: &str, set: &[&str]) -> Vec<String> {
        let bundle = format!("certificates.caBundle={}", self.certs.path().join("ca.crt").display());
        let mut args = vec![command, RELEASE, "manifests/chart", "--namespace", self.namespace];
        match self.certificates {
            // Names unlike the defaults, so that the test shows that the flags are used.
            Certificates::BuiltIn => args.extend([
                "--set",
                "certificates.extraArgs={--rotation-wait=4s}",
                "--set",
                "fullnameOverride=storage-guard,serviceAccount.name=nfs-mount-guard,certificates.serviceAccount.name=certs",
            ]),
            Certificates::ExistingSecret => {
                args.extend(["--set", "certificates.mode=existing-secret", "--set-file", &bundle]);
            }
        }
        for set in set {
            args.extend(["--set", set]);
        }
        args.into_iter().map(str::to_owned).collect()
    }

    fn helm(&self, command: &str, set: &[&str]) {
        let args = self.command(command, set);
        self.turn.must_helm(&args.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// `helm install --wait`, which ends when all Pods are ready: those of the webhook wait for
    /// the Secret, where another Pod has to create it.
    fn install(&mut self) {
        let mut args = self.command("install", &[]);
        args.extend(["--wait", "--timeout=120s"].map(str::to_owned));
        let (turn, nodes) = (&*self.turn, &mut self.nodes);
        std::thread::scope(|scope| {
            let helm = scope.spawn(|| turn.helm(&args.iter().map(String::as_str).collect::<Vec<_>>()));
            while !helm.is_finished() {
                nodes.sync(&turn.cluster);
                std::thread::sleep(Duration::from_millis(200));
            }
            let output = helm.join().expect("no panic");
            assert!(output.status.success(), "{output:?}");
        });
    }

    /// Sends the class until the answer is as wanted: a new configuration is in
    /// effect within about a second, not at once.
    fn until(&self, object: &Value, wanted: impl Fn(&Output, &Value) -> bool) -> (Output, Value) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let output = self
                .turn
                .cluster
                .kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string());
            let shown = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if wanted(&output, &shown) {
                return (output, shown);
            }
            assert!(Instant::now() < deadline, "{output:?}\n{:#?}", self.nodes.serving().guard.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn both_webhooks_repair(&self) {
        let incident =
            fs::read_to_string(Path::new(ROOT).join("examples/lost-volume.yaml")).expect("the example");
        let incident = crate::objects::documents(&incident).remove(0);
        self.until(&incident, |_, shown| {
            options(shown).is_some_and(|options| options.iter().any(|option| option == "fg"))
        });
        // The manifest itself, stored this time.
        let output = self.turn.cluster.kubectl(&["create", "-f", "examples/lost-volume.yaml"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.contains("Warning: nfs-mount-guard wrote fg in place of bg"),
            "{said}"
        );
        let stored = self.turn.cluster.get(&incident).expect("it is stored");
        let stored = options(&stored).expect("options");
        assert!(stored.contains(&"fg".to_owned()) && !stored.contains(&"bg".to_owned()), "{stored:?}");
        self.turn.cluster.delete(&incident);
    }

    fn validating_alone_refuses(&self) {
        self.helm("upgrade", &["webhooks.mutating.enabled=false"]);
        let bad = class("life-bad", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "bg"]);
        let (output, _) = self.until(&bad, |output, _| !output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("NMG001 background-mount (nfs-mount-guard)"), "{said}");
    }

    fn a_change_of_policy_is_taken(&mut self) {
        self.helm("upgrade", &["webhooks.mutating.enabled=false", "policy.mode=observe"]);
        self.nodes.sync(&self.turn.cluster);
        let guard = &self.nodes.serving().guard;
        guard.wait_for(|event| event["message"] == "a new policy is in use" && event["mode"] == "observe");
        let bad = class("life-bad", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "bg"]);
        let output = self.turn.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &bad.to_string());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("NMG001"), "{said}");
    }

    fn a_renewed_certificate_is_taken(&mut self) {
        self.make_certificates();
        self.nodes.sync(&self.turn.cluster);
        self.nodes.serving().guard.wait_for(|event| event["message"] == "a new certificate is in use");
        // The authority is the same: the configurations need no change.
        let good = class("life-good", "nfs.csi.k8s.io", &["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]);
        self.turn.cluster.must(&["create", "--dry-run=server", "-f", "-"], &good.to_string());
    }

    fn a_new_authority_is_taken(&mut self) {
        let bundle = |life: &Self| {
            let stored = life.turn.object(life.namespace, "validatingwebhookconfiguration", life.name);
            stored["webhooks"][0]["clientConfig"]["caBundle"].as_str().expect("a caBundle").to_owned()
        };
        let before = bundle(self);
        self.turn.cluster.must(
            &[
                "-n",
                self.namespace,
                "annotate",
                "secret",
                "storage-guard-tls",
                "nfs-mount-guard.io/rotate=now",
            ],
            "",
        );
        // Old and new stand side by side for a while, and every call is answered.
        let good = class("life-good", "nfs.csi.k8s.io", &["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut has_both = false;
        loop {
            self.turn.cluster.must(&["create", "--dry-run=server", "-f", "-"], &good.to_string());
            let now = bundle(self);
            self.nodes.sync(&self.turn.cluster);
            has_both |= now.len() > before.len();
            if has_both && now.len() <= before.len() + 8 && now != before {
                return;
            }
            assert!(Instant::now() < deadline, "{:#?}", self.nodes.serving().guard.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn nothing_is_left(&mut self) -> Result<(), Failed> {
        let cluster = &self.turn.cluster;
        self.turn.must_helm(&["uninstall", RELEASE, "--namespace", self.namespace]);
        let left = cluster.must(
            &["get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name"],
            "",
        );
        assert_eq!(left, "");
        let label = "app.kubernetes.io/name in (nfs-mount-guard,nfs-mount-guard-certificates)";
        let kinds = "clusterroles,clusterrolebindings,roles,rolebindings,deployments,services,configmaps,poddisruptionbudgets,serviceaccounts";
        let left = cluster.must(&["get", kinds, "--all-namespaces", "-l", label, "-o", "name"], "");
        assert_eq!(left, "");
        // The guard ends after its configurations; nothing waits for it.
        self.nodes.sync(cluster);
        let bad = class("life-after", "nfs.csi.k8s.io", &["bg"]);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let output =
                cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &bad.to_string());
            let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if shown["mountOptions"] == json!(["bg"]) {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "{output:?}");
        }
    }
}
