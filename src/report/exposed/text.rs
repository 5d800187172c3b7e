//! The exposed Pods for people: most urgent first, then the order of cure.

use std::fmt::{self, Write as _};

use super::{Exposed, ExposedPod, ExposureState, ExposureSummary};
use crate::finding::Code;
use crate::report::palette::Palette;
use crate::report::plain::plain;
use crate::report::{Report, Reported};

/// Most rows that are shown; the others are counted, and JSON has them all.
const MOST_ROWS: usize = 50;

/// In front of the lines of a row after its first one: the columns of its state.
const ROW: &str = "          ";

/// Most Pods that a row names.
const MOST_PODS: usize = 3;

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
        // The entries are sorted: those of one row stand next to each other.
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

/// Returns `NMG001`, or `NMG001 (no effect now)`.
pub(in crate::report) fn named(code: Code, in_effect: bool) -> String {
    if in_effect { code.to_string() } else { format!("{code} (no effect now)") }
}

/// Returns `orders-7d-x on node-3 (running since 2026-11-01T08:00:00Z)`.
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
