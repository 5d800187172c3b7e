//! Finds settings of the node's own files and programs that make the mounts of its Pods fail or
//! lose data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::conf::{Conf, Section, Setting};
use super::moment::Moment;
use super::report::{ConfReader, VolumeName, Warning, WarningKind};
use super::volumes::{self, Plugin, VolumeId};
use crate::subject::driver::conf::ConfOf;
use crate::subject::driver::{self, Nfs};

/// The path at which mount(8) looks for the helper of a file system.
const HELPER: &str = "/sbin/mount.nfs";

/// The paths at which the kubelet finds mount(8).
const MOUNT: [&str; 2] = ["/usr/bin/mount", "/bin/mount"];

/// The CSI drivers of a node's volumes, by whose nfsmount.conf they read.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Those with volumes that may be NFS.
    pub(super) drivers: Vec<ConfReader>,
    /// The volumes of those that read the node's.
    pub(super) volumes: BTreeSet<VolumeId>,
}

impl Readers {
    /// Reads of each CSI volume who mounts it, where the files give any option.
    pub(super) fn of(conf: &Conf, volumes: &[VolumeId], pods_dir: &Path) -> Self {
        let mut readers = Self::default();
        if conf.settings().is_empty() {
            return readers;
        }
        let mut drivers: BTreeMap<String, ConfOf> = BTreeMap::new();
        for id in volumes.iter().filter(|id| id.plugin == Plugin::Csi) {
            // A file that cannot be read is reported where the volume is looked at.
            let Ok(name) = volumes::csi_driver(pods_dir, id) else { continue };
            let row = driver::find(&name).filter(|row| row.nfs != Nfs::No);
            // A driver that is not in the table may be NFS.
            let Some(row) = row.or_else(|| driver::find(&name).is_none().then_some(&driver::UNKNOWN)) else {
                continue;
            };
            if matches!(row.nfsmount_conf, ConfOf::Node(_) | ConfOf::Shared(_)) {
                readers.volumes.insert(id.clone());
            }
            drivers.insert(name, row.nfsmount_conf);
        }
        readers.drivers = drivers
            .into_iter()
            .map(|(driver, of)| ConfReader {
                driver,
                reads: match of {
                    ConfOf::Node(_) | ConfOf::Shared(_) => "node",
                    ConfOf::Container(_) => "container",
                    ConfOf::Unknown => "unknown",
                },
                message: of.describe(),
            })
            .collect();
        readers
    }
}

/// The mount that an object asks for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The server, as the object names it.
    pub(super) server: Option<String>,
    /// The keywords of the options that mount.nfs gets, in their order.
    pub(super) options: Vec<String>,
}

/// A volume that kubelet mounts itself, with what it takes to find its settings.
#[derive(Debug)]
struct InTree {
    name: VolumeName,
    /// The mount point, present or not, by its name on the node.
    point: String,
    /// The server as the mount command names it, or else the object; `None` where nothing
    /// tells it.
    server: Option<String>,
    /// The keywords of the options that its object asks for, where that is known.
    own: Vec<String>,
}

/// Lists the warnings. `conf` is the node's nfsmount.conf, `readers` says which other volumes
/// read it, `sees_node` whether this process sees the node's programs, `asked` what the
/// objects of volumes ask for.
pub(super) fn warnings(
    volumes: &[VolumeId],
    moment: &Moment,
    conf: Option<&Conf>,
    readers: &Readers,
    sees_node: bool,
    asked: &BTreeMap<VolumeId, Asked>,
) -> Vec<Warning> {
    let is_in_tree = |id: &&VolumeId| id.plugin == Plugin::InTreeNfs;
    let in_tree: Vec<InTree> =
        volumes.iter().filter(is_in_tree).map(|id| InTree::of(id, moment, asked.get(id))).collect();
    let reads = |id: &&VolumeId| is_in_tree(id) || readers.volumes.contains(id);
    let of_node: Vec<InTree> =
        volumes.iter().filter(reads).map(|id| InTree::of(id, moment, asked.get(id))).collect();
    // The kubelet's own directory, if that of Pods has the name that the kubelet gives it.
    let pods_dir = &*moment.pods_dir;
    let root = pods_dir.parent().filter(|_| pods_dir.ends_with("pods")).unwrap_or(pods_dir);
    let mut warnings = conf.map_or_else(Vec::new, |conf| of_conf(conf, &of_node, root));
    warnings.extend(without_statd(volumes, moment));
    if sees_node && !in_tree.is_empty() {
        warnings.extend(without_helper(&in_tree));
    }
    warnings
}

impl InTree {
    fn of(id: &VolumeId, moment: &Moment, asked: Option<&Asked>) -> Self {
        let folder = id.folder();
        let point = moment.pods_dir.join(&folder);
        let source = moment.mount_on(&folder).map(|mount| mount.source.clone()).or_else(|| {
            let is_its =
                |mounter: &&super::processes::Mounter| moment.volume_of(mounter).as_ref() == Some(id);
            moment.mounters.iter().find(is_its).map(|mounter| mounter.source.clone())
        });
        // mount.nfs cuts at the first colon, also of an address in brackets.
        let server = source.and_then(|source| Some(source.split_once(':')?.0.to_owned()));
        let server = server.or_else(|| asked?.server.clone());
        let own = asked.map(|asked| asked.options.clone()).unwrap_or_default();
        Self { name: name(id), point: point.display().to_string(), server, own }
    }
}

fn name(id: &VolumeId) -> VolumeName {
    VolumeName { pod: id.pod.to_string_lossy().into_owned(), volume: id.name.to_string_lossy().into_owned() }
}

/// Lists the lines of the files. `root` is the kubelet's directory, in which every volume is
/// mounted.
fn of_conf(conf: &Conf, volumes: &[InTree], root: &Path) -> Vec<Warning> {
    let ignored = conf.ignored.iter().map(|(file, line, text)| Warning {
        kind: WarningKind::NfsmountConf,
        finding: false,
        message: format!("mount.nfs ignores \"{text}\", because no line break ends it"),
        path: Some(file.display().to_string()),
        line: Some(*line),
        option: None,
        volumes: Vec::new(),
        may_concern: Vec::new(),
    });
    let given_by = |server: &str, volume: &InTree| {
        let own: Vec<&str> = volume.own.iter().map(String::as_str).collect();
        conf.added_to(server, &volume.point, &own)
    };
    let given: Vec<(&InTree, Vec<&Setting>)> = volumes
        .iter()
        .map(|volume| (volume, given_by(volume.server.as_deref().unwrap_or_default(), volume)))
        .collect();
    let overridings = conf.overridden();
    let settings = conf.settings().iter().map(|setting| {
        let concerned = given.iter().filter(|(_, settings)| settings.contains(&setting));
        let may_concern = volumes.iter().filter(|volume| match &setting.section {
            Section::Server(server) => volume.server.is_none() && given_by(server, volume).contains(&setting),
            Section::Global | Section::MountPoint(_) => false,
        });
        let (message, is_background) = match overridings.iter().find(|(other, _)| *other == setting) {
            Some((_, by)) => (overridden(setting, by), false),
            None => in_force(setting, root),
        };
        Warning {
            kind: WarningKind::NfsmountConf,
            finding: is_background,
            message,
            path: Some(setting.file.display().to_string()),
            line: Some(setting.line),
            option: Some(setting.text.clone()),
            volumes: concerned.map(|(volume, _)| volume.name.clone()).collect(),
            may_concern: may_concern.map(|volume| volume.name.clone()).collect(),
        }
    });
    settings.chain(ignored).collect()
}

/// Describes a setting that a line of its own section keeps away from every mount.
fn overridden(setting: &Setting, by: &Setting) -> String {
    let place = if by.file == setting.file {
        format!("line {}", by.line)
    } else {
        format!("{}:{}", by.file.display(), by.line)
    };
    let then = if effect(&setting.text).1 && !effect(&by.text).1 {
        "; without that line a failed mount would report success: remove this one"
    } else {
        ""
    };
    format!("gives \"{}\" to no mount, because {place} overrides it with \"{}\"{then}", setting.text, by.text)
}

/// Describes a setting that mounts get, and whether it makes those of Pods report success when they
/// fail: with or without a volume on this node today, because the next Pod may bring one.
fn in_force(setting: &Setting, root: &Path) -> (String, bool) {
    let (effect, is_background) = effect(&setting.text);
    let text = &setting.text;
    match &setting.section {
        Section::Global => (format!("gives \"{text}\" to every mount of this node{effect}"), is_background),
        Section::Server(server) => {
            (format!("gives \"{text}\" to every mount from server \"{server}\"{effect}"), is_background)
        }
        Section::MountPoint(point) => {
            // mount.nfs compares it in any case.
            let lower = |path: &str| path.to_ascii_lowercase();
            if Path::new(&lower(point)).starts_with(lower(&root.to_string_lossy())) {
                (format!("gives \"{text}\" to the mount at \"{point}\"{effect}"), is_background)
            } else {
                (format!("gives \"{text}\" to the mount at \"{point}\", which is no volume of a Pod"), false)
            }
        }
    }
}

/// Describes the effect of a setting, and whether it makes a failed mount succeed. The text may
/// contain several options.
fn effect(text: &str) -> (&'static str, bool) {
    let names = || text.split(',').map(|option| option.split('=').next().unwrap_or_default().trim());
    let has = |wanted: &[&str]| names().any(|name| wanted.contains(&name));
    // Of the two the last one counts, as for mount.nfs (po_rightmost).
    if names().rfind(|name| matches!(*name, "bg" | "fg")) == Some("bg") {
        return (
            " without \"fg\": mount.nfs reports success while nothing is mounted, and the Pod writes to the node's local disk; set fg in mountOptions, and remove the line",
            true,
        );
    }
    let effect = if has(&["soft", "softerr"]) {
        ", also with \"hard\" in mountOptions, because the option of the file comes last: writes fail after a time-out, and the program may lose them; remove the line"
    } else if has(&["timeo", "retrans", "retry"]) {
        " that does not set it: a silent server is waited for differently; set it in mountOptions"
    } else if has(&["nolock", "local_lock"]) {
        " that does not set it: NFSv3 locks are local, and Pods on other nodes do not see them; remove the line"
    } else if has(&["lock", "nonolock"]) {
        " that does not set it: NFSv3 mounts need rpc.statd on the node"
    } else if has(&["vers", "nfsvers", "minorversion", "v3", "v4", "v4.0", "v4.1", "v4.2"]) {
        " without a version; set nfsvers in mountOptions"
    } else if has(&["udp"]) || text.contains("proto=udp") {
        " that does not set it: mounts over UDP fail or corrupt data; remove the line"
    } else if has(&["sloppy"]) {
        ": the kernel ignores unknown options instead of rejecting them; remove the line"
    } else {
        " that does not set it"
    };
    (effect, false)
}

/// NFSv3 with locks needs rpc.statd where mount.nfs runs: on the node for kubelet's
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
    let volumes: Vec<VolumeName> = volumes.iter().filter(needs).map(name).collect();
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

fn without_helper(volumes: &[InTree]) -> Vec<Warning> {
    let warning = |kind, path: &str, message: &str| Warning {
        kind,
        finding: false,
        message: message.to_owned(),
        path: Some(path.to_owned()),
        line: None,
        option: None,
        volumes: volumes.iter().map(|volume| volume.name.clone()).collect(),
        may_concern: Vec::new(),
    };
    let mut warnings = Vec::new();
    if !Path::new(HELPER).exists() {
        warnings.push(warning(
            WarningKind::MountNfsMissing,
            HELPER,
            "is not on this node: the kubelet cannot mount NFS volumes; install nfs-common (Debian, Ubuntu) or nfs-utils",
        ));
    }
    let busybox = MOUNT.iter().find(|mount| {
        // BusyBox installs itself as links with the names of its applets.
        fs::canonicalize(mount).is_ok_and(|path| path.file_name().is_some_and(|name| name == "busybox"))
    });
    if let Some(mount) = busybox {
        warnings.push(warning(
            WarningKind::BusyboxMount,
            mount,
            "is BusyBox, which runs mount.nfs only if it was built to: options act otherwise than documented; install the mount of util-linux",
        ));
    }
    warnings
}
