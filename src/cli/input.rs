//! Reading what the paths of a command line mean.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::progress::Progress;
use crate::source::walk::{self, Found};

/// What `-` is called in reports, unless `--stdin-filename` says otherwise.
pub const STDIN: &str = "<stdin>";

/// One input with its bytes.
#[derive(Debug)]
pub struct Input {
    /// Where it is; `-` for standard input.
    pub path: PathBuf,
    /// How reports call it.
    pub name: String,
    /// Whether it was named itself.
    pub named: bool,
    /// What it holds, or why that cannot be read.
    pub bytes: Result<Vec<u8>, String>,
}

/// Everything that `paths` mean, each given to `work` on one of a few threads;
/// what comes of it, in the order of the names.
pub fn each<T: Send>(
    paths: &[PathBuf],
    stdin_name: Option<&str>,
    work: impl Fn(Input) -> T + Sync,
) -> (Vec<T>, Vec<String>) {
    let (mut files, errors) = walk::files(&with_stdin_apart(paths));
    if paths.iter().any(|path| path == Path::new("-")) {
        files.insert(0, Found { path: "-".into(), named: true });
    }
    let errors = errors.iter().map(ToString::to_string).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
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
        progress.end();
        shown.thread().unpark();
        if let Some(panic) = ended.into_iter().find_map(Result::err) {
            std::panic::resume_unwind(panic);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    (done.into_iter().map(|(_, result)| result).collect(), errors)
}

fn with_stdin_apart(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().filter(|path| *path != Path::new("-")).cloned().collect()
}

fn read(found: &Found, stdin_name: Option<&str>) -> Input {
    let is_stdin = found.path == Path::new("-");
    let bytes = if is_stdin {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(&found.path)
    };
    Input {
        path: found.path.clone(),
        name: if is_stdin {
            stdin_name.unwrap_or(STDIN).to_owned()
        } else {
            found.path.display().to_string()
        },
        named: found.named,
        bytes: bytes.map_err(|error| format!("cannot be read: {error}")),
    }
}
