//! The log: one event a decision, as JSON for machines or as a line for
//! people. Lines are written by a thread of their own; when it cannot keep up
//! they are dropped and counted, never waited for.

mod decision;
mod event;
mod filter;
mod queue;

use std::fmt::Write as _;
use std::io;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use time::OffsetDateTime;

use crate::admission::Record;
use crate::policy::Fingerprint;
pub use filter::{Filter, UnknownLevel};
use queue::Queue;

/// Bytes that may wait for the writer: some ten seconds of a thousand decisions
/// a second.
const WAITING: usize = 8 * 1024 * 1024;

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One line for people.
    Text {
        /// True if it is coloured.
        colour: bool,
    },
}

/// The destination of the lines of this process.
#[derive(Debug)]
struct Sink {
    format: Format,
    filter: Filter,
    queue: Queue,
}

/// There is one standard output, and so one log.
static SINK: OnceLock<Sink> = OnceLock::new();

/// Bytes of the usual line.
const USUAL_LINE: usize = 1024;

/// A running log. Dropping it writes what still waits.
#[derive(Debug)]
pub struct Log {
    sink: &'static Sink,
    /// The thread that writes.
    writer: Option<JoinHandle<()>>,
}

/// The reason why a log does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process has one.
    #[error("this process has a log already")]
    Started,
    /// The system gives no thread.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

impl Log {
    /// Starts the log of this process, on standard output.
    ///
    /// # Errors
    ///
    /// When the process has a log already, and when the system gives no thread.
    pub fn start(format: Format, filter: Filter) -> Result<Self, Error> {
        let mut is_new = false;
        let sink = SINK.get_or_init(|| {
            is_new = true;
            Sink { format, filter, queue: Queue::new(WAITING) }
        });
        if !is_new || tracing::subscriber::set_global_default(event::Events(sink)).is_err() {
            return Err(Error::Started);
        }
        let writer = thread::Builder::new().name("log".to_owned());
        Ok(Self { sink, writer: Some(writer.spawn(|| sink.queue.write(io::stdout()))?) })
    }

    /// Counts the lines dropped so far.
    pub const fn dropped(&self) -> Dropped {
        Dropped(self.sink)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.sink.queue.close();
        // A writer that has panicked has nothing left to write.
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// The count of lines that were dropped.
#[derive(Debug, Clone, Copy)]
pub struct Dropped(&'static Sink);

impl Dropped {
    /// Returns lines dropped so far.
    pub fn lines(&self) -> u64 {
        self.0.queue.dropped()
    }
}

/// Logs a decision. Objects are never logged whole.
pub fn decision(record: &Record<'_>, policy: Fingerprint, now: OffsetDateTime, duration: Duration) {
    let Some(sink) = SINK.get() else { return };
    let mut line = String::with_capacity(USUAL_LINE);
    match sink.format {
        Format::Json => decision::json_line(&mut line, record, policy, now, duration),
        Format::Text { colour } => decision::text_line(&mut line, record, colour, now, duration),
    }
    sink.queue.push(line.as_bytes());
}

/// Writes the time as RFC 3339 has it, in UTC with microseconds.
fn timestamp(line: &mut String, now: OffsetDateTime) {
    let (year, month, day) = now.to_calendar_date();
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let micros = now.microsecond();
    for (place, number) in [
        (0, year.unsigned_abs() / 100),
        (2, year.unsigned_abs()),
        (5, u32::from(u8::from(month))),
        (8, u32::from(day)),
        (11, u32::from(now.hour())),
        (14, u32::from(now.minute())),
        (17, u32::from(now.second())),
        (20, micros / 10_000),
        (22, micros / 100),
        (24, micros),
    ] {
        if let Some([tens, ones]) = text.get_mut(place..place + 2) {
            *tens += digit(number / 10);
            *ones += digit(number);
        }
    }
    // All of it is ASCII.
    line.push_str(str::from_utf8(&text).unwrap_or_default());
}

/// Returns the last decimal digit.
const fn digit(number: u32) -> u8 {
    (number % 10) as u8
}

/// Writes the time of day as text lines begin with it.
fn time_of_day(line: &mut String, now: OffsetDateTime) {
    // Writing to memory cannot fail.
    let _ = write!(line, "{:02}:{:02}:{:02}Z ", now.hour(), now.minute(), now.second());
}

/// Returns a text as it can stand in a line for people, control characters escaped; at most so many
/// bytes of it.
fn on_one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let before = line.len();
        match character {
            // escape_debug writes a backslash before them, and here they end nothing.
            '"' | '\'' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
        if line.len() > most {
            line.truncate(before);
            break;
        }
    }
    line
}
