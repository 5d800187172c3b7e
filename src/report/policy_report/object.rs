//! A report as an object of the cluster.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use serde::Serialize;
use serde_json::value::RawValue;

use super::result::Outcome;
use super::{Api, NAME};

/// The annotation with the hash of what a report says: one that has it is not written
/// again.
pub const ANNOTATION: &str = "nfs-mount-guard.io/content-hash";

/// The annotation with the number of results that the summary of a report counts and for which it
/// has no room.
const NOT_SHOWN: &str = "nfs-mount-guard.io/not-shown";

/// The value of the label `app.kubernetes.io/component` of every report.
pub const COMPONENT: &str = "scan";

/// A report that there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its namespace; `None` for one of the cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The whole object in JSON, for server-side apply.
    pub body: String,
    /// The hash of what it says, which it has as [`ANNOTATION`].
    pub content: String,
}

/// Counts of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Summary {
    pass: usize,
    fail: usize,
    warn: usize,
    error: usize,
    skip: usize,
}

impl Summary {
    const fn all(self) -> usize {
        self.pass + self.fail + self.warn + self.error + self.skip
    }

    pub(super) const fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Warn => self.warn += 1,
            Outcome::Error => self.error += 1,
            Outcome::Skip => self.skip += 1,
        }
    }
}

/// The contents of a report.
pub(super) struct Body<'b> {
    pub(super) summary: Summary,
    pub(super) results: Vec<&'b RawValue>,
    /// Most results of all reports of the cluster.
    pub(super) most: usize,
}

impl Body<'_> {
    /// Returns the number of results that are counted and not in the report.
    pub(super) fn not_shown(&self) -> usize {
        self.summary.all().saturating_sub(self.results.len())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'o> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'o>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Configuration>,
    summary: Summary,
    results: &'o [&'o RawValue],
}

#[derive(Serialize)]
struct Metadata<'o> {
    name: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'o str>,
    labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'static str, &'o str>>,
}

#[derive(Clone, Copy, Serialize)]
struct Labels {
    #[serde(rename = "app.kubernetes.io/name")]
    name: &'static str,
    #[serde(rename = "app.kubernetes.io/managed-by")]
    managed_by: &'static str,
    #[serde(rename = "app.kubernetes.io/component")]
    component: &'static str,
}

#[derive(Clone, Copy, Serialize)]
struct Configuration {
    limits: Limits,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    max_results: usize,
}

/// Returns the report in JSON, with the hash of what it says, and the number of results that it has
/// no room for.
pub(super) fn write(api: Api, namespace: Option<String>, name: String, body: &Body<'_>) -> Wanted {
    let labels = Labels { name: NAME, managed_by: NAME, component: COMPONENT };
    let configuration = Configuration { limits: Limits { max_results: body.most } };
    let left_out = body.not_shown();
    let not_shown = (left_out > 0).then(|| left_out.to_string());
    let object = |content: Option<&str>| {
        let annotations: BTreeMap<&str, &str> = [(ANNOTATION, content), (NOT_SHOWN, not_shown.as_deref())]
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let object = Object {
            api_version: api.api_version(),
            kind: api.kind(namespace.is_some()),
            metadata: Metadata {
                name: &name,
                namespace: namespace.as_deref(),
                labels,
                annotations: (!annotations.is_empty()).then_some(annotations),
            },
            source: api.has_source().then_some(NAME),
            configuration: api.has_source().then_some(configuration),
            summary: body.summary,
            results: &body.results,
        };
        // Texts and numbers always serialize.
        serde_json::to_string(&object).unwrap_or_default()
    };
    let mut hasher = fnv::FnvHasher::default();
    // Of the object without the hash itself: the next scan compares it with the stored one.
    hasher.write(object(None).as_bytes());
    let content = format!("{:016x}", hasher.finish());
    let body = object(Some(&content));
    Wanted { namespace, name, body, content }
}
