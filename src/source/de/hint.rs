//! Suggests the text to write if options are given in a form that the schema does not take: `-
//! nfsvers: 4.1` for `- nfsvers=4.1`, one string for a list, a list for one string.

use super::NodeDeserializer;
use super::respelling::{Obstacle, is_plain_flow, respelt};
use crate::nfs::acceptance::{self, Refusal, judge};
use crate::nfs::catalog::OptionId;
use crate::nfs::disguised::{MOST_PIECES, meant, whole_options, words};
use crate::nfs::intended::intended;
use crate::nfs::option::MountOption;
use crate::nfs::placeholder::{has_placeholder, masked};
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

/// The text to write in the place of options in another form.
pub(super) struct Hint {
    /// The same in words: the end of a sentence.
    pub(super) advice: String,
    /// The text, or the reason why it is not written.
    pub(super) replacement: Result<Replacement, Obstacle>,
}

/// Returns how the value of `key` is written as the schema takes it; `None` for a key that holds no
/// options. `item` is the item of its list that does not fit, if it is one.
pub(super) fn of_options(
    key: &str,
    value: NodeDeserializer<'_>,
    item: Option<usize>,
    wanted: Wanted,
) -> Option<Hint> {
    if !is_option_key(key) || wanted == Wanted::Other {
        return None;
    }
    let node = match item {
        Some(item) => *value.tree.items(value.id)?.get(item)?,
        None => value.id,
    };
    let uncertain = |advice: String| Some(Hint { advice, replacement: Err(Obstacle::Uncertain) });
    if let Some(directive) = directive(value, node) {
        return uncertain(format!(
            "{directive} is a directive of a strategic merge patch, not an option: check the patched object"
        ));
    }
    // One in another type only lacks quotes, but for the number of a version.
    if wanted == Wanted::Text
        && let Some(number) = value.tree.text(node)
        && !matches!(resolve(number), Meaning::Text)
    {
        let version = format!("nfsvers={number}");
        if judge(&MountOption::new(version.as_str())).refusal.is_none() {
            let other = item.and_then(|item| other_version(value, item));
            return uncertain(
                other.map_or_else(|| format!("write {version}"), |other| one_of(&version, &other)),
            );
        }
        if item.is_some() && resolve(number) == Meaning::Null {
            return uncertain("remove the empty element".to_owned());
        }
        let is_number =
            matches!(resolve(number), Meaning::Unsigned(_) | Meaning::Signed(_) | Meaning::Float(_));
        let advice = item.filter(|_| is_number).map(|_| "no option is a number alone: write NAME=VALUE");
        return advice.and_then(|advice| uncertain(advice.to_owned()));
    }
    let instead = if hides_background(value, item) { ", with fg for bg" } else { "" };
    let raw = of(value, node);
    let all = raw.as_deref().map(proposed).unwrap_or_default();
    let is_said = !all.is_empty()
        && !all.iter().any(|option| option.contains(',') && mentions_background(option))
        && all.iter().all(|option| is_plain(&masked(option)) && (all.len() == 1 || is_known(option)));
    let Some(raw) = raw.filter(|_| is_said) else {
        let is_list = wanted == Wanted::Texts || item.is_some() && value.tree.text(node).is_none();
        return is_list.then(|| format!("write one option per element{instead}")).and_then(uncertain);
    };
    // A value that is still to be filled in may be any.
    let is_refused = |option: &&String| {
        !has_placeholder(option)
            && judge(&MountOption::new(option.as_str()))
                .refusal
                .is_some_and(|refusal| refusal != Refusal::Unknown)
    };
    if let Some(refused) = all.iter().find(is_refused) {
        let refusal = judge(&MountOption::new(refused.as_str())).refusal?;
        let form =
            if wanted == Wanted::Texts || all.len() > 1 { "one option per element" } else { "NAME=VALUE" };
        return uncertain(format!("write {form}{instead}, and correct {refused}: {refusal}"));
    }
    let versions: Vec<&String> = all.iter().filter(|option| names_version(option)).collect();
    if let [one, other, ..] = versions.as_slice() {
        let advice = format!("write one option per element{instead}; {}", one_of(one, other));
        return Some(Hint { advice, replacement: Err(Obstacle::Versions) });
    }
    let is_scalar = value.tree.text(node).is_some();
    let advice = match wanted {
        Wanted::Text if is_scalar => return None,
        Wanted::Texts => {
            let elements: Vec<String> = all.iter().map(|option| element(option, true, false)).collect();
            format!("write [{}]{instead}", elements.join(", "))
        }
        Wanted::Text if item.is_some() && all.len() > 1 => {
            format!("write {} as elements of their own{instead}", all.join(" and "))
        }
        _ => format!("write {}{instead}", all.join(",")),
    };
    let other = item.and_then(|item| other_version(value, item));
    if let Some((version, other)) = versions.first().zip(other.as_ref()) {
        // The rule about two versions removes an equal one.
        let replacement = if requests_same(version, other) {
            respelt(value, node, item, wanted, &raw)
        } else {
            Err(Obstacle::Versions)
        };
        let is_alone = all.len() == 1;
        let remedy = one_of(version, other);
        let advice = if is_alone { remedy } else { format!("{advice}; {remedy}") };
        return Some(Hint { advice, replacement });
    }
    // The API server takes no such object, so a soft mount would be a new one: a person decides.
    let replacement = if raw.iter().any(|option| has_placeholder(option)) {
        Err(Obstacle::Uncertain)
    } else if raw.iter().any(|option| is_soft(option)) {
        Err(Obstacle::Soft)
    } else {
        respelt(value, node, item, wanted, &raw)
    };
    Some(Hint { advice, replacement })
}

/// The keys by which a strategic merge patch says how it changes a list or a map
/// (<https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go>).
const DIRECTIVES: [&str; 4] = ["$patch", "$retainKeys", "$deleteFromPrimitiveList/", "$setElementOrder/"];

/// Returns the key of a map that is a directive of a strategic merge patch.
fn directive(from: NodeDeserializer<'_>, node: NodeId) -> Option<&str> {
    let is_directive = |key: &&str| {
        DIRECTIVES.iter().any(|name| if name.ends_with('/') { key.starts_with(name) } else { key == name })
    };
    let entries = from.tree.entries(node)?;
    entries.iter().find_map(|(key, _)| from.tree.text(*key).filter(is_directive))
}

/// Returns options as they should be written: with `fg` for `bg`, once, and with the value that is
/// meant where every layer refuses the one that is there.
fn proposed(raw: &[String]) -> Vec<String> {
    let respelt = |option: &String| {
        let option = MountOption::new(option.as_str());
        // A `bg` is nothing to write.
        if option.keyword() == "bg" {
            return "fg".to_owned();
        }
        let is_refused = judge(&option).refusal.is_some();
        intended(&option).filter(|_| is_refused).unwrap_or_else(|| option.text().to_owned())
    };
    let mut all: Vec<String> = raw.iter().map(respelt).collect();
    let mut is_foreground = false;
    all.retain(|option| option != "fg" || !std::mem::replace(&mut is_foreground, true));
    all
}

fn is_plain(option: &str) -> bool {
    !option.is_empty() && !option.contains([' ', '"', '\'', '\n', '{', '}', '[', ']', '#', '&', '*', '!'])
}

/// Returns true for an option of the catalog: the pieces of a value that a comma cut are none.
fn is_known(option: &str) -> bool {
    MountOption::new(option).entry().is_some()
}

fn names_version(option: &str) -> bool {
    MountOption::new(option).entry().is_some_and(acceptance::names_version)
}

fn requests_same(one: &str, other: &str) -> bool {
    let request =
        |text: &str| acceptance::version_request(&MountOption::new(text)).map(|request| request.versions);
    request(one).is_some() && request(one) == request(other)
}

/// Returns the version that another item of the list names.
fn other_version(value: NodeDeserializer<'_>, item: usize) -> Option<String> {
    let items = value.tree.items(value.id)?.iter().enumerate().filter(|(index, _)| *index != item);
    let mut options = items.filter_map(|(_, node)| of(value, *node)).flatten();
    options.find(|option| names_version(option))
}

/// Returns what to do about two versions, of which mount.nfs takes one.
fn one_of(version: &str, other: &str) -> String {
    if requests_same(version, other) {
        format!("write one version: {other} is there already")
    } else {
        format!("keep one of {version} and {other}: only one version option is allowed")
    }
}

/// An option that commas cut into items of a list in brackets: `[rsize=1,048,576]`.
pub(super) struct CutOff {
    /// Its first item.
    pub(super) head: String,
    /// The option as it should be written.
    pub(super) option: String,
    /// The text in the place of all its items, or the reason why it is not written.
    pub(super) replacement: Result<Replacement, Obstacle>,
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
    let replacement = is_plain_flow(tree.source, &(start..end)).map(|()| Replacement {
        start,
        end,
        with: element(option, true, is_json),
    });
    Some(CutOff { head: (*texts.first()?).to_owned(), option: option.clone(), replacement })
}

/// Returns true if options in another form hold a `bg`.
fn hides_background(value: NodeDeserializer<'_>, item: Option<usize>) -> bool {
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

fn is_soft(option: &str) -> bool {
    matches!(MountOption::new(option).entry().map(|entry| entry.id), Some(OptionId::Soft | OptionId::Softerr))
}

/// Returns the options that a value amounts to, if they can be told.
pub(super) fn of(from: NodeDeserializer<'_>, node: NodeId) -> Option<Vec<String>> {
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

/// Reads `nfsvers: 4.1` as an option; `hard:` and `hard: true` are a flag, and what `hard: false` means is
/// not certain.
pub(super) fn pair(from: NodeDeserializer<'_>, key: NodeId, value: NodeId) -> Option<String> {
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
