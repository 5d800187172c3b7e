//! Stands in for the nodes of a cluster, as far as the webhook needs them: each Deployment's
//! container is started here, its volumes as kubelet lays them out, at the address of its Service.
//! Guard, API server, objects and certificates are the real ones.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{block_on, status};
use crate::cluster::Cluster;
use crate::component::{self, Missing};
use crate::guard::Guard;

/// The guards that a cluster's Deployments ask for.
#[derive(Debug, Default)]
pub struct Nodes {
    running: Vec<Node>,
}

/// One guard, as one Deployment wants it.
#[derive(Debug)]
pub struct Node {
    namespace: String,
    name: String,
    template: Value,
    volumes: TempDir,
    /// The running program.
    pub guard: Guard,
}

/// Checks that a Service's port 443 can be listened on.
pub fn low_ports() -> Result<(), Missing> {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if component::is_root() || first.trim().parse::<u16>().is_ok_and(|first| first <= 443) {
        return Ok(());
    }
    Err(Missing { reason: "only root may listen on port 443 here".to_owned(), installable: false })
}

impl Nodes {
    /// Starts, updates and ends what has to be, once; a loop of this is what
    /// the controllers and kubelet do.
    pub fn sync(&mut self, cluster: &Cluster) {
        finish_namespaces(cluster);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let deployments = items(cluster, &["get", "deployments", "--all-namespaces"]);
            self.running.retain(|node| deployments.iter().any(|deployment| node.is_of(deployment)));
            let mut is_waiting = false;
            for deployment in &deployments {
                match self.running.iter_mut().find(|node| node.is_of(deployment)) {
                    Some(node) => node.publish(cluster),
                    None => match Node::start(cluster, deployment) {
                        Some(node) => self.running.push(node),
                        None => is_waiting = true,
                    },
                }
            }
            // One Pod may wait for what another one creates.
            let may_come = self.running.iter().any(Node::manages_certificates);
            if !is_waiting || !may_come || Instant::now() > deadline {
                return;
            }
        }
    }

    /// The only webhook.
    pub fn serving(&self) -> &Node {
        let mut serving = self.running.iter().filter(|node| !node.manages_certificates());
        let node = serving.next().unwrap_or_else(|| panic!("no webhook runs: {:?}", self.running));
        assert!(serving.next().is_none(), "{:?}", self.running);
        node
    }
}

/// True if a Pod is that of the built-in CA.
fn manages_certificates(template: &Value) -> bool {
    template["spec"]["containers"][0]["args"][0] == "certs"
}

/// The kubelet asks what manages certificates to end, so that it gives its Lease back.
impl Drop for Node {
    fn drop(&mut self) {
        if self.manages_certificates() {
            self.guard.process.signal("TERM");
            self.guard.process.wait(Duration::from_secs(5));
        }
    }
}

impl Node {
    fn manages_certificates(&self) -> bool {
        manages_certificates(&self.template)
    }

    fn is_of(&self, deployment: &Value) -> bool {
        deployment["metadata"]["namespace"] == self.namespace.as_str()
            && deployment["metadata"]["name"] == self.name.as_str()
            && deployment["spec"]["template"] == self.template
    }

    /// Starts it; `None` while a volume's Secret or `ConfigMap` is not there,
    /// for which kubelet waits.
    fn start(cluster: &Cluster, deployment: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let namespace = text(&deployment["metadata"]["namespace"]);
        let name = text(&deployment["metadata"]["name"]);
        let template = deployment["spec"]["template"].clone();
        let volumes = TempDir::new().expect("a folder");
        publish(cluster, &namespace, &template, volumes.path())?;
        let container = &template["spec"]["containers"][0];
        let is_served = !manages_certificates(&template);
        let address = match service_address(cluster, &namespace, &template) {
            Some(address) => address,
            None if is_served => return None,
            None => String::new(),
        };
        let args: Vec<OsString> = container["args"]
            .as_array()
            .expect("arguments")
            .iter()
            .map(|arg| substitute(&text(arg), &address, container, volumes.path()).into())
            .collect();
        // The kubelet mounts these for the service account.
        let is_mounted = template["spec"]["automountServiceAccountToken"] == true;
        let environment = if is_mounted {
            let account = text(&template["spec"]["serviceAccountName"]);
            cluster.service_account_named(cluster.api, &namespace, &account)
        } else {
            Vec::new()
        };
        let folder = TempDir::new().expect("a folder");
        let guard = Guard::start_with_args(folder, volumes.path().to_owned(), &args, &environment);
        await_readiness(&guard);
        if is_served {
            await_calls(cluster);
        }
        let replicas = deployment["spec"]["replicas"].clone();
        let state = json!({"status": {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""},
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""},
            ],
        }});
        cluster.must(
            &[
                "-n",
                &namespace,
                "patch",
                "deployment",
                &name,
                "--subresource=status",
                "--type=merge",
                "-p",
                &state.to_string(),
            ],
            "",
        );
        Some(Self { namespace, name, template, volumes, guard })
    }

    fn publish(&self, cluster: &Cluster) {
        let _ = publish(cluster, &self.namespace, &self.template, self.volumes.path());
    }
}

/// Waits as kubelet does before it sends anyone there: longer than a Lease lives that
/// was not given back.
pub fn await_readiness(guard: &Guard) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = block_on(status(guard.status, "/readyz"));
        if reply.is_ok_and(|reply| reply.status == 200) {
            return;
        }
        assert!(Instant::now() < deadline, "it does not become ready: {:#?}", guard.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the API server has noticed its configurations, where there are
/// any: within about a second, which no image was pulled in.
fn await_calls(cluster: &Cluster) {
    let has = |kind: &str| !items(cluster, &["get", kind]).is_empty();
    if !has("validatingwebhookconfigurations") {
        return;
    }
    let is_repaired = has("mutatingwebhookconfigurations");
    let probe = crate::objects::class("probe", "nfs.csi.k8s.io", &["bg"]).to_string();
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &probe);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("NMG001") && (output.status.success() || !is_repaired) {
            return;
        }
    }
}

/// Returns the address at which the API server calls the Service of these Pods.
pub fn service_address(cluster: &Cluster, namespace: &str, template: &Value) -> Option<String> {
    let labels = &template["metadata"]["labels"];
    let services = items(cluster, &["-n", namespace, "get", "services"]);
    let service = services.iter().find(|service| {
        let selector = service["spec"]["selector"].as_object();
        selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels[key] == *value))
    })?;
    let ports = service["spec"]["ports"].as_array()?;
    let port = ports.iter().find(|port| port["targetPort"] == "webhook")?;
    Some(format!("{}:{}", service["spec"]["clusterIP"].as_str()?, port["port"]))
}

/// An argument as it has to be without a network of the Pod's own, and, where
/// `volumes` is not the root of its file system, without that.
pub fn substitute(arg: &str, address: &str, container: &Value, volumes: &Path) -> String {
    if arg.starts_with("--listen=") {
        return format!("--listen={address}");
    }
    if arg.starts_with("--status-listen=") {
        return "--status-listen=127.0.0.1:0".to_owned();
    }
    let Some((flag, value)) = arg.split_once('=') else { return arg.to_owned() };
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let (path, volume) = (mount["mountPath"].as_str(), mount["name"].as_str());
        let (Some(path), Some(volume)) = (path, volume) else { continue };
        if let Some(rest) = value.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            return format!("{flag}={}{rest}", volumes.join(volume).display());
        }
    }
    arg.to_owned()
}

/// Lays the volumes out as kubelet does: a directory that the link `..data`
/// names, swapped when the object changes, with links to its files beside it.
pub fn publish(cluster: &Cluster, namespace: &str, template: &Value, folder: &Path) -> Option<()> {
    for volume in template["spec"]["volumes"].as_array().into_iter().flatten() {
        let (kind, name) = match (&volume["secret"]["secretName"], &volume["configMap"]["name"]) {
            (Value::String(name), _) => ("secret", name),
            (_, Value::String(name)) => ("configmap", name),
            _ => panic!("no such volume is known: {volume}"),
        };
        let output = cluster.kubectl(&["-n", namespace, "get", kind, name, "-o", "json"], "");
        let object: Value = serde_json::from_slice(&output.stdout).ok()?;
        let version = object["metadata"]["resourceVersion"].as_str()?;
        let mount = folder.join(volume["name"].as_str()?);
        let data = mount.join(format!("..{version}"));
        if data.exists() {
            continue;
        }
        let items = volume["secret"]["items"].as_array();
        let wanted: Vec<&str> = match items {
            // kubelet waits for a key that is missing.
            Some(items) => items.iter().map(|item| item["key"].as_str().expect("a key")).collect(),
            None => object["data"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect(),
        };
        if wanted.iter().any(|key| !object["data"][key].is_string()) {
            return None;
        }
        fs::create_dir_all(&data).expect("a folder");
        for key in wanted {
            let value = object["data"][key].as_str()?;
            let bytes = match kind {
                "secret" => base64::engine::general_purpose::STANDARD.decode(value).expect("base64"),
                _ => value.as_bytes().to_vec(),
            };
            fs::write(data.join(key), bytes).expect("written");
            if !mount.join(key).is_symlink() {
                symlink(format!("..data/{key}"), mount.join(key)).expect("a link");
            }
        }
        symlink(format!("..{version}"), mount.join("..data_tmp")).expect("a link");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("a swap");
    }
    Some(())
}

/// Empties and ends the namespaces that are to be deleted.
pub fn finish_namespaces(cluster: &Cluster) {
    for mut namespace in items(cluster, &["get", "namespaces"]) {
        if namespace["status"]["phase"] != "Terminating" {
            continue;
        }
        let name = crate::objects::name(&namespace).to_owned();
        let kinds = "deployments,services,configmaps,secrets,serviceaccounts,poddisruptionbudgets,leases,roles,rolebindings,networkpolicies";
        cluster.kubectl(&["-n", &name, "delete", kinds, "--all", "--wait=false"], "");
        namespace["spec"]["finalizers"] = json!([]);
        let path = format!("/api/v1/namespaces/{name}/finalize");
        cluster.kubectl(&["replace", "--raw", &path, "-f", "-"], &namespace.to_string());
    }
}

fn items(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    let mut all = args.to_vec();
    all.extend(["-o", "json"]);
    let list: Value = serde_json::from_str(&cluster.must(&all, "")).expect("JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}
