//! The exposed Pods as a tree: class, volume, claim, workload, node.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::super::exposed::{Exposed, ExposedPod, ExposureState, ExposureSummary, named};
use super::super::{Report, SubjectReport};
use super::Text;
use crate::count::counted;
use crate::finding::Code;

/// A volume, or a claim that waits for one, with the rules that found something, and who mounts it.
struct Volume<'r> {
    entry: &'r Exposed,
    rules: Vec<(Code, bool)>,
    workloads: Vec<&'r Exposed>,
}

pub(super) fn write(out: &mut String, report: &Report) -> fmt::Result {
    if !report.sees_pods {
        return Ok(());
    }
    let summary = ExposureSummary::of(report);
    if summary.cure.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section aria-labelledby=\"exposed\">\n<h2 id=\"exposed\">Exposed Pods</h2>")?;
    if report.exposed.is_empty() {
        writeln!(out, "<p>No Pod and no volume is exposed.</p>")?;
    } else {
        write_tree(out, report)?;
    }
    writeln!(out, "<h3>Order of cure</h3>\n<ol>")?;
    for step in &summary.cure {
        writeln!(out, "<li>{}</li>", Text(step))?;
    }
    writeln!(out, "</ol>\n</section>")
}

fn write_tree(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "<p>Most urgent first: class, volume, claim, workload, node.</p>\n<ul class=\"tree\">")?;
    for (class, volumes) in classes(report) {
        let name = match class {
            "" => "without a class".to_owned(),
            name => format!("StorageClass/{name}"),
        };
        let waiting = volumes.iter().filter(|volume| volume.entry.waits_for_volume()).count();
        let count = match (volumes.len().saturating_sub(waiting), waiting) {
            (made, 0) => counted(made, "volume").to_string(),
            (0, _) => format!("{} without a volume", counted(waiting, "claim")),
            (made, _) => format!("{}, {} without one", counted(made, "volume"), counted(waiting, "claim")),
        };
        writeln!(out, "<li><details open><summary>{} ({count})</summary>\n<ul>", Text(&name))?;
        for volume in &volumes {
            write_volume(out, volume)?;
        }
        writeln!(out, "</ul>\n</details></li>")?;
    }
    writeln!(out, "</ul>")
}

/// Returns the volumes of each class, in the order of the entries.
fn classes(report: &Report) -> Vec<(&str, Vec<Volume<'_>>)> {
    let of: BTreeMap<String, &SubjectReport> =
        report.subjects.iter().map(|subject| (subject.title(), subject)).collect();
    let mut places: BTreeMap<(&str, Option<&str>), (usize, usize)> = BTreeMap::new();
    let mut classes: Vec<(&str, Vec<Volume<'_>>)> = Vec::new();
    let mut ranks: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &report.exposed {
        let of_subject = of.get(&entry.subject);
        let class = match of_subject {
            Some(class) if entry.waits_for_volume() => &*class.name,
            _ => of_subject.and_then(|subject| subject.tie.class.as_deref()).unwrap_or_default(),
        };
        let rank = *ranks.entry(class).or_insert_with(|| {
            // A BTreeMap would sort by name; the entries come most urgent first.
            classes.push((class, Vec::new()));
            classes.len() - 1
        });
        let Some((_, volumes)) = classes.get_mut(rank) else { continue };
        let (_, at) = *places.entry((&entry.subject, entry.claim.as_deref())).or_insert_with(|| {
            volumes.push(Volume { entry, rules: Vec::new(), workloads: Vec::new() });
            (rank, volumes.len() - 1)
        });
        let Some(volume) = volumes.get_mut(at) else { continue };
        let rule = (entry.code, entry.in_effect);
        // An entry is one workload and one rule, so that a volume occurs many times.
        if !volume.rules.contains(&rule) {
            volume.rules.push(rule);
        }
        let is_new = !volume.workloads.iter().any(|known| known.workload == entry.workload);
        if is_new && entry.workload.is_some() {
            volume.workloads.push(entry);
        }
    }
    classes
}

fn write_volume(out: &mut String, volume: &Volume<'_>) -> fmt::Result {
    let codes: Vec<String> = volume.rules.iter().map(|(code, in_effect)| named(*code, *in_effect)).collect();
    let state = volume.entry.state.as_str();
    writeln!(
        out,
        "<li><details{}><summary><span class=\"state {state}\">{state}</span> {} <span class=\"codes\">{}</span></summary>\n<ul>",
        if volume.entry.state <= ExposureState::Unknown { " open" } else { "" },
        Text(if volume.entry.waits_for_volume() { "volume not made yet" } else { &volume.entry.subject }),
        codes.join(", ")
    )?;
    match &volume.entry.claim {
        Some(claim) => writeln!(out, "<li>claim {}\n<ul>", Text(claim))?,
        None if volume.workloads.is_empty() => writeln!(out, "<li>no claim\n<ul>")?,
        None => writeln!(out, "<li>inline volume\n<ul>")?,
    }
    for entry in &volume.workloads {
        write_workload(out, entry)?;
    }
    if volume.workloads.is_empty() {
        let is_unknown = volume.entry.state == ExposureState::Unknown;
        writeln!(out, "<li>{}</li>", if is_unknown { "Pods not known" } else { "no Pod" })?;
    }
    writeln!(out, "</ul></li>\n</ul>\n</details></li>")
}

fn write_workload(out: &mut String, entry: &Exposed) -> fmt::Result {
    let workload = entry.workload.as_deref().unwrap_or_default();
    writeln!(out, "<li>{} ({})\n<ul>", Text(workload), counted(entry.pods.len(), "Pod"))?;
    let mut nodes: BTreeMap<&str, Vec<&ExposedPod>> = BTreeMap::new();
    for pod in &entry.pods {
        nodes.entry(pod.node.as_deref().unwrap_or_default()).or_default().push(pod);
    }
    for (node, pods) in nodes {
        let node = if node.is_empty() { "no node yet".to_owned() } else { format!("node {node}") };
        writeln!(out, "<li>{}\n<ul>", Text(&node))?;
        for pod in pods {
            let since = pod.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
            let phase = pod.phase.as_str().to_lowercase();
            writeln!(out, "<li>{} ({phase}{})</li>", Text(&pod.name), Text(&since))?;
        }
        writeln!(out, "</ul></li>")?;
    }
    writeln!(out, "</ul></li>")
}
