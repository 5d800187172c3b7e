//! Mount options in what is not evaluated: values of Helm charts, claims, patches,
//! Secrets of provisioners, Terraform. They are named, so that no report passes
//! over them in silence. Their values are never shown: a Secret may hold them.

mod arguments;
mod commands;
mod conditions;
mod descriptions;
mod expressions;
mod found;
mod keys;
mod misplaced;
mod system_files;
mod terraform;
mod texts;

use std::ops::Range;

use memchr::memmem;

use super::tree::{Content, NodeId, Style, Tree};
use crate::kind::{Kind, PodSpec, misnamed};
use crate::nfs::disguised::whole_options;
use crate::nfs::{option, reading};
use crate::subject::driver::{is_option_key, names_mount_options};
use descriptions::FileSystem;
pub use found::{Unjudged, UnjudgedPlace};
pub(super) use misplaced::{has_others_in_source, in_volume, keys_like_options, meant_in_source, misplaced};
use system_files::{background_of, text_of_url};
pub use terraform::{is_terraform, of_terraform};
pub(super) use texts::may_hold_options;
use texts::{
    Embedded, assigns_options, decoded, has_field, has_key, is_for_people, is_prose, mentions_background,
};

/// Most nodes of a document that are looked at, and how deep.
const MOST_NODES: usize = 500_000;
const DEEPEST: usize = 64;

/// The annotation in which kubectl keeps the object itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Texts in texts that are read: a manifest in a patch in a `ConfigMap`.
const DEEPEST_TEXT: usize = 3;

/// Looks for mount options in the document, or a part of it, at `node`.
pub(super) fn find(tree: &Tree<'_>, node: NodeId) -> Option<Unjudged> {
    search(tree, node, None)
}

/// Returns the same below another key of a List, but for what aliases bring to its items, which
/// stand at the bytes `items`.
pub(super) fn find_beside_items(tree: &Tree<'_>, node: NodeId, items: Range<usize>) -> Option<Unjudged> {
    searched(tree, node, Scope::BesideItems(items), None)
}

/// Returns the same in a workload whose Pods are specified at `at`, but for the inline volumes of
/// theirs, which are evaluated.
pub(super) fn find_beside_volumes(tree: &Tree<'_>, node: NodeId, at: PodSpec) -> Option<Unjudged> {
    search(tree, node, Some(at))
}

/// Returns the same in a workload, as an item of a list, which does not say its `kind`; `judged` is where
/// its inline volumes are, if they are evaluated.
pub(super) fn find_in_workload(
    tree: &Tree<'_>,
    node: NodeId,
    kind: Kind,
    judged: Option<PodSpec>,
) -> Option<Unjudged> {
    searched(tree, node, Scope::Beside(judged), Some(kind))
}

/// Returns the texts with mount options in an object whose own places are evaluated, such as a manifest
/// in an annotation.
pub(super) fn find_in_texts(tree: &Tree<'_>, node: NodeId) -> Option<Unjudged> {
    searched(tree, node, Scope::Texts, None)
}

/// Returns true if JSON text may have a text with mount options in it, not counting JSON in a text:
/// kubectl keeps the object itself so.
pub(super) fn may_have_options_in_text(part: &str) -> bool {
    // Of commands and of files of a node. A source has a quote before its `nfs`.
    const MARKS: [&str; 9] =
        [" nfs", "mount ", "mount.nfs", "[Mount]", "type=nfs", "NFSMount", "/&", "nfs\\\",", "nfs4\\\","];
    let has_mark = |mark: &&str| memmem::find(part.as_bytes(), mark.as_bytes()).is_some();
    MARKS.iter().any(has_mark)
        || memmem::find_iter(part.as_bytes(), "ptions").any(|at| {
            let after = part.as_bytes().get(at + "ptions".len()..).unwrap_or_default();
            [&b":"[..], b"=", b" ="].iter().any(|sign| after.starts_with(sign))
        })
}

/// The parts of a document that are looked at.
enum Scope {
    /// All of it, but for the inline volumes of Pods that are specified here.
    Beside(Option<PodSpec>),
    /// All of it, but for what stands at these bytes.
    BesideItems(Range<usize>),
    /// The texts.
    Texts,
}

fn search(tree: &Tree<'_>, node: NodeId, judged: Option<PodSpec>) -> Option<Unjudged> {
    searched(tree, node, Scope::Beside(judged), None)
}

fn searched(tree: &Tree<'_>, node: NodeId, scope: Scope, named: Option<Kind>) -> Option<Unjudged> {
    let only_texts = matches!(scope, Scope::Texts);
    let (judged, items) = match scope {
        Scope::Beside(judged) => (judged, 0..0),
        Scope::BesideItems(items) => (None, items),
        Scope::Texts => (None, 0..0),
    };
    let text = |of: Option<NodeId>, key: &str| tree.text(tree.get(of?, key)?).map(ToOwned::to_owned);
    let own_kind = text(Some(node), "kind");
    let of_list = || named.map(|kind| kind.as_str().to_owned());
    let kind = own_kind.clone().or_else(of_list).unwrap_or_default();
    let pods = Kind::parse(&kind).and_then(Kind::pod_spec);
    let (path, found) = (Vec::new(), Vec::new());
    let list = Kind::parse(&kind).filter(|_| only_texts).map_or(&[][..], |kind| kind.row().list);
    let mut search =
        Search { tree, pods, judged, items, only_texts, list, left: MOST_NODES, texts: 0, path, found };
    search.visit(node);
    let offset = search.found.first()?.offset;
    let metadata = tree.get(node, "metadata");
    let given = |key| text(metadata, key).filter(|name| !name.is_empty());
    // A Secret, or an unknown kind, may hold passwords.
    let is_shown = Kind::parse(&kind).is_some();
    let is_secret = kind == "Secret";
    let misnamed = own_kind.and_then(|kind| misnamed(&kind, text(Some(node), "apiVersion").as_deref()));
    Some(Unjudged {
        misnamed,
        kind,
        namespace: text(metadata, "namespace"),
        name: given("name").or_else(|| given("generateName")).unwrap_or_default(),
        offset,
        places: search
            .found
            .into_iter()
            .map(|CollectedPlace { offset, path, value, has_bg }| {
                let texts = value.map(|value| misplaced::texts_within(tree, value)).unwrap_or_default();
                let has_bg = !is_secret && (has_bg || texts.iter().any(|text| is_background(text)));
                UnjudgedPlace { offset, path, texts: if is_shown { texts } else { Vec::new() }, has_bg }
            })
            .collect(),
    })
}

/// Returns true if a text of options has a `bg`: as a mount takes it, or as a program that makes the options
/// of it, a list of Helm's in braces or a default in a schema.
fn is_background(text: &str) -> bool {
    let is_it = |text: &String| reading::mentions_background(text);
    reading::mentions_background(text) || whole_options(text).iter().any(is_it) || mentions_background(text)
}

struct Search<'t> {
    tree: &'t Tree<'t>,
    /// The place where Pods are specified.
    pods: Option<PodSpec>,
    /// The same, if their inline volumes are evaluated.
    judged: Option<PodSpec>,
    /// The bytes of the List's items, which are evaluated.
    items: Range<usize>,
    /// True if keys of the document itself do not count.
    only_texts: bool,
    /// The list of options that is evaluated; empty for none.
    list: &'static [&'static str],
    left: usize,
    /// The number of texts that contain the tree.
    texts: usize,
    /// The keys and indices on the way, the outermost first.
    path: Vec<String>,
    found: Vec<CollectedPlace>,
}

/// A place of options.
struct CollectedPlace {
    /// The offset, in bytes.
    offset: usize,
    path: Vec<String>,
    /// The value, where that is the options.
    value: Option<NodeId>,
    /// True if `bg` is among the options of a text.
    has_bg: bool,
}

/// Most places of a document that are named.
const MOST_FOUND: usize = 64;

impl Search<'_> {
    /// Notes where options stand at or below `node`, aliases not followed: what they
    /// stand for is elsewhere in the document.
    fn visit(&mut self, node: NodeId) {
        if self.left == 0 || self.found.len() >= MOST_FOUND {
            return;
        }
        self.left -= 1;
        if self.is_own_policy(node) {
            return;
        }
        if self.tree.is_named_in(node, &self.items) {
            return;
        }
        if self.path.len() > DEEPEST || self.judged.is_some_and(|at| self.is_spared(at, node)) {
            return;
        }
        let tree = self.tree;
        let Some(written) = tree.written(node) else { return };
        match &written.content {
            Content::Map { entries, .. } => {
                if let Some((options, item, index)) = self.of_container(node) {
                    self.path.extend(["args".to_owned(), index.to_string()]);
                    self.note(item, Some(item), options.has_bg);
                    self.path.truncate(self.path.len() - 2);
                }
                if let Some(found) = self.default_field(node) {
                    self.path.extend(["mount_default_fields".to_owned(), found.index.to_string()]);
                    self.note(found.value, Some(found.value), false);
                    self.path.truncate(self.path.len() - 2);
                }
                let described = self.described_by_map(entries).filter(|_| !self.only_texts);
                for (index, (key, value)) in entries.iter().enumerate() {
                    let name = tree.text(*key).unwrap_or_default();
                    self.path.push(name.to_owned());
                    if !self.list.is_empty() && self.path == self.list {
                        // An option of it may look like an assignment.
                    } else if self.only_texts && name != LAST_APPLIED {
                        self.visit(*value);
                    } else if self.only_tests(node, name) {
                        // No object gets it.
                    } else if self.is_schema(*value) && names_mount_options(name) {
                        // Nothing is mounted with a default or an example.
                    } else if described.is_some_and(|found| found.index == index)
                        || self.holds_options(name, *value, entries)
                    {
                        self.note(*key, Some(*value), false);
                    } else if self.is_option_in_source(name, *value) {
                        self.note(*key, None, name.eq_ignore_ascii_case("bg"));
                    } else if self.leads_to_options(node, name, *value) {
                        self.note(*key, tree.get(node, Self::written_beside(name)), false);
                    } else if name == LAST_APPLIED {
                        // The object itself has them, too.
                    } else if self.is_encoded(node, name) {
                        self.visit_encoded(*value);
                    } else {
                        self.visit(*value);
                    }
                    self.path.pop();
                }
            }
            Content::List { items, .. } => {
                let of_command = self.of_command(items);
                let described = self.described_by_list(items);
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    if let Some(options) = of_command.filter(|options| options.word == index) {
                        self.note(*item, Some(*item), options.has_bg);
                    } else if let Some(found) = described.filter(|found| found.index == index) {
                        self.note(*item, Some(found.value), false);
                    } else if index > 0 && self.is_argument(items.get(index - 1).copied(), *item) {
                        self.note(*item, Some(*item), false);
                    } else {
                        self.visit(*item);
                    }
                    self.path.pop();
                }
            }
            Content::Scalar { text, style, .. } => {
                let is_block = matches!(style, Style::Literal | Style::Folded);
                let is_expression = self.path.last().is_some_and(|key| key == "expression");
                let of_expression = || expressions::background_of(text).filter(|_| is_expression);
                if let Some(has_bg) = of_expression().or_else(|| self.in_text(text, is_block)) {
                    self.note(node, None, has_bg);
                }
            }
            Content::Alias(_) => {}
        }
    }

    fn note(&mut self, at: NodeId, value: Option<NodeId>, has_bg: bool) {
        if let Some(node) = self.tree.written(at) {
            self.found.push(CollectedPlace {
                offset: node.span.start,
                path: self.path.clone(),
                value,
                has_bg,
            });
        }
    }

    /// Returns true if the values below a key of the mapping are texts in base64.
    fn is_encoded(&self, map: NodeId, name: &str) -> bool {
        let kind = self.tree.get(map, "kind").and_then(|kind| self.tree.text(kind));
        matches!((kind, name), (Some("Secret"), "data") | (Some("ConfigMap"), "binaryData"))
    }

    /// Looks into values that are texts in base64.
    fn visit_encoded(&mut self, data: NodeId) {
        let tree = self.tree;
        for (key, value) in tree.entries(data).unwrap_or_default().iter() {
            let name = tree.text(*key).unwrap_or_default();
            let Some(written) = tree.text(*value).filter(|text| !text.is_empty()) else { continue };
            self.path.push(name.to_owned());
            // One that is encrypted, or filled in later, cannot be decoded.
            let text = decoded(written).unwrap_or_default();
            let is_list = || option::has_nfs_option(&text) && option::are_options(&text);
            let held = if names_mount_options(name) || is_option_key(name) && is_list() {
                Some(is_background(&text))
            } else {
                self.in_text(&text, true)
            };
            if let Some(has_bg) = held {
                self.note(*key, None, has_bg);
            }
            self.path.pop();
        }
    }

    /// Returns whether `bg` is among the mount options in a text: a manifest, a patch or a values
    /// file that stands in another document, or an assignment to a value of a chart. `None` where
    /// it holds none.
    fn in_text(&self, text: &str, is_block: bool) -> Option<bool> {
        if self.texts >= DEEPEST_TEXT {
            return None;
        }
        if let Some(inner) = text_of_url(text) {
            return self.in_file(&inner, true);
        }
        self.in_file(text, is_block)
    }

    fn in_file(&self, text: &str, is_block: bool) -> Option<bool> {
        if let Some(has_bg) = background_of(text).or_else(|| commands::background_of(text)) {
            return Some(has_bg);
        }
        if !may_hold_options(text) {
            return None;
        }
        let has_lines = is_block || text.contains('\n');
        if !has_lines && assigns_options(text) {
            return Some(mentions_background(text));
        }
        let is_for_people = || self.path.last().is_some_and(|key| is_for_people(key));
        let is_code = || has_field(text) && !is_for_people();
        if !has_lines && is_prose(text) {
            return is_code().then(|| mentions_background(text));
        }
        match Embedded::read(text) {
            Embedded::Documents(documents) => {
                documents.trees().filter_map(|tree| self.in_tree(&tree)).reduce(|one, other| one || other)
            }
            Embedded::Other => (has_lines && has_key(text) || is_code()).then(|| mentions_background(text)),
        }
    }

    fn in_tree(&self, tree: &Tree<'_>) -> Option<bool> {
        let texts = self.texts + 1;
        let mut inner = Search {
            tree,
            pods: None,
            judged: None,
            items: 0..0,
            only_texts: false,
            list: &[],
            left: self.left,
            texts,
            path: Vec::new(),
            found: Vec::new(),
        };
        inner.visit(tree.root()?);
        let has_bg = |found: &CollectedPlace| {
            let texts = found.value.map(|value| misplaced::texts(tree, value)).unwrap_or_default();
            found.has_bg || texts.iter().any(|text| is_background(text))
        };
        (!inner.found.is_empty()).then(|| inner.found.iter().any(has_bg))
    }

    /// Returns true if the path leads to what is evaluated, or to what the API server writes.
    fn is_spared(&self, at: PodSpec, node: NodeId) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let of_volumes = path.strip_prefix(at.path()).unwrap_or_default();
        // Without a driver it is a patch, which is not evaluated.
        let names_driver = |csi| {
            self.tree
                .get(csi, "driver")
                .and_then(|driver| self.tree.text(driver))
                .is_some_and(|driver| !driver.is_empty())
        };
        let is_inline = || self.tree.get(node, "csi").is_some_and(names_driver);
        matches!(of_volumes, ["volumes", _]) && is_inline() || path == ["metadata", "managedFields"]
    }
}

#[cfg(test)]
mod tests;
