//! Evaluates the objects of a cluster as `check` evaluates files: classes, volumes, classes of
//! snapshots, the Pods that mount what has a finding, and what makes Pods with inline volumes.
//!
//! A page is evaluated and dropped; only what has a finding is kept, and of the rest what
//! another object may make of it. Secrets are never read, claims need not be: a volume
//! names its claim.

mod drivers;
mod earlier;
pub mod namespace;
mod templates;

use std::collections::BTreeSet;

use super::pages::{Error, JSON, Listed, PageReader, Pager, encoded};
use crate::check::Checker;
use crate::check::together::quiet::Quiet;
use crate::kind::Kind;
use crate::report::live::{self, CLUSTER};
use crate::report::tie::Binding;
use crate::report::{FileReport, ReadError, Report, Reported, Snippet, SubjectReport};
use crate::source::Skip;
use crate::subject::pod::MountingPod;
use drivers::Drivers;
use earlier::Earlier;

const CLASSES: Listed = Listed {
    resource: "storageclasses",
    group: "storage.k8s.io",
    path: "/apis/storage.k8s.io/v1/storageclasses",
    form: JSON,
};
const VOLUMES: Listed =
    Listed { resource: "persistentvolumes", group: "", path: "/api/v1/persistentvolumes", form: JSON };
const DRIVERS: Listed = Listed {
    resource: "csidrivers",
    group: "storage.k8s.io",
    path: "/apis/storage.k8s.io/v1/csidrivers",
    form: JSON,
};
const SNAPSHOT_CLASSES: Listed = Listed {
    resource: "volumesnapshotclasses",
    group: "snapshot.storage.k8s.io",
    path: "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses",
    form: JSON,
};
const PODS: Listed = Listed { resource: "pods", group: "", path: "/api/v1/pods", form: JSON };

/// Pods that have not ended.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Tells a person how far the scan is: what is listed, how many of it were read, and
/// how many come, where that is known.
pub type Progress<'p> = &'p dyn Fn(&'static str, u64, Option<u64>);

/// The part of a cluster that is scanned.
#[derive(Debug, Clone, Copy)]
pub struct Extent<'e> {
    /// Only this namespace.
    pub namespace: Option<&'e str>,
    /// Objects of which everything is kept though their findings are only counted: of a
    /// cluster of 100,000 volumes each may have one.
    pub most: usize,
    /// True if the report needs to know which objects there are.
    pub notes_names: bool,
}

/// Looks at the whole cluster, or at one namespace of it, and adds what was found to
/// `report`. Resources that cannot be listed are among the report's errors; if none can be, that is
/// reported once.
pub async fn scan(
    pager: &mut Pager,
    check: &Checker<'_>,
    extent: Extent<'_>,
    report: &mut Report,
    progress: Progress<'_>,
) {
    let namespace = extent.namespace;
    // Until they are listed.
    (report.sees_pods, report.lacks_pods) = (true, true);
    let mut quiet = Quiet::default();
    let mut goes_on = true;
    for (listed, version) in
        [(CLASSES, "storage.k8s.io/v1"), (VOLUMES, "v1"), (SNAPSHOT_CLASSES, "snapshot.storage.k8s.io/v1")]
    {
        let mut reader = Judging::new(check, version, progress, listed, extent);
        let listed_all = pager.list(listed, listed.path, "", &mut reader).await;
        reader.end(&listed_all);
        report.add(reader.file);
        // Only volumes are joined later, by their handles and exports.
        if listed == VOLUMES {
            quiet = reader.quiet;
        }
        goes_on = seen(listed, listed_all, pager, report);
        if !goes_on {
            break;
        }
    }
    quiet.judge(report);
    drop_others(report, namespace);
    if goes_on {
        pods(pager, check, extent, report, progress).await;
    }
    if namespace.is_some() {
        drop_released(report);
    }
    report.consistent = pager.is_consistent;
    report.complete &= report.errors.is_empty();
}

/// Adds the Pods, where a volume with a finding has a claim, or a driver mounts inline
/// volumes; what makes Pods only where a driver does, which few clusters have.
async fn pods(
    pager: &mut Pager,
    check: &Checker<'_>,
    extent: Extent<'_>,
    report: &mut Report,
    progress: Progress<'_>,
) {
    let mut drivers = Drivers::default();
    let listed_all = pager.list(DRIVERS, DRIVERS.path, "", &mut drivers).await;
    // Without the CSIDrivers any Pod may have an inline volume of NFS.
    let is_unknown = listed_all.is_err();
    let goes_on = seen(DRIVERS, listed_all, pager, report);
    let claims: BTreeSet<(Box<str>, Box<str>)> = report.subjects.iter().filter_map(claim).collect();
    let may_be_inline = is_unknown || drivers.may_be_inline(check);
    if !goes_on || may_be_inline && !templates::list(pager, check, extent, report, progress).await {
        return;
    }
    if claims.is_empty() && !may_be_inline {
        // No Pod mounts a volume that no claim has.
        report.lacks_pods = false;
        return;
    }
    let path = path_of(PODS, extent.namespace);
    let selector = format!("&fieldSelector={}", encoded(ALIVE));
    let judging = Judging::new(check, "v1", progress, PODS, extent);
    let mut reader = Pods { judging, claims: &claims };
    let listed_all = pager.list(PODS, &path, &selector, &mut reader).await;
    reader.judging.end(&listed_all);
    // Half of the Pods, or one that cannot be read, do not show every user of a volume.
    report.lacks_pods = listed_all.is_err() || !reader.judging.file.errors.is_empty();
    report.add(reader.judging.file);
    seen(PODS, listed_all, pager, report);
}

/// Returns the path of a list: in all namespaces, or in one.
fn path_of(listed: Listed, namespace: Option<&str>) -> String {
    match (namespace, listed.path.strip_suffix(listed.resource)) {
        (Some(namespace), Some(before)) => {
            format!("{before}namespaces/{}/{}", encoded(namespace), listed.resource)
        }
        _ => listed.path.to_owned(),
    }
}

/// Notes what was not listed; `false` where no other list can be read either. Only the
/// resource of snapshots may be missing: every API server has the others.
fn seen(listed: Listed, result: Result<(), Error>, pager: &Pager, report: &mut Report) -> bool {
    let error = match result {
        Ok(()) => return true,
        Err(Error::Unknown { .. }) if listed == SNAPSHOT_CLASSES => return true,
        Err(error) => error,
    };
    report.complete = false;
    report.errors.push(ReadError {
        file: CLUSTER.to_owned(),
        line: None,
        column: None,
        message: error.to_string(),
        origin: None,
    });
    match error {
        Error::Unauthorized(_) | Error::Unknown { .. } => false,
        // One list may be too much for it; a server that answers no second one is gone.
        Error::Gone { .. } => {
            let lists = |code: u16| pager.requests.keys().filter(move |(_, found)| *found == code).count();
            // The code 0 counts requests without an answer.
            lists(200) > 0 && lists(0) < 2
        }
        Error::Forbidden { .. } | Error::Expired(_) => true,
    }
}

/// Returns true if a report names something in the object.
fn is_told(subject: &SubjectReport) -> bool {
    subject.findings.iter().any(|finding| finding.action > Reported::Audit)
}

/// Returns the claim of a volume that a report names, or the one that it had: its Pods may still run.
fn claim(subject: &SubjectReport) -> Option<(Box<str>, Box<str>)> {
    match &subject.tie.binding {
        Binding::Bound(claim) | Binding::Former(claim) if is_told(subject) => {
            Some((claim.namespace.clone(), claim.name.clone()))
        }
        _ => None,
    }
}

/// Drops the objects without findings, and volumes that no claim of the namespace has.
fn drop_others(report: &mut Report, namespace: Option<&str>) {
    let before = report.subjects.len();
    report.subjects.retain(|subject| {
        let is_elsewhere = namespace.is_some_and(|namespace| match &subject.tie.binding {
            Binding::Bound(claim) | Binding::Former(claim) => &*claim.namespace != namespace,
            Binding::Free => true,
            Binding::Unknown | Binding::Unreadable => false,
        });
        !subject.findings.is_empty() && !is_elsewhere
    });
    report.dropped += before - report.subjects.len();
    // Of 100,000 objects few are left.
    report.subjects.shrink_to_fit();
}

/// Drops volumes that a claim of the namespace had, and that no Pod mounts any more.
fn drop_released(report: &mut Report) {
    let mounted: BTreeSet<(&str, &str)> = report
        .pods
        .iter()
        .flat_map(|pod| pod.claims.iter().map(|claim| (&*pod.namespace, &**claim)))
        .collect();
    let lacks_pods = report.lacks_pods;
    let stays = |subject: &SubjectReport| match &subject.tie.binding {
        Binding::Former(claim) => lacks_pods || mounted.contains(&(&*claim.namespace, &*claim.name)),
        _ => true,
    };
    let before = report.subjects.len();
    report.subjects.retain(stays);
    report.dropped += before - report.subjects.len();
}

/// Evaluates the pages of one list.
struct Judging<'c> {
    check: &'c Checker<'c>,
    /// The items of a list do not say it themselves.
    version: &'static str,
    progress: Progress<'c>,
    listed: Listed,
    seen: u64,
    file: FileReport,
    quiet: Quiet,
    /// Objects whose findings are only counted: how many are kept, and at most.
    counted: (usize, usize),
    notes_names: bool,
    earlier: Earlier,
}

impl<'c> Judging<'c> {
    fn new(
        check: &'c Checker<'c>,
        version: &'static str,
        progress: Progress<'c>,
        listed: Listed,
        extent: Extent<'_>,
    ) -> Self {
        Self {
            check,
            version,
            progress,
            listed,
            seen: 0,
            file: FileReport::default(),
            quiet: Quiet::default(),
            counted: (0, extent.most),
            notes_names: extent.notes_names,
            earlier: Earlier::default(),
        }
    }

    /// Keeps what earlier passes found if the last one did not come to the end of the list.
    fn end(&mut self, listed_all: &Result<(), Error>) {
        let earlier = std::mem::take(&mut self.earlier);
        if listed_all.is_err() {
            earlier.add_to(&mut self.file);
        }
    }

    /// Evaluates a page.
    fn judge(&mut self, bytes: Vec<u8>, remaining: Option<u64>) -> FileReport {
        let mut page = self.check.page(self.listed.resource, bytes);
        // A list without items is no document of the cluster.
        if let Some(lists) = page.skipped.remove(&Skip::EmptyList) {
            page.documents -= lists;
        }
        for subject in &mut page.subjects {
            as_of_cluster(subject, self.version);
            self.file.live.take_exempted(subject, self.counted.1);
            if let Binding::Bound(claim) = &subject.tie.binding {
                self.file.live.bound.push(live::of_claim(claim));
            }
            let identity = self.notes_names.then(|| live::identity(subject.kind, &subject.name));
            self.file.live.seen.extend(identity);
        }
        for error in &mut page.errors {
            (error.line, error.column) = (None, None);
        }
        for found in &mut page.not_judged {
            if found.kind.is_empty() {
                // The items of a list do not say it themselves.
                let kind = Kind::ALL.iter().find(|kind| kind.plural() == self.listed.resource);
                found.kind = kind.map(ToString::to_string).unwrap_or_default();
            }
            (found.file, found.line, found.is_live) = (found.object(), 1, true);
        }
        self.seen += page.documents as u64;
        (self.progress)(self.listed.resource, self.seen, remaining);
        page
    }

    /// Counts the findings of an object that are not named anyway, once there are many.
    fn bounded(&mut self, mut subject: SubjectReport) -> SubjectReport {
        if subject.findings.is_empty() || is_told(&subject) {
            return subject;
        }
        if self.counted.0 < self.counted.1 {
            self.counted.0 += 1;
        } else {
            self.file.live.count(&subject);
            subject.findings = Vec::new();
        }
        subject
    }

    fn add(&mut self, page: FileReport) {
        self.file.documents += page.documents;
        for (reason, count) in page.skipped {
            *self.file.skipped.entry(reason).or_default() += count;
        }
        self.file.subjects.extend(page.subjects);
        self.file.errors.extend(page.errors);
        self.file.not_judged.extend(page.not_judged);
        self.file.pods.extend(page.pods);
        self.file.sees_pods |= page.sees_pods;
    }
}

impl PageReader for Judging<'_> {
    fn page(&mut self, bytes: Vec<u8>, remaining: Option<u64>) {
        let mut page = self.judge(bytes, remaining);
        let subjects = std::mem::take(&mut page.subjects);
        let judged = subjects.len();
        for subject in subjects {
            let subject = self.bounded(subject);
            page.subjects.extend(self.quiet.take(subject));
        }
        self.file.dropped += judged - page.subjects.len();
        self.add(page);
    }

    fn forget(&mut self) {
        self.earlier.take(std::mem::take(&mut self.file));
        // The list begins again, and its objects come a second time.
        (self.seen, self.quiet, self.counted.0) = (0, Quiet::default(), 0);
    }
}

/// Takes the places of a page out of what is said of an object: no reader has the page.
fn as_of_cluster(subject: &mut SubjectReport, version: &str) {
    subject.is_live = true;
    subject.file = subject.object().into();
    subject.line = 1;
    if subject.api_version.is_empty() {
        subject.api_version = version.to_owned().into();
    }
    let unreached = subject.tie.unreached.iter_mut().map(|finding| &mut **finding);
    let exempted = subject.tie.exempted.iter_mut().map(|exempted| &mut exempted.finding);
    for finding in subject.findings.iter_mut().chain(unreached).chain(exempted) {
        (finding.line, finding.column, finding.end_column) = (1, 1, 1);
        finding.snippet = Snippet::default();
        finding.offered = None;
    }
}

/// Evaluates Pods, and keeps those that mount what has a finding.
struct Pods<'c> {
    judging: Judging<'c>,
    claims: &'c BTreeSet<(Box<str>, Box<str>)>,
}

impl PageReader for Pods<'_> {
    fn page(&mut self, bytes: Vec<u8>, remaining: Option<u64>) {
        let mut page = self.judging.judge(bytes, remaining);
        let before = page.subjects.len();
        let subjects = std::mem::take(&mut page.subjects).into_iter();
        let bounded = subjects.map(|subject| self.judging.bounded(subject));
        page.subjects = bounded.filter(|subject| !subject.findings.is_empty()).collect();
        self.judging.file.dropped += before - page.subjects.len();
        let inline: BTreeSet<(&str, &str)> = page
            .subjects
            .iter()
            .map(|subject| (subject.namespace.as_deref().unwrap_or_default(), subject.name.as_str()))
            .collect();
        let matters = |pod: &MountingPod| {
            inline.contains(&(&*pod.namespace, &*pod.name))
                || pod
                    .claims
                    .iter()
                    .any(|claim| self.claims.contains(&(pod.namespace.clone(), claim.clone())))
        };
        page.pods.retain(matters);
        self.judging.add(page);
    }

    fn forget(&mut self) {
        self.judging.forget();
    }
}
