//! The flags that `check` and `scan` share: by which policy findings are made, how they are
//! reported, and which of them fail the command.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;

use super::output::{self, FailOn, JudgedAs, Output};
use super::policy_flags::PolicyFlags;
use crate::check::baseline::Baseline;
use crate::report::Report;

/// The settings for finding and reporting.
#[derive(Debug, clap::Args)]
pub(super) struct Reporting {
    #[arg(
        long,
        value_name = "FORMAT[=FILE]",
        env = "NFS_MOUNT_GUARD_FORMAT",
        value_delimiter = ',',
        default_value = "text",
        value_parser = output::offered(),
        hide_possible_values = true,
        help = output::FORMATS
    )]
    pub(super) format: Vec<Output>,
    #[command(flatten)]
    pub(super) judgement: PolicyFlags,
    /// Simulate the validating webhook only, or the mutating and the validating one
    #[arg(
        long = "as",
        value_enum,
        value_name = "WEBHOOK",
        env = "NFS_MOUNT_GUARD_AS",
        default_value = "validate"
    )]
    pub(super) judged_as: JudgedAs,
    /// Ignore findings listed in this baseline file
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_BASELINE")]
    baseline: Option<PathBuf>,
    /// Lowest level of a finding that fails the command
    #[arg(long, value_enum, value_name = "LEVEL", env = "NFS_MOUNT_GUARD_FAIL_ON", default_value = "deny")]
    fail_on: FailOn,
    /// Exit 0 even if problems are found (still 3 if not everything could be read)
    #[arg(long, env = "NFS_MOUNT_GUARD_EXIT_ZERO", value_parser = BoolishValueParser::new())]
    exit_zero: bool,
}

impl Reporting {
    /// Reads the baseline, once it is certain that every format has a place of its own.
    ///
    /// # Errors
    ///
    /// When two formats go to one place, and when the baseline cannot be read.
    pub(super) fn baseline(&self) -> anyhow::Result<Option<Baseline>> {
        output::check_outputs(&self.format)?;
        self.baseline.as_deref().map(output::read_baseline).transpose()
    }

    /// Returns true if a report has findings that fail the command.
    pub(super) fn fails(&self, report: &Report) -> bool {
        !self.exit_zero && report.findings().any(|finding| finding.action >= self.fail_on.bar())
    }

    /// Writes a report in every format.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(super) fn write(&self, report: &Report) -> anyhow::Result<()> {
        output::write(report, &self.format)
    }

    /// Returns true if a person reads the errors of the report on standard output.
    #[cfg(feature = "serve")]
    pub(super) fn is_read(&self) -> bool {
        output::is_read(&self.format)
    }

    /// Writes the report of a run that failed.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    #[cfg(feature = "serve")]
    pub(super) fn write_failed(&self, report: &Report) -> anyhow::Result<()> {
        output::write_failed(report, &self.format)
    }
}
