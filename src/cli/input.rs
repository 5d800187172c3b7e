//! Reading what the paths of a command line mean.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;

use super::exit;
use super::progress::Progress;
use crate::report::Report;
use crate::report::plain::plain;
use crate::source::walk::exclude::Excludes;
use crate::source::walk::{self, FoundFile, MOST_BYTES, WalkError, Walked};
use crate::source::{Skip, io_fault};

/// The name of `-` in reports, unless `--stdin-filename` says otherwise.
pub const STDIN: &str = "<stdin>";

/// One input with its bytes.
#[derive(Debug)]
pub struct Input {
    /// The path; `-` for standard input.
    pub path: PathBuf,
    /// The name in reports.
    pub name: String,
    /// True if it was named itself.
    pub is_explicit: bool,
    /// True if it is a link out of the directory that was walked.
    pub leads_out: bool,
    /// The bytes, or the reason why the file cannot be read.
    pub bytes: Result<Vec<u8>, String>,
}

/// The files of directories and globs that are passed over.
#[derive(Debug, Clone, clap::Args)]
pub struct Exclusion {
    /// Files and directories to skip
    #[arg(
        long,
        value_name = "GLOB",
        env = "NFS_MOUNT_GUARD_EXCLUDE",
        help = "Skip these files and directories found in a directory or glob: a name at any depth, or a path with a \
slash; may be given several times, or as a list with commas. A file that is itself a PATH is always read"
    )]
    exclude: Vec<String>,
}

impl Exclusion {
    /// Returns the globs.
    ///
    /// # Errors
    ///
    /// When one is none.
    pub fn read(&self) -> anyhow::Result<Excludes> {
        let globs: Vec<&str> = self.exclude.iter().flat_map(|globs| between_commas(globs)).collect();
        Excludes::new(&globs).context("--exclude")
    }
}

/// Returns the globs of a value; a comma in braces belongs to its glob.
fn between_commas(globs: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    globs
        .split(|letter| {
            match letter {
                '{' => depth += 1,
                // A brace too many is reported by the parser of globs.
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .collect()
}

/// The results for the paths of a command line.
#[derive(Debug)]
pub struct Worked<T> {
    /// The result for each input, in the order of the names.
    pub results: Vec<T>,
    /// Paths that lead to nothing.
    pub errors: Vec<WalkError>,
    /// Files that a walk passed over, and why.
    pub passed_over: BTreeMap<Skip, usize>,
}

/// Returns everything that `paths` mean, each given to `work` on one of a few threads.
pub fn each<T: Send>(
    paths: &[PathBuf],
    excludes: &Excludes,
    stdin_name: Option<&str>,
    work: impl Fn(Input) -> T + Sync,
) -> Worked<T> {
    let Walked { found: mut files, errors, passed_over } = walk::files(&with_stdin_apart(paths), excludes);
    if paths.iter().any(|path| path == Path::new("-")) {
        files.insert(0, FoundFile { path: "-".into(), is_explicit: true, leads_out: false });
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    // More threads than files would only wait.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(files.len()).max(1);
    let progress = Progress::new(files.len());
    thread::scope(|scope| {
        let shown = scope.spawn(|| progress.show());
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(found) = files.get(index) else { break };
                        let result = work(read(found, stdin_name));
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                        progress.advance();
                    }
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // Before the panic is resumed, so that its message does not stand in the line of progress.
        progress.end();
        shown.thread().unpark();
        if let Some(panic) = ended.into_iter().find_map(Result::err) {
            std::panic::resume_unwind(panic);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // The threads end in any order, and a report must not.
    done.sort_unstable_by_key(|(index, _)| *index);
    Worked { results: done.into_iter().map(|(_, result)| result).collect(), errors, passed_over }
}

/// Warns if the inputs have no document, or none that is a Kubernetes object: that is likely a mistake.
/// The exit code is a contract, and stays.
pub(super) fn warn_of_nothing(paths: &[PathBuf], report: &Report) {
    let count = |reason: Skip| report.summary.skipped_by.get(reason.as_str()).copied().unwrap_or_default();
    let (empty, no_object) = (count(Skip::Empty), count(Skip::NoObject));
    if report.summary.documents != empty + no_object || !report.errors.is_empty() {
        return;
    }
    let name = |path: &PathBuf| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.display().to_string(),
    };
    let names: Vec<_> = paths.iter().map(name).collect();
    let names = names.join(", ");
    let names = plain(&names);
    let warning = if no_object == 0 {
        format!("warning: no document in {names}")
    } else {
        format!(
            "warning: no Kubernetes object in {names}, so no StorageClass or PersistentVolume; with kubectl get, use \
-o json or -o yaml"
        )
    };
    // A closed standard error leaves no place to report it.
    let _ = exit::say(&warning);
}

/// Warns of what is wrong with the input itself, and is no finding.
pub(super) fn warn_of_input(report: &Report) {
    for note in &report.notes {
        // A closed standard error leaves no place to report it.
        let _ = exit::say(&format!("warning: {note}"));
    }
}

fn with_stdin_apart(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().filter(|path| *path != Path::new("-")).cloned().collect()
}

fn read(found: &FoundFile, stdin_name: Option<&str>) -> Input {
    let is_stdin = found.path == Path::new("-");
    let bytes = if is_stdin { whole(io::stdin().lock()) } else { file(found) };
    Input {
        path: found.path.clone(),
        name: if is_stdin {
            stdin_name.unwrap_or(STDIN).to_owned()
        } else {
            found.path.display().to_string()
        },
        is_explicit: found.is_explicit,
        leads_out: found.leads_out,
        bytes,
    }
}

/// Returns the content of a file: of one that was found in a walk, only so much.
fn file(found: &FoundFile) -> Result<Vec<u8>, String> {
    let file = File::open(&found.path).map_err(unreadable)?;
    if found.is_explicit {
        return whole(file);
    }
    // One byte more than the limit tells a file of that length from a longer one.
    let bytes = whole(file.take(MOST_BYTES + 1))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!(
            "is larger than {} MiB, the limit for a file found in a directory; name the file itself, or skip it with --exclude",
            MOST_BYTES / (1024 * 1024)
        ));
    }
    Ok(bytes)
}

/// The reason why the one input of a command cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OneError {
    /// There is nothing.
    #[error("there is no such file")]
    Missing,
    /// It has many files.
    #[error("is a directory; give one file (nfs-mount-guard check reads directories)")]
    Directory,
    /// It is longer than anybody reads.
    #[error("is longer than {} MiB, the limit", .0 / (1024 * 1024))]
    TooLong(usize),
    /// The system refuses it.
    #[error("cannot be read: {}", io_fault::reason(.0))]
    Io(#[from] io::Error),
}

/// Returns the content of the one input of a command: a file, or standard input for `None`, of at
/// most so many bytes.
///
/// # Errors
///
/// When it cannot be read, or is longer.
pub fn one(file: Option<&Path>, most: Option<usize>) -> Result<Vec<u8>, OneError> {
    let from: Box<dyn io::Read> = match file.map(|file| (File::open(file), file.is_dir())) {
        None => Box::new(io::stdin().lock()),
        Some((_, true)) => return Err(OneError::Directory),
        Some((Err(error), _)) if error.kind() == io::ErrorKind::NotFound => return Err(OneError::Missing),
        Some((open, _)) => Box::new(open?),
    };
    let mut bytes = Vec::new();
    // Room for the one byte that is added below.
    let most = most.unwrap_or(usize::MAX - 1);
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(OneError::TooLong(most)) } else { Ok(bytes) }
}

fn whole(mut from: impl io::Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map(|_| bytes).map_err(unreadable)
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unreadable(error: io::Error) -> String {
    format!("cannot be read: {}", io_fault::reason(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_braces_belongs_to_its_glob() {
        assert_eq!(between_commas("a,*.{yaml,yml},b/"), ["a", "*.{yaml,yml}", "b/"]);
        assert_eq!(between_commas("a"), ["a"]);
    }
}
