//! Finds the NFS mounts of a node that share a superblock or connections.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::Volume;
use super::survey::Otherwise;
use crate::node::moment::Moment;
use crate::node::mounts::Mount;
use crate::node::report::VolumeName;

/// The step in the path of what a CSI or `FlexVolume` driver mounts for itself, of which the volumes
/// of Pods are further names.
const STAGING: &str = "/plugins/kubernetes.io/";

/// All that Linux compares of two mounts before they share their connections
/// (`nfs_match_client`), as far as it is shown: address, version, transport.
type Client<'a> = [Option<&'a str>; 3];

/// A mount, as a person knows it.
#[derive(Debug, Clone)]
struct Named {
    /// The volume with its plugin, the same in each Pod that uses a PersistentVolume; `None` for a mount
    /// that is no Pod's.
    volume: Option<PathBuf>,
    name: String,
    /// The settings that its object requests otherwise than mounted; none where there is no object.
    otherwise: BTreeSet<&'static str>,
}

/// NFS mounts by what they share. Of each group the first two of different volumes are kept that
/// differ from their objects alike: one of them is another one's.
#[derive(Debug, Default)]
pub(super) struct Sharing<'a> {
    by_device: HashMap<&'a str, Vec<Named>>,
    by_client: HashMap<Client<'a>, Vec<Named>>,
}

impl<'a> Sharing<'a> {
    pub(super) fn of(volumes: &[Volume<'a>], moment: &'a Moment, otherwise: &Otherwise) -> Self {
        let mut sharing = Self::default();
        let mut names = HashMap::<(&str, &str), usize>::new();
        for VolumeName { pod, volume, .. } in volumes.iter().map(|volume| &volume.name) {
            *names.entry((pod, volume)).or_default() += 1;
        }
        for volume in volumes {
            if let Some(mount) = volume.mount.filter(|mount| mount.nfs.is_some()) {
                let VolumeName { pod, volume: name, .. } = &volume.name;
                let has_twin = names.get(&(&**pod, &**name)).is_some_and(|count| *count > 1);
                let plugin = volume.id.with_plugin();
                let label = if has_twin { plugin.display().to_string() } else { name.clone() };
                let name = format!("volume {label} of Pod {pod}");
                let otherwise = otherwise.get(&volume.name.folder).cloned().unwrap_or_default();
                sharing.add(mount, &Named { volume: Some(volume.id.with_plugin()), name, otherwise });
            }
        }
        let mut elsewhere: Vec<&Mount> = moment.nfs_mounts_elsewhere().collect();
        // The table has no order, and each report is to name the same mount.
        elsewhere.sort_unstable_by(|one, other| one.point.cmp(&other.point));
        for mount in elsewhere.into_iter().filter(|mount| !mount.point.to_string_lossy().contains(STAGING)) {
            let name = format!("the mount at {}", mount.point.display());
            sharing.add(mount, &Named { volume: None, name, otherwise: BTreeSet::new() });
        }
        sharing
    }

    fn add(&mut self, mount: &'a Mount, named: &Named) {
        let groups = [
            self.by_device.entry(&mount.device).or_default(),
            self.by_client.entry(client(mount)).or_default(),
        ];
        for group in groups {
            let alike = || group.iter().filter(|known| known.otherwise == named.otherwise);
            // Two are enough to name another volume than the one that is compared, however many share the group.
            if alike().count() < 2 && !alike().any(|known| known.volume == named.volume) {
                group.push(named.clone());
            }
        }
    }

    /// Returns another mount with the superblock of a volume's mount, whose object requests what both
    /// have as `setting`.
    pub(super) fn superblock(&self, mount: &Mount, volume: &Volume<'_>, setting: &str) -> Option<String> {
        other(self.by_device.get(&*mount.device)?, volume, setting)
    }

    /// Returns the same of the connections.
    pub(super) fn connections(&self, mount: &Mount, volume: &Volume<'_>, setting: &str) -> Option<String> {
        other(self.by_client.get(&client(mount))?, volume, setting)
    }
}

fn other(group: &[Named], volume: &Volume<'_>, setting: &str) -> Option<String> {
    let own = volume.id.with_plugin();
    let mut others = group.iter().filter(|named| named.volume.as_ref() != Some(&own));
    let found = others.find(|named| !named.otherwise.contains(setting))?;
    Some(found.name.clone())
}

fn client(mount: &Mount) -> Client<'_> {
    ["addr", "vers", "proto"].map(|name| mount.options.get(name).and_then(Option::as_deref))
}
