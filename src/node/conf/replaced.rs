//! Finds files of nfsmount.conf that a container has mounted and the node has replaced: a mount of one
//! file keeps that file, whatever gets its name later.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::node::mounts::MountTable;

/// The error of a file or directory that is mounted and no longer has a name: another one replaced it
/// on the node, as many editors do, and the mount in a container keeps the old one.
pub(super) fn gone(metadata: &Metadata, path: &Path) -> Option<io::Error> {
    // A directory has links of its own, and none is left once it is removed.
    (metadata.nlink() == 0).then(|| io::Error::other(replaced(path, "it has no name there any more")))
}

/// Says that the file of a path is not the node's any more.
fn replaced(path: &Path, how: &str) -> String {
    let name = path.file_name().unwrap_or_default().display();
    format!(
        "another {name} replaced it on the node ({how}): restart the Pod of node-check, which mounts the old one"
    )
}

/// Returns why a file or directory that was given is not the node's any more, by the mounts that this
/// process sees: an editor may have renamed the one that is mounted, as in `nfsmount.conf~`, or replaced
/// it while it has another name, too.
pub(super) fn renamed(path: &Path, own: &MountTable) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let mut on_it = own.mounts().filter(|mount| mount.point == path);
    let how = on_it.find_map(|mount| {
        if mount.is_deleted {
            return Some("it has not this name there any more".to_owned());
        }
        let now = mount.root.file_name()?.to_str()?;
        // A file of any other name may have been mounted on purpose.
        let rest = now.strip_prefix(name)?;
        let is_renamed = rest.starts_with(['~', '.', '-', '_']) && rest != ".d";
        is_renamed.then(|| format!("its name there is {now} now"))
    })?;
    Some(replaced(path, &how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_file_that_was_renamed_is_not_the_nodes() {
        for (root, expected) in [
            ("/etc/nfsmount.conf", false),
            ("/etc/nfsmount.conf~", true),
            ("/etc/nfsmount.conf.bak", true),
            ("/etc/nfsmount.conf.dpkg-old", true),
            ("/etc/nfsmount.conf-old", true),
            // It has another hard link.
            ("/etc/nfsmount.conf//deleted", true),
            // Mounted there on purpose.
            ("/srv/nfs/site.conf", false),
        ] {
            let line =
                format!("1 0 8:1 / / rw - ext4 d rw\n2 1 8:1 {root} /host/nfsmount.conf ro - ext4 d rw\n");
            let own = MountTable::parse(line.as_bytes());
            let said = renamed(Path::new("/host/nfsmount.conf"), &own);
            assert_eq!(said.is_some(), expected, "{root}: {said:?}");
            assert_eq!(renamed(Path::new("/etc/nfsmount.conf"), &own), None);
        }
    }
}
