//! `check`: judges manifests as the webhook would.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use clap::builder::FalseyValueParser;
use time::OffsetDateTime;

use super::color;
use super::exit::{self, Exit, InputError};
use super::input::{self, Exclusion, Worked};
use super::judgement::Judgement;
use super::source_root::SourceRoot;
use crate::check::baseline::Baseline;
use crate::check::{self, Check};
use crate::count::named;
use crate::engine::judge::Endpoint;
use crate::report::plain::plain;
use crate::report::sarif::Root;
use crate::report::{self, FileReport, Report, Reported};
use crate::source::Skip;

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
    /// How the report is written, and to which file; may be given several times
    #[arg(
        long,
        value_name = "FORMAT[=FILE]",
        env = "NFS_MOUNT_GUARD_FORMAT",
        value_delimiter = ',',
        default_value = "text",
        help = "Format of the report (text, concise, json, sarif, junit, github, gitlab), and its file; \
may be given several times"
    )]
    format: Vec<Output>,
    #[command(flatten)]
    source_root: SourceRoot,
    #[command(flatten)]
    exclusion: Exclusion,
    #[command(flatten)]
    judgement: Judgement,
    /// Simulate the validating webhook only, or the mutating and the validating one
    #[arg(
        long = "as",
        value_enum,
        value_name = "WEBHOOK",
        env = "NFS_MOUNT_GUARD_AS",
        default_value = "validate"
    )]
    judged_as: JudgedAs,
    /// Ignore findings listed in this baseline file
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_BASELINE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write all findings to this baseline file, and exit 0
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_WRITE_BASELINE")]
    write_baseline: Option<PathBuf>,
    /// Count the findings of each rule
    #[arg(long, env = "NFS_MOUNT_GUARD_STATISTICS", value_parser = FalseyValueParser::new())]
    statistics: bool,
    /// Lowest level of a finding that fails the check
    #[arg(long, value_enum, value_name = "LEVEL", env = "NFS_MOUNT_GUARD_FAIL_ON", default_value = "deny")]
    fail_on: FailOn,
    /// Exit 0 even if problems are found (unreadable input still exits 3)
    #[arg(long, env = "NFS_MOUNT_GUARD_EXIT_ZERO", value_parser = FalseyValueParser::new())]
    exit_zero: bool,
    /// Exit 4 if no input is, or may be, an NFS volume
    #[arg(long, env = "NFS_MOUNT_GUARD_REQUIRE_MATCH", value_parser = FalseyValueParser::new())]
    require_match: bool,
    /// Name of standard input in the report
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_STDIN_FILENAME")]
    stdin_filename: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum JudgedAs {
    /// Objects as written
    Validate,
    /// Objects as the mutating webhook repairs them
    Mutate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Denied
    Deny,
    /// Denied or repaired
    Patch,
    /// Denied, repaired or warned
    Warn,
}

impl FailOn {
    const fn bar(self) -> Reported {
        match self {
            Self::Deny => Reported::Deny,
            Self::Patch => Reported::Patch,
            Self::Warn => Reported::Warn,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Concise,
    Json,
    Sarif,
    Junit,
    Github,
    Gitlab,
}

/// A format, and the file it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Output {
    format: Format,
    file: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("give a file after the =, for example json=report.json".to_owned()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = Format::from_str(format, true)
            .map_err(|_| "the formats are text, concise, json, sarif, junit, github and gitlab".to_owned())?;
        Ok(Self { format, file })
    }
}

impl Args {
    /// Judges, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, and when a report cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.format.iter().filter(|output| output.file.is_none()).count() > 1 {
            bail!(
                "--format: only one format can go to standard output; give the others a file: json=report.json"
            );
        }
        let mut files = HashSet::new();
        let twice =
            self.format.iter().filter_map(|output| output.file.as_ref()).find(|file| !files.insert(*file));
        if let Some(twice) = twice {
            bail!("--format: {} is given to two formats; give each a file of its own", twice.display());
        }
        let excludes = self.exclusion.read()?;
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let (policy, name) = self.judgement.named_policy()?;
        let check = Check {
            policy: &policy,
            judged_as: match self.judged_as {
                JudgedAs::Validate => Endpoint::Validate,
                JudgedAs::Mutate => Endpoint::Mutate,
            },
            today: OffsetDateTime::now_utc().date(),
            with_fixes: self.format.iter().any(|output| output.format == Format::Sarif),
        };
        let mut report = Report::new(name);
        let stdin_name = self.stdin_filename.as_deref();
        let Worked { results, errors, passed_over } =
            input::each(&self.paths, &excludes, stdin_name, |input| match input.bytes {
                Ok(bytes) => check.bytes(&input.path, &input.name, bytes, input.named),
                Err(message) => check::unreadable(&input.name, None, message),
            });
        for file in results {
            report.add(file);
        }
        check::together::judge(&mut report);
        let documents = passed_over.values().sum();
        report.add(FileReport { documents, skipped: passed_over, ..FileReport::default() });
        report.errors.extend(
            errors.into_iter().map(|error| {
                check::read_error_of(&error.path.display().to_string(), &error.reason.to_string())
            }),
        );
        report.errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        if let Some(baseline) = baseline {
            let unused = baseline.apply(&mut report);
            if unused > 0 {
                let _ = writeln!(
                    io::stderr(),
                    "nfs-mount-guard: {}; update the baseline with --write-baseline FILE",
                    named(unused, "baseline entry no longer matches", "baseline entries no longer match")
                );
            }
        }
        self.source_root.resolve(&mut report)?;
        report.count(self.statistics);
        let empty = report.summary.skipped_by.get(Skip::Empty.as_str()).copied().unwrap_or_default();
        if report.summary.documents == empty && report.errors.is_empty() {
            let name = |path: &PathBuf| match path.to_str() {
                Some("-") => "standard input".to_owned(),
                _ => path.display().to_string(),
            };
            let paths: Vec<_> = self.paths.iter().map(name).collect();
            let paths = paths.join(", ");
            // Warns, because an empty input is likely a mistake; the exit code is a contract.
            let _ = writeln!(io::stderr(), "nfs-mount-guard: warning: no document in {}", plain(&paths));
        }
        if let Some(file) = &self.write_baseline {
            fs::write(file, Baseline::of(&report).write())
                .with_context(|| format!("--write-baseline: {} cannot be written", file.display()))?;
        }
        for output in &self.format {
            write(&report, output)?;
        }
        Ok(self.exit(&report))
    }

    fn exit(&self, report: &Report) -> Exit {
        let fails = report.findings().any(|finding| finding.action >= self.fail_on.bar());
        if !report.errors.is_empty() {
            Exit::Unreadable
        } else if fails && !self.exit_zero && self.write_baseline.is_none() {
            Exit::Findings
        } else if self.require_match && !report.subjects.iter().any(check::matches) {
            Exit::NothingToJudge
        } else {
            Exit::Success
        }
    }
}

fn read_baseline(file: &Path) -> anyhow::Result<Baseline> {
    let text = fs::read_to_string(file)
        .map_err(|error| InputError(format!("--baseline: {} cannot be read: {error}", file.display())))?;
    Baseline::parse(&text).map_err(|error| anyhow::anyhow!("--baseline: {} {error}", file.display()))
}

fn write(report: &Report, output: &Output) -> anyhow::Result<()> {
    let colour = output.file.is_none() && color::wanted();
    let text = match output.format {
        Format::Text => report::text::write(report, colour),
        Format::Concise => report::concise::write(report, colour),
        Format::Json => report::json::write(report),
        Format::Sarif => report::sarif::write(report, &root()?),
        Format::Junit => report::junit::write(report),
        Format::Github => report::github::write(report),
        Format::Gitlab => report::gitlab::write(report),
    };
    if let Some(file) = &output.file {
        fs::write(file, text).with_context(|| format!("--format: {} cannot be written", file.display()))?;
    } else {
        let mut out = io::stdout().lock();
        exit::written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    }
    Ok(())
}

/// The root of the Git repository, or the working directory outside one.
fn root() -> anyhow::Result<Root> {
    let working = std::env::current_dir().context("cannot tell the working directory")?;
    let is_root = |folder: &&Path| folder.join(".git").exists();
    let folder = working.ancestors().find(is_root).unwrap_or(&working);
    Ok(Root::new(&working, folder))
}
