//! Defines the output of reports of `check` and `scan`, and the findings that fail.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use clap::builder::TypedValueParser;

use super::color;
use super::exit::{self, InputError};
use super::file::{self, Content};
use super::offered::Offered;
use super::terminal;
use crate::check::baseline::{Baseline, BaselineError};
use crate::count::{counted, named};
use crate::engine::judge::Endpoint;
use crate::report::plain::lines;
use crate::report::sarif::Root;
use crate::report::{self, ReadError, Report, Reported};
use crate::source::{io_fault, text};

/// The help of `--format`.
pub(super) const FORMATS: &str = "Format of the report (text, concise, json, sarif, junit, github, gitlab, html), and its file; \
may be given several times";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum JudgedAs {
    /// Objects as written
    Validate,
    /// Objects as the mutating webhook repairs them
    Mutate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// Denied
    Deny,
    /// Denied or repaired
    Patch,
    /// Denied, repaired or warned
    Warn,
}

impl FailOn {
    pub(super) const fn bar(self) -> Reported {
        match self {
            Self::Deny => Reported::Deny,
            Self::Patch => Reported::Patch,
            Self::Warn => Reported::Warn,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Concise,
    Json,
    Sarif,
    Junit,
    Github,
    Gitlab,
    Html,
}

/// A format, and the file it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) file: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("give a file after the =, for example json=report.json".to_owned()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = Format::from_str(format, true).map_err(|_| {
            "the formats are text, concise, json, sarif, junit, github, gitlab and html".to_owned()
        })?;
        Ok(Self { format, file })
    }
}

/// Reads `--format`; shells offer the formats.
pub(super) fn offered() -> impl TypedValueParser<Value = Output> {
    let values = || Format::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
    Offered::new(|text: &str| text.parse::<Output>(), values)
}

impl JudgedAs {
    /// Returns the endpoint whose answer is reported.
    pub(super) const fn endpoint(self) -> Endpoint {
        match self {
            Self::Validate => Endpoint::Validate,
            Self::Mutate => Endpoint::Mutate,
        }
    }
}

/// Checks that every format has a place of its own.
///
/// # Errors
///
/// When two formats go to one place.
pub(super) fn check_outputs(outputs: &[Output]) -> anyhow::Result<()> {
    // Two reports one after the other are neither.
    if outputs.iter().filter(|output| output.file.is_none()).count() > 1 {
        bail!(
            "--format: only one format can go to standard output; give the others a file: json=report.json"
        );
    }
    let mut files = HashSet::new();
    let twice = outputs.iter().filter_map(|output| output.file.as_ref()).find(|file| !files.insert(*file));
    if let Some(twice) = twice {
        bail!("--format: {} is given to two formats; give each a file of its own", twice.display());
    }
    Ok(())
}

/// Takes the findings that a baseline knows out of a report, and tells of entries that
/// can go.
pub(super) fn tolerate(baseline: &Baseline, report: &mut Report) {
    let unused = baseline.apply(report);
    if unused > 0 {
        let _ = exit::say(&format!(
            "{}; update the baseline with nfs-mount-guard check --write-baseline FILE",
            named(unused, "baseline entry no longer matches", "baseline entries no longer match")
        ));
    }
}

/// Writes a report in every format that is requested.
///
/// # Errors
///
/// When a file cannot be written.
pub(super) fn write(report: &Report, outputs: &[Output]) -> anyhow::Result<()> {
    outputs.iter().try_for_each(|output| write_one(report, output))
}

/// Writes the report of a run that failed, so that no older one is taken for the newest:
/// to all files, and to standard output where a program reads it. People have the error
/// on standard error.
///
/// # Errors
///
/// When a file cannot be written.
#[cfg(feature = "serve")]
pub(super) fn write_failed(report: &Report, outputs: &[Output]) -> anyhow::Result<()> {
    let is_for_people =
        |output: &&Output| output.file.is_none() && matches!(output.format, Format::Text | Format::Concise);
    outputs.iter().filter(|output| !is_for_people(output)).try_for_each(|output| write_one(report, output))
}

/// Most errors that are repeated on standard error.
const MOST_TOLD: usize = 20;

/// Tells the errors of a report that no person reads on standard output.
pub(super) fn tell(errors: &[ReadError], text: impl Fn(&ReadError) -> String) {
    for error in errors.iter().take(MOST_TOLD) {
        let _ = exit::say(&lines(&text(error)));
    }
    if let Some(more @ 1..) = errors.len().checked_sub(MOST_TOLD) {
        let _ = exit::say(&format!("{} more, which the report has", counted(more, "error")));
    }
}

/// Returns true if a person reads the errors of the report on standard output.
#[cfg(feature = "serve")]
pub(super) fn is_read(outputs: &[Output]) -> bool {
    let is_for_people =
        |output: &Output| matches!(output.format, Format::Text | Format::Concise | Format::Github);
    outputs.iter().any(|output| output.file.is_none() && is_for_people(output))
}

/// Returns the baseline in a file.
///
/// # Errors
///
/// When it cannot be read, or is none.
pub(super) fn read_baseline(file: &Path) -> anyhow::Result<Baseline> {
    let bytes = fs::read(file).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "; create it with nfs-mount-guard check --write-baseline FILE",
            io::ErrorKind::IsADirectory => "; give the file in it",
            _ => "",
        };
        let reason = io_fault::reason(&error);
        InputError(format!("--baseline: {} cannot be read: {reason}{remedy}", file.display()))
    })?;
    let read = match text::decode(bytes) {
        Ok((text, _)) => Baseline::parse(&text),
        // A baseline is written by this program, in UTF-8.
        Err(_) => Err(BaselineError::Syntax),
    };
    read.map_err(|error| anyhow::anyhow!("--baseline: {}{error}", file.display()))
}

fn write_one(report: &Report, output: &Output) -> anyhow::Result<()> {
    let colour = output.file.is_none() && color::wanted();
    // A file is read in other widths than this terminal has.
    let width = terminal::width().filter(|_| output.file.is_none());
    let text = match output.format {
        Format::Text => report::text::write(report, colour, width),
        Format::Concise => report::concise::write(report, colour),
        Format::Json => return put(output, &|out| report::json::write(report, out)),
        Format::Sarif => report::sarif::write(report, &root()?),
        Format::Junit => report::junit::write(report),
        Format::Github => report::github::write(report),
        Format::Gitlab => report::gitlab::write(report),
        Format::Html => report::html::write(report),
    };
    put(output, &|out| out.write_all(text.as_bytes()))
}

fn put(output: &Output, content: Content<'_>) -> anyhow::Result<()> {
    if let Some(file) = &output.file {
        file::write(file, content)
            .with_context(|| format!("--format: {} cannot be written", file.display()))?;
    } else {
        let mut out = io::stdout().lock();
        exit::written(content(&mut out).and_then(|()| out.flush()))?;
    }
    Ok(())
}

/// Returns the root of the Git repository, or the working directory outside one.
fn root() -> anyhow::Result<Root> {
    let working = std::env::current_dir().context("cannot tell the working directory")?;
    // A directory, or a file in a worktree or submodule (gitrepository-layout(5)).
    let is_root = |folder: &&Path| folder.join(".git").exists();
    let folder = working.ancestors().find(is_root).unwrap_or(&working);
    Ok(Root::new(&working, folder))
}
