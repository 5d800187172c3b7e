//! The report as custom plugins of node-problem-detector write it: one line, whose length
//! its configuration limits (`max_output_length`, 80 by default; `pkg/custompluginmonitor`
//! of kubernetes/node-problem-detector).

use super::NodeReport;
use crate::count::counted;
use crate::report::plain::plain;

/// Bytes of the line at most.
const LENGTH: usize = 80;

/// The answer of a plugin, which is the detector's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 0: the condition is false.
    No,
    /// 1: it is true.
    Yes,
    /// 2: it is unknown.
    Unknown,
}

/// Returns the condition `NFSMountMissing`, with its line: a volume that is not mounted, or a mount in
/// the background. nfsmount.conf is no part of it, whatever is in it and though it cannot be read.
pub fn mounts(report: &NodeReport) -> (Answer, String) {
    let summary = &report.summary;
    let unread = report.unread_volumes();
    let (answer, text) = match report.volumes.iter().find(|volume| volume.lost) {
        Some(first) => {
            let names = format!("Pod {}, {}", first.pod, first.label);
            (Answer::Yes, format!("{} not mounted: {names}", counted(summary.lost, "volume")))
        }
        None if summary.background > 0 => {
            (Answer::Yes, format!("{} in the background", counted(summary.background, "mount")))
        }
        None if unread > 0 => (Answer::Unknown, format!("unknown: {unread} unreadable")),
        None => {
            let mut text =
                format!("{} of {} mounted", report.mounted(), counted(summary.volumes, "NFS volume"));
            // Not mounted, and perhaps not NFS: no finding, and no volume that is well.
            for (count, what) in [(summary.uncertain, "unknown"), (summary.waiting, "being mounted")] {
                if count > 0 {
                    text = format!("{text}, {count} {what}");
                }
            }
            (Answer::No, text)
        }
    };
    (answer, message(&text))
}

/// Returns the condition `NFSBackgroundSetting`, with its line: a line of nfsmount.conf makes a failed
/// mount of this node look successful.
pub fn settings(report: &NodeReport) -> (Answer, String) {
    let mut findings = report.findings();
    let (answer, text) = match (findings.next(), &report.nfsmount_conf) {
        (Some(first), _) => {
            let place =
                format!("{}:{}", first.path.as_deref().unwrap_or_default(), first.line.unwrap_or_default());
            let more = findings.count();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            (Answer::Yes, format!("bg for mounts without fg: {place}{more}"))
        }
        (None, Some(conf)) if conf.unread > 0 => {
            (Answer::Unknown, "unknown: nfsmount.conf unreadable".to_owned())
        }
        (None, Some(_)) => (Answer::No, "nfsmount.conf gives bg to no mount of a Pod".to_owned()),
        (None, None) => (
            Answer::Unknown,
            "unknown: this container does not see nfsmount.conf; set --nfsmount-conf".to_owned(),
        ),
    };
    (answer, message(&text))
}

/// Returns a text as one line that is not cut by the detector.
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
