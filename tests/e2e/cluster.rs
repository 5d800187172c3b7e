//! A real control plane: etcd and kube-apiserver on ports of their own, and
//! kubectl. One serves all tests; they take turns.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Api;
use crate::client_certificate;
use crate::component::{ControlPlane, Missing, control_plane};
use crate::guard::{Guard, Process};
use crate::objects;

/// The webhooks that the API server calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Webhooks {
    /// None.
    None,
    /// Both.
    Both,
    /// Only the validating one.
    Validating,
}

/// A control plane with a guard beside it.
#[derive(Debug)]
pub struct Cluster {
    plane: ControlPlane,
    /// The address of the API server.
    pub api: SocketAddr,
    /// The address of etcd.
    pub etcd: SocketAddr,
    folder: TempDir,
    /// The running guard.
    pub guard: Guard,
    webhooks: Webhooks,
    /// Ended in this order.
    processes: Vec<Process>,
}

/// A turn at the cluster that most tests share.
pub fn shared() -> Result<MutexGuard<'static, Cluster>, Missing> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    take_turn(&CLUSTER)
}

/// A turn at the cluster of the tests of admission policies, which would be in
/// the way of the others.
pub fn with_policies() -> Result<MutexGuard<'static, Cluster>, Missing> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    take_turn(&CLUSTER)
}

/// A turn at a cluster whose etcd has the limits that it has by itself.
pub fn with_limits() -> Result<MutexGuard<'static, Cluster>, Missing> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    turn_at(&CLUSTER, Store::Limited)
}

/// The setup of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// It takes objects of 32 MiB.
    Raised,
    /// It has its own limits.
    Limited,
}

/// Starts the cluster where that has not happened, on a thread that lives as
/// long as this process: some systems end children with the thread that
/// started them.
fn take_turn(
    cluster: &'static OnceLock<Option<Mutex<Cluster>>>,
) -> Result<MutexGuard<'static, Cluster>, Missing> {
    turn_at(cluster, Store::Raised)
}

fn turn_at(
    cluster: &'static OnceLock<Option<Mutex<Cluster>>>,
    store: Store,
) -> Result<MutexGuard<'static, Cluster>, Missing> {
    let plane = control_plane()?;
    let cluster = cluster.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = sender.send(Cluster::start_with(plane, &[], store));
            loop {
                std::thread::park();
            }
        });
        // The thread has said why when nothing comes.
        receiver.recv().ok().map(Mutex::new)
    });
    let cluster = cluster.as_ref().expect("the control plane starts");
    Ok(cluster.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Cluster {
    /// Starts etcd, kube-apiserver and a guard, and waits until they answer.
    pub fn start(plane: ControlPlane, guard_flags: &[&str]) -> Self {
        Self::start_with(plane, guard_flags, Store::Raised)
    }

    /// Like [`Self::start`], where the API server gives each Pod the token of its service account,
    /// which must exist: no controller makes one.
    #[allow(dead_code, reason = "only the incident needs it")]
    pub fn start_with_tokens(plane: ControlPlane) -> Self {
        Self::start_as(plane, &[], Store::Raised, &[])
    }

    fn start_with(plane: ControlPlane, guard_flags: &[&str], store: Store) -> Self {
        Self::start_as(plane, guard_flags, store, &["--disable-admission-plugins=ServiceAccount"])
    }

    fn start_as(plane: ControlPlane, guard_flags: &[&str], store: Store, api_flags: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (etcd, peer, api) = (free_port(), free_port(), free_port());
        let arguments = |list: &[String]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let most = match store {
            Store::Raised => 32 * 1024 * 1024,
            // The default of etcd itself.
            Store::Limited => 1024 * 1024 * 3 / 2,
        };
        let etcd_process = Process::start(
            &plane.etcd,
            &arguments(&[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
                format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
                "--unsafe-no-fsync".to_owned(),
                format!("--max-request-bytes={most}"),
                "--log-level=error".to_owned(),
            ]),
            &folder.path().join("etcd.log"),
        );
        make_service_account_key(folder.path());
        fs::write(
            folder.path().join("tokens.csv"),
            "admin-token,admin,admin,\"system:masters\"\nprovisioner-token,system:serviceaccount:kube-system:provisioner,provisioner,\"system:masters\"\n",
        )
        .expect("tokens");
        let mut api_arguments = arguments(&[
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            format!("--cert-dir={}", path("apiserver")),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={api}"),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            format!("--service-account-key-file={}", path("sa.pub")),
            // Addresses of Services are loopback addresses here: what listens on one is called through its Service.
            format!("--service-cluster-ip-range=127.{}.0.0/16", 64 + std::process::id() % 190),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!(
                "--admission-control-config-file={}",
                client_certificate::write_configuration(folder.path())
            ),
        ]);
        api_arguments.extend(api_flags.iter().map(OsString::from));
        let log = folder.path().join("apiserver.log");
        let mut api_process = Process::start(&plane.kube_apiserver, &api_arguments, &log);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{api}"),
                "insecure-skip-tls-verify": true,
            }}],
            "users": [
                {"name": "admin", "user": {"token": "admin-token"}},
                {"name": "provisioner", "user": {"token": "provisioner-token"}},
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        });
        fs::write(folder.path().join("kubeconfig"), config.to_string()).expect("kubeconfig");
        let mut cluster = Self {
            plane,
            api: SocketAddr::from(([127, 0, 0, 1], api)),
            etcd: SocketAddr::from(([127, 0, 0, 1], etcd)),
            folder,
            guard: Guard::start(guard_flags),
            webhooks: Webhooks::None,
            processes: vec![etcd_process],
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !cluster.kubectl(&["get", "--raw", "/readyz"], "").status.success() {
            assert!(
                api_process.wait(Duration::from_millis(100)).is_none() && Instant::now() < deadline,
                "kube-apiserver is not ready: {}",
                fs::read_to_string(cluster.folder.path().join("apiserver.log")).unwrap_or_default()
            );
        }
        cluster.processes.insert(0, api_process);
        cluster
    }

    /// A connection to the API server.
    pub fn connect(&self) -> Api {
        let (_, authority) = self.api_server();
        Api::connect(self.api, &authority)
    }

    /// The authority of the certificate with which the API server calls, in a
    /// PEM file. The certificate's common name is `kube-apiserver`.
    pub fn caller_authority(&self) -> PathBuf {
        self.folder.path().join(client_certificate::AUTHORITY)
    }

    /// Returns the environment variables that the kubelet gives a Pod of the service account
    /// `nfs-mount-guard` of a namespace: an API server at `api`, and a directory with token, CA and
    /// namespace.
    pub fn service_account(&self, api: SocketAddr, namespace: &str) -> Vec<(&'static str, String)> {
        self.service_account_named(api, namespace, "nfs-mount-guard")
    }

    /// Like [`Self::service_account`], for one of another name.
    pub fn service_account_named(
        &self,
        api: SocketAddr,
        namespace: &str,
        name: &str,
    ) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().join(format!("service-account-{}-{namespace}-{name}", api.port()));
        fs::create_dir_all(&folder).expect("a folder");
        let token = self.must(&["-n", namespace, "create", "token", name], "");
        fs::write(folder.join("token"), token).expect("written");
        fs::write(folder.join("namespace"), namespace).expect("written");
        fs::write(folder.join("ca.crt"), self.api_authority()).expect("written");
        vec![
            ("KUBERNETES_SERVICE_HOST", api.ip().to_string()),
            ("KUBERNETES_SERVICE_PORT", api.port().to_string()),
            ("NFS_MOUNT_GUARD_SERVICE_ACCOUNT_DIR", folder.display().to_string()),
        ]
    }

    /// The authority that signed the certificate of the API server, as PEM.
    pub fn api_authority(&self) -> String {
        // Its own certificate first, then the authority.
        let chain = fs::read_to_string(self.folder.path().join("apiserver/apiserver.crt")).expect("a chain");
        chain.split_inclusive("-----END CERTIFICATE-----\n").nth(1).expect("an authority").to_owned()
    }

    /// The configuration of its clients, as an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The port of the API server on 127.0.0.1, and who signed its certificate.
    pub fn api_server(&self) -> (u16, PathBuf) {
        (self.api.port(), self.folder.path().join("apiserver/apiserver.crt"))
    }

    /// Its kubectl.
    pub fn kubectl_program(&self) -> &Path {
        &self.plane.kubectl
    }

    /// Runs kubectl with `input` on its standard input.
    pub fn kubectl(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(&self.plane.kubectl);
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(args);
        self.run(command, input)
    }

    /// Runs a program with `input` on its standard input, and with a home of
    /// its own.
    pub fn run(&self, mut command: Command, input: &str) -> Output {
        let mut child = command
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_owned();
        // It may end before it has read everything.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("the writer ends");
        output
    }

    /// Like [`Self::kubectl`], for what must succeed; gives standard output.
    pub fn must(&self, args: &[&str], input: &str) -> String {
        let output = self.kubectl(args, input);
        assert!(output.status.success(), "kubectl {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A stored object; `None` where there is none.
    pub fn get(&self, object: &Value) -> Option<Value> {
        let output =
            self.kubectl(&["get", objects::resource(object), objects::name(object), "-o", "json"], "");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Deletes an object, whatever holds it.
    pub fn delete(&self, object: &Value) {
        let (resource, name) = (objects::resource(object), objects::name(object));
        self.kubectl(
            &["patch", resource, name, "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"],
            "",
        );
        self.kubectl(&["delete", resource, name, "--ignore-not-found", "--wait=true"], "");
    }

    /// Lets the API server call these webhooks, and waits until it does.
    pub fn use_webhooks(&mut self, webhooks: Webhooks) {
        if self.webhooks == webhooks {
            return;
        }
        self.register(webhooks, |_| {});
        self.webhooks = webhooks;
    }

    /// Like [`Self::use_webhooks`], with a change to the configurations first.
    pub fn register(&mut self, webhooks: Webhooks, change: impl Fn(&mut Value)) {
        self.apply_webhooks(&self.guard, webhooks, change);
        // The configurations are in effect within about a second, not at once.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let probe = objects::class("probe", "nfs.csi.k8s.io", &["bg"]);
            let output =
                self.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &probe.to_string());
            let stored = String::from_utf8_lossy(&output.stdout).into_owned();
            let seen = match (output.status.success(), stored.contains("\"fg\"")) {
                (true, true) => Webhooks::Both,
                (true, false) => Webhooks::None,
                (false, _) => Webhooks::Validating,
            };
            if seen == webhooks {
                break;
            }
            assert!(Instant::now() < deadline, "wanted {webhooks:?}, seen {seen:?}: {output:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.webhooks = webhooks;
    }

    /// Lets the API server call another guard; the caller waits until it does.
    pub fn register_at(&self, guard: &Guard, webhooks: Webhooks) {
        self.apply_webhooks(guard, webhooks, |_| {});
    }

    /// Like [`Self::register`]; the caller waits until the API server calls what the changed
    /// configurations name.
    pub fn apply_changed(&self, webhooks: Webhooks, change: impl Fn(&mut Value)) {
        self.apply_webhooks(&self.guard, webhooks, change);
    }

    fn apply_webhooks(&self, guard: &Guard, webhooks: Webhooks, change: impl Fn(&mut Value)) {
        for mut configuration in webhook_configurations(guard) {
            let kind = configuration["kind"].as_str().unwrap_or_default().to_owned();
            let wanted = match webhooks {
                Webhooks::None => false,
                Webhooks::Both => true,
                Webhooks::Validating => kind.starts_with("Validating"),
            };
            if wanted {
                change(&mut configuration);
                self.must(&["apply", "-f", "-"], &configuration.to_string());
            } else {
                self.must(&["delete", &kind, "nfs-mount-guard", "--ignore-not-found"], "");
            }
        }
    }

    /// Forgets which webhooks are in use, after a test that changed them.
    pub fn reset_webhooks(&mut self) {
        self.register(Webhooks::None, |_| {});
    }
}

/// The configurations of `manifests/install.yaml`, called by URL, at the guard
/// that these tests start themselves.
pub fn webhook_configurations(guard: &Guard) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    let text = fs::read_to_string(path).expect("manifests/install.yaml");
    objects::documents(&text)
        .into_iter()
        .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration")))
        .map(|mut configuration| {
            for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
                let client = &mut webhook["clientConfig"];
                let path = client["service"]["path"].as_str().expect("a path").to_owned();
                *client = json!({
                    "url": format!("https://{}{path}", guard.address),
                    "caBundle": guard.ca_bundle(),
                });
            }
            configuration
        })
        .collect()
}

fn make_service_account_key(folder: &Path) {
    let key = rcgen::KeyPair::generate().expect("a key");
    fs::write(folder.join("sa.key"), key.serialize_pem()).expect("sa.key");
    fs::write(folder.join("sa.pub"), key.public_key_pem()).expect("sa.pub");
}

/// A port that is free now. Another program may take it first, but hardly will.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
