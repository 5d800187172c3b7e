//! The report as one page for a browser: self-contained, readable without scripts,
//! light and dark. Names and options come from anybody, so every text is escaped, and
//! the page's own policy forbids it to load anything.

mod page;
mod tree;

use std::fmt::{self, Write as _};

use super::exposed::{ExposureState, ExposureSummary};
use super::plain::plain;
use super::{FindingReport, Report, Reported, SubjectReport, text};
use crate::count::counted;

/// Returns the page, with a line break after it.
pub fn write(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, report);
    page
}

/// A text that is shown as itself: what is not seen is written out, and nothing in it
/// is markup.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in plain(self.0).chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

fn write_page(out: &mut String, report: &Report) -> fmt::Result {
    let summary = &report.summary;
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    // The page shows text of others, so no script but its own may run.
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", page::POLICY)?;
    writeln!(out, "<meta name=\"color-scheme\" content=\"light dark\">")?;
    writeln!(out, "<title>NFS mount options: {} denied, {} warned</title>", summary.denied, summary.warned)?;
    writeln!(out, "<style>\n{}</style>\n</head>\n<body>", page::STYLE)?;
    writeln!(out, "<header>\n<h1>NFS mount options</h1>")?;
    let file = report.policy.file.as_ref().map(|file| format!(" from {file}")).unwrap_or_default();
    let policy = format!("{}{file}, {}", report.policy.profile, report.policy.mode);
    writeln!(
        out,
        "<p>Policy {}. Written by {} {}.</p>",
        Text(&policy),
        report.tool.name,
        report.tool.version
    )?;
    write_notes(out, report)?;
    writeln!(out, "</header>\n<main>")?;
    write_counts(out, report)?;
    tree::write(out, report)?;
    write_findings(out, report)?;
    write_errors(out, report)?;
    writeln!(out, "</main>\n<script>\n{}</script>\n</body>\n</html>", page::SCRIPT)
}

/// Writes the notes that a person has to read first.
fn write_notes(out: &mut String, report: &Report) -> fmt::Result {
    if !report.complete {
        writeln!(
            out,
            "<p class=\"note\"><strong>Not complete:</strong> something could not be read; see <a href=\"#errors\">what</a>.</p>"
        )?;
    }
    if !report.consistent {
        writeln!(
            out,
            "<p class=\"note\"><strong>Not consistent:</strong> a list expired while it was read, and the rest was read as it was a moment later.</p>"
        )?;
    }
    if report.summary.not_shown > 0 {
        let more = counted(report.summary.not_shown, "object");
        writeln!(
            out,
            "<p class=\"note\"><strong>Not all is shown:</strong> {more} with findings left out.</p>"
        )?;
    }
    Ok(())
}

fn write_counts(out: &mut String, report: &Report) -> fmt::Result {
    let summary = &report.summary;
    writeln!(
        out,
        "<section aria-labelledby=\"counts\">\n<h2 id=\"counts\">Counts</h2>\n<dl class=\"counts\">"
    )?;
    let mut counts = vec![
        ("denied", summary.denied),
        ("patched", summary.patched),
        ("warned", summary.warned),
        ("judged", summary.judged),
        ("read", summary.documents),
        ("unreadable", summary.unreadable),
    ];
    let exposure = ExposureSummary::of(report);
    for state in ExposureState::ALL {
        let count = exposure.count(state);
        // Pods are not known in few reports.
        let is_usual = state != ExposureState::Unknown || count > 0;
        if !report.exposed.is_empty() && is_usual {
            counts.push((state.as_str(), count));
        }
    }
    for (name, count) in counts {
        writeln!(out, "<div><dt>{name}</dt><dd>{count}</dd></div>")?;
    }
    writeln!(out, "</dl>\n</section>")
}

fn write_findings(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>")?;
    let told = |finding: &&FindingReport| finding.action > Reported::Audit;
    let audited = report.findings().filter(|finding| finding.action == Reported::Audit).count();
    if audited > 0 {
        writeln!(out, "<p>{} of the action audit only counted.</p>", counted(audited, "finding"))?;
    }
    if !report.findings().any(|finding| told(&finding)) {
        return writeln!(out, "<p>Nothing was found.</p>\n</section>");
    }
    out.push_str(page::CONTROLS);
    writeln!(
        out,
        "<div class=\"wide\" role=\"region\" aria-labelledby=\"findings\" tabindex=\"0\">\n<table id=\"table\">"
    )?;
    writeln!(out, "<thead>\n<tr>")?;
    for column in ["Action", "Rule", "Object", "Place", "Option", "Reason and remedy", "Effective options"] {
        writeln!(out, "<th scope=\"col\">{column}</th>")?;
    }
    writeln!(out, "</tr>\n</thead>\n<tbody>")?;
    for subject in &report.subjects {
        for finding in subject.findings.iter().filter(told) {
            write_finding(out, subject, finding)?;
        }
    }
    writeln!(out, "</tbody>\n</table>\n</div>\n</section>")
}

fn write_finding(out: &mut String, subject: &SubjectReport, finding: &FindingReport) -> fmt::Result {
    let action = finding.action.as_str();
    writeln!(out, "<tr data-action=\"{action}\">\n<td><span class=\"{action}\">{action}</span></td>")?;
    writeln!(out, "<td>{} {}</td>", finding.code, finding.name)?;
    writeln!(out, "<th scope=\"row\">{}</th>", Text(&subject.title()))?;
    // An object of a cluster has no file.
    let place = if subject.is_live { finding.carrier.clone() } else { text::head(subject, finding) };
    writeln!(out, "<td>{}</td>", Text(&place))?;
    match &finding.element {
        Some(element) => writeln!(out, "<td><code>{}</code></td>", Text(element))?,
        None => writeln!(out, "<td></td>")?,
    }
    write!(out, "<td>{}", Text(&finding.message))?;
    if let Some(list) = &finding.way_out {
        write!(out, "<br>set <code>{}: {}</code>", Text(&finding.carrier), Text(list))?;
    } else if let Some(remedy) = finding.further_remedy() {
        write!(out, "<br>{}", Text(remedy))?;
    }
    writeln!(out, "</td>\n<td><code>{}</code></td>\n</tr>", Text(&subject.effective))
}

fn write_errors(out: &mut String, report: &Report) -> fmt::Result {
    if !report.errors.is_empty() {
        writeln!(out, "<section aria-labelledby=\"errors\">\n<h2 id=\"errors\">Not read</h2>\n<ul>")?;
        for error in &report.errors {
            let place = [Some(error.file.clone()), error.line.map(|line| line.to_string())];
            let place: Vec<String> = place.into_iter().flatten().collect();
            writeln!(out, "<li>{}: {}</li>", Text(&place.join(":")), Text(&error.message))?;
        }
        writeln!(out, "</ul>\n</section>")?;
    }
    if !report.not_judged.is_empty() {
        writeln!(
            out,
            "<section aria-labelledby=\"not-judged\">\n<h2 id=\"not-judged\">Not judged</h2>\n<ul>"
        )?;
        for found in &report.not_judged {
            let place = found.place().map(|place| format!("{place}: ")).unwrap_or_default();
            writeln!(out, "<li>{}{}</li>", Text(&place), Text(&found.describe()))?;
        }
        writeln!(out, "</ul>\n</section>")?;
    }
    Ok(())
}
