//! Characters that go-yaml takes for a line break, or passes over at the
//! beginning of a line ([`is_break` and `is_bom`]), and that
//! are ordinary text to this reader, to YAML 1.2 and to people's eyes.
//!
//! [`is_break` and `is_bom`]: https://github.com/yaml/go-yaml/blob/v2.4.4/yamlprivateh.go

use std::ops::Range;

use crate::source::Problem;

/// Places of such characters in one piece of a text.
pub(super) struct Breaks {
    /// Those outside quotes, as far as the text was read.
    outside: Vec<(usize, char)>,
}

impl Breaks {
    pub(super) fn of(text: &str, piece: Range<usize>) -> Self {
        let written = text.get(piece.clone()).unwrap_or_default();
        if written.is_ascii() {
            return Self { outside: Vec::new() };
        }
        let found = written
            .char_indices()
            .filter(|(_, character)| matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
        Self { outside: found.map(|(at, character)| (piece.start + at, character)).collect() }
    }

    /// Notes a scalar in quotes at `span`, whose content is its own. Returns true if it holds a line
    /// break.
    pub(super) fn quoted(&mut self, span: &Range<usize>) -> bool {
        let from = self.outside.partition_point(|(at, _)| *at < span.start);
        let to = self.outside.partition_point(|(at, _)| *at < span.end);
        if from >= to {
            return false;
        }
        self.outside.drain(from..to).any(|(_, character)| character != '\u{feff}')
    }

    /// Returns the problem of the first one outside quotes. Text after a place that is no YAML is
    /// not examined.
    pub(super) fn problem(&self, end: Option<usize>) -> Option<Problem> {
        let (at, character) = self.outside.first().copied()?;
        if end.is_some_and(|end| end < at) {
            return None;
        }
        let does = match character {
            '\u{feff}' => "skips it, even before a key",
            _ => "treats it as a line break, even in a comment",
        };
        let code = u32::from(character);
        Some(Problem::at(at, format!("U+{code:04X} outside quotes: kubectl {does}; delete it")))
    }
}
