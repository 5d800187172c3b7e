//! The log: one event a decision, as JSON for machines or as a line for
//! people. Lines are written by a thread of their own; when it cannot keep up
//! they are dropped and counted, never waited for.

use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal as _};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::admission::Record;

/// Lines that may wait for the writer; at some 500 bytes each, 8 MiB.
const WAITING_LINES: usize = 16_384;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One line for people.
    Text {
        /// Whether it is coloured.
        colour: bool,
    },
}

impl Format {
    /// Text on a terminal, JSON elsewhere; colours unless `NO_COLOR` is set.
    pub fn detect() -> Self {
        if io::stdout().is_terminal() {
            let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Self::Text { colour }
        } else {
            Self::Json
        }
    }
}

/// A running log. Dropping it writes what still waits.
#[derive(Debug)]
pub struct Log {
    _worker: WorkerGuard,
    dropped: ErrorCounter,
}

impl Log {
    /// Starts the log of this process, on standard output.
    ///
    /// # Errors
    ///
    /// When the process has a log already.
    pub fn start(format: Format) -> Result<Self, tracing::subscriber::SetGlobalDefaultError> {
        let (writer, worker) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(BufWriter::with_capacity(64 * 1024, io::stdout()));
        let dropped = writer.error_counter();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(writer)
            .with_max_level(Level::INFO)
            .with_ansi(false)
            .event_format(EventFormat(format))
            .finish()
            .with(own_events());
        tracing::subscriber::set_global_default(subscriber)?;
        Ok(Self { _worker: worker, dropped })
    }

    /// Counts the lines dropped so far.
    pub fn dropped(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// What libraries have to say is told, where it matters, by who calls them.
fn own_events() -> Targets {
    [env!("CARGO_CRATE_NAME"), "decision"].into_iter().map(|target| (target, Level::INFO)).collect()
}

/// Most bytes of options or of a patch in one event: lines wait in memory, and
/// an object may hold mebibytes.
const LONGEST_FIELD: usize = 16 * 1024;

/// As much of `text` as an event takes.
fn shortened(text: &str) -> &str {
    if text.len() <= LONGEST_FIELD {
        return text;
    }
    // A character has at most four bytes, and is not cut in two.
    (0..4).find_map(|back| text.get(..LONGEST_FIELD - back)).unwrap_or_default()
}

/// Logs a decision. Objects are never logged whole: `shortened` says that
/// options are cut, and that a patch is left out.
pub fn decision(record: &Record<'_>, policy: &str, duration: Duration) {
    let patch =
        if record.patch.is_empty() || record.patch.len() > LONGEST_FIELD { "[]" } else { record.patch };
    let is_shortened = [record.options_before, record.options_after, record.patch]
        .iter()
        .any(|text| text.len() > LONGEST_FIELD);
    let mut rules: Vec<String> =
        record.findings.iter().map(|judged| judged.finding.code.to_string()).collect();
    rules.dedup();
    rules.sort_unstable();
    rules.dedup();
    let exempted: Vec<String> = record.exempted.iter().map(ToString::to_string).collect();
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        target: "decision",
        uid = record.uid,
        endpoint = record.endpoint.as_str(),
        operation = record.operation,
        kind = record.kind,
        name = record.name,
        user = record.user,
        dry_run = record.dry_run,
        driver = record.driver,
        decision = record.decision,
        withheld = record.withheld,
        rules = list(&rules),
        exempted = list(&exempted),
        options_before = shortened(record.options_before),
        options_after = shortened(record.options_after),
        patch,
        shortened = is_shortened.then_some(true),
        policy,
        error = record.error,
        duration_us = micros,
    );
}

/// Fields whose text is JSON already.
const JSON_FIELDS: [&str; 3] = ["rules", "exempted", "patch"];

fn list(words: &[String]) -> String {
    let mut text = String::from("[");
    for (index, word) in words.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(text, "{separator}\"{word}\"");
    }
    text.push(']');
    text
}

struct EventFormat(Format);

impl<S, N> FormatEvent<S, N> for EventFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0 {
            Format::Json => json_line(&mut writer, event),
            Format::Text { colour } => text_line(&mut writer, event, colour),
        }
    }
}

fn json_line(writer: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let metadata = event.metadata();
    writer.write_str("{\"timestamp\":\"")?;
    SystemTime.format_time(writer)?;
    write!(writer, "\",\"level\":\"{}\",\"target\":\"{}\"", metadata.level(), metadata.target())?;
    let mut fields = JsonFields { writer, result: Ok(()) };
    event.record(&mut fields);
    fields.result?;
    writer.write_str("}\n")
}

/// Writes an event's fields as members of an open JSON object.
struct JsonFields<'w, 'b> {
    writer: &'w mut Writer<'b>,
    result: fmt::Result,
}

impl JsonFields<'_, '_> {
    fn member(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.result = self.result.and_then(|()| write!(self.writer, ",\"{}\":{value}", field.name()));
    }
}

impl Visit for JsonFields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if JSON_FIELDS.contains(&field.name()) {
            self.member(field, format_args!("{value}"));
        } else {
            self.member(field, format_args!("{}", JsonString(value)));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }
}

/// A string as JSON text.
struct JsonString<'s>(&'s str);

impl fmt::Display for JsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

fn text_line(writer: &mut Writer<'_>, event: &Event<'_>, colour: bool) -> fmt::Result {
    let mut fields = TextFields::default();
    event.record(&mut fields);
    let time = time::OffsetDateTime::now_utc();
    write!(writer, "{:02}:{:02}:{:02}Z ", time.hour(), time.minute(), time.second())?;
    if event.metadata().target() == "decision" {
        return fields.decision(writer, colour);
    }
    let level = event.metadata().level();
    write!(writer, "{level} {}", fields.get("message"))?;
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
        write!(writer, " {name}={value}")?;
    }
    writeln!(writer)
}

/// An event's fields as text, in the order in which they were given.
#[derive(Default)]
struct TextFields(Vec<(&'static str, String)>);

impl TextFields {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }

    fn decision(&self, writer: &mut Writer<'_>, colour: bool) -> fmt::Result {
        let decision = self.get("decision");
        let code = match decision {
            "deny" => "31",
            "patch" => "33",
            _ => "32",
        };
        if colour {
            write!(writer, "\u{1b}[1;{code}m{decision:<5}\u{1b}[0m")?;
        } else {
            write!(writer, "{decision:<5}")?;
        }
        write!(
            writer,
            " {} {} {}/{}",
            self.get("endpoint"),
            self.get("operation"),
            self.get("kind"),
            self.get("name")
        )?;
        for (name, prefix) in
            [("driver", " of "), ("user", " by "), ("withheld", ", only observed: "), ("error", ": ")]
        {
            let value = self.get(name);
            if !value.is_empty() {
                write!(writer, "{prefix}{value}")?;
            }
        }
        let rules = self.get("rules").trim_matches(['[', ']']).replace(['"'], "").replace(',', " ");
        if !rules.is_empty() {
            write!(writer, ": {rules}")?;
        }
        let (before, after) = (self.get("options_before"), self.get("options_after"));
        if before != after {
            write!(writer, "\n          {before}\n       -> {after}")?;
        }
        writeln!(writer, " ({} us)", self.get("duration_us"))
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.escape_debug().to_string().replace("\\\"", "\"")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}
