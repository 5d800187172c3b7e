//! Anchors, tags and plain scalars: those that kubectl's reader takes for
//! something else are refused.
//!
//! go-yaml ends the name of an anchor at the first character that is no letter,
//! digit, `_` or `-` ([`scannerc.go`], `yaml_parser_scan_anchor`), takes a comma
//! for a part of a tag, and carries out `!!binary` ([`decode.go`], `scalar`).
//!
//! [`scannerc.go`]: https://github.com/yaml/go-yaml/blob/v2.4.4/scannerc.go
//! [`decode.go`]: https://github.com/yaml/go-yaml/blob/v2.4.4/decode.go

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::Tag;

use crate::source::scalar::BLANKS;
use crate::source::{Fault, Problem};

/// The value that kubectl reads from a scalar with a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tagged {
    /// Its text, whatever it looks like.
    Text,
    /// The meaning of a plain scalar with its text, also in quotes.
    Plain,
}

const CORE: &str = "tag:yaml.org,2002:";

/// Reads a tag.
///
/// # Errors
///
/// When kubectl reads another value than the text that stands there.
pub(super) fn tagged(tag: &Tag, at: usize) -> Result<Tagged, Problem> {
    let whole = format!("{}{}", tag.handle, tag.suffix);
    match whole.strip_prefix(CORE) {
        Some("str" | "map" | "seq") => Ok(Tagged::Text),
        Some("int" | "float" | "bool" | "null" | "timestamp") => Ok(Tagged::Plain),
        Some("binary") => Err(hidden(
            at,
            "tag !!binary: kubectl decodes the base64 and reads a value that the file does not show; \
write the value itself, or base64 without the tag",
        )),
        // An unknown tag makes a string of a scalar, for go-yaml as well.
        None if tag.suffix != "!" || !tag.handle.is_empty() => Ok(Tagged::Text),
        _ => {
            let name = if whole == "!" { Cow::Borrowed("!") } else { Cow::Owned(whole) };
            Err(hidden(at, &format!("tag {name}: kubectl reads the value differently; delete the tag")))
        }
    }
}

/// Looks at the anchor and the tag, or the alias, that `span` begins with.
///
/// # Errors
///
/// When kubectl ends one of them elsewhere.
pub(super) fn check(text: &str, span: &Range<usize>) -> Result<(), Problem> {
    let mut at = span.start;
    while let Some(rest) = text.get(at..).filter(|rest| rest.starts_with(['&', '*', '!'])) {
        let end = rest.find(|c: char| BLANKS.contains(&c) || matches!(c, '[' | ']' | '{' | '}'));
        let property = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let is_tag = property.starts_with('!');
        let name = property.get(1..).unwrap_or_default();
        // In brackets a comma ends a name, for kubectl too, and a tag for this reader only.
        let name = if is_tag { name } else { name.split(',').next().unwrap_or_default() };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_verbatim = name.starts_with('<');
        if is_tag && !is_verbatim && name.contains(',') || !is_tag && !name.chars().all(is_plain) {
            return Err(hidden(
                at,
                &format!(
                    "kubectl ends the name {property} earlier or later; use letters, digits, - and _, and a space after it"
                ),
            ));
        }
        if property.starts_with('*') {
            break;
        }
        let length = 1 + name.len();
        let behind = rest.get(length..).unwrap_or_default();
        at += length + (behind.len() - behind.trim_start_matches(BLANKS).len());
    }
    Ok(())
}

/// Looks at a plain scalar in brackets or braces. There go-yaml takes every `?`
/// for the mark of a key, and a `:` for that of a value where a scalar may begin
/// and before white space, but not before a comma or a bracket (`scannerc.go`,
/// `yaml_parser_fetch_next_token`, `yaml_parser_scan_plain_scalar`).
///
/// # Errors
///
/// When one of them stands in it or after it.
pub(super) fn check_plain(text: &str, span: &Range<usize>) -> Result<(), Problem> {
    let written = text.get(span.clone()).unwrap_or_default();
    let behind = text.get(span.end..).unwrap_or_default().trim_start_matches(BLANKS);
    let is_cut = behind.strip_prefix(':').is_some_and(|behind| behind.starts_with([',', ']', '}', '[', '{']));
    if written.contains('?') || written.starts_with(':') || is_cut {
        let message =
            "kubectl reads ? and : differently in brackets; quote the text, and write a space after the :";
        return Err(Problem::at(span.start, message.to_owned()));
    }
    Ok(())
}

fn hidden(at: usize, message: &str) -> Problem {
    Problem { fault: Fault::Hidden, ..Problem::at(at, message.to_owned()) }
}
