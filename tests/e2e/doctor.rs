//! `doctor` at the real API server: the chart's own objects, each fault made for real
//! and named by its check, its symbol and the exit code.

mod certificates;
mod cures;
mod deciders;
mod good;
mod hook;
mod stored;
mod ways;
mod wrong;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::ca::{Authority, Pair};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::component::{self, program};
use crate::install::{Turn, turn_with_low_ports};
use crate::objects::documents;
use crate::schema;
use hook::Hook;

const NAMESPACE: &str = "doctor";
const NAME: &str = "nfs-mount-guard";
const HOST: &str = "nfs-mount-guard.doctor.svc";
const SECRET: &str = "nfs-mount-guard-tls";

/// Tests of doctor.
pub fn trials() -> Vec<Trial> {
    let mut trials = good::trials();
    trials.extend(certificates::trials());
    trials.extend(ways::trials());
    trials.extend(cures::trials());
    trials.extend(deciders::trials());
    trials.extend(stored::trials());
    trials.extend(wrong::trials());
    trials
}

/// A test with an installation of its own.
fn trial(name: &str, test: fn(&Site<'_>) -> Result<(), Failed>) -> Trial {
    trial_with(name, &[], test)
}

/// As [`trial`], with values of the chart.
fn trial_with(
    name: &str,
    values: &'static [&'static str],
    test: fn(&Site<'_>) -> Result<(), Failed>,
) -> Trial {
    component::trial(format!("doctor::{name}"), turn_with_low_ports, move |turn: Turn| {
        let site = Site::install(&turn, values)?;
        test(&site)
    })
}

/// The chart's objects in a namespace, with what controllers and the kubelet would
/// add: `EndpointSlices`, and Pods with a status. No webhook responds yet.
struct Site<'t> {
    turn: &'t Turn,
    /// The address at which the API server calls the Service.
    address: SocketAddr,
    /// The CA that the configurations trust.
    authority: Authority,
    /// The objects, as they were made.
    objects: Vec<Value>,
    folder: TempDir,
    /// An address of this machine that the API server also calls as a Pod's.
    host: String,
}

impl<'t> Site<'t> {
    fn install(turn: &'t Turn, values: &[&str]) -> Result<Self, Failed> {
        Self::made(turn, values, false)
    }

    /// Like [`Self::install`], by Helm itself.
    fn install_by_helm(turn: &'t Turn, values: &[&str]) -> Result<Self, Failed> {
        Self::made(turn, values, true)
    }

    fn made(turn: &'t Turn, values: &[&str], by_helm: bool) -> Result<Self, Failed> {
        let (folder, authority) = (TempDir::new()?, Authority::generate(OffsetDateTime::now_utc())?);
        let bundle = folder.path().join("ca.crt");
        fs::write(&bundle, &authority.pair().certificate)?;
        let bundle = format!("certificates.caBundle={}", bundle.display());
        let mut args =
            vec!["--skip-tests", "--set", "certificates.mode=existing-secret", "--set-file", &bundle];
        for value in values {
            args.extend(["--set", value]);
        }
        let objects = documents(&turn.helm.template(NAME, NAMESPACE, &args));
        let cluster = &turn.cluster;
        // No controller would end it, so it stays.
        cluster.kubectl(&["create", "namespace", NAMESPACE], "");
        let mut site = Self {
            turn,
            address: SocketAddr::from(([127, 0, 0, 1], 443)),
            authority,
            objects,
            folder,
            host: own_address(),
        };
        if by_helm {
            args.retain(|arg| *arg != "--skip-tests");
            let chart = ["install", NAME, "manifests/chart", "--namespace", NAMESPACE];
            turn.must_helm(&[&chart[..], &args].concat());
        }
        let stored = site.objects.iter().filter(|object| !by_helm && object["kind"] != "Deployment").cloned();
        let more = [
            secret(&site.leaf()),
            site.pod_of("guard-a", "node-1"),
            site.pod_of("guard-b", "node-2"),
            site.slice_with(8080),
        ];
        let all: Vec<Value> = stored.chain(more).collect();
        site.apply(&json!({"apiVersion": "v1", "kind": "List", "items": all}));
        for pod in ["guard-a", "guard-b"] {
            site.is_ready(pod);
        }
        let service = turn.object(NAMESPACE, "service", NAME);
        let ip = service["spec"]["clusterIP"].as_str().ok_or("an address")?;
        site.address = SocketAddr::new(ip.parse()?, 443);
        Ok(site)
    }

    /// A certificate as the site should have it.
    fn leaf(&self) -> Pair {
        self.authority.sign(&[HOST.to_owned()], OffsetDateTime::now_utc()).expect("a certificate")
    }

    /// Puts a certificate into the Secret.
    fn store(&self, pair: &Pair) {
        self.apply(&secret(pair));
    }

    fn apply(&self, object: &Value) {
        self.turn.cluster.must(&["apply", "-f", "-"], &object.to_string());
    }

    /// kubectl in the namespace, for what must succeed.
    fn must(&self, args: &[&str]) -> String {
        self.turn.cluster.must(&[&["-n", NAMESPACE], args].concat(), "")
    }

    fn deployment(&self) -> &Value {
        self.deployment_named(NAME)
    }

    fn deployment_named(&self, name: &str) -> &Value {
        let is_it = |object: &&Value| object["kind"] == "Deployment" && object["metadata"]["name"] == name;
        self.objects.iter().find(is_it).expect("a Deployment")
    }

    /// A Pod of the Deployment.
    fn pod_of(&self, name: &str, node: &str) -> Value {
        Self::pod_from(self.deployment(), name, node)
    }

    /// A Pod of a Deployment.
    fn pod_from(deployment: &Value, name: &str, node: &str) -> Value {
        let template = &deployment["spec"]["template"];
        let mut spec = template["spec"].clone();
        spec["nodeName"] = json!(node);
        spec["terminationGracePeriodSeconds"] = json!(0);
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE,
            "labels": template["metadata"]["labels"]}, "spec": spec})
    }

    /// Makes a ready Pod of the Deployment.
    fn pod(&self, name: &str, node: &str) {
        self.apply(&self.pod_of(name, node));
        self.is_ready(name);
    }

    fn is_ready(&self, pod: &str) {
        self.status(
            pod,
            &json!({
                "phase": "Running", "podIP": self.host, "podIPs": [{"ip": self.host}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "nfs-mount-guard", "ready": true, "restartCount": 0,
                    "image": "nfs-mount-guard", "imageID": "", "state": {"running": {}}}],
            }),
        );
    }

    fn status(&self, pod: &str, status: &Value) {
        let patch = json!({ "status": status }).to_string();
        self.must(&["patch", "pod", pod, "--subresource=status", "--type=merge", "-p", &patch]);
    }

    /// The `EndpointSlice` of both Pods, with the port where they show metrics.
    fn slice_with(&self, status_port: u16) -> Value {
        let endpoint = |pod: &str| {
            json!({"addresses": [self.host], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": pod}})
        };
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "nfs-mount-guard-1", "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": NAME}},
            "endpoints": [endpoint("guard-a"), endpoint("guard-b")],
            "ports": [{"name": "webhook", "port": 10250, "protocol": "TCP"},
                {"name": "status", "port": status_port, "protocol": "TCP"}],
        })
    }

    /// Like [`Self::slice_with`], stored.
    fn slices(&self, status_port: u16) {
        self.apply(&self.slice_with(status_port));
    }

    /// A webhook at the Service that responds as ours does.
    fn serve(&self) -> Hook {
        Hook::start(self.address, &self.leaf(), hook::ours)
    }

    /// A configuration as the chart makes it.
    fn configuration(&self, kind: &str) -> Value {
        self.objects.iter().find(|object| object["kind"] == kind).expect("a configuration").clone()
    }

    /// Changes the webhook of a configuration of the chart.
    fn change(&self, kind: &str, change: impl Fn(&mut Value)) {
        let mut configuration = self.configuration(kind);
        change(&mut configuration["webhooks"][0]);
        self.turn.cluster.must(&["replace", "-f", "-"], &configuration.to_string());
    }

    /// Makes both configurations as the chart has them.
    fn restore(&self) {
        for kind in [VALIDATING, MUTATING] {
            self.change(kind, |_| {});
        }
    }

    /// A file for kubectl and doctor.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("written");
        file
    }

    /// Doctor as the administrator.
    fn doctor(&self, args: &[&str]) -> Run {
        let wait = if args.contains(&"--wait") { &[][..] } else { &["--wait", "0s"] };
        let args = [&["--namespace", NAMESPACE, "--format", "json"], wait, args].concat();
        Run::of(&doctor(&args, Some(&self.turn.cluster.kubeconfig())))
    }

    /// Doctor until a check ends so: a new configuration is in effect within about a
    /// second, not at once.
    fn until(&self, args: &[&str], id: &str, result: &str) -> Run {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let run = self.doctor(args);
            if run.check(id)["result"] == result {
                return run;
            }
            assert!(Instant::now() < deadline, "{id} is not {result}: {:#}", run.check(id));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Doctor until a check finds this problem.
    fn until_problem(&self, args: &[&str], id: &str, words: &str) -> Run {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let run = self.doctor(args);
            let check = run.check(id);
            let is_it = check["result"] == "problem" && text(&check["seen"]).contains(words);
            if is_it {
                run.is_problem(id, words);
                return run;
            }
            assert!(Instant::now() < deadline, "{id} has no problem {words:?}: {check:#}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A kubeconfig of a user with these rules in the namespace and in the cluster.
    fn user(&self, name: &str, in_namespace: &Value, in_cluster: &Value) -> PathBuf {
        let group = "rbac.authorization.k8s.io";
        let subject = json!([{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]);
        let objects = [
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": name, "namespace": NAMESPACE}, "rules": in_namespace}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name, "namespace": NAMESPACE},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name}, "subjects": subject}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": format!("doctor-{name}")}, "rules": in_cluster}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": format!("doctor-{name}")},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": format!("doctor-{name}")}, "subjects": subject}),
        ];
        for object in &objects {
            self.apply(object);
        }
        let token = self.must(&["create", "token", name]);
        self.file(name, &kubeconfig(&format!("https://{}", self.turn.cluster.api), token.trim()))
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        let cluster = &self.turn.cluster;
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings";
        cluster.kubectl(&["delete", kinds, "--all"], "");
        let kinds = "deployments,pods,endpointslices,services,secrets,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,leases,roles,rolebindings";
        cluster.kubectl(&["-n", NAMESPACE, "delete", kinds, "--all", "--force", "--grace-period=0"], "");
        let roles =
            ["clusterrole,clusterrolebinding", "doctor-some", "doctor-none", "nfs-mount-guard-doctor"];
        cluster.kubectl(&[&["delete", "--ignore-not-found"], &roles[..]].concat(), "");
    }
}

fn secret(pair: &Pair) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key},
    })
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

/// The JSON output of a run of doctor, and its exit code.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    report: Value,
}

impl Run {
    fn of(output: &Output) -> Self {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        schema::fits("doctor.schema.json", &report).expect("the schema");
        Self { code: output.status.code(), report }
    }

    fn check(&self, id: &str) -> &Value {
        let checks = self.report["checks"].as_array().expect("checks");
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id}: {:#}", self.report))
    }

    fn ids(&self, result: &str) -> Vec<&str> {
        let checks = self.report["checks"].as_array().expect("checks");
        checks
            .iter()
            .filter(|check| check["result"] == result)
            .filter_map(|check| check["id"].as_str())
            .collect()
    }

    /// One check found a problem, and says what was seen, what it does, and the way out;
    /// the run ends with 1.
    fn is_problem(&self, id: &str, words: &str) {
        assert_eq!((self.code, &self.report["success"]), (Some(1), &json!(false)), "{:#}", self.report);
        self.says(id, "problem", words);
    }

    /// One check warns.
    fn is_warning(&self, id: &str, words: &str) {
        self.says(id, "warning", words);
    }

    fn says(&self, id: &str, result: &str, words: &str) {
        let check = self.check(id);
        assert_eq!(check["result"], result, "{check:#}");
        assert!(text(&check["seen"]).contains(words), "{words:?}: {check:#}");
        for field in ["effect", "remedy", "page"] {
            assert!(!text(&check[field]).is_empty(), "{field}: {check:#}");
        }
        let remedy = text(&check["remedy"]);
        assert!(!remedy.contains("{n") && !remedy.contains("{r"), "{check:#}");
    }

    fn is_skipped(&self, id: &str, why: &str) {
        let check = self.check(id);
        assert_eq!(
            (&check["result"], &check["seen"]),
            (&json!("skipped"), &json!(format!("skipped ({why})"))),
            "{check:#}"
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The program with `args`, and nothing in its environment that speaks to it.
fn doctor(args: &[&str], kubeconfig: Option<&Path>) -> Output {
    let mut command = Command::new(program());
    command.arg("doctor").args(args).env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
    command.env("HOME", "/nonexistent");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    if let Some(kubeconfig) = kubeconfig {
        command.arg("--kubeconfig").arg(kubeconfig);
    }
    command.output().expect("the program runs")
}

/// A kubeconfig for a server and a token.
fn kubeconfig(server: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}

/// The address from which this machine would reach others. Nothing is sent. Endpoints
/// cannot have a loopback address.
fn own_address() -> String {
    let address = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    address
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_loopback())
        .map_or_else(|| "10.9.9.9".to_owned(), |ip| ip.to_string())
}
