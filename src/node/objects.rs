//! Mounted volumes beside the objects of a cluster, as `kubectl get pv -o json` writes them:
//! what a mount has otherwise than its object requests, and what the node's kernel lacks for
//! what is requested.
//!
//! The engine lays the options out, and [`Shown`] compares them: there is no second reader.

mod lacking;
mod other;
mod pod;
mod reason;
mod refused;
mod sharing;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::conf::Conf;
use super::kernel;
use super::moment::Moment;
use super::mounts::Mount;
use super::report::objects::{Compared, Difference, NoComparison, NotCompared, Objects};
use super::report::{ReadError, VolumeName, Warning};
use super::setup::Asked;
use super::volumes::VolumeId;
use crate::kind::{Holds, Kind};
use crate::nfs::kernel::Kernel;
use crate::nfs::option::MountOption;
use crate::nfs::shown::Shown;
use crate::policy::Policy;
use crate::report::plain::place;
use crate::source::object::{Object, Part};
use crate::source::text::{self, Lines, TextError};
use crate::source::{Item, Skip, visit};
use crate::subject::Subject;
use crate::subject::driver::{ListUse, Nfs};
use sharing::Sharing;
use survey::Otherwise;

/// The command that makes the file.
const REMEDY: &str = "write it with: kubectl get pv -o json >FILE";

/// The objects that volumes are compared with.
#[derive(Debug)]
pub struct Given {
    /// The name of the file in reports.
    name: String,
    text: Result<String, Problem>,
}

impl Given {
    /// Takes the content of the file that reports call `name`, or why it cannot be read.
    pub fn new(name: String, content: Result<Vec<u8>, String>) -> Self {
        let text = content.map_err(Problem::Unread);
        let text = text.and_then(|bytes| match text::decode(bytes) {
            Ok((text, _)) => Ok(text),
            Err((error, _)) => Err(error.into()),
        });
        Self { name, text }
    }
}

/// Why objects cannot be compared with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    /// The system gives no content.
    #[error("{0}; {REMEDY}")]
    Unread(String),
    /// The content is no text.
    #[error("{0}; {REMEDY}")]
    NoText(#[from] TextError),
    /// An object cannot be read.
    #[error("{0}")]
    Object(String),
    /// There is nothing to compare with.
    #[error("has no PersistentVolume and no Pod with an inline CSI volume; {REMEDY}")]
    NoVolume,
}

/// The node as a look found it.
pub(super) struct Seen<'a> {
    /// The volumes of the node.
    pub(super) volumes: &'a [VolumeId],
    /// The directory of Pods, as this process sees it.
    pub(super) pods_dir: &'a Path,
    /// The mounts.
    pub(super) moment: &'a Moment,
    /// The nfsmount.conf that the node's mount.nfs reads.
    pub(super) conf: Option<&'a Conf>,
    /// Volumes of drivers whose mounts read it, too.
    pub(super) readers: &'a BTreeSet<VolumeId>,
    /// The node's kernel.
    pub(super) kernel: Option<Kernel>,
    /// The user's own rows for drivers.
    pub(super) policy: &'a Policy,
}

/// The result.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) objects: Objects,
    pub(super) warnings: Vec<Warning>,
    pub(super) errors: Vec<ReadError>,
    /// The mounts that the objects request.
    pub(super) asked: BTreeMap<VolumeId, Asked>,
    /// The verdicts on whether volumes are NFS, by their objects.
    pub(super) said: BTreeMap<VolumeId, Nfs>,
}

/// A volume of the node that an object may be about.
struct Volume<'a> {
    id: &'a VolumeId,
    name: VolumeName,
    mount: Option<&'a Mount>,
    /// True if its object was found.
    is_settled: bool,
    /// Why an object of its name is not its own.
    other: Option<String>,
}

/// Compares the volumes with the objects of a file.
pub(super) fn compare(given: &Given, seen: &Seen<'_>) -> Outcome {
    let volumes: Vec<Volume<'_>> = seen.volumes.iter().map(|id| Volume::of(id, seen.moment)).collect();
    let mut work = Work {
        seen,
        sharing: Sharing::default(),
        otherwise: Otherwise::new(),
        volumes,
        outcome: Outcome::default(),
        is_whole: true,
        lacking: BTreeMap::new(),
    };
    work.outcome.objects.file.clone_from(&given.name);
    match &given.text {
        Err(problem) => work.fail(given.name.clone(), problem),
        Ok(text) => work.read(given, text),
    }
    work.end()
}

impl<'a> Volume<'a> {
    fn of(id: &'a VolumeId, moment: &'a Moment) -> Self {
        Self { id, name: id.report(), mount: moment.mount_on(&id.folder()), is_settled: false, other: None }
    }
}

struct Work<'s, 'a> {
    seen: &'s Seen<'a>,
    sharing: Sharing<'a>,
    otherwise: Otherwise,
    volumes: Vec<Volume<'a>>,
    outcome: Outcome,
    /// True if all of the file was read.
    is_whole: bool,
    /// Options that the kernel lacks, by text, with the kernels that have them.
    lacking: BTreeMap<String, (String, Vec<VolumeName>)>,
}

/// The volumes of the node by name.
type ByName = BTreeMap<String, Vec<usize>>;

/// A step with a volume of the node, by its index, and its object. The last is the path on the server
/// of a volume that the kubelet mounts.
type Then<W> = fn(&mut W, usize, &Subject<'_>, Option<&str>);

impl Work<'_, '_> {
    fn fail(&mut self, path: String, problem: &Problem) {
        // A file without volumes was read whole: no other part of it has the object of a volume.
        self.is_whole &= *problem == Problem::NoVolume;
        self.outcome.errors.push(ReadError { path, message: problem.to_string() });
    }

    fn read(&mut self, given: &Given, text: &str) {
        let lines = Lines::new(text);
        let mut by_name = ByName::new();
        for (index, volume) in self.volumes.iter().enumerate() {
            by_name.entry(volume.name.volume.clone()).or_default().push(index);
        }
        visit(text, &lines, &mut |item| {
            if let Item::Object(object) = item {
                self.each_volume(&by_name, &object, Self::survey);
            }
        });
        // Only after every object: what a superblock has is explained by the objects of all its mounts.
        self.sharing = Sharing::of(&self.volumes, self.seen.moment, &self.otherwise);
        let (mut has_volumes, mut problems) = (false, Vec::new());
        visit(text, &lines, &mut |item| match item {
            Item::Object(object) => {
                has_volumes |= self.each_volume(&by_name, &object, Self::compare_one);
            }
            Item::Skipped(Skip::EmptyList) => has_volumes = true,
            Item::Unreadable(problem) => {
                let place_of = problem.offset.map(|offset| lines.position(offset));
                let path = match place_of {
                    Some(at) => format!("{}:{}:{}", given.name, at.line, at.column),
                    None => given.name.clone(),
                };
                problems.push((path, Problem::Object(problem.message)));
            }
            Item::Skipped(_)
            | Item::Unjudged(_)
            | Item::Beside(_)
            | Item::Pod(_)
            | Item::UnreadablePod
            | Item::Claim(_) => {}
        });
        if !has_volumes && problems.is_empty() {
            problems.push((given.name.clone(), Problem::NoVolume));
        }
        for (path, problem) in &problems {
            self.fail(path.clone(), problem);
        }
    }

    /// Returns true if it is an object of volumes. Each volume of the node that it may be about goes
    /// into `then`.
    fn each_volume(&mut self, by_name: &ByName, object: &Object<'_>, then: Then<Self>) -> bool {
        if !matches!(object.kind.row().holds, Holds::Volume) && object.kind != Kind::Pod {
            return false;
        }
        for part in &object.parts {
            self.each_of_part(by_name, object, part, then);
        }
        true
    }

    /// Finds the volumes of the node that have the name of one of an object.
    fn each_of_part(&mut self, by_name: &ByName, object: &Object<'_>, part: &Part<'_>, then: Then<Self>) {
        let name = match part.volume {
            Some(_) => part.name.as_deref(),
            None => Some(object.name()),
        };
        let Some(indices) = name.and_then(|name| by_name.get(name)) else { return };
        // A Pod is known by its uid: the directory of an inline volume has the name of the Pod's volume.
        let pods = if part.volume.is_some() { pod::uids(object) } else { Vec::new() };
        let subject = part.subject(object, self.seen.policy);
        let bound = if part.volume.is_none() { object.bound_volume() } else { None };
        let export = bound.as_ref().and_then(|volume| volume.nfs_path());
        for index in indices {
            let is_its = self.volumes.get(*index).is_some_and(|volume| {
                !volume.is_settled && (part.volume.is_none() || pods.contains(&volume.name.pod))
            });
            if is_its {
                then(self, *index, &subject, export);
            }
        }
    }

    /// Compares a volume with its object; `export` is the path on the server of a volume that the kubelet
    /// mounts.
    fn compare_one(&mut self, index: usize, subject: &Subject<'_>, export: Option<&str>) {
        let pods_dir = self.seen.pods_dir;
        let Some(volume) = self.volumes.get_mut(index) else { return };
        let named = title(subject);
        // Names of volumes repeat in other clusters, and after a volume is made again.
        if let Some(other) = volume.other_object(subject, export, pods_dir) {
            volume.other = Some(format!("{named} is another volume of this name: {other}"));
            return;
        }
        let (name, mount) = (volume.name.clone(), volume.mount);
        volume.is_settled = true;
        self.outcome.said.insert(volume.id.clone(), subject.nfs);
        if subject.nfs == Nfs::Yes && subject.overlong.is_none() && !subject.options.has_unrendered() {
            let options = subject.options.effective_options().map(|option| option.keyword().to_owned());
            let asked = Asked {
                server: subject.server.map(ToOwned::to_owned),
                options: options.collect(),
                object: named,
                effective: subject.effective(),
            };
            self.outcome.asked.insert(volume.id.clone(), asked);
        }
        // A volume that is not mounted is reported as that.
        match mount {
            Some(mount) => self.compare_mount(index, subject, mount, name.clone()),
            None => self.outcome.objects.not_compared.extend(refused::of(subject, &name)),
        }
        self.note_kernel(&name, mount, subject);
    }

    fn compare_mount(&mut self, index: usize, subject: &Subject<'_>, mount: &Mount, name: VolumeName) {
        let named = title(subject);
        let obstacle = match (&mount.nfs, subject.nfs) {
            (None, Nfs::Yes) => Some((
                NoComparison::OtherFileSystem,
                format!("{named} is NFS, and {} is mounted (source {})", mount.kind, mount.source),
            )),
            (None, _) => return,
            (Some(_), Nfs::No) => Some((
                NoComparison::NotNfs,
                format!("{named} is not NFS by the driver table or the policy, so its options are not read"),
            )),
            (Some(_), _) if subject.overlong.is_some() || subject.options.has_unrendered() => Some((
                NoComparison::OptionsUnknown,
                format!("{named} has options that are too long, or placeholders"),
            )),
            _ => None,
        };
        if let Some((reason, message)) = obstacle {
            self.outcome.objects.not_compared.push(NotCompared::of(name, reason, message));
        } else if let Some(shown) = &mount.nfs {
            let compared = self.compared(index, subject, mount, shown);
            self.outcome.objects.volumes.extend(compared);
        }
    }

    fn compared(&self, index: usize, subject: &Subject<'_>, mount: &Mount, text: &str) -> Option<Compared> {
        let volume = self.volumes.get(index)?;
        let shown = shown(text);
        let asked: Vec<&MountOption<'_>> = subject.options.effective_options().collect();
        let mut found = shown.differences(asked.iter().copied());
        let note = hides_defaults(subject).then(|| {
            // A default that differs may be an option of the driver.
            found.retain(|difference| difference.is_written);
            "options that the object does not name are not compared, because what the driver adds is not known"
                .to_owned()
        });
        let context =
            reason::Context { seen: self.seen, volume, mount, shown: &shown, sharing: &self.sharing };
        // Options that the driver adds are in no object.
        let written = subject.options.effective().filter(|token| token.is_written());
        let written: Vec<&MountOption<'_>> = written.map(|token| &token.option).collect();
        let of_object = shown.differences(written.iter().copied());
        let mut differences: Vec<Difference> =
            found.into_iter().map(|found| context.explain(found, &asked, &of_object)).collect();
        let (version, versions) = (shown.version(), subject.options.settings().versions);
        if let Some(version) =
            version.filter(|version| versions.contains(*version) && versions.iter().count() > 1)
        {
            differences.push(reason::negotiated(versions, &version.to_string()));
        }
        Some(Compared {
            pod: volume.name.pod.clone(),
            volume: volume.name.volume.clone(),
            folder: volume.name.folder.clone(),
            object: title(subject),
            driver: subject.driver_name.to_owned(),
            effective: subject.effective(),
            mounted: text.to_owned(),
            version: version.map(|version| version.to_string()),
            differences,
            server: volume.server_note(subject),
            not_shown: shown.unseen(asked).into_iter().map(|option| option.text().to_owned()).collect(),
            note,
        })
    }

    fn end(mut self) -> Outcome {
        let file = place(&self.outcome.objects.file).into_owned();
        // The part of the file that could not be read may have the object.
        let is_whole = self.is_whole;
        let is_open = |volume: &&Volume<'_>| {
            !volume.is_settled && volume.mount.is_some_and(|mount| mount.nfs.is_some())
        };
        for open in self.volumes.iter().filter(is_open) {
            let (reason, message) = match &open.other {
                Some(other) => (NoComparison::OtherObject, other.clone()),
                None if !is_whole => (
                    NoComparison::FileUnread,
                    format!("{file} was not read whole, and its object may be in the rest"),
                ),
                None => (
                    NoComparison::NoObject,
                    format!(
                        "{file} has no PersistentVolume of this name; an inline volume needs its Pod in the file, and one of NFS has no options"
                    ),
                ),
            };
            self.outcome.objects.not_compared.push(NotCompared::of(open.name.clone(), reason, message));
        }
        self.outcome.objects.is_whole = self.outcome.errors.is_empty();
        let Some(kernel) = self.seen.kernel else { return self.outcome };
        for (option, (since, volumes)) in self.lacking {
            self.outcome.warnings.push(kernel::warning(&option, &since, kernel, volumes));
        }
        self.outcome
    }
}

/// Returns kind and name of an object, with the path of an inline volume.
fn title(subject: &Subject<'_>) -> String {
    let namespace = subject.namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let path = subject.volume.map(|volume| format!(" {volume}")).unwrap_or_default();
    format!("{}/{namespace}{}{path}", subject.kind, subject.name)
}

/// Returns the options of a mount. It may be read-only on a superblock that is not: both are shown.
fn shown(text: &str) -> Shown<'_> {
    let is_read_only = text.split(',').any(|option| option == "ro");
    Shown::new(text.split(',').filter(|option| !is_read_only || *option != "rw"))
}

/// Returns true if the driver may add options that the table does not know.
fn hides_defaults(subject: &Subject<'_>) -> bool {
    let driver = subject.driver;
    subject.nfs != Nfs::Yes
        || !driver.known.is_read()
        || driver.list != ListUse::Used
        || subject.mounts_with_hidden_options()
}
