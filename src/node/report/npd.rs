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

/// The first characters of a Pod's uid, which tell it from the others of a node.
const SHORT_UID: usize = 8;

/// Returns the condition `NFSMountMissing`, with its line: a volume that is not mounted, or a mount in
/// the background. nfsmount.conf is no part of it, whatever is in it and though it cannot be read.
pub fn mounts(report: &NodeReport) -> (Answer, String) {
    let summary = &report.summary;
    let unread = report.unread_volumes();
    let (answer, text) = match report.volumes.iter().find(|volume| volume.lost) {
        Some(first) => (Answer::Yes, not_mounted(summary.lost, &first.pod, &first.label)),
        None if summary.background > 0 => {
            (Answer::Yes, format!("{} in the background", counted(summary.background, "mount")))
        }
        // No would clear a condition of the node, and a volume that is not read may be lost.
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
    let is_conf_unread = report.nfsmount_conf.as_ref().is_some_and(|conf| conf.unread > 0);
    let rest = if is_conf_unread { "; nfsmount.conf unreadable" } else { "" };
    let fits = plain(&text).len() + rest.len() <= LENGTH;
    (answer, if fits { message(&text) + rest } else { message(&text) })
}

/// Names the first of the volumes that are not mounted. The name of a volume tells more than the end of its
/// Pod's uid, if there is no room for both: two volumes of a Pod may differ in it alone.
fn not_mounted(count: usize, pod: &str, volume: &str) -> String {
    let head = format!("{} not mounted", counted(count, "volume"));
    let text = format!("{head}: Pod {pod}, {volume}");
    if plain(&text).len() <= LENGTH {
        return text;
    }
    let short: String = pod.chars().take(SHORT_UID).collect();
    let pod = if short.len() < pod.len() { short + "..." } else { short };
    format!("{head}: Pod {pod}, {volume}")
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
    fn the_name_of_a_volume_is_whole_where_the_line_has_room() {
        let uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        for (volume, line) in [
            ("data", format!("2 volumes not mounted: Pod {uid}, data")),
            (
                "kubernetes.io~csi/data",
                "2 volumes not mounted: Pod 1b4e28ba..., kubernetes.io~csi/data".into(),
            ),
            (
                "kubernetes.io~nfs/data",
                "2 volumes not mounted: Pod 1b4e28ba..., kubernetes.io~nfs/data".into(),
            ),
        ] {
            assert_eq!(message(&not_mounted(2, uid, volume)), line);
        }
        assert_eq!(
            not_mounted(1, "u", &"v".repeat(80)),
            format!("1 volume not mounted: Pod u, {}", "v".repeat(80))
        );
    }

    #[test]
    fn a_message_is_one_line_of_80_bytes_at_most() {
        for text in ["", "short", &"x".repeat(80), &"x".repeat(81), &"\u{fc}".repeat(60), &"a\n".repeat(90)] {
            let line = message(text);
            assert!(line.len() <= LENGTH && !line.contains('\n'), "{line}");
            assert_eq!(line.ends_with("..."), text.len() > 80, "{line}");
        }
    }
}
