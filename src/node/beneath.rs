//! The files that a later mount hides from the node, seen through containers that were started before it.

use std::path::{Path, PathBuf};

use super::look::Look;
use super::moment::Holder;
use super::usage::Usage;
use crate::count::counted;

/// The hidden files of a volume, as far as containers reach them.
#[derive(Debug)]
pub(super) struct Beneath {
    /// All that was counted, or the reason why nothing was.
    pub(super) usage: Result<Usage, String>,
    /// The reasons why the counts are not of all, where some were counted.
    pub(super) note: Option<String>,
    /// The directories that together hold the files.
    pub(super) parts: Vec<Part>,
}

/// A directory with files of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its path on the node.
    pub(super) from: PathBuf,
    /// Its path in the volume; empty for the volume itself.
    pub(super) rest: PathBuf,
    /// Mounts below it, from it: they may hang, and are no files of the volume's.
    pub(super) mounts: Vec<PathBuf>,
}

impl Look<'_> {
    /// Counts the files of the directory `top` of the disk. `holders` have it or what is in it, the
    /// directories further up first; those that one of them shows are not counted again.
    pub(super) fn beneath(&mut self, holders: &[&Holder], top: &Path) -> Beneath {
        let (mut sum, mut parts) = (None::<Usage>, Vec::new());
        let (mut faults, mut seen) = (Vec::new(), Vec::<&Holder>::new());
        let mut reached: Vec<&Path> = Vec::new();
        for group in holders.chunk_by(|one, other| one.root == other.root) {
            let Some(root) = group.first().map(|holder| &holder.root) else { continue };
            // The files were counted through a holder of a directory above.
            if seen.iter().any(|holder| holder.covers(root)) {
                continue;
            }
            let part = |holder: &Holder| Part {
                from: holder.on_node(),
                rest: root.strip_prefix(top).unwrap_or(root).to_owned(),
                mounts: holder.mounts(),
            };
            // Each of them shows the same files: the next one is tried only if this one fails.
            let mut tried = group.iter().map(|holder| (holder, self.count_through(holder)));
            let mut fault = None;
            let counted = tried.find_map(|(holder, counted)| match counted {
                Ok(usage) => Some((holder, usage)),
                Err(reason) => {
                    fault.get_or_insert(reason);
                    None
                }
            });
            if let Some((holder, usage)) = counted {
                sum = Some(sum.unwrap_or_default().and(usage));
                seen.push(holder);
                reached.push(root);
                parts.extend((!usage.is_empty()).then(|| part(holder)));
            } else {
                faults.extend(fault);
                // One that this process may not read can be copied by root all the same.
                if let Some(holder) = group.iter().find(|holder| holder.obstacle.is_none()) {
                    reached.push(root);
                    parts.push(part(holder));
                }
            }
        }
        faults.extend(rest_of(&reached, top));
        let reasons = (!faults.is_empty()).then(|| faults.join("; "));
        match (sum, reasons) {
            (Some(mut usage), note) => {
                usage.is_partial |= note.is_some();
                Beneath { usage: Ok(usage), note, parts }
            }
            (None, reasons) => Beneath { usage: Err(reasons.unwrap_or_default()), note: None, parts },
        }
    }
}

/// Directories of a volume that are named; the others are counted.
const NAMED: usize = 3;

/// Says that more of a volume is beneath its mount than the directories that were reached.
fn rest_of(reached: &[&Path], top: &Path) -> Option<String> {
    if reached.is_empty() || reached.contains(&top) {
        return None;
    }
    let names = reached.iter().take(NAMED).map(|root| root.strip_prefix(top).unwrap_or(root));
    let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
    let more = match reached.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {}", counted(more, "more directory")),
    };
    Some(format!(
        "only parts of the volume could be reached (subPath): {}{more}; other files beneath the mount are neither counted nor copied",
        names.join(", ")
    ))
}

impl Holder {
    /// Returns true if the directory `root` of the disk is seen through this one.
    fn covers(&self, root: &Path) -> bool {
        let Ok(rest) = root.strip_prefix(&self.root) else { return false };
        let path = self.point.join(rest);
        !self.closed.iter().any(|closed| path.starts_with(closed))
    }

    /// Returns the mounts below it, from it.
    fn mounts(&self) -> Vec<PathBuf> {
        let below = self.closed.iter().filter_map(|closed| closed.strip_prefix(&self.point).ok());
        let mut below: Vec<PathBuf> =
            below.filter(|rest| !rest.as_os_str().is_empty()).map(Path::to_owned).collect();
        below.sort_unstable();
        below.dedup();
        below
    }

    /// Returns the directory's path through the process, for a person on the node.
    fn on_node(&self) -> PathBuf {
        // The mounts of the first process are those that a shell on the node sees.
        if self.in_pods.is_some() && self.pid == 1 {
            return self.point.clone();
        }
        self.within(&Path::new("/proc").join(self.pid.to_string()).join("root"))
    }

    /// Returns the directory's path, where the root directory of the process is `root`.
    pub(super) fn within(&self, root: &Path) -> PathBuf {
        root.join(self.point.strip_prefix("/").unwrap_or(&self.point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_in_a_container_hides_what_is_below_it() {
        let holder = Holder {
            pid: 7,
            name: String::new(),
            root: "/disk/v".into(),
            point: "/data".into(),
            closed: vec!["/data/cache".into()],
            obstacle: None,
            overlays: Vec::new(),
            in_pods: None,
        };
        for (root, is_covered) in [
            ("/disk/v", true),
            ("/disk/v/app/db", true),
            ("/disk/v/cache", false),
            ("/disk/v/cache/a", false),
            ("/disk/v/caches", true),
            ("/disk/v2", false),
            ("/disk", false),
        ] {
            assert_eq!(holder.covers(Path::new(root)), is_covered, "{root}");
        }
    }
}
