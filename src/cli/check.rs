//! `check`: evaluates manifests as the webhook would.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use time::OffsetDateTime;

use super::exit::{self, Exit};
use super::input::{self, Exclusion, Worked};
use super::output::{Format, tell, tolerate};
use super::reporting::Reporting;
use super::source_root::SourceRoot;
use crate::check::baseline::Baseline;
use crate::check::{self, Checker};
use crate::report::{FileReport, ReadError, Report};

/// Check manifests as the webhook would.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard check deploy/
  kubectl get storageclass,persistentvolume -o json | nfs-mount-guard check -
  helm template charts/app | nfs-mount-guard check - --source-root charts/app
  nfs-mount-guard check deploy/ --format github --format sarif=nfs.sarif
  nfs-mount-guard check deploy/ --format concise | grep NMG001
  nfs-mount-guard check deploy/ --write-baseline known.json
  nfs-mount-guard check deploy/ --baseline known.json
  nfs-mount-guard check . --exclude vendor --exclude 'tests/**/*.yaml'

Paths and formats are not part of the policy file; every flag has an
environment variable.

Exit codes:
  0  no finding at the level of --fail-on
  1  a finding at the level of --fail-on
  2  wrong use, or an invalid policy
  3  an input could not be read
  4  no NFS volume in the input, with --require-match")]
pub struct Args {
    /// Files, directories and globs; - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    reporting: Reporting,
    #[command(flatten)]
    source_root: SourceRoot,
    #[command(flatten)]
    exclusion: Exclusion,
    /// Write all findings to this baseline file, and exit 0
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_WRITE_BASELINE", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,
    /// Count the findings of each rule
    #[arg(long, env = "NFS_MOUNT_GUARD_STATISTICS", value_parser = BoolishValueParser::new())]
    statistics: bool,
    /// Exit 4 if no input is, or may be, an NFS volume
    #[arg(long, env = "NFS_MOUNT_GUARD_REQUIRE_MATCH", value_parser = BoolishValueParser::new())]
    require_match: bool,
    /// Name of standard input in the report
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_STDIN_FILENAME")]
    stdin_filename: Option<String>,
}

impl Args {
    /// Evaluates, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, and when a report cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        // Files of flags come before the inputs, so that a wrong one is reported at once.
        let baseline = self.reporting.baseline()?;
        let excludes = self.exclusion.read()?;
        let (policy, name) = self.reporting.judgement.named_policy()?;
        let check = Checker {
            policy: &policy,
            judged_as: self.reporting.judged_as.endpoint(),
            today: OffsetDateTime::now_utc().date(),
            // Only SARIF carries edits, and to compute them each text is repaired as well.
            with_fixes: self.reporting.format.iter().any(|output| output.format == Format::Sarif),
            marks_unfixed: self.reporting.format.iter().any(|output| output.format == Format::Text),
            joins_inputs: self.paths.len() > 1 || self.paths.iter().any(|path| path.is_dir()),
        };
        let mut report = Report::new(name);
        let stdin_name = self.stdin_filename.as_deref();
        let Worked { results, errors, passed_over } =
            input::each(&self.paths, &excludes, stdin_name, |input| match input.bytes {
                Ok(bytes) => check.bytes(&input.path, &input.name, bytes, input.is_explicit),
                Err(message) => check::unreadable(&input.name, None, message),
            });
        for file in results {
            report.add(file);
        }
        // After all files, because a volume and its class may stand in different ones.
        check::together::judge(&mut report);
        let documents = passed_over.values().sum();
        report.add(FileReport { documents, skipped: passed_over, ..FileReport::default() });
        // Pods may be in a file that is not there.
        report.lacks_pods |= !errors.is_empty();
        report.errors.extend(
            errors.into_iter().map(|error| {
                check::read_error_of(&error.path.display().to_string(), &error.reason.to_string())
            }),
        );
        // Those of the walk were appended: one order for all.
        report.errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        if let Some(baseline) = baseline {
            tolerate(&baseline, &mut report);
        }
        check::exposed::join(&mut report);
        self.source_root.resolve(&mut report)?;
        report.count(self.statistics);
        input::warn_of_nothing(&self.paths, &report);
        input::warn_of_input(&report);
        if let Some(file) = &self.write_baseline {
            fs::write(file, Baseline::of(&report).write())
                .with_context(|| format!("--write-baseline: {} cannot be written", file.display()))?;
        }
        self.reporting.write(&report)?;
        // With no report on standard output, this is the only place that shows them to a person.
        if self.reporting.format.iter().all(|output| output.file.is_some()) {
            tell(&report.errors, told);
        }
        let exit = self.exit(&report);
        if exit == Exit::NothingToJudge {
            exit::say(match report.not_judged.len() {
                0 => "--require-match: no NFS volume in the input; check the paths, or drop the flag",
                _ => {
                    "--require-match: no NFS volume in the input is judged, only other objects with mount options; \
check what they render or create, or drop the flag"
                }
            })?;
        }
        Ok(exit)
    }

    fn exit(&self, report: &Report) -> Exit {
        // Before findings, because an input that was not read may have more of them.
        if !report.errors.is_empty() {
            Exit::Unreadable
        } else if self.reporting.fails(report) && self.write_baseline.is_none() {
            Exit::Findings
        } else if self.require_match && !report.subjects.iter().any(check::matches) {
            Exit::NothingToJudge
        } else {
            Exit::Success
        }
    }
}

/// Returns `a.yaml:3:5: is not YAML: a value is missing`.
fn told(error: &ReadError) -> String {
    let place = [error.line, error.column].into_iter().flatten();
    let place = place.fold(error.file.clone(), |place, number| format!("{place}:{number}"));
    format!("{place}: {}", error.message)
}
