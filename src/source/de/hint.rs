//! Suggests the text to write if options are given in a form that the schema does not take: `-
//! nfsvers: 4.1` for `- nfsvers=4.1`, one string for a list, a list for one string.

use super::NodeDeserializer;
use crate::nfs::acceptance::judge;
use crate::nfs::catalog::OptionId;
use crate::nfs::disguised::{MOST_PIECES, meant, whole_options, words};
use crate::nfs::option::MountOption;
use crate::nfs::reading::mentions_background;
use crate::source::rewrite::{Replacement, element};
use crate::source::scalar::{Meaning, resolve};
use crate::source::tree::{Content, NodeId, Style};
use crate::subject::driver::is_option_key;

/// The type that the schema has in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    Texts,
    Other,
}

impl Wanted {
    pub(super) fn parse(expected: &str) -> Self {
        match expected {
            "a string" => Self::Text,
            "a list of strings" => Self::Texts,
            _ => Self::Other,
        }
    }
}

/// Returns the value of `key` as the schema takes it. `item` is the item of its list that does not
/// fit, if it is one.
pub(super) fn options(
    key: &str,
    value: NodeDeserializer<'_>,
    item: Option<usize>,
    wanted: Wanted,
) -> Option<String> {
    if !is_option_key(key) {
        return None;
    }
    let node = match item {
        Some(item) => *value.tree.items(value.id)?.get(item)?,
        None => value.id,
    };
    // One in another type only lacks quotes, but for the number of a version.
    if wanted == Wanted::Text
        && let Some(number) = value.tree.text(node)
        && !matches!(resolve(number), Meaning::Text)
    {
        let version = format!("nfsvers={number}");
        return judge(&MountOption::new(version.as_str())).refusal.is_none().then_some(version);
    }
    // A `bg` is nothing to write.
    let is_bg = |option: &String| MountOption::new(option.as_str()).keyword() == "bg";
    let holds_bg = |option: &String| option.contains(',') && mentions_background(option);
    let mut all: Vec<String> = of(value, node)?
        .into_iter()
        .map(|option| if is_bg(&option) { "fg".to_owned() } else { option })
        .collect();
    // One `fg` is enough.
    let mut is_foreground = false;
    all.retain(|option| option != "fg" || !std::mem::replace(&mut is_foreground, true));
    let is_plain = |option: &String| {
        !option.is_empty() && !option.contains([' ', '"', '\'', '\n', '{', '}', '[', ']', '#', '&', '*', '!'])
    };
    let is_scalar = value.tree.text(node).is_some();
    if all.iter().any(holds_bg) {
        return None;
    }
    // The pieces of a value that a comma cut are no options.
    let is_known = |option: &String| MountOption::new(option.as_str()).entry().is_some();
    if all.is_empty() || !all.iter().all(|option| is_plain(option) && (all.len() == 1 || is_known(option))) {
        return None;
    }
    match wanted {
        Wanted::Texts => Some(format!("[{}]", all.join(", "))),
        Wanted::Text if is_scalar => None,
        Wanted::Text if item.is_some() && all.len() > 1 => {
            Some(format!("{} as elements of their own", all.join(" and ")))
        }
        Wanted::Text => Some(all.join(",")),
        Wanted::Other => None,
    }
}

/// An option that commas cut into items of a list in brackets: `[rsize=1,048,576]`.
pub(super) struct CutOff {
    /// Its first item.
    pub(super) head: String,
    /// The option as it should be written.
    pub(super) option: String,
    /// The text in the place of all its items.
    pub(super) replacement: Replacement,
}

/// Returns the option that `item` is the rest of.
pub(super) fn cut_off(key: &str, value: NodeDeserializer<'_>, item: usize) -> Option<CutOff> {
    let tree = value.tree;
    let Content::List { items, flow: true } = &tree.written(value.id).filter(|_| is_option_key(key))?.content
    else {
        return None;
    };
    let text = |index: usize| items.get(index).and_then(|item| tree.text(*item));
    let mut before = (item.saturating_sub(MOST_PIECES)..item).rev();
    let start = before.find(|index| text(*index).is_some_and(|text| text.contains('=')))?;
    let texts: Vec<&str> = (start..items.len().min(start + MOST_PIECES)).map_while(text).collect();
    let meant = meant(&texts).filter(|meant| start + meant.pieces > item)?;
    let [option] = meant.options.as_slice() else { return None };
    let (first, last) =
        (tree.written(*items.get(start)?)?, tree.written(*items.get(start + meant.pieces - 1)?)?);
    let is_json = matches!(first.content, Content::Scalar { style: Style::DoubleQuoted, .. });
    let (start, end) = (first.span.start, last.span.end);
    let replacement = Replacement { start, end, with: element(option, true, is_json) };
    Some(CutOff { head: (*texts.first()?).to_owned(), option: option.clone(), replacement })
}

/// Returns the remedy for options in another form if what they amount to cannot be told.
pub(super) fn advice(
    key: &str,
    value: NodeDeserializer<'_>,
    item: Option<usize>,
    wanted: Wanted,
) -> Option<&'static str> {
    let is_number = |node: NodeId| {
        let text = value.tree.text(node).map(resolve);
        matches!(text, Some(Meaning::Unsigned(_) | Meaning::Signed(_) | Meaning::Float(_)))
    };
    match (wanted, item) {
        _ if !is_option_key(key) => None,
        (Wanted::Texts, _) if hides_background(value, item) => {
            Some("write one option per element, with fg for bg")
        }
        (Wanted::Texts, _) => Some("write one option per element"),
        (Wanted::Text, Some(item))
            if value
                .tree
                .items(value.id)
                .and_then(|items| items.get(item))
                .is_some_and(|item| is_number(*item)) =>
        {
            Some("no option is a number alone: write NAME=VALUE")
        }
        _ => None,
    }
}

/// Returns true if options in another form hold a `bg`.
pub(super) fn hides_background(value: NodeDeserializer<'_>, item: Option<usize>) -> bool {
    let node = match item {
        Some(item) => value.tree.items(value.id).and_then(|items| items.get(item).copied()),
        None => Some(value.id),
    };
    node.is_some_and(|node| holds_background(value, node))
}

fn holds_background(from: NodeDeserializer<'_>, node: NodeId) -> bool {
    match from.tree.node(node).map(|node| &node.content) {
        Some(Content::Scalar { text, .. }) => {
            words(text).any(|(_, word)| MountOption::new(word).keyword() == "bg") || mentions_background(text)
        }
        Some(Content::List { items, .. }) => items.iter().any(|item| holds_background(from, *item)),
        Some(Content::Map { .. }) => {
            let entries = from.tree.entries(node).unwrap_or_default();
            // `bg: false` names it, too: the API server takes neither.
            entries.iter().any(|(key, value)| holds_background(from, *key) || holds_background(from, *value))
        }
        Some(Content::Alias(_)) | None => false,
    }
}

/// Returns the text that gives a value the form that the schema takes, where that is one map in the
/// place of one option, or a string on one line in the place of a list.
pub(super) fn replacement(
    value: NodeDeserializer<'_>,
    item: Option<usize>,
    wanted: Wanted,
) -> Option<Replacement> {
    let node = match item {
        Some(item) => *value.tree.items(value.id)?.get(item)?,
        None => value.id,
    };
    let all = of(value, node)?;
    // The API server takes no such object, so a soft mount would be a new one: a person decides.
    if all.iter().any(|option| is_soft(option)) {
        return None;
    }
    let written = value.tree.written(node)?;
    match (&written.content, wanted) {
        (Content::Map { entries, flow }, Wanted::Text) if item.is_some() => {
            let ([(key, last)], [option]) = (entries.as_slice(), all.as_slice()) else { return None };
            let key = value.tree.written(*key)?;
            let last = value.tree.written(*last)?.span.end;
            let end = if *flow { written.span.end } else { last.max(key.span.end) };
            let is_json = matches!(key.content, Content::Scalar { style: Style::DoubleQuoted, .. });
            let start = if *flow { written.span.start } else { key.span.start };
            Some(Replacement { start, end, with: element(option, *flow, is_json) })
        }
        (
            Content::Scalar { style: Style::Plain | Style::SingleQuoted | Style::DoubleQuoted, .. },
            Wanted::Texts,
        ) => {
            let is_json = matches!(written.content, Content::Scalar { style: Style::DoubleQuoted, .. });
            let elements: Vec<String> = all.iter().map(|option| element(option, true, is_json)).collect();
            let (start, end) = (written.span.start, written.span.end);
            Some(Replacement { start, end, with: format!("[{}]", elements.join(", ")) })
        }
        // In braces, each entry an option; or a list in the list.
        (Content::Map { flow: true, .. }, Wanted::Texts)
        | (Content::List { flow: true, .. }, Wanted::Text) => {
            let (start, end) = (written.span.start, written.span.end);
            let is_json = is_json(value, node);
            let elements: Vec<String> = all.iter().map(|option| element(option, true, is_json)).collect();
            let elements = elements.join(", ");
            let is_whole = wanted == Wanted::Texts;
            // In lines, each element has one of its own; brackets begin before the first.
            let first = value.tree.items(value.id).and_then(|items| value.tree.written(*items.first()?));
            let is_in_brackets = first.is_some_and(|first| value.offset() < first.span.start);
            let has_room = all.len() == 1 || is_in_brackets;
            let with = if is_whole { format!("[{elements}]") } else { elements };
            Some(Replacement { start, end, with }).filter(|_| is_whole || item.is_some() && has_room)
        }
        _ => None,
    }
}

fn is_soft(option: &str) -> bool {
    matches!(MountOption::new(option).entry().map(|entry| entry.id), Some(OptionId::Soft | OptionId::Softerr))
}

/// Returns true if the first text in a value stands in double quotes, as in JSON.
fn is_json(from: NodeDeserializer<'_>, node: NodeId) -> bool {
    match from.tree.written(node).map(|written| &written.content) {
        Some(Content::Scalar { style, .. }) => *style == Style::DoubleQuoted,
        Some(Content::List { items, .. }) => items.first().is_some_and(|item| is_json(from, *item)),
        Some(Content::Map { entries, .. }) => entries.first().is_some_and(|(key, _)| is_json(from, *key)),
        Some(Content::Alias(_)) | None => false,
    }
}

/// Returns the options that a value amounts to, if they can be told.
fn of(from: NodeDeserializer<'_>, node: NodeId) -> Option<Vec<String>> {
    match &from.tree.node(node)?.content {
        // `mountOptions: true` names none.
        Content::Scalar { text, style, .. } if *style == Style::Plain && resolve(text) != Meaning::Text => {
            None
        }
        Content::Scalar { text, .. } => Some(whole_options(text)),
        Content::List { items, .. } => {
            let all: Option<Vec<_>> = items.iter().map(|item| of(from, *item)).collect();
            all.map(|all| all.concat())
        }
        Content::Map { .. } => {
            from.tree.entries(node)?.iter().map(|(key, value)| pair(from, *key, *value)).collect()
        }
        Content::Alias(_) => None,
    }
}

/// `nfsvers: 4.1` as an option; `hard:` and `hard: true` are a flag, and what
/// `hard: false` means is not certain.
fn pair(from: NodeDeserializer<'_>, key: NodeId, value: NodeId) -> Option<String> {
    let key = from.tree.text(key)?;
    let value = from.tree.text(value)?;
    match resolve(value) {
        Meaning::Null | Meaning::Bool(true) => Some(key.to_owned()),
        Meaning::Bool(false) => None,
        Meaning::Text => Some(format!("{key}={value}")),
        _ => is_plain_number(value).then(|| format!("{key}={value}")),
    }
}

/// Returns true for a number that is written as its value is: `0600`, `1_000` and `4.10` may be meant
/// otherwise than YAML reads them.
fn is_plain_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && is_digits(part) && part.len() == 1 && (whole == "0" || !whole.starts_with('0'))
}
