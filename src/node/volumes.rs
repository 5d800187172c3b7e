//! The volume directories that kubelet keeps for its Pods.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::report::VolumeName;

/// kubelet's directory of NFS volumes that it mounts itself.
pub(super) const IN_TREE_NFS: &str = "kubernetes.io~nfs";

/// kubelet's directory of volumes that CSI drivers mount.
pub(super) const CSI: &str = "kubernetes.io~csi";

/// kubelet's directory of devices of `FlexVolume` drivers, from its own: `DRIVER/mounts/VOLUME` is in it
/// (`getDeviceMountPath`, <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/plugin.go>).
const FLEX_DEVICES: [&str; 3] = ["plugins", "kubernetes.io", "flexvolume"];

/// The kubelet's note of a CSI volume.
const VOLUME_DATA: &str = "vol_data.json";

/// More of a `vol_data.json` than this is not read.
const VOLUME_DATA_LIMIT: u64 = 64 << 10;

/// A volume of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VolumeId {
    /// The Pod's uid.
    pub(super) pod: OsString,
    /// The volume as its directory is called: the PersistentVolume, or the name in
    /// the Pod of a volume without one.
    pub(super) name: OsString,
    /// The plugin that mounts it.
    pub(super) plugin: Plugin,
}

/// The plugin that mounts a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Plugin {
    /// kubelet itself.
    InTreeNfs,
    /// A CSI driver.
    Csi,
    /// The script of a `FlexVolume` driver, by the kubelet's directory for it: `VENDOR~DRIVER`.
    Flex(String),
}

impl Plugin {
    fn folder(&self) -> &str {
        match self {
            Self::InTreeNfs => IN_TREE_NFS,
            Self::Csi => CSI,
            Self::Flex(folder) => folder,
        }
    }

    /// Returns the plugin of a directory, which is called as the plugin with `~` for `/`
    /// (`GetPodVolumeDir` of the kubelet); that of a `FlexVolume` driver without a vendor has none
    /// (`EscapeQualifiedName`). Those of the kubelet's other plugins are none of ours.
    fn of_folder(name: &OsStr) -> Option<Self> {
        match name.to_str()? {
            IN_TREE_NFS => Some(Self::InTreeNfs),
            CSI => Some(Self::Csi),
            name => {
                let is_flex = match name.split_once('~') {
                    Some((vendor, driver)) => {
                        !vendor.is_empty() && vendor != "kubernetes.io" && !driver.is_empty()
                    }
                    None => true,
                };
                is_flex.then(|| Self::Flex(name.to_owned()))
            }
        }
    }

    /// Returns the name of a `FlexVolume` driver.
    pub(super) fn flex_driver(&self) -> Option<String> {
        match self {
            Self::InTreeNfs | Self::Csi => None,
            Self::Flex(folder) => Some(folder.replace('~', "/")),
        }
    }
}

impl VolumeId {
    /// Returns the directory on which the volume should be mounted, from kubelet's directory
    /// of Pods.
    pub(super) fn folder(&self) -> PathBuf {
        let volume = self.volume_folder();
        match self.plugin {
            Plugin::InTreeNfs | Plugin::Flex(_) => volume,
            Plugin::Csi => volume.join("mount"),
        }
    }

    /// Returns the kubelet's own directory for the volume.
    pub(super) fn volume_folder(&self) -> PathBuf {
        Path::new(&self.pod).join("volumes").join(self.plugin.folder()).join(&self.name)
    }

    /// Returns its name for a report.
    pub(super) fn report(&self) -> VolumeName {
        VolumeName {
            pod: self.pod.to_string_lossy().into_owned(),
            volume: self.name.to_string_lossy().into_owned(),
            folder: self.volume_folder(),
        }
    }

    /// Returns its name after the kubelet's directory for its plugin: another plugin may have a volume
    /// of the same name in the Pod.
    pub(super) fn with_plugin(&self) -> PathBuf {
        Path::new(self.plugin.folder()).join(&self.name)
    }

    /// Returns the volume that a path from the directory of Pods leads to or into.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let mut steps = path.components().map(Component::as_os_str);
        let pod = steps.next()?;
        if steps.next()? != "volumes" {
            return None;
        }
        let plugin = Plugin::of_folder(steps.next()?)?;
        let name = steps.next()?;
        // One step deeper (GetCSIMounterPath, https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_util.go).
        if plugin == Plugin::Csi && steps.next()? != "mount" {
            return None;
        }
        Some(Self { pod: pod.to_owned(), name: name.to_owned(), plugin })
    }

    /// Returns true if a path is the device of this `FlexVolume`, or in it. kubelet binds the
    /// directory of each Pod to it.
    pub(super) fn has_device(&self, path: &Path) -> bool {
        let Some(driver) = self.plugin.flex_driver() else { return false };
        flex_device(path).is_some_and(|(of, name)| of == driver && name == self.name)
    }

    /// Returns the volume that a path of another namespace leads to, wherever kubelet's
    /// directory is there.
    pub(super) fn of_target(path: &Path) -> Option<Self> {
        path.ancestors()
            .filter(|ancestor| ancestor.file_name() == Some(OsStr::new("pods")))
            .find_map(|pods| Self::of_path(path.strip_prefix(pods).ok()?))
    }
}

/// Returns the driver of a `FlexVolume` and the name of the volume whose device a path is, or in which
/// it is. The name of a driver has a slash, unless it has no vendor.
pub(super) fn flex_device(path: &Path) -> Option<(String, &OsStr)> {
    let steps: Vec<&OsStr> = path.components().map(Component::as_os_str).collect();
    let start = steps.windows(FLEX_DEVICES.len()).position(|window| window == FLEX_DEVICES)?;
    match steps.get(start + FLEX_DEVICES.len()..)? {
        [driver, mounts, name, ..] if *mounts == "mounts" => Some((driver.to_str()?.to_owned(), name)),
        [vendor, driver, mounts, name, ..] if *mounts == "mounts" => {
            Some((format!("{}/{}", vendor.to_str()?, driver.to_str()?), name))
        }
        _ => None,
    }
}

/// The volumes in the kubelet's directory of Pods.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Directories of Pods.
    pub(super) pods: usize,
    /// Their volumes that are or may be NFS.
    pub(super) volumes: Vec<VolumeId>,
    /// The parts that could not be read, from the directory of Pods down.
    pub(super) errors: Vec<(PathBuf, io::Error)>,
    /// The number of these that have something mounted on them, and may have volumes that are not seen.
    pub(super) covered: usize,
}

impl Listing {
    /// Returns true if something is mounted on one of these directories of the kubelet, where it mounts
    /// nothing: it may hang, so it is an error and not read.
    fn is_covered(&mut self, pods_dir: &Path, own: &[&Path], points: &HashSet<&Path>) -> bool {
        let Some(covered) = own.iter().find(|path| points.contains(&*pods_dir.join(path))) else {
            return false;
        };
        let error =
            io::Error::other("something is mounted on this directory of the kubelet, and may hang: not read");
        self.errors.push((covered.to_path_buf(), error));
        self.covered += 1;
        true
    }
}

/// Lists the volumes of all Pods. Looks at names only, and never at `points`, the mount points that
/// this process sees: what is mounted may hang.
///
/// # Errors
///
/// When the directory itself cannot be read.
pub(super) fn list(pods_dir: &Path, points: &HashSet<&Path>) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for pod in folders(pods_dir, points)? {
        // Also a Pod without NFS has this directory; what has none is no Pod's.
        let volumes = Path::new(&pod).join("volumes");
        if listing.is_covered(pods_dir, &[Path::new(&pod), &volumes], points) {
            continue;
        }
        match fs::symlink_metadata(pods_dir.join(&volumes)) {
            Ok(metadata) if metadata.is_dir() => listing.pods += 1,
            Ok(_) => continue,
            Err(error) => {
                if !is_absence(&error) {
                    listing.errors.push((volumes, error));
                }
                continue;
            }
        }
        let plugins = match folders(&pods_dir.join(&volumes), points) {
            Ok(names) => names,
            Err(error) => {
                if !is_absence(&error) {
                    listing.errors.push((volumes, error));
                }
                continue;
            }
        };
        for plugin in plugins.iter().filter_map(|name| Plugin::of_folder(name)) {
            let folder = volumes.join(plugin.folder());
            if listing.is_covered(pods_dir, &[&folder], points) {
                continue;
            }
            match folders(&pods_dir.join(&folder), points) {
                Ok(names) => {
                    for name in names {
                        // That of a CSI volume is the kubelet's own, and the mount is in it.
                        let own = folder.join(&name);
                        if plugin == Plugin::Csi
                            && listing.is_covered(pods_dir, &[&own, &own.join(VOLUME_DATA)], points)
                        {
                            continue;
                        }
                        listing.volumes.push(VolumeId { pod: pod.clone(), name, plugin: plugin.clone() });
                    }
                }
                Err(error) if is_absence(&error) => {}
                Err(error) => listing.errors.push((folder, error)),
            }
        }
    }
    listing.volumes.sort_unstable();
    Ok(listing)
}

/// Returns the kubelet's directories of volumes whose name another volume of the same Pod has: one of
/// the kubelet's and one of a CSI driver may both be `data`.
pub(super) fn twins(volumes: &[VolumeId]) -> HashSet<PathBuf> {
    let mut names = HashMap::<(&OsStr, &OsStr), Vec<&VolumeId>>::new();
    for id in volumes {
        names.entry((&id.pod, &id.name)).or_default().push(id);
    }
    let twins = names.into_values().filter(|ids| ids.len() > 1).flatten();
    twins.map(VolumeId::volume_folder).collect()
}

/// Returns true if a volume's mount directory exists. Reads the parent directory: a mounted one may
/// hang.
pub(super) fn exists(pods_dir: &Path, volume: &VolumeId) -> io::Result<bool> {
    let folder = pods_dir.join(volume.folder());
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Ok(false) };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    // By its name alone: it may have been mounted since this process read its mounts.
    for entry in entries {
        if entry?.file_name() == name {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the CSI driver of a volume, as kubelet noted it. Kubelet makes the file and
/// then fills it (`saveVolumeData`), so one that is young and breaks off is read
/// again. It makes the note before the directory of the mount and removes it after that one
/// (`removeMountDir`), so such a directory without a note is a fault of its own, unless it has
/// just changed.
///
/// # Errors
///
/// When kubelet's note cannot be understood, or is not there; that is an absence only where the
/// directory of the mount is gone as well.
pub(super) fn csi_driver(pods_dir: &Path, volume: &VolumeId) -> io::Result<String> {
    csi_note(pods_dir, volume).map(|note| note.driver_name)
}

/// The note that kubelet made of a volume of a CSI driver.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CsiNote {
    /// The driver's name.
    pub(super) driver_name: String,
    #[serde(default)]
    volume_lifecycle_mode: Option<String>,
}

impl CsiNote {
    /// Returns true for an inline volume of a Pod, false for a PersistentVolume; `None` where kubelet
    /// noted neither (before 1.16).
    pub(super) fn is_inline(&self) -> Option<bool> {
        self.volume_lifecycle_mode.as_deref().map(|mode| mode == "Ephemeral")
    }
}

/// Reads the whole note, with the errors of [`csi_driver`].
pub(super) fn csi_note(pods_dir: &Path, volume: &VolumeId) -> io::Result<CsiNote> {
    const YOUNG: Duration = Duration::from_millis(500);
    const PAUSE: Duration = Duration::from_millis(10);
    let is_young = |metadata: &Metadata| {
        metadata.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age < YOUNG))
    };
    let folder = pods_dir.join(volume.volume_folder());
    let file = folder.join(VOLUME_DATA);
    loop {
        let metadata = match fs::symlink_metadata(&file) {
            Err(error) if is_absence(&error) && exists(pods_dir, volume)? => {
                if !is_young(&fs::symlink_metadata(&folder)?) {
                    return Err(io::Error::other(error.to_string()));
                }
                thread::sleep(PAUSE);
                continue;
            }
            found => found?,
        };
        // Opening a FIFO would wait for a writer (fifo(7)).
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidData, "is not a file"));
        }
        let mut text = Vec::new();
        File::open(&file)?.take(VOLUME_DATA_LIMIT).read_to_end(&mut text)?;
        match nfs_mount_guard_json::from_slice(&text) {
            Err(error) if error.is_eof() && is_young(&metadata) => thread::sleep(PAUSE),
            read => return Ok(read?),
        }
    }
}

/// Returns true if something is not there, or no longer.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Returns the names of the directories in a directory. Links count for nothing: kubelet makes none. An
/// entry on which something is mounted is a directory, and is not looked at: a file system that keeps no
/// types in its directories (ext4 without `filetype`, XFS with `ftype=0`) would need stat(2) for it,
/// which waits for the server of the mount.
fn folders(folder: &Path, points: &HashSet<&Path>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if points.contains(&*entry.path()) {
            names.push(entry.file_name());
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => names.push(entry.file_name()),
            Ok(_) => {}
            // It was removed since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_on_a_directory_of_the_kubelet_is_an_error() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path();
        for pod in ["a", "b", "c", "d", "e", "f"] {
            fs::create_dir_all(path.join(pod).join("volumes/kubernetes.io~csi/v/mount")).expect("a folder");
        }
        let covered = [
            "a",
            "b/volumes",
            "c/volumes/kubernetes.io~csi",
            "d/volumes/kubernetes.io~csi/v",
            "f/volumes/kubernetes.io~csi/v/vol_data.json",
        ];
        let points = covered.map(|point| path.join(point));
        let listing = list(path, &points.iter().map(PathBuf::as_path).collect()).expect("a listing");
        let errors: Vec<&Path> = listing.errors.iter().map(|(path, _)| &**path).collect();
        assert_eq!((errors.len(), listing.covered), (5, 5), "{errors:?}");
        assert!(covered.iter().all(|point| errors.contains(&Path::new(point))), "{errors:?}");
        let pods: Vec<&OsStr> = listing.volumes.iter().map(|volume| &*volume.pod).collect();
        assert_eq!(pods, ["e"]);
    }

    #[test]
    fn a_mount_point_is_not_looked_at() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path();
        fs::create_dir(path.join("a")).expect("a folder");
        // Only a look at it shows that it is a file.
        for name in ["mounted", "file"] {
            fs::write(path.join(name), "").expect("a file");
        }
        let point = path.join("mounted");
        let mut names = folders(path, &HashSet::from([&*point])).expect("names");
        names.sort_unstable();
        assert_eq!(names, ["a", "mounted"]);
    }
}
