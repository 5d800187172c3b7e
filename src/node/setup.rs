//! Finds settings of the node's own files and programs that make the mounts of its Pods fail or
//! lose data.

use std::collections::BTreeMap;
use std::path::Path;

use super::conf::{Conf, Section, Setting, is_volume_point, may_be_server};
use super::moment::Moment;
use super::processes::Mounter;
use super::programs;
use super::readers::Readers;
use super::report::{AskedOptions, Doubt, MayConcern, VolumeName, Warning, WarningKind};
use super::volumes::{Plugin, VolumeId};
use crate::nfs::acceptance::{self, Refusal};
use crate::nfs::option::MountOption;

/// The mount that an object requests.
#[derive(Debug)]
pub(super) struct Asked {
    /// The server, as the object names it.
    pub(super) server: Option<String>,
    /// The keywords of the options that mount.nfs gets, in their order.
    pub(super) options: Vec<String>,
    /// The object, as in `PersistentVolume/data`.
    pub(super) object: String,
    /// The string that `mount -o` gets.
    pub(super) effective: String,
}

impl Asked {
    /// Returns the same for a report.
    pub(super) fn report(&self) -> AskedOptions {
        let last = self.options.iter().rfind(|option| matches!(&***option, "bg" | "fg"));
        AskedOptions {
            object: self.object.clone(),
            effective: self.effective.clone(),
            bg: last.map(|option| option == "bg"),
        }
    }
}

/// A volume that mount.nfs of the node mounts, with what it takes to find its settings.
#[derive(Debug)]
struct OnNode {
    name: VolumeName,
    /// The mount point, present or not, by its name on the node.
    point: String,
    /// The server as the mount command names it, or else the object; `None` where nothing
    /// tells it.
    server: Option<String>,
    /// The keywords of the options that its object requests, where that is known.
    own: Vec<String>,
    /// True if it is a `FlexVolume`, which takes no mountOptions.
    is_flex: bool,
    /// True if it may be no NFS.
    is_doubtful: bool,
}

/// Lists the warnings. `conf` is the node's nfsmount.conf, `readers` says which other volumes
/// read it, `sees_node` whether this process sees the node's programs, `asked` what the
/// objects of volumes request.
pub(super) fn warnings(
    volumes: &[VolumeId],
    moment: &Moment,
    conf: Option<&Conf>,
    readers: &Readers,
    sees_node: bool,
    asked: &BTreeMap<VolumeId, Asked>,
) -> Vec<Warning> {
    let of_node: Vec<OnNode> = volumes
        .iter()
        .filter(|id| {
            id.plugin == Plugin::InTreeNfs || readers.volumes.contains(id) || readers.perhaps.contains(id)
        })
        .map(|id| OnNode {
            is_doubtful: readers.perhaps.contains(id),
            ..OnNode::of(id, moment, asked.get(id))
        })
        .collect();
    // The kubelet's own directory, if that of Pods has the name that the kubelet gives it.
    let pods_dir = &*moment.pods_dir;
    let root = pods_dir.parent().filter(|_| pods_dir.ends_with("pods")).unwrap_or(pods_dir);
    let mut warnings = conf.map_or_else(Vec::new, |conf| of_conf(conf, &of_node, root, pods_dir));
    warnings.extend(without_statd(volumes, moment));
    // A CSI driver brings the programs of its container, or says what it needs.
    let of_kubelet = volumes.iter().filter(|id| {
        id.plugin == Plugin::InTreeNfs || id.plugin.flex_driver().is_some() && readers.volumes.contains(id)
    });
    let of_kubelet: Vec<VolumeName> = of_kubelet.map(VolumeId::report).collect();
    if sees_node && !of_kubelet.is_empty() {
        warnings.extend(programs::missing(&of_kubelet));
    }
    warnings
}

impl OnNode {
    fn of(id: &VolumeId, moment: &Moment, asked: Option<&Asked>) -> Self {
        let folder = id.folder();
        let point = moment.pods_dir.join(&folder);
        // The mount table comes first: the object may have been changed since the mount.
        let source = moment.mount_on(&folder).map(|mount| mount.source.clone()).or_else(|| {
            let is_its = |mounter: &&Mounter| {
                moment.volume_of(mounter).as_ref() == Some(id) || id.has_device(&mounter.target)
            };
            moment.mounters.iter().find(is_its).map(|mounter| mounter.source.clone())
        });
        // mount.nfs cuts at the first colon, also of an address in brackets.
        let server = source.and_then(|source| Some(source.split_once(':')?.0.to_owned()));
        let server = server.or_else(|| asked?.server.clone());
        let own = asked.map(|asked| asked.options.clone()).unwrap_or_default();
        let is_flex = id.plugin.flex_driver().is_some();
        Self {
            name: id.report(),
            point: point.display().to_string(),
            server,
            own,
            is_flex,
            is_doubtful: false,
        }
    }

    /// Returns the lines that its mount gets, if it is NFS; `server` counts where its own is unknown.
    fn given<'c>(&self, conf: &'c Conf, server: Option<&str>) -> Vec<&'c Setting> {
        let own: Vec<&str> = self.own.iter().map(String::as_str).collect();
        conf.added_to(self.server.as_deref().or(server), &self.point, &own)
    }

    /// Returns why a line may concern it, if that is not certain.
    fn doubt(&self, conf: &Conf, setting: &Setting) -> Option<MayConcern> {
        let server = match &setting.section {
            Section::Server(server) => Some(server.as_str()),
            Section::Global | Section::MountPoint(_) => None,
        };
        let why = match (self.is_doubtful, server.is_some() && self.server.is_none()) {
            (true, _) => Doubt::Driver,
            (false, true) => Doubt::Server,
            (false, false) => return None,
        };
        let VolumeName { pod, volume, folder } = self.name.clone();
        self.given(conf, server).contains(&setting).then_some(MayConcern { pod, volume, why, folder })
    }
}

/// Lists the lines of the files. `root` is the kubelet's directory, in which every volume is
/// mounted, and `pods_dir` that of Pods.
fn of_conf(conf: &Conf, volumes: &[OnNode], root: &Path, pods_dir: &Path) -> Vec<Warning> {
    let about = |file: &Path, line: usize, message: String| Warning {
        kind: WarningKind::NfsmountConf,
        finding: false,
        message,
        path: Some(file.display().to_string()),
        line: Some(line),
        option: None,
        volumes: Vec::new(),
        may_concern: Vec::new(),
    };
    let ignored = conf.ignored.iter().map(|(file, line, text)| {
        about(file, *line, format!("mount.nfs ignores \"{text}\", because no line break ends it"))
    });
    let fatal = conf.fatal.iter().map(|(file, line, section)| {
        let message = format!(
            "is in a section \"{section}\" without a name in quotes: mount.nfs crashes, and each NFS mount of this node fails; write [{section} \"NAME\"], or remove the line"
        );
        about(file, *line, message)
    });
    let sure = volumes.iter().filter(|volume| !volume.is_doubtful);
    let given: Vec<(&OnNode, Vec<&Setting>)> =
        sure.map(|volume| (volume, volume.given(conf, None))).collect();
    let overridings = conf.overridden();
    let settings = conf.settings().iter().map(|setting| {
        let concerned: Vec<&OnNode> = given
            .iter()
            .filter(|(_, settings)| settings.contains(&setting))
            .map(|(volume, _)| *volume)
            .collect();
        let may_concern: Vec<MayConcern> =
            volumes.iter().filter_map(|volume| volume.doubt(conf, setting)).collect();
        // The order counts: a line that is overridden has no effect, whatever its text.
        let (message, is_background) = match overridings.iter().find(|(other, _)| *other == setting) {
            Some((_, by)) => (overridden(setting, by), false),
            None if conf.swallows(setting) => (swallowed(setting), false),
            None => {
                let is_for_pods = |point: &str| is_volume_point(point, root, pods_dir);
                in_force(setting, is_for_pods, Remedy::of(&concerned))
            }
        };
        Warning {
            kind: WarningKind::NfsmountConf,
            finding: is_background,
            message,
            path: Some(setting.file.display().to_string()),
            line: Some(setting.line),
            option: Some(setting.text.clone()),
            volumes: concerned.iter().map(|volume| volume.name.clone()).collect(),
            may_concern,
        }
    });
    settings.chain(ignored).chain(fatal).collect()
}

/// Describes a setting that a line of its own section keeps away from every mount.
fn overridden(setting: &Setting, by: &Setting) -> String {
    let place = if by.file == setting.file {
        format!("line {}", by.line)
    } else {
        format!("{}:{}", by.file.display(), by.line)
    };
    let text = &setting.text;
    if by.text == *text {
        return format!("is repeated by {place}: \"{text}\" stays until both lines are removed");
    }
    let is_background = |setting: &Setting| effect(&setting.text, Remedy::List).1;
    let then = if is_background(setting) && !is_background(by) {
        "; without that line a failed mount would report success: remove this one"
    } else {
        ""
    };
    format!("gives \"{text}\" to no mount, because {place} overrides it with \"{}\"{then}", by.text)
}

/// Describes a setting that an open quotation mark takes away from every mount.
fn swallowed(setting: &Setting) -> String {
    format!(
        "gives \"{}\" to no mount, because mount.nfs drops an option with an open quotation mark, and each option after it",
        setting.text
    )
}

/// The place at which an option of a mount is set, which a line of the file adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// In the list of the object.
    List,
    /// In the options of the `FlexVolume`: the kubelet refuses a list (`SupportsMountOption`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/plugin.go>).
    FlexOptions,
    /// Both, for volumes of either kind.
    Both,
}

impl Remedy {
    fn of(concerned: &[&OnNode]) -> Self {
        match (concerned.iter().any(|volume| volume.is_flex), concerned.iter().all(|volume| volume.is_flex)) {
            (true, true) => Self::FlexOptions,
            (true, false) => Self::Both,
            (false, _) => Self::List,
        }
    }

    const fn place(self) -> &'static str {
        match self {
            Self::List => "in mountOptions",
            Self::FlexOptions => "in flexVolume.options if the driver reads it there",
            Self::Both => "in mountOptions (of a FlexVolume in its options, if the driver reads it there)",
        }
    }
}

/// Describes a setting that mounts get, and whether it makes those of Pods report success when they
/// fail: with or without a volume on this node today, because the next Pod may bring one.
fn in_force(setting: &Setting, is_for_pods: impl Fn(&str) -> bool, remedy: Remedy) -> (String, bool) {
    let (effect, is_background) = effect(&setting.text, remedy);
    let text = &setting.text;
    match &setting.section {
        Section::Global => (format!("gives \"{text}\" to every mount of this node{effect}"), is_background),
        Section::Server(server) if !may_be_server(server) => {
            (format!("gives \"{text}\" to no mount, because no server is named \"{server}\""), false)
        }
        Section::Server(server) => {
            (format!("gives \"{text}\" to every mount from server \"{server}\"{effect}"), is_background)
        }
        Section::MountPoint(point) if is_for_pods(point) => {
            (format!("gives \"{text}\" to the mount at \"{point}\"{effect}"), is_background)
        }
        Section::MountPoint(point) => {
            (format!("gives \"{text}\" to the mount at \"{point}\", which is no volume of a Pod"), false)
        }
    }
}

/// Describes the effect of a setting, and whether it makes a failed mount succeed. The text may
/// contain several options.
fn effect(text: &str, remedy: Remedy) -> (String, bool) {
    let options = || text.split(',').map(str::trim);
    let names = || options().map(|option| option.split('=').next().unwrap_or_default().trim());
    let has = |wanted: &[&str]| names().any(|name| wanted.contains(&name));
    let place = remedy.place();
    // Of the two the last one counts, as for mount.nfs (po_rightmost).
    if names().rfind(|name| matches!(*name, "bg" | "fg")) == Some("bg") {
        return (
            format!(
                " without \"fg\": mount.nfs reports success while nothing is mounted, and the Pod writes to the node's local disk; set fg {place}, and remove the line"
            ),
            true,
        );
    }
    // The gravest option of a line is described; one line may have several.
    let effect = if has(&["soft", "softerr"]) {
        ", also to one with \"hard\", because the option of the file comes last: writes fail after a time-out, and the program may lose them; remove the line"
    } else if has(&["timeo", "retrans", "retry"]) {
        let text = " that does not set it: a silent server is waited for differently; set it ";
        return (format!("{text}{place}"), false);
    } else if has(&["nolock", "local_lock"]) {
        " that does not set it: NFSv3 locks are local, and Pods on other nodes do not see them; remove the line"
    } else if has(&["lock", "nonolock"]) {
        " that does not set it: NFSv3 mounts need rpc.statd on the node"
    } else if has(&["vers", "nfsvers", "minorversion", "v3", "v4", "v4.0", "v4.1", "v4.2"]) {
        return (format!(" without a version; set nfsvers {place}"), false);
    } else if options().any(|option| matches!(option, "udp" | "proto=udp" | "proto=udp6")) {
        " that does not set it: mounts over UDP fail or corrupt data; remove the line"
    } else if options().any(is_unknown) {
        ", which no kernel knows: it rejects the mount; remove the line"
    } else if has(&["sloppy"]) {
        ": the kernel ignores unknown options instead of rejecting them; remove the line"
    } else {
        " that does not set it"
    };
    (effect.to_owned(), false)
}

/// Returns true if the kernel rejects every mount with the option: the `nosoft` of `Soft=False`.
fn is_unknown(option: &str) -> bool {
    !option.is_empty() && acceptance::judge(&MountOption::new(option)).refusal == Some(Refusal::Unknown)
}

/// Warns of NFSv3 with locks if rpc.statd does not run where mount.nfs does: on the node for the kubelet's
/// volumes, in its container for a driver's. The kernel shows `local_lock=all` for nolock.
fn without_statd(volumes: &[VolumeId], moment: &Moment) -> Option<Warning> {
    if moment.has_statd {
        return None;
    }
    let needs = |id: &&VolumeId| {
        moment.mount_on(&id.folder()).is_some_and(|mount| {
            let value = |name: &str| mount.options.get(name).and_then(Option::as_deref);
            value("vers") == Some("3")
                // Kernels show either of the two, by their version.
                && !mount.options.contains_key("nolock")
                && !matches!(value("local_lock"), Some("all" | "posix"))
        })
    };
    let volumes: Vec<VolumeName> = volumes.iter().filter(needs).map(VolumeId::report).collect();
    (!volumes.is_empty()).then(|| Warning {
        kind: WarningKind::StatdMissing,
        finding: false,
        message: "rpc.statd does not run on this node, and volumes are mounted by NFSv3 with locks: a lock fails with ENOLCK, and none is recovered after a restart of the server; start rpc-statd, or use nfsvers=4.1".to_owned(),
        path: None,
        line: None,
        option: None,
        volumes,
        may_concern: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_no_kernel_knows_is_told() {
        let said = |text: &str| effect(text, Remedy::List).0;
        for text in ["nosoft", "timeout=50", "noudp", "nodefaultproto"] {
            assert!(said(text).contains("no kernel knows"), "{text}: {}", said(text));
        }
        for text in ["mountproto=udp", "rsize=8192", "soft", "timeo=9", "acl"] {
            assert!(!["no kernel", "UDP"].iter().any(|word| said(text).contains(word)), "{text}");
        }
    }
}
