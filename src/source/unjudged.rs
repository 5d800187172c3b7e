//! Mount options in what is not judged: values of Helm charts, claims, patches,
//! Secrets of provisioners, Terraform. They are named, so that no report passes
//! over them in silence. Their values are never shown: a Secret may hold them.

mod misplaced;
mod terraform;
mod texts;

use super::tree::{Content, NodeId, Style, Tree};
use crate::kind::{Kind, PodSpec};
use crate::nfs::option;
use crate::subject::driver::{is_option_key, names_mount_options};
pub(super) use misplaced::{in_volume, keys_like_options, misplaced};
pub use terraform::{is_terraform, of_terraform};
pub(super) use texts::may_hold_options;
use texts::{Embedded, assigns_options, decoded, has_key, is_prose, leads_to_options, without_index};

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
    /// The path to them, names and indices.
    pub path: Vec<String>,
    /// The options, where they stand in a Pod or in what makes Pods; never those
    /// of a Secret.
    pub texts: Vec<String>,
}

impl Unjudged {
    /// The path to the options: `spec.values.storageClass.mountOptions`.
    pub fn at(&self) -> String {
        self.path.join(".")
    }
}

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

/// The same in a workload whose Pods are specified at `at`, but for the inline
/// volumes of theirs, which are judged.
pub(super) fn find_beside_volumes(tree: &Tree<'_>, node: NodeId, at: PodSpec) -> Option<Unjudged> {
    search(tree, node, Some(at))
}

fn search(tree: &Tree<'_>, node: NodeId, judged: Option<PodSpec>) -> Option<Unjudged> {
    let mut search = Search { tree, judged, left: MOST_NODES, texts: 0, path: Vec::new(), found: None };
    let offset = search.visit(node)?;
    let (path, found) = (search.path, search.found);
    let text = |of: Option<NodeId>, key: &str| tree.text(tree.get(of?, key)?).map(ToOwned::to_owned);
    let metadata = tree.get(node, "metadata");
    let kind = text(Some(node), "kind").unwrap_or_default();
    let is_shown = Kind::parse(&kind).is_some();
    Some(Unjudged {
        kind,
        namespace: text(metadata, "namespace"),
        name: text(metadata, "name").unwrap_or_default(),
        offset,
        path,
        texts: found.filter(|_| is_shown).map(|value| misplaced::texts(tree, value)).unwrap_or_default(),
    })
}

struct Search<'t> {
    tree: &'t Tree<'t>,
    /// Where the Pods are specified whose inline volumes are judged.
    judged: Option<PodSpec>,
    left: usize,
    /// How many texts the tree is in.
    texts: usize,
    /// The keys and indices on the way, the outermost first.
    path: Vec<String>,
    /// The value of the key that was found.
    found: Option<NodeId>,
}

impl Search<'_> {
    /// Where options stand at or below `node`, aliases not followed: what they
    /// stand for is elsewhere in the document.
    fn visit(&mut self, node: NodeId) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        if self.path.len() > DEEPEST || self.judged.is_some_and(|at| self.is_spared(at, node)) {
            return None;
        }
        let tree = self.tree;
        match &tree.written(node)?.content {
            Content::Map { entries, .. } => entries.iter().find_map(|(key, value)| {
                let name = tree.text(*key).unwrap_or_default();
                self.path.push(name.to_owned());
                let found = if self.holds_options(name, *value) || self.leads_to_options(node, name, *value) {
                    self.found = Some(*value);
                    Some(tree.written(*key)?.span.start)
                } else if name == LAST_APPLIED {
                    None
                } else if name == "data" && self.is_secret(node) {
                    self.visit_encoded(*value)
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
            Content::Scalar { text, style, .. } => {
                let is_block = matches!(style, Style::Literal | Style::Folded);
                let is_found = self.is_in_text(text, is_block);
                tree.written(node).filter(|_| is_found).map(|node| node.span.start)
            }
            Content::Alias(_) => None,
        }
    }

    /// Whether a key holds mount options: by its name, or by its value where the
    /// name is that of options of any sort.
    fn holds_options(&self, name: &str, value: NodeId) -> bool {
        if names_mount_options(without_index(name)) {
            return self.holds_text(value);
        }
        let is_nfs = |text: &String| option::has_nfs_option(text);
        is_option_key(name) && {
            let texts = misplaced::texts(self.tree, value);
            !texts.is_empty()
                && texts.iter().all(|text| option::are_options(text))
                && texts.iter().any(is_nfs)
        }
    }

    /// Whether an entry of the mapping at `map` says of another value that it
    /// becomes mount options: an operation of a JSON patch, a value that is set by
    /// its path (Argo CD `helm.parameters`, Flux `valuesFrom`, Kustomize
    /// `replacements`).
    fn leads_to_options(&self, map: NodeId, name: &str, value: NodeId) -> bool {
        let tree = self.tree;
        let text = || tree.text(value).unwrap_or_default();
        let beside = |key: &str| tree.get(map, key).and_then(|value| tree.text(value));
        match name {
            "path" => {
                text().starts_with('/')
                    && leads_to_options(text())
                    && !matches!(beside("op"), Some("remove" | "test"))
            }
            "name" => {
                // Argo CD takes the value of a parameter from a file, too.
                let is_set = |key| beside(key).is_some_and(|value| !value.is_empty());
                leads_to_options(text()) && ["value", "path"].into_iter().any(is_set)
            }
            "targetPath" => leads_to_options(text()),
            "fieldPaths" => {
                let items = tree.items(value).unwrap_or_default();
                items.iter().any(|item| tree.text(*item).is_some_and(leads_to_options))
            }
            _ => false,
        }
    }

    fn is_secret(&self, map: NodeId) -> bool {
        let kind = self.tree.get(map, "kind").and_then(|kind| self.tree.text(kind));
        kind == Some("Secret")
    }

    /// Looks into the values of a Secret, which are texts in base64.
    fn visit_encoded(&mut self, data: NodeId) -> Option<usize> {
        let tree = self.tree;
        tree.entries(data)?.iter().find_map(|(key, value)| {
            let name = tree.text(*key).unwrap_or_default();
            let written = tree.text(*value).filter(|text| !text.is_empty())?;
            self.path.push(name.to_owned());
            // One that is encrypted, or filled in later, cannot be decoded.
            let holds = names_mount_options(name)
                || decoded(written).is_some_and(|text| {
                    let is_list = option::has_nfs_option(&text) && option::are_options(&text);
                    is_option_key(name) && is_list || self.is_in_text(&text, true)
                });
            let found = holds.then(|| tree.written(*key).map(|key| key.span.start)).flatten();
            self.leave(found)
        })
    }

    /// Whether mount options are in a text: a manifest, a patch or a values file
    /// that stands in another document, or an assignment to a value of a chart.
    fn is_in_text(&self, text: &str, is_block: bool) -> bool {
        if self.texts >= DEEPEST_TEXT || !may_hold_options(text) {
            return false;
        }
        let has_lines = is_block || text.contains('\n');
        if !has_lines && assigns_options(text) {
            return true;
        }
        if !has_lines && is_prose(text) {
            return false;
        }
        match Embedded::read(text) {
            Embedded::Documents(documents) => documents.trees().any(|tree| self.is_in_tree(&tree)),
            Embedded::Other => has_lines && has_key(text),
        }
    }

    fn is_in_tree(&self, tree: &Tree<'_>) -> bool {
        tree.root().is_some_and(|root| {
            let texts = self.texts + 1;
            let mut inner =
                Search { tree, judged: None, left: self.left, texts, path: Vec::new(), found: None };
            inner.visit(root).is_some()
        })
    }

    /// Whether the path leads to what is judged, or to what the API server writes.
    fn is_spared(&self, at: PodSpec, node: NodeId) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let of_volumes = path.strip_prefix(at.path()).unwrap_or_default();
        let is_inline = || self.tree.get(node, "csi").is_some_and(|csi| self.tree.entries(csi).is_some());
        matches!(of_volumes, ["volumes", _]) && is_inline() || path == ["metadata", "managedFields"]
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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::text::Lines;
    use super::super::trees;
    use super::*;

    fn found(text: &str) -> Option<(String, usize)> {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next()?.ok()?;
        let found = find(&tree, tree.root()?)?;
        Some((found.at(), lines.position(found.offset).line))
    }

    #[test]
    fn options_are_found_wherever_they_hide() {
        for (text, at, line) in [
            ("spec:\n  values:\n    a: {mountOptions: [bg]}\n", "spec.values.a.mountOptions", 3),
            ("nfs:\n  mountOptions:\n  - bg\n", "nfs.mountOptions", 2),
            ("nfs:\n  options: hard,nconnect=4\n", "nfs.options", 2),
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
    fn options_are_found_in_texts_and_behind_paths() {
        let secret = |text: &str| format!("kind: Secret\ndata: {{a: {}}}\n", STANDARD.encode(text));
        for (text, at) in [
            (
                "patches: [{patch: '[{\"op\":\"add\",\"path\":\"/mountOptions/-\",\"value\":\"bg\"}]'}]\n",
                "patches.0.patch",
            ),
            (
                "patchesJson6902: [{patch: '- {op: add, path: /mountOptions, value: [bg]}'}]\n",
                "patchesJson6902.0.patch",
            ),
            ("patchesStrategicMerge: ['mountOptions: [bg]']\n", "patchesStrategicMerge.0"),
            ("patches: [{patch: 'mountOptions: [bg, hard]'}]\n", "patches.0.patch"),
            (
                "patches: [{patch: '[{op: add, path: /spec, value: {mountOptions: [bg]}}]'}]\n",
                "patches.0.patch",
            ),
            ("- {op: move, path: /mountOptions, from: /a}\n", "0.path"),
            (
                "replacements: [{targets: [{fieldPaths: [mountOptions.0]}]}]\n",
                "replacements.0.targets.0.fieldPaths",
            ),
            ("configMapGenerator: [{literals: ['mountOptions=bg']}]\n", "configMapGenerator.0.literals.0"),
            ("spec: {set: {'storageClass.mountOptions[0]': bg}}\n", "spec.set.storageClass.mountOptions[0]"),
            ("spec: {set: {storageClass.mountOptions: '{bg,hard}'}}\n", "spec.set.storageClass.mountOptions"),
            ("spec: {valuesContent: 'storageClass: {mountOptions: [bg]}'}\n", "spec.valuesContent"),
            ("spec: {valuesContent: \"storageClass:\\n  mountOptions: [bg]\\n\"}\n", "spec.valuesContent"),
            (
                "spec: {valuesFrom: [{kind: Secret, name: a, targetPath: 'storageClass.mountOptions[0]'}]}\n",
                "spec.valuesFrom.0.targetPath",
            ),
            (
                "spec: {source: {helm: {parameters: [{name: 'nfs.mountOptions[0]', value: bg}]}}}\n",
                "spec.source.helm.parameters.0.name",
            ),
            (
                "spec: {sources: [{helm: {valuesObject: {nfs: {mountOptions: [bg]}}}}]}\n",
                "spec.sources.0.helm.valuesObject.nfs.mountOptions",
            ),
            (
                "spec: {source: {helm: {fileParameters: [{name: nfs.mountOptions, path: a.txt}]}}}\n",
                "spec.source.helm.fileParameters.0.name",
            ),
            ("spec: {source: {helm: {values: '{nfs: {mountOptions: [bg]}}'}}}\n", "spec.source.helm.values"),
            (
                "spec: {containers: [{args: [--set, 'a=b,nfs.mountOptions={bg}']}]}\n",
                "spec.containers.0.args.1",
            ),
            ("spec: {containers: [{args: ['--set=nfs.mountOptions[0]=bg']}]}\n", "spec.containers.0.args.0"),
            ("env: [{name: NFS_MOUNT_OPTIONS, value: bg}]\n", "env.0.name"),
            ("data: {class.yaml: \"{{ if a }}\\nmountOptions:\\n- bg\\n{{ end }}\\n\"}\n", "data.class.yaml"),
            (&secret("nfs:\n  mountOptions: [bg]\n"), "data.a"),
            (&secret("{\"mountOptions\":\"bg\"}"), "data.a"),
            (&secret("mountOptions=bg\n"), "data.a"),
            ("kind: Secret\ndata: {mountOptions: Ymc=}\n", "data.mountOptions"),
            ("kind: Secret\ndata: {mountOptions: 'ENC[AES256_GCM,data:a]'}\n", "data.mountOptions"),
            ("kind: Secret\ndata: {options: aGFyZCxiZw==}\n", "data.options"),
            ("objects: [{kind: Secret, data: {mountOptions: Ymc=}}]\n", "objects.0.data.mountOptions"),
        ] {
            assert_eq!(found(text).map(|(at, _)| at), Some(at.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_a_secret_holds_is_never_kept() {
        let kept = |text: &str| {
            let lines = Lines::new(text);
            let tree = trees(text, &lines).next().unwrap().unwrap();
            find(&tree, tree.root().unwrap()).unwrap().texts
        };
        assert_eq!(kept("kind: Secret\nstringData: {mountOptions: bg}\n"), [""; 0]);
        assert_eq!(kept("kind: Pod\nspec: {mountOptions: [hard, bg]}\n"), ["hard", "bg"]);
    }

    #[test]
    fn other_words_are_none() {
        for text in [
            "mountOptions: []\n",
            "mountOptions:\n",
            "properties:\n  mountOptions: {type: array, description: the mountOptions of a class}\n",
            "options: [ndots=2, rotate]\n",
            "dns:\n  options: hard\n",
            "patches: [{patch: '[{\"op\":\"remove\",\"path\":\"/mountOptions\"}]'}]\n",
            "env: [{name: MOUNT_OPTIONS, value: \"\"}]\n",
            "required: [mountOptions]\n",
            "metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"mountOptions\":[\"bg\"]}'\n",
            "message: \"mountOptions=bg is refused\"\n",
            "message: \"mountOptions: those of the class\"\n",
            "message: in mountOptions=bg is refused\n",
            "expression: object.mountOptions.all(o, o != 'bg') && object.mountOptions==[]\n",
            "kind: Secret\ndata: {a: aGFyZCxiZw==, mountOptions: \"\"}\n",
            "kind: ConfigMap\ndata: {a: bW91bnRPcHRpb25zOiBbYmddCg==}\n",
            "description: |\n  Set mountOptions where you need them.\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
