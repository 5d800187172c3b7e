//! `fix`: repairs manifests in place, as a diff, or from standard input to
//! standard output.

mod delivery;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use time::OffsetDateTime;

use super::color;
use super::exit::{self, Exit};
use super::input::{self, Exclusion, Input, Worked};
use super::policy_flags::PolicyFlags;
use super::terminal;
use crate::check::before::PlacesBefore;
use crate::check::repair::{self, Repaired};
use crate::check::{Checker, is_foreign, is_in_templates, passed_over};
use crate::count::{counted, named};
use crate::engine::fix::Scope;
use crate::engine::judge::Endpoint;
use crate::finding::{Applicability, Code};
use crate::report::plain::{place, plain};
use crate::report::{self, FileReport, FindingReport, Report, Reported};
use crate::rules::UNASKED;
use crate::source::object::Object;
use crate::source::suspect::speaks_of_volumes;
use crate::source::text;
use crate::source::unjudged::is_terraform;
use crate::source::{Fault, Problem, Skip};
use delivery::Delivery;
use shown::{changed, refusals};

/// Repair manifests; comments, order and quotes stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard fix deploy/
  nfs-mount-guard fix deploy/ --diff
  nfs-mount-guard fix . --exclude vendor
  nfs-mount-guard fix - < class.yaml > class.fixed.yaml

Writing:
  A file is replaced in one step; its owner, group and mode stay. fix leaves a
  file as it is, and names it, if the user may not write it, if its owner or
  group cannot be kept, or if it has other hard links: they would not change.
  SIGINT, SIGTERM and SIGHUP end fix after the file at hand, with a report.

Exit codes:
  0  no finding is denied after the repair
  1  a finding is still denied, or --diff shows a change
  2  wrong use, or an invalid policy
  3  an input could not be read or changed")]
pub struct Args {
    /// Files, directories and globs; - reads standard input and writes standard output
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Show the changes, and write nothing
    #[arg(long, alias = "dry-run", env = "NFS_MOUNT_GUARD_DIFF", value_parser = BoolishValueParser::new())]
    diff: bool,
    /// Also apply fixes that change the meaning, and all fixes of parameters and attributes,
    /// which are immutable; without it only bg is replaced there
    #[arg(long, env = "NFS_MOUNT_GUARD_UNSAFE_FIXES", value_parser = BoolishValueParser::new())]
    unsafe_fixes: bool,
    #[command(flatten)]
    exclusion: Exclusion,
    #[command(flatten)]
    judgement: PolicyFlags,
    /// Name of standard input in messages
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_STDIN_FILENAME")]
    stdin_filename: Option<String>,
}

/// One input after the work.
struct Fixed {
    read: Read,
    repaired: Repaired,
    /// The report on the new text.
    left: FileReport,
    /// The rules of which `--unsafe-fixes` would fix something in the new text.
    bolder: BTreeSet<Code>,
}

/// The reason why an input was not touched: a line for standard error.
type Failure = String;

impl Args {
    /// Repairs what can be, and says what is left.
    ///
    /// # Errors
    ///
    /// On wrong use, and when standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let excludes = self.exclusion.read()?;
        let (policy, name) = self.judgement.named_policy()?;
        let check = Checker {
            policy: &policy,
            // A repaired file has to pass without a repair by the webhook.
            judged_as: Endpoint::Validate,
            today: OffsetDateTime::now_utc().date(),
            with_fixes: false,
            marks_unfixed: false,
            joins_inputs: false,
        };
        let scope = if self.unsafe_fixes { Scope::FILE_UNSAFE } else { Scope::FILE };
        let Worked { results, errors, passed_over } =
            input::each(&self.paths, &excludes, self.stdin_filename.as_deref(), |input| {
                fix(&check, scope, input, self.diff)
            });
        let mut delivery = Delivery::new(&check, scope, self.diff);
        let mut report = Report::new(name);
        let mut failures: Vec<Failure> = errors.iter().map(ToString::to_string).collect();
        let mut changes = Vec::new();
        let (mut files, mut objects, mut not_rendered, mut stays) = (0, 0, 0, false);
        let mut is_passed_over = !passed_over.is_empty();
        let (mut problems, mut warnings, mut unsafe_fixes, mut not_judged) = (0, 0, 0, 0);
        for result in results {
            let fixed = match result {
                Ok(Some(fixed)) => fixed,
                Ok(None) => {
                    is_passed_over = true;
                    continue;
                }
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            let Some(fixed) = delivery.deliver(fixed)? else { continue };
            files += usize::from(fixed.repaired.text.is_some());
            objects += fixed.repaired.text.as_ref().map_or(0, |_| fixed.repaired.objects);
            changes.extend(changed(&fixed, self.diff));
            failures.extend(refusals(&fixed, self.diff));
            not_judged += fixed.left.not_judged.len();
            not_rendered += fixed.left.subjects.iter().filter(|left| !left.not_rendered.is_empty()).count();
            let left = || fixed.left.subjects.iter().flat_map(|subject| &subject.findings);
            // A problem that the flag mends is counted as such, and needs no hand.
            let is_unsafe = |finding: &&FindingReport| {
                finding.fix == Some(Applicability::Unsafe) && fixed.bolder.contains(&finding.code)
            };
            let is_by_hand =
                |finding: &&FindingReport| !is_unsafe(finding) && finding.action == Reported::Deny;
            problems += left().filter(is_by_hand).count();
            warnings += left().filter(|finding| finding.action == Reported::Warn).count();
            unsafe_fixes += left().filter(is_unsafe).count();
            stays |= fixed.left.subjects.iter().any(|subject| subject.decision == "deny");
            report.add(fixed.left);
        }
        let stop = delivery.end();
        if failures.is_empty() && !is_passed_over && stop.is_none() {
            input::warn_of_nothing(&self.paths, &report);
        }
        let mut err = io::stderr().lock();
        let (colour, width) = (color::wanted_on_errors(), terminal::width_of_errors());
        if stays {
            keep_denied(&mut report);
            write!(err, "{}", report::text::write_subjects(&report, colour, width))?;
        }
        for change in &changes {
            let line = place(change);
            let wrapped = width.map(|width| report::terminal::wrap(&line, "", "    ", width));
            writeln!(err, "{}", wrapped.unwrap_or_else(|| line.into_owned()))?;
        }
        for failure in &failures {
            exit::say(&plain(failure))?;
        }
        let verb = if self.diff { "would change" } else { "changed" };
        write!(err, "{} in {} {verb}", counted(objects, "object"), counted(files, "file"))?;
        if !failures.is_empty() {
            write!(err, ", {}", named(failures.len(), "left as it is", "left as they are"))?;
        }
        if problems > 0 {
            let needs = named(problems, "problem needs a change by hand", "problems need changes by hand");
            write!(err, ", {needs}")?;
        }
        write_passed(&mut err, &passed_over, [(not_rendered, "not rendered"), (not_judged, "not judged")])?;
        if warnings > 0 {
            write!(err, ", {} left", counted(warnings, "warning"))?;
        }
        if unsafe_fixes > 0 {
            write!(err, ", {} --unsafe-fixes", named(unsafe_fixes, "fix needs", "fixes need"))?;
        }
        writeln!(err)?;
        if let Some(stop) = stop {
            exit::say(&stop.to_string())?;
            return Ok(stop.exit());
        }
        // An input that was not read may hold a denial, so this code comes before that of findings.
        Ok(if !failures.is_empty() {
            Exit::Unreadable
        // With --diff a change is a finding: CI fails until the file is repaired.
        } else if stays || self.diff && files > 0 {
            Exit::Findings
        } else {
            Exit::Success
        })
    }
}

/// Leaves what is still denied.
fn keep_denied(report: &mut Report) {
    report.subjects.retain(|subject| subject.decision == "deny");
    for subject in &mut report.subjects {
        subject.findings.retain(|finding| finding.action == Reported::Deny);
    }
    report.count(false);
}

/// Writes the counts of what was passed over.
fn write_passed(
    out: &mut impl io::Write,
    passed_over: &BTreeMap<Skip, usize>,
    others: [(usize, &str); 2],
) -> io::Result<()> {
    for (reason, count) in passed_over {
        write!(out, ", {}", reason.count(*count))?;
    }
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        write!(out, ", {count} {what}")?;
    }
    Ok(())
}

/// Fixes one input; `None` for one that a walk passes over.
fn fix(check: &Checker<'_>, scope: Scope, input: Input, stays: bool) -> Result<Option<Fixed>, Failure> {
    let bytes = input.bytes.map_err(|error| format!("{}: {error}", input.name))?;
    let (old, has_mark) = match text::decode(bytes) {
        Ok(decoded) => decoded,
        // A walk meets images and archives; only a text in another encoding may hold options.
        Err((_, bytes)) if !input.is_explicit && !speaks_of_volumes(&bytes) => return Ok(None),
        Err((error, _)) => return Err(format!("{}: {error}", input.name)),
    };
    if is_terraform(&input.path) {
        let message = "is Terraform, in which nothing is fixed; change mount_options by hand";
        if input.is_explicit {
            return Err(format!("{}: {message}", input.name));
        }
        let left = check.bytes(&input.path, &input.name, old.clone().into_bytes(), false);
        let (repaired, bolder) = (Repaired::default(), BTreeSet::new());
        let read = Read { path: input.path, name: input.name, old, has_mark, is_explicit: false };
        return Ok(Some(Fixed { read, repaired, left, bolder }));
    }
    if !input.is_explicit && is_in_templates(&input.path, &old) {
        return Ok(None);
    }
    let wants = |object: &Object<'_>| input.is_explicit || passed_over(object).is_none();
    let mut repaired = repair::repair(check.policy, check.today, scope, &old, &wants);
    if !input.is_explicit && is_foreign(&old, &repaired.unread) {
        return Ok(None);
    }
    // A walk passes over a document that is a template; the others do not depend on it.
    let unread = repaired.unread.len();
    repaired.unread.retain(|problem| input.is_explicit || problem.fault != Fault::Template);
    if unread > 0 && repaired.unread.is_empty() && repaired.text.is_none() {
        return Ok(None);
    }
    // A link in a repository may point at any file of the machine.
    if repaired.text.is_some() && input.leads_out {
        let message =
            "is left as it is: the link leads out of the directory; name the file that it points to"
                .to_owned();
        repaired = repaired.undone();
        repaired.unread.push(Problem::whole(message));
    }
    let read = Read { path: input.path, name: input.name, old, has_mark, is_explicit: input.is_explicit };
    Ok(Some(read.fixed(check, scope, repaired, stays)))
}

/// An input as it was read.
struct Read {
    path: PathBuf,
    name: String,
    old: String,
    has_mark: bool,
    is_explicit: bool,
}

impl Read {
    /// Evaluates what a repair leaves; places are those of the old text if that `stays`.
    fn fixed(self, check: &Checker<'_>, scope: Scope, repaired: Repaired, stays: bool) -> Fixed {
        let new = repaired.text.clone().unwrap_or_else(|| self.old.clone());
        // Of a file that is not changed the places are those of what it holds.
        let before = (stays && repaired.text.is_some()).then(|| {
            let old = check.bytes(&self.path, &self.name, self.old.clone().into_bytes(), true);
            PlacesBefore::of(old)
        });
        let mut left = check.bytes(&self.path, &self.name, new.clone().into_bytes(), self.is_explicit);
        if let Some(before) = before {
            before.place(&mut left);
        }
        if scope == Scope::FILE_UNSAFE {
            withhold_flag(&mut left);
        }
        let is_unsafe = |finding: &FindingReport| finding.fix == Some(Applicability::Unsafe);
        let has_unsafe = left.subjects.iter().flat_map(|subject| &subject.findings).any(is_unsafe);
        // A second repair is costly, so it is made only where a fix is left for the flag.
        let bolder = if has_unsafe && scope != Scope::FILE_UNSAFE {
            let wants = |object: &Object<'_>| self.is_explicit || passed_over(object).is_none();
            let bolder = repair::repair(check.policy, check.today, Scope::FILE_UNSAFE, &new, &wants);
            bolder.subjects.into_values().flatten().collect()
        } else {
            BTreeSet::new()
        };
        Fixed { read: self, repaired, left, bolder }
    }
}

impl Fixed {
    /// Returns the input as it stays where the repair cannot be written, with the reason.
    fn undone(self, check: &Checker<'_>, scope: Scope, reason: &str) -> Self {
        let mut repaired = self.repaired.undone();
        repaired.unread.push(Problem::whole(format!("is left as it is: {reason}")));
        self.read.fixed(check, scope, repaired, false)
    }
}

/// Takes the hint at `--unsafe-fixes` out of findings: the flag is given, and what stays has another reason.
fn withhold_flag(left: &mut FileReport) {
    for finding in left.subjects.iter_mut().flat_map(|subject| &mut subject.findings) {
        for text in finding.remedy.iter_mut().chain([&mut finding.message]) {
            let kept = text
                .find(UNASKED)
                .and_then(|at| text.get(..at))
                .map(|kept| kept.trim_end_matches("; ").len());
            text.truncate(kept.unwrap_or(text.len()));
        }
        finding.remedy.take_if(|remedy| remedy.is_empty());
    }
}
