//! Text of the Common Expression Language (CEL), as far as Kubernetes 1.30
//! knows it: literals, lists, and the comparisons with names and patterns.

use std::fmt::Write as _;

use crate::subject::driver::glob;

/// Columns of a line of generated CEL, before it is put into YAML.
const WIDTH: usize = 96;

/// Returns a string literal. Raw where it holds a backslash, so that a pattern reads as one.
pub(super) fn string(text: &str) -> String {
    if text.chars().all(|c| c != '\'' && (c == ' ' || c.is_ascii_graphic())) {
        let raw = if text.contains('\\') { "r" } else { "" };
        return format!("{raw}'{text}'");
    }
    let mut literal = String::from("'");
    for character in text.chars() {
        match character {
            '\'' | '\\' => literal.extend(['\\', character]),
            ' ' | '!'..='~' => literal.push(character),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(literal, "\\U{:08x}", u32::from(other));
            }
        }
    }
    literal.push('\'');
    literal
}

/// Returns a list literal, over several lines where it is long.
pub(super) fn list(items: &[&str]) -> String {
    let literals: Vec<String> = items.iter().map(|item| string(item)).collect();
    let line = format!("[{}]", literals.join(", "));
    if line.len() <= WIDTH {
        return line;
    }
    let mut text = String::from("[");
    // The first item begins a line.
    let mut column = WIDTH;
    for (index, literal) in literals.iter().enumerate() {
        let comma = if index + 1 < literals.len() { "," } else { "" };
        if column + literal.len() + 2 > WIDTH {
            text.push_str("\n  ");
            column = 2;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(literal);
        text.push_str(comma);
        column += literal.len() + comma.len();
    }
    text.push_str("\n]");
    text
}

/// Returns the text with every line but the first moved to the right.
pub(super) fn hanging(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// Returns CEL that is true if one of the terms is; `None` for no terms, which is never true.
pub(super) fn any(terms: &[String]) -> Option<String> {
    match terms {
        [] => None,
        [term] => Some(term.clone()),
        terms if terms.iter().map(|term| term.len() + 4).sum::<usize>() <= WIDTH => {
            Some(format!("({})", terms.join(" || ")))
        }
        terms => Some(format!("(\n  {}\n)", hanging(&terms.join(" ||\n"), 2))),
    }
}

/// Returns CEL that is true if the string `text` matches one of `patterns`, in which a `*` matches
/// any text. `None` if there are no patterns.
pub(super) fn is_one_of(text: &str, patterns: &[&str]) -> Option<String> {
    let (globs, names): (Vec<&str>, Vec<&str>) = patterns.iter().partition(|pattern| pattern.contains('*'));
    let mut terms = Vec::new();
    match names.as_slice() {
        [] => {}
        [name] => terms.push(format!("{text} == {}", string(name))),
        names => terms.push(format!("{text} in {}", list(names))),
    }
    let mut expressions = Vec::new();
    for pattern in globs {
        match pattern.strip_suffix('*') {
            Some("") => return Some("true".to_owned()),
            Some(prefix) if !prefix.contains('*') => {
                terms.push(format!("{text}.startsWith({})", string(prefix)));
            }
            _ => match pattern.split_once('*') {
                Some(("", end)) if !end.contains('*') => {
                    terms.push(format!("{text}.endsWith({})", string(end)));
                }
                // Regular expressions cost several times as much.
                Some((start, end)) if !end.contains('*') && !may_share(start, end) => {
                    let (start, end) = (string(start), string(end));
                    terms.push(format!("({text}.startsWith({start}) && {text}.endsWith({end}))"));
                }
                _ => expressions.push(regular_expression(pattern)),
            },
        }
    }
    let alternatives = expressions.join("|");
    if expressions.len() > 1 && alternatives.len() < WIDTH {
        expressions = vec![format!("({alternatives})")];
    }
    terms.extend(expressions.iter().map(|one| format!("{text}.matches({})", string(&format!("^{one}$")))));
    any(&terms)
}

/// Returns true if the last letters of `start` may be the first ones of `end`: a text that has both may
/// be shorter than the two.
fn may_share(start: &str, end: &str) -> bool {
    let ends = end.char_indices().map(|(at, letter)| at + letter.len_utf8());
    ends.filter_map(|at| end.get(..at)).any(|letters| start.ends_with(letters))
}

/// Returns a pattern as RE2 has it, without anchors.
fn regular_expression(pattern: &str) -> String {
    let mut text = String::new();
    for character in pattern.chars() {
        match character {
            '*' => text.push_str(".*"),
            // RE2 refuses the escape of a letter, and takes that of any punctuation.
            c if c.is_ascii_punctuation() && !matches!(c, '-' | '/' | '_') => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

/// Returns true if the first of `entries` whose pattern the string `text` matches is one that is
/// wanted. `None` where it never is.
pub(super) fn first_is<T>(text: &str, entries: &[(&str, T)], wanted: impl Fn(&T) -> bool) -> Option<String> {
    let (patterns, names): (Vec<_>, Vec<_>) = entries
        .iter()
        .enumerate()
        .map(|(index, (pattern, value))| (index, *pattern, wanted(value)))
        .partition(|(_, pattern, is_wanted)| pattern.contains('*') || !is_wanted);
    let is_taken =
        |index: usize, name: &str| entries.iter().take(index).any(|(earlier, _)| glob(earlier, name));
    let names: Vec<&str> =
        names.iter().filter(|(index, name, _)| !is_taken(*index, name)).map(|(_, name, _)| *name).collect();
    // An excluded pattern only matters if it overlaps a wanted one after it.
    let counts = |position: usize, pattern: &str| {
        patterns.iter().skip(position).any(|(_, later, is_wanted)| *is_wanted && may_overlap(pattern, later))
    };
    let mut runs: Vec<(bool, Vec<&str>)> = Vec::new();
    for (position, (_, pattern, is_wanted)) in patterns.iter().enumerate() {
        if !is_wanted && !counts(position, pattern) {
            continue;
        }
        match runs.last_mut() {
            Some((run, patterns)) if run == is_wanted => patterns.push(pattern),
            _ => runs.push((*is_wanted, vec![pattern])),
        }
    }
    // From the last run on: each earlier one overrides what follows it.
    let by_pattern = runs.iter().rev().fold(None, |rest: Option<String>, (is_wanted, patterns)| {
        let is = is_one_of(text, patterns)?;
        match (is_wanted, rest) {
            (true, None) => Some(is),
            (true, Some(rest)) => Some(format!("({is} || {rest})")),
            (false, rest) => Some(format!("{} && {}", not(&is), rest?)),
        }
    });
    any(&is_one_of(text, &names).into_iter().chain(by_pattern).collect::<Vec<_>>())
}

/// Returns the opposite of an expression that this module made.
pub(super) fn not(expression: &str) -> String {
    match expression.split_once(" == ") {
        Some((one, other)) if !expression.contains(['(', '&', '|']) => format!("{one} != {other}"),
        _ if expression.starts_with('(') || !expression.contains(' ') => format!("!{expression}"),
        _ => format!("!({expression})"),
    }
}

/// Returns true if some text may match both; exact unless both are patterns.
fn may_overlap(one: &str, other: &str) -> bool {
    match (one.split_once('*'), other.split_once('*')) {
        (None, None) => one == other,
        (None, Some(_)) => glob(other, one),
        (Some(_), None) => glob(one, other),
        (Some((start, rest)), Some((other_start, other_rest))) => {
            let end = rest.rsplit('*').next().unwrap_or_default();
            let other_end = other_rest.rsplit('*').next().unwrap_or_default();
            (start.starts_with(other_start) || other_start.starts_with(start))
                && (end.ends_with(other_end) || other_end.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_can_hold_any_text() {
        assert_eq!(string("a.b"), "'a.b'");
        assert_eq!(string(r"a\.b"), r"r'a\.b'");
        assert_eq!(string("it's\n\\"), r"'it\'s\U0000000a\\'");
    }

    #[test]
    fn a_pattern_is_asked_for_in_the_cheapest_way() {
        assert_eq!(is_one_of("d", &[]), None);
        assert_eq!(is_one_of("d", &["a"]).as_deref(), Some("d == 'a'"));
        assert_eq!(is_one_of("d", &["a", "b*"]).as_deref(), Some("(d == 'a' || d.startsWith('b'))"));
        assert_eq!(
            is_one_of("d", &["*.x", "b*c"]).as_deref(),
            Some("(d.endsWith('.x') || (d.startsWith('b') && d.endsWith('c')))")
        );
        assert_eq!(
            is_one_of("d", &["ab*cd", "*a*", "b*b"]).as_deref(),
            Some("((d.startsWith('ab') && d.endsWith('cd')) || d.matches('^(.*a.*|b.*b)$'))")
        );
        assert_eq!(is_one_of("d", &["a", "*"]).as_deref(), Some("true"));
    }

    #[test]
    fn an_earlier_pattern_takes_a_name_from_a_later_one() {
        let entries = [("a", 1), ("ab*", 2), ("abc", 1), ("a*", 1), ("z*", 1)];
        assert_eq!(first_is("d", &entries, |value| *value == 2).as_deref(), Some("d.startsWith('ab')"));
        assert_eq!(
            first_is("d", &entries, |value| *value == 1).as_deref(),
            Some("(d == 'a' || !d.startsWith('ab') && (d.startsWith('a') || d.startsWith('z')))")
        );
        assert_eq!(first_is("d", &entries, |value| *value == 3), None);
    }

    #[test]
    fn a_long_list_has_several_lines() {
        let names = ["a".repeat(60), "b".repeat(60)];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(list(&names).lines().count(), 4);
    }
}
