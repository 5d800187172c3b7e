//! Reads which CSI drivers of a cluster mount inline volumes.

use serde::Deserialize;

use crate::check::Checker;
use crate::cluster::pages::PageReader;
use crate::subject::driver::{self, Nfs};

/// The CSI drivers that mount volumes of a Pod itself.
#[derive(Default)]
pub(super) struct Drivers {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct DriverList {
    #[serde(default)]
    items: Vec<DriverItem>,
}

#[derive(Deserialize)]
struct DriverItem {
    metadata: DriverMetadata,
    #[serde(default)]
    spec: DriverSpec,
}

#[derive(Deserialize)]
struct DriverMetadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DriverSpec {
    volume_lifecycle_modes: Option<Vec<String>>,
}

impl PageReader for Drivers {
    fn page(&mut self, bytes: Vec<u8>, _: Option<u64>) {
        let Ok(list) = nfs_mount_guard_json::from_slice::<DriverList>(&bytes) else { return };
        let inline = |item: &DriverItem| {
            item.spec.volume_lifecycle_modes.iter().flatten().any(|mode| mode == "Ephemeral")
        };
        self.names.extend(list.items.into_iter().filter(inline).map(|item| item.metadata.name));
    }

    fn forget(&mut self) {
        self.names.clear();
    }
}

impl Drivers {
    /// Returns true if one of them mounts NFS, or may.
    pub(super) fn may_be_inline(&self, check: &Checker<'_>) -> bool {
        self.names.iter().any(|name| {
            let declared = check.policy.drivers().iter().find(|setting| driver::glob(&setting.name, name));
            match declared.and_then(|setting| setting.nfs) {
                Some(is_nfs) => is_nfs,
                None => driver::find(name).is_none_or(|row| row.nfs != Nfs::No),
            }
        })
    }
}
