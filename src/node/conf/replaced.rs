//! Finds files of nfsmount.conf that a container has mounted and the node has replaced: a mount of one
//! file keeps that file, whatever gets its name later.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{self, Path, PathBuf};

use super::directory;
use crate::node::mounts::MountTable;

/// Returns the error of a file or directory that is mounted and no longer has a name: another one
/// replaced it on the node, as many editors do, and the mount in a container keeps the old one.
pub(super) fn gone(metadata: &Metadata, path: &Path) -> Option<io::Error> {
    // A directory has links of its own, and none is left once it is removed.
    (metadata.nlink() == 0).then(|| io::Error::other(described(path, "it has no name there any more")))
}

/// Says that the file of a path is not the node's any more.
fn described(path: &Path, how: &str) -> String {
    let name = path.file_name().unwrap_or_default().display();
    format!(
        "another {name} replaced it on the node ({how}): restart the Pod of node-check, which mounts the old one"
    )
}

/// The endings of a file that was put away, which a tool or a person gives it.
const PUT_AWAY: [&str; 8] = ["bak", "backup", "old", "orig", "save", "rpmsave", "dpkg-old", "dpkg-bak"];

/// The mounts of a file and of the directory beside it, as one look finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfMounts {
    pub(super) file: Mounted,
    pub(super) folder: Mounted,
}

/// The mount that leads to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// The last step of the path, without links.
    name: PathBuf,
    /// `None` where no mount is seen.
    mount: Option<Origin>,
}

/// The place from which a mount comes. The kernel shows its name of today: a file that is renamed or
/// exchanged keeps its mount, and that shows another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    id: i32,
    root: PathBuf,
    is_deleted: bool,
    /// True if it is mounted at the path itself, and not further up.
    is_alone: bool,
}

impl ConfMounts {
    /// Looks a file up, whatever the way to it: relative, with `..`, or through links.
    pub(in crate::node) fn of(path: &Path, own: &MountTable) -> Self {
        let [file, folder] =
            [path.to_owned(), directory(path)].map(|path| Mounted::of(&resolved(&path), own));
        Self { file, folder }
    }

    /// Returns true if the file alone is mounted here, so that a directory beside it on the node is not
    /// seen.
    pub(super) fn hides_folder(&self) -> bool {
        let is_alone = |mounted: &Mounted| mounted.mount.as_ref().is_some_and(|origin| origin.is_alone);
        is_alone(&self.file) && !is_alone(&self.folder)
    }
}

impl Mounted {
    /// Looks up the mount that leads to `path`, which is absolute and without links.
    fn of(path: &Path, own: &MountTable) -> Self {
        let mount = own.mount_of(path).map(|mount| Origin {
            id: mount.id,
            root: mount.root.clone(),
            is_deleted: mount.is_deleted,
            is_alone: mount.point == path,
        });
        Self { name: path.file_name().map(PathBuf::from).unwrap_or_default(), mount }
    }

    /// Returns why what is mounted is not the node's file any more. Without a `first` look only a deleted
    /// file shows it, and a name that is given to one that was put away.
    pub(super) fn replaced(&self, first: Option<&Self>, path: &Path) -> Option<String> {
        let now = self.mount.as_ref()?;
        let before = first.and_then(|first| first.mount.as_ref()).filter(|before| before.id == now.id);
        let how = if now.is_deleted {
            "it has not this name there any more".to_owned()
        } else if let Some(before) = before.filter(|before| before.root != now.root) {
            format!("it was {} there, and is {} now", before.root.display(), now.root.display())
        } else if now.is_alone && is_put_away(&self.name, &now.root) {
            format!("its name there is {} now", now.root.file_name().unwrap_or_default().display())
        } else {
            return None;
        };
        Some(described(path, &how))
    }
}

/// Returns true if `root` has the name of a file that was called `name` and was put away. Any other one
/// may have been mounted on purpose, as through a link of the node.
fn is_put_away(name: &Path, root: &Path) -> bool {
    let names = name.to_str().zip(root.file_name().and_then(|name| name.to_str()));
    let Some(rest) = names.and_then(|(name, now)| now.strip_prefix(name)) else { return false };
    rest.starts_with('~')
        || rest.ends_with('~')
        || rest.strip_prefix(['.', '-', '_']).is_some_and(|rest| PUT_AWAY.contains(&rest))
}

/// Returns a path without links, also one at which nothing is.
fn resolved(path: &Path) -> PathBuf {
    let whole = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let with_name = || Some(whole.parent()?.canonicalize().ok()?.join(whole.file_name()?));
    whole.canonicalize().ok().or_else(with_name).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(root: &str) -> Mounted {
        let line = format!("1 0 8:1 / / rw - ext4 d rw\n2 1 8:1 {root} /host/nfsmount.conf ro - ext4 d rw\n");
        Mounted::of(Path::new("/host/nfsmount.conf"), &MountTable::parse(line.as_bytes()))
    }

    #[test]
    fn a_mounted_file_that_was_put_away_is_not_the_nodes() {
        let path = Path::new("/host/nfsmount.conf");
        for (root, expected) in [
            ("/etc/nfsmount.conf", false),
            ("/etc/nfsmount.conf~", true),
            ("/etc/nfsmount.conf.~1~", true),
            ("/etc/nfsmount.conf.bak", true),
            ("/etc/nfsmount.conf.dpkg-old", true),
            ("/etc/nfsmount.conf-old", true),
            // It has another hard link.
            ("/etc/nfsmount.conf//deleted", true),
            // Mounted there on purpose, by its own name or through a link.
            ("/srv/nfs/site.conf", false),
            ("/etc/nfsmount.conf.site", false),
            ("/etc/nfsmount.conf-2024", false),
        ] {
            let said = mounted(root).replaced(None, path);
            assert_eq!(said.is_some(), expected, "{root}: {said:?}");
            // Its place at the first look is the right one.
            assert_eq!(mounted(root).replaced(Some(&mounted(root)), path), said, "{root}");
        }
        let none = Mounted::of(Path::new("/etc/nfsmount.conf"), &MountTable::default());
        assert_eq!(none.replaced(Some(&mounted("/etc/nfsmount.conf")), path), None);
    }

    #[test]
    fn whatever_name_a_file_gets_later_it_was_replaced() {
        let path = Path::new("/host/nfsmount.conf");
        for first in ["/etc/nfsmount.conf", "/etc/nfsmount.conf.site"] {
            for now in ["/root/nfsmount.conf", "/etc/nfsmount.conf1", "/etc/new", "/etc.old/nfsmount.conf"] {
                let said = mounted(now).replaced(Some(&mounted(first)), path).unwrap_or_default();
                assert!(said.contains(&format!("it was {first} there, and is {now} now")), "{now}: {said}");
            }
        }
        // Another mount was made on purpose.
        let mut other = mounted("/etc/nfsmount.conf");
        if let Some(origin) = &mut other.mount {
            origin.id = 7;
        }
        assert_eq!(mounted("/root/nfsmount.conf").replaced(Some(&other), path), None);
    }

    #[test]
    fn a_path_leads_to_its_mount_whatever_way_it_goes() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        std::fs::create_dir(root.join("host")).expect("a folder");
        std::os::unix::fs::symlink("host", root.join("link")).expect("a link");
        for name in
            ["host/nfsmount.conf", "host/./nfsmount.conf", "host/../host/nfsmount.conf", "link/nfsmount.conf"]
        {
            let expected = root.join("host/nfsmount.conf");
            assert_eq!(resolved(&root.join(name)), expected, "{name}, and nothing is there");
            std::fs::write(&expected, "").expect("a file");
            assert_eq!(resolved(&root.join(name)), expected, "{name}");
            std::fs::remove_file(&expected).expect("removed");
        }
        let here = std::env::current_dir().expect("a directory").canonicalize().expect("a path");
        assert_eq!(resolved(Path::new("no-such.conf")), here.join("no-such.conf"));
    }
}
