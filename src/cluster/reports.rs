//! Reports in a cluster: finds which API is served, writes what changed, removes what is
//! cured. Their contents are made elsewhere ([`policy_report`]).
//!
//! Server-side apply, so that nothing is read before it is written; and what a report
//! says has a hash, so that nothing is written that did not change.

mod existing;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use kube::core::Status;
use serde::Deserialize;

use super::FIELD_MANAGER;
use super::pages::{Answer, Ask, Error, JSON, Listed, METADATA, Pager, encoded};
use crate::count::counted;
use crate::report::Report;
use crate::report::policy_report::{Api, COMPONENT, Kept, NAME, Wanted};
use existing::{Existing, Results};

/// Most refusals of one kind of report until no other is tried, while none was written.
const MOST_REFUSED: usize = 20;

/// Most reports that cannot be deleted until no other is tried.
const MOST_FAILURES: usize = 3;

/// The form of server-side apply; JSON is YAML.
const APPLY: &str = "application/apply-patch+yaml";

/// The APIs for reports that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// This one.
    By(Api),
    /// None of those that were requested; the resource that is missing where the other one of the
    /// same API is served.
    Nowhere(Option<(Api, &'static str)>),
    /// The API server does not say.
    Unknown(String),
}

/// The result of writing the reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// The errors, each with its remedy.
    pub errors: Vec<String>,
    /// The parts that were left out, without a remedy.
    pub notes: Vec<String>,
}

/// Returns the first of these APIs that the API server serves.
pub async fn served(pager: &mut Pager, apis: &[Api]) -> Served {
    let mut missing = None;
    for api in apis {
        let uri = format!("/apis/{}", api.api_version());
        let ask = Ask { resource: "apis", method: Method::GET, uri: &uri, accept: JSON, body: None };
        match pager.ask(&ask).await {
            Answer::Page(bytes) => {
                let list = nfs_mount_guard_json::from_slice::<Resources>(&bytes).unwrap_or_default();
                let has = |name: &str| list.resources.iter().any(|resource| resource.name == name);
                let resources = [false, true].map(|is_namespaced| api.resource(is_namespaced));
                match resources.map(has) {
                    [true, true] => return Served::By(*api),
                    [true, false] => missing = missing.or(Some((*api, api.resource(true)))),
                    [false, true] => missing = missing.or(Some((*api, api.resource(false)))),
                    [false, false] => {}
                }
            }
            Answer::Refused(status) if status.code == 404 => {}
            Answer::Refused(status) => {
                return Served::Unknown(format!("{} ({})", status.message, status.code));
            }
            Answer::Silence(reason) => return Served::Unknown(reason),
        }
    }
    Served::Nowhere(missing)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    name: String,
}

/// Reads the results of rules that the scan did not run from the reports that there are; nothing is
/// requested if it ran all of the policy's.
///
/// # Errors
///
/// Returns the error of a list, and its remedy.
pub async fn kept(pager: &mut Pager, api: Api, report: &Report) -> Result<Kept, String> {
    let mut kept = Kept::default();
    if report.policy.not_run.is_empty() {
        return Ok(kept);
    }
    // The results are wanted, and a list of metadata has none.
    for metadata_only in [listed(api, false), listed(api, true)] {
        let whole = Listed { form: JSON, ..metadata_only };
        let mut results = Results::default();
        pager.list(whole, whole.path, &selector(), &mut results).await.map_err(|error| match error {
            Error::Unknown { .. } => removed(api),
            other => other.to_string(),
        })?;
        for (namespace, results) in results.reports {
            kept.take(namespace, results, report);
        }
    }
    Ok(kept)
}

/// Selects the objects of this program.
fn selector() -> String {
    format!(
        "&labelSelector={}",
        encoded(&format!("app.kubernetes.io/managed-by={NAME},app.kubernetes.io/component={COMPONENT}"))
    )
}

/// Returns true if a report of this name is one of ours, and not the heartbeat.
fn is_ours(namespace: Option<&str>, name: &str) -> bool {
    name.starts_with(NAME) && (namespace.is_some() || name != NAME)
}

/// Makes the reports of the cluster those that are wanted. The heartbeat is none of them.
pub async fn write(pager: &mut Pager, api: Api, wanted: &[Wanted]) -> Written {
    let mut written = Written::default();
    let mut existing = Existing::default();
    for listed in [listed(api, false), listed(api, true)] {
        if let Err(error) = pager.list(listed, listed.path, &selector(), &mut existing).await {
            written.errors.push(match error {
                Error::Unknown { .. } => removed(api),
                other => other.to_string(),
            });
            return written;
        }
    }
    let mut refusals = [Refusals::default(), Refusals::default()];
    for report in wanted {
        let key = (report.namespace.clone(), report.name.clone());
        let is_there = existing.reports.remove(&key).is_some_and(|found| found.is_same(report));
        let [of_cluster, of_namespaces] = &mut refusals;
        let refusals = if report.namespace.is_some() { of_namespaces } else { of_cluster };
        // An equal report was written before, so the right is there.
        if is_there {
            refusals.has_written = true;
            continue;
        }
        // Each try is a request: a missing right must not cost thousands of them.
        if refusals.is_of_all() {
            refusals.untried += 1;
            continue;
        }
        match apply(pager, api, report).await {
            Ok(()) => refusals.has_written = true,
            Err(Fault::NamespaceGone(note)) => written.notes.push(note),
            Err(Fault::Refused(code, error)) => refusals.add(code, error),
            Err(Fault::Other(error)) => {
                written.errors.push(error);
                return written;
            }
        }
    }
    for (is_namespaced, refusals) in [false, true].into_iter().zip(refusals) {
        written.errors.extend(refusals.told(api.kind(is_namespaced)));
    }
    // A report that could not be written may still be right: only what is not wanted goes.
    let wanted: BTreeSet<(Option<&str>, &str)> =
        wanted.iter().map(|report| (report.namespace.as_deref(), &*report.name)).collect();
    let mut failures = 0;
    for (namespace, name) in existing.reports.keys() {
        let is_cured =
            is_ours(namespace.as_deref(), name) && !wanted.contains(&(namespace.as_deref(), &**name));
        if is_cured && let Err(error) = remove(pager, api, namespace.as_deref(), name).await {
            written.errors.push(error);
            // One that stays spoils no other, but without an answer each would be waited for.
            failures += 1;
            if failures == MOST_FAILURES {
                break;
            }
        }
    }
    written
}

/// The reports of one kind that the API server refused.
#[derive(Debug, Default)]
struct Refusals {
    /// The first error of each code, and how many have it.
    errors: BTreeMap<u16, (String, usize)>,
    has_written: bool,
    untried: usize,
}

impl Refusals {
    fn add(&mut self, code: u16, error: String) {
        self.errors.entry(code).or_insert((error, 0)).1 += 1;
    }

    /// Returns true if all others will be refused as well: the right is missing, and not in one namespace.
    fn is_of_all(&self) -> bool {
        self.errors.values().map(|(_, count)| count).sum::<usize>() >= MOST_REFUSED && !self.has_written
    }

    /// Returns the errors about reports of a kind.
    fn told(self, kind: &'static str) -> impl Iterator<Item = String> {
        let untried = (self.untried > 0).then(|| {
            format!(
                "{} not tried, because the first {MOST_REFUSED} were refused; remove their cause, and run scan again",
                counted(self.untried, kind)
            )
        });
        let one = move |(error, count): (String, usize)| match count - 1 {
            0 => error,
            more => format!("{error} (and {more} more)"),
        };
        self.errors.into_values().map(one).chain(untried)
    }
}

/// Writes the heartbeat.
///
/// # Errors
///
/// Returns the error and its remedy.
pub async fn beat(pager: &mut Pager, api: Api, heartbeat: &Wanted) -> Result<(), String> {
    apply(pager, api, heartbeat).await.map_err(|fault| match fault {
        Fault::NamespaceGone(text) | Fault::Refused(_, text) | Fault::Other(text) => text,
    })
}

const fn listed(api: Api, is_namespaced: bool) -> Listed {
    let path = match (api, is_namespaced) {
        (Api::OpenReports, false) => "/apis/openreports.io/v1alpha1/clusterreports",
        (Api::OpenReports, true) => "/apis/openreports.io/v1alpha1/reports",
        (Api::PolicyReport, false) => "/apis/wgpolicyk8s.io/v1alpha2/clusterpolicyreports",
        (Api::PolicyReport, true) => "/apis/wgpolicyk8s.io/v1alpha2/policyreports",
    };
    Listed { resource: api.resource(is_namespaced), group: api.group(), path, form: METADATA }
}

/// The reason why a report was not written.
enum Fault {
    /// Its namespace is being deleted, or is.
    NamespaceGone(String),
    /// It is refused: a right is missing, or something in the cluster rejects it in its namespace.
    Refused(u16, String),
    /// No other report can be written either.
    Other(String),
}

fn path(api: Api, namespace: Option<&str>, name: &str) -> String {
    let resource = api.resource(namespace.is_some());
    let folder = match namespace {
        Some(namespace) => format!("namespaces/{}/{resource}", encoded(namespace)),
        None => resource.to_owned(),
    };
    format!("/apis/{}/{folder}/{}", api.api_version(), encoded(name))
}

/// Returns the name of a report in messages: `Report shop/nfs-mount-guard`.
fn title(api: Api, namespace: Option<&str>, name: &str) -> String {
    let kind = api.kind(namespace.is_some());
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

async fn apply(pager: &mut Pager, api: Api, report: &Wanted) -> Result<(), Fault> {
    let namespace = report.namespace.as_deref();
    // `force`: a field that someone edited belongs to the scan.
    let uri = format!("{}?fieldManager={FIELD_MANAGER}&force=true", path(api, namespace, &report.name));
    let resource = api.resource(namespace.is_some());
    let body = Some((APPLY, &*report.body));
    let ask = Ask { resource, method: Method::PATCH, uri: &uri, accept: JSON, body };
    let title = title(api, namespace, &report.name);
    let status = match pager.ask(&ask).await {
        Answer::Page(_) => return Ok(()),
        Answer::Silence(reason) => {
            return Err(Fault::Other(format!("cannot write {title}: {reason}; run scan again")));
        }
        Answer::Refused(status) => status,
    };
    if let Some(namespace) = namespace.filter(|_| is_without_namespace(&status)) {
        // A finalizer may keep it for long.
        let state = if status.code == 404 { "was deleted during the scan" } else { "is being deleted" };
        let note = format!("namespace {namespace:?} {state}: {title} was not written");
        return Err(Fault::NamespaceGone(note));
    }
    Err(match status.code {
        403 => Fault::Refused(
            403,
            format!(
                "not allowed to write {title} (403): {}; grant \"create\" and \"patch\" on {resource} in {}, if no other cause is named",
                status.message,
                api.group()
            ),
        ),
        404 => Fault::Other(removed(api)),
        // Of this report alone: its text, its size, or a webhook that rejects it.
        code @ (400 | 409 | 413 | 422) => Fault::Refused(
            code,
            format!(
                "cannot write {title}: the API server answered {code} {}; remove what rejects it",
                status.message
            ),
        ),
        code => {
            Fault::Other(format!("cannot write {title}: the API server answered {code} {}", status.message))
        }
    })
}

async fn remove(pager: &mut Pager, api: Api, namespace: Option<&str>, name: &str) -> Result<(), String> {
    let uri = path(api, namespace, name);
    let resource = api.resource(namespace.is_some());
    let ask = Ask { resource, method: Method::DELETE, uri: &uri, accept: JSON, body: None };
    let title = title(api, namespace, name);
    match pager.ask(&ask).await {
        Answer::Page(_) => Ok(()),
        // Something else deleted it, which is as well.
        Answer::Refused(status) if status.code == 404 => Ok(()),
        Answer::Refused(status) if status.code == 403 => Err(format!(
            "not allowed to delete {title} (403): {}; grant \"delete\" on {resource} in {}",
            status.message,
            api.group()
        )),
        Answer::Refused(status) => {
            Err(format!("cannot delete {title}: the API server answered {} {}", status.code, status.message))
        }
        Answer::Silence(reason) => Err(format!("cannot delete {title}: {reason}; run scan again")),
    }
}

/// Describes a resource that was served when the scan began, or before.
fn removed(api: Api) -> String {
    format!(
        "cannot write reports: the API server does not serve {} any more (404); install its CRDs again, or use --reports none",
        api.api_version()
    )
}

/// Returns true if a namespace is missing (404), or is being deleted (403).
fn is_without_namespace(status: &Status) -> bool {
    let Some(details) = &status.details else { return false };
    let is_ending = details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating");
    status.code == 404 && details.kind == "namespaces" || status.code == 403 && is_ending
}
