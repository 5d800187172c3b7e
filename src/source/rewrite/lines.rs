//! Lines around a byte of a text.

/// Characters before the byte in its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    let start = line_start(text, at);
    text.get(start..at).map_or(0, |before| before.chars().count())
}

pub(in crate::source) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

/// Returns the end of the line in which the byte stands, before its line break.
pub(in crate::source) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let end = at + rest.find('\n').unwrap_or(rest.len());
    // The break of a line is two characters on Windows.
    if text.get(at..end).is_some_and(|line| line.ends_with('\r')) { end - 1 } else { end }
}

/// Returns the line break of the line in which the byte stands; of the line before in the last one.
pub(in crate::source) fn newline(text: &str, at: usize) -> &'static str {
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let line = match rest.find('\n') {
        Some(end) => rest.get(..end),
        None => before.rfind('\n').and_then(|end| before.get(..end)),
    };
    let is_windows = line.is_some_and(|line| line.ends_with('\r'))
        // The byte may stand between the two.
        || line.is_some_and(str::is_empty) && before.ends_with('\r');
    if is_windows { "\r\n" } else { "\n" }
}
