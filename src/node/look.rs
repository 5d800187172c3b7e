//! Finds the volumes of a node that are not as they should be.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Error;
use super::beneath::Beneath;
use super::file_system::{Other, is_staging};
use super::moment::{Holder, Moment, Mounted};
use super::mounts::{Location, MountTable};
use super::processes::Mounter;
use super::report::{Background, NodeReport, ReadError, SCHEMA_VERSION, Summary, Volume, VolumeState};
use super::suspect::Suspect;
use super::usage::{Counter, Usage};
use super::volumes::{self, Listing, Plugin, VolumeId};
use crate::kind::Kind;
use crate::report::Tool;
use crate::source::io_fault;
use crate::subject::driver::{self, Nfs};
use crate::subject::manifest::{CsiSource, FlexSource, Manifest, Spec};
use crate::subject::{DriverSetting, Subject};

/// kubelet makes a directory an instant before it mounts there, and removes it an
/// instant after: what looks lost and holds nothing is looked at again.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// The reason why a directory cannot be looked into.
const ANOTHER_MOUNT: &str = "this process sees another file system mounted there than the node does; \
a hostPath volume wants mountPropagation: HostToContainer";

/// The reason why a process without `CAP_SYS_PTRACE`, such as that of the DaemonSet, sees no file
/// beneath a mount.
const NOT_PERMITTED: &str = "permission denied; run node-check as root on the node";

/// The state of a volume in a first look.
enum Verdict {
    /// It is NFS, and mounted as it should be.
    Mounted,
    /// It is not, or may not be, as it should be.
    Suspect(Box<Suspect>),
    /// It is no NFS, or it is gone.
    None,
}

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
    /// The mounts that this process sees.
    pub(super) own: &'a MountTable,
    /// The verdicts by the objects of volumes, where there are some.
    pub(super) said: &'a BTreeMap<VolumeId, Nfs>,
    /// Counts what lies in directories.
    pub(super) counter: Counter,
}

impl Look<'_> {
    /// Looks at every volume of the listing.
    ///
    /// # Errors
    ///
    /// When the node's mounts cannot be read a second time.
    pub(super) fn report(mut self, listing: Listing, moment: Moment) -> Result<NodeReport, Error> {
        let mut summary = Summary { pods: listing.pods, unread: listing.covered, ..Summary::default() };
        let mut errors: Vec<(PathBuf, io::Error)> = listing.errors;
        let mut suspects = Vec::new();
        for id in &listing.volumes {
            match self.judge(id, moment.mounted(self.pods, &id.folder()), &moment) {
                Ok(Verdict::Mounted) => summary.mounted += 1,
                Ok(Verdict::Suspect(suspect)) => suspects.push(*suspect),
                Ok(Verdict::None) => {}
                // The volume was taken down since it was listed.
                Err(error) if volumes::is_absence(&error) => {}
                Err(error) => {
                    summary.unread += 1;
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
            suspects.retain(|suspect| {
                let is_mounted = suspect.is_doubtful() && self.is_mounted(suspect, &latest);
                summary.mounted += usize::from(is_mounted);
                let is_there = || volumes::exists(self.pods_dir, &suspect.id).unwrap_or(true);
                !suspect.is_doubtful() || !is_mounted && is_there()
            });
            // A Pod that waits for a foreground mount writes nothing: no container of it runs.
            let all = suspects.len();
            suspects.retain(|suspect| !suspect.is_doubtful() || !is_being_mounted(&suspect.id, &latest));
            summary.waiting = all - suspects.len();
        }
        let twins = volumes::twins(&listing.volumes);
        let volumes: Vec<Volume> = suspects
            .into_iter()
            .map(|suspect| {
                let has_twin = twins.contains(&suspect.id.volume_folder());
                suspect.report(&latest, has_twin)
            })
            .collect();
        let background: Vec<Background> = latest
            .mounters
            .iter()
            .filter(|mounter| mounter.is_in_background)
            .map(|mounter| background(mounter, &listing.volumes, &latest))
            .collect();
        summary.lost = volumes.iter().filter(|volume| volume.lost).count();
        summary.uncertain = volumes.len() - summary.lost;
        let is_bare = |volume: &&Volume| volume.state == VolumeState::NotMounted;
        let bare = volumes.iter().filter(is_bare).count();
        summary.mounted += volumes.len() - bare;
        summary.volumes = summary.mounted + bare + summary.waiting + summary.unread;
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
            sees_node: false,
            has_kernel: false,
            asked: BTreeMap::new(),
            unread: errors.iter().map(|(path, _)| path.clone()).collect(),
            first_mounts: None,
            twins,
            errors: errors
                .into_iter()
                .map(|(path, error)| ReadError {
                    path: shown(&latest.pods_dir.join(path)),
                    message: io_fault::reason(&error),
                })
                .collect(),
        })
    }

    /// Evaluates a volume by the mount on its directory.
    fn judge(&mut self, id: &VolumeId, mounted: Mounted, moment: &Moment) -> io::Result<Verdict> {
        let folder = self.pods.join(&id.folder());
        let is_covered = || !moment.holders(&folder).is_empty();
        let (state, data_at, other) = match mounted {
            Mounted::Nothing => (VolumeState::NotMounted, folder, None),
            Mounted::OnDisk(location) => (VolumeState::NodeDisk, location, None),
            // Mounted, and no container was started before the mount: all is well.
            Mounted::Nfs if !is_covered() => return Ok(Verdict::Mounted),
            Mounted::Nfs => (VolumeState::Hidden, folder, None),
            Mounted::Other(other) if is_covered() => (VolumeState::Hidden, folder, Some(other)),
            // The staging directory may be on another disk of the node.
            Mounted::Other(other) if is_staging(&other.location.path) => {
                (VolumeState::NodeDisk, other.location.clone(), Some(other))
            }
            Mounted::Other(other) => (VolumeState::OtherFileSystem, other.location.clone(), Some(other)),
        };
        let holders = moment.holders(&data_at);
        // A driver makes this directory itself; that of kubelet was there when it was listed.
        if state == VolumeState::NotMounted
            && id.plugin == Plugin::Csi
            && !volumes::exists(self.pods_dir, id)?
        {
            return Ok(Verdict::None);
        }
        let is_nfs_mount = |mounter: &Mounter| {
            // mount.nfs4 is another name of the same program.
            mounter.process.name.starts_with("mount.nfs")
                && is_for(mounter, id, &moment.paths_of(&data_at), moment)
        };
        // An NFS mount shows that the volume is NFS, whichever driver it has: one in progress, one that
        // another process has in a namespace of its own, and the volume's, if it came late.
        let is_nfs = moment.mounters.iter().any(is_nfs_mount)
            || moment.mounted_apart(id).is_some_and(|apart| apart.is_nfs)
            || state == VolumeState::Hidden && other.is_none();
        let (driver, nfs) = match self.driver(id) {
            Ok((driver, Nfs::Depends)) if is_nfs => (driver, Nfs::Yes),
            Err(_) if is_nfs => ("a CSI driver that is not known".to_owned(), Nfs::Yes),
            // Whichever driver it is, something is mounted.
            Err(_) if state == VolumeState::OtherFileSystem => return Ok(Verdict::None),
            found => found?,
        };
        let Some(lost) = is_lost(state, nfs, &driver, &data_at, other.as_ref()) else {
            return Ok(Verdict::None);
        };
        let Beneath { usage, note, parts: hidden } = if state == VolumeState::Hidden {
            // The mount covers the directory for the node; a container that was started before
            // still sees it.
            let checked: Vec<Holder> =
                holders.iter().map(|holder| holder.checked(moment, self.own)).collect();
            self.beneath(&checked.iter().collect::<Vec<_>>(), &data_at.path)
        } else {
            let path = self.pods_dir.join(id.folder());
            let usage = match &other {
                Some(other) => self.count_mounted(&path, other)?,
                None => self.count(&path)?,
            };
            Beneath { usage, note: None, parts: Vec::new() }
        };
        let holders = holders.into_iter().filter(|holder| holder.in_pods.is_none()).cloned().collect();
        let id = id.clone();
        let suspect = Suspect { id, driver, nfs, lost, state, data_at, other, usage, note, hidden, holders };
        Ok(Verdict::Suspect(Box::new(suspect)))
    }

    /// Returns the name of who mounts a volume, and whether that is NFS.
    fn driver(&self, id: &VolumeId) -> io::Result<(String, Nfs)> {
        if id.plugin == Plugin::InTreeNfs {
            return Ok(("kubernetes.io/nfs".to_owned(), Nfs::Yes));
        }
        let verdict = |name: &str, is_script: bool| match verdict(name, is_script, self.drivers) {
            Nfs::Depends => self.said.get(id).copied().unwrap_or(Nfs::Depends),
            nfs => nfs,
        };
        if let Some(name) = id.plugin.flex_driver() {
            let nfs = verdict(&name, true);
            return Ok((name, nfs));
        }
        let name = volumes::csi_driver(self.pods_dir, id).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("who mounts it is unknown: vol_data.json: {}", io_fault::reason(&error)),
            )
        })?;
        let nfs = verdict(&name, false);
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

    /// Counts the files in a directory on which another file system than NFS is mounted.
    ///
    /// # Errors
    ///
    /// When the directory is gone.
    fn count_mounted(&self, folder: &Path, other: &Other) -> io::Result<Result<Usage, String>> {
        if !other.is_in_memory {
            return Ok(Err("not counted, because a mount may hang".to_owned()));
        }
        if self.own.locate(folder).as_ref() != Some(&other.location) {
            return Ok(Err(ANOTHER_MOUNT.to_owned()));
        }
        match self.counter.count_mounted(folder) {
            Ok(usage) => Ok(Ok(usage)),
            Err(error) if volumes::is_absence(&error) => Err(error),
            Err(error) => Ok(Err(io_fault::reason(&error))),
        }
    }

    /// Counts through the eyes of a container what a later mount hides from all others.
    pub(super) fn count_through(&mut self, holder: &Holder) -> Result<Usage, String> {
        if let (Some(rest), None) = (&holder.in_pods, &holder.obstacle) {
            return self.count_part(&self.pods_dir.join(rest), holder);
        }
        let root = self.proc_dir.join(holder.pid.to_string()).join("root");
        let seen = if let Some(obstacle) = &holder.obstacle {
            Err(obstacle.clone())
        } else {
            for path in &holder.closed {
                // Further mounts of the container in there are other file systems, which may hang.
                self.counter.close(root.join(path.strip_prefix("/").unwrap_or(path)));
            }
            match self.counter.count(&holder.within(&root)) {
                Ok(Some(usage)) => Ok(usage),
                Ok(None) => Err(ANOTHER_MOUNT.to_owned()),
                // The kernel requires more than to read any file (proc_pid_root(5)).
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(NOT_PERMITTED.to_owned())
                }
                Err(error) => Err(io_fault::reason(&error)),
            }
        };
        seen.map_err(|error| format!("beneath the mount, through process {}: {error}", holder.pid))
    }

    /// Counts in a part of a volume that the kubelet has mounted for a container.
    fn count_part(&self, path: &Path, holder: &Holder) -> Result<Usage, String> {
        let part = Location { device: self.pods.device.clone(), path: holder.root.clone() };
        let seen = if self.own.locate(path) == Some(part) {
            self.count(path).unwrap_or_else(|error| Err(io_fault::reason(&error)))
        } else {
            Err(ANOTHER_MOUNT.to_owned())
        };
        seen.map_err(|error| format!("beneath the mount, at {}: {error}", holder.point.display()))
    }

    /// Returns true if what was doubtful is mounted a moment later.
    fn is_mounted(&self, suspect: &Suspect, moment: &Moment) -> bool {
        moment.mounted(self.pods, &suspect.id.folder()) != Mounted::Nothing
    }
}

/// Returns true if the data of a volume is on no server for sure, and false if it may be; `None` for
/// a volume that is as its driver may make it.
fn is_lost(
    state: VolumeState,
    nfs: Nfs,
    driver: &str,
    data_at: &Location,
    other: Option<&Other>,
) -> Option<bool> {
    let is_known = driver::find(driver).is_some();
    match (nfs, state) {
        (Nfs::No, _) => None,
        (Nfs::Yes, _) => Some(true),
        // Nothing is mounted on it, which a driver of any file system would do.
        (Nfs::Depends, VolumeState::NodeDisk) if is_staging(&data_at.path) => Some(is_known),
        // A driver that is not known may well give a Pod a directory of the node, or one in memory;
        // those of the table that mount something else than NFS have a server or a disk for it.
        (Nfs::Depends, VolumeState::NodeDisk) => is_known.then_some(false),
        (Nfs::Depends, VolumeState::OtherFileSystem) => {
            (is_known && other.is_some_and(Other::is_passing)).then_some(false)
        }
        (Nfs::Depends, VolumeState::NotMounted | VolumeState::Hidden) => Some(false),
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
        folder: id.as_ref().map(VolumeId::volume_folder),
    }
}

pub(super) fn lossy(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
