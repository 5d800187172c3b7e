//! `fix`: repairs manifests in place, as a diff, or from standard input to
//! standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use time::OffsetDateTime;

use super::color;
use super::exit::{self, Exit};
use super::file;
use super::input::{self, Exclusion, Input, Worked};
use super::policy_flags::PolicyFlags;
use super::terminal;
use crate::check::before::PlacesBefore;
use crate::check::repair::{self, Changed, Repaired};
use crate::check::{Checker, is_foreign, is_in_templates, passed_over};
use crate::count::{counted, named};
use crate::engine::fix::Scope;
use crate::engine::judge::Endpoint;
use crate::finding::{Applicability, Code};
use crate::report::plain::{place, plain};
use crate::report::{self, FileReport, FindingReport, ReadError, Report, Reported, diff};
use crate::rules::{UNASKED, UNREAD_OPTIONS};
use crate::source::object::Object;
use crate::source::suspect::speaks_of_volumes;
use crate::source::text::{self, Lines, Position};
use crate::source::unjudged::is_terraform;
use crate::source::{Fault, Problem, Skip};

/// Repair manifests; comments, order and quotes stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard fix deploy/
  nfs-mount-guard fix deploy/ --diff
  nfs-mount-guard fix . --exclude vendor
  nfs-mount-guard fix - < class.yaml > class.fixed.yaml

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

/// Said where the API server takes a change for a new object only.
const IMMUTABLE: &str = " (immutable: delete and recreate an existing object)";

/// The same of a volume, whose data may go with it.
const IMMUTABLE_VOLUME: &str = " (immutable: delete and recreate an existing object; set its \
persistentVolumeReclaimPolicy to Retain first)";

/// One input after the work.
struct Fixed {
    path: PathBuf,
    name: String,
    old: String,
    has_mark: bool,
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
    /// On wrong use, and when a file cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let excludes = self.exclusion.read()?;
        let (policy, name) = self.judgement.named_policy()?;
        let check = Checker {
            policy: &policy,
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
            self.deliver(&fixed)?;
            report.add(fixed.left);
        }
        if failures.is_empty() && !is_passed_over {
            input::warn_of_nothing(&self.paths, &report);
        }
        let mut err = io::stderr().lock();
        let (colour, width) = (color::wanted_on_errors(), terminal::width_of_errors());
        if stays {
            report.subjects.retain(|subject| subject.decision == "deny");
            for subject in &mut report.subjects {
                subject.findings.retain(|finding| finding.action == Reported::Deny);
            }
            report.count(false);
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
            write!(
                err,
                ", {}",
                named(problems, "problem needs a change by hand", "problems need changes by hand")
            )?;
        }
        write_passed(&mut err, &passed_over, [(not_rendered, "not rendered"), (not_judged, "not judged")])?;
        if warnings > 0 {
            write!(err, ", {} left", counted(warnings, "warning"))?;
        }
        if unsafe_fixes > 0 {
            write!(err, ", {} --unsafe-fixes", named(unsafe_fixes, "fix needs", "fixes need"))?;
        }
        writeln!(err)?;
        Ok(if !failures.is_empty() {
            Exit::Unreadable
        } else if stays || self.diff && files > 0 {
            Exit::Findings
        } else {
            Exit::Success
        })
    }

    fn deliver(&self, fixed: &Fixed) -> anyhow::Result<()> {
        let is_stdin = fixed.path == Path::new("-");
        let mark = if fixed.has_mark { text::MARK.to_string() } else { String::new() };
        let new = fixed.repaired.text.as_deref();
        let mut out = io::stdout().lock();
        if self.diff {
            if let Some(new) = new {
                write!(out, "{}", diff::write(&fixed.name, &fixed.old, new, color::wanted()))?;
            }
        } else if is_stdin {
            write!(out, "{mark}{}", new.unwrap_or(&fixed.old))?;
        } else if let Some(new) = new {
            file::replace(&fixed.path, &format!("{mark}{new}"))
                .with_context(|| format!("{} cannot be written", fixed.path.display()))?;
        }
        out.flush()?;
        Ok(())
    }
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
        Err((_, bytes)) if !input.is_explicit && !speaks_of_volumes(&bytes) => return Ok(None),
        Err((error, _)) => return Err(format!("{}: {error}", input.name)),
    };
    if is_terraform(&input.path) {
        let message = "is Terraform, in which nothing is fixed; change mount_options by hand";
        if input.is_explicit {
            return Err(format!("{}: {message}", input.name));
        }
        let left = check.bytes(&input.path, &input.name, old.clone().into_bytes(), false);
        let repaired = Repaired::default();
        let bolder = BTreeSet::new();
        return Ok(Some(Fixed { path: input.path, name: input.name, old, has_mark, repaired, left, bolder }));
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
    if repaired.text.is_some() && input.leads_out {
        let message =
            "is left as it is: the link leads out of the directory; name the file that it points to"
                .to_owned();
        repaired = repaired.undone();
        repaired.unread.push(Problem::whole(message));
    }
    let new = repaired.text.clone().unwrap_or_else(|| old.clone());
    // Of a file that is not changed the places are those of what it holds.
    let before = (stays && repaired.text.is_some()).then(|| {
        let old = check.bytes(&input.path, &input.name, old.clone().into_bytes(), true);
        PlacesBefore::of(old)
    });
    let mut left = check.bytes(&input.path, &input.name, new.clone().into_bytes(), input.is_explicit);
    if let Some(before) = before {
        before.place(&mut left);
    }
    if scope == Scope::FILE_UNSAFE {
        withhold_flag(&mut left);
    }
    let is_unsafe = |finding: &FindingReport| finding.fix == Some(Applicability::Unsafe);
    let has_unsafe = left.subjects.iter().flat_map(|subject| &subject.findings).any(is_unsafe);
    let bolder = if has_unsafe && scope != Scope::FILE_UNSAFE {
        let bolder = repair::repair(check.policy, check.today, Scope::FILE_UNSAFE, &new, &wants);
        bolder.subjects.into_values().flatten().collect()
    } else {
        BTreeSet::new()
    };
    Ok(Some(Fixed { path: input.path, name: input.name, old, has_mark, repaired, left, bolder }))
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

/// The text that a person looks at: the new one once it is written.
struct Shown<'f> {
    repaired: &'f Repaired,
    lines: Lines<'f>,
    is_new: bool,
}

impl<'f> Shown<'f> {
    fn of(fixed: &'f Fixed, is_diff: bool) -> Self {
        let new = fixed.repaired.text.as_deref().filter(|_| !is_diff);
        let lines = Lines::new(new.unwrap_or(&fixed.old));
        Self { repaired: &fixed.repaired, lines, is_new: new.is_some() }
    }

    /// Returns the position of a byte of the text to which places refer.
    fn position(&self, offset: usize) -> Position {
        let repaired = self.repaired;
        self.lines.position(if self.is_new {
            repaired.applied.after(offset)
        } else {
            repaired.before(offset)
        })
    }
}

/// Returns the subjects of a text that changed, and the options that stay lost, a line each.
fn changed(fixed: &Fixed, is_diff: bool) -> Vec<String> {
    let shown = Shown::of(fixed, is_diff);
    let verb = if is_diff { "would fix" } else { "fixed" };
    let line = |Changed { at, title, codes, words, is_immutable }: &Changed| {
        let line = shown.position(*at).line;
        let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
        let (codes, words) = (codes.join(", "), words.join(", "));
        // A form that the schema does not take is no rule's.
        let codes = if codes.is_empty() { "the form".to_owned() } else { codes };
        let immutable = match *is_immutable {
            true if title.starts_with("PersistentVolume/") => IMMUTABLE_VOLUME,
            true => IMMUTABLE,
            false => "",
        };
        format!("{}:{line}: {verb} {codes} in {title}: {words}{immutable}", fixed.name)
    };
    fixed.repaired.changed.iter().map(line).chain(lost(fixed)).collect()
}

/// Returns the options that nothing reads and that stay where they are, a line each with the reason.
/// Those that are denied are shown in full.
fn lost(fixed: &Fixed) -> Vec<String> {
    let findings = fixed.left.subjects.iter().flat_map(|subject| &subject.findings);
    let is_lost =
        |finding: &&FindingReport| finding.code == UNREAD_OPTIONS.code && finding.action == Reported::Warn;
    let line = |finding: &FindingReport| {
        let FindingReport { code, line, column, message, .. } = finding;
        let remedy = finding.own_remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        format!("{}:{line}:{column}: left {code}: {message}{remedy}", fixed.name)
    };
    findings.filter(is_lost).map(line).collect()
}

/// Returns the places that stay as they are, a line each, in their order.
fn refusals(fixed: &Fixed, is_diff: bool) -> Vec<Failure> {
    let shown = Shown::of(fixed, is_diff);
    let line = |offset: usize| shown.position(offset).line;
    let stuck = fixed.repaired.refusals.iter().map(|stuck| (Some(stuck.at), stuck.message(&line)));
    // A fault may name another line, which is that of the text that was read last.
    let told = |problem: &Problem| {
        let at = problem.offset.map(|offset| shown.position(offset));
        let mut errors = fixed.left.errors.iter().filter(|_| shown.is_new);
        let is_it = |error: &&ReadError| {
            at.is_some_and(|at| (error.line, error.column) == (Some(at.line), Some(at.column)))
        };
        let message = errors.find(is_it).map_or(&problem.message, |error| &error.message);
        match problem.obstacle {
            Some(obstacle) => format!("{message}; fix leaves it: {obstacle}"),
            None => message.clone(),
        }
    };
    let unread = fixed.repaired.unread.iter().map(|problem| (problem.offset, told(problem)));
    let mut all: Vec<(Option<usize>, String)> = stuck.chain(unread).collect();
    all.sort_by_key(|(offset, _)| *offset);
    let describe = |(offset, message): (Option<usize>, String)| match offset {
        Some(offset) => {
            let Position { line, column } = shown.position(offset);
            format!("{}:{line}:{column}: {message}", fixed.name)
        }
        None => format!("{}: {message}", fixed.name),
    };
    all.into_iter().map(describe).collect()
}
