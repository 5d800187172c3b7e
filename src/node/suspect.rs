//! A volume that is not as it should be, and what a report says of it.

use std::path::{Path, PathBuf};

use super::beneath::Part;
use super::file_system::Other;
use super::look::{is_for, lossy, shown};
use super::moment::{Holder, Moment};
use super::mounts::Location;
use super::report::{self, Data, Volume, VolumeState};
use super::rescue;
use super::usage::Usage;
use super::volumes::VolumeId;
use crate::count::counted;
use crate::report::IsNfs;
use crate::subject::driver::Nfs;

/// A volume that is not as it should be.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) id: VolumeId,
    pub(super) driver: String,
    pub(super) nfs: Nfs,
    /// True if its data is not on a server for sure.
    pub(super) lost: bool,
    pub(super) state: VolumeState,
    /// The place of its data.
    pub(super) data_at: Location,
    /// The file system that is mounted there, if it is no NFS.
    pub(super) other: Option<Other>,
    pub(super) usage: Result<Usage, String>,
    /// A note on the counts.
    pub(super) note: Option<String>,
    /// The directories of what is hidden.
    pub(super) hidden: Vec<Part>,
    pub(super) holders: Vec<Holder>,
}

impl Suspect {
    /// Returns true if a mount that is under way, or a volume that is being taken down, looks the
    /// same.
    pub(super) fn is_doubtful(&self) -> bool {
        self.state == VolumeState::NotMounted
            && self.holders.is_empty()
            && self.usage.as_ref().is_ok_and(Usage::is_empty)
    }

    /// Returns the same for a report, at the moment of the last look.
    /// `has_twin` where another volume of the Pod has its name.
    pub(super) fn report(self, moment: &Moment, has_twin: bool) -> Volume {
        let paths = match self.state {
            VolumeState::NodeDisk => moment.paths_of(&self.data_at),
            VolumeState::NotMounted | VolumeState::OtherFileSystem | VolumeState::Hidden => Vec::new(),
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
        let path = own.or_else(|| paths.iter().find(|path| **path != folder)).unwrap_or(&folder).clone();
        let is_empty = data.is_some_and(|data| data.files == 0 && data.folders == 0 && !data.at_least);
        let parts = match self.state {
            VolumeState::Hidden => self.hidden,
            _ if is_empty => Vec::new(),
            _ => {
                vec![Part { mounts: moment.mounts_below(&path), from: path.clone(), rest: PathBuf::new() }]
            }
        };
        let notes: Vec<String> = note.into_iter().chain(left_out(&parts)).collect();
        // With a background process it was mount.nfs, and not the driver's container.
        let is_driver = self.state == VolumeState::NotMounted && background.is_empty();
        let apart = moment.mounted_apart(&self.id).filter(|_| is_driver);
        let mounted_apart =
            apart.map(|apart| report::Apart { pid: apart.process.pid, name: apart.process.name.clone() });
        let label = if has_twin { self.id.with_plugin() } else { PathBuf::from(&self.id.name) };
        let target = Path::new(&self.id.pod).join(&label);
        let copies: Vec<String> = parts
            .iter()
            .map(|part| rescue::copy(&part.from, &target.join(&part.rest), &part.mounts))
            .collect();
        Volume {
            copy: rescue::together(&copies),
            copies,
            mounted_apart,
            pod: lossy(&self.id.pod),
            volume: lossy(&self.id.name),
            label: shown(&label),
            folder: self.id.volume_folder(),
            driver: self.driver,
            nfs: IsNfs::of(self.nfs),
            lost: self.lost,
            file_system: self.other.map(Other::report),
            state: self.state,
            path: shown(&path),
            data,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
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

/// Names the mounts that no copy takes along.
fn left_out(parts: &[Part]) -> Option<String> {
    let mut all = parts.iter().flat_map(|part| part.mounts.iter().map(|rest| part.from.join(rest)));
    let first = all.next()?;
    let more = match all.count() {
        0 => String::new(),
        more => format!(" and {}", counted(more, "more mount")),
    };
    Some(format!("the copy leaves out the mount at {}{more}, which may hang", first.display()))
}

const fn data(usage: Usage) -> Data {
    let Usage { bytes, files, folders, is_partial } = usage;
    Data { bytes, files, folders, at_least: is_partial }
}
