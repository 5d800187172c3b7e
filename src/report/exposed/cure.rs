//! The order of cure: what to correct, and what to save before a Pod or a volume goes.

use std::collections::BTreeSet;

use super::{Exposed, ExposureState};
use crate::count::counted;
use crate::finding::Code;
use crate::kind::{Holds, Kind};
use crate::report::plain::plain;
use crate::report::{FindingReport, Report, Reported, SubjectReport};

/// Most classes and nodes that are named.
const MOST_NAMES: usize = 10;

/// The step before a volume is deleted: with the policy Delete its provisioner deletes the data when the
/// claim is gone (`Delete` of
/// <https://github.com/kubernetes-csi/external-provisioner/blob/v6.3.0/pkg/controller/controller.go>).
const RETAIN: &str = "Before you recreate one, set its persistentVolumeReclaimPolicy to Retain, or its data may be deleted with it.";

/// The rule that finds a mount in the background.
const BACKGROUND: Code = crate::rules::BACKGROUND_MOUNT.code;

/// The kinds of steps that the exposed objects need.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a step of its own")]
struct Needed {
    volumes: bool,
    flex_volumes: bool,
    ephemeral_volumes: bool,
    inline_volumes: bool,
    has_pods: bool,
    /// True if some Pods, and so their nodes, are not known.
    lacks_pods: bool,
}

impl Needed {
    fn of<'e>(report: &Report, exposed: impl Iterator<Item = &'e Exposed>) -> Self {
        let of_flex = report.subjects.iter().filter(|subject| subject.tie.is_flex_volume);
        // An entry has the title of its volume, and not its source.
        let of_flex: BTreeSet<String> = of_flex.map(SubjectReport::title).collect();
        let mut needed = Self::default();
        // A claim that waits has no volume yet: the correction of its class is a step of its own.
        for entry in exposed.filter(|entry| !entry.waits_for_volume()) {
            let is_volume = entry.subject.starts_with("PersistentVolume/");
            let is_flex = of_flex.contains(&entry.subject);
            needed.volumes |= is_volume && !is_flex && !entry.is_ephemeral;
            needed.flex_volumes |= is_flex;
            needed.ephemeral_volumes |= entry.is_ephemeral;
            needed.inline_volumes |= !is_volume;
            needed.has_pods |= !entry.pods.is_empty();
            needed.lacks_pods |= entry.state == ExposureState::Unknown;
        }
        // A template without a Pod now makes the same volume for its next one.
        needed.inline_volumes |= report.subjects.iter().any(is_template_with_findings);
        needed
    }
}

/// Returns the steps of the cure, each a sentence or two.
pub(super) fn cure<'e>(report: &Report, exposed: impl Iterator<Item = &'e Exposed>) -> Vec<String> {
    let needed = Needed::of(report, exposed);
    let mut steps: Vec<String> = correct_classes(report).into_iter().collect();
    if needed.lacks_pods {
        steps.push(
            "Find the Pods of the claims whose Pods are not known: not all Pods could be read, and any of them may run. \
Remove the error, and look again."
                .to_owned(),
        );
    }
    // A volume is recreated only after its Pods have ended, and then their files are lost.
    steps.extend(look_at_nodes(report));
    if needed.volumes {
        steps.push(format!(
            "Correct each PersistentVolume: spec.mountOptions can be changed in place, volumeAttributes only by \
recreating the volume. {RETAIN}"
        ));
    }
    if needed.flex_volumes {
        steps.push(format!(
            "Correct each FlexVolume in spec.flexVolume.options, as its driver reads them, by recreating the volume: the \
kubelet rejects mountOptions on it. {RETAIN}"
        ));
    }
    if needed.ephemeral_volumes {
        steps.push(
            "Save what is needed of generic ephemeral volumes: each is deleted with its Pod, and its data with it. The new \
Pod gets a volume with the options of the class."
                .to_owned(),
        );
    }
    if needed.inline_volumes {
        steps.push("Correct the template of each workload with an inline volume.".to_owned());
    }
    if needed.has_pods || needed.lacks_pods {
        let keep = if needed.volumes {
            " Keep this list until then: once the volumes are corrected, their Pods are no longer in it."
        } else {
            ""
        };
        steps.push(format!(
            "Restart the workloads. A running Pod keeps the mount that it has, and on a node a volume gets its new \
options only after its last Pod there is gone.{keep}"
        ));
    }
    steps
}

/// Returns the step about classes with findings.
fn correct_classes(report: &Report) -> Option<String> {
    let classes: Vec<&SubjectReport> = report
        .subjects
        .iter()
        .filter(|subject| is_class(subject) && told(subject).next().is_some())
        .collect();
    let named: Vec<String> = classes.iter().take(MOST_NAMES).map(|class| future(class)).collect();
    if named.is_empty() {
        return None;
    }
    let more = match classes.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let immutable = if classes.iter().any(|class| told(class).any(is_in_parameters)) {
        " Parameters are immutable: delete the class and create it again, which changes no volume."
    } else {
        ""
    };
    Some(format!(
        "Correct the classes, because volumes that they provision get these options: {}{more}.{immutable} Volumes that exist \
keep their own copy.",
        named.join("; ")
    ))
}

/// Returns the step before a Pod is deleted that may have no mount.
fn look_at_nodes(report: &Report) -> Option<String> {
    let (mut nodes, mut lacks_pods) = (BTreeSet::new(), false);
    let mounted = report.exposed.iter().filter(|entry| !entry.waits_for_volume());
    for entry in mounted.filter(|entry| entry.code == BACKGROUND && entry.in_effect) {
        // One that waits on its node may have been started there before.
        nodes.extend(entry.pods.iter().filter_map(|pod| pod.node.as_deref()));
        lacks_pods |= entry.state == ExposureState::Unknown;
    }
    let shown: Vec<_> = nodes.iter().take(MOST_NAMES).map(|node| plain(node)).collect();
    let more = match nodes.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let known = format!("{}: {}{more}", counted(nodes.len(), "node"), shown.join(", "));
    let place = match (nodes.is_empty(), lacks_pods) {
        (true, false) => return None,
        (true, true) => "the nodes of these Pods".to_owned(),
        (false, false) => known,
        (false, true) => format!("{known}, and on the nodes of Pods that could not be listed"),
    };
    Some(format!(
        "{BACKGROUND}: before you delete a Pod or a volume, run \"nfs-mount-guard node-check\" on {place}. A Pod whose \
mount never came about writes to the node's local disk; save those files first."
    ))
}

/// Returns the findings of which something is said.
fn told(subject: &SubjectReport) -> impl Iterator<Item = &FindingReport> {
    subject.findings.iter().filter(|finding| finding.action > Reported::Audit)
}

fn is_template_with_findings(subject: &SubjectReport) -> bool {
    let is_of_pods = Kind::parse(subject.kind).is_some_and(|kind| kind.pod_spec().is_some());
    is_of_pods && told(subject).next().is_some()
}

fn is_class(subject: &SubjectReport) -> bool {
    Kind::parse(subject.kind).is_some_and(|kind| kind.row().holds == Holds::Class)
}

fn is_in_parameters(finding: &FindingReport) -> bool {
    finding.pointer.starts_with("/parameters/")
}

/// Returns `StorageClass/shared: hard,bg`, or `StorageClass/files: parameters.nfsOptions bg,hard`.
fn future(class: &SubjectReport) -> String {
    let mut parts: Vec<String> = Some(plain(&class.effective).into_owned())
        .into_iter()
        .filter(|options| !options.is_empty())
        .collect();
    let mut seen = BTreeSet::new();
    for finding in told(class).filter(|finding| is_in_parameters(finding)) {
        if let Some(element) = finding.element.as_deref().filter(|_| seen.insert(&*finding.carrier)) {
            parts.push(format!("{} {}", plain(&finding.carrier), plain(element)));
        }
    }
    let options = if parts.is_empty() { "none".to_owned() } else { parts.join(" and ") };
    format!("{}: {options}", plain(&class.object()))
}
