//! Finds the nfsmount.conf that the mounts of a node's volumes read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::look::{self, is_for};
use super::moment::Moment;
use super::report::ConfReader;
use super::volumes::{self, Plugin, VolumeId};
use crate::subject::DriverSetting;
use crate::subject::driver::conf::ConfOf;
use crate::subject::driver::{self, Nfs};

/// The kubelet calls the script of a `FlexVolume` driver itself (`NewDriverCall`,
/// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/driver-call.go>).
const SCRIPT: ConfOf = ConfOf::Node("the kubelet runs the driver's script");

/// The volumes of drivers, by whose nfsmount.conf they read.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Drivers with volumes that may be NFS.
    pub(super) drivers: Vec<ConfReader>,
    /// The volumes of those that read the node's.
    pub(super) volumes: BTreeSet<VolumeId>,
    /// `FlexVolume`s that read the node's as well if they are NFS, which nothing shows.
    pub(super) perhaps: BTreeSet<VolumeId>,
}

impl Readers {
    /// Reads of each volume of a driver who mounts it; `with_csi` is false if that matters of
    /// `FlexVolume`s only, whose directories have the name of the driver.
    pub(super) fn of(
        volumes: &[VolumeId],
        pods_dir: &Path,
        moment: &Moment,
        settings: &[DriverSetting],
        with_csi: bool,
    ) -> Self {
        let mut readers = Self::default();
        let mut drivers: BTreeMap<(String, bool), (ConfOf, Nfs)> = BTreeMap::new();
        for id in volumes {
            let name = match &id.plugin {
                Plugin::InTreeNfs => continue,
                Plugin::Csi if !with_csi => continue,
                // A file that cannot be read is reported where the volume is looked at.
                Plugin::Csi => volumes::csi_driver(pods_dir, id).ok(),
                Plugin::Flex(_) => id.plugin.flex_driver(),
            };
            let Some(name) = name else { continue };
            // A script is not the CSI driver that may have its name.
            let is_script = matches!(id.plugin, Plugin::Flex(_));
            let of_row = || driver::find(&name).map_or(ConfOf::Unknown, |row| row.nfsmount_conf);
            let (conf, nfs) = *drivers.entry((name.clone(), is_script)).or_insert_with(|| {
                let conf = if is_script { SCRIPT } else { of_row() };
                (conf, look::verdict(&name, is_script, settings))
            });
            if nfs == Nfs::No || !matches!(conf, ConfOf::Node(_) | ConfOf::Shared(_)) {
                continue;
            }
            let is_sure = id.plugin == Plugin::Csi || nfs == Nfs::Yes || is_nfs(id, moment);
            let group = if is_sure { &mut readers.volumes } else { &mut readers.perhaps };
            group.insert(id.clone());
        }
        let may_be_nfs = drivers.into_iter().filter(|(_, (_, nfs))| *nfs != Nfs::No);
        readers.drivers = may_be_nfs
            .map(|((driver, _), (of, _))| ConfReader {
                driver,
                reads: match of {
                    ConfOf::Node(_) | ConfOf::Shared(_) => "node",
                    ConfOf::Container(_) => "container",
                    ConfOf::Unknown => "unknown",
                },
                message: of.describe(),
            })
            .collect();
        readers
    }
}

/// Returns true if the mount of a volume is NFS, or that which is being made.
fn is_nfs(id: &VolumeId, moment: &Moment) -> bool {
    moment.mount_on(&id.folder()).is_some_and(|mount| mount.nfs.is_some())
        || moment
            .mounters
            .iter()
            .any(|mounter| mounter.process.name.starts_with("mount.nfs") && is_for(mounter, id, &[], moment))
}
