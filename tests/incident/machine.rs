//! A node with its control plane: kube-apiserver, etcd, a guard, containerd
//! and kubelet.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::component::{binary, control_plane, on_path, program};
use crate::guard::Process;
use crate::page::Page;
use crate::proxy::Proxy;
use crate::sandbox::ADDRESS;

/// The longest wait for any event.
pub const SOON: Duration = Duration::from_secs(40);

/// A running node.
pub struct Machine {
    /// The control plane with the guard.
    pub cluster: Cluster,
    /// The page for readers.
    pub page: Page,
    folder: PathBuf,
    _service: Proxy,
    _processes: Vec<Process>,
}

impl Machine {
    /// Starts everything, and waits until the node is registered.
    pub fn start(folder: &Path) -> Self {
        let containerd = start_containerd(folder);
        let plane = control_plane().expect("it was there outside");
        let kubectl = plane.kubectl.clone();
        let cluster = Cluster::start_with_tokens(plane);
        // A controller makes it in each namespace; the Pods of the acts use no token of it.
        cluster.must(&["create", "serviceaccount", "default"], "");
        let service = serve_kubernetes(&cluster);
        let kubelet = start_kubelet(folder, &cluster);
        import_images(folder);
        let work = folder.join("work");
        fs::create_dir_all(&work).expect("a folder");
        let machine = Self {
            page: Page::new(work, &kubectl, &program(), &cluster.kubeconfig()),
            cluster,
            folder: folder.to_owned(),
            _service: service,
            _processes: vec![kubelet, containerd],
        };
        wait("the node", || machine.cluster.kubectl(&["get", "node", "n1"], "").status.success());
        machine
    }

    /// The ends of the logs, for a failed test.
    pub fn logs(&self) -> String {
        let mut ends = String::new();
        for name in ["kubelet.log", "containerd.log"] {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            ends.push_str(&lines[lines.len().saturating_sub(25)..].join("\n"));
            ends.push('\n');
        }
        ends
    }

    /// An object as it is stored.
    pub fn get(&self, resource: &str, name: &str) -> Value {
        let text = self.cluster.must(&["get", resource, name, "-o", "json"], "");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Waits until something is so.
pub fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for nothing: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Leads the Service `kubernetes`, by which Pods know the API server, to it, as kube-proxy does. Its
/// address is one of the loopback interface here.
fn serve_kubernetes(cluster: &Cluster) -> Proxy {
    let mut address = String::new();
    wait("the Service of the API server", || {
        let args = ["get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"];
        let output = cluster.kubectl(&args, "");
        address = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() && !address.is_empty()
    });
    Proxy::start_at(SocketAddr::new(address.parse().expect("an address"), 443), cluster.api)
}

fn start_containerd(folder: &Path) -> Process {
    let config = format!(
        "version = 2\nroot = \"{root}\"\nstate = \"/run/containerd\"\n\
         [grpc]\n  address = \"/run/containerd/containerd.sock\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"localhost/pause:1\"\n  \
         disable_apparmor = true\n  restrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\n  conf_dir = \"{cni}\"\n  bin_dir = \"{cni}\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  snapshotter = \"native\"\n",
        root = folder.join("containerd").display(),
        cni = folder.join("cni").display(),
    );
    let file = folder.join("containerd.toml");
    fs::write(&file, config).expect("a file");
    let containerd = on_path("containerd", "containerd").expect("it was there outside");
    let arguments = [OsString::from("--config"), file.into()];
    let process = Process::start(&containerd, &arguments, &folder.join("containerd.log"));
    wait("containerd", || Path::new("/run/containerd/containerd.sock").exists());
    process
}

fn start_kubelet(folder: &Path, cluster: &Cluster) -> Process {
    let zero = json!({
        "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
        "imagefs.available": "0%", "imagefs.inodesFree": "0%", "pid.available": "0%",
    });
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        "evictionHard": zero,
        "imageGCHighThresholdPercent": 100,
    });
    let file = folder.join("kubelet.json");
    fs::write(&file, config.to_string()).expect("a file");
    let arguments: Vec<OsString> = [
        format!("--config={}", file.display()),
        format!("--kubeconfig={}", cluster.kubeconfig().display()),
        "--hostname-override=n1".to_owned(),
        format!("--node-ip={ADDRESS}"),
        "--root-dir=/var/lib/kubelet".to_owned(),
        format!("--cert-dir={}", folder.join("kubelet-certificates").display()),
    ]
    .map(OsString::from)
    .into();
    let kubelet = binary("kubelet").expect("it was there outside");
    Process::start(&kubelet, &arguments, &folder.join("kubelet.log"))
}

/// Makes two images, in the form that `docker save` writes, and gives them to
/// containerd: busybox for Pods and sandboxes, and the guard's own.
fn import_images(folder: &Path) {
    let busybox = on_path("busybox", "busybox-static").expect("it was there outside");
    let root = folder.join("busybox-image");
    copy_program(&busybox, &root, "bin/busybox");
    for tool in ["sh", "sleep"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(tool)).expect("a link");
    }
    import_image(folder, &root, &["localhost/pause:1", "localhost/busybox:1"], &["/bin/sleep", "86400"]);
    let root = folder.join("guard-image");
    copy_program(&program(), &root, "nfs-mount-guard");
    import_image(folder, &root, &["localhost/nfs-mount-guard:1"], &["/nfs-mount-guard"]);
}

/// Copies a program into a root file system, with the libraries it is linked to.
fn copy_program(program: &Path, root: &Path, name: &str) {
    let linked = Command::new("ldd").arg(program).output().expect("ldd runs");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new);
    let copies = libraries.map(|library| (library, library.strip_prefix("/").expect("an absolute path")));
    for (from, to) in copies.chain([(program, Path::new(name))]) {
        let to = root.join(to);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, to).expect("a copy");
    }
}

fn import_image(folder: &Path, root: &Path, names: &[&str], entrypoint: &[&str]) {
    let image = folder.join("image");
    fs::create_dir_all(&image).expect("a folder");
    let layer = image.join("layer.tar");
    must(
        Command::new("tar")
            .args(["--numeric-owner", "--owner=0", "--group=0", "-C"])
            .arg(root)
            .arg("-cf")
            .arg(&layer)
            .arg("."),
    );
    let sum = must(Command::new("sha256sum").arg(&layer));
    let sum = String::from_utf8_lossy(&sum.stdout).split_whitespace().next().expect("a sum").to_owned();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
    });
    fs::write(image.join("config.json"), config.to_string()).expect("a file");
    let manifest = json!([{"Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"]}]);
    fs::write(image.join("manifest.json"), manifest.to_string()).expect("a file");
    let archive = folder.join("image.tar");
    must(
        Command::new("tar")
            .arg("-C")
            .arg(&image)
            .arg("-cf")
            .arg(&archive)
            .args(["manifest.json", "config.json", "layer.tar"]),
    );
    must(
        Command::new("ctr")
            .args(["-n", "k8s.io", "images", "import", "--snapshotter", "native"])
            .arg(archive),
    );
    fs::remove_dir_all(image).expect("it is gone");
}

fn must(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}
