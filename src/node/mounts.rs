//! Mount tables, as `/proc/PID/mountinfo` shows them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use procfs_core::process::MountInfo;

/// The location of a directory, whatever its name in a mount namespace: the device of its file
/// system, and the path from that file system's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Location {
    /// Major and minor number of the device.
    pub(super) device: String,
    /// The path on it.
    pub(super) path: PathBuf,
}

impl Location {
    /// Returns a directory beneath this one, on the same file system.
    #[must_use]
    pub(super) fn join(&self, rest: &Path) -> Self {
        Self { device: self.device.clone(), path: self.path.join(rest) }
    }
}

/// The mounts of one namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct MountTable {
    mounts: HashMap<i32, Mount>,
    /// The mounts on each mount, with their paths.
    // By the bytes of a path: its steps take far longer to hash, and none here has an empty one.
    on: HashMap<i32, HashMap<OsString, i32>>,
    /// The mount at which every walk begins. Found once: a search for it at each step would take the
    /// square of the time on a node with many mounts.
    root: Option<i32>,
    /// Lines that could not be read.
    pub(super) malformed: usize,
}

/// One mount.
#[derive(Debug, Clone)]
pub(super) struct Mount {
    /// Its number, which no other mount has at the same time.
    pub(super) id: i32,
    pub(super) parent: i32,
    /// Major and minor number of its file system's device.
    pub(super) device: String,
    /// The type of its file system.
    pub(super) kind: String,
    /// The directory of its file system that is mounted.
    pub(super) root: PathBuf,
    /// True if what is mounted was deleted, or another file has its name now.
    pub(super) is_deleted: bool,
    /// The mount point.
    pub(super) point: PathBuf,
    /// The source of the mount, as the mount command names it.
    pub(super) source: String,
    /// The options of its file system, as the kernel shows them.
    pub(super) options: HashMap<String, Option<String>>,
    /// Of an NFS mount its own options and those of its file system, as the kernel shows them.
    pub(super) nfs: Option<String>,
    /// Of an overlay the options of its file system, in which its layers are.
    pub(super) overlay: Option<Arc<str>>,
}

impl MountTable {
    /// Reads the text of a mountinfo file.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match Mount::parse(line) {
                Some(mount) => {
                    let on = table.on.entry(mount.parent).or_default();
                    on.insert(mount.point.clone().into_os_string(), mount.id);
                    table.mounts.insert(mount.id, mount);
                }
                None => table.malformed += 1,
            }
        }
        table.root = table.find_root().map(|mount| mount.id);
        table
    }

    /// Returns the location of `path`, absolute and without links; `None` where the table shows no
    /// mount it is on. Goes down as the kernel does: the last of several mounts on one directory
    /// counts, and what a mount further up hides does not.
    pub(super) fn locate(&self, path: &Path) -> Option<Location> {
        Some(self.find(path)?.1)
    }

    /// Returns the mount that `path` is on, and the location.
    pub(super) fn find(&self, path: &Path) -> Option<(&Mount, Location)> {
        let mount = self.mount_of(path)?;
        let rest = path.strip_prefix(&mount.point).ok()?;
        Some((mount, Location { device: mount.device.clone(), path: joined(&mount.root, rest) }))
    }

    /// Returns the mount that `path` is on.
    pub(super) fn mount_of(&self, path: &Path) -> Option<&Mount> {
        self.way(path).pop()
    }

    /// Returns why the path of a mount must not be walked: it leads elsewhere, or through a file
    /// system that waits for a server. The root of a container may be one as well; that of the node
    /// (`is_node`) is in use by this process.
    pub(super) fn obstacle(&self, mount: &Mount, is_node: bool) -> Option<String> {
        let way = self.way(&mount.point);
        let is_own = |step: &Mount| is_node && step.point == Path::new("/");
        let mut before = way.iter().rev().skip(1).filter(|step| !is_own(step));
        if let Some(step) = before.find(|step| !step.is_local()) {
            return Some(format!(
                "the way leads through the mount at {}, which waits for a server ({}): once it answers, look again",
                step.point.display(),
                step.kind
            ));
        }
        let is_it = way.last().is_some_and(|last| last.device == mount.device && last.root == mount.root);
        (!is_it).then(|| format!("another mount of the container covers {}", mount.point.display()))
    }

    /// Returns the mounts in which the steps to `path` are looked up, from the root; the last one is
    /// that which `path` is on.
    pub(super) fn way(&self, path: &Path) -> Vec<&Mount> {
        let Some(mut mount) = self.root() else { return Vec::new() };
        let mut way: Vec<&Mount> = Vec::new();
        // At most as many steps as mounts, so that a table with a cycle ends the walk.
        let mut left = self.mounts.len();
        let mut steps: Vec<&Path> = path.ancestors().collect();
        // From the root down, as the kernel walks: a mount on /a hides one on /a/b.
        steps.reverse();
        for step in steps {
            while let Some(next) = self.mounted_on(mount.id, step).filter(|_| left > 0) {
                mount = next;
                left -= 1;
            }
            if way.last().is_none_or(|last| last.id != mount.id) {
                way.push(mount);
            }
        }
        way
    }

    /// Returns true if this is the table of the same namespace: the number of a mount is that of no
    /// other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.root().map(|mount| mount.id) == other.root().map(|mount| mount.id)
    }

    /// Returns every name that this namespace has for a directory, the shortest first: a bind
    /// mount gives it another one.
    pub(super) fn paths_of(&self, location: &Location) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self
            .mounts
            .values()
            .filter(|mount| mount.device == location.device)
            .filter_map(|mount| Some(joined(&mount.point, location.path.strip_prefix(&mount.root).ok()?)))
            .filter(|path| self.locate(path).as_ref() == Some(location))
            .collect();
        // The shortest name is most likely the one that a person knows.
        paths.sort_unstable_by(|a, b| (a.as_os_str().len(), a).cmp(&(b.as_os_str().len(), b)));
        paths.dedup();
        paths
    }

    /// Returns true if the directory, or one above it, is mounted here.
    pub(super) fn shows(&self, location: &Location) -> bool {
        self.mounts
            .values()
            .any(|mount| mount.device == location.device && location.path.starts_with(&mount.root))
    }

    /// Returns every mount, in no order.
    pub(super) fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.mounts.values()
    }

    fn root(&self) -> Option<&Mount> {
        self.mounts.get(&self.root?)
    }

    fn find_root(&self) -> Option<&Mount> {
        let at_root = || self.mounts.values().filter(|mount| mount.point == Path::new("/"));
        at_root()
            // The root of a namespace has a parent outside of it (proc_pid_mountinfo(5)).
            .find(|mount| !self.mounts.contains_key(&mount.parent))
            .or_else(|| at_root().min_by_key(|mount| mount.id))
    }

    fn mounted_on(&self, id: i32, point: &Path) -> Option<&Mount> {
        self.mounts.get(self.on.get(&id)?.get(point.as_os_str())?)
    }
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        // The parser takes text. Each byte becomes the character of that number and
        // back, so that a path that is no UTF-8 comes through as it is.
        let text: String = line.iter().copied().map(char::from).collect();
        let info = MountInfo::from_line(&text).ok()?;
        let root = unescape(&info.root)?;
        // A mounted file or directory that was deleted keeps its old name so.
        let (root, is_deleted) = match root.strip_suffix(b"//deleted") {
            Some(name) => (name.to_vec(), true),
            None => (root, false),
        };
        // NFSv4 mounts have the type nfs4, those of NFSv3 nfs.
        let nfs = if matches!(info.fs_type.as_str(), "nfs" | "nfs4") { shown(&text) } else { None };
        let of_superblock = text.rsplit_once(' ').map(|(_, options)| options.into());
        let overlay = of_superblock.filter(|_| info.fs_type == "overlay");
        Some(Self {
            id: info.mnt_id,
            parent: info.pid,
            device: info.majmin,
            kind: info.fs_type,
            root: path(root),
            is_deleted,
            point: path(unescape(info.mount_point.to_str()?)?),
            source: String::from_utf8_lossy(&unescape(&info.mount_source.unwrap_or_default())?).into_owned(),
            options: info.super_options,
            nfs,
            overlay,
        })
    }
}

/// Returns the options of a line: the sixth field, and the last one, of which the parser keeps no
/// order.
fn shown(line: &str) -> Option<String> {
    // Fields after this one are optional and vary in number, so the last one is counted from the
    // end.
    let own = line.split(' ').nth(5)?;
    let (_, of_superblock) = line.rsplit_once(' ')?;
    Some(format!("{own},{of_superblock}"))
}

/// Undoes the kernel's escapes: a backslash and three octal digits for space,
/// tab, line break, backslash and `#`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let digits: Option<u32> = match character {
            '\\' => {
                let ahead = rest.clone();
                // mangle_path of the kernel writes exactly three digits:
                // https://github.com/torvalds/linux/blob/v6.12/fs/seq_file.c
                ahead.take(3).try_fold(0, |number, digit| Some(number * 8 + digit.to_digit(8)?))
            }
            _ => None,
        };
        match digits.and_then(|number| u8::try_from(number).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest.nth(2);
            }
            None => bytes.push(u8::try_from(character).ok()?),
        }
    }
    Some(bytes)
}

/// Joins as [`Path::join`] does, but nothing joined adds no slash.
fn joined(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}

/// Reads a path as the kernel shows it.
pub(super) fn path_of(text: &str) -> Option<PathBuf> {
    unescape(text).map(path)
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(table: &MountTable, path: &str) -> Option<(String, String)> {
        let Location { device, path } = table.locate(Path::new(path))?;
        Some((device, path.display().to_string()))
    }

    fn at(device: &str, path: &str) -> (String, String) {
        (device.to_owned(), path.to_owned())
    }

    const NODE: &[u8] = b"25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
26 25 0:21 / /proc rw - proc proc rw
40 25 0:50 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv rw shared:7 master:2 - nfs4 server:/x rw,vers=4.1
";

    #[test]
    fn a_path_leads_into_what_is_mounted_there() {
        let table = MountTable::parse(NODE);
        let folder = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv";
        assert_eq!(located(&table, folder), Some(at("0:50", "/")));
        assert_eq!(located(&table, &format!("{folder}/a")), Some(at("0:50", "/a")));
        assert_eq!(located(&table, &format!("{folder}x")), Some(at("8:1", &format!("{folder}x"))));
        assert_eq!(table.malformed, 0);
    }

    #[test]
    fn the_last_of_several_mounts_on_a_folder_counts() {
        let table = MountTable::parse(
            b"1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /a rw - nfs s rw\n3 2 8:1 /b /a rw - ext4 d rw\n",
        );
        assert_eq!(located(&table, "/a/x"), Some(at("8:1", "/b/x")));
    }

    #[test]
    fn what_a_later_mount_further_up_hides_counts_for_nothing() {
        let table = MountTable::parse(
            b"1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / /a/b rw - nfs s rw\n3 1 8:2 / /a rw - ext4 e rw\n",
        );
        assert_eq!(located(&table, "/a/b"), Some(at("8:2", "/b")));
    }

    #[test]
    fn a_folder_has_one_location_under_all_its_names() {
        let node = MountTable::parse(NODE);
        let container = MountTable::parse(
            b"90 80 0:70 / / rw - overlay overlay rw\n91 90 8:1 /var/lib/kubelet/pods /host/pods ro - ext4 /dev/sda1 rw\n",
        );
        let location = container.locate(Path::new("/host/pods"));
        assert_eq!(location, node.locate(Path::new("/var/lib/kubelet/pods")));
        let location = location.expect("it is there");
        assert_eq!(node.paths_of(&location), [Path::new("/var/lib/kubelet/pods")]);
        assert!(node.shows(&location) && container.shows(&location));
    }

    #[test]
    fn a_bind_mount_gives_a_folder_a_second_name() {
        let table =
            MountTable::parse(b"1 0 8:1 / / rw - ext4 d rw\n2 1 8:1 /data/kubelet /kubelet rw - ext4 d rw\n");
        let location = table.locate(Path::new("/kubelet/pods")).expect("it is there");
        assert_eq!(table.paths_of(&location), [Path::new("/kubelet/pods"), Path::new("/data/kubelet/pods")]);
    }

    #[test]
    fn names_may_hold_anything() {
        let table = MountTable::parse(
            b"1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 /r\\040s /a\\012b\\134c\\043\\011\\9\xff rw - nfs s\\040t rw\n3 1 0:8 /gone//deleted /d rw - ext4  rw\n",
        );
        let point = path(b"/a\nb\\c#\t\\9\xff".to_vec());
        assert_eq!(table.locate(&point), Some(Location { device: "0:9".to_owned(), path: "/r s".into() }));
        assert_eq!(located(&table, "/d"), Some(at("0:8", "/gone")));
    }

    #[test]
    fn a_way_is_walked_only_through_local_file_systems() {
        for (line, words) in [
            ("0:9 / /mnt rw - tmpfs t rw", ""),
            ("8:2 / /mnt rw - xfs /dev/sdb rw", ""),
            ("0:9 / /mnt rw - nfs4 nas:/x rw", "at /mnt, which waits for a server (nfs4)"),
            ("0:9 / /mnt rw - fuse.sshfs nas:/x rw", "(fuse.sshfs)"),
            ("8:2 / /mnt rw - fuseblk /dev/sdb rw", "(fuseblk)"),
            ("0:9 / /mnt rw - cifs //nas/x rw", "(cifs)"),
        ] {
            let table = |root: &str| {
                let text =
                    format!("1 0 0:8 / / rw - {root} o rw\n2 1 {line}\n3 2 8:1 /v /mnt/b rw - ext4 d rw\n");
                MountTable::parse(text.as_bytes())
            };
            let obstacle = |table: MountTable, is_node: bool| {
                let mount = table.mount_of(Path::new("/mnt/b")).expect("it is there");
                table.obstacle(mount, is_node).unwrap_or_default()
            };
            for (root, is_node) in [("overlay", false), ("overlay", true), ("nfs4", true)] {
                let obstacle = obstacle(table(root), is_node);
                assert!(
                    obstacle.contains(words) && obstacle.is_empty() == words.is_empty(),
                    "{line}: {obstacle}"
                );
            }
            // A container's root may hang, whatever is mounted in it.
            for root in ["fuse", "fuse.overlay", "nfs", "nfs4", "9p"] {
                let said = obstacle(table(root), false);
                assert!(said.contains("which waits for a server"), "{root}: {said}");
            }
        }
        let covered = MountTable::parse(
            b"1 0 0:8 / / rw - overlay o rw\n2 1 8:1 /v /mnt/b rw - ext4 d rw\n3 1 0:9 / /mnt rw - tmpfs t rw\n",
        );
        let mount = covered.mounts().find(|mount| mount.id == 2).expect("it is there");
        assert_eq!(
            covered.obstacle(mount, false).as_deref(),
            Some("another mount of the container covers /mnt/b")
        );
    }

    #[test]
    fn the_options_of_nfs_mounts_keep_their_order() {
        let table = MountTable::parse(NODE);
        let nfs = |path: &str| table.mount_of(Path::new(path)).and_then(|mount| mount.nfs.clone());
        let shown = nfs("/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv");
        assert_eq!(shown.as_deref(), Some("rw,rw,vers=4.1"));
        assert_eq!(nfs("/"), None);
    }

    #[test]
    fn lines_that_make_no_sense_are_counted() {
        let table = MountTable::parse(
            b"1 0 8:1 / / rw - ext4 d rw\nnonsense\n\n1 2 3\n7 7 8:1 / /x rw - ext4 d rw\n",
        );
        assert_eq!(table.malformed, 2);
        assert_eq!(located(&table, "/x"), Some(at("8:1", "/x")));
    }

    #[test]
    fn a_table_without_a_root_shows_nothing() {
        let table = MountTable::parse(b"5 4 8:1 / /elsewhere rw - ext4 d rw\n");
        assert_eq!(located(&table, "/elsewhere"), None);
        assert_eq!(located(&MountTable::default(), "/"), None);
    }
}
