//! Reads the source of a volume: the fields of its specification of which it has one.

use serde::de::IgnoredAny;

use super::Spec;

/// The sources of a volume that kubelet mounts itself and that are not NFS, as
/// a manifest writes them, each with its plugin's name.
pub const IN_TREE_PLUGINS: [(&str, &str); 17] = [
    ("hostPath", "kubernetes.io/host-path"),
    ("local", "kubernetes.io/local-volume"),
    ("azureFile", "kubernetes.io/azure-file"),
    ("iscsi", "kubernetes.io/iscsi"),
    ("fc", "kubernetes.io/fc"),
    ("rbd", "kubernetes.io/rbd"),
    ("cephfs", "kubernetes.io/cephfs"),
    ("glusterfs", "kubernetes.io/glusterfs"),
    ("awsElasticBlockStore", "kubernetes.io/aws-ebs"),
    ("gcePersistentDisk", "kubernetes.io/gce-pd"),
    ("azureDisk", "kubernetes.io/azure-disk"),
    ("cinder", "kubernetes.io/cinder"),
    ("vsphereVolume", "kubernetes.io/vsphere-volume"),
    ("portworxVolume", "kubernetes.io/portworx-volume"),
    ("quobyte", "kubernetes.io/quobyte"),
    ("scaleIO", "kubernetes.io/scaleio"),
    ("storageos", "kubernetes.io/storageos"),
];

impl Spec<'_> {
    /// Returns the sources of the volume, as a manifest writes them. The API server takes
    /// exactly one (kubernetes `pkg/apis/core/validation`,
    /// `ValidatePersistentVolumeSpec`).
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        let others = [
            ("nfs", self.nfs.is_some()),
            ("csi", self.csi.is_some()),
            ("flexVolume", self.flex_volume.is_some()),
        ];
        let named = self.in_tree().into_iter().zip(IN_TREE_PLUGINS);
        let in_tree = named.map(|(source, (name, _))| (name, source.is_some()));
        others.into_iter().chain(in_tree).filter(|(_, is_there)| *is_there).map(|(name, _)| name)
    }

    /// Returns the plugin's name of a volume that kubelet mounts itself and that is not
    /// NFS; `None` where the object has no such source.
    pub fn in_tree_plugin(&self) -> Option<&'static str> {
        let mut plugins = self.in_tree().into_iter().zip(IN_TREE_PLUGINS);
        plugins.find(|(source, _)| source.is_some()).map(|(_, (_, plugin))| plugin)
    }

    /// Returns the sources in the order of `IN_TREE_PLUGINS`; a test sees to it.
    const fn in_tree(&self) -> [&Option<IgnoredAny>; IN_TREE_PLUGINS.len()] {
        [
            &self.host_path,
            &self.local,
            &self.azure_file,
            &self.iscsi,
            &self.fc,
            &self.rbd,
            &self.cephfs,
            &self.glusterfs,
            &self.aws_elastic_block_store,
            &self.gce_persistent_disk,
            &self.azure_disk,
            &self.cinder,
            &self.vsphere_volume,
            &self.portworx_volume,
            &self.quobyte,
            &self.scale_io,
            &self.storageos,
        ]
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may end by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_its_own_plugins_name() {
        for (source, plugin) in IN_TREE_PLUGINS {
            let spec = format!("{{\"{source}\": {{}}}}");
            let spec: Spec<'_> = serde_json::from_str(&spec).expect("a spec");
            assert_eq!(spec.in_tree_plugin(), Some(plugin));
        }
    }
}
