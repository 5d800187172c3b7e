//! The report as a custom plugin of node-problem-detector writes it: one line, whose length
//! its configuration limits (`max_output_length`, 80 by default; `pkg/custompluginmonitor`
//! of kubernetes/node-problem-detector).

use super::{NodeReport, Volume};
use crate::count::counted;
use crate::report::IsNfs;
use crate::report::plain::plain;

/// Bytes of the line at most.
const LENGTH: usize = 80;

/// The line for a report.
pub fn line(report: &NodeReport) -> String {
    let summary = &report.summary;
    let is_nfs = |volume: &&Volume| volume.nfs == IsNfs::Known(true);
    let text = match report.volumes.iter().find(is_nfs) {
        Some(first) => {
            let names = format!("Pod {}, {}", first.pod, first.volume);
            format!("{} not mounted: {names}", counted(summary.lost, "volume"))
        }
        None if summary.background > 0 => {
            format!("{} in the background", counted(summary.background, "mount"))
        }
        None if !report.errors.is_empty() => format!("unknown: {} unreadable", report.errors.len()),
        None => format!("{} of {} mounted", summary.mounted, counted(summary.volumes, "NFS volume")),
    };
    message(&text)
}

/// A text as one line that is not cut by the detector.
pub fn message(text: &str) -> String {
    let shown = plain(text);
    if shown.len() <= LENGTH {
        return shown.into_owned();
    }
    let mut cut = String::with_capacity(LENGTH);
    for character in shown.chars() {
        if cut.len() + character.len_utf8() + "...".len() > LENGTH {
            break;
        }
        cut.push(character);
    }
    cut + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_80_bytes_at_most() {
        for text in ["", "short", &"x".repeat(80), &"x".repeat(81), &"\u{fc}".repeat(60), &"a\n".repeat(90)] {
            let line = message(text);
            assert!(line.len() <= LENGTH && !line.contains('\n'), "{line}");
            assert_eq!(line.ends_with("..."), text.len() > 80, "{line}");
        }
    }
}
