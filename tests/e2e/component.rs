//! Finds the real components, and defines the consequence of a missing one.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};

/// A component that is not there.
#[derive(Debug, Clone)]
pub struct Missing {
    /// The missing component, and the command that installs it.
    pub reason: String,
    /// True if the project's own files can install it here.
    pub installable: bool,
}

/// A trial that needs something. Where that is missing it is ignored with the
/// reason, or fails where it should have been installed.
pub fn trial<C>(
    name: impl Into<String>,
    need: impl FnOnce() -> Result<C, Missing> + Send + 'static,
    test: impl FnOnce(C) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || match need() {
        Ok(component) => test(component).map(|()| Completion::Completed),
        Err(missing) if missing.installable && is_complete_run() => {
            Err(format!("{}; this run must have it", missing.reason).into())
        }
        Err(missing) => Ok(Completion::ignored_with(missing.reason)),
    })
}

/// Returns true if this run has to have every component that can be installed.
fn is_complete_run() -> bool {
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "false");
    is_set("NFS_MOUNT_GUARD_TEST_ALL") || is_set("CI")
}

/// The binaries of a control plane.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kubectl: PathBuf,
}

/// Finds the control plane: in `KUBEBUILDER_ASSETS` where that is set, else
/// where `tests/components/build` keeps it.
pub fn control_plane() -> Result<ControlPlane, Missing> {
    Ok(ControlPlane {
        etcd: binary("etcd")?,
        kube_apiserver: binary("kube-apiserver")?,
        kubectl: binary("kubectl")?,
    })
}

/// Finds what `tests/components/build` makes.
pub fn binary(name: &str) -> Result<PathBuf, Missing> {
    if let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let path = Path::new(&assets).join(name);
        if path.exists() {
            return Ok(path);
        }
    }
    let found = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components/build"))
        .args(["--find", name])
        .output();
    match found {
        Ok(output) if output.status.success() => {
            Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        }
        _ => Err(Missing {
            reason: format!("{name} is missing: tests/components/build {name} makes it"),
            // It comes out of a Debian package.
            installable: name != "promtool" || Path::new("/usr/bin/apt-get").exists(),
        }),
    }
}

/// Finds a program on the path.
pub fn on_path(name: &str, package: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/sbin".into(), "/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.exists())
        .ok_or_else(|| Missing {
            reason: format!("{name} is missing: apt-get install {package}"),
            installable: is_root() && Path::new("/usr/bin/apt-get").exists(),
        })
}

/// Returns true if the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| {
        use std::os::unix::fs::MetadataExt as _;
        metadata.uid() == 0
    })
}

/// The program under test.
pub fn program() -> PathBuf {
    std::env::var_os("NFS_MOUNT_GUARD_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_nfs-mount-guard").into(), PathBuf::from)
}
