//! The programs of a node that the kubelet mounts NFS with.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::report::{VolumeName, Warning, WarningKind};

/// The path at which mount(8) looks for the helper of a file system.
const HELPER: &str = "/sbin/mount.nfs";

/// The paths at which the kubelet finds mount(8), but for those of its own `PATH`.
const MOUNT: [&str; 2] = ["/usr/bin/mount", "/bin/mount"];

/// More of a program than this is not read; a `BusyBox` with all applets has 1 to 3 MiB.
const PROGRAM_LIMIT: u64 = 8 << 20;

/// Why a path is no program.
enum Fault {
    Missing,
    NotExecutable,
}

/// Returns why a path is no program that can be run.
fn fault(program: &Path) -> Option<Fault> {
    match fs::metadata(program) {
        Ok(metadata) if !metadata.is_file() => Some(Fault::Missing),
        // Root as well may run only what has one of these bits
        // (generic_permission: https://github.com/torvalds/linux/blob/v6.12/fs/namei.c).
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => Some(Fault::NotExecutable),
        Ok(_) => None,
        Err(_) => Some(Fault::Missing),
    }
}

/// Returns the fault of a program that can be run from none of its paths, with the path that is named.
fn fault_of(paths: &[PathBuf]) -> Option<(&Path, Fault)> {
    let mut found: Option<(&Path, Fault)> = None;
    for path in paths {
        match (fault(path)?, &found) {
            (Fault::NotExecutable, None | Some((_, Fault::Missing))) => {
                found = Some((path, Fault::NotExecutable));
            }
            (fault, None) => found = Some((path, fault)),
            _ => {}
        }
    }
    found
}

/// Returns true if a program is `BusyBox`: a link to it, as it installs itself, a copy of it, or a
/// script that runs it. Every build has its banner in it (`bb_banner` of
/// <https://github.com/mirror/busybox/blob/0004e994934374b5695e004bbcb7b1fd67a170f2/libbb/messages.c>).
fn is_busybox(program: &Path) -> bool {
    const BANNER: &[u8] = b"BusyBox v";
    const CALL: &[u8] = b"busybox mount";
    if fs::canonicalize(program).is_ok_and(|path| path.file_name().is_some_and(|name| name == "busybox")) {
        return true;
    }
    let mut bytes = Vec::new();
    let is_file = fs::metadata(program).is_ok_and(|metadata| metadata.is_file());
    let mut read = || File::open(program)?.take(PROGRAM_LIMIT).read_to_end(&mut bytes);
    if !is_file || read().is_err() {
        return false;
    }
    let has = |words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    has(BANNER) || bytes.starts_with(b"#!") && has(CALL)
}

/// Warns of programs that the volumes of the kubelet need, and the node lacks.
pub(super) fn missing(volumes: &[VolumeName]) -> Vec<Warning> {
    let warning = |kind, path: &Path, message: String| Warning {
        kind,
        finding: false,
        message,
        path: Some(path.display().to_string()),
        line: None,
        option: None,
        volumes: volumes.to_vec(),
        may_concern: Vec::new(),
    };
    let mut warnings = Vec::new();
    let mounts = MOUNT.map(PathBuf::from).into_iter();
    // That of this process is like that of the kubelet on a node without these paths.
    let path = env::var_os("PATH").unwrap_or_default();
    let mounts: Vec<PathBuf> =
        mounts.chain(env::split_paths(&path).map(|folder| folder.join("mount"))).collect();
    for (paths, remedy) in [
        (&*vec![PathBuf::from(HELPER)], "install nfs-common (Debian, Ubuntu) or nfs-utils"),
        (&*mounts, "install the mount of util-linux"),
    ] {
        if let Some((path, fault)) = fault_of(paths) {
            let what = match fault {
                Fault::Missing => "is not on this node",
                Fault::NotExecutable => "is not executable",
            };
            let message = format!("{what}: the kubelet cannot mount NFS volumes; {remedy}");
            warnings.push(warning(WarningKind::MountNfsMissing, path, message));
        }
    }
    if let Some(mount) = MOUNT.iter().map(Path::new).find(|mount| is_busybox(mount)) {
        let message = "is BusyBox, which runs mount.nfs only if it was built to: options act otherwise than documented; install the mount of util-linux";
        warnings.push(warning(WarningKind::BusyboxMount, mount, message.to_owned()));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_one_that_can_be_run() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let [none, text, program, link] =
            ["none", "text", "program", "link"].map(|name| folder.path().join(name));
        for (path, mode) in [(&text, 0o644), (&program, 0o755)] {
            fs::write(path, "").expect("a file");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        for (paths, expected) in [
            (vec![none.clone()], Some((none.clone(), false))),
            (vec![text.clone()], Some((text.clone(), true))),
            (vec![folder.path().to_owned()], Some((folder.path().to_owned(), false))),
            (vec![link.clone()], Some((link, false))),
            // One of them is enough, and the one that is there is named.
            (vec![none.clone(), program], None),
            (vec![none, text.clone()], Some((text, true))),
        ] {
            let found = fault_of(&paths);
            let found = found.map(|(path, fault)| (path.to_owned(), matches!(fault, Fault::NotExecutable)));
            assert_eq!(found, expected, "{paths:?}");
        }
    }
}
