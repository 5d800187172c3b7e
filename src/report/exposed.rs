//! Finds the exposed Pods: those that mount a volume with a finding now.

mod cure;
mod text;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use super::{Report, Reported};
use crate::finding::Code;
use crate::kind::Kind;
use crate::subject::pod::{MountingPod, Phase};
pub(super) use text::{named, write};

/// A finding of a volume, and the Pods of one workload that mount it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposed {
    /// The rule's code.
    pub code: Code,
    /// The volume, `PersistentVolume/orders`; for an inline volume its Pod and path; for a claim that
    /// waits for a volume its class.
    pub subject: String,
    /// The claim that the volume is bound to, or that waits for one of the class, `shop/orders`; `None`
    /// for a free volume and an inline one.
    pub claim: Option<String>,
    /// The workload that made the Pods, `Deployment/shop/orders`; `None` if no Pod mounts it.
    pub workload: Option<String>,
    /// The Pods, those that run first.
    pub pods: Vec<ExposedPod>,
    /// The urgency.
    pub state: ExposureState,
    /// False if the finding has no effect on the mounts now: a later `fg` overrides the `bg`, or
    /// nothing reads its place.
    pub in_effect: bool,
    /// The treatment of the finding.
    #[serde(skip)]
    pub action: Reported,
    /// True if the claim was made for a Pod and goes with it.
    #[serde(skip)]
    pub is_ephemeral: bool,
}

impl Exposed {
    /// Returns what a row of a report is about: the findings of one volume, claim and workload.
    fn row(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.subject, self.claim.as_deref(), self.workload.as_deref())
    }

    /// Returns true if its provisioner has not made the volume yet: the Pods have no mount, and the class
    /// is what is to be corrected.
    pub(crate) fn waits_for_volume(&self) -> bool {
        self.subject.split_once('/').is_some_and(|(kind, _)| kind == Kind::StorageClass.as_str())
    }
}

/// The urgency of an exposure, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExposureState {
    /// A Pod runs with it.
    Running,
    /// A Pod waits to start with it.
    Pending,
    /// A claim has it, and its Pods are not known, because they could not all be listed.
    Unknown,
    /// A claim has it, and no Pod mounts the claim.
    Bound,
    /// No claim has it.
    Free,
}

impl ExposureState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Pending, Self::Unknown, Self::Bound, Self::Free];

    /// Returns the word of every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Bound => "bound",
            Self::Free => "free",
        }
    }
}

/// One Pod that mounts a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExposedPod {
    /// `Running`, `Unknown` or `Pending`.
    #[serde(serialize_with = "phase")]
    pub phase: Phase,
    /// Its name; its namespace is that of the workload.
    pub name: String,
    /// The node it is on.
    pub node: Option<String>,
    /// When it was started on its node, or made where it was not.
    pub since: Option<String>,
}

/// The counts and the order of cure of all that is exposed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExposureSummary {
    /// The volumes of each state that has some, a volume once for each workload; most urgent first.
    pub counts: Vec<(ExposureState, usize)>,
    /// The steps of the cure, in their order.
    pub cure: Vec<String>,
}

impl ExposureSummary {
    /// Summarizes a report, of which nothing was left out, or takes the summary of what it was before.
    pub fn of(report: &Report) -> Cow<'_, Self> {
        if let Some(whole) = &report.whole_exposure {
            return Cow::Borrowed(whole);
        }
        let count = |state| {
            let of_state = report.exposed.iter().filter(|entry| entry.state == state);
            // Several rules may find something in one volume.
            (state, of_state.map(Exposed::row).collect::<BTreeSet<_>>().len())
        };
        let counts = ExposureState::ALL.into_iter().map(count).filter(|(_, count)| *count > 0).collect();
        Cow::Owned(Self { counts, cure: cure::cure(report, report.exposed.iter()) })
    }

    /// Returns the number of a state.
    pub fn count(&self, state: ExposureState) -> usize {
        self.counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count)
    }
}

/// The harm of a finding, the gravest first: the state of its exposure, whether it has an effect, its
/// treatment, its rule, whether it has no exposure.
pub(crate) type Harm = (ExposureState, Reverse<bool>, Reverse<Reported>, Code, bool);

/// Returns the harm of a finding, with its exposure. A class, a template or an inline volume without
/// one harms what is made of it next: as a volume with a claim.
pub(crate) fn harm(exposed: Option<&Exposed>, action: Reported, code: Code) -> Harm {
    let state = exposed.map_or(ExposureState::Bound, |entry| entry.state);
    let in_effect = exposed.is_none_or(|entry| entry.in_effect);
    (state, Reverse(in_effect), Reverse(action), code, exposed.is_none())
}

impl From<&MountingPod> for ExposedPod {
    fn from(pod: &MountingPod) -> Self {
        let filled = |text: &str| Some(text).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        Self {
            phase: pod.phase,
            name: pod.name.to_string(),
            node: filled(&pod.node),
            since: filled(&pod.since),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what serde gives")]
fn phase<S: serde::Serializer>(phase: &Phase, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(phase.as_str())
}
