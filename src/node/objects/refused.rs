//! Volumes that are not mounted, because no mount succeeds with what their object asks.

use super::title;
use crate::node::report::VolumeName;
use crate::node::report::objects::{NoComparison, NotCompared};
use crate::report::explanation::Explanation;
use crate::subject::Subject;
use crate::subject::driver::Nfs;

/// Says why nothing is mounted; `None` for an object with which a mount may succeed, also on a kernel
/// that was built otherwise.
pub(super) fn of(subject: &Subject<'_>, name: &VolumeName) -> Option<NotCompared> {
    if subject.nfs != Nfs::Yes {
        return None;
    }
    let explained = Explanation::of(subject, "", 0, None);
    let by = match explained.refused_by.filter(|_| !explained.is_refusal_open)? {
        "mount" => "mount.nfs or the kernel",
        "driver" => "the driver",
        "kubelet" => "the kubelet",
        "mount(8)" => "mount(8)",
        _ => return None,
    };
    // With bg a mount of a dead server reports success, and there is none.
    let unless = if explained.behind.is_some() { ", if the server answers" } else { "" };
    let why = explained.refused?;
    let message = format!("{}: {by} rejects each mount of it{unless}: {why}", title(subject));
    Some(NotCompared::of(name.clone(), NoComparison::Refused, message))
}
