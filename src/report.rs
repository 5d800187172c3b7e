//! Reports on findings and rules, one file for each format.

mod by_policy;
pub mod concise;
pub mod diff;
pub mod driver_page;
mod duration;
mod exempted;
pub mod explanation;
pub mod exposed;
mod fingerprint;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod json;
pub mod junit;
pub mod live;
mod not_judged;
pub mod origin;
mod palette;
mod pieces;
pub mod plain;
pub mod policy_report;
pub mod review;
pub mod rule_page;
pub mod sarif;
pub mod shared;
pub mod terminal;
pub mod text;
pub mod tie;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Applicability, Code};
use crate::kind::Kind;
use crate::source::Skip;
use crate::subject::driver::Nfs;
use crate::subject::pod::MountingPod;
pub use by_policy::PolicyOrigin;
use exposed::{Exposed, ExposureSummary};
use fingerprint::Fingerprints;
use live::Live;
pub use not_judged::NotJudged;
pub use origin::Origin;
pub use pieces::{Offered, ReadError, Snippet, Statistic, TextEdit, Tool};
use shared::SharedText;
use tie::Tie;

/// The version of the JSON report; fields are only ever added within one.
pub const SCHEMA_VERSION: u32 = 1;

/// All that one run has to say.
#[allow(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Always [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The name and version of the tool.
    pub tool: Tool,
    /// The policy that applied.
    pub policy: PolicyOrigin,
    /// Counts.
    pub summary: Summary,
    /// Every evaluated object, in the order of the files.
    #[serde(serialize_with = "json::with_exempt")]
    pub subjects: Vec<SubjectReport>,
    /// The parts that could not be read, in the order of the files.
    pub errors: Vec<ReadError>,
    /// The mount options that are not evaluated, in the order of the files.
    pub not_judged: Vec<NotJudged>,
    /// Findings a rule, where they were requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Vec<Statistic>>,
    /// The workloads that mount a volume with a finding, most urgent first; empty if the input has
    /// no Pods of a cluster.
    pub exposed: Vec<Exposed>,
    /// True if everything that was to be read was read.
    pub complete: bool,
    /// True if everything was read as it was at one moment.
    pub consistent: bool,
    /// Warnings about the input itself, each with its place.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// The exposure of all objects, where only the most harmful ones are in the report.
    #[serde(skip)]
    pub whole_exposure: Option<ExposureSummary>,
    /// The Pods that mount something and have not ended.
    #[serde(skip)]
    pub pods: Vec<MountingPod>,
    /// True if there are Pods of a cluster, whatever they mount.
    #[serde(skip)]
    pub sees_pods: bool,
    /// True if there may be Pods that were not listed, so that a claim without Pods may have some.
    #[serde(skip)]
    pub lacks_pods: bool,
    /// Evaluated objects that are not among the subjects, because nothing was found.
    #[serde(skip)]
    pub dropped: usize,
    /// The counters of a scan of a cluster.
    #[serde(skip)]
    pub live: Live,
}

/// Counts of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Documents read; a List counts as its items.
    pub documents: usize,
    /// Objects of the kinds that are evaluated, and inline volumes.
    pub judged: usize,
    /// Documents of other kinds, and what a walk passes over.
    pub skipped: usize,
    /// Files and documents that could not be read.
    pub unreadable: usize,
    /// Objects that would be refused.
    pub denied: usize,
    /// Objects that would be changed and then pass.
    pub patched: usize,
    /// Objects that pass with a warning.
    pub warned: usize,
    /// Findings that the baseline knows.
    pub baselined: usize,
    /// Findings that exemptions pass over.
    #[serde(skip_serializing_if = "is_zero")]
    pub exempted: usize,
    /// Documents that hold mount options and are not evaluated; they count as skipped.
    pub not_judged: usize,
    /// Objects with placeholders, which are not rendered.
    pub not_rendered: usize,
    /// Objects with findings that are not in the report, because it is limited.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_shown: usize,
    /// The reasons why documents were skipped.
    pub skipped_by: BTreeMap<&'static str, usize>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what serde gives")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The treatment of a finding, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reported {
    /// An exemption passes over it; in JSON alone.
    Exempt,
    /// It is counted.
    Audit,
    /// The object passes with a warning.
    Warn,
    /// The mutating webhook repairs it.
    Patch,
    /// The object is refused.
    Deny,
}

impl Reported {
    /// Returns the word of every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Patch => "patch",
            Self::Deny => "deny",
        }
    }
}

/// One evaluated object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectReport {
    /// The object's kind.
    pub kind: &'static str,
    /// The version as written; empty if it is not.
    pub api_version: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// The namespace that is written.
    pub namespace: Option<Box<str>>,
    /// The inline volume of the object that it is, as in
    /// `spec.template.spec.volumes[1]`; `None` for the object itself.
    pub path: Option<Box<str>>,
    /// The driver that mounts it; empty if the object names none.
    pub driver: SharedText,
    /// The verdict on whether it is NFS.
    pub nfs: IsNfs,
    /// `allow`, `patch` or `deny`.
    pub decision: &'static str,
    /// The string that `mount -o` gets; empty where it is not NFS.
    pub effective: SharedText,
    /// The file, `<stdin>` for standard input.
    pub file: SharedText,
    /// The line on which the object begins.
    pub line: usize,
    /// The parts that a program still fills in, and that are not evaluated, with their placeholders.
    pub not_rendered: Vec<String>,
    /// The template it was rendered from.
    #[serde(flatten)]
    pub origin: Option<Box<Origin>>,
    /// The findings, by position, then code.
    pub findings: Vec<FindingReport>,
    /// The relations to other objects of the input.
    #[serde(skip)]
    pub tie: Tie,
    /// True if it is an object of a running cluster: it stands in no file, and `file` is its own
    /// name.
    #[serde(skip)]
    pub is_live: bool,
}

impl SubjectReport {
    /// Returns the object, as [`Kind::name_object`] names it.
    pub fn object(&self) -> String {
        match Kind::parse(self.kind) {
            Some(kind) => kind.name_object(self.namespace.as_deref(), &self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }

    /// Returns the same with the path of the inline volume, where it is one.
    pub fn title(&self) -> String {
        match &self.path {
            Some(path) => format!("{} {path}", self.object()),
            None => self.object(),
        }
    }
}

/// The verdict on whether an object is NFS, as in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IsNfs {
    /// `true` or `false`.
    Known(bool),
    /// `"depends"`.
    Depends(&'static str),
}

impl IsNfs {
    /// Returns the word of the driver table.
    pub const fn of(nfs: Nfs) -> Self {
        match nfs {
            Nfs::Yes => Self::Known(true),
            Nfs::No => Self::Known(false),
            Nfs::Depends => Self::Depends("depends"),
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingReport {
    /// The rule's code.
    pub code: Code,
    /// The rule's name.
    pub name: &'static str,
    /// The treatment.
    pub action: Reported,
    /// One sentence.
    pub message: String,
    /// The place's short name.
    pub carrier: String,
    /// The JSON pointer to the place, or to the element of its list.
    pub pointer: String,
    /// The element's text; `None` where something is missing.
    pub element: Option<String>,
    /// The line of the option, of its place where something is missing.
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// The character after the last.
    pub end_column: usize,
    /// The commands that may carry out its fix.
    pub fix: Option<Applicability>,
    /// The place's text with which the object would pass.
    #[serde(rename = "use")]
    pub way_out: Option<String>,
    /// The same as a difference, for people, where the text is long.
    #[serde(skip)]
    pub difference: Option<String>,
    /// The change that resolves this finding alone, as a part of a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The template of its object.
    #[serde(flatten)]
    pub origin: Option<Origin>,
    /// The line as it stands in the file, for people.
    #[serde(skip)]
    pub snippet: Snippet,
    /// The edits of `fix` for it, if they were requested.
    #[serde(skip)]
    pub offered: Option<Offered>,
    /// True if `fix` leaves it, where that is known.
    #[serde(skip)]
    pub is_left: Option<bool>,
}

impl Report {
    /// Returns a report without anything in it yet.
    pub fn new(policy: PolicyOrigin) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            policy,
            summary: Summary::default(),
            subjects: Vec::new(),
            errors: Vec::new(),
            not_judged: Vec::new(),
            notes: Vec::new(),
            statistics: None,
            exposed: Vec::new(),
            whole_exposure: None,
            complete: true,
            consistent: true,
            pods: Vec::new(),
            sees_pods: false,
            lacks_pods: false,
            dropped: 0,
            live: Live::default(),
        }
    }

    /// Adds what one file has to say.
    pub fn add(&mut self, file: FileReport) {
        self.summary.documents += file.documents;
        self.summary.skipped += file.skipped.values().sum::<usize>();
        for (reason, count) in &file.skipped {
            *self.summary.skipped_by.entry(reason.as_str()).or_default() += count;
        }
        self.subjects.extend(file.subjects);
        self.errors.extend(file.errors);
        self.not_judged.extend(file.not_judged);
        self.notes.extend(file.notes);
        self.pods.extend(file.pods);
        self.sees_pods |= file.sees_pods;
        self.lacks_pods |= file.lacks_pods;
        self.dropped += file.dropped;
        self.live.add(file.live);
    }

    /// Counts what is there, once everything is.
    pub fn count(&mut self, statistics: bool) {
        let with =
            |decision: &str| self.subjects.iter().filter(|subject| subject.decision == decision).count();
        (self.summary.denied, self.summary.patched) = (with("deny"), with("patch"));
        // A scan drops objects without findings to save memory, and counts them.
        self.summary.judged = self.subjects.len() + self.dropped;
        self.summary.not_rendered =
            self.subjects.iter().filter(|subject| !subject.not_rendered.is_empty()).count();
        self.summary.unreadable = self.errors.len();
        // A scan counts several times: once incomplete, a report stays so.
        self.complete &= self.errors.is_empty();
        self.summary.exempted = self.exempted();
        self.summary.not_judged = self.not_judged.len();
        // An object counts once, by the gravest that happens to it.
        let is_warned = |subject: &&SubjectReport| {
            subject.decision != "deny" && subject.findings.iter().any(|found| found.action == Reported::Warn)
        };
        self.summary.warned = self.subjects.iter().filter(is_warned).count();
        if statistics {
            // Ordered by code, so that two runs write the same report.
            let mut counts: BTreeMap<(Code, &'static str), usize> = BTreeMap::new();
            for finding in self.findings() {
                *counts.entry((finding.code, finding.name)).or_default() += 1;
            }
            let rows = counts.into_iter().map(|((code, name), count)| Statistic { code, name, count });
            self.statistics = Some(rows.collect());
        }
    }

    /// Returns every template that something was rendered from.
    pub fn origins_mut(&mut self) -> impl Iterator<Item = &mut Origin> {
        let subjects = self.subjects.iter_mut().flat_map(|subject| {
            let findings = subject.findings.iter_mut().filter_map(|finding| finding.origin.as_mut());
            subject.origin.as_deref_mut().into_iter().chain(findings)
        });
        subjects.chain(self.errors.iter_mut().filter_map(|error| error.origin.as_mut()))
    }

    /// Returns every finding.
    pub fn findings(&self) -> impl Iterator<Item = &FindingReport> {
        self.subjects.iter().flat_map(|subject| &subject.findings)
    }
}

/// The report on one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileReport {
    /// Documents read.
    pub documents: usize,
    /// The parts that are not evaluated, by reason.
    pub skipped: BTreeMap<Skip, usize>,
    /// The subjects.
    pub subjects: Vec<SubjectReport>,
    /// The parts that could not be read.
    pub errors: Vec<ReadError>,
    /// The mount options that are not evaluated.
    pub not_judged: Vec<NotJudged>,
    /// Warnings about the input itself, each with its place.
    pub notes: Vec<String>,
    /// The Pods that mount something and have not ended.
    pub pods: Vec<MountingPod>,
    /// True if there are Pods of a cluster, whatever they mount.
    pub sees_pods: bool,
    /// True if there are Pods that cannot be read, so that their volumes are not known.
    pub lacks_pods: bool,
    /// Evaluated objects that are not among the subjects, because nothing was found.
    pub dropped: usize,
    /// The counters of a scan of a cluster.
    pub live: Live,
}
