//! One installation: the plain installation's own objects and RBAC, and two webhooks,
//! each called for one of the two configurations. The certificates come from
//! `certs serve`, by way of what kubelet does; or each webhook manages them itself.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guard::Guard;
use crate::install::{ROOT, Turn};
use crate::objects::{self, class};

/// Of all objects of the plain installation.
pub const NAMESPACE: &str = "nfs-mount-guard";

/// With the certificate.
pub const SECRET: &str = "nfs-mount-guard-tls";

/// With the CA.
pub const CA_SECRET: &str = "nfs-mount-guard-built-in-ca";

/// The service account of what manages the certificates.
pub const ACCOUNT: &str = "nfs-mount-guard-certificates";

/// Variables of the environment that say where a service account is.
pub type Account = [(&'static str, String)];

/// The parts of one installation.
pub struct Site {
    /// The webhooks; the validating one is called at the first, the mutating one at the
    /// last.
    pub guards: Vec<Guard>,
    /// `certs serve`; `None` where each webhook manages its certificates itself.
    pub certificates: Option<Guard>,
    /// Lays out the Secret for the webhooks.
    pub kubelet: Option<Kubelet>,
}

/// Applies the objects of a file of manifests that are wanted by their kind, with ports for
/// two webhooks, and without Deployments.
pub fn install_from(turn: &Turn, file: &str, wanted: impl Fn(&str) -> bool) {
    let text =
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut objects = objects::documents(&text);
    objects
        .retain(|object| object["kind"] != "Deployment" && wanted(object["kind"].as_str().expect("a kind")));
    for object in &mut objects {
        if object["kind"] == "Service" {
            object["spec"]["ports"] =
                json!([{"name": "first", "port": 443}, {"name": "second", "port": 444}]);
        }
        if object["kind"] == "MutatingWebhookConfiguration" {
            object["webhooks"][0]["clientConfig"]["service"]["port"] = json!(444);
            // A call that fails must be seen.
            object["webhooks"][0]["failurePolicy"] = json!("Fail");
        }
    }
    // As people apply it: nothing is pruned.
    turn.cluster.must(
        &["apply", "-f", "-"],
        &json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string(),
    );
}

/// The objects of the plain installation.
pub fn install(turn: &Turn, wanted: impl Fn(&str) -> bool) {
    install_from(turn, "manifests/install.yaml", wanted);
}

/// Takes everything away at its end, however that comes.
pub struct Installed<'t>(pub &'t Turn);

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        let cluster = &self.0.cluster;
        let configurations = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        cluster.kubectl(&["delete", configurations, "--all"], "");
        cluster.kubectl(&["delete", "clusterrole,clusterrolebinding", NAMESPACE, "--ignore-not-found"], "");
        cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"], "");
        crate::install::finish_namespaces(cluster);
        cluster.kubectl(&["wait", "--for=delete", "--timeout=20s", "namespace", NAMESPACE], "");
    }
}

/// A webhook that manages its certificates itself, at a port of the Service.
pub fn managed(turn: &Turn, account: &Account, port: u16) -> Guard {
    managed_at(account, &address(turn, port))
}

/// As [`managed`], where it listens.
pub fn managed_at(account: &Account, listen: &str) -> Guard {
    let flags = ["--rotation-wait", "2s", "--shutdown-delay", "1s"];
    Guard::start_managed(account, listen, &flags)
}

/// A webhook with the Secret mounted, and no service account.
pub fn mounted(folder: &Path, listen: &str) -> Guard {
    Guard::start_mounted(folder, listen, &["--shutdown-delay", "1s"])
}

/// `certs serve` with the names of the plain installation. A step of a rotation takes
/// longer than the lag of kubelet.
pub fn certificates(account: &Account) -> Guard {
    Guard::start_certificates(account, &["--rotation-wait", "4s"])
}

/// Where the API server calls a port of the Service.
pub fn address(turn: &Turn, port: u16) -> String {
    let service: Value = json_of(turn, "service", NAMESPACE);
    format!("{}:{port}", service["spec"]["clusterIP"].as_str().expect("an address"))
}

/// An object of the installation, as it is stored.
pub fn json_of(turn: &Turn, kind: &str, name: &str) -> Value {
    turn.object(NAMESPACE, kind, name)
}

/// A key of a Secret, decoded.
pub fn data(secret: &Value, key: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(secret["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

impl Site {
    /// Installs everything, starts all parts and waits until the API server calls both
    /// webhooks.
    pub fn start(turn: &Turn) -> Self {
        Self::start_through(turn, turn.cluster.api)
    }

    /// As [`Self::start`]; `certs serve` reaches the API server at `api`.
    pub fn start_through(turn: &Turn, api: SocketAddr) -> Self {
        install(turn, |_| true);
        let manager = certificates(&turn.cluster.service_account_named(api, NAMESPACE, ACCOUNT));
        let kubelet = Kubelet::start(turn);
        let guards = kubelet.webhooks(turn);
        let site = Self { guards, certificates: Some(manager), kubelet: Some(kubelet) };
        site.until_repaired(turn);
        site
    }

    /// As [`Self::start`], with webhooks that manage their certificates themselves.
    pub fn managed(turn: &Turn) -> Self {
        install(turn, |_| true);
        let account = &turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, ACCOUNT);
        let guards = vec![managed(turn, account, 443), managed(turn, account, 444)];
        let site = Self { guards, certificates: None, kubelet: None };
        site.until_repaired(turn);
        site
    }

    /// Waits until both webhooks are called.
    pub fn until_repaired(&self, turn: &Turn) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let output = try_incident(turn);
            if output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"fg\"") {
                return;
            }
            assert!(Instant::now() < deadline, "{output:?}\n{:#?}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The process that manages certificates here.
    pub fn managers(&self) -> &[Guard] {
        self.certificates.as_ref().map_or(&self.guards, std::slice::from_ref)
    }

    fn logs(&self) -> Vec<Vec<Value>> {
        self.guards.iter().chain(&self.certificates).map(Guard::log).collect()
    }

    /// Counts the events so far with a message, of what manages certificates.
    pub fn count(&self, message: &str) -> usize {
        let is_it = |event: &&Value| event["message"] == message;
        self.managers().iter().map(|guard| guard.log().iter().filter(is_it).count()).sum()
    }

    /// Waits until what manages certificates has logged a message.
    pub fn wait_for(&self, message: &str) {
        self.wait_for_more(message, 0);
    }

    /// Waits until what manages certificates has logged a message more often than `before`.
    pub fn wait_for_more(&self, message: &str, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.count(message) <= before {
            assert!(Instant::now() < deadline, "{message:?} was not logged: {:#?}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Sends the incident's class, which both webhooks see.
pub fn try_incident(turn: &Turn) -> Output {
    let object = class("authority", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "bg"]);
    turn.cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string())
}

/// The caBundle of a configuration, in base64.
pub fn ca_bundle(turn: &Turn, kind: &str) -> String {
    let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
    turn.cluster.must(&["get", kind, NAMESPACE, "-o", path], "")
}

/// Requests a new CA, as docs/certificates.md does.
pub fn ask_for_a_new_authority(turn: &Turn) {
    let annotation = "nfs-mount-guard.io/rotate=now";
    turn.cluster.must(&["-n", NAMESPACE, "annotate", "secret", SECRET, annotation], "");
}

/// Ends the load when it is dropped.
struct End<'e>(&'e AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Creates objects while `work` runs; gives their number, how many failed, and how the first
/// one did.
pub fn under_load(turn: &Turn, work: impl FnOnce(&Turn)) -> (usize, usize, String) {
    let (creates, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    let first = std::sync::Mutex::new(String::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let classes: Vec<Value> = (0..20)
                .map(|index| {
                    class(&format!("change-{index}"), "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "bg"])
                })
                .collect();
            let list = json!({"apiVersion": "v1", "kind": "List", "items": classes}).to_string();
            while !is_over.load(Ordering::Relaxed) {
                let output =
                    turn.cluster.kubectl(&["create", "--dry-run=server", "-o", "name", "-f", "-"], &list);
                let passed = String::from_utf8_lossy(&output.stdout).lines().count();
                creates.fetch_add(classes.len(), Ordering::Relaxed);
                failed.fetch_add(classes.len() - passed, Ordering::Relaxed);
                let mut first = first.lock().expect("no panic");
                if passed < classes.len() && first.is_empty() {
                    *first = String::from_utf8_lossy(&output.stderr).into_owned();
                }
            }
        });
        // The load ends also where the work fails.
        let _end = End(&is_over);
        work(turn);
    });
    (creates.into_inner(), failed.into_inner(), first.into_inner().expect("no panic"))
}

/// Lays the Secret out for two Pods as kubelet does: some time after it changed, another
/// time for each; and nothing changes for a Pod when it is deleted.
pub struct Kubelet {
    folders: Vec<TempDir>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The lag of each Pod's volume.
const LAGS: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

impl Kubelet {
    /// Starts for the two Pods.
    pub fn start(turn: &Turn) -> Self {
        let folders: Vec<TempDir> = LAGS.iter().map(|_| TempDir::new().expect("a folder")).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let (kubectl, kubeconfig) = (turn.cluster.kubectl_program().to_owned(), turn.cluster.kubeconfig());
        let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.path().join("certs")).collect();
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut seen: Vec<(Value, Instant)> = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let output = Command::new(&kubectl)
                    .arg("--kubeconfig")
                    .arg(&kubeconfig)
                    .args(["-n", NAMESPACE, "get", "secret", SECRET, "-o", "json"])
                    .output()
                    .expect("kubectl runs");
                if let Ok(secret) = serde_json::from_slice::<Value>(&output.stdout)
                    && seen.last().is_none_or(|(last, _)| {
                        last["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]
                    })
                {
                    seen.push((secret, Instant::now()));
                }
                for (path, lag) in paths.iter().zip(LAGS) {
                    // The first version is mounted at once, as the Pod waits for it.
                    let wait = if path.exists() { lag } else { Duration::ZERO };
                    if let Some((secret, _)) = seen.iter().rfind(|(_, since)| since.elapsed() >= wait) {
                        lay_out(secret, path);
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { folders, is_over, thread: Some(thread) }
    }

    /// The volume of a Pod, once the Secret is there.
    pub fn volume(&self, index: usize) -> PathBuf {
        let folder = self.folders.get(index).expect("a Pod").path().join("certs");
        await_file(&folder.join("tls.key"));
        folder
    }

    /// Both webhooks, started when their Secret is there.
    fn webhooks(&self, turn: &Turn) -> Vec<Guard> {
        [443, 444]
            .into_iter()
            .enumerate()
            .map(|(index, port)| mounted(&self.volume(index), &address(turn, port)))
            .collect()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn await_file(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The two keys that the Deployment mounts, through the link `..data`.
fn lay_out(secret: &Value, folder: &Path) {
    let (Some(certificate), Some(key)) = (raw(secret, "tls.crt"), raw(secret, "tls.key")) else { return };
    let version = secret["metadata"]["resourceVersion"].as_str().expect("a version");
    let version_folder = folder.join(format!("..{version}"));
    if version_folder.exists() {
        return;
    }
    fs::create_dir_all(&version_folder).expect("a folder");
    for (name, bytes) in [("tls.crt", certificate), ("tls.key", key)] {
        fs::write(version_folder.join(name), bytes).expect("written");
    }
    let _ = fs::remove_file(folder.join("..new"));
    std::os::unix::fs::symlink(format!("..{version}"), folder.join("..new")).expect("a link");
    fs::rename(folder.join("..new"), folder.join("..data")).expect("a swap");
    for name in ["tls.crt", "tls.key"] {
        let link = folder.join(name);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(format!("..data/{name}"), link).expect("a link");
        }
    }
}

fn raw(secret: &Value, key: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(secret["data"][key].as_str()?).ok()
}
