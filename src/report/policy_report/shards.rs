//! The results of the whole cluster, and their distribution over reports: by the hash of
//! the object, so that a change of one object changes one report.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use serde_json::value::RawValue;

use super::kept::KeptResult;
use super::object::{Body, Summary, write};
use super::result::{self, CATEGORY, LONGEST_MESSAGE, Outcome, Properties, Reference, ReportResult, raw};
use super::{Api, MOST_BYTES, MOST_RESULTS, NAME, Wanted, is_reported};
use crate::finding::Code;
use crate::kind::Kind;
use crate::report::exposed::{Exposed, Harm, harm};
use crate::report::fingerprint::Fingerprints;
use crate::report::tie::Exempted;
use crate::report::{FindingReport, ReadError, Report, Reported, SubjectReport};

/// Most results of one object; a list of 4 KiB can have a thousand mistakes.
const MOST_OF_OBJECT: usize = 20;

/// Most reports of the cluster.
const MOST_SHARDS: u64 = 4096;

/// One thing to report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'r> {
    /// An object that could not be read.
    Unreadable(&'r ReadError),
    /// A finding.
    Found(&'r SubjectReport, &'r FindingReport),
    /// A finding that an exemption passes over.
    Exempt(&'r SubjectReport, &'r Exempted),
}

impl Row<'_> {
    /// Returns the name of the object, as in reports.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Unreadable(error) => error.message.split_once(": ").map_or("", |(name, _)| name).to_owned(),
            Self::Found(subject, _) | Self::Exempt(subject, _) => subject.title(),
        }
    }

    const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable(_) => Outcome::Error,
            Self::Found(_, finding) => result::outcome(finding.action),
            Self::Exempt(..) => Outcome::Skip,
        }
    }

    /// Returns the hash of the object, by its identity where it has one.
    fn hash(&self) -> u64 {
        let uid = match self {
            Self::Unreadable(_) => None,
            Self::Found(subject, _) | Self::Exempt(subject, _) => subject.tie.uid,
        };
        hash(&uid.map_or_else(|| self.title(), |uid| uid.to_string()))
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(text.as_bytes());
    // The low bits of FNV-1 alone follow the last letters.
    let hash = hasher.finish();
    hash ^ hash >> 32
}

/// Returns all that is to be reported, the most harmful first: what Pods are exposed to, the other
/// findings, what cannot be read among them as what would be denied, what is exempt.
pub(super) fn rows(report: &Report) -> Vec<Row<'_>> {
    let mut entries: BTreeMap<(&str, Code), &Exposed> = BTreeMap::new();
    for entry in &report.exposed {
        // The first is the most urgent one.
        entries.entry((&entry.subject, entry.code)).or_insert(entry);
    }
    let errors = report.errors.iter().filter(|error| error.is_of_object());
    let unreadable = harm(None, Reported::Deny, Code(0));
    let mut rows: Vec<(Harm, Row<'_>)> = errors.map(|error| (unreadable, Row::Unreadable(error))).collect();
    for subject in &report.subjects {
        let title = if entries.is_empty() { String::new() } else { subject.title() };
        for finding in subject.findings.iter().filter(|finding| is_reported(finding.action)) {
            let entry = entries.get(&(&*title, finding.code)).copied();
            rows.push((harm(entry, finding.action, finding.code), Row::Found(subject, finding)));
        }
    }
    rows.sort_by_key(|(harm, _)| *harm);
    let exempted = report.live.exempted.iter().map(|(subject, exempted)| Row::Exempt(subject, exempted));
    rows.into_iter().map(|(_, row)| row).chain(exempted).collect()
}

/// A row with its JSON.
struct Shown {
    hash: u64,
    title: String,
    json: Box<RawValue>,
}

/// Returns the reports of the cluster with at most `most` of these results, the first ones, and
/// then those that stay, and how many are left out. Their summaries count all.
pub(super) fn reports(
    api: Api,
    report: &Report,
    rows: &[Row<'_>],
    kept: &[KeptResult],
    most: usize,
) -> (Vec<Wanted>, usize) {
    let mut summaries: Vec<(u64, Outcome)> = rows.iter().map(|row| (row.hash(), row.outcome())).collect();
    let mut of_object: BTreeMap<u64, usize> = BTreeMap::new();
    let mut ids = Fingerprints::default();
    let exposures = by_subject(report);
    let mut shown: Vec<Shown> = Vec::new();
    for (row, (hash, _)) in rows.iter().zip(&summaries) {
        // One object with a hostile list must not fill the reports of all.
        let count = of_object.entry(*hash).or_default();
        *count += 1;
        if *count > MOST_OF_OBJECT || shown.len() == most {
            continue;
        }
        if let Some(json) = raw(&render(row, report, &exposures, &mut ids)) {
            shown.push(Shown { hash: *hash, title: row.title(), json });
        }
    }
    for KeptResult { title, identity, outcome, json } in kept {
        summaries.push((hash(identity), *outcome));
        if shown.len() < most {
            shown.push(Shown { hash: hash(identity), title: title.clone(), json: json.clone() });
        }
    }
    // A cluster without findings has the heartbeat alone.
    if summaries.is_empty() {
        return (Vec::new(), 0);
    }
    // Neighbors in the order of urgency change with every Pod.
    shown.sort_by(|one, other| (one.hash, &one.title).cmp(&(other.hash, &other.title)));
    summaries.sort_by_key(|(hash, _)| *hash);
    let count = count(&shown);
    let reports: Vec<(Wanted, usize)> =
        (0..count).map(|shard| one(api, shard, count, &shown, &summaries, most)).collect();
    let results: usize = reports.iter().map(|(_, results)| results).sum();
    // Of many exempt findings the scan keeps only so many.
    let exempt = report.live.exemptions.values().sum::<usize>().saturating_sub(report.live.exempted.len());
    (reports.into_iter().map(|(wanted, _)| wanted).collect(), summaries.len() + exempt - results)
}

/// Returns the number of reports that these results take: a power of two, so that few move when it
/// grows.
fn count(shown: &[Shown]) -> u64 {
    let mut count = 1;
    while count < MOST_SHARDS {
        let mut sizes: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
        for row in shown {
            let (results, bytes) = sizes.entry(row.hash % count).or_default();
            *results += 1;
            // The comma between two results.
            *bytes += row.json.get().len() + 1;
        }
        if sizes.values().all(|(results, bytes)| *results <= MOST_RESULTS && *bytes <= MOST_BYTES) {
            break;
        }
        count *= 2;
    }
    count
}

fn one(
    api: Api,
    shard: u64,
    count: u64,
    shown: &[Shown],
    summaries: &[(u64, Outcome)],
    most: usize,
) -> (Wanted, usize) {
    let mut summary = Summary::default();
    for (_, outcome) in summaries.iter().filter(|(hash, _)| hash % count == shard) {
        summary.add(*outcome);
    }
    let mut bytes = 0;
    let mut results: Vec<&RawValue> = Vec::new();
    for row in shown.iter().filter(|row| row.hash % count == shard) {
        bytes += row.json.get().len() + 1;
        if results.len() < MOST_RESULTS && bytes <= MOST_BYTES {
            results.push(&row.json);
        }
    }
    let count = results.len();
    (write(api, None, format!("{NAME}-{shard:02}"), &Body { summary, results, most }), count)
}

/// Groups the exposed workloads by object.
fn by_subject(report: &Report) -> BTreeMap<&str, Vec<&Exposed>> {
    let mut by: BTreeMap<&str, Vec<&Exposed>> = BTreeMap::new();
    for entry in &report.exposed {
        by.entry(&entry.subject).or_default().push(entry);
    }
    by
}

fn render<'r>(
    row: &Row<'r>,
    report: &'r Report,
    exposures: &BTreeMap<&str, Vec<&Exposed>>,
    ids: &mut Fingerprints,
) -> ReportResult<'r> {
    let (subject, finding) = match row {
        Row::Unreadable(error) => return unreadable(report, error, ids),
        Row::Found(subject, finding) => (subject, *finding),
        Row::Exempt(subject, exempted) => (subject, &exempted.finding),
    };
    let title = row.title();
    let uid = subject.tie.uid.map_or_else(|| title.clone(), |uid| uid.to_string());
    let id = ids.of_text(&format!("{uid}\n{}\n{}", finding.code, finding.pointer));
    let mut rendered = result::result(report, subject, finding, row.outcome(), id);
    let properties = &mut rendered.properties;
    result::add(properties, "pointer", &finding.pointer);
    result::add(properties, "effective", &subject.effective);
    if let Some(way_out) = &finding.way_out {
        result::add(properties, "use", way_out);
    } else {
        result::add_remedy(properties, finding.further_remedy());
    }
    let entries = exposures.get(&*title).into_iter().flatten();
    let of_rule: Vec<&Exposed> = entries.copied().filter(|entry| entry.code == finding.code).collect();
    exposure(properties, &of_rule);
    if let Row::Exempt(_, exempted) = row {
        properties.insert("action".to_owned(), "exempt".to_owned());
        result::add(properties, "exemption", &exempted.reason);
        if let Some(expires) = &exempted.expires {
            result::add(properties, "expires", expires);
        }
    }
    rendered
}

/// Adds the workloads exposed to one finding.
fn exposure(properties: &mut Properties, of_rule: &[&Exposed]) {
    let Some(first) = of_rule.first() else { return };
    let pods: usize = of_rule.iter().map(|entry| entry.pods.len()).sum();
    let nodes: BTreeSet<&str> =
        of_rule.iter().flat_map(|entry| &entry.pods).filter_map(|pod| pod.node.as_deref()).collect();
    result::add(properties, "pods", &pods.to_string());
    result::add(properties, "nodes", &nodes.len().to_string());
    let state = of_rule.iter().map(|entry| entry.state).min().unwrap_or(first.state);
    result::add(properties, "state", state.as_str());
    if let Some(claim) = &first.claim {
        result::add(properties, "claim", claim);
    }
    if let Some(workload) = &first.workload {
        let more = match of_rule.len() {
            1 => String::new(),
            all => format!(", +{} more", all - 1),
        };
        result::add(properties, "workload", &format!("{workload}{more}"));
    }
}

/// Returns an object that could not be read, by the name that its error begins with.
fn unreadable<'r>(report: &'r Report, error: &ReadError, ids: &mut Fingerprints) -> ReportResult<'r> {
    let named = error.message.split_once(": ").map(|(name, _)| name).unwrap_or_default();
    let parts: Vec<&str> = named.split('/').collect();
    let resource = match parts.as_slice() {
        [kind, name] => Kind::parse(kind).map(|kind| (kind, None, *name)),
        [kind, namespace, name] => Kind::parse(kind).map(|kind| (kind, Some((*namespace).to_owned()), *name)),
        _ => None,
    };
    let references = resource.map(|(kind, namespace, name)| Reference {
        api_version: String::new(),
        kind: kind.as_str(),
        namespace,
        name: name.to_owned(),
        uid: None,
    });
    let mut properties = Properties::new();
    properties.insert("action".to_owned(), "unreadable".to_owned());
    properties.insert("policyHash".to_owned(), report.policy.hash.clone());
    properties.insert("resultID".to_owned(), ids.of_text(&format!("unreadable\n{}", error.message)));
    ReportResult {
        source: NAME,
        policy: &report.policy.profile,
        rule: "unreadable".to_owned(),
        category: CATEGORY,
        severity: "high",
        result: Outcome::Error,
        scored: false,
        message: result::cut(&error.message, LONGEST_MESSAGE),
        resources: references.into_iter().collect(),
        properties,
        timestamp: None,
    }
}
