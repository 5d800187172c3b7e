//! Phrases the error for a text that is no policy, or has a word in the place of a mapping.

use super::super::{API_VERSION, KIND};
use super::{PolicyReader, suggestion};
use crate::rules;
use crate::source::tree::{NodeId, Tree};

impl PolicyReader<'_> {
    /// Returns true if a mapping has neither the key nor a misspelling of it: what is no mapping, and an
    /// unknown key, were reported already.
    pub(super) fn lacks(&self, id: NodeId, key: &str, known: &[&str]) -> bool {
        // To look for a misspelling costs much for each key, and a text may be hostile.
        if self.has_enough() {
            return false;
        }
        let Some(pairs) = self.tree.entries(id) else { return self.is_null(id) };
        let is_meant = |text: &str| {
            text == key || !known.contains(&text) && suggestion(text, known) == format!("; use {key:?}")
        };
        !pairs.iter().filter_map(|(key, _)| self.tree.text(*key)).any(is_meant)
    }
}

/// Returns the kind of another API's object, and where it is.
pub(super) fn kind_of<'t>(tree: &'t Tree<'t>, root: NodeId) -> Option<(&'t str, NodeId)> {
    let at = tree.get(root, "kind")?;
    let kind = tree.text(at).filter(|kind| *kind != KIND)?;
    let version = tree.text(tree.get(root, "apiVersion")?)?;
    (version != API_VERSION).then_some((kind, at))
}

/// Returns an example of the missing mapping.
pub(super) fn example(what: &str) -> String {
    match what {
        "rules" => "write rules: {soft-mount: {action: deny}}".to_owned(),
        rule if rules::find(rule).is_some() => format!("write {rule}: {{action: warn}}"),
        "a driver" => "write {name: my-driver, nfs: true}".to_owned(),
        "an exemption" => "write {rules: [soft-mount], name: NAME, reason: REASON}".to_owned(),
        _ => "write keys and values".to_owned(),
    }
}

/// Returns the flag of `check` for a key that other tools have in a file of settings: a policy is
/// the same for the webhook, which has neither paths nor formats.
pub(super) fn flag_of_check(key: &str) -> Option<&'static str> {
    Some(match key {
        "paths" | "files" | "include" => "check PATH...",
        "format" | "output" | "formats" => "--format, NFS_MOUNT_GUARD_FORMAT",
        "exclude" | "excludes" => "--exclude, NFS_MOUNT_GUARD_EXCLUDE",
        "select" => "--select, NFS_MOUNT_GUARD_SELECT",
        "ignore" => "--ignore, NFS_MOUNT_GUARD_IGNORE",
        "failOn" => "--fail-on, NFS_MOUNT_GUARD_FAIL_ON",
        "baseline" => "--baseline, NFS_MOUNT_GUARD_BASELINE",
        _ => return None,
    })
}
