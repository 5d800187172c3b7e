//! The mounts on which a look may wait for a server or a daemon: those of a network or of FUSE, and
//! each overlay with a layer on one of them, such as the root of a container whose image is pulled
//! when it is read (stargz, nydus).

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::OWN_MOUNTS;
use super::moment::{Holder, Moment};
use super::mounts::{Mount, MountTable, path_of};

/// Links that one path leads through at most, as for the kernel.
const LINKS: usize = 40;

/// Mount points of what may wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashSet<PathBuf>);

impl Waiting {
    /// Returns those of one namespace, or of several. The root is in use by the process that looks.
    pub(super) fn of<'a>(tables: impl Iterator<Item = &'a MountTable>) -> Self {
        let (overlays, others): (Vec<&Mount>, Vec<&Mount>) =
            tables.flat_map(MountTable::mounts).partition(|mount| mount.overlay.is_some());
        let others = others.into_iter().filter(|mount| !mount.is_local());
        let mut waiting = Self(others.map(|mount| mount.point.clone()).collect());
        // On a node that boots from the network every path would wait.
        waiting.0.remove(Path::new("/"));
        if waiting.0.is_empty() {
            return waiting;
        }
        let mut rest: Vec<(&Mount, Vec<PathBuf>)> =
            overlays.into_iter().map(|mount| (mount, layers(mount))).collect();
        // An overlay may be a layer of another one.
        loop {
            let (found, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(_, layers)| waiting.of_layers(layers, None).is_some());
            if found.is_empty() {
                return waiting;
            }
            waiting.0.extend(found.into_iter().map(|(mount, _)| mount.point.clone()));
            waiting.0.remove(Path::new("/"));
            rest = others;
        }
    }

    /// Returns why a look through an overlay with these layers may wait. `own` is the table of this
    /// process, if that is the node's, so that it may follow links.
    fn of_layers(&self, layers: &[PathBuf], own: Option<&MountTable>) -> Option<Layer> {
        if self.0.is_empty() {
            return None;
        }
        let found = || layers.iter().filter_map(|layer| self.of_layer(layer, own));
        found().find(|layer| matches!(layer, Layer::On(_))).or_else(|| found().next())
    }

    /// Returns why a look through this layer may wait. One that is no full path starts where the runtime was
    /// when it mounted, which nothing shows: each mount that ends with its first steps may be it. One step
    /// alone says too little: snapshots of containerd have numbers.
    fn of_layer(&self, layer: &Path, own: Option<&MountTable>) -> Option<Layer> {
        let unclear = || Layer::Unclear(layer.to_owned());
        if layer.is_absolute() {
            if let Some(point) = layer.ancestors().find_map(|folder| self.0.get(folder)) {
                return Some(Layer::On(point.clone()));
            }
            return match own.map(|own| self.first_on_way(layer, own)) {
                Some(Followed::Waits(way)) => Some(Layer::On(way.point)),
                Some(Followed::Through) => None,
                Some(Followed::Unclear) => Some(unclear()),
                None => leads_elsewhere(layer).then(unclear),
            };
        }
        let is_at_end = |point: &&PathBuf| {
            let mut heads = layer.ancestors();
            heads.any(|head| (head == layer || head.components().count() > 1) && point.ends_with(head))
        };
        let on = self.0.iter().find(is_at_end).map(|point| Layer::On(point.clone()));
        on.or_else(|| (!is_snapshot(layer)).then(unclear))
    }

    /// Returns why an overlay with these options may wait.
    fn of_options(&self, options: &str, own: Option<&MountTable>) -> Option<Layer> {
        self.of_layers(&layers_of(options), own)
    }

    /// Follows a path to the first of these mounts.
    fn first_on_way(&self, path: &Path, table: &MountTable) -> Followed {
        let mut left: VecDeque<OsString> = steps(path).into();
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        while let Some(step) = left.pop_front() {
            match Path::new(&step).components().next() {
                Some(Component::RootDir) => at = PathBuf::from("/"),
                Some(Component::ParentDir) => drop(at.pop()),
                Some(Component::Normal(name)) => at.push(name),
                _ => continue,
            }
            let Some(mount) = table.mount_of(&at) else { return Followed::Unclear };
            if self.0.contains(&mount.point) {
                return Followed::Waits(Way { point: mount.point.clone(), kind: mount.kind.clone() });
            }
            // Its links are other ones for another process.
            if mount.kind == "proc" {
                return Followed::Unclear;
            }
            match fs::read_link(&at) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS {
                        return Followed::Unclear;
                    }
                    // A relative target starts at the directory of the link.
                    at.pop();
                    for step in steps(&target).into_iter().rev() {
                        left.push_front(step);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                Err(_) => return Followed::Unclear,
            }
        }
        Followed::Through
    }
}

/// The end of following a path.
#[derive(Debug, PartialEq, Eq)]
enum Followed {
    Waits(Way),
    /// No mount on it waits.
    Through,
    /// Nothing shows the place that it leads to.
    Unclear,
}

/// The layer for which an overlay may wait.
#[derive(Debug, PartialEq, Eq)]
enum Layer {
    /// It is on this mount.
    On(PathBuf),
    /// Nothing shows the place that it leads to.
    Unclear(PathBuf),
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(point) => write!(formatter, "an overlay with a layer on {}", point.display()),
            Self::Unclear(layer) => {
                write!(formatter, "an overlay whose layer {} cannot be followed", layer.display())
            }
        }
    }
}

/// Returns true if the text of a full path is not its place: that depends on links, or on the process
/// that mounted.
fn leads_elsewhere(layer: &Path) -> bool {
    layer.components().any(|step| step == Component::ParentDir)
        || layer.starts_with("/proc")
        || layer.starts_with("/dev")
}

/// Returns true for a directory of a snapshot as containerd names it, `12/fs`, which is never a link.
/// Docker's `l/NAME` is one.
fn is_snapshot(layer: &Path) -> bool {
    let text = layer.to_str().and_then(|layer| layer.strip_suffix("/fs"));
    text.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn steps(path: &Path) -> Vec<OsString> {
    path.components().map(|step| step.as_os_str().to_owned()).collect()
}

impl Holder {
    /// Returns the same with what keeps its path from being walked: an overlay on the way that waits.
    pub(super) fn checked(&self, moment: &Moment, own: &MountTable) -> Self {
        let own = moment.is_seen_with(own).then_some(own);
        let obstacle = || {
            self.overlays.iter().find_map(|(point, options)| {
                let layer = moment.waiting().of_options(options, own)?;
                Some(format!(
                    "the way leads through the mount at {}, {layer}, which may wait for a server",
                    point.display(),
                ))
            })
        };
        Self { obstacle: self.obstacle.clone().or_else(obstacle), ..self.clone() }
    }
}

impl MountTable {
    /// Returns the overlays in which the steps to a mount are looked up, with their options. That of the
    /// node's root (`is_node`) is in use by this process.
    pub(super) fn overlays_before(&self, mount: &Mount, is_node: bool) -> Vec<(PathBuf, Arc<str>)> {
        let way = self.way(&mount.point);
        let before = way.iter().rev().skip(1);
        let others = before.filter(|step| !(is_node && step.point == Path::new("/")));
        others.filter_map(|step| Some((step.point.clone(), step.overlay.clone()?))).collect()
    }
}

/// Returns the layers of an overlay.
fn layers(mount: &Mount) -> Vec<PathBuf> {
    mount.overlay.as_deref().map(layers_of).unwrap_or_default()
}

/// Reads the directories in the options of an overlay, as mountinfo shows them: `lowerdir=A:B`, where a
/// backslash is before a colon of a name, and since Linux 6.8 `lowerdir+=A` for each
/// (<https://docs.kernel.org/filesystems/overlayfs.html>).
fn layers_of(options: &str) -> Vec<PathBuf> {
    let mut layers = Vec::new();
    for option in options.split(',') {
        let Some((name, value)) = option.split_once('=') else { continue };
        match name {
            "lowerdir" => layers.extend(parts(value).iter().filter_map(|part| path_of(part))),
            "lowerdir+" | "datadir+" | "upperdir" => layers.extend(path_of(value)),
            _ => {}
        }
    }
    layers.retain(|layer| !layer.as_os_str().is_empty());
    layers
}

/// Cuts at each colon that has no backslash before it; mountinfo shows that one as `\134`.
fn parts(list: &str) -> Vec<String> {
    const MARK: &str = "\\134";
    let mut parts = vec![String::new()];
    let mut rest = list;
    while let Some(character) = rest.chars().next() {
        let marked = rest.strip_prefix(MARK).and_then(|after| Some((after, after.chars().next()?)));
        let (text, after) = match (marked, character) {
            (Some((after, ':')), _) => (":", after.strip_prefix(':').unwrap_or(after)),
            (_, ':') => {
                parts.push(String::new());
                rest = rest.strip_prefix(':').unwrap_or_default();
                continue;
            }
            _ => rest.split_at_checked(character.len_utf8()).unwrap_or((rest, "")),
        };
        if let Some(part) = parts.last_mut() {
            part.push_str(text);
        }
        rest = after;
    }
    parts
}

/// A path that leads through, or to, a mount that may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The mount.
    pub point: PathBuf,
    /// Its file system.
    pub kind: String,
}

/// The mounts of this process.
#[derive(Debug)]
pub struct Ways {
    table: MountTable,
    waiting: Waiting,
}

impl Ways {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn read() -> io::Result<Self> {
        let table = MountTable::parse(&fs::read(OWN_MOUNTS)?);
        let waiting = Waiting::of(std::iter::once(&table));
        Ok(Self { table, waiting })
    }

    /// Returns true if a path may wait: one of the mounts is no local file system, or is an overlay,
    /// because its layers may be on any mount, also of another namespace. The root is in use by this
    /// process.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        let others = || self.table.mounts().filter(|mount| mount.point != Path::new("/"));
        others().any(|mount| mount.overlay.is_some() || !mount.is_local())
    }

    /// Returns the first mount on the way to a path that is known to wait. Reads the links before it,
    /// and so may wait itself.
    #[must_use]
    pub fn first(&self, path: &Path) -> Option<Way> {
        match self.waiting.first_on_way(&std::path::absolute(path).ok()?, &self.table) {
            Followed::Waits(way) => Some(way),
            Followed::Through | Followed::Unclear => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(lines: &str) -> Waiting {
        let text = format!("1 0 8:1 / / rw - ext4 d rw\n{lines}");
        Waiting::of(std::iter::once(&MountTable::parse(text.as_bytes())))
    }

    #[test]
    fn an_overlay_waits_with_each_of_its_layers() {
        for (options, waits) in [
            ("rw,lowerdir=/l/2/fs:/l/1/fs,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=/l/1/fs/deep,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=/l/2/fs,upperdir=/l/1/fs/u,workdir=/w", true),
            ("rw,lowerdir=/l/2/fs,lowerdir+=/l/1/fs,userxattr", true),
            ("rw,lowerdir+=/l/2/fs,datadir+=/l/1/fs", true),
            // The runtime was in /l when it mounted these.
            ("rw,lowerdir=2/fs:1/fs,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=2/fs:1/fs/a/b,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=fs,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=/o,upperdir=/u", true),
            // The place of these is not known.
            ("rw,lowerdir=l/ABCDEF,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=./d/../d/low,upperdir=/u,workdir=/w", true),
            ("rw,lowerdir=/l/2/fs,lowerdir+=../../d/low", true),
            ("rw,lowerdir=/x/../d/low,upperdir=/u", true),
            ("rw,lowerdir=/proc/self/fd/9,upperdir=/u", true),
            ("rw,lowerdir=/dev/fd/9,upperdir=/u", true),
            ("rw,lowerdir=/l/2/fs:/l/10/fs,upperdir=/u,workdir=/w", false),
            ("rw,lowerdir=2/fs:10/fs,upperdir=/u,workdir=/w", false),
            ("rw,lowerdir=/a\\134:/l/1/fs,upperdir=/u", false),
            ("rw,lowerdir=/a\\134::/l/1/fs,upperdir=/u", true),
            ("rw,lowerdir=/l/\\040:/l/1\\057fs,upperdir=/u", true),
            ("rw", false),
        ] {
            let all = waiting(
                "2 1 0:9 / /l/1/fs ro - fuse.rawBridge stargz ro\n3 1 0:8 / /o rw - overlay o rw,lowerdir=/l/1/fs:/x\n4 1 0:7 / /mnt/10 rw - nfs4 nas:/10 rw\n",
            );
            assert_eq!(all.of_options(options, None).is_some(), waits, "{options}");
        }
    }

    #[test]
    fn a_node_without_a_mount_that_waits_has_no_overlay_that_does() {
        let all =
            waiting("2 1 0:8 / /o rw - overlay o rw,lowerdir=/l,upperdir=/u\n3 1 0:7 / /t rw - tmpfs t rw\n");
        assert!(all.0.is_empty(), "{all:?}");
    }

    #[test]
    fn an_overlay_may_wait_for_what_no_table_shows() {
        for (line, may) in [("/o rw - overlay o rw,lowerdir=/link/low", true), ("/t rw - tmpfs t rw", false)]
        {
            let table =
                MountTable::parse(format!("1 0 0:5 / / rw - overlay o rw\n2 1 0:8 / {line}\n").as_bytes());
            assert_eq!(Ways { table, waiting: Waiting::default() }.may_wait(), may, "{line}");
        }
    }

    #[test]
    fn a_layer_that_cannot_be_followed_waits() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let base = folder.path().canonicalize().expect("a path");
        for name in ["hangs", "disk", "fds"] {
            fs::create_dir(base.join(name)).expect("a folder");
        }
        std::os::unix::fs::symlink("hangs", base.join("link")).expect("a link");
        let text = format!(
            "1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / {0}/hangs rw - fuse f rw\n3 1 0:4 / {0}/fds rw - proc p rw\n",
            base.display()
        );
        let table = MountTable::parse(text.as_bytes());
        let waiting = Waiting::of(std::iter::once(&table));
        let unclear = |path: &str| Some(Layer::Unclear(base.join(path)));
        for (path, expected) in [
            ("link/low", Some(Layer::On(base.join("hangs")))),
            ("disk/../link/low", Some(Layer::On(base.join("hangs")))),
            ("disk", None),
            ("link/../disk", Some(Layer::On(base.join("hangs")))),
            ("fds/self/fd/9", unclear("fds/self/fd/9")),
            ("gone/low", unclear("gone/low")),
        ] {
            assert_eq!(waiting.of_layers(&[base.join(path)], Some(&table)), expected, "{path}");
        }
    }

    #[test]
    fn a_path_is_followed_as_far_as_nothing_waits() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let base = folder.path().canonicalize().expect("a path");
        fs::create_dir(base.join("hangs")).expect("a folder");
        for (link, target) in [("link", "hangs/pods"), ("far", "./link/../x"), ("loop", "loop")] {
            std::os::unix::fs::symlink(target, base.join(link)).expect("a link");
        }
        let text = format!(
            "1 0 0:5 / / rw - nfs4 nas:/root rw\n2 1 0:9 / {0}/hangs rw - fuse f rw\n3 1 8:1 / {0}/disk rw - ext4 d rw\n",
            base.display()
        );
        let table = MountTable::parse(text.as_bytes());
        let waiting = Waiting::of(std::iter::once(&table));
        for (path, waits) in [
            ("hangs", true),
            ("hangs/pods", true),
            ("link", true),
            ("far/y", true),
            // There is no such directory.
            ("gone/../link/u", false),
            ("hangs2", false),
            ("disk/hangs", false),
            ("loop", false),
            ("gone/there", false),
        ] {
            let way = waiting.first_on_way(&base.join(path), &table);
            let way = if let Followed::Waits(way) = way { Some(way) } else { None };
            let expected = waits.then(|| Way { point: base.join("hangs"), kind: "fuse".to_owned() });
            assert_eq!(way, expected, "{path}");
        }
    }
}
