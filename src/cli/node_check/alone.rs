//! One look in a process of its own. A process with a thread that the kernel holds cannot end, so the one
//! that a person or node-problem-detector waits for touches no file of the node.

use std::env;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::ask::PAUSE;
use super::watch;
use crate::cli::exit::{Exit, InputError};
use crate::cli::{color, terminal};

/// This program, also if its file was replaced.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";

/// The variable of the flag that tells the other process how its report is shown.
pub(super) const VARIABLE: &str = "NFS_MOUNT_GUARD_ALONE";

/// The look of a report: that of the standard output of the process that starts another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) has_color: bool,
    pub(super) width: Option<usize>,
}

impl Style {
    pub(super) fn own() -> Self {
        Self { has_color: color::wanted(), width: terminal::width() }
    }

    fn text(self) -> String {
        let color = if self.has_color { "color" } else { "plain" };
        self.width.map_or_else(|| color.to_owned(), |width| format!("{color},{width}"))
    }

    /// Reads it from the flag.
    pub(super) fn read(text: &str) -> Self {
        let (color, width) = text.split_once(',').unwrap_or((text, ""));
        Self { has_color: color == "color", width: width.parse().ok() }
    }
}

/// Runs this command in another process, and writes what that has written. `None` if none could be
/// started; `reads_stdin` gives it this standard input, for which the time does not count.
///
/// # Errors
///
/// When it does not end in time, and when its output cannot be written.
pub(super) fn run(limit: Duration, reads_stdin: bool) -> anyhow::Result<Option<Exit>> {
    let mut given = Vec::new();
    // The other process says why it cannot be read.
    let is_read = reads_stdin && io::stdin().lock().read_to_end(&mut given).is_ok();
    let input = match (reads_stdin, is_read) {
        (false, _) => Stdio::null(),
        (true, true) => Stdio::piped(),
        (true, false) => Stdio::inherit(),
    };
    let mut words = env::args_os();
    let mut command = Command::new(OWN_PROGRAM);
    if let Some(name) = words.next() {
        // Messages name the program as it was called, such as a plugin of kubectl.
        command.arg0(name);
    }
    let started = command
        .args(words)
        // Its standard output is a pipe, which has neither colors nor a width.
        .env(VARIABLE, Style::own().text())
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        if is_read {
            return Err(InputError("the system starts no process that looks".to_owned()).into());
        }
        return Ok(None);
    };
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it says why.
        thread::Builder::new().name("objects".to_owned()).spawn(move || stdin.write_all(&given))?;
    }
    let (output, errors) = (all_of(child.stdout.take())?, all_of(child.stderr.take())?);
    let begun = Instant::now();
    let rest = || limit.saturating_sub(begun.elapsed());
    let (output, errors) = match (output.recv_timeout(rest()), errors.recv_timeout(rest())) {
        (Ok(output), Ok(errors)) => (output, errors),
        _ => (Vec::new(), Vec::new()),
    };
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if rest().is_zero() {
            // Not waited for: it ends once the kernel lets its thread go.
            let _ = child.kill();
            return Err(watch::not_ended(limit));
        }
        thread::sleep(PAUSE);
    };
    // A closed standard error leaves no place for them.
    let _ = io::stderr().write_all(&errors);
    let mut out = io::stdout().lock();
    out.write_all(&output)?;
    out.flush()?;
    exit(status).map(Some)
}

fn all_of(from: Option<impl Read + Send + 'static>) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut from) = from {
        thread::Builder::new().name("report".to_owned()).spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        })?;
    }
    Ok(receiver)
}

fn exit(status: ExitStatus) -> anyhow::Result<Exit> {
    Ok(match status.code() {
        Some(0) => Exit::Success,
        Some(1) => Exit::Findings,
        Some(2) => Exit::Usage,
        Some(3) => Exit::Unreadable,
        _ => bail!("the process that looks has ended: {status}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_read_as_it_is_written() {
        for (text, has_color, width) in [
            ("plain", false, None),
            ("color", true, None),
            ("plain,80", false, Some(80)),
            ("color,20", true, Some(20)),
        ] {
            let style = Style::read(text);
            assert_eq!((style.has_color, style.width, style.text().as_str()), (has_color, width, text));
        }
    }
}
