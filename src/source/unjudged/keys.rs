//! Keys that hold mount options, and values that lead to one.

use super::texts::{leads_to_options, without_index};
use super::{FileSystem, Search, descriptions, is_background, misplaced};
use crate::nfs::option;
use crate::source::tree::NodeId;
use crate::subject::driver::{names_mount_options, speaks_of_options};

impl Search<'_> {
    /// Returns true if a key holds mount options: by its name, or by its value where the name is
    /// that of options of any sort and no field beside it names another file system.
    pub(super) fn holds_options(&self, name: &str, value: NodeId, beside: &[(NodeId, NodeId)]) -> bool {
        // Kyverno adds a key with this anchor where it is missing.
        let unanchored = name.strip_prefix("+(").and_then(|rest| rest.strip_suffix(')'));
        if names_mount_options(without_index(unanchored.unwrap_or(name))) {
            return self.holds_text(value);
        }
        let is_nfs = |text: &String| option::has_nfs_option(text);
        speaks_of_options(name) && {
            let texts = misplaced::texts(self.tree, value);
            !texts.is_empty()
                && texts.iter().all(|text| option::are_options(text))
                && texts.iter().any(is_nfs)
                && descriptions::file_system(self.tree, beside) != FileSystem::Other
        }
    }

    /// Returns true for a policy of this program: its options are patterns of what is exempt.
    pub(super) fn is_own_policy(&self, node: NodeId) -> bool {
        let text = |key| self.tree.get(node, key).and_then(|value| self.tree.text(value));
        text("kind") == Some("MountPolicy")
            && text("apiVersion").is_some_and(|version| version.starts_with("nfs-mount-guard.io/"))
    }

    /// Returns true if a value describes the property of its name, as `properties` of a JSON schema do
    /// (a `CustomResourceDefinition`, the schema of a chart's values): it holds no options itself.
    pub(super) fn is_schema(&self, value: NodeId) -> bool {
        const KEYWORDS: [&str; 5] = ["type", "$ref", "anyOf", "oneOf", "allOf"];
        let is_property = self.path.iter().rev().nth(1).is_some_and(|parent| parent == "properties");
        is_property && KEYWORDS.iter().any(|keyword| self.tree.get(value, keyword).is_some())
    }

    /// Returns true if the path leads to a field beside the server and the path of a Pod's NFS volume
    /// that is meant to be an option, which nothing reads.
    pub(super) fn is_option_in_source(&self, name: &str, value: NodeId) -> bool {
        let Some(at) = self.pods else { return false };
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let of_volumes = path.strip_prefix(at.path()).unwrap_or_default();
        matches!(of_volumes, ["volumes", _, "nfs", _])
            && self.tree.text(value).is_some_and(|text| misplaced::meant_in_source(name, text).is_some())
    }

    /// Returns true if an entry of the mapping at `map` says of another value that it becomes mount
    /// options: an operation of a JSON patch, a value that is set by its path (Argo CD
    /// `helm.parameters`, Flux `valuesFrom`, Kustomize `replacements`, a mutation of Gatekeeper).
    pub(super) fn leads_to_options(&self, map: NodeId, name: &str, value: NodeId) -> bool {
        let tree = self.tree;
        let text = || tree.text(value).unwrap_or_default();
        let beside = |key: &str| tree.get(map, key).and_then(|value| tree.text(value));
        match name {
            "path" => {
                let is_written = !matches!(beside("op"), Some("remove" | "test"));
                let last = text().rsplit('/').next().unwrap_or_default();
                // `options` alone may be those of anything: its value tells.
                let holds =
                    || tree.get(map, "value").is_some_and(|value| self.holds_options(last, value, &[]));
                text().starts_with('/') && is_written && (leads_to_options(text()) || holds())
            }
            "name" => {
                // Argo CD takes the value of a parameter from a file, too.
                let is_set = |key| beside(key).is_some_and(|value| !value.is_empty());
                leads_to_options(text()) && ["value", "path"].into_iter().any(is_set)
            }
            // Crossplane
            "targetPath" | "toFieldPath" => leads_to_options(text()),
            // Without another path the value goes to the same one.
            "fromFieldPath" => {
                let is_patch = self.path.iter().nth_back(2).is_some_and(|parent| parent == "patches");
                is_patch && beside("toFieldPath").is_none_or(str::is_empty) && leads_to_options(text())
            }
            "patchesFrom" => {
                let from = tree.get(value, "fieldPath").and_then(|from| tree.text(from));
                beside("toFieldPath").is_none_or(str::is_empty) && from.is_some_and(leads_to_options)
            }
            // Gatekeeper
            "location" => {
                let operation =
                    tree.get(map, "parameters").map(|parameters| tree.get(parameters, "operation"));
                let operation =
                    operation.map(|operation| operation.and_then(|operation| tree.text(operation)));
                operation.is_some_and(|operation| operation != Some("prune"))
                    && text().split(['.', '/', '[', ']', '"', '\'']).any(names_mount_options)
            }
            "fieldPaths" => {
                let items = tree.items(value).unwrap_or_default();
                items.iter().any(|item| tree.text(*item).is_some_and(leads_to_options))
            }
            _ => false,
        }
    }

    /// Returns the entry next to one that leads to options, in which they are.
    pub(super) fn written_beside(name: &str) -> &'static str {
        if name == "location" { "parameters" } else { "value" }
    }

    /// Returns true if a value is a text, or a list of texts, that is not empty; or if options
    /// stand deeper in it.
    pub(super) fn holds_text(&self, value: NodeId) -> bool {
        let is_flat = match self.tree.items(value) {
            Some(items) => items.iter().any(|item| self.tree.string(*item).is_some()),
            None => self.tree.string(value).is_some(),
        };
        let is_option = |text: &String| option::are_options(text) || is_background(text);
        is_flat || misplaced::texts_within(self.tree, value).iter().any(is_option)
    }
}
