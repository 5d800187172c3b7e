//! Joins what was found with what runs: a volume's claim, the Pods that mount the
//! claim, and what made them. Pure; the objects come from one input, in any order.
//!
//! A class is in an entry only for the claims that wait for a volume of it: a provisioner copies its
//! options into each volume that it makes ([`Provision`] of external-provisioner), so volumes that
//! exist have findings of their own.
//!
//! [`Provision`]: https://github.com/kubernetes-csi/external-provisioner/blob/v6.3.0/pkg/controller/controller.go

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Code;
use crate::kind::{Holds, Kind};
use crate::report::exposed::{Exposed, ExposedPod, ExposureState, ExposureSummary, harm};
use crate::report::live::of_claim;
use crate::report::tie::Binding;
use crate::report::{Report, Reported, SubjectReport};
use crate::rules::BACKGROUND_MOUNT;
use crate::subject::binding::{ClaimName, Uid, VolumeClaim, VolumeOrigin};
use crate::subject::pod::{MountingPod, Phase};

/// An exposure's object, rule, subject, claim and workload.
type Identity = (Option<Uid>, Code, String, Option<String>, Option<String>);

/// Adds who is exposed, once all findings and all Pods are there. Nothing is said of
/// an input without Pods of a cluster.
pub fn join(report: &mut Report) {
    if !report.sees_pods {
        return;
    }
    bind(report);
    let owners = Owners::of(report);
    let waiting = waiting(report);
    let mut mounting = Mounting { lacks_pods: report.lacks_pods, waiting, ..Mounting::default() };
    for claim in mounting.waiting.values().flatten() {
        mounting.by_claim.entry((&*claim.namespace, &*claim.name)).or_default();
    }
    for subject in report.subjects.iter().filter(|subject| is_told(subject)) {
        match &subject.tie.binding {
            Binding::Bound(claim) => {
                mounting.by_claim.entry((&*claim.namespace, &*claim.name)).or_default();
            }
            Binding::Former(claim) if !owners.have_another(claim, &subject.name) => {
                mounting.by_claim.entry((&*claim.namespace, &*claim.name)).or_default();
                mounting.released.insert(&subject.name);
            }
            _ if is_pod(subject) => {
                mounting.by_name.entry(own_name(subject)).or_default();
            }
            _ => {}
        }
    }
    for pod in distinct(&report.pods) {
        mounting.add(pod);
    }
    let told = report.subjects.iter().filter(|subject| is_told(subject));
    let mut seen: BTreeSet<Identity> = BTreeSet::new();
    let of_all = told.flat_map(|subject| {
        entries(subject, &mounting).into_iter().map(move |entry| (subject.tie.uid, entry))
    });
    let mut all: Vec<(Option<Uid>, Exposed)> = of_all.collect();
    all.sort_by(|(_, one), (_, other)| key(one).cmp(&key(other)));
    // An object that is in two inputs is exposed once.
    all.retain(|(uid, entry)| {
        seen.insert((*uid, entry.code, entry.subject.clone(), entry.claim.clone(), entry.workload.clone()))
    });
    let mut exposed: Vec<Exposed> = all.into_iter().map(|(_, entry)| entry).collect();
    together(&mut exposed);
    report.exposed = exposed;
}

/// Gives volumes without a claim of their own the one that names them: the controller binds the two,
/// and until then a Pod with the claim waits (kubernetes `pkg/controller/volume/persistentvolume`).
fn bind(report: &mut Report) {
    let mut claims: BTreeMap<&str, &ClaimName> = BTreeMap::new();
    for VolumeClaim { claim, origin } in &report.live.claims {
        if let VolumeOrigin::Volume(volume) = origin {
            claims.entry(volume).or_insert(claim);
        }
    }
    for subject in &mut report.subjects {
        let Some(claim) = claims.get(&*subject.name) else { continue };
        // Each may name the other before they are bound.
        let is_reserved = matches!(&subject.tie.binding, Binding::Former(former) if **former == **claim);
        if subject.tie.is_unclaimed || is_reserved {
            subject.tie.binding = Binding::Bound(Box::new(ClaimName::clone(claim)));
        }
    }
}

/// Returns the claims that wait for a volume of a class in which something was found, by class.
fn waiting(report: &Report) -> BTreeMap<&str, BTreeSet<&ClaimName>> {
    let told = report.subjects.iter().filter(|subject| is_class(subject) && is_told(subject));
    let mut waiting: BTreeMap<&str, BTreeSet<&ClaimName>> =
        told.map(|class| (&*class.name, BTreeSet::new())).collect();
    if waiting.is_empty() {
        return waiting;
    }
    let bound: BTreeSet<&ClaimName> = report
        .subjects
        .iter()
        .filter_map(|subject| match &subject.tie.binding {
            Binding::Bound(claim) => Some(&**claim),
            _ => None,
        })
        .collect();
    for VolumeClaim { claim, origin } in &report.live.claims {
        if let VolumeOrigin::Class(class) = origin
            && let Some(claims) = waiting.get_mut(&**class)
            // A volume made by hand may name the claim first.
            && !bound.contains(claim)
        {
            claims.insert(claim);
        }
    }
    waiting
}

/// The volumes that claims have, to tell if a claim that a volume had has another one now, which its
/// Pods mount then.
#[derive(Default)]
struct Owners<'r> {
    bound: BTreeSet<u64>,
    named: BTreeMap<u64, &'r str>,
}

impl<'r> Owners<'r> {
    fn of(report: &'r Report) -> Self {
        let is_former = |subject: &SubjectReport| matches!(subject.tie.binding, Binding::Former(_));
        if !report.subjects.iter().any(is_former) {
            return Self::default();
        }
        let of_subject = |subject: &SubjectReport| match &subject.tie.binding {
            Binding::Bound(claim) => Some(of_claim(claim)),
            _ => None,
        };
        let bound = report.subjects.iter().filter_map(of_subject).chain(report.live.bound.iter().copied());
        let named = report.live.claims.iter().filter_map(|named| match &named.origin {
            VolumeOrigin::Volume(volume) => Some((of_claim(&named.claim), &**volume)),
            VolumeOrigin::Class(_) => None,
        });
        Self { bound: bound.collect(), named: named.collect() }
    }

    /// Returns true if another volume than `name` has the claim.
    fn have_another(&self, claim: &ClaimName, name: &str) -> bool {
        let claim = of_claim(claim);
        self.bound.contains(&claim) || self.named.get(&claim).is_some_and(|volume| *volume != name)
    }
}

/// Returns each Pod once, though several inputs may have it; of those that were read at different times
/// the one that is most urgent.
fn distinct(pods: &[MountingPod]) -> impl Iterator<Item = &MountingPod> {
    let mut places: BTreeMap<(Option<Uid>, &str, &str), usize> = BTreeMap::new();
    let mut kept: Vec<&MountingPod> = Vec::new();
    for pod in pods {
        match places.entry((pod.uid, &*pod.namespace, &*pod.name)) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(pod);
            }
            Entry::Occupied(place) => {
                if let Some(known) = kept.get_mut(*place.get())
                    && pod.phase < known.phase
                {
                    *known = pod;
                }
            }
        }
    }
    kept.into_iter()
}

/// Keeps at most so many objects with findings, those that are most urgent first.
/// Counts are of all.
pub fn limit(report: &mut Report, most: usize) {
    report.summary.not_shown = report.live.not_kept;
    if report.subjects.len() <= most {
        return;
    }
    report.whole_exposure = Some(ExposureSummary::of(report).into_owned());
    let mut entries: BTreeMap<(&str, Code), &Exposed> = BTreeMap::new();
    for entry in &report.exposed {
        // The first is the most urgent one.
        entries.entry((&entry.subject, entry.code)).or_insert(entry);
    }
    let rank = |subject: &SubjectReport| {
        let title = subject.title();
        let told = subject.findings.iter().filter(|finding| finding.action > Reported::Audit);
        let harms =
            told.map(|found| harm(entries.get(&(&*title, found.code)).copied(), found.action, found.code));
        // Objects whose findings are only counted come last.
        let worst = harms.min();
        (worst.is_none(), worst, subject.findings.is_empty())
    };
    let mut order: Vec<usize> = (0..report.subjects.len()).collect();
    order.sort_by_cached_key(|index| report.subjects.get(*index).map(rank));
    let kept: BTreeSet<usize> = order.into_iter().take(most).collect();
    let mut index = 0..;
    let mut not_shown = 0;
    report.subjects.retain(|subject| {
        let is_kept = index.next().is_some_and(|index| kept.contains(&index));
        // A baseline may know all findings of an object.
        not_shown += usize::from(!is_kept && !subject.findings.is_empty());
        is_kept
    });
    report.summary.not_shown += not_shown;
    let titles: BTreeSet<String> = report.subjects.iter().map(SubjectReport::title).collect();
    report.exposed.retain(|entry| titles.contains(&entry.subject));
}

/// Returns the place of an entry: most urgent first, then by name. The rule that is about lost data
/// has the first code.
fn key(entry: &Exposed) -> (ExposureState, Reverse<bool>, Reverse<Reported>, Code, &str, Option<&str>) {
    let (effect, action) = (Reverse(entry.in_effect), Reverse(entry.action));
    (entry.state, effect, action, entry.code, &entry.subject, entry.workload.as_deref())
}

/// Puts the entries of one volume or claim and workload together, at the place of the first.
fn together(exposed: &mut [Exposed]) {
    let mut places: BTreeMap<(String, Option<String>, Option<String>), usize> = BTreeMap::new();
    let mut of = |entry: &Exposed| {
        let next = places.len();
        *places.entry((entry.subject.clone(), entry.claim.clone(), entry.workload.clone())).or_insert(next)
    };
    let ranks: Vec<usize> = exposed.iter().map(&mut of).collect();
    let mut order: Vec<usize> = (0..exposed.len()).collect();
    order.sort_by_key(|index| ranks.get(*index).copied());
    let sorted: Vec<Exposed> = order.iter().filter_map(|index| exposed.get(*index).cloned()).collect();
    exposed.clone_from_slice(&sorted);
}

/// The Pods that matter, by what they mount.
#[derive(Default)]
struct Mounting<'r> {
    /// True if there may be others.
    lacks_pods: bool,
    /// The claims that wait for a volume, by the class that has findings.
    waiting: BTreeMap<&'r str, BTreeSet<&'r ClaimName>>,
    /// Volumes that no claim has now, and that Pods of an earlier one may mount.
    released: BTreeSet<&'r str>,
    by_claim: BTreeMap<(&'r str, &'r str), Vec<&'r MountingPod>>,
    by_name: BTreeMap<(&'r str, &'r str), Vec<&'r MountingPod>>,
}

impl<'r> Mounting<'r> {
    /// Returns the Pods that mount the claim.
    fn of(&self, claim: &ClaimName) -> Vec<&'r MountingPod> {
        self.by_claim.get(&(&*claim.namespace, &*claim.name)).cloned().unwrap_or_default()
    }

    fn add(&mut self, pod: &'r MountingPod) {
        if let Some(pods) = self.by_name.get_mut(&(&*pod.namespace, &*pod.name)) {
            pods.push(pod);
        }
        for claim in &pod.claims {
            let pods = self.by_claim.get_mut(&(&*pod.namespace, &**claim));
            // A Pod may name a claim twice.
            if let Some(pods) = pods.filter(|pods| !pods.last().is_some_and(|last| std::ptr::eq(*last, pod)))
            {
                pods.push(pod);
            }
        }
    }
}

/// Returns true if a report names something in the object.
fn is_told(subject: &SubjectReport) -> bool {
    subject.findings.iter().any(|finding| finding.action > Reported::Audit)
}

fn is_class(subject: &SubjectReport) -> bool {
    subject.kind == Kind::StorageClass.as_str()
}

fn is_pod(subject: &SubjectReport) -> bool {
    subject.kind == Kind::Pod.as_str()
}

/// Returns namespace and name of a Pod.
fn own_name(subject: &SubjectReport) -> (&str, &str) {
    (subject.namespace.as_deref().unwrap_or("default"), &subject.name)
}

/// Returns the workloads that are exposed to the findings of one object: an entry for each rule and
/// workload.
fn entries(subject: &SubjectReport, mounting: &Mounting<'_>) -> Vec<Exposed> {
    if is_class(subject) {
        let claims = mounting.waiting.get(&*subject.name).into_iter().flatten();
        return claims
            .flat_map(|claim| of_claimed(subject, Some(claim), waiting_pods(claim, mounting), None))
            .collect();
    }
    let is_volume = Kind::parse(subject.kind).is_some_and(|kind| kind.row().holds == Holds::Volume);
    let (claim, pods) = match &subject.tie.binding {
        Binding::Bound(claim) => (Some(claim), mounting.of(claim)),
        Binding::Former(claim) if mounting.released.contains(&*subject.name) => {
            let mut pods = mounting.of(claim);
            // One that waits gets another volume, or none.
            pods.retain(|pod| pod.phase != Phase::Pending);
            let has_claim = !pods.is_empty() || mounting.lacks_pods;
            (Some(claim).filter(|_| has_claim), pods)
        }
        Binding::Former(_) => (None, Vec::new()),
        Binding::Free if is_volume => (None, Vec::new()),
        // The error says so.
        Binding::Unreadable => return Vec::new(),
        // A Pod that a file requests, or that has ended, mounts nothing.
        Binding::Free | Binding::Unknown => match mounting.by_name.get(&own_name(subject)) {
            Some(pods) if is_pod(subject) && !pods.is_empty() => (None, pods.clone()),
            _ => return Vec::new(),
        },
    };
    let without_pods = match claim {
        Some(_) if mounting.lacks_pods => ExposureState::Unknown,
        Some(_) => ExposureState::Bound,
        None => ExposureState::Free,
    };
    of_claimed(subject, claim.map(|claim| &**claim), pods, Some(without_pods))
}

/// Returns the Pods that wait for the volume of the claim.
fn waiting_pods<'r>(claim: &ClaimName, mounting: &Mounting<'r>) -> Vec<&'r MountingPod> {
    let mut pods = mounting.of(claim);
    pods.retain(|pod| pod.phase == Phase::Pending);
    pods
}

/// Returns an entry for each rule and each workload of the Pods; without Pods one of each rule, in the
/// given state.
fn of_claimed(
    subject: &SubjectReport,
    claim: Option<&ClaimName>,
    pods: Vec<&MountingPod>,
    without_pods: Option<ExposureState>,
) -> Vec<Exposed> {
    let is_ephemeral = claim.is_some_and(|claim| pods.iter().any(|pod| pod.owns(claim)));
    let mut workloads: BTreeMap<&str, Vec<ExposedPod>> = BTreeMap::new();
    for pod in pods {
        workloads.entry(&pod.workload).or_default().push(ExposedPod::from(pod));
    }
    let claim_name = claim.map(|claim| format!("{}/{}", claim.namespace, claim.name));
    let mut groups: Vec<(Option<String>, Vec<ExposedPod>, ExposureState)> = Vec::new();
    for (workload, mut pods) in workloads {
        pods.sort();
        let is_running = pods.iter().any(|pod| pod.phase != Phase::Pending);
        let state = if is_running { ExposureState::Running } else { ExposureState::Pending };
        groups.push((Some(workload.to_owned()), pods, state));
    }
    if groups.is_empty() {
        groups.extend(without_pods.map(|state| (None, Vec::new(), state)));
    }
    let mut rules: BTreeMap<_, Reported> = BTreeMap::new();
    for finding in subject.findings.iter().filter(|finding| finding.action > Reported::Audit) {
        let worst = rules.entry(finding.code).or_insert(finding.action);
        *worst = finding.action.max(*worst);
    }
    let entry = |(code, action): (_, Reported),
                 (workload, pods, state): &(_, Vec<ExposedPod>, ExposureState)| Exposed {
        code,
        subject: subject.title(),
        claim: claim_name.clone(),
        workload: Option::clone(workload),
        pods: pods.clone(),
        state: *state,
        in_effect: code != BACKGROUND_MOUNT.code || !subject.tie.is_background_idle,
        action,
        is_ephemeral,
    };
    let pairs =
        groups.iter().flat_map(|group| rules.iter().map(move |(code, action)| ((*code, *action), group)));
    pairs.map(|(rule, group)| entry(rule, group)).collect()
}
