//! Readers of the reports that a cluster has already: of their results, and of the hash of what they
//! say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::is_ours;
use crate::cluster::FIELD_MANAGER;
use crate::cluster::pages::PageReader;
use crate::report::policy_report::{ANNOTATION, Wanted};

/// The results of the reports that there are, each with the report's namespace.
#[derive(Default)]
pub(super) struct Results {
    pub(super) reports: Vec<(Option<String>, Vec<Box<RawValue>>)>,
}

#[derive(Deserialize)]
struct WholePage {
    #[serde(default)]
    items: Vec<WholeReport>,
}

#[derive(Deserialize)]
struct WholeReport {
    metadata: ItemMetadata,
    #[serde(default)]
    results: Vec<Box<RawValue>>,
}

impl PageReader for Results {
    fn page(&mut self, bytes: Vec<u8>, _: Option<u64>) {
        let Ok(page) = nfs_mount_guard_json::from_slice::<WholePage>(&bytes) else { return };
        for WholeReport { metadata, results } in page.items {
            let namespace = metadata.namespace.filter(|namespace| !namespace.is_empty());
            if is_ours(namespace.as_deref(), &metadata.name) {
                self.reports.push((namespace, results));
            }
        }
    }

    fn forget(&mut self) {
        self.reports.clear();
    }
}

/// The reports that there are, by namespace and name.
#[derive(Default)]
pub(super) struct Existing {
    pub(super) reports: BTreeMap<(Option<String>, String), ExistingReport>,
}

/// The known fields of an existing report.
pub(super) struct ExistingReport {
    content: String,
    /// True if no other writer has a field of it.
    is_alone: bool,
}

impl ExistingReport {
    pub(super) fn is_same(&self, wanted: &Wanted) -> bool {
        self.is_alone && self.content == wanted.content
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<PageItem>,
}

#[derive(Deserialize)]
struct PageItem {
    metadata: ItemMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ItemMetadata {
    name: String,
    namespace: Option<String>,
    annotations: BTreeMap<String, String>,
    managed_fields: Vec<Manager>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Manager {
    manager: String,
    operation: String,
}

impl PageReader for Existing {
    fn page(&mut self, bytes: Vec<u8>, _: Option<u64>) {
        let Ok(page) = nfs_mount_guard_json::from_slice::<Page>(&bytes) else { return };
        for PageItem { metadata } in page.items {
            let content = metadata.annotations.get(ANNOTATION).cloned().unwrap_or_default();
            let managers = &metadata.managed_fields;
            let is_alone = !managers.is_empty()
                && managers.iter().all(|one| one.manager == FIELD_MANAGER && one.operation == "Apply");
            let key = (metadata.namespace.filter(|namespace| !namespace.is_empty()), metadata.name);
            self.reports.insert(key, ExistingReport { content, is_alone });
        }
    }

    fn forget(&mut self) {
        // The other list stays: what is listed again replaces itself.
    }
}
