//! The facts that a scan of a cluster, or a set of its objects, has in addition to those with findings.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use super::tie::Exempted;
use super::{ReadError, Report, SubjectReport};
use crate::finding::Code;
use crate::subject::binding::{ClaimName, VolumeClaim};

/// The `file` of an error about a list of the API server.
pub const CLUSTER: &str = "cluster";

/// The `file` of an error about the reports in the cluster.
pub const REPORTS: &str = "reports";

/// The `file` of an error about the policy of the webhook, with which that of a scan is compared.
pub const WEBHOOK_POLICY: &str = "webhook policy";

/// Returns the hash of a claim.
pub fn of_claim(claim: &ClaimName) -> u64 {
    identity(&claim.namespace, &claim.name)
}

/// Returns the hash of an object without a namespace, by kind and name.
pub fn identity(kind: &str, name: &str) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    for part in [kind, "/", name] {
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

/// The counters of a scan, which keeps little else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// Findings that exemptions pass over, each with its object, whose own findings are
    /// left out. Not more than a report has.
    pub exempted: Vec<(SubjectReport, Exempted)>,
    /// The number of exempt findings, by rule.
    pub exemptions: BTreeMap<Code, usize>,
    /// Findings that are only counted, of objects that are not kept, by rule and kind.
    pub audited: BTreeMap<(Code, &'static str), usize>,
    /// The objects without a namespace that were seen, as [`identity`] has them, where that matters:
    /// 100,000 names would take more room than the scan.
    pub seen: BTreeSet<u64>,
    /// The claims that name their volume or class, of an input that may have Pods.
    pub claims: Vec<VolumeClaim>,
    /// The claims that volumes of a cluster are bound to, as [`of_claim`] has them: a volume that only
    /// names one of them had it before.
    pub bound: Vec<u64>,
    /// Objects with findings that are not kept, because a report has enough of them.
    pub not_kept: usize,
}

impl Live {
    /// Takes the exempt findings out of an object; keeps at most so many.
    pub fn take_exempted(&mut self, subject: &mut SubjectReport, most: usize) {
        for exempted in std::mem::take(&mut subject.tie.exempted) {
            *self.exemptions.entry(exempted.finding.code).or_default() += 1;
            if self.exempted.len() < most {
                let mut subject = subject.clone();
                subject.findings.clear();
                // An exempted finding is only shown, and pairs are kept for the whole scan.
                subject.tie.pairs = None;
                self.exempted.push((subject, exempted));
            }
        }
    }

    /// Counts the findings of an object that is not kept.
    pub fn count(&mut self, subject: &SubjectReport) {
        self.not_kept += 1;
        for finding in &subject.findings {
            *self.audited.entry((finding.code, subject.kind)).or_default() += 1;
        }
    }

    /// Adds what another list has.
    pub fn add(&mut self, other: Self) {
        self.exempted.extend(other.exempted);
        for (code, count) in other.exemptions {
            *self.exemptions.entry(code).or_default() += count;
        }
        for (of, count) in other.audited {
            *self.audited.entry(of).or_default() += count;
        }
        self.seen.extend(other.seen);
        self.claims.extend(other.claims);
        self.bound.extend(other.bound);
        self.not_kept += other.not_kept;
    }
}

impl Report {
    /// Returns true if every list of the cluster was read to its end, so that what is not found is not
    /// there. An object that cannot be read is an error of its own.
    pub fn listed_all(&self) -> bool {
        self.errors.iter().all(|error| error.file != CLUSTER)
    }
}

impl ReadError {
    /// Returns true if it is about one object, and not about a list, a report or the policy.
    pub fn is_of_object(&self) -> bool {
        ![CLUSTER, REPORTS, WEBHOOK_POLICY].contains(&&*self.file)
    }
}
