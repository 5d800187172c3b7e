//! Objects that have the name of a volume and are another one.

use std::net::IpAddr;
use std::path::Path;

use super::Volume;
use crate::node::volumes::{self, Plugin};
use crate::subject::Subject;

/// The name of the kubelet's own NFS volumes in the driver table.
const IN_TREE: &str = "kubernetes.io/nfs";

/// A driver that mounts from the server that its attribute names.
const NFS_CSI: &str = "nfs.csi.k8s.io";

/// The address that a server's name is.
fn address(server: &str) -> Option<IpAddr> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

impl Volume<'_> {
    /// Why an object of this name is not the volume's: an inline volume has the name that
    /// its Pod gives it, and a PersistentVolume may have the same. `None` where it is.
    pub(super) fn other_object(
        &self,
        subject: &Subject<'_>,
        export: Option<&str>,
        pods_dir: &Path,
    ) -> Option<String> {
        let is_of_csi = self.id.plugin == Plugin::Csi;
        let driver = if is_of_csi {
            volumes::csi_driver(pods_dir, self.id).ok()
        } else {
            self.id.plugin.flex_driver()
        };
        if is_of_csi != subject.is_csi()
            || driver.as_ref().is_some_and(|driver| driver != subject.driver_name)
        {
            let driver = driver.as_deref().unwrap_or(if is_of_csi { "a CSI driver" } else { IN_TREE });
            return Some(format!("it is of {}, and the directory of {driver}", subject.driver_name));
        }
        // The server may have another name in a mount that shares its superblock, but no other address.
        let (server, mounted) = self.mount?.source.rsplit_once(":/")?;
        if let Some((asked, mounted)) = subject.server.and_then(address).zip(address(server))
            && asked != mounted
            && [IN_TREE, NFS_CSI].contains(&subject.driver_name)
        {
            return Some(format!("its server is {asked}, and {mounted} is mounted"));
        }
        let export = export?.trim_matches('/');
        (mounted.trim_matches('/') != export)
            .then(|| format!("it is at path /{export} of its server, and /{mounted} is mounted"))
    }
}
