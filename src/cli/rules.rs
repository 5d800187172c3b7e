//! `rules`: the table of the rules.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstyle::Style;
use clap::ValueEnum;
use serde::Serialize;

use super::exit::Exit;
use super::{color, terminal};
use crate::finding::{Action, Applicability, Code, Severity};
use crate::report::terminal::wrap;
use crate::rules::{Profile, RULES, Set};

/// List the rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard rules
  nfs-mount-guard rules --format json |
      jq '.[] | select(.standard == \"deny\") | .name'")]
pub struct Args {
    /// Format of the list
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_RULES_FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Text,
    /// A JSON array
    Json,
}

/// One row of the table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    code: Code,
    name: &'static str,
    summary: &'static str,
    standard: Action,
    relaxed: Action,
    strict: Action,
    fix: Option<Applicability>,
    since: &'static str,
    profile_version: u32,
    preview: bool,
    /// The actions in the milder case, which the rule's page names; `None` without one.
    milder: Option<Milder>,
}

/// Actions of a milder case.
#[derive(Debug, Clone, Copy, Serialize)]
struct Milder {
    standard: Action,
    relaxed: Action,
    strict: Action,
}

impl Row {
    /// Returns the action of each profile, with the milder one if it differs: `deny/warn`.
    fn actions(&self) -> [String; 3] {
        let both = |proper: Action, milder: Option<Action>| match milder {
            Some(milder) if milder != proper => format!("{proper}/{milder}"),
            _ => proper.to_string(),
        };
        let milder = self.milder;
        [
            both(self.standard, milder.map(|milder| milder.standard)),
            both(self.relaxed, milder.map(|milder| milder.relaxed)),
            both(self.strict, milder.map(|milder| milder.strict)),
        ]
    }
}

impl Args {
    /// Prints the table.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let rows: Vec<Row> = RULES
            .iter()
            .map(|rule| {
                let of = |set, severity| rule.default_action(severity, Profile::newest(set));
                let action = |set| of(set, Severity::Proper);
                let lesser = [Set::Standard, Set::Relaxed, Set::Strict].map(|set| of(set, Severity::Lesser));
                Row {
                    code: rule.code,
                    name: rule.name,
                    summary: rule.summary,
                    standard: action(Set::Standard),
                    relaxed: action(Set::Relaxed),
                    strict: action(Set::Strict),
                    fix: rule.fix,
                    since: rule.release(),
                    profile_version: rule.since,
                    preview: rule.preview,
                    milder: rule.lesser.map(|_| {
                        let [standard, relaxed, strict] = lesser;
                        Milder { standard, relaxed, strict }
                    }),
                }
            })
            .collect();
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut out, &rows)?;
                writeln!(out)?;
            }
            Format::Text => write!(out, "{}", table(&rows, terminal::width(), color::wanted()))?,
        }
        Ok(Exit::Success)
    }
}

/// Columns before the summary.
const SUMMARY: usize = 72;

/// Fewest columns for the summary beside the rest.
const FEWEST_BESIDE: usize = 30;

/// The indentation of the lines below a rule's code and name.
const INDENT: &str = "        ";

/// Returns the table for people; `None` is as wide as it gets. With colors titles and codes are
/// bold.
fn table(rows: &[Row], width: Option<usize>, colour: bool) -> String {
    let strong = if colour { Style::new().bold() } else { Style::new() };
    let head = |code: &str, name: &str, actions: [&str; 3], fix: &str| {
        let [standard, relaxed, strict] = actions;
        format!("{code}  {name:<26} {standard:<9} {relaxed:<9} {strict:<9} {fix:<6} ")
    };
    let titles = head("CODE  ", "NAME", ["STANDARD", "RELAXED", "STRICT"], "FIX");
    let mut table = match width {
        Some(width) if width < SUMMARY => String::new(),
        Some(width) if width < SUMMARY + FEWEST_BESIDE => {
            format!("{strong}{}{strong:#}\n", titles.trim_end())
        }
        _ => format!("{strong}{titles}SUMMARY{strong:#}\n"),
    };
    for row in rows {
        let fix = match row.fix {
            Some(Applicability::Apply) => "apply",
            Some(Applicability::Offer) => "offer",
            Some(Applicability::Unsafe) => "unsafe",
            None => "-",
        };
        let code = row.code.to_string();
        let actions = row.actions();
        let head = head(&code, row.name, actions.each_ref().map(String::as_str), fix);
        let text = match width {
            Some(width) if width < SUMMARY => {
                let [standard, relaxed, strict] = &actions;
                let actions = format!("standard {standard}, relaxed {relaxed}, strict {strict}, fix {fix}");
                let below = [actions.as_str(), row.summary].map(|text| wrap(text, INDENT, INDENT, width));
                format!("{code}  {}\n{}", row.name, below.join("\n"))
            }
            Some(width) if width < SUMMARY + FEWEST_BESIDE => {
                format!("{}\n{}", head.trim_end(), wrap(row.summary, INDENT, INDENT, width))
            }
            Some(width) => wrap(row.summary, &head, &" ".repeat(SUMMARY), width),
            None => format!("{head}{}", row.summary),
        };
        // The code begins the line, and is never broken.
        let rest = text.strip_prefix(&code).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{strong}{code}{strong:#}{rest}");
    }
    table
}
