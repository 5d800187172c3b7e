//! The fields of an object that hold options and that nothing reads.

use super::super::object::Part;
use super::super::tree::{NodeId, Tree};
use super::super::{Source, json, unjudged};
use crate::kind::{Holds, Kind};
use crate::subject::Misplaced;
use crate::subject::manifest::Manifest;

/// The ends of keys in JSON under which a driver finds its settings.
const SETTINGS: [&str; 2] = ["parameters\"", "volumeAttributes\""];

/// Returns true if JSON text may have such a key.
pub(super) fn may_have_settings(part: &str) -> bool {
    SETTINGS.iter().any(|key| json::may_have_key(part, key))
}

/// Adds the fields that hold options and that nothing reads.
pub(in crate::source) fn add_misplaced(parts: &mut [Part<'_>], tree: &Tree<'_>, node: NodeId, kind: Kind) {
    for part in parts {
        part.misplaced = match part.volume {
            None => unjudged::misplaced(tree, node, kind),
            Some(volume) => unjudged::in_volume(tree, node, volume),
        };
    }
}

/// Returns the same in JSON, of which no tree is built as long as no more keys name options than
/// the manifest holds.
pub(super) fn misplaced_in_json(
    source: &Source<'_>,
    part: &str,
    kind: Kind,
    manifest: &Manifest<'_>,
) -> Vec<Misplaced> {
    // The settings that a driver reads of another kind have other names, too.
    let holds = kind.row().holds;
    let has_others = match holds {
        Holds::Class | Holds::Snapshots => manifest.spec.is_some(),
        Holds::Volume => manifest.parameters.is_some() || unjudged::has_others_in_source(part),
        Holds::Claim | Holds::InlineVolumes(_) => false,
    };
    if !has_others && unjudged::keys_like_options(part) <= manifest.keys_like_options(kind) {
        return Vec::new();
    }
    unjudged::misplaced(&json::tree(source.text, part), 0, kind)
}

pub(super) fn whole<'i>(source: &Source<'_>, part: &str, kind: Kind, manifest: Manifest<'i>) -> Part<'i> {
    let misplaced = misplaced_in_json(source, part, kind, &manifest);
    Part { misplaced, ..Part::whole(manifest) }
}
