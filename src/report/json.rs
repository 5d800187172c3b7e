//! The report as one JSON object; its schema is docs/check.schema.json.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serializer;

use super::plain::is_unseen;
use super::{FindingReport, Report, Reported, SubjectReport};

/// Writes the report with a line break after it, piece by piece: the text of a large one would take
/// more memory than the report.
///
/// # Errors
///
/// When `out` takes no more.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut plain = PlainWriter { out, escape: Escape::default(), waiting: String::new() };
    // Strings, numbers and lists of them always serialise: the errors are those of `out`.
    serde_json::to_writer_pretty(&mut plain, report)?;
    plain.write_all(b"\n")?;
    plain.flush()
}

/// Serializes subjects, each with its exempt findings among the others, in the order of their places.
pub(super) fn with_exempt<S: Serializer>(
    subjects: &[SubjectReport],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(subjects.iter().map(|subject| {
        if subject.tie.exempted.is_empty() {
            return Cow::Borrowed(subject);
        }
        let mut subject = subject.clone();
        let exempt = std::mem::take(&mut subject.tie.exempted).into_iter().map(|exempted| exempted.finding);
        subject.findings.extend(exempt.map(|finding| FindingReport { action: Reported::Exempt, ..finding }));
        subject.findings.sort_by_key(|finding| (finding.line, finding.column, finding.code));
        Cow::Owned(subject)
    }))
}

/// Escapes everything in JSON text that is not seen as itself, or that a runner of jobs would take for a
/// command (`##[error]`). Such characters stand in strings only, and mean the same with an escape.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    Escape::default().push(text, &mut plain);
    plain
}

/// The end of the text so far, as far as it may begin a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    /// It begins none.
    #[default]
    Elsewhere,
    /// It ends with one `#`.
    Hash,
    /// It ends with `##`.
    Hashes,
    /// It ends with that and letters.
    Word,
}

impl Escape {
    /// Adds a text that follows.
    fn push(&mut self, text: &str, plain: &mut String) {
        for character in text.chars() {
            let is_command = character == '[' && matches!(self, Self::Hashes | Self::Word);
            // These two are of the layout: inside a string serde_json has escaped them.
            if is_command || is_unseen(character) && !matches!(character, '\n' | '\t') {
                // An escape has four digits, so a character beyond U+FFFF has two of them (RFC 8259,
                // section 7).
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(plain, "\\u{unit:04x}");
                }
                *self = Self::Elsewhere;
            } else {
                plain.push(character);
                *self = match (character, *self) {
                    ('#', Self::Hash | Self::Hashes) => Self::Hashes,
                    ('#', _) => Self::Hash,
                    (letter, Self::Hashes | Self::Word) if letter.is_ascii_alphabetic() => Self::Word,
                    _ => Self::Elsewhere,
                };
            }
        }
    }
}

/// Bytes that are written at a time.
const AT_A_TIME: usize = 64 * 1024;

/// Writes JSON text as [`plain`] makes it.
struct PlainWriter<'w> {
    out: &'w mut dyn Write,
    escape: Escape,
    waiting: String,
}

impl Write for PlainWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // `serde_json` writes whole characters.
        let text =
            str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.escape.push(text, &mut self.waiting);
        if self.waiting.len() >= AT_A_TIME {
            self.out.write_all(self.waiting.as_bytes())?;
            self.waiting.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(self.waiting.as_bytes())?;
        self.waiting.clear();
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain::ends_as_command;
    use super::*;

    proptest! {
        #[test]
        fn pieces_of_a_text_are_escaped_as_the_whole(
            pieces in prop::collection::vec("[#\\[a-c\u{ad}é 1]{0,4}", 0..12)) {
            let text = pieces.concat();
            let mut out = Vec::new();
            let mut writer = PlainWriter { out: &mut out, escape: Escape::default(), waiting: String::new() };
            for piece in &pieces {
                writer.write_all(piece.as_bytes())?;
            }
            writer.flush()?;
            let mut expected = String::new();
            for character in text.chars() {
                match character {
                    '[' if ends_as_command(&expected) => expected.push_str("\\u005b"),
                    '\u{ad}' => expected.push_str("\\u00ad"),
                    other => expected.push(other),
                }
            }
            prop_assert_eq!(str::from_utf8(&out)?, &expected);
            prop_assert_eq!(plain(&text), expected);
        }
    }
}
