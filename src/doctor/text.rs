//! The report for people: whole, and one line a fault.

use std::fmt::{self, Write as _};

use anstyle::{AnsiColor, Style};

use super::Status;
use super::report::{CheckReport, DoctorReport};
use crate::count::{counted, named};
use crate::report::plain::plain;
use crate::report::terminal::wrap;

/// The look of the report.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With colors; each repeats what a symbol or word says.
    pub has_color: bool,
    /// With symbols; else with words.
    pub has_symbols: bool,
    /// The columns of the terminal; `None` for a pipe or a file.
    pub width: Option<usize>,
}

impl Look {
    fn mark(self, status: Status) -> &'static str {
        if self.has_symbols { status.symbol() } else { status.as_str() }
    }

    /// Returns a text after a head, in lines as wide as the terminal.
    fn wrapped(self, head: &str, text: &str) -> String {
        match self.width {
            Some(width) => wrap(text, head, "    ", width),
            None => format!("{head}{text}"),
        }
    }

    fn style(self, status: Status) -> Style {
        match status {
            _ if !self.has_color => Style::new(),
            Status::Ok => AnsiColor::Green.on_default(),
            Status::Skipped => Style::new().dimmed(),
            Status::Warning => AnsiColor::Yellow.on_default().bold(),
            Status::Problem => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Returns every check, with effect, remedy and page of those that are not good.
pub fn whole(report: &DoctorReport, look: Look) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_whole(&mut text, report, look);
    text
}

fn write_whole(out: &mut String, report: &DoctorReport, look: Look) -> fmt::Result {
    let mut category = "";
    for check in &report.checks {
        if check.category != category {
            if !category.is_empty() {
                writeln!(out)?;
            }
            category = check.category;
            let strong = if look.has_color { Style::new().bold() } else { Style::new() };
            writeln!(out, "{strong}{category}{strong:#}")?;
        }
        write_line(out, check, look)?;
        if let (Some(effect), Some(remedy)) = (&check.effect, &check.remedy) {
            writeln!(out, "{}", look.wrapped("    effect: ", &plain(effect)))?;
            // A command is copied: its lines are not broken.
            writeln!(out, "    remedy: {}\n    page:   {}", plain(remedy), check.page)?;
        }
    }
    if !report.checks.is_empty() {
        writeln!(out)?;
    }
    write_summary(out, report)
}

/// Returns the checks that are not good, one line each.
pub fn short(report: &DoctorReport, look: Look) -> String {
    let mut text = String::new();
    let faults = report.checks.iter().filter(|check| check.remedy.is_some());
    for check in faults {
        // Writing to a string cannot fail.
        let _ = write_line(&mut text, check, look);
    }
    let _ = write_summary(&mut text, report);
    text
}

fn write_line(out: &mut String, check: &CheckReport, look: Look) -> fmt::Result {
    let style = look.style(check.result);
    let mark = look.mark(check.result);
    let head = format!("{mark} {} {}: ", check.id, check.name);
    let line = look.wrapped(&head, &plain(&check.seen));
    writeln!(out, "{style}{mark}{style:#}{}", line.strip_prefix(mark).unwrap_or(&line))
}

fn write_summary(out: &mut String, report: &DoctorReport) -> fmt::Result {
    let summary = &report.summary;
    writeln!(
        out,
        "{}: {}: {} ok, {}, {}, {} skipped",
        plain(&report.server),
        counted(summary.checks, "check"),
        summary.ok,
        counted(summary.warnings, "warning"),
        named(summary.problems, "problem", "problems"),
        summary.skipped
    )
}
