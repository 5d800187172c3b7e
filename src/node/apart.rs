//! Volumes that a driver has mounted in a namespace of its own alone.

use std::collections::HashMap;

use super::moment::is_kubelets;
use super::mounts::Location;
use super::processes::{Namespace, Process};
use super::volumes::{Plugin, VolumeId};

/// The mount of a volume that a process sees, and kubelet may not.
#[derive(Debug)]
pub(super) struct Apart {
    /// The first process of its namespace.
    pub(super) process: Process,
    /// True if it is NFS.
    pub(super) is_nfs: bool,
}

/// Returns the mounts of processes that see the directory of Pods and are neither the node nor the
/// kubelet: a driver without `mountPropagation: Bidirectional` mounts for itself alone.
pub(super) fn of(namespaces: &[Namespace], pods: &Location) -> HashMap<VolumeId, Apart> {
    let mut found = HashMap::<VolumeId, Apart>::new();
    for namespace in namespaces {
        let Some(process) = namespace.processes.first() else { continue };
        // A driver's container mounts the directory of Pods by a hostPath volume.
        if is_kubelets(namespace) || !namespace.table.shows(pods) {
            continue;
        }
        let names = namespace.table.paths_of(pods);
        for mount in namespace.table.mounts().filter(|mount| mount.device != pods.device) {
            let id = names.iter().find_map(|name| VolumeId::of_path(mount.point.strip_prefix(name).ok()?));
            let is_whole = |id: &VolumeId| id.plugin == Plugin::Csi && mount.point.ends_with(id.folder());
            if let Some(id) = id.or_else(|| VolumeId::of_target(&mount.point)).filter(is_whole) {
                // An NFS mount proves more than another one, in whichever namespace it is.
                let is_nfs = mount.nfs.is_some();
                if found.get(&id).is_none_or(|known| is_nfs && !known.is_nfs) {
                    found.insert(id, Apart { process: process.clone(), is_nfs });
                }
            }
        }
    }
    found
}
