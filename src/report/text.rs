//! The report for people: the line of the file, and a caret under the option.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::exempted;
use super::exposed;
use super::palette::Palette;
use super::plain::{place, plain};
use super::{FindingReport, NotJudged, ReadError, Report, Reported, Snippet, SubjectReport};
use crate::called;
use crate::count::counted;
use crate::finding::Applicability;
use crate::source::{Skip, columns};

/// Returns the report as text. Findings that are only counted are left out. At a terminal of
/// `width` columns sentences are wrapped; source lines, commands and the last lines stay whole.
pub fn write(report: &Report, colour: bool, width: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut text, report, &Palette::new(colour).within(width));
    text
}

/// Writes the findings in the subjects, without errors and the last line.
pub fn write_subjects(report: &Report, colour: bool, width: Option<usize>) -> String {
    let mut text = String::new();
    for subject in &report.subjects {
        // Writing to a string cannot fail.
        let _ = write_subject(&mut text, subject, &Palette::new(colour).within(width));
    }
    text
}

fn write_report(out: &mut String, report: &Report, palette: &Palette) -> fmt::Result {
    for entry in entries(report) {
        match entry {
            ReportItem::Error(error) => write_error(out, error, palette)?,
            ReportItem::Subject(subject) => write_subject(out, subject, palette)?,
            ReportItem::NotJudged(found) => write_not_judged(out, found, palette)?,
        }
    }
    exposed::write(out, report, palette)?;
    write_statistics(out, report)?;
    write_hint(out, report)?;
    write_exempted(out, report)?;
    let policy = &report.policy;
    let from = policy.file.as_ref().map(|file| format!(" from {}", plain(file))).unwrap_or_default();
    writeln!(out, "policy: {}{from}, {}", policy.profile, policy.mode)?;
    write_counts(out, report)
}

/// Writes the number of findings that `fix` repairs, with the command, if there are any.
fn write_hint(out: &mut String, report: &Report) -> fmt::Result {
    let written = || report.subjects.iter().filter(|subject| !subject.is_live);
    let shown = || {
        let findings =
            written().flat_map(|subject| subject.findings.iter().map(move |found| (subject, found)));
        findings.filter(|(_, finding)| finding.action > Reported::Audit)
    };
    // A check that marks unfixed findings knows more than the rule.
    let by_fix = |(_, finding): &(&SubjectReport, &FindingReport)| match finding.is_left {
        // `fix` edits files, and a rendered document is none.
        Some(is_left) => !is_left && finding.origin.is_none(),
        None => finding.is_fixable(),
    };
    let files: BTreeSet<&str> = shown().filter(by_fix).map(|(subject, _)| &*subject.file).collect();
    let fixable = shown().filter(by_fix).count();
    let paths = match (files.first(), files.len()) {
        (None, _) => return Ok(()),
        // A name in angle brackets is that of a pipe, which fix cannot write.
        (Some(file), 1) if !file.starts_with('<') => place(file).into_owned(),
        (Some(file), 1) if file.starts_with('<') => "FILE".to_owned(),
        _ => "PATH...".to_owned(),
    };
    let all = counted(shown().count(), "finding");
    let command = format!("run \"nfs-mount-guard fix {paths}\" to repair {fixable} of {all}");
    writeln!(out, "{}", called::by_name(&command))
}

/// One piece of a report for people.
pub(super) enum ReportItem<'r> {
    /// A part that could not be read.
    Error(&'r ReadError),
    /// A subject that was evaluated.
    Subject(&'r SubjectReport),
    /// A part that was not.
    NotJudged(&'r NotJudged),
}

/// Returns the pieces of a report: errors where they belong among the objects, and what is not
/// evaluated after them.
pub(super) fn entries(report: &Report) -> Vec<ReportItem<'_>> {
    let mut entries = Vec::new();
    let mut errors = report.errors.iter().peekable();
    for subject in &report.subjects {
        let place = (&*subject.file, subject.line);
        while let Some(error) =
            errors.next_if(|error| (error.file.as_str(), error.line.unwrap_or_default()) < place)
        {
            entries.push(ReportItem::Error(error));
        }
        entries.push(ReportItem::Subject(subject));
    }
    entries.extend(errors.map(ReportItem::Error));
    entries.extend(report.not_judged.iter().map(ReportItem::NotJudged));
    entries
}

/// Writes the findings of each rule, where they were requested.
pub(super) fn write_statistics(out: &mut String, report: &Report) -> fmt::Result {
    for statistic in report.statistics.iter().flatten() {
        writeln!(out, "{:>6}  {} {}", statistic.count, statistic.code, statistic.name)?;
    }
    Ok(())
}

/// Writes the number of findings that exemptions pass over, if there are any.
pub(super) fn write_exempted(out: &mut String, report: &Report) -> fmt::Result {
    exempted::line(report).map_or(Ok(()), |line| writeln!(out, "{line}"))
}

/// In front of the lines of a sentence after its first one.
const INDENT: &str = "    ";

/// Most placeholders that a note names.
const MOST_NAMED: usize = 5;

/// Returns the parts of an object that are not evaluated until the file is rendered, as a line of a
/// report.
pub(super) fn note(subject: &SubjectReport, palette: &Palette) -> String {
    let faint = palette.faint;
    format!("{faint}note{faint:#}: {}", not_rendered(subject))
}

/// Returns the same as a sentence.
pub fn not_rendered(subject: &SubjectReport) -> String {
    let named: Vec<_> = subject.not_rendered.iter().take(MOST_NAMED).map(|text| plain(text)).collect();
    let more = match subject.not_rendered.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{}/{} is not rendered: {}{more}; what a placeholder becomes is not judged",
        subject.kind,
        plain(&subject.name),
        named.join(" | ")
    )
}

impl FindingReport {
    /// Returns true if its fix is carried out without being requested by name, and it stands in a
    /// file of its own.
    pub fn is_fixable(&self) -> bool {
        self.origin.is_none() && matches!(self.fix, Some(Applicability::Apply | Applicability::Offer))
    }

    /// Returns what the object would pass with, for people.
    pub fn shown_way_out(&self) -> Option<&str> {
        self.difference.as_deref().or(self.way_out.as_deref())
    }

    /// Returns the remedy, if no whole list would pass and the message does not end with it.
    pub fn further_remedy(&self) -> Option<&str> {
        if self.way_out.is_some() { None } else { self.own_remedy() }
    }

    /// Returns the remedy of this finding alone, if the message does not end with it.
    pub fn own_remedy(&self) -> Option<&str> {
        let remedy = self.remedy.as_deref()?;
        match remedy.rsplit_once("; ") {
            _ if self.message.ends_with(remedy) => None,
            // Some messages end with the first half of the remedy.
            Some((said, rest)) if self.message.ends_with(said) => Some(rest),
            _ => Some(remedy),
        }
    }

    /// Returns the list that would pass, labeled with its field, or else the remedy.
    pub fn advice(&self) -> Option<Cow<'_, str>> {
        match self.shown_way_out() {
            Some(list) => Some(format!("set {}: {list}", self.carrier).into()),
            None => self.further_remedy().map(Cow::Borrowed),
        }
    }

    /// Returns the message with the list that would pass, or else with the finding's own remedy.
    pub fn advised(&self, list: Option<&str>) -> String {
        match (list, self.own_remedy()) {
            (Some(list), _) => format!("{}; set {}: {list}", self.message, self.carrier),
            (None, Some(remedy)) => format!("{}; {remedy}", self.message),
            (None, None) => self.message.clone(),
        }
    }
}

impl SubjectReport {
    /// Returns the findings that are not only counted, each with the list that would pass where it is the
    /// first of its carrier: the list is the same for all of them.
    pub fn told(&self) -> impl Iterator<Item = (&FindingReport, Option<&str>)> {
        let mut shown: Vec<&str> = Vec::new();
        self.findings.iter().filter(|finding| finding.action > Reported::Audit).map(move |finding| {
            let list = finding.shown_way_out().filter(|_| !shown.contains(&finding.carrier.as_str()));
            shown.extend(list.map(|_| finding.carrier.as_str()));
            (finding, list)
        })
    }
}

fn write_subject(out: &mut String, subject: &SubjectReport, palette: &Palette) -> fmt::Result {
    if !subject.not_rendered.is_empty() {
        let strong = palette.strong;
        let place = place(&subject.file);
        let place = if subject.is_live {
            String::new()
        } else {
            format!("{strong}{place}:{}:{strong:#} ", subject.line)
        };
        let note = format!("{place}{}", note(subject, palette));
        writeln!(out, "{}\n", palette.lines("", &note, INDENT))?;
    }
    for finding in subject.findings.iter().filter(|finding| finding.action > Reported::Audit) {
        write_finding(out, subject, finding, palette)?;
    }
    let mut shown: Vec<&str> = Vec::new();
    for finding in &subject.findings {
        let Some(list) = finding.shown_way_out() else { continue };
        // One list cures all findings of a place, so it is shown once.
        if shown.contains(&finding.carrier.as_str()) {
            continue;
        }
        shown.push(&finding.carrier);
        let (strong, faint) = (palette.strong, palette.faint);
        let passes =
            format!("help: set {strong}{}: {list}{strong:#}", plain(&finding.carrier), list = plain(list));
        writeln!(out, "{}\n", palette.lines(&format!("{faint}={faint:#} "), &passes, "  "))?;
    }
    Ok(())
}

fn write_finding(
    out: &mut String,
    subject: &SubjectReport,
    finding: &FindingReport,
    palette: &Palette,
) -> fmt::Result {
    let (action, faint, strong) = (palette.of(finding.action), palette.faint, palette.strong);
    let FindingReport { line, snippet, .. } = finding;
    let said = format!(
        "{strong}{}:{strong:#} {action}{}{action:#} {} {}: {}",
        head(subject, finding),
        finding.action.as_str(),
        finding.code,
        finding.name,
        plain(&finding.message)
    );
    writeln!(out, "{}", palette.lines("", &said, INDENT))?;
    if is_of_pipe(subject) && finding.origin.is_none() {
        writeln!(out, "  {faint}-->{faint:#} {}", plain(&subject.title()))?;
    }
    if let Some(origin) = &finding.origin {
        writeln!(out, "  {faint}-->{faint:#} {}", plain(&origin.describe(&subject.file, *line)))?;
    }
    let help = finding.further_remedy().map(|remedy| {
        let help = palette.lines(&format!("{faint}={faint:#} "), &format!("help: {}", plain(remedy)), "  ");
        help + "\n"
    });
    let help = help.unwrap_or_default();
    if *snippet == Snippet::default() {
        return writeln!(out, "{help}");
    }
    let margin = " ".repeat(line.to_string().len());
    writeln!(out, "{faint}{line} |{faint:#} {}", snippet.text)?;
    let (indent, width) = caret(snippet);
    let carets = "^".repeat(width.max(1));
    writeln!(out, "{faint}{margin} |{faint:#} {}{action}{carets}{action:#}\n{help}", " ".repeat(indent))
}

/// Returns the place of a finding: file, line and column, or the place in an object of a cluster.
pub(super) fn head(subject: &SubjectReport, finding: &FindingReport) -> String {
    if subject.is_live {
        return format!("{} {}", plain(&subject.title()), plain(&finding.carrier));
    }
    format!("{}:{}:{}", place(&subject.file), finding.line, finding.column)
}

/// Returns true if its file is a pipe, such as standard input: its lines cannot be opened, so a report
/// names the object.
pub(super) fn is_of_pipe(subject: &SubjectReport) -> bool {
    subject.file.starts_with('<') && !subject.is_live
}

/// Returns the columns of a terminal before the option and under it: a character takes two, one or
/// none.
fn caret(snippet: &Snippet) -> (usize, usize) {
    let before = columns::first(&snippet.text, snippet.indent);
    let with = columns::first(&snippet.text, snippet.indent + snippet.width);
    let option = with.get(before.len()..).unwrap_or_default();
    (columns::width(before), columns::width(option))
}

fn write_error(out: &mut String, error: &ReadError, palette: &Palette) -> fmt::Result {
    let (deny, strong) = (palette.deny, palette.strong);
    let mut said = format!("{strong}{}:", place(&error.file));
    for number in [error.line, error.column].into_iter().flatten() {
        write!(said, "{number}:")?;
    }
    write!(said, "{strong:#} {deny}unreadable{deny:#}: {}", plain(&error.message))?;
    writeln!(out, "{}", palette.lines("", &said, INDENT))?;
    if let Some(origin) = &error.origin {
        let faint = palette.faint;
        writeln!(out, "  {faint}-->{faint:#} rendered from {}", plain(origin.place()))?;
    }
    writeln!(out)
}

fn write_not_judged(out: &mut String, found: &NotJudged, palette: &Palette) -> fmt::Result {
    let strong = palette.strong;
    let described = found.describe();
    let said = match found.place() {
        Some(place) => format!("{strong}{place}:{strong:#} {}", plain(&described)),
        None => plain(&described).into_owned(),
    };
    writeln!(out, "{}\n", palette.lines("", &said, INDENT))
}

/// Writes the last line: what was read, evaluated and skipped.
pub(super) fn write_counts(out: &mut String, report: &Report) -> fmt::Result {
    let summary = &report.summary;
    write!(
        out,
        "{} read, {} judged ({} denied, {} patched, {} warned), {} skipped",
        counted(summary.documents, "document"),
        summary.judged,
        summary.denied,
        summary.patched,
        summary.warned,
        summary.skipped
    )?;
    if !summary.skipped_by.is_empty() {
        let reasons: Vec<String> = summary
            .skipped_by
            .iter()
            .filter_map(|(reason, count)| Some(Skip::parse(reason)?.count(*count)))
            .collect();
        write!(out, " ({})", reasons.join(", "))?;
    }
    write!(out, ", {} unreadable", summary.unreadable)?;
    let skipped = summary.skipped_by.get(Skip::HoldsOptions.as_str()).copied().unwrap_or_default();
    let beside = summary.not_judged.saturating_sub(skipped);
    if beside > 0 {
        write!(out, ", {beside} not judged beside what is")?;
    }
    if summary.not_rendered > 0 {
        write!(out, ", {} not rendered", summary.not_rendered)?;
    }
    if summary.not_shown > 0 {
        write!(out, ", {} with findings not shown", counted(summary.not_shown, "object"))?;
    }
    if summary.baselined > 0 {
        write!(out, ", {} in the baseline", counted(summary.baselined, "finding"))?;
    }
    writeln!(out)
}
