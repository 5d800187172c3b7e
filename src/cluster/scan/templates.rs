//! Lists the workloads that make Pods with inline volumes. They are listed only where a driver of
//! the cluster mounts such volumes.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Extent, Judging, Progress, path_of, seen};
use crate::check::Checker;
use crate::cluster::pages::{JSON, Listed, PageReader, Pager};
use crate::kind::Kind;
use crate::report::{Report, SubjectReport};

/// The workloads that make Pods, with the version of the items.
const TEMPLATES: [(Listed, &str); 8] = [
    (workload("deployments", "apps", "/apis/apps/v1/deployments"), "apps/v1"),
    (workload("statefulsets", "apps", "/apis/apps/v1/statefulsets"), "apps/v1"),
    (workload("daemonsets", "apps", "/apis/apps/v1/daemonsets"), "apps/v1"),
    (workload("replicasets", "apps", "/apis/apps/v1/replicasets"), "apps/v1"),
    (workload("cronjobs", "batch", "/apis/batch/v1/cronjobs"), "batch/v1"),
    (workload("jobs", "batch", "/apis/batch/v1/jobs"), "batch/v1"),
    (workload("replicationcontrollers", "", "/api/v1/replicationcontrollers"), "v1"),
    (workload("podtemplates", "", "/api/v1/podtemplates"), "v1"),
];

const fn workload(resource: &'static str, group: &'static str, path: &'static str) -> Listed {
    Listed { resource, group, path, form: JSON }
}

/// Adds what makes Pods with inline volumes; `false` where no other list can be read.
pub(super) async fn list(
    pager: &mut Pager,
    check: &Checker<'_>,
    extent: Extent<'_>,
    report: &mut Report,
    progress: Progress<'_>,
) -> bool {
    for (listed, version) in TEMPLATES {
        let judging = Judging::new(check, version, progress, listed, extent);
        let mut reader = Templates { judging };
        let path = path_of(listed, extent.namespace);
        let listed_all = pager.list(listed, &path, "", &mut reader).await;
        report.add(reader.judging.file);
        if !seen(listed, listed_all, pager, report) {
            return false;
        }
    }
    true
}

/// Evaluates workloads that make Pods, and keeps those with a finding. A workload that another one
/// makes, such as the `ReplicaSets` of a Deployment, has the findings of its maker.
struct Templates<'c> {
    judging: Judging<'c>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MadeList {
    items: Vec<MadeItem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MadeItem {
    metadata: MadeMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MadeMetadata {
    name: String,
    namespace: String,
    owner_references: Vec<Maker>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Maker {
    kind: String,
    controller: Option<bool>,
}

/// Returns namespace and name of the objects of a page that one of [`TEMPLATES`] made.
fn made(bytes: &[u8]) -> BTreeSet<(String, String)> {
    let list: MadeList = nfs_mount_guard_json::from_slice(bytes).unwrap_or_default();
    let is_listed = |maker: &Maker| {
        maker.controller == Some(true)
            && Kind::parse(&maker.kind).is_some_and(|kind| kind.pod_spec().is_some())
    };
    let of_maker = |item: &MadeItem| item.metadata.owner_references.iter().any(is_listed);
    let names = list.items.into_iter().filter(of_maker);
    names.map(|item| (item.metadata.namespace, item.metadata.name)).collect()
}

impl PageReader for Templates<'_> {
    fn page(&mut self, bytes: Vec<u8>, remaining: Option<u64>) {
        // Other kinds have no makers that are listed.
        let may_be_made = matches!(self.judging.listed.resource, "replicasets" | "jobs");
        let made = if may_be_made { made(&bytes) } else { BTreeSet::new() };
        let mut page = self.judging.judge(bytes, remaining);
        let subjects = std::mem::take(&mut page.subjects);
        let judged = subjects.len();
        let is_made = |subject: &SubjectReport| {
            let name = (String::from(subject.namespace.clone().unwrap_or_default()), subject.name.clone());
            made.contains(&name)
        };
        let others = subjects.into_iter().filter(|subject| !is_made(subject));
        let bounded = others.map(|subject| self.judging.bounded(subject));
        page.subjects = bounded.filter(|subject| !subject.findings.is_empty()).collect();
        self.judging.file.dropped += judged - page.subjects.len();
        self.judging.add(page);
    }

    fn forget(&mut self) {
        self.judging.forget();
    }
}
