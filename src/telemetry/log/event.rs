//! Logs events, next to the decisions. Those of libraries are not logged unless the
//! filter names them; their callers report what matters.

use std::fmt::{self, Write as _};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use super::{Format, Sink, timestamp};
use nfs_mount_guard_json::{beginning_within, push_string};

/// Most bytes of a field, as written: none of an event has more than a few, and
/// what is logged of files and callers may be long.
const LONGEST_FIELD: usize = 1500;

/// Takes events; spans mean nothing here.
pub(super) struct Events(pub(super) &'static Sink);

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && self.0.filter.takes(metadata.target(), *metadata.level())
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The filter never changes while the program runs, so the answer is kept for each call site.
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.filter.most())
    }

    fn event(&self, event: &Event<'_>) {
        // Room for the usual line.
        let mut line = String::with_capacity(256);
        match self.0.format {
            Format::Json => json_line(&mut line, event),
            Format::Text { .. } => text_line(&mut line, event),
        }
        self.0.queue.push(line.as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Spans are not enabled, and an Id must not be zero.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn json_line(line: &mut String, event: &Event<'_>) {
    let metadata = event.metadata();
    line.push_str("{\"timestamp\":\"");
    timestamp(line, OffsetDateTime::now_utc());
    // Writing to memory cannot fail, here and below.
    let _ = write!(line, "\",\"level\":\"{}\",\"target\":\"{}\"", metadata.level(), metadata.target());
    event.record(&mut JsonFields(line));
    line.push_str("}\n");
}

/// Writes an event's fields as members of an open JSON object.
struct JsonFields<'l>(&'l mut String);

impl JsonFields<'_> {
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        let _ = write!(self.0, ",\"{}\":{value}", field.name());
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, ",\"{}\":", field.name());
        push_string(self.0, beginning_within(value, LONGEST_FIELD));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn text_line(line: &mut String, event: &Event<'_>) {
    let mut fields = TextFields::default();
    event.record(&mut fields);
    let TextFields { message, others } = fields;
    super::time_of_day(line, OffsetDateTime::now_utc());
    let _ = writeln!(line, "{} {message}{others}", event.metadata().level());
}

/// An event's fields as text, in the order in which they were given.
#[derive(Default)]
struct TextFields {
    message: String,
    others: String,
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.others, " {}={}", field.name(), super::on_one_line(value, LONGEST_FIELD));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            // tracing gives the message as a field of this name.
            "message" => write!(self.message, "{value:?}"),
            name => {
                let value = super::on_one_line(&format!("{value:?}"), LONGEST_FIELD);
                write!(self.others, " {name}={value}")
            }
        };
    }
}
