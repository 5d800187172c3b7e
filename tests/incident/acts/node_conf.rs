//! The node's /etc/nfsmount.conf, in a copy of /etc that ends with the act.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Lines by which every mount without an explicit word succeeds.
pub const BACKGROUND: &str = "[NFSMount_Global_Options]\nBackground=True\n";

/// A copy of /etc that is mounted there.
pub struct NodeConf {
    file: PathBuf,
    _folder: TempDir,
}

impl NodeConf {
    /// Mounts the copy, with this text in the file.
    pub fn mount(text: &str) -> Self {
        let temporary = TempDir::new().expect("a folder");
        let etc = temporary.path().join("etc");
        let copy = etc.display().to_string();
        run("cp", &["-a", "/etc", &copy]);
        let conf = Self { file: etc.join("nfsmount.conf"), _folder: temporary };
        // A container runtime makes a directory of a file that it does not find.
        let _ = fs::remove_dir(&conf.file);
        conf.write(text);
        run("mount", &["--bind", &copy, "/etc"]);
        conf
    }

    /// Writes the same file again, which a container that has it mounted sees.
    pub fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("written");
    }
}

/// Brings the node's own /etc back, also for the acts after one that failed.
impl Drop for NodeConf {
    fn drop(&mut self) {
        // The kubelet may read a file in it at the moment.
        run("umount", &["--lazy", "/etc"]);
    }
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().expect("it runs");
    assert!(status.success(), "{program} {args:?}");
}
