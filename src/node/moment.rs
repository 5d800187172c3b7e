//! Reads the node's `/proc` at one moment: the mounts as the kubelet sees them, the mounts of
//! containers, and the processes that mount.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::apart::{self, Apart};
use super::covered;
use super::file_system::Other;
use super::mounts::{Location, Mount, MountTable};
use super::processes::{self, Mounter, Namespace, Process};
use super::reach::Waiting;
use super::volumes::VolumeId;
use super::{Error, proc_error};

/// The step in the path of every directory that the kubelet has for a kind of plugins, such as `csi`
/// and `flexvolume`.
const PLUGINS: &str = "/plugins/kubernetes.io/";

/// The kubelet's directory, in that of a Pod, of parts of volumes.
const SUBPATHS: &str = "volume-subpaths";

/// A mount table in which kubelet's mounts stand.
#[derive(Debug)]
struct Reference {
    table: MountTable,
    /// The node's names for the directory of Pods; never empty.
    pods_dirs: Vec<PathBuf>,
}

/// The contents of the node's `/proc` at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    /// The node's name for the directory of Pods.
    pub(super) pods_dir: PathBuf,
    /// Processes that mount something, by number.
    pub(super) mounters: Vec<Mounter>,
    /// True if rpc.statd runs.
    pub(super) has_statd: bool,
    /// Volumes of CSI drivers that are mounted in a namespace of their own.
    apart: HashMap<VolumeId, Apart>,
    references: Vec<Reference>,
    /// Every mount point in the kubelet's eyes.
    points: BTreeSet<PathBuf>,
    /// By the directory that a container has mounted, on each file system that is looked for.
    holders: Holders,
    /// Mounts of the node that may wait, once they are requested.
    waiting: OnceLock<Waiting>,
}

/// Processes that have directories mounted: by device, and by directory on it.
type Holders = HashMap<String, BTreeMap<PathBuf, Vec<Holder>>>;

/// A process that has a directory mounted, and where: a container's, or the node's own, for a mount
/// from which the kubelet gives a container a part of a volume (`subPath`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    /// The first process of its namespace.
    pub(super) pid: i32,
    /// Its name.
    pub(super) name: String,
    /// The directory, from the root of its file system.
    pub(super) root: PathBuf,
    /// The path of the mount in the container.
    pub(super) point: PathBuf,
    /// Further mounts of the container at or beneath that, which are not the
    /// directory's own file system.
    pub(super) closed: Vec<PathBuf>,
    /// The reason why the path must not be walked.
    pub(super) obstacle: Option<String>,
    /// The overlays that the path leads through, with their options: they may wait as well.
    pub(super) overlays: Vec<(PathBuf, Arc<str>)>,
    /// Of a mount of the node's own its path from the directory of Pods.
    pub(super) in_pods: Option<PathBuf>,
}

/// The mount that a volume's directory leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mounted {
    /// NFS.
    Nfs,
    /// Another file system than NFS, and than that of the directory itself.
    Other(Other),
    /// Another directory of the same file system.
    OnDisk(Location),
    /// The directory itself: nothing is mounted.
    Nothing,
}

impl Moment {
    /// Reads all of it; `given` is what this process calls the directory of Pods. `None` where the
    /// node's mounts do not show the directory of Pods.
    ///
    /// # Errors
    ///
    /// When the first process's mounts cannot be read and understood.
    pub(super) fn read(proc_dir: &Path, pods: &Location, given: &Path) -> Result<Option<Self>, Error> {
        let processes = processes::list(proc_dir).map_err(|source| proc_error(proc_dir, source))?;
        let mut namespaces = processes::namespaces(proc_dir, &processes);
        // A process that sees the kubelet's directory is the kubelet's or a driver's. A container
        // could call a process anything.
        let mounters = processes::mounters(proc_dir, &processes, |process| {
            namespaces.iter().any(|namespace| namespace.has(process) && namespace.table.shows(pods))
        });
        let first = proc_dir.join("1/mountinfo");
        match namespaces.iter().find(|namespace| namespace.processes.iter().any(is_first)) {
            // A line that is not understood could be the mount that is looked for: no verdict
            // without it.
            Some(namespace) if namespace.table.malformed == 0 => {}
            Some(_) => {
                let error =
                    io::Error::new(io::ErrorKind::InvalidData, "it contains lines that are not mounts");
                return Err(proc_error(&first, error));
            }
            None => {
                // Read again for the reason, which the list of processes does not keep.
                let error = std::fs::read(&first).err().unwrap_or(io::ErrorKind::InvalidData.into());
                return Err(proc_error(&first, error));
            }
        }
        let holders = holders(&namespaces, pods, &places_of_others(&namespaces, pods));
        let apart = apart::of(&namespaces, pods);
        // kubelet may mount in a namespace of its own, which the first process does not see.
        namespaces.sort_by_key(|namespace| !namespace.processes.iter().any(is_first));
        let references: Vec<Reference> = namespaces
            .into_iter()
            .filter(is_kubelets)
            .map(|Namespace { table, .. }| Reference { pods_dirs: table.paths_of(pods), table })
            .filter(|reference| !reference.pods_dirs.is_empty())
            .collect();
        let mut names = references.iter().flat_map(|reference| &reference.pods_dirs);
        // The name that was given is the one a person knows, where the node has it too.
        let Some(pods_dir) = names.clone().find(|name| *name == given).or_else(|| names.next()).cloned()
        else {
            return Ok(None);
        };
        let has_statd = processes.iter().any(|process| process.name == "rpc.statd");
        let tables = references.iter().flat_map(|reference| reference.table.mounts());
        let points = tables.map(|mount| mount.point.clone()).collect();
        Ok(Some(Self {
            pods_dir,
            mounters,
            has_statd,
            apart,
            references,
            points,
            holders,
            waiting: OnceLock::new(),
        }))
    }

    /// Returns the mounts of the node that may wait for a server.
    pub(super) fn waiting(&self) -> &Waiting {
        self.waiting.get_or_init(|| Waiting::of(self.references.iter().map(|reference| &reference.table)))
    }

    /// Returns the mount that a directory below that of Pods leads to.
    pub(super) fn mounted(&self, pods: &Location, folder: &Path) -> Mounted {
        let own = pods.join(folder);
        let mut mounted = Mounted::Nothing;
        for Reference { table, pods_dirs } in &self.references {
            for path in pods_dirs.iter().map(|pods_dir| pods_dir.join(folder)) {
                let Some((mount, location)) = table.find(&path) else { continue };
                // A node with its root on NFS may mount volumes of the same superblock.
                let is_of_other_export = || Some(table.mount_of(pods_dirs.first()?)?.source != mount.source);
                let is_beside = location.device == own.device && location != own;
                if is_beside && mount.nfs.is_some() && is_of_other_export() == Some(true) {
                    return Mounted::Nfs;
                }
                // One name that leads to another file system is enough: the others are copies of
                // the same tree.
                match &mounted {
                    _ if location.device != own.device && mount.nfs.is_some() => return Mounted::Nfs,
                    Mounted::Nothing | Mounted::OnDisk(_) if location.device != own.device => {
                        mounted = Mounted::Other(Other::of(mount, location));
                    }
                    Mounted::Nothing if location != own => mounted = Mounted::OnDisk(location),
                    _ => {}
                }
            }
        }
        mounted
    }

    /// Returns the mounts below a directory of the node, from it.
    pub(super) fn mounts_below(&self, folder: &Path) -> Vec<PathBuf> {
        // A path comes before those below it, and they come before any other.
        let from = self.points.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        from.map_while(|point| point.strip_prefix(folder).ok()).map(Path::to_owned).collect()
    }

    /// Returns the mount of a volume in another namespace than kubelet's.
    pub(super) fn mounted_apart(&self, id: &VolumeId) -> Option<&Apart> {
        self.apart.get(id)
    }

    /// Returns the mount on a directory below that of Pods, as the kubelet sees it.
    pub(super) fn mount_on(&self, folder: &Path) -> Option<&Mount> {
        self.references.iter().find_map(|Reference { table, pods_dirs }| {
            pods_dirs.iter().find_map(|pods_dir| {
                let point = pods_dir.join(folder);
                table.mount_of(&point).filter(|mount| mount.point == point)
            })
        })
    }

    /// Returns every NFS mount in kubelet's eyes outside of the directory of Pods, in no order.
    pub(super) fn nfs_mounts_elsewhere(&self) -> impl Iterator<Item = &Mount> {
        self.references.iter().flat_map(|Reference { table, pods_dirs }| {
            let is_outside = |mount: &&Mount| !pods_dirs.iter().any(|folder| mount.point.starts_with(folder));
            table.mounts().filter(|mount| mount.nfs.is_some()).filter(is_outside)
        })
    }

    /// Returns true if a process with this table sees the mounts of the node's first process.
    pub(super) fn is_seen_with(&self, own: &MountTable) -> bool {
        self.references.first().is_some_and(|reference| reference.table.is_same(own))
    }

    /// Returns why volumes are out of sight of the node itself.
    pub(super) fn covered(&self) -> Option<String> {
        let of_node = self.references.first()?;
        covered::covered(&of_node.table, of_node.pods_dirs.first()?)
    }

    /// Returns the node's names for a directory, the best one first.
    pub(super) fn paths_of(&self, location: &Location) -> Vec<PathBuf> {
        self.references.iter().flat_map(|reference| reference.table.paths_of(location)).collect()
    }

    /// Returns the volume that a process mounts, if it is one.
    pub(super) fn volume_of(&self, mounter: &Mounter) -> Option<VolumeId> {
        let names = self.references.iter().flat_map(|reference| &reference.pods_dirs);
        names
            .flat_map(|pods_dir| mounter.target.strip_prefix(pods_dir))
            .find_map(VolumeId::of_path)
            .or_else(|| VolumeId::of_target(&mounter.target))
    }

    /// Returns true if a path is in a directory of the kubelet's for plugins: it or a driver mounts
    /// there before a Pod gets the volume.
    pub(super) fn is_of_plugins(&self, path: &Path) -> bool {
        let mut names = self.references.iter().flat_map(|reference| &reference.pods_dirs);
        let is_in = |pods_dir: &PathBuf| {
            let root = pods_dir.parent().filter(|_| pods_dir.ends_with("pods"));
            root.is_some_and(|root| path.starts_with(root.join("plugins")))
        };
        // A driver's container may have another name for the directory.
        names.any(is_in) || path.to_string_lossy().contains(PLUGINS)
    }

    /// Returns the containers that have mounted a directory or what is in it, those of directories
    /// further up first, as far as it lies on the file system of the directory of Pods, or on one that
    /// is mounted in the place of a volume and is no NFS.
    pub(super) fn holders(&self, folder: &Location) -> Vec<&Holder> {
        let on_device = self.holders.get(&folder.device).into_iter();
        on_device
            .flat_map(|holders| holders.range(folder.path.clone()..))
            .take_while(|(path, _)| path.starts_with(&folder.path))
            .flat_map(|(_, holders)| holders)
            .collect()
    }
}

fn is_first(process: &Process) -> bool {
    process.pid == 1
}

pub(super) fn is_kubelets(namespace: &Namespace) -> bool {
    namespace.processes.iter().any(|process| is_first(process) || process.is_kubelet)
}

/// Returns the devices of what is mounted in the place of volumes, is no NFS, and lies on another file
/// system than the directory of Pods.
fn places_of_others(namespaces: &[Namespace], pods: &Location) -> HashSet<String> {
    let mut devices = HashSet::new();
    for namespace in namespaces.iter().filter(|namespace| is_kubelets(namespace)) {
        let names = namespace.table.paths_of(pods);
        let is_volume = |mount: &&Mount| {
            let mut below = names.iter().filter_map(|name| mount.point.strip_prefix(name).ok());
            mount.nfs.is_none()
                && mount.device != pods.device
                && below.any(|path| VolumeId::of_path(path).is_some())
        };
        devices.extend(namespace.table.mounts().filter(is_volume).map(|mount| mount.device.clone()));
    }
    devices
}

/// Returns the mounts from which containers read and write: those of containers, and the node's own
/// for parts of volumes. Of the file system of the directory of Pods, and of the devices `others`.
fn holders(namespaces: &[Namespace], pods: &Location, others: &HashSet<String>) -> Holders {
    let mut holders = Holders::new();
    for namespace in namespaces {
        let Namespace { table, .. } = namespace;
        let Some(process) = namespace.processes.first() else { continue };
        let place = Place::of(namespace, pods);
        let is_node = matches!(place, Place::SeesPods(_, true));
        // Sorted, so that a node with many mounts is not searched for each of them.
        let beside = table.mounts().filter(|other| other.device != pods.device);
        let beside: BTreeSet<&Path> = beside.map(|other| &*other.point).collect();
        for mount in table.mounts() {
            let in_pods = match place.holds(mount, pods, others) {
                Use::ByContainer => None,
                Use::BySubpath(path) => Some(path),
                Use::None => continue,
            };
            let from = beside.range::<Path, _>((Bound::Included(&*mount.point), Bound::Unbounded));
            let closed = from.take_while(|point| point.starts_with(&mount.point));
            let of_device = holders.entry(mount.device.clone()).or_default();
            of_device.entry(mount.root.clone()).or_default().push(Holder {
                pid: process.pid,
                name: process.name.clone(),
                root: mount.root.clone(),
                point: mount.point.clone(),
                closed: closed.map(|point| point.to_path_buf()).collect(),
                obstacle: table.obstacle(mount, is_node),
                overlays: table.overlays_before(mount, is_node),
                in_pods,
            });
        }
    }
    for holders in holders.values_mut().flat_map(BTreeMap::values_mut) {
        // /proc lists processes in no order that a report may depend on.
        holders.sort_unstable();
    }
    holders
}

/// The owner of the mounts of a namespace.
enum Place {
    /// A container's that does not see the directory of Pods.
    Container,
    /// One that sees it under these names; true for the node's own and the kubelet's.
    SeesPods(Vec<PathBuf>, bool),
}

impl Place {
    fn of(namespace: &Namespace, pods: &Location) -> Self {
        if !namespace.table.shows(pods) {
            return Self::Container;
        }
        Self::SeesPods(namespace.table.paths_of(pods), is_kubelets(namespace))
    }

    /// Says which container reads and writes through a mount.
    fn holds(&self, mount: &Mount, pods: &Location, others: &HashSet<String>) -> Use {
        let is_pods = mount.device == pods.device;
        if !is_pods && !others.contains(&mount.device) {
            return Use::None;
        }
        let Self::SeesPods(names, is_node) = self else { return Use::ByContainer };
        // A container that sees the directory of Pods has copies of all mounts in it, and a driver's
        // has its own of the file systems that it mounts.
        if !is_pods {
            return Use::None;
        }
        // The directory of Pods itself, or all of the disk, is given to no Pod as its volume.
        let root = mount.root.strip_prefix(&pods.path).ok();
        if root.and_then(VolumeId::of_path).is_none() {
            return Use::None;
        }
        match (names.iter().find_map(|name| mount.point.strip_prefix(name).ok()), is_node) {
            (Some(rest), true) if is_subpath(rest) => Use::BySubpath(rest.to_owned()),
            (None, false) => Use::ByContainer,
            // A container that sees the node's own mounts has only copies of them there, and a mount
            // that a person made on the node is in use by no container.
            (Some(_), _) | (None, true) => Use::None,
        }
    }
}

/// The use of a mount.
enum Use {
    /// A container has it.
    ByContainer,
    /// The kubelet gives it to a container: its path from the directory of Pods.
    BySubpath(PathBuf),
    /// No container has it.
    None,
}

/// Returns true if the kubelet mounts a part of a volume at a path from the directory of Pods:
/// `UID/volume-subpaths/VOLUME/CONTAINER/INDEX` (`getSubpathBindTarget`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/util/subpath/subpath_linux.go>).
fn is_subpath(path: &Path) -> bool {
    path.components().nth(1).is_some_and(|step| step.as_os_str() == SUBPATHS)
}
