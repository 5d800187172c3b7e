//! Reads the identity of an object: its driver, its provisioner, its access modes.

use super::facts::Facts;
use super::manifest::{self, Manifest};
use super::{Access, driver};
use crate::kind::{Holds, Kind};

/// Returns the driver that mounts the object, and the object's facts.
pub(super) fn identify<'m>(kind: Kind, manifest: &'m Manifest<'_>) -> (&'m str, Facts<'m>) {
    let holds = kind.row().holds;
    let driver_of_class = match holds {
        Holds::Class => Some(&manifest.provisioner),
        Holds::Snapshots => Some(&manifest.driver),
        Holds::Volume | Holds::InlineVolumes(_) | Holds::Claim => None,
    };
    if let Some(driver) = driver_of_class {
        let facts = Facts {
            map: manifest.parameters.as_ref(),
            is_class: holds == Holds::Class,
            reclaim_policy: manifest.reclaim_policy.as_deref(),
            ..Facts::default()
        };
        return (driver.as_deref().unwrap_or_default(), facts);
    }
    let Some(spec) = manifest.spec.as_ref().filter(|_| is_volume(kind)) else {
        return ("", Facts::default());
    };
    let mut facts = Facts {
        access_modes: spec.access_modes.as_deref(),
        is_block: spec.volume_mode.as_deref() == Some("Block"),
        ..Facts::default()
    };
    if let Some(nfs) = &spec.nfs {
        facts.source_read_only = nfs.read_only.unwrap_or_default();
        facts.is_in_tree_nfs = true;
        return ("kubernetes.io/nfs", facts);
    }
    if let Some(csi) = &spec.csi {
        facts.map = csi.volume_attributes.as_ref();
        facts.fs_type = csi.fs_type.as_deref();
        facts.volume_handle = csi.volume_handle.as_deref();
        facts.is_csi_volume = true;
        let read_only = csi.read_only.unwrap_or_default();
        let is_inline = matches!(holds, Holds::InlineVolumes(_));
        facts.source_read_only = read_only && is_inline;
        facts.idle_read_only = read_only && !is_inline;
        return (csi.driver.as_deref().unwrap_or_default(), facts);
    }
    if let Some(flex) = &spec.flex_volume {
        facts.map = flex.options.as_ref();
        facts.fs_type = flex.fs_type.as_deref();
        facts.is_flex_volume = true;
        return (flex.driver.as_deref().unwrap_or_default(), facts);
    }
    let plugin = spec.in_tree_plugin().unwrap_or_default();
    // Such a plugin's own row says what its driver makes of it.
    facts.is_handed_to_driver = driver::find(plugin).is_some_and(|row| row.nfs != driver::Nfs::No);
    (plugin, facts)
}

/// Returns true if the provisioner `name` may have made a volume with this source. That of a CSI
/// volume has the driver's name (external-provisioner, `provision`); one of an in-tree volume is no
/// CSI driver and no plugin of kubelet's.
pub(super) fn may_have_made(name: &str, spec: Option<&manifest::Spec<'_>>) -> bool {
    if let Some(csi) = spec.and_then(|spec| spec.csi.as_ref()) {
        return csi.driver.as_deref() == Some(name);
    }
    // External provisioners have a domain and a name; a CSI driver's has no slash.
    let is_csi = !name.contains('/') && driver::find(name).is_some();
    !is_csi && !name.starts_with("kubernetes.io/")
}

/// Returns true if an object of this kind is, or holds, volumes with a source.
pub(super) const fn is_volume(kind: Kind) -> bool {
    matches!(kind.row().holds, Holds::Volume | Holds::InlineVolumes(_))
}

/// Returns the access of Pods. Access modes do not count: nothing enforces them on a mount
/// (kubernetes/kubernetes#90885), and drivers get the claim's `readOnly`, not that of a CSI source;
/// an inline volume has no claim, and its source's counts (kubernetes
/// `pkg/volume/csi/csi_plugin.go`, `getReadOnlyFromSpec`). Where a driver adds `ro`, the options
/// say so.
pub(super) fn access(kind: Kind, spec: Option<&manifest::Spec<'_>>) -> Access {
    let is_inline = match kind.row().holds {
        Holds::Class | Holds::Snapshots | Holds::Claim => return Access { writable: true, shared: true },
        Holds::Volume => false,
        Holds::InlineVolumes(_) => true,
    };
    let modes = spec.and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    let has = |mode: &str| modes.iter().any(|found| &**found == mode);
    let read_only_source = spec.is_some_and(|spec| {
        spec.nfs.as_ref().and_then(|nfs| nfs.read_only) == Some(true)
            || spec.flex_volume.as_ref().and_then(|flex| flex.read_only) == Some(true)
            || is_inline && spec.csi.as_ref().and_then(|csi| csi.read_only) == Some(true)
    });
    // Other Pods may mount the same export inline.
    let shared = is_inline || has("ReadWriteMany");
    Access { writable: !read_only_source, shared: shared && !read_only_source }
}

pub(super) fn server<'m>(kind: Kind, manifest: &'m Manifest<'_>, key: &str) -> Option<&'m str> {
    if !is_volume(kind) {
        return manifest.parameters.as_ref()?.get(key);
    }
    let spec = manifest.spec.as_ref()?;
    match (&spec.nfs, &spec.csi) {
        (Some(nfs), _) => nfs.server.as_deref(),
        (None, Some(csi)) => csi.volume_attributes.as_ref()?.get(key),
        (None, None) => None,
    }
}
