//! A table of the node's mounts in which a tmpfs is NFS.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The table of the node's first process, as node-check reads it.
const TABLE: &str = "/proc/1/mountinfo";

/// Shows the mount on a directory as NFS, for want of a kernel with NFS, until it is dropped.
#[derive(Debug)]
pub(super) struct ShownAsNfs {
    _file: tempfile::NamedTempFile,
}

impl ShownAsNfs {
    pub(super) fn mount(folder: &Path) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let (table, folder) = (fs::read_to_string(TABLE).expect("mounts"), folder.display().to_string());
        let lines = table.lines().map(|line| {
            let is_it = line.split(' ').nth(4) == Some(&folder);
            if is_it { line.replace(" - tmpfs none ", " - nfs4 nas:/export ") } else { line.to_owned() }
        });
        let shown: String = lines.map(|line| line + "\n").collect();
        assert_ne!(shown, table, "{folder} is mounted");
        fs::write(file.path(), shown).expect("written");
        let status = Command::new("mount").arg("--bind").arg(file.path()).arg(TABLE).status();
        assert!(status.expect("mount runs").success());
        Self { _file: file }
    }
}

impl Drop for ShownAsNfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(TABLE).status();
    }
}
