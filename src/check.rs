//! Evaluates the objects of files by a policy, as the webhook would.

mod actions;
pub mod baseline;
pub mod before;
mod exempt;
pub mod exposed;
mod finding;
mod left;
mod live;
pub mod proposed;
pub mod repair;
mod snippet;
pub mod together;
mod walked;
mod way_out;

use std::borrow::Cow;
use std::path::Path;

use time::Date;

use crate::engine::Judged;
use crate::engine::fix::Scope;
use crate::engine::judge::{Case, Endpoint, judge};
use crate::finding::{Action, Severity};
use crate::kind::{Holds, Kind};
use crate::policy::Policy;
use crate::report::shared::SharedTexts;
use crate::report::tie::Binding;
use crate::report::{
    FileReport, FindingReport, IsNfs, NotJudged, Origin, ReadError, Reported, SubjectReport,
};
use crate::rules::UNREAD_OPTIONS;
use crate::source::object::{Object, Part};
use crate::source::suspect::{may_hold_pods, speaks_of_volumes};
use crate::source::text::{self, Lines};
use crate::source::unjudged::{Unjudged, is_terraform, of_terraform};
use crate::source::{Fault, Item, Problem, Skip, visit_each};
use actions::actions;
use finding::{Places, finding};
use proposed::Proposed;
pub use walked::{is_foreign, is_in_templates, passed_over};
use way_out::ways_out;

/// The rules of evaluation for objects.
#[derive(Debug, Clone, Copy)]
pub struct Checker<'c> {
    /// By which policy.
    pub policy: &'c Policy,
    /// The webhook whose answer is reported: that of `/validate` alone, or to what `/mutate` made of
    /// the object.
    pub judged_as: Endpoint,
    /// The day, for exemptions that end.
    pub today: Date,
    /// True if each finding says what `fix` would write.
    pub with_fixes: bool,
    /// True if the findings are marked that `fix` would leave, although they have a fix.
    pub marks_unfixed: bool,
    /// True if there are several inputs: Pods of one may use a volume of another.
    pub joins_inputs: bool,
}

impl Checker<'_> {
    /// Evaluates the content of a file. A file that `is_explicit` is reported
    /// whatever it holds; one that a walk found may be of another kind.
    pub fn bytes(&self, path: &Path, name: &str, bytes: Vec<u8>, is_explicit: bool) -> FileReport {
        let scope = self.with_fixes.then_some(Scope::FILE);
        self.bytes_with(path, name, bytes, is_explicit, |text| Proposed::of(self, text, is_explicit, scope))
    }

    /// Checks as [`Checker::bytes`] does, where each finding has what is proposed.
    pub fn bytes_with(
        &self,
        path: &Path,
        name: &str,
        bytes: Vec<u8>,
        is_explicit: bool,
        fixes: impl FnOnce(&str) -> Proposed,
    ) -> FileReport {
        let text = match text::decode(bytes) {
            Ok((text, _)) => text,
            Err((_, bytes)) if !is_explicit && !speaks_of_volumes(&bytes) => return skipped(Skip::Foreign),
            Err((error, _)) => return unreadable(name, None, error.to_string()),
        };
        if !is_explicit && is_in_templates(path, &text) {
            return skipped(Skip::Template);
        }
        let lines = Lines::new(&text);
        let mut file = FileReport::default();
        if is_terraform(path) {
            let found = of_terraform(&text);
            if found.is_empty() {
                return skipped(Skip::Foreign);
            }
            file.documents = found.len();
            for found in &found {
                not_judged(found, name, &lines, &mut file);
            }
            return file;
        }
        let mut problems = Vec::new();
        let fixes = fixes(&text);
        let may_have_pods = self.joins_inputs || may_hold_pods(text.as_bytes());
        let reading = Reading::of(name, &lines, fixes);
        let mut reading = Reading { is_explicit, may_have_pods, ..reading };
        visit_each(&text, &lines, &mut |item| self.item(item, &mut reading, &mut file, &mut problems));
        if self.marks_unfixed {
            left::mark(self, path, &text, is_explicit, &mut file);
        }
        if !is_explicit && is_foreign(&text, &problems) {
            return skipped(Skip::Foreign);
        }
        add_errors(&mut file, name, &problems, &lines);
        file
    }

    /// Evaluates a page of a list of the API server. Each volume says its claim.
    pub fn page(&self, name: &str, bytes: Vec<u8>) -> FileReport {
        let text = match text::decode(bytes) {
            Ok((text, _)) => text,
            Err((error, _)) => return unreadable(name, None, error.to_string()),
        };
        let lines = Lines::new(&text);
        let (mut file, mut problems) = (FileReport::default(), Vec::new());
        let fixes = Proposed::default();
        let mut reading = Reading { is_live: true, ..Reading::of(name, &lines, fixes) };
        visit_each(&text, &lines, &mut |item| self.item(item, &mut reading, &mut file, &mut problems));
        add_errors(&mut file, name, &problems, &lines);
        file
    }

    fn item(
        &self,
        item: Item<'_>,
        reading: &mut Reading<'_>,
        file: &mut FileReport,
        problems: &mut Vec<Problem>,
    ) {
        // Such an item is part of the object that follows, which is counted.
        file.documents += usize::from(!item.is_beside());
        match item {
            Item::Pod(pod) => {
                file.sees_pods = true;
                file.pods.extend(pod.map(|pod| *pod));
            }
            Item::UnreadablePod => (file.sees_pods, file.lacks_pods) = (true, true),
            // Without Pods it matters to nothing.
            Item::Claim(claim) => file.live.claims.extend(Some(*claim).filter(|_| reading.may_have_pods)),
            Item::Beside(found) => name_unjudged(&found, reading.name, reading.lines, file),
            Item::Skipped(reason) => *file.skipped.entry(reason).or_default() += 1,
            Item::Unjudged(found) => not_judged(&found, reading.name, reading.lines, file),
            Item::Unreadable(problem) if !reading.is_explicit && problem.fault == Fault::Template => {
                *file.skipped.entry(Skip::Template).or_default() += 1;
            }
            Item::Unreadable(problem) => problems.push(problem),
            Item::Object(object) => {
                let index = reading.objects;
                reading.objects += 1;
                if let Some(reason) = passed_over(&object).filter(|_| !reading.is_explicit) {
                    match object.unjudged().filter(|_| reason == Skip::Partial) {
                        Some(found) => not_judged(&found, reading.name, reading.lines, file),
                        None => *file.skipped.entry(reason).or_default() += 1,
                    }
                    return;
                }
                // The object that the rule would name is named in any case.
                if object.kind.row().holds == Holds::Claim
                    && self.policy.action(UNREAD_OPTIONS, Severity::Lesser) == Action::Off
                    && let Some(found) = object.unjudged()
                {
                    not_judged(&found, reading.name, reading.lines, file);
                    return;
                }
                let is_off = self.policy.action(UNREAD_OPTIONS, Severity::Lesser) == Action::Off;
                let is_named = |part: &Part<'_>| part.lost.is_some() && is_off;
                for found in
                    object.parts.iter().filter(|part| is_named(part)).filter_map(|part| part.lost.as_ref())
                {
                    let tell = if object.parts.len() == 1 { not_judged } else { name_unjudged };
                    tell(found, reading.name, reading.lines, file);
                }
                file.notes.extend(exempt::unknown_names(self.policy, &object, reading));
                let begin = file.subjects.len();
                let parts = object.parts.iter().enumerate().filter(|(_, part)| !is_named(part));
                file.subjects.extend(parts.map(|(at, part)| self.part(part, &object, (index, at), reading)));
                let is_unreadable = |subject: &SubjectReport| subject.tie.binding == Binding::Unreadable;
                // One error an object, however many parts it has.
                if file.subjects.iter().skip(begin).any(is_unreadable) {
                    problems.push(live::unreadable(&object));
                }
            }
        }
    }

    /// Evaluates one part of an object; `at` are the object's index and the part's.
    fn part<'i>(
        &self,
        part: &Part<'i>,
        object: &Object<'i>,
        at: (usize, usize),
        reading: &Reading<'_>,
    ) -> SubjectReport {
        let lines = reading.lines;
        let subject = part.subject(object, self.policy);
        // A recorded update is compared with what was, as at admission.
        let old = part.subject_before(object, self.policy);
        let case = Case {
            policy: self.policy,
            subject: &subject,
            before: old.as_ref(),
            today: self.today,
            endpoint: self.judged_as,
            is_status: object.is_status,
        };
        let verdict = judge(&case);
        let actions = actions(&verdict);
        let decision = match actions.iter().max() {
            Some(Reported::Deny) => "deny",
            _ if actions.contains(&Reported::Patch) => "patch",
            _ => "allow",
        };
        let findings = if actions.is_empty() {
            Vec::new()
        } else {
            let place = Places { layout: object.layout(), text: object.text(), lines };
            let ways_out = ways_out(&case, &verdict, &actions);
            let mut findings: Vec<FindingReport> = verdict
                .evaluation
                .findings
                .iter()
                .zip(&actions)
                .map(|(judged, action)| {
                    let found = finding(&subject, judged, *action, &place, &ways_out, object);
                    let offers = reading.fixes.is_about(found.line);
                    let offer = || reading.fixes.about(at, &subject, &judged.finding, &place.layout, lines);
                    FindingReport { offered: offers.then(offer).flatten(), ..found }
                })
                .collect();
            // Rules run in the order of their codes, and people read from the top.
            findings.sort_by_key(|finding| (finding.line, finding.column, finding.code));
            findings
        };
        let mut tie = together::tie(&subject, &reading.texts);
        if let Some(judged) = together::unreached(self.policy, &subject, self.today) {
            let place = Places { layout: object.layout(), text: object.text(), lines };
            let action = if judged.action == Action::Audit { Reported::Audit } else { Reported::Warn };
            tie.unreached = Some(Box::new(finding(&subject, &judged, action, &place, &[], object)));
        }
        let prepare = |judged: &Judged, action: Reported| {
            let place = Places { layout: object.read_layout()?, text: object.text(), lines };
            Some(finding(&subject, judged, action, &place, &[], object))
        };
        tie.pairs = together::pairs::of(self.policy, &subject, object, self.today, &prepare);
        // A finding of two objects comes later; the claim is kept where Pods may be.
        let is_told = tie.unreached.is_some()
            || tie.pairs.is_some() && reading.may_have_pods
            || actions.iter().any(|action| *action > Reported::Audit);
        // Of another volume it matters which claim it has: a volume that had the claim before lost it.
        if is_told || reading.may_have_pods && object.kind.row().holds == Holds::Volume {
            live::bind(&mut tie, object, reading.is_live);
        }
        if !is_told && tie.binding == Binding::Unreadable {
            tie.binding = Binding::Unknown;
        }
        if is_told {
            // Of a driver whose source was not read anything may be in force.
            tie.is_background_idle = subject.driver.known.is_read() && !subject.may_go_to_background();
        }
        if !verdict.evaluation.exempted.is_empty() {
            let place = Places { layout: object.layout(), text: object.text(), lines };
            let uid = || object.bound_volume()?.uid();
            tie.uid = tie.uid.or_else(|| if reading.is_live { uid() } else { None });
            tie.exempted = live::exempted(self.policy, &subject, &verdict.evaluation, &place, object).into();
        }
        SubjectReport {
            kind: object.kind.as_str(),
            api_version: version(part.manifest.api_version.as_deref().unwrap_or_default()),
            name: subject.name.to_owned(),
            namespace: subject.namespace.map(Into::into),
            path: subject.volume.map(|volume| volume.to_string().into()),
            driver: reading.texts.share(subject.driver_name),
            nfs: IsNfs::of(subject.nfs),
            decision,
            effective: reading.texts.share(&subject.effective()),
            file: reading.texts.share(reading.name),
            line: lines.position(object.span.start).line,
            not_rendered: subject.placeholders().into_iter().map(ToOwned::to_owned).collect(),
            origin: Origin::of(object.template).map(Box::new),
            findings,
            tie,
            is_live: false,
        }
    }
}

/// Returns a version as reports have it: the usual ones take no memory for each object.
fn version(written: &str) -> Cow<'static, str> {
    ["v1", "storage.k8s.io/v1"]
        .into_iter()
        .find(|usual| *usual == written)
        .map_or_else(|| Cow::Owned(written.to_owned()), Cow::Borrowed)
}

/// A text that is being read.
struct Reading<'r> {
    /// The name.
    name: &'r str,
    lines: &'r Lines<'r>,
    /// True if it was named itself.
    is_explicit: bool,
    fixes: Proposed,
    /// Objects so far.
    objects: usize,
    /// True if Pods may be in it.
    may_have_pods: bool,
    /// True if it comes from a running cluster.
    is_live: bool,
    /// The texts that its objects have in common.
    texts: SharedTexts,
}

impl<'r> Reading<'r> {
    /// Begins to read a file that was named itself and may hold Pods.
    fn of(name: &'r str, lines: &'r Lines<'r>, fixes: Proposed) -> Self {
        Self {
            name,
            lines,
            is_explicit: true,
            fixes,
            objects: 0,
            may_have_pods: true,
            is_live: false,
            texts: SharedTexts::default(),
        }
    }
}

/// Counts and names what is not evaluated and holds mount options.
fn not_judged(found: &Unjudged, name: &str, lines: &Lines<'_>, file: &mut FileReport) {
    *file.skipped.entry(Skip::HoldsOptions).or_default() += 1;
    name_unjudged(found, name, lines, file);
}

fn name_unjudged(found: &Unjudged, name: &str, lines: &Lines<'_>, file: &mut FileReport) {
    file.not_judged.push(unjudged(found, name, lines));
}

/// Returns the part of a text that is not evaluated, as reports name it.
pub fn unjudged(found: &Unjudged, name: &str, lines: &Lines<'_>) -> NotJudged {
    NotJudged {
        kind: found.kind.clone(),
        namespace: found.namespace.clone(),
        name: found.name.clone(),
        file: name.to_owned(),
        line: lines.position(found.offset).line,
        why: found.why(),
        is_live: false,
    }
}

fn skipped(reason: Skip) -> FileReport {
    FileReport { documents: 1, skipped: [(reason, 1)].into(), ..FileReport::default() }
}

/// Returns a report that says only that a file cannot be read.
pub fn unreadable(name: &str, line: Option<usize>, message: String) -> FileReport {
    let error = ReadError { file: name.to_owned(), line, column: None, message, origin: None };
    FileReport { errors: vec![error], lacks_pods: true, ..FileReport::default() }
}

/// Adds what could not be read; Pods may be in it.
fn add_errors(file: &mut FileReport, name: &str, problems: &[Problem], lines: &Lines<'_>) {
    file.errors = problems.iter().map(|problem| read_error(name, problem, lines)).collect();
    file.lacks_pods |= problems.iter().any(|problem| problem.hides_objects);
}

/// Returns an error about a path as a whole.
pub fn read_error_of(file: &str, message: &str) -> ReadError {
    let (file, message) = (file.to_owned(), message.to_owned());
    ReadError { file, line: None, column: None, message, origin: None }
}

fn read_error(name: &str, problem: &Problem, lines: &Lines<'_>) -> ReadError {
    let position = problem.offset.map(|offset| lines.position(offset));
    ReadError {
        file: name.to_owned(),
        line: position.map(|position| position.line),
        column: position.map(|position| position.column),
        message: problem.message.clone(),
        origin: Origin::of(problem.template.as_deref()),
    }
}

/// Returns true if the report lists an object that is NFS, or may be.
pub fn matches(subject: &SubjectReport) -> bool {
    // A workload is its inline volumes.
    let is_mounted = |kind: Kind| match kind.row().holds {
        Holds::Claim => false,
        Holds::InlineVolumes(_) => subject.path.is_some(),
        Holds::Class | Holds::Snapshots | Holds::Volume => true,
    };
    subject.nfs != IsNfs::Known(false) && Kind::parse(subject.kind).is_some_and(is_mounted)
}
