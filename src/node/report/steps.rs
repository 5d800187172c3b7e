//! The steps that take away what made volumes lose their mounts, by where it comes from: a line of
//! nfsmount.conf, the object, or the driver.

use std::path::Path;

use super::{AskedOptions, Doubt, NodeReport, VolumeState, Warning};
use crate::count::counted;
use crate::report::plain::{place, plain};

/// Names the place of fg for a volume that takes a list.
const LIST: &str = "in the PersistentVolume and its StorageClass: nfs-mount-guard fix";

/// Names its place for a `FlexVolume`: the kubelet refuses a list, and a source never changes.
const FLEX: &str = "in flexVolume.options, if its driver reads mount options there, and recreate the object";

/// A volume that is lost, or is mounted in the background.
struct Loss<'r> {
    /// The kubelet's directory for the volume; `None` for a directory that is no Pod's.
    folder: Option<&'r Path>,
    is_flex: bool,
    /// The options of its object; `None` where that is not known.
    asked: Option<&'r AskedOptions>,
}

impl Loss<'_> {
    /// Returns its place in a Pod, if it is an inline volume by its object.
    fn inline(&self) -> Option<&str> {
        self.asked.map(|asked| &*asked.object).filter(|object| !self.is_flex && object.starts_with("Pod/"))
    }

    /// Returns true if its object requests bg, or may.
    fn may_ask_for_bg(&self) -> bool {
        // An object that is not known may have bg.
        self.asked.is_none_or(|asked| asked.bg == Some(true))
    }
}

/// Returns true if a line of nfsmount.conf gives its option to a volume.
fn concerns(warning: &Warning, folder: &Path) -> bool {
    warning.volumes.iter().any(|name| name.folder == folder)
}

/// Returns true if a CSI driver's volume is lost that neither a background mount nor a line of
/// nfsmount.conf explains.
pub(super) fn blames_driver(report: &NodeReport) -> bool {
    report.volumes.iter().any(|volume| {
        volume.lost
            && volume.state != VolumeState::OtherFileSystem
            // The kubelet's own plugin, and the scripts of FlexVolumes, run on the node.
            && volume.is_csi()
            && volume.background.is_empty()
            // A line of nfsmount.conf explains the loss without the driver.
            && !report.findings().any(|warning| concerns(warning, &volume.folder))
    })
}

/// Returns true if another file system is in the place of NFS.
pub(super) fn has_other_file_system(report: &NodeReport) -> bool {
    report.volumes.iter().any(|volume| volume.lost && volume.state == VolumeState::OtherFileSystem)
}

/// Returns every loss that bg explains, and each background mount that belongs to none of them.
fn losses(report: &NodeReport) -> Vec<Loss<'_>> {
    let asked = |folder: Option<&Path>| report.asked.get(folder?);
    let lost = report.volumes.iter().filter(|volume| volume.lost);
    // No bg explains another file system in that place.
    let lost = lost.filter(|volume| volume.state != VolumeState::OtherFileSystem);
    let lost = lost.map(|volume| {
        let folder = Some(&*volume.folder);
        Loss { folder, is_flex: volume.is_flex(), asked: asked(folder) }
    });
    let is_lone = |pid: i32| !report.volumes.iter().any(|volume| volume.background.contains(&pid));
    let lone = report.background.iter().filter(|process| process.kubernetes && is_lone(process.pid));
    let lone = lone.map(|process| {
        let folder = process.folder.as_deref();
        Loss { folder, is_flex: process.target.contains("/flexvolume/"), asked: asked(folder) }
    });
    lost.chain(lone).collect()
}

/// Returns the steps that take bg away. A line is named only if it gives bg to a volume that is lost, or
/// may.
pub(super) fn against_bg(report: &NodeReport) -> Vec<String> {
    let losses = losses(report);
    let is_sure = |warning: &Warning| {
        losses.iter().filter_map(|loss| loss.folder).any(|folder| concerns(warning, folder))
    };
    let may_be_about = |warning: &Warning, doubt: Doubt| {
        let mut folders = losses.iter().filter_map(|loss| loss.folder);
        folders.any(|folder| {
            let mut may = warning.may_concern.iter().filter(|one| one.why == doubt);
            may.any(|one| one.folder == folder)
        })
    };
    let (sure, others): (Vec<&Warning>, Vec<&Warning>) =
        report.findings().partition(|warning| is_sure(warning));
    let may: Vec<&Warning> =
        others.into_iter().filter(|warning| may_be_about(warning, Doubt::Server)).collect();
    let (explained, open): (Vec<&Loss<'_>>, Vec<&Loss<'_>>) = losses.iter().partition(|loss| {
        loss.folder.is_some_and(|folder| sure.iter().any(|warning| concerns(warning, folder)))
    });
    let mut steps = Vec::new();
    if let Some(lines) = lines(&sure) {
        steps.push(format!("Remove {lines}, or set fg {}", places(&explained)));
    }
    if let Some(lines) = lines(&may).filter(|_| !open.is_empty()) {
        steps.push(format!("If the volume is mounted from the server of {lines}, remove that line"));
    }
    let (open, others): (Vec<&Loss<'_>>, Vec<&Loss<'_>>) =
        open.into_iter().partition(|loss| loss.may_ask_for_bg());
    if !open.is_empty() {
        let head = match (sure.is_empty(), may.is_empty()) {
            (true, true) => "Replace",
            (_, false) => "Else replace",
            (false, true) => "For the volumes that no line concerns, replace",
        };
        steps.push(format!("{head} bg with fg {}", places(&open)));
    }
    let others: Vec<&AskedOptions> = others.into_iter().filter_map(|loss| loss.asked).collect();
    steps.extend(without_bg(&others));
    steps
}

/// Says what is in objects that do not request bg.
fn without_bg(asked: &[&AskedOptions]) -> Option<String> {
    let first = asked.first()?;
    let (object, effective) = (plain(&first.object), plain(&first.effective));
    let options = if effective.is_empty() {
        "without options".to_owned()
    } else {
        format!("its options are {effective}")
    };
    let more = match asked.len() {
        1 => String::new(),
        all => format!(" (and {} without bg)", counted(all - 1, "other object")),
    };
    Some(match first.bg {
        Some(_) => format!(
            "{object}{more} has fg already: {options}. If it was changed since the Pod started, the next mount waits for the server"
        ),
        None => format!(
            "{object}{more} has no bg: {options}. It was changed since the Pod started, or an nfsmount.conf gave bg that was not read or is another one now: set fg in it"
        ),
    })
}

/// Returns the first line, and how many more there are.
fn lines(warnings: &[&Warning]) -> Option<String> {
    let first = warnings.first()?;
    let path = place(first.path.as_deref().unwrap_or_default());
    let line = first.line.unwrap_or_default();
    let more = match warnings.len() {
        1 => String::new(),
        all => format!(" and {}", counted(all - 1, "other line")),
    };
    Some(format!("{path}:{line}{more}"))
}

/// Names where the options of these volumes are set.
fn places(losses: &[&Loss<'_>]) -> String {
    let is_flex = |loss: &&&Loss<'_>| loss.is_flex;
    let inline: Vec<&str> = losses.iter().filter_map(|loss| loss.inline()).collect();
    let flex = losses.iter().filter(is_flex).count();
    let mut places = Vec::new();
    if losses.len() > flex + inline.len() || losses.is_empty() {
        places.push(LIST.to_owned());
    }
    for (kind, place) in
        [("a FlexVolume ", (flex > 0).then(|| FLEX.to_owned())), ("an inline volume ", in_pods(&inline))]
    {
        let Some(place) = place else { continue };
        let kind = if places.is_empty() { String::new() } else { format!("for {kind}") };
        places.push(format!("{kind}{place}"));
    }
    places.join("; ")
}

/// Names where the options of inline volumes are set: a Pod is made from a template.
fn in_pods(volumes: &[&str]) -> Option<String> {
    let first = plain(volumes.first()?);
    let more = match volumes.len() {
        1 => String::new(),
        all => format!(" and {}", counted(all - 1, "other volume")),
    };
    Some(format!("in the template of {first}{more}"))
}
