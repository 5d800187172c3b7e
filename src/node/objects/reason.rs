//! Why a mount has a setting otherwise than its object requests, as far as the node shows it.

use super::sharing::Sharing;
use super::{Seen, Volume};
use crate::nfs::option::MountOption;
use crate::nfs::shown::{self, Decider, Shown};
use crate::nfs::version::Versions;
use crate::node::kernel;
use crate::node::mounts::Mount;
use crate::node::report::objects::{Difference, Reason};
use crate::node::volumes::Plugin;
use crate::report::plain::place;

/// A mount, and what else there is on the node.
pub(super) struct Context<'c, 'a> {
    pub(super) seen: &'c Seen<'a>,
    pub(super) volume: &'c Volume<'a>,
    pub(super) mount: &'c Mount,
    pub(super) shown: &'c Shown<'c>,
    pub(super) sharing: &'c Sharing<'a>,
}

impl Context<'_, '_> {
    /// Says why a setting differs; `asked` are the options that mount.nfs gets by the object, and
    /// `of_object` is what differs from those alone that it names itself.
    pub(super) fn explain(
        &self,
        found: shown::Difference,
        asked: &[&MountOption<'_>],
        of_object: &[shown::Difference],
    ) -> Difference {
        let (reason, with, why) = self.reason(&found, asked);
        let written = of_object
            .iter()
            .any(|other| other.is_written && other.keyword == found.keyword && other.asked == found.asked);
        let says = match (found.is_written, written) {
            (true, true) => "but the object sets",
            (true, false) => "but the driver sets",
            (false, _) => "but the default of the object is",
        };
        let message = format!(
            "{} is mounted, {says} {}{}: {why}",
            setting(found.keyword, &found.mounted),
            setting(found.keyword, &found.asked),
            if is_soft(&found) { ", so writes fail after a time-out" } else { "" },
        );
        Difference {
            option: found.keyword,
            object: found.asked,
            mounted: found.mounted,
            written,
            // The server grants no more than its own limit of rsize and wsize (nfs(5)): no object is at
            // fault.
            finding: found.decider != Decider::Server,
            reason,
            with,
            message,
        }
    }

    fn reason(
        &self,
        found: &shown::Difference,
        asked: &[&MountOption<'_>],
    ) -> (Reason, Option<String>, String) {
        // First, because no other mount and no file can give an option that the kernel lacks.
        if let Some(why) = self.unknown_to_kernel(found, asked) {
            return (Reason::KernelTooOld, None, why);
        }
        if let Some(place) = self.given_by_file(found, asked) {
            let why = format!("{place} gives it to the mount; remove the line");
            return (Reason::NfsmountConf, Some(place), why);
        }
        let shared = match found.decider {
            Decider::Superblock => self
                .sharing
                .superblock(self.mount, self.volume, found.keyword)
                .map(|other| (Reason::SharedSuperblock, other, "superblock", ", or nosharecache")),
            Decider::Connections => self
                .sharing
                .connections(self.mount, self.volume, found.keyword)
                .map(|other| (Reason::SharedConnections, other, "connections", "")),
            Decider::Server => {
                let why = "the server takes no more at once".to_owned();
                return (Reason::ServerLimit, None, why);
            }
            Decider::Mount => None,
        };
        if let Some((reason, other, what, way_out)) = shared {
            let why = format!(
                "the mount shares its {what} with {other}, and the options of the first mount count for both; set the same value in both objects{way_out}, and mount both again"
            );
            return (reason, Some(other), why);
        }
        (Reason::Unknown, None, self.no_reason(found.decider))
    }

    /// Says what may be the reason, where nothing that was read shows it.
    fn no_reason(&self, decider: Decider) -> String {
        let first = match decider {
            Decider::Superblock | Decider::Connections => ", an earlier mount that has ended decided it",
            Decider::Mount | Decider::Server => "",
        };
        let (id, reads) = (self.volume.id, self.reads_node());
        let driver = match &id.plugin {
            Plugin::InTreeNfs => "",
            Plugin::Csi if reads => ", or the driver set it",
            Plugin::Csi => ", or the driver or the nfsmount.conf that it reads set it",
            Plugin::Flex(_) => ", or the script of the driver set it",
        };
        let shown = if reads && self.seen.conf.is_none() {
            "the node's nfsmount.conf was not read and may give it, or "
        } else {
            "nothing on this node shows why: "
        };
        format!(
            "{shown}the object was changed after the mount{first}{driver}; a new mount, once no Pod of this node uses the volume, gets the options of the object"
        )
    }

    /// Says that the kernel does not know the option that is missing: it is no setting of another
    /// mount or of a file that takes it away.
    fn unknown_to_kernel(&self, found: &shown::Difference, asked: &[&MountOption<'_>]) -> Option<String> {
        let kernel = self.seen.kernel.filter(|_| found.is_written)?;
        let mut asked = asked.iter().rev();
        let option = asked.find(|option| [found.keyword, &*found.asked].contains(&option.keyword()))?;
        let since = kernel::lacks(kernel, option)?;
        Some(format!(
            "\"{}\" needs {since} unless the distribution has backported it, and this node runs {kernel}: the mount dropped it (\"sloppy\"), or came before the object had it; remove it, or update the node",
            option.text()
        ))
    }

    /// Returns true if mount.nfs of the node made the mount. Most CSI drivers read the file of their
    /// container.
    fn reads_node(&self) -> bool {
        let id = self.volume.id;
        id.plugin == Plugin::InTreeNfs || self.seen.readers.contains(id)
    }

    /// Returns the line of nfsmount.conf that gives a setting to the mount.
    fn given_by_file(&self, found: &shown::Difference, asked: &[&MountOption<'_>]) -> Option<String> {
        let conf = self.seen.conf.filter(|_| self.reads_node())?;
        let (server, _) = self.mount.source.split_once(':')?;
        let own: Vec<&str> = asked.iter().map(|option| option.keyword()).collect();
        let added = conf.added_to(Some(server), &self.mount.point.to_string_lossy(), &own);
        // A line explains the difference if a mount that was requested with it, too, has none.
        let line = added.into_iter().find(|setting| {
            let more: Vec<MountOption<'_>> = setting.text.split(',').map(MountOption::new).collect();
            let all: Vec<&MountOption<'_>> = asked.iter().copied().chain(&more).collect();
            !self.shown.differences(all).iter().any(|left| left.keyword == found.keyword)
        })?;
        Some(format!("{}:{}", place(&line.file.display().to_string()), line.line))
    }
}

/// Returns true if a mount gives up that should not.
fn is_soft(found: &shown::Difference) -> bool {
    found.asked == "hard" && found.mounted.starts_with("soft")
}

/// Returns a setting as an option is written.
fn setting(keyword: &str, value: &str) -> String {
    let is_word =
        matches!(keyword, "hard" | "ro" | "noac" | "nocto" | "rdirplus" | "sync") || value == keyword;
    match value.parse::<u32>() {
        _ if value == shown::NOT_SET => format!("no \"{keyword}\""),
        _ if is_word => format!("\"{value}\""),
        Ok(tenths) if keyword == "timeo" => format!("\"timeo={value}\" ({} s)", seconds(tenths)),
        _ => format!("\"{keyword}={value}\""),
    }
}

/// Tenths of a second as seconds.
fn seconds(tenths: u32) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

/// Returns the version, where the object leaves it open.
pub(super) fn negotiated(versions: Versions, version: &str) -> Difference {
    let object = match versions {
        Versions::ALL => "any".to_owned(),
        Versions::V4 => "4".to_owned(),
        versions => versions.iter().map(|version| version.to_string()).collect::<Vec<_>>().join(" or "),
    };
    Difference {
        option: "vers",
        message: format!("version {version}, which client and server negotiated: the object leaves it open"),
        object,
        mounted: version.to_owned(),
        written: versions != Versions::ALL,
        finding: false,
        reason: Reason::Negotiated,
        with: None,
    }
}
