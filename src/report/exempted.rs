//! Names the findings that exemptions pass over, so that no report hides an exemption.

use std::collections::BTreeMap;

use super::tie::Exempted;
use super::{FindingReport, Report, Reported, SubjectReport};
use crate::count::counted;
use crate::finding::Code;

impl Report {
    /// Returns the number of exempt findings, by rule.
    fn exemptions(&self) -> BTreeMap<Code, usize> {
        let mut counts = self.live.exemptions.clone();
        for exempted in self.subjects.iter().flat_map(|subject| &subject.tie.exempted) {
            *counts.entry(exempted.finding.code).or_default() += 1;
        }
        counts
    }

    /// Returns the number of exempt findings.
    pub(super) fn exempted(&self) -> usize {
        self.exemptions().values().sum()
    }
}

/// Returns the line about the exempt findings, if there are any:
/// `2 findings are exempt by the policy: NMG005 (1), NMG007 (1)`.
pub(super) fn line(report: &Report) -> Option<String> {
    let counts = report.exemptions();
    let all: usize = counts.values().sum();
    let each: Vec<String> = counts.iter().map(|(code, count)| format!("{code} ({count})")).collect();
    let are = if all == 1 { "is" } else { "are" };
    (all > 0).then(|| format!("{} {are} exempt by the policy: {}", counted(all, "finding"), each.join(", ")))
}

/// Returns the exempt findings of an object with their reasons.
pub(super) fn of(subject: &SubjectReport) -> impl Iterator<Item = (FindingReport, &str)> {
    subject.tie.exempted.iter().map(as_exempt)
}

/// Returns an exempt finding as one, with the reason.
pub(super) fn as_exempt(exempted: &Exempted) -> (FindingReport, &str) {
    let finding = FindingReport { action: Reported::Exempt, ..exempted.finding.clone() };
    (finding, &exempted.reason)
}
