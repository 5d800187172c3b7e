//! The report with one line a finding, for editors, logs and `grep`.

use std::fmt::{self, Write as _};

use super::palette::Palette;
use super::plain::{place, plain};
use super::{FindingReport, NotJudged, ReadError, Report, SubjectReport, text};

/// Returns one line a finding, `file:line:column: CODE action message`, in the order of the files,
/// and the last line of the text report. Findings that are only counted are left out.
pub fn write(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut out, report, &Palette::new(colour));
    out
}

fn write_report(out: &mut String, report: &Report, palette: &Palette) -> fmt::Result {
    for entry in text::entries(report) {
        match entry {
            text::ReportItem::Error(error) => write_error(out, error, palette)?,
            text::ReportItem::Subject(subject) => write_subject(out, subject, palette)?,
            text::ReportItem::NotJudged(found) => write_not_judged(out, found, palette)?,
        }
    }
    text::write_statistics(out, report)?;
    text::write_exempted(out, report)?;
    text::write_counts(out, report)
}

fn write_subject(out: &mut String, subject: &SubjectReport, palette: &Palette) -> fmt::Result {
    if !subject.not_rendered.is_empty() {
        let strong = palette.strong;
        write!(out, "{strong}{}:{}:{strong:#} ", place(&subject.file), subject.line)?;
        writeln!(out, "{}", text::note(subject, palette))?;
    }
    for (finding, list) in subject.told() {
        write_finding(out, subject, finding, list, palette)?;
    }
    Ok(())
}

fn write_finding(
    out: &mut String,
    subject: &SubjectReport,
    finding: &FindingReport,
    list: Option<&str>,
    palette: &Palette,
) -> fmt::Result {
    let (action, strong) = (palette.of(finding.action), palette.strong);
    write!(
        out,
        "{strong}{}:{strong:#} {} {action}{}{action:#} {}",
        text::head(subject, finding),
        finding.code,
        finding.action.as_str(),
        plain(&finding.message)
    )?;
    if let Some(list) = list {
        write!(out, "; set {}: {}", plain(&finding.carrier), plain(list))?;
    } else if let Some(remedy) = finding.own_remedy() {
        write!(out, "; {}", plain(remedy))?;
    }
    match &finding.origin {
        Some(origin) => writeln!(out, " ({})", plain(&origin.describe(&subject.file, finding.line))),
        None if text::is_of_pipe(subject) => writeln!(out, " ({})", plain(&subject.title())),
        None => writeln!(out),
    }
}

fn write_error(out: &mut String, error: &ReadError, palette: &Palette) -> fmt::Result {
    let (deny, strong) = (palette.deny, palette.strong);
    write!(out, "{strong}{}:", place(&error.file))?;
    for number in [error.line, error.column].into_iter().flatten() {
        write!(out, "{number}:")?;
    }
    write!(out, "{strong:#} {deny}unreadable{deny:#} {}", plain(&error.message))?;
    match &error.origin {
        Some(origin) => writeln!(out, " (rendered from {})", plain(origin.place())),
        None => writeln!(out),
    }
}

fn write_not_judged(out: &mut String, found: &NotJudged, palette: &Palette) -> fmt::Result {
    let strong = palette.strong;
    if let Some(place) = found.place() {
        write!(out, "{strong}{place}:{strong:#} ")?;
    }
    writeln!(out, "{}", plain(&found.describe()))
}
