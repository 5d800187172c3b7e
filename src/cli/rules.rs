//! `rules`: the table of the rules.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use super::exit::Exit;
use crate::finding::{Action, Applicability, Code, Grade};
use crate::rules::{Profile, RULES, Set};

/// List the rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard rules
  nfs-mount-guard rules --format json | jq '.[] | select(.standard == \"deny\") | .name'")]
pub struct Args {
    /// How the list is written
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
                let action = |set| rule.default_action(Grade::Proper, Profile::newest(set));
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
                }
            })
            .collect();
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut out, &rows)?;
                writeln!(out)?;
            }
            Format::Text => {
                writeln!(
                    out,
                    "CODE    NAME                       STANDARD RELAXED  STRICT   FIX    SUMMARY"
                )?;
                for row in &rows {
                    let fix = match row.fix {
                        Some(Applicability::Apply) => "apply",
                        Some(Applicability::Offer) => "offer",
                        Some(Applicability::Unsafe) => "unsafe",
                        None => "-",
                    };
                    writeln!(
                        out,
                        "{}  {:<26} {:<8} {:<8} {:<8} {fix:<6} {}",
                        row.code, row.name, row.standard, row.relaxed, row.strict, row.summary
                    )?;
                }
            }
        }
        Ok(Exit::Success)
    }
}
