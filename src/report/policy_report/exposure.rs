//! The report of each namespace with exposed Pods: who owns the namespace does not see
//! the reports of the cluster (kyverno/policy-reporter#1195).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::kept::KeptResult;
use super::object::{Body, Summary, write};
use super::result::{self, outcome, raw};
use super::{Api, MOST_BYTES, MOST_RESULTS, NAME, Wanted, is_reported};
use crate::report::exposed::{Exposed, ExposedPod};
use crate::report::fingerprint::Fingerprints;
use crate::report::plain::plain;
use crate::report::{FindingReport, Report, SubjectReport};

/// Most Pods that a message names.
const MOST_PODS: usize = 3;

/// Returns one report a namespace, with a result a workload, volume and rule, and those that stay,
/// and how many have no room in theirs. Its summary counts all.
pub(super) fn reports(
    api: Api,
    report: &Report,
    kept: &BTreeMap<String, Vec<KeptResult>>,
) -> (Vec<Wanted>, usize) {
    let mut namespaces: BTreeMap<&str, Vec<&Exposed>> = BTreeMap::new();
    for entry in report.exposed.iter().filter(|entry| is_reported(entry.action)) {
        if let Some(namespace) = namespace(entry) {
            namespaces.entry(namespace).or_default().push(entry);
        }
    }
    for namespace in kept.keys() {
        namespaces.entry(namespace).or_default();
    }
    if namespaces.is_empty() {
        return (Vec::new(), 0);
    }
    let exposed: BTreeSet<&str> = report.exposed.iter().map(|entry| &*entry.subject).collect();
    let named = report.subjects.iter().map(|subject| (subject.title(), subject));
    let subjects: BTreeMap<String, &SubjectReport> =
        named.filter(|(title, _)| exposed.contains(&**title)).collect();
    let mut ids = Fingerprints::default();
    let one = |(name, entries): (&str, Vec<&Exposed>)| {
        let kept = kept.get(name).map(Vec::as_slice).unwrap_or_default();
        of(api, report, name, &entries, &subjects, kept, &mut ids)
    };
    let (reports, left_out): (Vec<Wanted>, Vec<usize>) = namespaces.into_iter().map(one).unzip();
    (reports, left_out.into_iter().sum())
}

/// Returns the namespace of the Pods that are exposed; `None` where none is.
fn namespace(entry: &Exposed) -> Option<&str> {
    let workload = entry.workload.as_deref().filter(|_| !entry.pods.is_empty())?;
    workload.split('/').nth(1)
}

fn of(
    api: Api,
    report: &Report,
    namespace: &str,
    entries: &[&Exposed],
    subjects: &BTreeMap<String, &SubjectReport>,
    kept: &[KeptResult],
    ids: &mut Fingerprints,
) -> (Wanted, usize) {
    let mut summary = Summary::default();
    let mut bytes = 0;
    let mut results: Vec<Box<RawValue>> = Vec::new();
    for entry in entries {
        let Some(subject) = subjects.get(&entry.subject) else { continue };
        let of_rule = subject.findings.iter().filter(|finding| finding.code == entry.code);
        // The first of the gravest.
        let Some(finding) = of_rule.rev().max_by_key(|finding| finding.action) else { continue };
        summary.add(outcome(finding.action));
        if results.len() == MOST_RESULTS {
            continue;
        }
        if let Some(json) = raw(&result(report, entry, subject, finding, ids)) {
            bytes += json.get().len() + 1;
            if bytes <= MOST_BYTES {
                results.push(json);
            }
        }
    }
    for KeptResult { outcome, json, .. } in kept {
        summary.add(*outcome);
        bytes += json.get().len() + 1;
        if results.len() < MOST_RESULTS && bytes <= MOST_BYTES {
            results.push(json.clone());
        }
    }
    let results = results.iter().map(|json| &**json).collect();
    let body = Body { summary, results, most: MOST_RESULTS };
    (write(api, Some(namespace.to_owned()), NAME.to_owned(), &body), body.not_shown())
}

fn result<'r>(
    report: &'r Report,
    entry: &Exposed,
    subject: &SubjectReport,
    finding: &FindingReport,
    ids: &mut Fingerprints,
) -> result::ReportResult<'r> {
    let workload = entry.workload.as_deref().unwrap_or_default();
    let uid = subject.tie.uid.map_or_else(|| entry.subject.clone(), |uid| uid.to_string());
    let id = ids.of_text(&format!("exposed\n{uid}\n{}\n{workload}", finding.code));
    let mut rendered = result::result(report, subject, finding, outcome(finding.action), id);
    let pods: Vec<String> = entry.pods.iter().take(MOST_PODS).map(name).collect();
    let more = match entry.pods.len().saturating_sub(MOST_PODS) {
        0 => String::new(),
        more => format!(", +{more} more"),
    };
    let message = format!("{}; exposed: {}{more}", finding.message, pods.join(", "));
    rendered.message = result::cut(&message, result::LONGEST_MESSAGE);
    let nodes: BTreeSet<&str> = entry.pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
    let properties = &mut rendered.properties;
    // The report of the cluster has them, and etcd holds both.
    for key in ["code", "action", "policyHash"] {
        properties.remove(key);
    }
    result::add_remedy(properties, finding.advice().as_deref());
    result::add(properties, "pods", &entry.pods.len().to_string());
    result::add(properties, "nodes", &nodes.len().to_string());
    result::add(properties, "state", entry.state.as_str());
    result::add(properties, "workload", workload);
    if let Some(claim) = &entry.claim {
        result::add(properties, "claim", claim);
    }
    rendered
}

/// Returns `orders-7d-x on node-3`.
fn name(pod: &ExposedPod) -> String {
    match &pod.node {
        Some(node) => format!("{} on {}", plain(&pod.name), plain(node)),
        None => plain(&pod.name).into_owned(),
    }
}
