//! Scalars: what a plain one means, and where in the text each of its
//! characters is written.

use std::ops::Range;

use super::tree::Style;

/// White space of YAML, which ends a plain scalar; any other is a part of it.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// The meaning of a scalar to the API server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// A string.
    Text,
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// Any other number.
    Float(f64),
    /// A day or a moment, which no field of a manifest takes.
    Timestamp,
}

/// Returns the meaning of a plain scalar, by the rules that kubectl and the API server follow: YAML
/// 1.1 as Go's yaml.v2 reads it (<https://github.com/yaml/go-yaml/blob/v2.4.4/resolve.go>), `on` and `yes` included.
pub fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.bytes().next() {
        Some(b'.') => float(text).map_or(Meaning::Text, Meaning::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => number(text),
        _ => Meaning::Text,
    }
}

fn number(text: &str) -> Meaning {
    // yaml.v2 tries a time stamp before any number (resolve.go).
    if is_day(text) {
        return Meaning::Timestamp;
    }
    // Underscores group digits, as in 1_000 (resolve.go of yaml.v2).
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..).unwrap_or_default()),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..).unwrap_or_default()),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..).unwrap_or_default()),
        // Base 0 of Go's strconv: 010 is 8, and 09 is no whole number, but a float.
        [b'0', _, ..] => (8, digits.get(1..).unwrap_or_default()),
        _ => (10, digits),
    };
    // from_str_radix takes a sign of its own, so that -+1 would be a number; it is text for Go.
    let is_number = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    match u64::from_str_radix(digits, radix) {
        Ok(number) if is_number && !negative => Meaning::Unsigned(number),
        Ok(number) if is_number && i64::try_from(number).is_ok() => {
            Meaning::Signed(-i64::try_from(number).unwrap_or_default())
        }
        _ => float(&plain).map_or(Meaning::Text, Meaning::Float),
    }
}

fn float(text: &str) -> Option<f64> {
    // Rust reads inf, infinity and nan as well, which are text for yaml.v2 (yamlStyleFloat of resolve.go).
    let is_float = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|_| is_float)
}

/// Returns true if it begins as `2026-11-24` does.
fn is_day(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let is_number = |part: Option<&str>, lengths: Range<usize>| {
        part.is_some_and(|part| {
            lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    is_number(parts.next(), 4..5)
        && is_number(parts.next(), 1..3)
        && parts.next().is_some_and(|rest| {
            let day = rest.find(['T', 't', ' ']).and_then(|end| rest.get(..end)).unwrap_or(rest);
            is_number(Some(day), 1..3)
        })
}

/// Returns the written characters of a scalar: for each byte of `value`, and for its end, the bytes
/// of `written` that stand for it. `None` where the two do not fit together.
///
/// `written` is the scalar as the text has it, quotes or block header included.
pub fn places(written: &str, style: Style, value: &str) -> Option<Vec<Range<usize>>> {
    let mut writing = Writing::new(written, style);
    let mut places = Vec::with_capacity(value.len() + 1);
    for character in value.chars() {
        let place = writing.next(character)?;
        for _ in 0..character.len_utf8() {
            places.push(place.clone());
        }
    }
    let end = writing.at;
    places.push(end..end);
    Some(places)
}

struct Writing<'w> {
    written: &'w str,
    style: Style,
    at: usize,
}

impl<'w> Writing<'w> {
    fn new(written: &'w str, style: Style) -> Self {
        let at = match style {
            Style::SingleQuoted | Style::DoubleQuoted => 1,
            Style::Literal | Style::Folded if written.starts_with(['|', '>']) => {
                written.find('\n').map_or(written.len(), |at| at + 1)
            }
            Style::Plain | Style::Literal | Style::Folded => 0,
        };
        Self { written, style, at }
    }

    fn rest(&self) -> &'w str {
        self.written.get(self.at..).unwrap_or_default()
    }

    /// Returns the place of the next character of the value. White space may come from line breaks
    /// and indentation, so it is looked for, and never missed.
    fn next(&mut self, character: char) -> Option<Range<usize>> {
        if self.style == Style::DoubleQuoted {
            self.skip_escaped_breaks();
            if self.rest().starts_with('\\') {
                let (escaped, length) = escape(self.rest())?;
                return (escaped == character).then(|| self.advance(length));
            }
        }
        if character.is_whitespace() {
            let here = self.rest();
            if here.starts_with(character) && !(character == ' ' && self.is_fold()) {
                return Some(self.advance(character.len_utf8()));
            }
            return Some(self.at..self.at);
        }
        self.skip_whitespace();
        if self.style == Style::DoubleQuoted && self.rest().starts_with('\\') {
            self.skip_escaped_breaks();
            if self.rest().starts_with('\\') {
                let (escaped, length) = escape(self.rest())?;
                return (escaped == character).then(|| self.advance(length));
            }
        }
        if self.style == Style::SingleQuoted && character == '\'' {
            return self.rest().starts_with("''").then(|| self.advance(2));
        }
        self.rest().starts_with(character).then(|| self.advance(character.len_utf8()))
    }

    fn advance(&mut self, length: usize) -> Range<usize> {
        let start = self.at;
        self.at += length;
        start..self.at
    }

    fn skip_whitespace(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Returns true if only white space stands between here and the line's end.
    fn is_fold(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t']);
        rest.starts_with(['\n', '\r'])
    }

    /// Skips `\` at a line's end with the indentation of the next line.
    fn skip_escaped_breaks(&mut self) {
        while let Some(rest) = self.rest().strip_prefix('\\').filter(|rest| rest.starts_with(['\n', '\r'])) {
            self.at += 1 + (rest.len() - rest.trim_start().len());
        }
    }
}

/// Returns the character of an escape in double quotes, and its length in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    let letter = text.chars().nth(1)?;
    let coded = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        let low = || {
            let rest = text.get(2 + digits..)?.strip_prefix("\\u")?;
            u32::from_str_radix(rest.get(..4)?, 16).ok().filter(|low| (0xDC00..0xE000).contains(low))
        };
        // JSON writes a character beyond U+FFFF as a pair of surrogates (RFC 8259, section 7).
        if digits == 4 && (0xD800..0xDC00).contains(&code) {
            let code = 0x10000 + ((code - 0xD800) << 10) + (low()? - 0xDC00);
            return Some((char::from_u32(code)?, 12));
        }
        Some((char::from_u32(code)?, 2 + digits))
    };
    let simple = match letter {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' => return coded(2),
        'u' => return coded(4),
        'U' => return coded(8),
        other => other,
    };
    Some((simple, 1 + letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_api_server_takes_them_for() {
        for (text, meaning) in [
            ("vers=3", Meaning::Text),
            ("on", Meaning::Bool(true)),
            ("NO", Meaning::Bool(false)),
            ("oN", Meaning::Text),
            ("~", Meaning::Null),
            ("5", Meaning::Unsigned(5)),
            ("1_000", Meaning::Unsigned(1000)),
            ("-7", Meaning::Signed(-7)),
            ("010", Meaning::Unsigned(8)),
            ("09", Meaning::Float(9.0)),
            ("0x1f", Meaning::Unsigned(31)),
            ("0b11", Meaning::Unsigned(3)),
            ("4.1", Meaning::Float(4.1)),
            (".5", Meaning::Float(0.5)),
            ("1e3", Meaning::Float(1000.0)),
            ("4.1.2", Meaning::Text),
            ("-", Meaning::Text),
            ("10.0.0.1", Meaning::Text),
            ("2026-11-24", Meaning::Timestamp),
            ("bg", Meaning::Text),
        ] {
            assert_eq!(resolve(text), meaning, "{text}");
        }
    }

    fn place(written: &str, style: Style, value: &str, option: &str) -> String {
        let places = places(written, style, value).expect("they fit together");
        let start = value.find(option).unwrap();
        let range = places[start].start..places[start + option.len() - 1].end;
        written.get(range).unwrap().to_owned()
    }

    #[test]
    fn finds_an_option_in_every_style() {
        for (written, style, value) in [
            ("hard,bg,ro", Style::Plain, "hard,bg,ro"),
            ("hard,\n  bg,ro", Style::Plain, "hard, bg,ro"),
            ("'it''s,bg'", Style::SingleQuoted, "it's,bg"),
            ("\"a\\tb,bg\\n\"", Style::DoubleQuoted, "a\tb,bg\n"),
            ("\"hard,\\\n   bg,ro\"", Style::DoubleQuoted, "hard,bg,ro"),
            ("\"hard,\n   bg,ro\"", Style::DoubleQuoted, "hard, bg,ro"),
            ("|\n    hard,\n    bg,ro\n", Style::Literal, "hard,\nbg,ro\n"),
            (">-\r\n    hard,\r\n    bg,ro\r\n", Style::Folded, "hard, bg,ro"),
            ("\"\\uD83D\\uDE00é,bg\"", Style::DoubleQuoted, "😀é,bg"),
        ] {
            assert_eq!(place(written, style, value, "bg"), "bg", "{written}");
        }
    }

    #[test]
    fn an_escaped_option_is_found_with_its_escapes() {
        assert_eq!(place("\"hard,\\x62g\"", Style::DoubleQuoted, "hard,bg", "bg"), "\\x62g");
    }

    #[test]
    fn what_does_not_fit_has_no_place() {
        assert_eq!(places("'abc'", Style::SingleQuoted, "abd"), None);
    }
}
