//! Finds what takes directories of Pods out of sight: a mount over their directory, and another
//! directory that has its name now.

use std::collections::HashMap;
use std::fs::Metadata;
use std::iter;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::mounts::{Mount, MountTable};
use crate::count::counted;

/// The directory that a path led to at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Returns that of a directory on this mount; `None` on an overlay, whose numbers of inodes may
    /// change while no process has the directory open
    /// (<https://docs.kernel.org/filesystems/overlayfs.html>, "Inode properties").
    pub(super) fn of(metadata: &Metadata, mount: &Mount) -> Option<Self> {
        mount.overlay.is_none().then(|| Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Returns why volumes may be out of sight, if another directory had the name at the first check.
    pub(super) fn replaced(first: Option<Self>, now: Option<Self>) -> Option<String> {
        let is_other = first.zip(now).is_some_and(|(first, now)| first != now);
        is_other.then(|| {
            "another directory than at the first check has this name, so the volumes of Pods in the earlier one are not seen; restart node-check if the kubelet uses this one"
                .to_owned()
        })
    }
}

/// Returns why volumes are out of sight, if a mount on the directory of Pods, or on one above it, hides
/// mounts of Pods. The kubelet mounts a volume for the token of nearly every Pod.
pub(super) fn covered(table: &MountTable, pods_dir: &Path) -> Option<String> {
    let on = table.mount_of(pods_dir)?;
    let by_id: HashMap<i32, &Mount> = table.mounts().map(|mount| (mount.id, mount)).collect();
    let is_below = |mount: &Mount| mount.point != pods_dir && mount.point.starts_with(pods_dir);
    // At most as many steps as mounts, so that a table with a cycle ends.
    let lies_on = |mount: &Mount| {
        let parent = |mount: &&Mount| by_id.get(&mount.parent).copied();
        let mut above = iter::successors(by_id.get(&mount.parent).copied(), parent).take(by_id.len());
        above.find(|above| !is_below(above))
    };
    let is_hidden = |mount: &&Mount| {
        is_below(mount)
            && lies_on(mount).is_some_and(|above| above.id != on.id)
            // A bind mount of the kubelet's directory on itself has each mount twice, by propagation
            // (mount_namespaces(7)), and hides the copy.
            && table.mount_of(&mount.point).is_none_or(|seen| seen.point != mount.point)
    };
    let hidden = table.mounts().filter(is_hidden).count();
    (hidden > 0).then(|| {
        format!(
            "{} is mounted at {} and hides {} of Pods, so their volumes are not seen; unmount it",
            on.kind,
            on.point.display(),
            counted(hidden, "mount")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Option<String> {
        let text = format!("1 0 8:1 / / rw - ext4 d rw\n{}\n", lines.join("\n"));
        covered(&MountTable::parse(text.as_bytes()), Path::new("/k/pods"))
    }

    #[test]
    fn a_mount_that_hides_those_of_pods_is_named() {
        const TOKEN: &str = "10 1 0:9 / /k/pods/u/volumes/kubernetes.io~projected/t rw - tmpfs t rw";
        const SECRET: &str = "11 10 0:8 / /k/pods/u/volumes/kubernetes.io~projected/t/s rw - tmpfs t rw";
        let over = |point: &str| format!("20 1 0:7 / {point} rw - tmpfs t rw");
        for (lines, hidden) in [
            (vec![TOKEN], None),
            // A disk of its own, with what was mounted there later.
            (vec![&*over("/k/pods"), "10 20 0:9 / /k/pods/u/t rw - tmpfs t rw"], None),
            (vec![&*over("/k/pods")], None),
            (vec![TOKEN, SECRET, &*over("/k/pods")], Some("2 mounts")),
            (vec![TOKEN, &*over("/k")], Some("1 mount")),
            // Over the directory of one Pod alone: it is looked at as it is.
            (vec![TOKEN, &*over("/k/pods/u")], None),
            (vec![TOKEN, &*over("/k/plugins")], None),
            // The kubelet's directory on itself, with both copies of a mount.
            (
                vec![
                    TOKEN,
                    "20 1 8:1 /k /k rw - ext4 d rw",
                    "21 20 0:9 / /k/pods/u/volumes/kubernetes.io~projected/t rw - tmpfs t rw",
                ],
                None,
            ),
        ] {
            let said = said(&lines);
            assert_eq!(said.is_some(), hidden.is_some(), "{lines:?}: {said:?}");
            let words = hidden.unwrap_or_default();
            assert!(said.unwrap_or_default().contains(words), "{lines:?}");
        }
    }

    #[test]
    fn a_directory_is_another_one_by_its_inode() {
        let (one, other) = (Identity { device: 1, inode: 2 }, Identity { device: 1, inode: 3 });
        assert!(Identity::replaced(Some(one), Some(other)).is_some());
        for (first, now) in [(Some(one), Some(one)), (None, Some(one)), (Some(one), None)] {
            assert_eq!(Identity::replaced(first, now), None);
        }
    }
}
