//! The image: built by buildah as a release does, taken apart, and run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ROOT, Turn, node, turn_with_low_ports};
use crate::component::{self, Missing};
use crate::guard::Guard;
use crate::objects::class;

/// Where the test installs it.
const NAMESPACE: &str = "image";

/// Bytes to pull. More than this, and something is in the image that need not be. Ten
/// MiB are the aim (docs/development/performance.md, size): what `scan` needs to read
/// kubeconfigs is above that.
const LIMIT: u64 = 13 * 1024 * 1024;

/// Tests of what is shipped.
pub fn trials() -> Vec<Trial> {
    vec![
        component::trial("install::the_image_is_one_program_and_the_same_every_time", tools, |tools| {
            let image = Image::build(&tools);
            image.is_as_described();
            assert_eq!(Image::build(&tools).digest, image.digest);
            Ok(())
        }),
        component::trial(
            "install::the_image_runs_in_a_cluster_with_nothing_but_its_program",
            || Ok((tools()?, turn_with_low_ports()?)),
            |(tools, turn)| Image::build(&tools).runs_in_a_cluster(&turn),
        ),
        component::trial(
            "install::the_list_of_parts_names_every_crate_of_the_program",
            || component::binary("cargo-cyclonedx"),
            |_| parts_are_complete(),
        ),
    ]
}

/// The tools that an image is built with.
struct Tools {
    program: PathBuf,
}

fn tools() -> Result<Tools, Missing> {
    if !component::is_root() {
        return Err(Missing {
            reason: "buildah without root needs user namespaces".to_owned(),
            installable: false,
        });
    }
    component::on_path("buildah", "buildah")?;
    let program =
        std::env::var_os("NFS_MOUNT_GUARD_BIN").map(PathBuf::from).filter(|program| is_static(program));
    let program = program.ok_or_else(|| Missing {
        reason: "NFS_MOUNT_GUARD_BIN names no static program: image/program builds one and prints its path"
            .to_owned(),
        installable: true,
    })?;
    Ok(Tools { program })
}

fn is_static(program: &Path) -> bool {
    let output = Command::new("ldd").arg(program).output();
    output.is_ok_and(|output| {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.contains("statically linked") || said.contains("not a dynamic executable")
    })
}

struct Image {
    folder: TempDir,
    config: Value,
    digest: String,
    layer: PathBuf,
    program: PathBuf,
}

impl Image {
    /// Builds it in a storage of its own, and lays it out as OCI does.
    fn build(tools: &Tools) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let buildah =
            format!("buildah --storage-driver vfs --root {} --runroot {}", path("storage"), path("run"));
        let name = "localhost/nfs-mount-guard:under-test";
        must(
            Command::new("image/build")
                .arg(name)
                .env("NFS_MOUNT_GUARD_BIN", &tools.program)
                .env("BUILDAH", &buildah)
                .env("BUILDAH_ISOLATION", "chroot"),
        );
        let mut words = buildah.split(' ');
        let oci = path("oci");
        must(Command::new(words.next().expect("buildah")).args(words).args([
            "push",
            "--quiet",
            name,
            &format!("oci:{oci}:tag"),
        ]));
        let read = |name: &str| -> Value {
            let text = fs::read(Path::new(&oci).join(name)).expect("a file of the image");
            serde_json::from_slice(&text).expect("JSON")
        };
        let blob = |descriptor: &Value| {
            format!("blobs/{}", descriptor["digest"].as_str().expect("a digest").replace(':', "/"))
        };
        let index = read("index.json");
        let manifest = read(&blob(&index["manifests"][0]));
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 1, "{manifest}");
        let layer = Path::new(&oci).join(blob(&layers[0]));
        let digest = index["manifests"][0]["digest"].to_string();
        let config = read(&blob(&manifest["config"]));
        Self { folder, config, digest, layer, program: tools.program.clone() }
    }

    fn is_as_described(&self) {
        let config = &self.config["config"];
        assert_eq!(config["User"], "65532:65532");
        assert_eq!(config["Entrypoint"], json!(["/nfs-mount-guard"]));
        let labels = &config["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        for label in ["title", "description", "source", "licenses", "revision"] {
            let value = &labels[format!("org.opencontainers.image.{label}")];
            assert!(value.as_str().is_some_and(|value| !value.is_empty()), "{label}: {labels}");
        }
        let files = must(Command::new("tar").arg("-tzf").arg(&self.layer));
        assert_eq!(files.trim(), "nfs-mount-guard", "there is nothing else in it");
        let program = fs::metadata(&self.program).expect("a program").len();
        let compressed = fs::metadata(&self.layer).expect("a layer").len();
        tell(&format!("the image is {} kB to pull, its program {} kB", compressed / 1000, program / 1000));
        assert!(compressed < LIMIT, "{compressed}");
    }

    /// As kubelet would: as another user, in a file system that holds the
    /// program, the volumes, and, where it is mounted, the token of its service account.
    fn runs_in_a_cluster(&self, turn: &Turn) -> Result<(), Failed> {
        turn.must_helm(&[
            "install", "nfs-mount-guard", "manifests/chart", "--namespace", NAMESPACE, "--create-namespace",
            // The program's user may not listen on 443, where no network lies between.
            "--set", "service.port=10250",
        ]);
        let manager = self.run(turn, "nfs-mount-guard-certificates")?;
        node::await_readiness(&manager);
        let guard = self.run(turn, "nfs-mount-guard")?;
        node::await_readiness(&guard);
        let bad = class("image-bad", "nfs.csi.k8s.io", &["nfsvers=4.1", "bg"]).to_string();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = turn.cluster.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &bad);
            if String::from_utf8_lossy(&shown.stdout).contains("\"fg\"") {
                break;
            }
            assert!(Instant::now() < deadline, "{shown:?} {:#?}", guard.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        turn.must_helm(&["uninstall", "nfs-mount-guard", "--namespace", NAMESPACE]);
        Ok(())
    }

    /// Starts the container of a Deployment.
    fn run(&self, turn: &Turn, name: &str) -> Result<Guard, Failed> {
        let deployment = turn.object(NAMESPACE, "deployment", name);
        let template = &deployment["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        let root = self.folder.path().join(name);
        fs::create_dir_all(&root)?;
        must(Command::new("tar").arg("-xzf").arg(&self.layer).arg("-C").arg(&root));
        let (port, authority) = turn.cluster.api_server();
        let mut environment = Vec::new();
        if template["spec"]["automountServiceAccountToken"] == true {
            let account = root.join("var/run/secrets/kubernetes.io/serviceaccount");
            fs::create_dir_all(&account)?;
            let of = template["spec"]["serviceAccountName"].as_str().ok_or("an account")?;
            let token = turn.cluster.must(&["-n", NAMESPACE, "create", "token", of], "");
            fs::write(account.join("token"), token.trim())?;
            fs::write(account.join("namespace"), NAMESPACE)?;
            fs::copy(authority, account.join("ca.crt"))?;
            environment.push(("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()));
            environment.push(("KUBERNETES_SERVICE_PORT", port.to_string()));
        }
        // Volumes are called as their mount points are: policy, at /policy.
        node::publish(&turn.cluster, NAMESPACE, template, &root).ok_or("the volumes")?;
        must(Command::new("chmod").args(["-R", "a+rX"]).arg(&root));
        let chroot = component::on_path("chroot", "coreutils").map_err(|missing| missing.reason)?;
        let mut args: Vec<OsString> = vec![
            "--userspec=65532:65532".into(),
            root.into(),
            self.config["config"]["Entrypoint"][0].as_str().expect("a program").into(),
        ];
        let address = node::service_address(&turn.cluster, NAMESPACE, template).unwrap_or_default();
        for arg in container["args"].as_array().expect("arguments") {
            args.push(
                node::substitute(arg.as_str().expect("text"), &address, container, Path::new("/")).into(),
            );
        }
        Ok(Guard::start_program(&chroot, TempDir::new()?, PathBuf::new(), &args, &environment))
    }
}

/// Tells a figure that a page may quote.
#[allow(clippy::print_stdout, reason = "it is what a person runs this test for")]
fn tell(text: &str) {
    println!("{text}");
}

/// Runs what has to succeed, in the repository; gives standard output.
fn must(command: &mut Command) -> String {
    let output = command.current_dir(ROOT).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn parts_are_complete() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("parts.cdx.json");
    must(Command::new("image/sbom").arg(&file));
    let parts: Value = serde_json::from_slice(&fs::read(file)?)?;
    assert_eq!(parts["bomFormat"], "CycloneDX");
    assert_eq!(parts["metadata"]["component"]["name"], env!("CARGO_PKG_NAME"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed: BTreeSet<(String, String)> = parts["components"]
        .as_array()
        .expect("components")
        .iter()
        .map(|part| (text(&part["name"]), text(&part["version"])))
        .collect();
    let target = must(Command::new("rustc").arg("-vV"));
    let target = target.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let tree = must(
        Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--target", target]),
    );
    let built: BTreeSet<(String, String)> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
        .filter(|(name, _)| name != env!("CARGO_PKG_NAME"))
        .collect();
    let missing: Vec<_> = built.difference(&listed).collect();
    assert!(missing.is_empty() && built.len() > 50, "{missing:?}");
    Ok(())
}
