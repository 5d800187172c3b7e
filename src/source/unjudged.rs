//! Mount options in what is not judged: values of Helm charts, claims, patches,
//! Secrets of provisioners, Terraform. They are named, so that no report passes
//! over them in silence. Their values are never shown: a Secret may hold them.

use std::path::Path;

use memchr::{memchr, memmem, memrchr};

use super::tree::{Content, NodeId, Style, Tree};
use crate::kind::{Kind, PodSpec};
use crate::site::MOUNT_OPTIONS_ANNOTATION;
use crate::subject::Misplaced;
use crate::subject::driver::{names_mount_options, resembles_mount_options};

/// Something that is not judged and holds mount options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Its kind; empty where it says none.
    pub kind: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name; empty where it has none.
    pub name: String,
    /// Where the first of the options stand, in bytes.
    pub offset: usize,
    /// The path to them: `spec.values.storageClass.mountOptions`.
    pub at: String,
}

/// Most nodes of a document that are looked at, and how deep.
const MOST_NODES: usize = 500_000;
const DEEPEST: usize = 64;

/// Whether a text, such as a patch or a manifest in another one, has a line
/// `mountOptions:` with something behind it or below.
fn has_key(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        let key = line.split_once([':', '=']).map_or("", |(key, _)| key.trim());
        let quotes = ['"', '\'', '{', '}', '[', ']', ',', ' '];
        let value = line.split_once(':').map_or("", |(_, value)| value).trim_matches(quotes);
        let key = key.trim_matches(quotes);
        names_mount_options(key) || key == "path" && is_patched(value)
    })
}

/// Whether the path of a JSON patch leads to mount options, or to one of them.
fn is_patched(path: &str) -> bool {
    path.starts_with('/') && path.split('/').any(|step| names_mount_options(&step.replace("~1", "/")))
}

/// Whether JSON text may hold mount options, without looking closely.
pub(super) fn may_hold_options(part: &str) -> bool {
    let bytes = part.as_bytes();
    let follows = |at: usize, word: &[u8]| {
        let rest = bytes.get(at..).unwrap_or_default();
        let rest = rest.strip_prefix(b"_").or(rest.strip_prefix(b"-")).unwrap_or(rest);
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let of_mount = memmem::find_iter(bytes, b"ount")
        .any(|at| [&b"opt"[..], b"flag"].iter().any(|word| follows(at + 4, word)));
    of_mount
        || ["nfsOptions", "nfs_options", "nfs-options", "\\u", "MOUNT", "NFS"]
            .iter()
            .any(|word| memmem::find(bytes, word.as_bytes()).is_some())
}

/// Looks for mount options in the document, or a part of it, at `node`.
pub(super) fn find(tree: &Tree<'_>, node: NodeId) -> Option<Unjudged> {
    search(tree, node, None)
}

/// The same in a workload whose Pods are specified at `at`, but for the attributes
/// of their inline volumes, which are judged.
pub(super) fn find_beside_volumes(tree: &Tree<'_>, node: NodeId, at: PodSpec) -> Option<Unjudged> {
    search(tree, node, Some(at))
}

fn search(tree: &Tree<'_>, node: NodeId, judged: Option<PodSpec>) -> Option<Unjudged> {
    let mut search = Search { tree, judged, left: MOST_NODES, path: Vec::new() };
    let offset = search.visit(node)?;
    let text = |of: Option<NodeId>, key: &str| tree.text(tree.get(of?, key)?).map(ToOwned::to_owned);
    let metadata = tree.get(node, "metadata");
    Some(Unjudged {
        kind: text(Some(node), "kind").unwrap_or_default(),
        namespace: text(metadata, "namespace"),
        name: text(metadata, "name").unwrap_or_default(),
        offset,
        at: search.path.join("."),
    })
}

struct Search<'t> {
    tree: &'t Tree<'t>,
    /// Where the Pods are specified whose inline volumes are judged.
    judged: Option<PodSpec>,
    left: usize,
    /// The keys and indices on the way, the outermost first.
    path: Vec<String>,
}

impl Search<'_> {
    /// Where options stand at or below `node`, aliases not followed: what they
    /// stand for is elsewhere in the document.
    fn visit(&mut self, node: NodeId) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        if self.path.len() > DEEPEST || self.judged.is_some_and(|at| self.is_spared(at)) {
            return None;
        }
        let tree = self.tree;
        match &tree.written(node)?.content {
            Content::Map { entries, .. } => entries.iter().find_map(|(key, value)| {
                let name = tree.text(*key).unwrap_or_default();
                self.path.push(name.to_owned());
                let found = if names_mount_options(name) && self.holds_text(*value)
                    || name == "path" && tree.text(*value).is_some_and(is_patched)
                {
                    Some(tree.written(*key)?.span.start)
                } else {
                    self.visit(*value)
                };
                self.leave(found)
            }),
            Content::List { items, .. } => items.iter().enumerate().find_map(|(index, item)| {
                self.path.push(index.to_string());
                let found = self.visit(*item);
                self.leave(found)
            }),
            // A manifest or a patch in a text.
            Content::Scalar { text, style, .. }
                if (text.contains('\n') || matches!(style, Style::Literal | Style::Folded))
                    && has_key(text) =>
            {
                Some(tree.written(node)?.span.start)
            }
            Content::Scalar { .. } | Content::Alias(_) => None,
        }
    }

    /// Whether the path leads to what is judged, or to what the API server writes.
    fn is_spared(&self, at: PodSpec) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let of_volumes = path.strip_prefix(at.path()).unwrap_or_default();
        matches!(of_volumes, ["volumes", _, "csi", "volumeAttributes"])
            || path == ["metadata", "managedFields"]
    }

    fn leave(&mut self, found: Option<usize>) -> Option<usize> {
        if found.is_none() {
            self.path.pop();
        }
        found
    }

    /// Whether a value is a text, or a list of texts, that is not empty.
    fn holds_text(&self, value: NodeId) -> bool {
        match self.tree.items(value) {
            Some(items) => items.iter().any(|item| self.tree.string(*item).is_some()),
            None => self.tree.string(value).is_some(),
        }
    }
}

/// The fields of an object that is judged which hold options and which nothing
/// reads.
pub(super) fn misplaced(tree: &Tree<'_>, node: NodeId, kind: Kind) -> Vec<Misplaced> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    collect(tree, node, kind, &mut path, &mut found);
    found
}

/// Whether other rules look at a path, or the API server writes it.
fn is_spared(path: &[String], kind: Kind) -> bool {
    const READ: [&[&str]; 7] = [
        &["parameters"],
        &["spec", "csi", "volumeAttributes"],
        &["spec", "flexVolume", "options"],
        &["metadata", "managedFields"],
        &["metadata", "labels"],
        &["metadata", "annotations", MOUNT_OPTIONS_ANNOTATION],
        &["status"],
    ];
    let is = |steps: &[&str]| path.iter().map(String::as_str).eq(steps.iter().copied());
    let list = kind.row().list;
    READ.iter().any(|steps| is(steps)) || !list.is_empty() && is(list)
}

fn collect(tree: &Tree<'_>, node: NodeId, kind: Kind, path: &mut Vec<String>, found: &mut Vec<Misplaced>) {
    /// The deepest place at which someone writes options by mistake: the source.
    const DEEPEST_FIELD: usize = 4;
    let Some(entries) = tree.entries(node).filter(|_| path.len() < DEEPEST_FIELD) else { return };
    for (key, value) in entries.iter() {
        let name = tree.text(*key).unwrap_or_default();
        path.push(name.to_owned());
        if !is_spared(path, kind) {
            let texts = texts(tree, *value);
            if !texts.is_empty() && (names_mount_options(name) || resembles_mount_options(name)) {
                found.push(Misplaced { path: path.clone(), texts });
            } else {
                collect(tree, *value, kind, path, found);
            }
        }
        path.pop();
    }
}

/// A text, or the texts of a list, that are not empty.
fn texts(tree: &Tree<'_>, value: NodeId) -> Vec<String> {
    let items = tree.items(value).map_or_else(|| vec![value], <[NodeId]>::to_vec);
    items.into_iter().filter_map(|item| tree.string(item).map(ToOwned::to_owned)).collect()
}

/// How many keys of JSON text name mount options, or nearly so. Those in a text,
/// such as the object that kubectl keeps in an annotation, do not count.
pub(super) fn keys_like_options(part: &str) -> usize {
    let bytes = part.as_bytes();
    let is_key = |at: usize| {
        let start = memrchr(b'"', bytes.get(..at)?)?;
        let is_escaped = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\\');
        let end = at + memchr(b'"', bytes.get(at..)?)?;
        let key = part.get(start + 1..end)?;
        let follows = part.get(end + 1..)?.trim_start().starts_with(':');
        Some(!is_escaped && follows && (names_mount_options(key) || resembles_mount_options(key)))
    };
    let words = [&b"pti"[..], b"PTI", b"opt", b"flag", b"Flag"];
    let mut places: Vec<usize> = words.iter().flat_map(|word| memmem::find_iter(bytes, word)).collect();
    places.sort_unstable();
    let mut count = 0;
    let mut counted_to = 0;
    for at in places {
        if at >= counted_to && is_key(at) == Some(true) {
            count += 1;
            counted_to = at + memchr(b'"', bytes.get(at..).unwrap_or_default()).unwrap_or_default();
        }
    }
    count
}

/// Whether a file is written in Terraform's own language, by its name.
pub fn is_terraform(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tf"))
}

/// The mount options of a Terraform file, as its provider for Kubernetes names
/// them: one entry an assignment of `mount_options`, or of a text that names them.
pub fn of_terraform(text: &str) -> Vec<Unjudged> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start();
        let is_comment = code.starts_with('#') || code.starts_with("//");
        if let Some((at, key)) = assigned(line).filter(|_| !is_comment) {
            found.push(Unjudged {
                kind: "Terraform".to_owned(),
                namespace: None,
                name: String::new(),
                offset: offset + at,
                at: key.to_owned(),
            });
        }
        offset += line.len();
    }
    found
}

/// The first word of a line that names mount options, with its place: a key that
/// something is assigned to, or a path in quotes as `set` of `helm_release` has it.
fn assigned(line: &str) -> Option<(usize, &str)> {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let mut rest = 0;
    while let Some(start) = line.get(rest..)?.find(is_of_word).map(|start| rest + start) {
        let word = line.get(start..)?;
        let word = word.get(..word.find(|letter| !is_of_word(letter)).unwrap_or(word.len()))?;
        rest = start + word.len();
        let behind = line.get(rest..)?.trim_start_matches(['"', ' ', '\t']);
        let is_key = behind.starts_with(['=', ':']) && !behind.starts_with("==");
        let is_path = word.contains('.')
            && (behind.starts_with('[') || behind.is_empty() || line.get(rest..)?.starts_with('"'));
        if names_mount_options(word) && (is_key || is_path) {
            return Some((start, word));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::text::Lines;
    use super::super::trees;
    use super::*;

    fn found(text: &str) -> Option<(String, usize)> {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next()?.ok()?;
        let found = find(&tree, tree.root()?)?;
        Some((found.at, lines.position(found.offset).line))
    }

    #[test]
    fn options_are_found_wherever_they_hide() {
        for (text, at, line) in [
            ("spec:\n  values:\n    a: {mountOptions: [bg]}\n", "spec.values.a.mountOptions", 3),
            ("nfs:\n  mountOptions:\n  - bg\n", "nfs.mountOptions", 2),
            ("kind: Secret\nstringData: {mountOptions: \"bg\"}\n", "stringData.mountOptions", 2),
            ("- op: add\n  path: /spec/mountOptions\n  value: [bg]\n", "0.path", 2),
            ("patches:\n- patch: |-\n    mountOptions: [bg]\n", "patches.0.patch", 3),
            (
                "patches:\n- patch: |-\n    - op: add\n      path: /mountOptions/-\n      value: bg\n",
                "patches.0.patch",
                3,
            ),
            (
                "metadata:\n  annotations: {volume.beta.kubernetes.io/mount-options: bg}\n",
                "metadata.annotations.volume.beta.kubernetes.io/mount-options",
                2,
            ),
        ] {
            assert_eq!(found(text), (line > 0).then(|| (at.to_owned(), line)), "{text}");
        }
    }

    #[test]
    fn other_words_are_none() {
        for text in [
            "mountOptions: []\n",
            "mountOptions:\n",
            "properties:\n  mountOptions: {type: array, description: the mountOptions of a class}\n",
            "options: [bg]\n",
            "description: |\n  Set mountOptions where you need them.\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn terraform_is_read_wherever_a_line_names_options() {
        for (text, at) in [
            ("resource \"a\" \"b\" { spec { mount_options = [\"bg\"] } }\n", Some("mount_options")),
            ("manifest = { kind = \"StorageClass\", mountOptions = [\"bg\"] }\n", Some("mountOptions")),
            ("  set { name = \"storageClass.mountOptions[0]\" }\n", Some("storageClass.mountOptions")),
            ("volume_attributes = { \"mountOptions\" = \"bg\" }\n", Some("mountOptions")),
            ("variable \"mount_options\" {}\n", None),
            ("value = var.mount_options\n", None),
            ("// mount_options = []\n", None),
        ] {
            let found = of_terraform(text);
            assert_eq!(found.first().map(|found| found.at.as_str()), at, "{text}");
        }
    }

    #[test]
    fn terraform_is_read_line_by_line() {
        let text = "resource \"kubernetes_storage_class\" \"a\" {\n  # mount_options = []\n  mount_options = [\"bg\"]\n}\n";
        let found = of_terraform(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].at.as_str(), Lines::new(text).position(found[0].offset).line),
            ("mount_options", 3)
        );
    }
}
