//! Fields of objects that are evaluated which hold options and which nothing reads.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::{memchr, memmem, memrchr};
use serde_json::value::RawValue;

use super::super::scalar::{Meaning, resolve};
use super::super::tree::{NodeId, Tree};
use crate::kind::{Holds, Kind};
use crate::nfs::option::MountOption;
use crate::site::{InlineVolume, MOUNT_OPTIONS_ANNOTATION};
use crate::subject::driver::{is_option_key, resembles_mount_options, speaks_of_options};
use crate::subject::{Misplaced, may_be_meant, meant, stray_annotation};

/// Paths that other rules look at, or that the API server writes, in any object.
const READ: [&[&str]; 4] = [
    &["metadata", "managedFields"],
    &["metadata", "labels"],
    &["metadata", "annotations", MOUNT_OPTIONS_ANNOTATION],
    &["status"],
];

/// Returns the mappings of an object that its driver reads, which other rules look at.
const fn read_by_driver(holds: Holds) -> &'static [&'static [&'static str]] {
    match holds {
        Holds::Class | Holds::Snapshots => &[&["parameters"]],
        Holds::Volume => &[&["spec", "csi", "volumeAttributes"], &["spec", "flexVolume", "options"]],
        Holds::InlineVolumes(_) => &[&["csi", "volumeAttributes"]],
        Holds::Claim => &[],
    }
}

/// Mappings in which a driver finds its settings, where they stand at their own place.
const SETTINGS: [&str; 3] = ["parameters", "volumeAttributes", "options"];

/// The source of a volume that kubelet mounts, and all that it reads of it: whatever else
/// stands there is meant to be an option.
const SOURCE: [&str; 2] = ["spec", "nfs"];
const OF_SOURCE: [&str; 3] = ["server", "path", "readOnly"];

/// The annotations, of which another name is read by nothing.
const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];

/// The deepest place at which someone writes options by mistake: the source.
const DEEPEST_FIELD: usize = 4;

/// Returns the fields of an object that is evaluated which hold options and which nothing reads.
pub(crate) fn misplaced(tree: &Tree<'_>, node: NodeId, kind: Kind) -> Vec<Misplaced> {
    let row = kind.row();
    let read = read_by_driver(row.holds);
    let shared = shared(tree, node, READ.iter().chain(read).copied().chain([row.list]));
    let (path, found, values) = (Vec::new(), Vec::new(), Vec::new());
    let mut search = Search { tree, list: row.list, read, shared, begin: 0, path, found, values };
    search.visit(node);
    search.without_anchors()
}

/// Returns the same of an inline volume of the workload at `node`.
pub(crate) fn in_volume(tree: &Tree<'_>, node: NodeId, volume: InlineVolume) -> Vec<Misplaced> {
    let path: Vec<String> = volume.steps().into_iter().map(Cow::into_owned).collect();
    let step = |at: NodeId, step: &String| match tree.items(at) {
        Some(items) => items.get(step.parse::<usize>().ok()?).copied(),
        None => tree.get(at, step),
    };
    let Some(at) = path.iter().try_fold(node, step) else { return Vec::new() };
    let begin = path.len();
    let read = read_by_driver(volume.kind.row().holds);
    let shared = shared(tree, at, READ.iter().chain(read).copied());
    let (found, values) = (Vec::new(), Vec::new());
    let mut search = Search { tree, list: &[], read, shared, begin, path, found, values };
    search.visit(at);
    search.without_anchors()
}

/// Returns the values at the places that are read, and in them, of a document with aliases: such a value
/// counts there, and not where its anchor is.
fn shared<'p>(tree: &Tree<'_>, node: NodeId, read: impl Iterator<Item = &'p [&'p str]>) -> Vec<NodeId> {
    if tree.aliases.is_empty() {
        return Vec::new();
    }
    let at = |steps: &[&str]| steps.iter().try_fold(node, |node, step| tree.get(node, step));
    let mut shared = Vec::new();
    for value in read.filter(|steps| !steps.is_empty()).filter_map(at) {
        shared.push(tree.target(value));
        shared.extend(tree.entries(value).unwrap_or_default().iter().map(|(_, value)| tree.target(*value)));
    }
    shared
}

struct Search<'t> {
    tree: &'t Tree<'t>,
    /// The places at which Kubernetes reads options; empty for none.
    list: &'static [&'static str],
    /// The fields that are passed over in addition to [`READ`].
    read: &'static [&'static [&'static str]],
    /// The values that are read elsewhere, too.
    shared: Vec<NodeId>,
    /// Steps of the path that lead to where the search began.
    begin: usize,
    path: Vec<String>,
    found: Vec<Misplaced>,
    /// The values of those found, aliases followed.
    values: Vec<NodeId>,
}

impl Search<'_> {
    fn visit(&mut self, node: NodeId) {
        let tree = self.tree;
        let is_deep = self.path.len() >= self.begin + DEEPEST_FIELD;
        let Some(entries) = tree.entries(node).filter(|_| !is_deep) else { return };
        let is_setting = self
            .path
            .get(self.begin..)
            .is_some_and(|path| path.last().is_some_and(|last| SETTINGS.contains(&last.as_str())));
        let is_source = self.begin == 0 && self.path.iter().eq(SOURCE);
        // An inline volume has no metadata of its own.
        let is_annotation = self.begin == 0 && self.path.iter().eq(ANNOTATIONS);
        for (key, value) in entries.iter() {
            // A value that an alias brings to its right place is read there.
            // An anchor where nothing reads it is there for its aliases.
            if self.shared.contains(value) || self.begin == 0 && tree.is_kept_for_aliases(*value) {
                continue;
            }
            let name = tree.text(*key).unwrap_or_default();
            self.path.push(name.to_owned());
            if !self.is_spared() {
                let options = options_at(tree, *value);
                let is_one = match (is_annotation, options.as_slice()) {
                    (true, [text]) => stray_annotation(name, text).is_some(),
                    _ => !options.is_empty() && may_be_meant(name, &options),
                };
                let of_setting = || {
                    if is_source {
                        meant_in_source(name, tree.text(*value)?)
                    } else {
                        tree.string(*value).filter(|_| is_setting).and_then(|text| meant(name, text))
                    }
                };
                if is_one {
                    self.add(*value, options);
                } else if let Some(option) = of_setting() {
                    self.add(*value, vec![option]);
                } else {
                    self.visit(*value);
                }
            }
            self.path.pop();
        }
    }

    fn add(&mut self, value: NodeId, texts: Vec<String>) {
        self.found.push(Misplaced { path: self.path.clone(), texts });
        self.values.push(self.tree.target(value));
    }

    /// Returns those found, but for the anchor of a value that an alias brings to another of them.
    fn without_anchors(self) -> Vec<Misplaced> {
        let Self { found, values, tree, .. } = self;
        if tree.aliases.is_empty() {
            return found;
        }
        let is_anchor = |index: usize, value: &NodeId| {
            let is_first = values.iter().position(|other| other == value) == Some(index);
            is_first && values.iter().skip(index + 1).any(|other| other == value)
        };
        let kept = found.into_iter().zip(&values).enumerate();
        kept.filter(|(index, (_, value))| !is_anchor(*index, value)).map(|(_, (found, _))| found).collect()
    }

    fn is_spared(&self) -> bool {
        let path = self.path.iter().skip(self.begin).map(String::as_str);
        let is = |steps: &[&str]| path.clone().eq(steps.iter().copied());
        READ.iter().chain(self.read).any(|steps| is(steps)) || !self.list.is_empty() && is(self.list)
    }
}

/// Returns the option that a field beside the server and the path of a volume is meant to be.
pub(crate) fn meant_in_source(name: &str, value: &str) -> Option<String> {
    if OF_SOURCE.contains(&name) || value.eq_ignore_ascii_case("false") {
        return None;
    }
    let word = name.to_ascii_lowercase();
    let is_flag = value.is_empty() || value.eq_ignore_ascii_case("true");
    let is_word = MountOption::new(&word).entry().is_some();
    match (is_word, is_flag) {
        (true, true) => Some(word),
        _ => meant(name, value).or_else(|| is_word.then(|| format!("{word}={value}"))),
    }
}

/// Returns true if JSON text has a source with more fields than are read of one.
pub(crate) fn has_others_in_source(part: &str) -> bool {
    const KEY: &str = "\"nfs\"";
    memmem::find_iter(part.as_bytes(), KEY).any(|at| {
        let is_escaped = part.get(..at).is_some_and(|before| before.ends_with('\\'));
        let value = part.get(at + KEY.len()..).map(str::trim_start);
        let fields = value.and_then(|value| value.strip_prefix(':')).map(str::trim_start);
        let Some(fields) = fields.filter(|fields| !is_escaped && fields.starts_with('{')) else {
            return false;
        };
        let end = fields.find('}').map_or(fields.len(), |end| end + 1);
        let names: Result<HashMap<Cow<'_, str>, &RawValue>, _> =
            serde_json::from_str(fields.get(..end).unwrap_or_default());
        // A source is flat: what is not read so is looked at as a whole.
        names.map_or(true, |names| names.keys().any(|name| !OF_SOURCE.contains(&&**name)))
    })
}

/// Returns a text, or the texts of a list, that are not empty.
pub(super) fn texts(tree: &Tree<'_>, value: NodeId) -> Vec<String> {
    let items = tree.items(value).map_or_else(|| vec![value], <[NodeId]>::to_vec);
    items.into_iter().filter_map(|item| tree.string(item).map(ToOwned::to_owned)).collect()
}

/// Collects as [`texts`] does, at any depth of lists and mappings: a switch that is on, `bg: true`, is the
/// option of its name.
pub(super) fn texts_within(tree: &Tree<'_>, value: NodeId) -> Vec<String> {
    let mut texts = Vec::new();
    add_texts(tree, value, DEEPEST_TEXT, &mut texts);
    texts
}

/// The deepest text in a value of options, and the most of them.
const DEEPEST_TEXT: usize = 4;
const MOST_TEXTS: usize = 1000;

fn add_texts(tree: &Tree<'_>, value: NodeId, depth: usize, texts: &mut Vec<String>) {
    if depth == 0 || texts.len() >= MOST_TEXTS {
        return;
    }
    if let Some(entries) = tree.entries(value) {
        for (key, value) in entries.iter() {
            // A word in braces, as Helm has a list on its command line, is a key without a value.
            let is_on = tree
                .text(*value)
                .is_some_and(|text| matches!(resolve(text), Meaning::Bool(true) | Meaning::Null));
            if is_on {
                texts.extend(tree.text(*key).map(ToOwned::to_owned));
            }
            add_texts(tree, *value, depth - 1, texts);
        }
    } else if let Some(items) = tree.items(value) {
        for item in items {
            add_texts(tree, *item, depth - 1, texts);
        }
    } else {
        texts.extend(tree.string(value).map(ToOwned::to_owned));
    }
}

/// Collects as [`texts`] does; where a mapping stands in place of a list or of an element, each of its
/// entries as the option that it is meant for: `{nconnect: 4, hard: true}`. Of a list nothing is left
/// out, so that it is not moved without it.
fn options_at(tree: &Tree<'_>, value: NodeId) -> Vec<String> {
    if tree.entries(value).is_some() {
        return options_of(tree, value).unwrap_or_default();
    }
    let Some(items) = tree.items(value) else { return texts(tree, value) };
    let of_item = |item: &NodeId| -> Vec<String> {
        if let Some(nested) = tree.items(*item) {
            return nested.iter().map(|item| tree.text(*item).unwrap_or(UNREADABLE).to_owned()).collect();
        }
        let options = options_of(tree, *item);
        options.unwrap_or_else(|| vec![tree.text(*item).unwrap_or(UNREADABLE).to_owned()])
    };
    items.iter().flat_map(of_item).filter(|text| !text.is_empty()).collect()
}

/// The text of an element that is no option, however it is read.
const UNREADABLE: &str = "{}";

/// Returns the options that a mapping is meant for; `None` where it is none of options: it has a mapping
/// or a list in it.
fn options_of(tree: &Tree<'_>, value: NodeId) -> Option<Vec<String>> {
    let option = |(key, value): &(NodeId, NodeId)| {
        let (key, value) = (tree.text(*key)?, tree.text(*value)?);
        let is_flag =
            value.is_empty() || resolve(value) == Meaning::Null || value.eq_ignore_ascii_case("true");
        Some(if is_flag { key.to_owned() } else { format!("{key}={value}") })
    };
    tree.entries(value)?.iter().map(option).collect()
}

/// Returns the number of keys of JSON text that name mount options, or nearly so. Those in a text,
/// such as the object that kubectl keeps in an annotation, do not count.
pub(crate) fn keys_like_options(part: &str) -> usize {
    let bytes = part.as_bytes();
    let is_key = |at: usize| {
        let start = memrchr(b'"', bytes.get(..at)?)?;
        let is_escaped = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\\');
        let end = at + memchr(b'"', bytes.get(at..)?)?;
        let key = part.get(start + 1..end)?;
        let follows = part.get(end + 1..)?.trim_start().starts_with(':');
        let is_like_options = is_option_key(key) || resembles_mount_options(key) || speaks_of_options(key);
        Some(!is_escaped && follows && is_like_options)
    };
    // Parts of `options` and `flags` in the cases that occur: a search for a few bytes is many times faster
    // than a parser.
    let words = [&b"pti"[..], b"PTI", b"opt", b"Opt", b"flag", b"Flag"];
    let mut places: Vec<usize> = words.iter().flat_map(|word| memmem::find_iter(bytes, word)).collect();
    places.sort_unstable();
    let mut count = 0;
    let mut counted_to = 0;
    for at in places {
        if at >= counted_to && is_key(at) == Some(true) {
            count += 1;
            // A key may have several of the words and counts once.
            counted_to = at + memchr(b'"', bytes.get(at..).unwrap_or_default()).unwrap_or_default();
        }
    }
    count
}
