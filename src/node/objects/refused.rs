//! Volumes that are not mounted, because no mount succeeds with what their object requests.

use super::title;
use crate::nfs::acceptance::{self, Transport};
use crate::nfs::version::Versions;
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
    if is_v4_over_udp(subject) && !explained.is_refusal_open {
        let message = format!(
            "{}: the kernel rejects each mount of it: NFSv4 does not support UDP; remove the option for UDP",
            title(subject)
        );
        return Some(NotCompared::of(name.clone(), NoComparison::Refused, message));
    }
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

/// Returns true if UDP is requested and every version is 4. A kernel without `NFS_DISABLE_UDP_SUPPORT` takes
/// UDP for `NFSv3` alone (`nfs_server_transport_udp_invalid`,
/// <https://github.com/torvalds/linux/blob/v6.12/fs/nfs/fs_context.c>).
fn is_v4_over_udp(subject: &Subject<'_>) -> bool {
    let versions = acceptance::requested_versions(subject.options.effective_options());
    subject.options.settings().transport == Some(Transport::Udp)
        && versions.and(Versions::V3).is_empty()
        && !versions.is_empty()
        && !subject.options.has_unrendered()
}
