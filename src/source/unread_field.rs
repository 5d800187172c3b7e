//! Fields at the top of an object that its kind does not have: nothing reads them, but for the aliases of
//! what is anchored there, as in `x-options: &o [hard]`.

use super::tree::{Content, NodeId, Tree};
use crate::kind::Kind;

/// The fields that objects of the kinds that are judged have at the top, and Lists of them.
const FIELDS: [&str; 18] = [
    "apiVersion", "kind", "metadata", "spec", "status", "items", "template", "data", "revision",
    "provisioner", "parameters", "reclaimPolicy", "mountOptions", "allowVolumeExpansion",
    "volumeBindingMode", "allowedTopologies", "driver", "deletionPolicy",
];

/// Returns true if nothing reads a field at the top of an object of this kind. Of a kind that is not
/// judged, the fields are not known.
pub(crate) fn is_unread_field(kind: &str, field: &str) -> bool {
    let judged = Kind::parse(kind);
    let has_no_list = judged.is_some_and(|kind| kind.row().list != ["mountOptions"]);
    (judged.is_some() || kind.ends_with("List"))
        && (!FIELDS.contains(&field) || field == "mountOptions" && has_no_list)
}

/// Returns the values of such fields of a document, in order.
pub(super) fn unread_values(tree: &Tree<'_>) -> Vec<NodeId> {
    let mut unread = Vec::new();
    for node in &tree.nodes {
        let Content::Map { entries, .. } = &node.content else { continue };
        let of = |name: &str| entries.iter().find(|(key, _)| tree.text(*key) == Some(name));
        let kind = of("apiVersion").and_then(|_| tree.text(of("kind")?.1));
        let Some(kind) = kind else { continue };
        let is_unread = |(key, _): &&(NodeId, NodeId)| {
            !tree.is_merge(*key) && tree.text(*key).is_some_and(|key| is_unread_field(kind, key))
        };
        unread.extend(entries.iter().filter(is_unread).map(|(_, value)| *value));
    }
    unread.sort_unstable();
    unread
}
