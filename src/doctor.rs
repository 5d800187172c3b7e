//! `doctor`: why the API server does not call the webhook, or not as it should.
//!
//! Pure: what was gathered of a cluster ([`facts::ClusterFacts`]) goes in, an outcome a
//! check comes out. The checks are data ([`checks::CHECKS`]), in the order of a call;
//! a check whose link before it is broken, or whose fault has the cause of an earlier
//! one, is skipped, so that one cause is one problem. `crate::cluster::doctor` gathers.

mod before;
pub mod causes;
mod certificate;
pub mod checks;
mod configuration;
pub mod facts;
mod field;
mod generated;
pub mod installation;
mod network;
mod others;
pub mod page;
pub mod policies;
pub mod probe;
mod probes;
mod remedy;
mod renewal;
pub mod report;
mod service;
pub mod text;

use serde::Serialize;

use checks::{CHECKS, Check};
use facts::ClusterFacts;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is as it should be.
    Ok,
    /// Not looked at, because something before it is broken or not there.
    Skipped,
    /// It works, with a risk; or it may not be looked at.
    Warning,
    /// It does not work.
    Problem,
}

impl Status {
    /// Returns the word that stands for it where symbols do not.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    /// Returns the symbol that `linkerd check` shows.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Ok => "√",
            Self::Skipped => "-",
            Self::Warning => "‼",
            Self::Problem => "×",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result.
    pub status: Status,
    /// The observation.
    pub seen: String,
    /// The effect on users, if it differs from the one in the check's row.
    pub effect: Option<String>,
    /// The command that cures it, where it is not the one of the check's row.
    pub remedy: Option<String>,
    /// True if it may pass by itself in a minute: a Pod that starts, a caBundle that is not written
    /// yet.
    pub may_pass: bool,
    /// True if the cluster could not be called for it at all.
    pub is_unseen: bool,
    /// The broken part, if several checks see the same fault. Only the first reports it.
    pub(crate) cause: Option<Cause>,
}

/// A fault that more than one check sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A matchCondition cannot be evaluated.
    Condition,
    /// Our webhooks cannot be called, with the reason.
    Call(String),
    /// The validating webhook is not called, or its failure is ignored.
    Uncalled,
    /// A webhook or an admission policy of someone else decides, by its name.
    Other(String),
    /// A right is missing.
    Forbidden,
    /// The API server does not answer.
    Silent,
    /// The probes themselves were counted.
    Counted,
}

impl Outcome {
    fn new(status: Status, seen: impl Into<String>) -> Self {
        Self {
            status,
            seen: seen.into(),
            effect: None,
            remedy: None,
            may_pass: false,
            is_unseen: false,
            cause: None,
        }
    }

    fn ok(seen: impl Into<String>) -> Self {
        Self::new(Status::Ok, seen)
    }

    fn warning(seen: impl Into<String>) -> Self {
        Self::new(Status::Warning, seen)
    }

    fn problem(seen: impl Into<String>) -> Self {
        Self::new(Status::Problem, seen)
    }

    fn skipped(why: &str) -> Self {
        Self::new(Status::Skipped, format!("skipped ({why})"))
    }

    fn cured_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn hurts(mut self, effect: impl Into<String>) -> Self {
        self.effect = Some(effect.into());
        self
    }

    fn because(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    const fn may_pass(mut self, may_pass: bool) -> Self {
        self.may_pass = may_pass;
        self
    }

    /// Joins several faults of one check: the worst decides, with its remedy.
    fn worst(faults: Vec<Self>, otherwise: impl FnOnce() -> Self) -> Self {
        let Some(status) = faults.iter().map(|fault| fault.status).max() else { return otherwise() };
        // Status is ordered from Ok to Problem, so the maximum is the worst.
        let mut all = Self::new(status, "");
        for fault in faults {
            if !all.seen.is_empty() {
                all.seen.push_str("; ");
            }
            all.seen.push_str(&fault.seen);
            // One remedy at a time: that of the first of the worst.
            if fault.status == status && all.remedy.is_none() {
                all.effect = fault.effect;
                all.remedy = fault.remedy;
                all.cause = fault.cause;
            }
            all.may_pass |= fault.may_pass;
            all.is_unseen |= fault.is_unseen;
        }
        all
    }
}

/// A check and what came of it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Its row.
    pub check: &'static Check,
    /// The result.
    pub outcome: Outcome,
}

/// Returns every check of a run in order. A check is skipped if it needs one that found a problem
/// or was skipped itself, or if it has the cause of an earlier fault.
pub fn evaluate(facts: &ClusterFacts) -> Vec<Checked> {
    let mut done: Vec<Checked> = Vec::with_capacity(CHECKS.len());
    for check in CHECKS.iter().filter(|check| check.is_before == facts.is_before) {
        let broken = check.needs.iter().find(|id| is_broken(&done, id));
        let outcome = match broken {
            Some(id) => Outcome::skipped(&format!("needs {id}")),
            None => (check.evaluate)(facts),
        };
        // After its evaluation: only the outcome shows the cause.
        let outcome = match known_from(&done, &outcome) {
            Some(id) => Outcome::skipped(&format!("same cause as {id}")),
            None => outcome,
        };
        done.push(Checked { check, outcome });
    }
    done
}

/// Returns the check before that reported the same fault, no less gravely.
fn known_from(done: &[Checked], outcome: &Outcome) -> Option<&'static str> {
    let cause = outcome.cause.as_ref().filter(|_| outcome.status >= Status::Warning)?;
    let reports = |earlier: &&Checked| {
        let (status, seen) = (earlier.outcome.status, earlier.outcome.cause.as_ref());
        let is_same = match cause {
            // The counters rose because a probe failed: whichever it was, it reported the fault.
            Cause::Counted => status == Status::Problem && checks::is_probe(earlier.check) && seen.is_some(),
            cause => seen == Some(cause),
        };
        is_same && status >= outcome.status
    };
    done.iter().find(reports).map(|earlier| earlier.check.id)
}

fn is_broken(done: &[Checked], id: &str) -> bool {
    done.iter()
        .find(|checked| checked.check.id == id)
        .is_some_and(|checked| checked.outcome.status == Status::Problem || is_without(checked))
}

/// Returns true if a check had nothing to look at, because a link before it is broken.
fn is_without(checked: &Checked) -> bool {
    checked.outcome.is_unseen && checked.check.id == checks::FIRST
        || checked.outcome.status == Status::Skipped && checked.outcome.seen.contains("(needs ")
}

/// Returns true if probes are worth sending: every link before them holds.
pub fn wants_probes(done: &[Checked]) -> bool {
    done.iter()
        .find(|checked| checked.check.id == checks::PROBED)
        .is_some_and(|checked| !checked.check.needs.iter().any(|id| is_broken(done, id)))
}
