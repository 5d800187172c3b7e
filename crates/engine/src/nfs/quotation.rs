//! Quotes text of an object in messages.

use super::option;

/// Most characters of an option in a message.
const SHORT: usize = 80;

/// Returns a sentence that begins with a part of an element.
pub(crate) fn about(text: &str, element: Option<&str>, what: &str) -> String {
    let is_short = text.len() <= SHORT && option::is_plain(text);
    if is_short && element.is_none_or(|element| element == text) {
        return ["\"", text, "\" ", what].concat();
    }
    [&quoted(text, element), " ", what].concat()
}

/// Returns a part of an element, and the whole element where that holds more.
pub(crate) fn quoted(text: &str, element: Option<&str>) -> String {
    match element {
        Some(element) if element != text && element.len() <= 120 => {
            format!("{text:?} in {element:?}")
        }
        _ => format!("{:?}", shortened(text)),
    }
}

/// Returns at most [`SHORT`] characters of `text`, for a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
