//! A process of its own checks whether paths answer, because one that waits for a daemon that has read its
//! request cannot be ended.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::alone::OWN_PROGRAM;
use crate::cli::exit::Exit;
use crate::node::Ways;

/// The longest time that paths have for an answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Time between two questions whether the process has ended.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Checks paths. At most one process is left.
#[derive(Debug, Default)]
pub(super) struct Asker(Option<Asked>);

#[derive(Debug)]
struct Asked {
    child: Child,
    /// The places that it looks at, each before it does.
    places: Receiver<String>,
    /// The last of them.
    place: String,
}

impl Asker {
    /// Waits until each path has answered, or one has not in time: the error says which.
    pub(super) fn ask(&mut self, paths: &[PathBuf]) -> Result<(), String> {
        if let Some(mut left) = self.0.take()
            && !left.has_ended()
        {
            return Err(self.fault(left));
        }
        // Without the mounts a look fails, and says why.
        if !Ways::read().is_ok_and(|ways| ways.may_wait()) {
            return Ok(());
        }
        // Without a process the look is only limited in time.
        let Some(mut asked) = Asked::start(paths) else { return Ok(()) };
        let begun = Instant::now();
        while !asked.has_ended() {
            if begun.elapsed() > ANSWER {
                let _ = asked.child.kill();
                return Err(self.fault(asked));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Returns the path that has not answered in time, with the reason; `None` if each has.
    pub(super) fn silent(&mut self, paths: &[PathBuf]) -> Option<(PathBuf, String)> {
        let text = self.ask(paths).err()?;
        let named = |path: &PathBuf| {
            let rest = text.strip_prefix(&format!("{}: ", path.display()))?;
            Some((path.clone(), rest.to_owned()))
        };
        let unnamed = || Some((paths.first()?.clone(), text.clone()));
        paths.iter().find_map(named).or_else(unnamed)
    }

    fn fault(&mut self, mut asked: Asked) -> String {
        if let Some(place) = asked.places.try_iter().last() {
            asked.place = place;
        }
        let text = format!("{} does not answer within {} s", asked.place, ANSWER.as_secs());
        self.0 = Some(asked);
        text
    }
}

impl Asked {
    fn start(paths: &[PathBuf]) -> Option<Self> {
        let mut command = Command::new(OWN_PROGRAM);
        command.arg("node-check");
        for path in paths {
            command.arg("--reach").arg(path);
        }
        // A variable NFS_MOUNT_GUARD_* of this process would be a flag of that one.
        let quiet = command.env_clear().stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.stdout(Stdio::piped()).spawn().ok()?;
        let (sender, places) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            // Without the thread the place has no name.
            let _ = thread::Builder::new().name("asked".to_owned()).spawn(move || read(output, &sender));
        }
        Some(Self { child, places, place: "a file system here".to_owned() })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

fn read(output: ChildStdout, places: &mpsc::Sender<String>) {
    // A path may have any byte but a NUL.
    for place in BufReader::new(output).split(0) {
        let Ok(place) = place else { return };
        if places.send(String::from_utf8_lossy(&place).into_owned()).is_err() {
            return;
        }
    }
}

/// Looks at paths, for the process that started this one. Any end is an answer.
pub(super) fn reach(paths: &[PathBuf]) -> Exit {
    let ways = Ways::read().ok();
    let mut all = true;
    for path in paths {
        tell(&format!("{}: a file system on the way", path.display()));
        if let Some(way) = ways.as_ref().and_then(|ways| ways.first(path)) {
            let (path, point) = (path.display(), way.point.display());
            tell(&format!("{path}: the file system at {point} ({})", way.kind));
        }
        all &= look(path).is_ok();
    }
    if all { Exit::Success } else { Exit::Unreadable }
}

fn tell(place: &str) {
    let mut out = io::stdout().lock();
    // Without it the place has no name.
    let _ = write!(out, "{place}\0").and_then(|()| out.flush());
}

fn look(path: &Path) -> io::Result<()> {
    // The client may answer a stat from its attribute cache (acdirmin of nfs(5)), so an entry is read as
    // well.
    if fs::metadata(path)?.is_dir() {
        fs::read_dir(path)?.next().transpose()?;
    }
    Ok(())
}
