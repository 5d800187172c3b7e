//! Finds the volumes of a node that are not as they should be.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Error;
use super::beneath::{Beneath, Part};
use super::moment::{Holder, Moment, Mounted};
use super::mounts::Location;
use super::processes::Mounter;
use super::report::{
    self, Background, Data, NodeReport, ReadError, SCHEMA_VERSION, Summary, Volume, VolumeState,
};
use super::rescue;
use super::usage::{Counter, Usage};
use super::volumes::{self, Listing, Plugin, VolumeId};
use crate::kind::Kind;
use crate::report::{IsNfs, Tool};
use crate::source::io_fault;
use crate::subject::driver::Nfs;
use crate::subject::manifest::{CsiSource, FlexSource, Manifest, Spec};
use crate::subject::{DriverSetting, Subject};

/// kubelet makes a directory an instant before it mounts there, and removes it an
/// instant after: what looks lost and holds nothing is looked at again.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// The reason why a directory cannot be looked into.
const ANOTHER_MOUNT: &str = "this process sees another file system mounted there than the node does; \
a hostPath volume wants mountPropagation: HostToContainer";

/// One look at the volumes of a node.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// The node's `/proc`.
    pub(super) proc_dir: &'a Path,
    /// The policy's settings for CSI drivers.
    pub(super) drivers: &'a [DriverSetting],
    /// The directory of Pods, as this process sees it.
    pub(super) pods_dir: &'a Path,
    /// The directory of Pods.
    pub(super) pods: &'a Location,
    /// Counts what lies in directories.
    pub(super) counter: Counter,
}

/// A volume that is not as it should be.
#[derive(Debug)]
struct Suspect {
    id: VolumeId,
    driver: String,
    nfs: Nfs,
    state: VolumeState,
    /// The place of its data.
    data_at: Location,
    usage: Result<Usage, String>,
    /// A note on the counts.
    note: Option<String>,
    /// The directories of what is hidden.
    hidden: Vec<Part>,
    holders: Vec<Holder>,
}

impl Suspect {
    /// Returns true if a mount that is under way, or a volume that is being taken down, looks the
    /// same.
    fn is_doubtful(&self) -> bool {
        self.state == VolumeState::NotMounted
            && self.holders.is_empty()
            && self.usage.as_ref().is_ok_and(Usage::is_empty)
    }
}

impl Look<'_> {
    /// Looks at every volume of the listing.
    ///
    /// # Errors
    ///
    /// When the node's mounts cannot be read a second time.
    pub(super) fn report(mut self, listing: Listing, moment: Moment) -> Result<NodeReport, Error> {
        let mut summary =
            Summary { pods: listing.pods, volumes: listing.volumes.len(), ..Summary::default() };
        let mut errors: Vec<(PathBuf, io::Error)> = listing.errors;
        let mut suspects = Vec::new();
        for id in &listing.volumes {
            let mounted = moment.mounted(self.pods, &id.folder());
            let is_mounted = mounted != Mounted::Nothing;
            summary.mounted += usize::from(is_mounted);
            match self.suspect(id, mounted, &moment) {
                Ok(suspect) => suspects.extend(suspect),
                // The volume was taken down since it was listed.
                Err(error) if volumes::is_absence(&error) => {}
                Err(error) => {
                    summary.unread += usize::from(!is_mounted);
                    errors.push((id.folder(), error));
                }
            }
        }
        let mut latest = moment;
        if suspects.iter().any(Suspect::is_doubtful) {
            // Once for all of them: a node with many Pods must not wait for each.
            thread::sleep(SECOND_LOOK);
            if let Some(moment) = Moment::read(self.proc_dir, self.pods, self.pods_dir)? {
                latest = moment;
            }
            suspects.retain(|suspect| !suspect.is_doubtful() || self.is_still_lost(suspect, &latest));
            // A Pod that waits for a foreground mount writes nothing: no container of it runs.
            let all = suspects.len();
            suspects.retain(|suspect| !suspect.is_doubtful() || !is_being_mounted(&suspect.id, &latest));
            summary.waiting = all - suspects.len();
        }
        let volumes: Vec<Volume> = suspects.into_iter().map(|suspect| suspect.report(&latest)).collect();
        let background: Vec<Background> = latest
            .mounters
            .iter()
            .filter(|mounter| mounter.is_in_background)
            .map(|mounter| background(mounter, &listing.volumes, &latest))
            .collect();
        summary.lost = volumes.iter().filter(|volume| volume.nfs == IsNfs::Known(true)).count();
        summary.uncertain = volumes.len() - summary.lost;
        summary.background = background.iter().filter(|process| process.kubernetes).count();
        Ok(NodeReport {
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            pods_dir: shown(&latest.pods_dir),
            summary,
            volumes,
            background,
            warnings: Vec::new(),
            nfsmount_conf: None,
            objects: None,
            errors: errors
                .into_iter()
                .map(|(path, error)| ReadError {
                    path: shown(&latest.pods_dir.join(path)),
                    message: io_fault::reason(&error),
                })
                .collect(),
        })
    }

    /// Returns the fault of a volume, if there is one.
    fn suspect(&mut self, id: &VolumeId, mounted: Mounted, moment: &Moment) -> io::Result<Option<Suspect>> {
        let folder = self.pods.join(&id.folder());
        let (state, data_at) = match mounted {
            Mounted::Nothing => (VolumeState::NotMounted, folder),
            Mounted::OnDisk(location) => (VolumeState::NodeDisk, location),
            Mounted::Elsewhere => (VolumeState::Hidden, folder),
        };
        let holders = moment.holders(&data_at);
        // Mounted, and no container was started before the mount: all is well.
        if state == VolumeState::Hidden && holders.is_empty() {
            return Ok(None);
        }
        // A driver makes this directory itself; that of kubelet was there when it was listed.
        if state == VolumeState::NotMounted
            && id.plugin == Plugin::Csi
            && !volumes::exists(self.pods_dir, id)?
        {
            return Ok(None);
        }
        let is_nfs_mount = |mounter: &Mounter| {
            // mount.nfs4 is another name of the same program.
            mounter.process.name.starts_with("mount.nfs")
                && is_for(mounter, id, &moment.paths_of(&data_at), moment)
        };
        // A mounting NFS process shows that the driver is NFS, whichever it is.
        let is_nfs = moment.mounters.iter().any(is_nfs_mount);
        let (driver, nfs) = match self.driver(id) {
            Ok((driver, Nfs::Depends)) if is_nfs => (driver, Nfs::Yes),
            Err(_) if is_nfs => ("a CSI driver that is not known".to_owned(), Nfs::Yes),
            found => found?,
        };
        // Other drivers may well give a Pod a directory of the node.
        if nfs == Nfs::No || nfs == Nfs::Depends && state == VolumeState::NodeDisk {
            return Ok(None);
        }
        let Beneath { usage, note, parts: hidden } = if state == VolumeState::Hidden {
            // The mount covers the directory for the node; a container that was started before
            // still sees it.
            self.beneath(&holders, &data_at.path)
        } else {
            let usage = self.count(&self.pods_dir.join(id.folder()))?;
            Beneath { usage, note: None, parts: Vec::new() }
        };
        let holders = holders.into_iter().cloned().collect();
        Ok(Some(Suspect { id: id.clone(), driver, nfs, state, data_at, usage, note, hidden, holders }))
    }

    /// The name of who mounts a volume, and whether that is NFS.
    fn driver(&self, id: &VolumeId) -> io::Result<(String, Nfs)> {
        if id.plugin == Plugin::InTreeNfs {
            return Ok(("kubernetes.io/nfs".to_owned(), Nfs::Yes));
        }
        if let Some(name) = id.plugin.flex_driver() {
            let nfs = verdict(&name, true, self.drivers);
            return Ok((name, nfs));
        }
        let name = volumes::csi_driver(self.pods_dir, id).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("who mounts it is unknown: vol_data.json: {}", io_fault::reason(&error)),
            )
        })?;
        let nfs = verdict(&name, false, self.drivers);
        Ok((name, nfs))
    }

    /// Counts the files in a directory, or returns the reason why they cannot be seen.
    ///
    /// # Errors
    ///
    /// When the directory is gone.
    fn count(&self, folder: &Path) -> io::Result<Result<Usage, String>> {
        match self.counter.count(folder) {
            Ok(Some(usage)) => Ok(Ok(usage)),
            Ok(None) => Ok(Err(ANOTHER_MOUNT.to_owned())),
            Err(error) if volumes::is_absence(&error) => Err(error),
            Err(error) => Ok(Err(io_fault::reason(&error))),
        }
    }

    /// Counts through the eyes of a container what a later mount hides from all others.
    pub(super) fn count_through(&mut self, holder: &Holder) -> Result<Usage, String> {
        let root = self.proc_dir.join(holder.pid.to_string()).join("root");
        let seen = if let Some(obstacle) = &holder.obstacle {
            Err(obstacle.clone())
        } else {
            for path in &holder.closed {
                // Further mounts of the container in there are other file systems, which may hang.
                self.counter.close(root.join(path.strip_prefix("/").unwrap_or(path)));
            }
            let seen = self.count(&holder.within(&root));
            seen.unwrap_or_else(|error| Err(io_fault::reason(&error)))
        };
        seen.map_err(|error| format!("beneath the mount, through process {}: {error}", holder.pid))
    }

    /// Returns true if what was doubtful is so a moment later.
    fn is_still_lost(&self, suspect: &Suspect, moment: &Moment) -> bool {
        moment.mounted(self.pods, &suspect.id.folder()) == Mounted::Nothing
            && volumes::exists(self.pods_dir, &suspect.id).unwrap_or(true)
    }
}

impl Suspect {
    fn report(self, moment: &Moment) -> Volume {
        let paths = match self.state {
            VolumeState::NodeDisk => moment.paths_of(&self.data_at),
            VolumeState::NotMounted | VolumeState::Hidden => Vec::new(),
        };
        let folder = moment.pods_dir.join(self.id.folder());
        let (data, note) = match self.usage {
            Ok(usage) => (Some(data(usage)), self.note),
            Err(reason) => (None, Some(reason)),
        };
        let background: Vec<i32> = moment
            .mounters
            .iter()
            .filter(|mounter| mounter.is_in_background && is_for(mounter, &self.id, &paths, moment))
            .map(|mounter| mounter.process.pid)
            .collect();
        // The driver's own directory, rather than that of another Pod with the volume.
        let own = paths.iter().find(|path| !path.starts_with(&moment.pods_dir));
        let path = shown(own.or_else(|| paths.iter().find(|path| **path != folder)).unwrap_or(&folder));
        let is_empty = data.is_some_and(|data| data.files == 0 && data.folders == 0 && !data.at_least);
        let parts = match self.state {
            VolumeState::Hidden => self.hidden,
            _ if is_empty => Vec::new(),
            _ => vec![Part { from: PathBuf::from(&path), rest: PathBuf::new() }],
        };
        // With a background process it was mount.nfs, and not the driver's container.
        let is_driver = self.state == VolumeState::NotMounted && background.is_empty();
        let apart = moment.mounted_apart(&self.id).filter(|_| is_driver);
        let mounted_apart =
            apart.map(|process| report::Apart { pid: process.pid, name: process.name.clone() });
        let (pod, volume) = (lossy(&self.id.pod), lossy(&self.id.name));
        let copies: Vec<String> = parts
            .iter()
            .map(|part| rescue::copy(&part.from, &Path::new(&pod).join(&volume).join(&part.rest)))
            .collect();
        Volume {
            copy: rescue::together(&copies),
            copies,
            mounted_apart,
            pod,
            volume,
            driver: self.driver,
            nfs: IsNfs::of(self.nfs),
            state: self.state,
            path,
            data,
            note,
            holders: self
                .holders
                .into_iter()
                .map(|holder| report::Holder {
                    pid: holder.pid,
                    name: holder.name,
                    path: shown(&holder.point),
                })
                .collect(),
            background,
        }
    }
}

/// Returns the verdict on whether a driver's volume is NFS, by its driver alone: the script of a
/// `FlexVolume`, or a CSI driver.
pub(super) fn verdict(driver: &str, is_script: bool, settings: &[DriverSetting]) -> Nfs {
    let name = Some(driver.into());
    let spec = if is_script {
        Spec { flex_volume: Some(FlexSource { driver: name, ..FlexSource::default() }), ..Spec::default() }
    } else {
        Spec { csi: Some(CsiSource { driver: name, ..CsiSource::default() }), ..Spec::default() }
    };
    let manifest = Manifest { spec: Some(spec), ..Manifest::default() };
    let subject = Subject::of_kind(Kind::PersistentVolume, &manifest, settings);
    let is_said = subject.driver_setting.is_some_and(|setting| setting.nfs.is_some());
    // The volume's attributes could say otherwise, and they are not on the node.
    let may_differ = subject.driver.clues.iter().any(|clue| clue.verdict != subject.nfs);
    if may_differ && !is_said { Nfs::Depends } else { subject.nfs }
}

/// Returns true if a process mounts a volume, at its directory, at the driver's own, or at the
/// device of a `FlexVolume`.
pub(super) fn is_for(mounter: &Mounter, id: &VolumeId, data_at: &[PathBuf], moment: &Moment) -> bool {
    mounter.is_of_node
        && (moment.volume_of(mounter).as_ref() == Some(id)
            || data_at.contains(&mounter.target)
            || id.has_device(&mounter.target))
}

/// Returns true if a mount of a volume is in progress, so that no container runs yet.
fn is_being_mounted(id: &VolumeId, moment: &Moment) -> bool {
    moment.mounters.iter().any(|mounter| !mounter.is_in_background && is_for(mounter, id, &[], moment))
}

fn background(mounter: &Mounter, volumes: &[VolumeId], moment: &Moment) -> Background {
    let id = moment.volume_of(mounter);
    // Several Pods may use one device.
    let mut with_device = volumes.iter().filter(|id| id.has_device(&mounter.target));
    let alone = with_device.next().filter(|_| with_device.next().is_none());
    let id = id.or_else(|| alone.cloned());
    let device = volumes::flex_device(&mounter.target).map(|(_, name)| name);
    Background {
        pid: mounter.process.pid,
        name: mounter.process.name.clone(),
        source: mounter.source.clone(),
        target: shown(&mounter.target),
        kubernetes: mounter.is_of_node && (id.is_some() || moment.is_of_plugins(&mounter.target)),
        pod: id.as_ref().map(|id| lossy(&id.pod)),
        volume: id.as_ref().map(|id| &*id.name).or(device).map(lossy),
    }
}

const fn data(usage: Usage) -> Data {
    let Usage { bytes, files, folders, is_partial } = usage;
    Data { bytes, files, folders, at_least: is_partial }
}

fn lossy(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
