//! Results of rules that a scan did not run (`--select`, `--ignore`), from the reports that
//! there are: of them a scan of other rules knows nothing, so they stay.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::result::Outcome;
use crate::kind::Kind;
use crate::report::Report;
use crate::report::live::identity;

/// The results that stay, of the cluster and by namespace.
#[derive(Debug, Default)]
pub struct Kept {
    pub(super) cluster: Vec<KeptResult>,
    pub(super) namespaces: BTreeMap<String, Vec<KeptResult>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct KeptResult {
    /// The name of the object, as in reports.
    pub(super) title: String,
    /// Its uid, or else its name.
    pub(super) identity: String,
    pub(super) outcome: Outcome,
    pub(super) json: Box<RawValue>,
}

/// The fields that are read of a result.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'r"))]
struct Known<'r> {
    #[serde(borrow)]
    rule: Cow<'r, str>,
    result: Outcome,
    #[serde(default)]
    resources: Vec<Resource<'r>>,
}

#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'r"))]
struct Resource<'r> {
    #[serde(borrow)]
    kind: Cow<'r, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'r, str>>,
    #[serde(borrow)]
    name: Cow<'r, str>,
    #[serde(borrow)]
    uid: Option<Cow<'r, str>>,
}

impl Kept {
    /// Takes those results of a report that the scan neither found again nor refuted. `namespace` is
    /// that of the report.
    pub fn take(&mut self, namespace: Option<String>, results: Vec<Box<RawValue>>, report: &Report) {
        let stay: Vec<KeptResult> =
            results.into_iter().filter_map(|result| KeptResult::of(result, report)).collect();
        match namespace {
            None => self.cluster.extend(stay),
            // An entry without results would be a report for a namespace that needs none.
            Some(_) if stay.is_empty() => {}
            Some(namespace) => self.namespaces.entry(namespace).or_default().extend(stay),
        }
    }
}

impl KeptResult {
    fn of(json: Box<RawValue>, report: &Report) -> Option<Self> {
        let known: Known<'_> = nfs_mount_guard_json::from_str(json.get()).ok()?;
        let code = known.rule.split(' ').next()?;
        let is_unrun = report.policy.not_run.iter().any(|rule| rule.to_string() == code);
        // A result about an object has one resource, and that of the heartbeat none.
        let resource = known.resources.into_iter().next()?;
        if !is_unrun || resource.is_gone(report) {
            return None;
        }
        let parts = [Some(&resource.kind), resource.namespace.as_ref(), Some(&resource.name)];
        let title = parts.into_iter().flatten().map(|part| &**part).collect::<Vec<_>>().join("/");
        let identity = resource.uid.map_or_else(|| title.clone(), Cow::into_owned);
        Some(Self { title, identity, outcome: known.result, json })
    }
}

impl Resource<'_> {
    /// Returns true if the scan listed all objects of the kind, and this one was not there. Pods and
    /// what makes them are listed only in some clusters.
    fn is_gone(&self, report: &Report) -> bool {
        // Only these are listed by each scan: what is not seen of the others may still be there.
        let is_listed = |kind: Kind| {
            matches!(kind, Kind::StorageClass | Kind::PersistentVolume | Kind::VolumeSnapshotClass)
        };
        Kind::parse(&self.kind).is_some_and(is_listed)
            && !report.live.seen.contains(&identity(&self.kind, &self.name))
    }
}
