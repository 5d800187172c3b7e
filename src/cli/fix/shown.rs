//! The lines that `fix` prints of an input: what changed, and what stays as it is.

use super::{Failure, Fixed};
use crate::check::repair::{Changed, Repaired};
use crate::report::{FindingReport, ReadError, Reported};
use crate::rules::UNREAD_OPTIONS;
use crate::source::Problem;
use crate::source::text::{Lines, Position};

/// Said where the API server takes a change for a new object only.
const IMMUTABLE: &str = " (immutable: delete and recreate an existing object)";

/// The same of a volume, whose data may go with it.
const IMMUTABLE_VOLUME: &str = " (immutable: delete and recreate an existing object; set its \
persistentVolumeReclaimPolicy to Retain first)";

/// The text that a person looks at: the new one once it is written.
struct Shown<'f> {
    repaired: &'f Repaired,
    lines: Lines<'f>,
    is_new: bool,
}

impl<'f> Shown<'f> {
    fn of(fixed: &'f Fixed, is_diff: bool) -> Self {
        let new = fixed.repaired.text.as_deref().filter(|_| !is_diff);
        let lines = Lines::new(new.unwrap_or(&fixed.read.old));
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
pub(super) fn changed(fixed: &Fixed, is_diff: bool) -> Vec<String> {
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
        format!("{}:{line}: {verb} {codes} in {title}: {words}{immutable}", fixed.read.name)
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
        format!("{}:{line}:{column}: left {code}: {message}{remedy}", fixed.read.name)
    };
    findings.filter(is_lost).map(line).collect()
}

/// Returns the places that stay as they are, a line each, in their order.
pub(super) fn refusals(fixed: &Fixed, is_diff: bool) -> Vec<Failure> {
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
            format!("{}:{line}:{column}: {message}", fixed.read.name)
        }
        None => format!("{}: {message}", fixed.read.name),
    };
    all.into_iter().map(describe).collect()
}
