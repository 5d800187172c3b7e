//! The exposed Pods for people: most urgent first, then the order of cure.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::{Exposed, ExposedPod, ExposureState, ExposureSummary};
use crate::count::counted;
use crate::finding::Code;
use crate::kind::{Holds, Kind};
use crate::report::palette::Palette;
use crate::report::plain::plain;
use crate::report::{Report, Reported, SubjectReport};

/// Most rows that are shown; the others are counted, and JSON has them all.
const MOST_ROWS: usize = 50;

/// In front of the lines of a row after its first one: the columns of its state.
const ROW: &str = "          ";

/// Most Pods that a row names.
const MOST_PODS: usize = 3;

/// Most classes that are named.
const MOST_CLASSES: usize = 10;

/// The step before a volume is deleted: with the policy Delete its provisioner deletes the data when the
/// claim is gone (external-provisioner `pkg/controller/controller.go`, `Delete`).
const RETAIN: &str = "Before you recreate one, set its persistentVolumeReclaimPolicy to Retain, or its data may be deleted with it.";

/// The rule that finds a mount in the background.
const BACKGROUND: Code = crate::rules::BACKGROUND_MOUNT.code;

/// All findings of one volume and one workload.
struct Row<'r> {
    rules: Vec<(Code, bool)>,
    action: Reported,
    of: &'r Exposed,
}

/// Writes the exposed Pods, if the input has Pods.
pub(in crate::report) fn write(out: &mut String, report: &Report, palette: &Palette) -> fmt::Result {
    if !report.sees_pods {
        return Ok(());
    }
    let summary = ExposureSummary::of(report);
    if summary.cure.is_empty() {
        return Ok(());
    }
    if !report.exposed.is_empty() {
        write_exposed(out, report, &summary, palette)?;
    }
    write_cure(out, &summary.cure, palette)?;
    writeln!(out)
}

/// Writes the rows, after their counts.
fn write_exposed(
    out: &mut String,
    report: &Report,
    summary: &ExposureSummary,
    palette: &Palette,
) -> fmt::Result {
    let rows = rows(&report.exposed);
    let strong = palette.strong;
    let counts: Vec<String> =
        summary.counts.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    writeln!(out, "{strong}exposed{strong:#} ({}):", counts.join(", "))?;
    for row in rows.iter().take(MOST_ROWS) {
        write_row(out, row, palette)?;
    }
    if rows.len() > MOST_ROWS {
        writeln!(out, "  ... and {} more; --format json has all of them", rows.len() - MOST_ROWS)?;
    }
    let all: usize = summary.counts.iter().map(|(_, count)| count).sum();
    if all > rows.len() {
        writeln!(out, "  ... and {} left out; a higher --max-results has them", all - rows.len())?;
    }
    Ok(())
}

/// Returns the entries of one volume and workload as one row, in the order of the entries.
fn rows(exposed: &[Exposed]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for entry in exposed {
        match rows.last_mut().filter(|row| row.of.row() == entry.row()) {
            Some(row) => {
                row.rules.push((entry.code, entry.in_effect));
                row.action = row.action.max(entry.action);
            }
            None => {
                rows.push(Row {
                    rules: vec![(entry.code, entry.in_effect)],
                    action: entry.action,
                    of: entry,
                });
            }
        }
    }
    rows
}

fn write_row(out: &mut String, row: &Row<'_>, palette: &Palette) -> fmt::Result {
    let (action, strong) = (palette.of(row.action), palette.strong);
    let codes: Vec<String> = row.rules.iter().map(|(code, in_effect)| named(*code, *in_effect)).collect();
    let Exposed { subject, claim, workload, pods, state, .. } = row.of;
    let head = format!("  {strong}{:<7}{strong:#} ", state.as_str());
    let mut said = format!("{action}{}{action:#} {}", codes.join(","), plain(subject));
    if let Some(claim) = claim {
        let waits = if row.of.waits_for_volume() { " waits for a volume" } else { "" };
        write!(said, ", claim {}{waits}", plain(claim))?;
    }
    match workload {
        Some(workload) => {
            let named: Vec<String> = pods.iter().take(MOST_PODS).map(describe).collect();
            let more = match pods.len().saturating_sub(MOST_PODS) {
                0 => String::new(),
                more => format!(", +{more} more"),
            };
            write!(said, ": {}: {}{more}", plain(workload), named.join(", "))?;
        }
        None if *state == ExposureState::Unknown => said.push_str(": Pods not known"),
        None => said.push_str(": no Pod"),
    }
    writeln!(out, "{}", palette.lines(&head, &said, ROW))
}

/// `NMG001`, or `NMG001 (no effect now)`
pub(in crate::report) fn named(code: Code, in_effect: bool) -> String {
    if in_effect { code.to_string() } else { format!("{code} (no effect now)") }
}

/// `orders-7d-x on node-3 (running since 2026-11-01T08:00:00Z)`
pub(in crate::report) fn describe(pod: &ExposedPod) -> String {
    let mut text = plain(&pod.name).into_owned();
    if let Some(node) = &pod.node {
        // Writing to a string cannot fail.
        let _ = write!(text, " on {}", plain(node));
    }
    let phase = pod.phase.as_str().to_lowercase();
    match &pod.since {
        Some(since) => {
            let _ = write!(text, " ({phase} since {})", plain(since));
        }
        None => {
            let _ = write!(text, " ({phase})");
        }
    }
    text
}

/// Writes the remedies, in their order.
fn write_cure(out: &mut String, steps: &[String], palette: &Palette) -> fmt::Result {
    let strong = palette.strong;
    writeln!(out, "{strong}order of cure{strong:#}:")?;
    for (step, number) in steps.iter().zip(1..) {
        writeln!(out, "{}", palette.lines(&format!("  {number}. "), step, "     "))?;
    }
    Ok(())
}

/// Returns the steps of the cure, each a sentence or two.
pub(super) fn cure<'e>(report: &Report, exposed: impl Iterator<Item = &'e Exposed>) -> Vec<String> {
    let (mut volumes, mut flex, mut inline, mut pods) = (false, false, false, false);
    let mut unlisted = false;
    let mut in_background = Vec::new();
    let of_flex = report.subjects.iter().filter(|subject| subject.tie.is_flex_volume);
    let of_flex: BTreeSet<String> = of_flex.map(SubjectReport::title).collect();
    for entry in exposed.filter(|entry| !entry.waits_for_volume()) {
        let is_volume = entry.subject.starts_with("PersistentVolume/");
        let is_flex = of_flex.contains(&entry.subject);
        volumes |= is_volume && !is_flex;
        flex |= is_flex;
        inline |= !is_volume;
        pods |= !entry.pods.is_empty();
        unlisted |= entry.state == ExposureState::Unknown;
    }
    inline |= report.subjects.iter().any(is_template_with_findings);
    let mut is_unlisted_in_background = false;
    let mounted = report.exposed.iter().filter(|entry| !entry.waits_for_volume());
    for entry in mounted.filter(|entry| entry.code == BACKGROUND && entry.in_effect) {
        // One that waits on its node may have been started there before.
        in_background.extend(entry.pods.iter().filter_map(|pod| pod.node.as_deref()));
        is_unlisted_in_background |= entry.state == ExposureState::Unknown;
    }
    in_background.sort_unstable();
    in_background.dedup();
    let mut steps = Vec::new();
    let classes = report.subjects.iter().filter(|subject| is_class_with_findings(subject));
    let named: Vec<String> = classes.clone().take(MOST_CLASSES).map(future).collect();
    if !named.is_empty() {
        let more = match classes.count().saturating_sub(MOST_CLASSES) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        steps.push(format!(
            "Correct the classes, because volumes that they provision get these options: {}{more}. Volumes that exist \
keep their own copy.",
            named.join("; ")
        ));
    }
    // A volume is recreated only after its Pods have ended, and then their files are lost.
    steps.extend(node_check(&in_background, is_unlisted_in_background));
    if volumes {
        steps.push(format!(
            "Correct each PersistentVolume: spec.mountOptions can be changed in place, volumeAttributes only by \
recreating the volume. {RETAIN}"
        ));
    }
    if flex {
        steps.push(format!(
            "Correct each FlexVolume in spec.flexVolume.options, as its driver reads them, by recreating the volume: the \
kubelet rejects mountOptions on it. {RETAIN}"
        ));
    }
    if inline {
        steps.push("Correct the template of each workload with an inline volume.".to_owned());
    }
    if unlisted {
        steps.push(
            "Find the Pods of the claims whose Pods are not known: not all Pods could be read, and any of them may run. \
Remove the error, and look again."
                .to_owned(),
        );
    }
    if pods || unlisted {
        steps.push(
            "Restart the workloads. A running Pod keeps the mount that it has, and on a node a volume gets its new \
options only after its last Pod there is gone."
                .to_owned(),
        );
    }
    steps
}

/// Returns the step before a Pod is deleted that may have no mount; `unlisted` is true if some Pods, and
/// so their nodes, are not known.
fn node_check(nodes: &[&str], unlisted: bool) -> Option<String> {
    let shown: Vec<_> = nodes.iter().take(MOST_CLASSES).map(|node| plain(node)).collect();
    let more = match nodes.len().saturating_sub(MOST_CLASSES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let known = format!("{}: {}{more}", counted(nodes.len(), "node"), shown.join(", "));
    let place = match (nodes.is_empty(), unlisted) {
        (true, false) => return None,
        (true, true) => "its node".to_owned(),
        (false, false) => known,
        (false, true) => format!("{known}, and on the nodes of Pods that could not be listed"),
    };
    Some(format!(
        "{BACKGROUND}: before you delete a Pod or a volume, run \"nfs-mount-guard node-check\" on {place}. A Pod whose \
mount never came about writes to the node's local disk; save those files first."
    ))
}

fn is_template_with_findings(subject: &SubjectReport) -> bool {
    let is_of_pods = Kind::parse(subject.kind).is_some_and(|kind| kind.pod_spec().is_some());
    is_of_pods && subject.findings.iter().any(|finding| finding.action > Reported::Audit)
}

fn is_class_with_findings(subject: &SubjectReport) -> bool {
    let is_class = Kind::parse(subject.kind).is_some_and(|kind| kind.row().holds == Holds::Class);
    is_class && subject.findings.iter().any(|finding| finding.action > Reported::Audit)
}

/// `StorageClass/shared: hard,bg`
fn future(class: &SubjectReport) -> String {
    let options = if class.effective.is_empty() { "none" } else { &*class.effective };
    format!("{}: {}", plain(&class.object()), plain(options))
}
