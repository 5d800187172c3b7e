//! Collects the parts of the response and of the record about the inline volumes of one object.

use super::super::judgement::each_once;
use super::super::message::{self, Causes};
use crate::engine::decide::Decision;
use crate::engine::judge::{Case, Treatment, Verdict};
use crate::engine::{Evaluation, Judged};
use crate::finding::Code;
use crate::subject::driver::Nfs;

/// Findings of one object that are kept for log and metrics. A Pod of 1.5 MB has 400,000 at most.
pub(super) const MOST_FINDINGS: usize = 1_000;

/// The parts of the response and of the record about the inline volumes of one object.
#[derive(Default)]
pub(super) struct Said {
    pub(super) causes: Causes,
    pub(super) warnings: Vec<String>,
    pub(super) is_withheld: bool,
    pub(super) findings: Vec<Judged>,
    pub(super) treatments: Vec<Treatment>,
    pub(super) exempted: Vec<Code>,
    pub(super) drivers: Vec<String>,
    pub(super) options: Vec<String>,
    pub(super) nfs: Option<Nfs>,
    pub(super) name: Option<String>,
}

impl Said {
    /// Adds one volume; its warnings begin with the words of `of`.
    pub(super) fn add(&mut self, case: &Case<'_, '_>, verdict: Verdict, decides: bool, of: &str) {
        self.is_withheld |= decides && verdict.would_be.is_some();
        match verdict.decision {
            Decision::Deny if decides && self.causes.is_full() => {
                self.causes.count_further(verdict.with(Treatment::Denied).count());
            }
            Decision::Deny if decides => self.causes.append(message::causes(case, &verdict)),
            Decision::Deny | Decision::Allow | Decision::Patch(_) => {}
        }
        self.warnings.extend(if decides {
            message::validate_warnings(case, &verdict, of)
        } else {
            message::template_warnings(case, &verdict, of)
        });
        let Evaluation { findings, exempted } = verdict.evaluation;
        let room = MOST_FINDINGS.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room));
        self.treatments.extend(verdict.treatments.into_iter().take(room));
        self.exempted.extend(each_once(exempted.iter().map(|(finding, _)| finding.code)));
        self.drivers.push(case.subject.driver_name.to_owned());
        self.options.push(case.subject.effective());
        if self.nfs != Some(Nfs::Yes) {
            self.nfs = Some(if case.subject.nfs == Nfs::Yes { Nfs::Yes } else { Nfs::Depends });
        }
        self.name.get_or_insert_with(|| case.subject.name.to_owned());
    }

    /// Returns true if no further volume can change the response: it denies, or can only warn, and has
    /// everything that it shows.
    pub(super) fn is_settled(&self, may_deny: bool) -> bool {
        let is_decided = !may_deny || !self.causes.is_empty();
        is_decided && self.findings.len() >= MOST_FINDINGS
    }
}
